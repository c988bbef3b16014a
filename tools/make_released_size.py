#!/usr/bin/env python3
"""Writes a checkpoint of a released model's sizes with random weights, and says whether it answers within the memory that was planned.

    make_released_size.py build/mlx-vision /tmp/models                        every model of the list, one after the other
    make_released_size.py build/mlx-vision /tmp/models --model lfm2_vl_450m   repeatable
    make_released_size.py build/mlx-vision /tmp/models --keep                 leaves the folders

Each starts from a fixture's folder (tests/fixtures: configuration, tokenizer, processor) with the released numbers put in; the program itself
then says which tensors it misses. Matrices of the language part become 4-bit, affine, groups of 64, as mlx-vlm's converter has them; the rest
stays bfloat16. The vocabulary is of released size, the tokenizer the fixture's. Needs numpy only. Prints a line for each: the folder's size,
tokens of the picture, planned and measured peak, and their ratio; ends with an error where the plan was too small.
"""
from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from make_real_size import GROUP, Checkpoint, safetensors_head

ROOT = Path(__file__).resolve().parent.parent
MISSING = re.compile(r"^\s+missing  (\S+) \[([\d,]*)\]", re.MULTILINE)

SO400M = {"hidden_size": 1152, "num_hidden_layers": 27, "num_attention_heads": 16, "intermediate_size": 4304, "patch_size": 14}
QWEN2_05B = {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14, "num_key_value_heads": 2,
             "vocab_size": 151936}
INTERN_VIT = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096, "patch_size": 14,
              "image_size": 448}
SQUARE = {"size": {"height": 448, "width": 448}, "max_patches": 12}
LLAMA_7B = {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
            "vocab_size": 32064}
MISTRAL_7B = {**LLAMA_7B, "intermediate_size": 14336, "num_key_value_heads": 8}
CLIP_L = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096, "patch_size": 14,
          "image_size": 336, "projection_dim": 768}
CLIP_FILE = {"crop_size": {"height": 336, "width": 336}, "size": {"shortest_edge": 336}}
QWEN_VIT = {"depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "num_heads": 16, "num_position_embeddings": 2304,
            "deepstack_visual_indexes": [5, 11, 17]}
QWEN3_MROPE = {"rope_scaling": {"mrope_interleaved": True, "mrope_section": [24, 20, 20], "rope_type": "default"}}
QWEN3_PIXELS = {"size": {"longest_edge": 16777216, "shortest_edge": 65536}}
PIXTRAL_VIT = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "head_dim": 64, "intermediate_size": 4096}
# model -> fixture, changes of config.json, changes of the processor's file
MODELS = {
    "qwen3_vl_2b": ("qwen3_vl", {
        "text_config": {"hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28, "num_attention_heads": 16,
                        "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936,
                        "rope_scaling": {"mrope_interleaved": True, "mrope_section": [24, 20, 20], "rope_type": "default"}},
        "vision_config": {"hidden_size": 1024, "depth": 24, "intermediate_size": 4096, "num_heads": 16, "out_hidden_size": 2048,
                          "num_position_embeddings": 2304, "deepstack_visual_indexes": [5, 11, 17]}},
                    {"size": {"longest_edge": 16777216, "shortest_edge": 65536}}),
    "qwen2_vl_2b": ("qwen2_vl", {
        "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12, "num_key_value_heads": 2,
        "vocab_size": 151936, "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
        "vision_config": {"depth": 32, "embed_dim": 1280, "hidden_size": 1536, "mlp_ratio": 4, "num_heads": 16}},
                    {"min_pixels": 3136, "max_pixels": 12845056}),
    "qwen2_5_vl_3b": ("qwen2_5_vl", {
        "hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36, "num_attention_heads": 16, "num_key_value_heads": 2,
        "vocab_size": 151936, "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
        "vision_config": {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 2048,
                          "window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31]}},
                      {"min_pixels": 3136, "max_pixels": 12845056}),
    "qwen3_vl_30b_a3b": ("qwen3_vl_moe", {
        "text_config": {"hidden_size": 2048, "intermediate_size": 6144, "moe_intermediate_size": 768, "num_experts": 128,
                        "num_experts_per_tok": 8, "mlp_only_layers": [], "num_hidden_layers": 48, "num_attention_heads": 32,
                        "num_key_value_heads": 4, "head_dim": 128, "vocab_size": 151936, **QWEN3_MROPE},
        "vision_config": {**QWEN_VIT, "depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "out_hidden_size": 2048,
                          "deepstack_visual_indexes": [8, 16, 24]}}, QWEN3_PIXELS),
    "qwen3_5_0_8b": ("qwen3_5", {
        "text_config": {"hidden_size": 1024, "intermediate_size": 3584, "num_hidden_layers": 24, "num_attention_heads": 8,
                        "num_key_value_heads": 2, "head_dim": 256, "vocab_size": 248320, "full_attention_interval": 4,
                        "layer_types": ["full_attention" if i % 4 == 3 else "linear_attention" for i in range(24)],
                        "linear_key_head_dim": 128, "linear_value_head_dim": 128, "linear_num_key_heads": 16, "linear_num_value_heads": 16,
                        "rope_parameters": {"mrope_section": [11, 11, 10]}},
        "vision_config": {**QWEN_VIT, "depth": 12, "hidden_size": 768, "intermediate_size": 3072, "num_heads": 12, "out_hidden_size": 1024,
                          "deepstack_visual_indexes": []}}, QWEN3_PIXELS),
    "qwen3_5_35b_a3b": ("qwen3_5_moe", {
        "text_config": {"hidden_size": 2048, "moe_intermediate_size": 512, "num_experts": 256, "num_experts_per_tok": 8,
                        "shared_expert_intermediate_size": 512, "num_hidden_layers": 40, "num_attention_heads": 16, "num_key_value_heads": 2,
                        "head_dim": 256, "vocab_size": 248320, "full_attention_interval": 4,
                        "layer_types": ["full_attention" if i % 4 == 3 else "linear_attention" for i in range(40)],
                        "linear_key_head_dim": 128, "linear_value_head_dim": 128, "linear_num_key_heads": 16, "linear_num_value_heads": 32,
                        "rope_parameters": {"mrope_section": [11, 11, 10]}},
        "vision_config": {**QWEN_VIT, "depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "out_hidden_size": 2048,
                          "deepstack_visual_indexes": []}}, QWEN3_PIXELS),
    "llava_1_5_7b": ("llava", {"text_config": LLAMA_7B, "vision_config": CLIP_L}, CLIP_FILE),
    "llava_interleave_0_5b": ("llava_interleave", {
        "text_config": QWEN2_05B, "vision_config": {**SO400M, "image_size": 384}}, {"size": {"height": 384, "width": 384}}),
    "llava_1_6_mistral_7b": ("llava_next", {
        "text_config": MISTRAL_7B, "vision_config": CLIP_L, "image_seq_length": 576,
        "image_grid_pinpoints": [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]},
                             {**CLIP_FILE, "image_grid_pinpoints": [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]}),
    "llava_onevision_0_5b": ("llava_onevision", {
        "text_config": QWEN2_05B, "vision_config": {**SO400M, "num_hidden_layers": 26, "image_size": 384}, "vision_aspect_ratio": "anyres_max_9",
        "image_grid_pinpoints": [[384 * i, 384 * j] for i in range(1, 7) for j in range(1, 7)]},
                             {"size": {"height": 384, "width": 384}, "num_image_tokens": 729, "vision_aspect_ratio": "anyres_max_9",
                              "image_grid_pinpoints": [[384 * i, 384 * j] for i in range(1, 7) for j in range(1, 7)]}),
    "pixtral_12b": ("pixtral", {
        "text_config": {"hidden_size": 5120, "intermediate_size": 14336, "num_hidden_layers": 40, "num_attention_heads": 32,
                        "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 131072},
        "vision_config": {**PIXTRAL_VIT, "image_size": 1024}}, {"size": {"longest_edge": 1024}}),
    "ministral3_3b": ("mistral3_ministral", {
        "text_config": {"hidden_size": 3072, "intermediate_size": 9216, "num_hidden_layers": 26, "num_attention_heads": 32,
                        "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 131072,
                        "rope_parameters": {"original_max_position_embeddings": 16384}},
        "vision_config": {**PIXTRAL_VIT, "image_size": 1540}}, {"size": {"longest_edge": 1540}}),
    "mistral_small_24b": ("mistral3", {
        "text_config": {"hidden_size": 5120, "intermediate_size": 32768, "num_hidden_layers": 40, "num_attention_heads": 32,
                        "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 131072},
        "vision_config": {**PIXTRAL_VIT, "image_size": 1540}}, {"size": {"longest_edge": 1540}}),
    "idefics3_8b": ("idefics3", {
        "vocab_size": 128260, "text_config": {**MISTRAL_7B, "vocab_size": 128260},
        "vision_config": {**SO400M, "image_size": 364, "max_image_size": {"longest_edge": 364}, "size": {"longest_edge": 1456}}},
                    {"max_image_size": {"longest_edge": 364}, "size": {"longest_edge": 1456}, "image_seq_len": 169}),
    "smolvlm2_256m": ("smolvlm", {
        "vocab_size": 49280, "scale_factor": 4,
        "text_config": {"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9,
                        "num_key_value_heads": 3, "head_dim": 64, "vocab_size": 49280},
        "vision_config": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072, "patch_size": 16,
                          "image_size": 512, "max_image_size": {"longest_edge": 512}, "size": {"longest_edge": 2048}}},
                      {"max_image_size": {"longest_edge": 512}, "size": {"longest_edge": 2048}, "image_seq_len": 64}),
    "gemma4_12b": ("gemma4_unified", {
        "text_config": {"hidden_size": 3840, "intermediate_size": 15360, "num_hidden_layers": 48, "num_attention_heads": 16,
                        "num_key_value_heads": 8, "num_global_key_value_heads": 1, "head_dim": 256, "global_head_dim": 512, "sliding_window": 1024,
                        "vocab_size": 262144, "layer_types": ["full_attention" if i % 6 == 5 else "sliding_attention" for i in range(48)]},
        "vision_config": {"mm_embed_dim": 3840, "output_proj_dims": 3840, "mm_posemb_size": 1120, "patch_size": 16, "model_patch_size": 48,
                          "num_soft_tokens": 280}},
                   {"patch_size": 16, "max_soft_tokens": 280, "image_processor": {"patch_size": 16, "max_soft_tokens": 280}}),
    "internvl3_5_1b": ("internvl", {
        "image_seq_length": 256, "vision_config": {**INTERN_VIT, "image_size": [448, 448], "patch_size": [14, 14]},
        "text_config": {"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16,
                        "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936}}, SQUARE),
    "internvl2_5_1b": ("internvl_chat", {
        "force_image_size": 448, "max_dynamic_patch": 12, "llm_config": QWEN2_05B,
        "vision_config": {**INTERN_VIT, "norm_type": "layer_norm", "qk_normalization": False, "qkv_bias": True}}, {}),
    "internvl2_2b": ("internvl_internlm2-hf", {
        "force_image_size": 448, "max_dynamic_patch": 12,
        "llm_config": {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 24, "num_attention_heads": 16,
                       "num_key_value_heads": 8, "vocab_size": 92553, "max_position_embeddings": 32768},
        "vision_config": {**INTERN_VIT, "norm_type": "layer_norm", "qk_normalization": False, "qkv_bias": True}}, {}),
    "lfm2_vl_450m": ("lfm2_vl", {
        "projector_hidden_size": 2560,
        "text_config": {"hidden_size": 1024, "block_ff_dim": 6656, "block_multiple_of": 256, "num_hidden_layers": 16,
                        "num_attention_heads": 16, "num_key_value_heads": 8, "vocab_size": 65536,
                        "layer_types": ["full_attention" if i in (2, 5, 8, 10, 12, 14) else "conv" for i in range(16)]},
        "vision_config": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072,
                          "num_patches": 256}},
                     {"tile_size": 512, "max_image_tokens": 256, "min_image_tokens": 64, "max_num_patches": 1024}),
    "fastvlm_0_5b": ("fastvlm", {
        **QWEN2_05B, "mm_hidden_size": 3072,
        "vision_config": {"image_size": 1024, "layers": [2, 12, 24, 4, 2], "embed_dims": [96, 192, 384, 768, 1536], "mlp_ratios": [4] * 5}},
                     {"crop_size": {"height": 1024, "width": 1024}, "size": {"shortest_edge": 1024}}),
    "nanollava": ("llava_bunny-hf", {
        "hidden_size": 1024, "intermediate_size": 2816, "num_hidden_layers": 24, "num_attention_heads": 16, "num_key_value_heads": 16,
        "vocab_size": 151936, "mm_hidden_size": 1152, "vision_config": SO400M}, {}),
    "gemma4_e2b": ("gemma4", {
        "text_config": {"hidden_size": 1536, "intermediate_size": 6144, "num_hidden_layers": 35, "num_attention_heads": 8,
                        "num_key_value_heads": 1, "head_dim": 256, "global_head_dim": 512, "num_kv_shared_layers": 20, "sliding_window": 512,
                        "hidden_size_per_layer_input": 256, "vocab_size": 262144, "vocab_size_per_layer_input": 262144,
                        "layer_types": ["full_attention" if i % 5 == 4 else "sliding_attention" for i in range(35)]},
        "vision_config": {"hidden_size": 768, "num_hidden_layers": 16, "num_attention_heads": 12, "num_key_value_heads": 12, "head_dim": 64,
                          "intermediate_size": 3072, "patch_size": 16, "position_embedding_size": 10240}},
                   {"image_processor": {"patch_size": 16, "max_soft_tokens": 280}}),
    "gemma3_4b": ("gemma3", {
        "mm_tokens_per_image": 256,
        "text_config": {"hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34, "num_attention_heads": 8,
                        "num_key_value_heads": 4, "head_dim": 256, "query_pre_attn_scalar": 256, "sliding_window": 1024,
                        "sliding_window_pattern": 6, "vocab_size": 262208, "mm_tokens_per_image": 256},
        "vision_config": {**SO400M, "image_size": 896}},
                  {"image_seq_length": 256, "size": {"height": 896, "width": 896}}),
    "gemma3n_e2b": ("gemma3n", {
        "vision_soft_tokens_per_image": 256,
        "text_config": {"hidden_size": 2048, "intermediate_size": [8192] * 30, "num_hidden_layers": 30, "num_attention_heads": 8,
                        "num_key_value_heads": 2, "head_dim": 256, "num_kv_shared_layers": 10, "sliding_window": 512, "laurel_rank": 64,
                        "hidden_size_per_layer_input": 256, "vocab_size": 262400, "vocab_size_per_layer_input": 262144,
                        "activation_sparsity_pattern": [0.95] * 10 + [0.0] * 20,
                        "layer_types": ["full_attention" if i % 5 == 4 else "sliding_attention" for i in range(30)]},
        "vision_config": {"hidden_size": 2048}, "audio_config": {"hidden_size": 1536}},
                    {"image_seq_length": 256, "size": {"height": 768, "width": 768}}),
    "paligemma_3b": ("paligemma", {
        "text_config": {"hidden_size": 2048, "intermediate_size": 16384, "num_hidden_layers": 18, "num_attention_heads": 8,
                        "num_key_value_heads": 1, "head_dim": 256, "vocab_size": 257216},
        "vision_config": {**SO400M, "image_size": 224}},
                     {"image_seq_length": 256, "size": {"height": 224, "width": 224}}),
}


def mobile_net_v5() -> list[tuple[str, tuple[int, ...]]]:
    """timm's mobilenetv5_300m_enc, whose blocks the program reads from the file."""
    tensors, width = [], 64

    def conv(name: str, norm: str, out: int, inputs: int, kernel: int) -> None:
        tensors.extend([(f"{name}.weight", (out, kernel, kernel, inputs)), (f"{norm}.weight", (out,))])

    def bottleneck(at: str, out: int, middle: int, kernels: tuple[int, int]) -> None:
        for part, size, kernel in (("dw_start", width, kernels[0]), ("dw_mid", middle, kernels[1])):
            if kernel:
                conv(f"{at}.{part}.conv", f"{at}.{part}.bn", size, 1, kernel)
        conv(f"{at}.pw_exp.conv", f"{at}.pw_exp.bn", middle, width, 1)
        conv(f"{at}.pw_proj.conv", f"{at}.pw_proj.bn", out, middle, 1)

    def attention(at: str, heads: int, key: int, reduced: bool) -> None:
        tensors.extend([(f"{at}.norm.weight", (width,)), (f"{at}.attn.query.proj.weight", (heads * key, 1, 1, width)),
                        (f"{at}.attn.output.proj.weight", (width, 1, 1, heads * key))])
        for part in ("key", "value"):
            if reduced:
                conv(f"{at}.attn.{part}.down_conv", f"{at}.attn.{part}.norm", width, 1, 3)
            tensors.append((f"{at}.attn.{part}.proj.weight", (key, 1, 1, width)))

    conv("conv_stem.conv", "conv_stem.bn", 64, 3, 3)
    tensors.append(("conv_stem.conv.bias", (64,)))
    for i in range(3):
        middle = 4 * width
        conv(f"blocks.0.{i}.conv_exp", f"blocks.0.{i}.bn1", middle, width, 3)
        conv(f"blocks.0.{i}.conv_pwl", f"blocks.0.{i}.bn2", 128, middle, 1)
        width = 128
    stages = {1: (256, [(6, (3, 5))] + [(4, (5, 0)), (4, (3, 0))] * 2), 2: (640, [(6, (5, 5))] + [(4, (5, 0))] * 7 + [(1, (0, 0))]),
              3: (1280, [(6, (5, 5))])}
    for stage, (out, bottlenecks) in stages.items():
        for i, (ratio, kernels) in enumerate(bottlenecks):
            bottleneck(f"blocks.{stage}.{i}", out, ratio * width, kernels)
            width = out
        for i in range(0 if stage == 1 else 2 * 14 if stage == 2 else 2 * 19):
            at = f"blocks.{stage}.{len(bottlenecks) + i}"
            if i % 2 == 0:
                attention(at, *((12, 64, True) if stage == 2 else (16, 96, False)))
            else:
                bottleneck(at, out, 2 * width, (0, 0))
        scaled = {name.split(".attn.")[0].split(".pw_")[0] for name, _ in tensors if name.startswith(f"blocks.{stage}.") and (".attn." in name or ".pw_" in name)}
        tensors.extend((f"{at}.layer_scale.gamma", (out,)) for at in sorted(scaled))
    width = 640 + 1280
    bottleneck("msfa.ffn", 2048, 2 * width, (0, 0))
    tensors.append(("msfa.norm.weight", (2048,)))
    return [(f"vision_tower.timm_model.{name}", shape) for name, shape in tensors]


# What the program cannot name, since it takes a model's structure from it.
GIVEN = {"gemma3n_e2b": mobile_net_v5}


def merged(old: dict, new: dict) -> dict:
    return old | {k: merged(old[k], v) if isinstance(v, dict) and isinstance(old.get(k), dict) else v for k, v in new.items()}


def edit(path: Path, changes: dict) -> None:
    if path.exists():
        path.write_text(json.dumps(merged(json.loads(path.read_text()), changes), indent=1))


def write_hollow(path: Path, tensors: list[tuple[str, tuple[int, ...]]]) -> None:
    """The names and shapes, and a file that is long enough but holds nothing."""
    head, size = safetensors_head([(name, "BF16", shape) for name, shape in [*tensors, ("left.over", (1,))]])
    with path.open("wb") as f:
        f.write(head)
        f.truncate(len(head) + size)


def wanted(program: Path, folder: Path, tensors: list[tuple[str, tuple[int, ...]]]) -> list[tuple[str, tuple[int, ...]]]:
    """These and the tensors that the program misses in a folder with them alone; it names some at a time."""
    while True:
        write_hollow(folder / "model.safetensors", tensors)
        said = subprocess.run([program, "inspect", folder], capture_output=True, text=True).stderr
        more = [(name, tuple(map(int, shape.split(","))) if shape else ()) for name, shape in MISSING.findall(said)]
        if not more and "left.over" in said:
            return tensors
        if not more:
            raise SystemExit(f"{folder.name}: {said.strip()}")
        tensors += more


def write(program: Path, name: str, folder: Path) -> None:
    fixture, config, images = MODELS[name]
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "tests" / "fixtures" / fixture / "model", folder, ignore=shutil.ignore_patterns("*.safetensors*"))
    edit(folder / "config.json", {**config, "quantization": {"group_size": GROUP, "bits": 4}})
    for file in ("preprocessor_config.json", "processor_config.json"):
        edit(folder / file, {k: v for k, v in images.items() if k != "image_processor" or file == "processor_config.json"})
    if "image_seq_length" in config:
        edit(folder / "processor_config.json", {"image_seq_length": config["image_seq_length"]})
    checkpoint = Checkpoint(4)
    for tensor, shape in wanted(program, folder, GIVEN[name]() if name in GIVEN else []):
        matrix = (tensor.startswith("language_model.") and tensor.endswith(".weight") and shape[-1] % GROUP == 0
                  and (len(shape) == 2 or ".switch_mlp." in tensor))
        if tensor.endswith(("norm.weight", "norm1.weight", "norm2.weight", "bn.weight", "bn1.weight", "bn2.weight", "running_var", "layer_scalar", "std_scale", "_max")):
            checkpoint.dense(tensor, *shape, mean=5.0 if tensor.endswith("_max") else 1.0, std=0.02)
        elif tensor.endswith("_min"):
            checkpoint.dense(tensor, *shape, mean=-5.0, std=0.02)
        elif matrix and ".conv." not in tensor:
            checkpoint.linear(tensor.removesuffix(".weight"), shape[:-1], shape[-1], quantised=True)
        else:
            checkpoint.dense(tensor, *shape, std=0.02 if len(shape) < 2 else None)
    checkpoint.write(folder / "model.safetensors", 0)


def answer(program: Path, folder: Path, picture: Path) -> str:
    done = subprocess.run([program, "generate", "--model", folder, "--prompt", "What is this?", "--image", picture, "--max-tokens", "4",
                           "--ignore-eos", "--json"], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{folder.name}: {done.stderr.strip()}")
    said = json.loads(done.stdout)
    memory, size = said["memory"], sum(f.stat().st_size for f in folder.glob("*.safetensors"))
    planned, peak = memory["planned_peak_bytes"], memory["peak_bytes"]
    if planned < peak:
        raise SystemExit(f"{folder.name}: planned {planned:,} bytes, took {peak:,}")
    return (f"| {folder.name} | {size / 1e9:.2f} GB | {sum(said['image_tokens'])} | {planned / 1e9:.2f} GB | {peak / 1e9:.2f} GB | "
            f"{planned / peak:.3f} | {said['timings']['encode_s']:.1f} s |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", action="append", choices=MODELS)
    parser.add_argument("--picture", type=Path, default=ROOT / "examples" / "pictures" / "shapes.png")
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    print("| Model | Weights | Rows | Planned | Peak | Ratio | Encoding |\n|---|---|---|---|---|---|---|", flush=True)
    for name in args.model or MODELS:
        folder = args.out / name
        write(args.program.resolve(), name, folder)
        print(answer(args.program.resolve(), folder, args.picture), flush=True)
        if not args.keep:
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
