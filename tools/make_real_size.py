#!/usr/bin/env python3
"""Writes checkpoints of real size with random weights, for timing and memory tests. Needs numpy only.

    make_real_size.py qwen2_vl_2b OUT --bits 4        shape of mlx-community/Qwen2-VL-2B-Instruct-4bit
    make_real_size.py qwen2_5_vl_3b OUT --bits 4
    make_real_size.py smolvlm_256m OUT                bfloat16
    make_real_size.py qwen2_vl_2b OUT --bits 4 --vision-layers 2 --text-layers 4      the same widths, less depth

Names and layout are mlx-vlm's, with the language part quantised (affine, groups of 64) and the vision part in bfloat16, as its converter
does. Packed weights are random bits with a small scale. The tokenizer has the released vocabulary's size and special ids; ordinary text
becomes one token a byte, every other id is a made-up word.
"""
from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np

TEMPLATES = Path(__file__).resolve().parent / "fixture" / "templates"
GROUP = 64
POOL = 1_000_003  # values drawn once and repeated; prime, so that no two rows are alike


class Checkpoint:
    """Collects tensors by name and shape and writes them one after the other, so that memory stays small."""

    def __init__(self, bits: int, text_layers: int | None = None, vision_layers: int | None = None):
        self.bits = bits
        self.text_layers, self.vision_layers = text_layers, vision_layers  # in place of the model's own
        self.tensors: list[tuple[str, str, tuple[int, ...], float, float]] = []  # name, type, shape, mean, deviation

    def dense(self, name: str, *shape: int, mean: float = 0.0, std: float | None = None):
        std = 1.0 / math.sqrt(math.prod(shape[1:])) if std is None else std
        self.tensors.append((name, "BF16", shape, mean, std))

    def linear(self, name: str, out: int | tuple[int, ...], size: int, bias=False, quantised=False, gain=1.0):
        std, out = gain / math.sqrt(size), out if isinstance(out, tuple) else (out,)
        if quantised and self.bits < 16:
            step = std * math.sqrt(12) / 2**self.bits  # deviation of a uniform draw over all codes
            self.tensors.append((f"{name}.weight", "U32", (*out, size * self.bits // 32), 0, 0))
            self.tensors.append((f"{name}.scales", "BF16", (*out, size // GROUP), step, step / 16))
            self.tensors.append((f"{name}.biases", "BF16", (*out, size // GROUP), -step * (2**self.bits - 1) / 2, step / 16))
        else:
            self.dense(f"{name}.weight", *out, size, std=std)
        if bias:
            self.dense(f"{name}.bias", *out, std=0.02)

    def norm(self, name: str, size: int, bias=False):
        self.dense(f"{name}.weight", size, mean=1.0, std=0.02)
        if bias:
            self.dense(f"{name}.bias", size, std=0.02)

    def write(self, path: Path, seed: int):
        rng = np.random.default_rng(seed)
        normal = rng.standard_normal(POOL, dtype=np.float32)
        words = rng.integers(0, 2**32, POOL, dtype=np.uint32)
        head, size = safetensors_head([(name, kind, shape) for name, kind, shape, _, _ in self.tensors])
        with path.open("wb") as f:
            f.write(head)
            for name, kind, shape, mean, std in self.tensors:
                pool = words if kind == "U32" else to_bfloat16(normal * np.float32(std) + np.float32(mean))
                shift = int(rng.integers(POOL))
                np.resize(np.roll(pool, shift), math.prod(shape)).tofile(f)
        return size


def safetensors_head(tensors: list[tuple[str, str, tuple[int, ...]]]) -> tuple[bytes, int]:
    """A file's beginning for tensors of these names, types and shapes, and the bytes that follow it."""
    header, offset = {"__metadata__": {"format": "mlx"}}, 0
    for name, kind, shape in tensors:
        size = math.prod(shape) * {"BF16": 2, "U32": 4}[kind]
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, offset


def to_bfloat16(values: np.ndarray) -> np.ndarray:
    """The upper halves of the float32 words, rounded to nearest even."""
    words = values.view(np.uint32)
    return ((words + 0x7FFF + ((words >> 16) & 1)) >> 16).astype(np.uint16)


def decoder(c: Checkpoint, prefix: str, head: str | None, t: dict, qkv_bias: bool):
    """A Llama or Qwen2 decoder; `head` names the output matrix where it is not tied."""
    hidden, size = t["hidden_size"], t["hidden_size"] // t["num_attention_heads"]
    c.linear(f"{prefix}embed_tokens", t["vocab_size"], hidden, quantised=True)
    for i in range(t["num_hidden_layers"]):
        layer = f"{prefix}layers.{i}."
        for part, heads in (("q", t["num_attention_heads"]), ("k", t["num_key_value_heads"]), ("v", t["num_key_value_heads"])):
            c.linear(f"{layer}self_attn.{part}_proj", heads * size, hidden, qkv_bias, quantised=True)
        c.linear(f"{layer}self_attn.o_proj", hidden, t["num_attention_heads"] * size, quantised=True)
        c.linear(f"{layer}mlp.gate_proj", t["intermediate_size"], hidden, quantised=True)
        c.linear(f"{layer}mlp.up_proj", t["intermediate_size"], hidden, quantised=True)
        c.linear(f"{layer}mlp.down_proj", hidden, t["intermediate_size"], quantised=True)
        c.norm(f"{layer}input_layernorm", hidden)
        c.norm(f"{layer}post_attention_layernorm", hidden)
    c.norm(f"{prefix}norm", hidden)
    if head:
        c.linear(head, t["vocab_size"], hidden, quantised=True, gain=3.0)


# ---- Qwen2-VL, Qwen2.5-VL --------------------------------------------------------------------------------------------
QWEN_SPECIALS = ("<|endoftext|> <|im_start|> <|im_end|> <|object_ref_start|> <|object_ref_end|> <|box_start|> <|box_end|> "
                 "<|quad_start|> <|quad_end|> <|vision_start|> <|vision_end|> <|vision_pad|> <|image_pad|> <|video_pad|>").split()
QWEN_FIRST_SPECIAL = 151643
QWEN_SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CLIP_MEAN, CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]


def qwen_side_files(architecture: str, model_type: str, vision: dict, **text) -> dict[str, dict]:
    config = {
        "architectures": [f"{architecture}ForConditionalGeneration"], "model_type": model_type, "attention_dropout": 0.0,
        "bos_token_id": 151643, "eos_token_id": 151645, "vision_start_token_id": 151652, "vision_end_token_id": 151653,
        "vision_token_id": 151654, "image_token_id": 151655, "video_token_id": 151656, "hidden_act": "silu",
        "initializer_range": 0.02, "max_position_embeddings": 32768, "num_key_value_heads": 2, "rms_norm_eps": 1e-06,
        "rope_theta": 1000000.0, "sliding_window": 32768, "tie_word_embeddings": True, "use_cache": True,
        "use_sliding_window": False, "vision_config": {**vision, "in_chans": 3, "patch_size": 14, "spatial_merge_size": 2,
                                                       "spatial_patch_size": 14, "temporal_patch_size": 2},
        "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]}, "vocab_size": 151936, **text}
    processor = {"min_pixels": 3136, "max_pixels": 12845056, "patch_size": 14, "temporal_patch_size": 2, "merge_size": 2,
                 "image_mean": CLIP_MEAN, "image_std": CLIP_STD, "image_processor_type": "Qwen2VLImageProcessor",
                 "processor_class": f"{architecture}Processor"}
    split = {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": QWEN_SPLIT}, "behavior": "Isolated", "invert": False},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}]}
    tokens = {QWEN_FIRST_SPECIAL + i: t for i, t in enumerate(QWEN_SPECIALS)}
    settings = {"add_prefix_space": False, "additional_special_tokens": ["<|im_start|>", "<|im_end|>"], "bos_token": None,
                "clean_up_tokenization_spaces": False, "eos_token": "<|im_end|>", "errors": "replace", "model_max_length": 32768,
                "pad_token": "<|endoftext|>", "split_special_tokens": False, "tokenizer_class": "Qwen2Tokenizer", "unk_token": None}
    return side_files(config, {"preprocessor_config.json": processor}, tokens, {"type": "NFC"}, split, settings, "qwen2_vl")


def qwen2_vl_2b(c: Checkpoint) -> dict[str, dict]:
    vision = {"depth": c.vision_layers or 32, "embed_dim": 1280, "mlp_ratio": 4, "num_heads": 16, "hidden_size": 1536}
    files = qwen_side_files("Qwen2VL", "qwen2_vl", vision, hidden_size=1536, intermediate_size=8960, num_attention_heads=12,
                            num_hidden_layers=c.text_layers or 28, max_window_layers=28)
    decoder(c, "language_model.model.", None, files["config.json"], qkv_bias=True)
    width = vision["embed_dim"]
    c.dense("vision_tower.patch_embed.proj.weight", width, 2, 14, 14, 3)
    for i in range(vision["depth"]):
        block = f"vision_tower.blocks.{i}."
        c.norm(f"{block}norm1", width, bias=True)
        c.norm(f"{block}norm2", width, bias=True)
        c.linear(f"{block}attn.qkv", 3 * width, width, bias=True)
        c.linear(f"{block}attn.proj", width, width, bias=True)
        c.linear(f"{block}mlp.fc1", 4 * width, width, bias=True)
        c.linear(f"{block}mlp.fc2", width, 4 * width, bias=True)
    merger(c, width, 1536, norm_bias=True)
    return files


def qwen2_5_vl_3b(c: Checkpoint) -> dict[str, dict]:
    depth = c.vision_layers or 32
    full = [i for i in (7, 15, 23, 31) if i < depth] or [depth - 1]
    vision = {"depth": depth, "hidden_act": "silu", "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16,
              "out_hidden_size": 2048, "window_size": 112, "fullatt_block_indexes": full, "tokens_per_second": 2}
    files = qwen_side_files("Qwen2_5_VL", "qwen2_5_vl", vision, hidden_size=2048, intermediate_size=11008, num_attention_heads=16,
                            num_hidden_layers=c.text_layers or 36, max_window_layers=70, max_position_embeddings=128000)
    decoder(c, "language_model.model.", None, files["config.json"], qkv_bias=True)
    width, inner = vision["hidden_size"], vision["intermediate_size"]
    c.dense("vision_tower.patch_embed.proj.weight", width, 2, 14, 14, 3)
    for i in range(vision["depth"]):
        block = f"vision_tower.blocks.{i}."
        c.norm(f"{block}norm1", width)
        c.norm(f"{block}norm2", width)
        c.linear(f"{block}attn.qkv", 3 * width, width, bias=True)
        c.linear(f"{block}attn.proj", width, width, bias=True)
        c.linear(f"{block}mlp.gate_proj", inner, width, bias=True)
        c.linear(f"{block}mlp.up_proj", inner, width, bias=True)
        c.linear(f"{block}mlp.down_proj", width, inner, bias=True)
    merger(c, width, 2048, norm_bias=False)
    return files


def merger(c: Checkpoint, width: int, out: int, norm_bias: bool):
    c.norm("vision_tower.merger.ln_q", width, bias=norm_bias)
    c.linear("vision_tower.merger.mlp.0", 4 * width, 4 * width, bias=True)
    c.linear("vision_tower.merger.mlp.2", out, 4 * width, bias=True)


# ---- SmolVLM ---------------------------------------------------------------------------------------------------------
def smolvlm_256m(c: Checkpoint) -> dict[str, dict]:
    rows = [f"<row_{r}_col_{k}>" for r in range(1, 7) for k in range(1, 7)]
    tokens = {0: "<|endoftext|>", 1: "<|im_start|>", 2: "<|im_end|>", 49152: "<global-img>"}
    tokens |= {49153 + i: t for i, t in enumerate(rows)}
    tokens |= {49189: "<fake_token_around_image>", 49190: "<image>", 49279: "<end_of_utterance>"}
    text = {"model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_attention_heads": 9, "num_hidden_layers": c.text_layers or 30,
            "num_key_value_heads": 3, "head_dim": 64, "hidden_act": "silu", "max_position_embeddings": 8192, "rms_norm_eps": 1e-05,
            "rope_theta": 100000, "rope_interleaved": False, "tie_word_embeddings": False, "vocab_size": 49280}
    vision = {"model_type": "idefics3", "hidden_size": 768, "image_size": 512, "intermediate_size": 3072, "num_attention_heads": 12,
              "num_hidden_layers": c.vision_layers or 12, "patch_size": 16, "num_channels": 3, "layer_norm_eps": 1e-6, "hidden_act": "gelu_pytorch_tanh",
              "max_image_size": {"longest_edge": 512}, "size": {"longest_edge": 2048}, "tie_word_embeddings": False}
    config = {"architectures": ["Idefics3ForConditionalGeneration"], "model_type": "idefics3", "image_token_id": 49190, "pad_token_id": 2,
              "eos_token_id": 49279, "scale_factor": 4, "text_config": text, "tie_word_embeddings": False, "use_cache": True,
              "vision_config": vision, "vocab_size": 49280}
    processor = {"do_convert_rgb": True, "do_image_splitting": True, "do_normalize": True, "do_pad": True, "do_rescale": True,
                 "do_resize": True, "image_mean": [0.5] * 3, "image_processor_type": "Idefics3ImageProcessor", "image_std": [0.5] * 3,
                 "max_image_size": {"longest_edge": 512}, "processor_class": "Idefics3Processor", "resample": 1,
                 "rescale_factor": 1 / 255, "size": {"longest_edge": 2048}}
    split = {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True},
                                                   {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]}
    settings = {"add_prefix_space": False, "additional_special_tokens": ["<fake_token_around_image>", "<image>", "<end_of_utterance>"],
                "bos_token": "<|im_start|>", "clean_up_tokenization_spaces": False, "eos_token": "<end_of_utterance>",
                "model_max_length": 8192, "pad_token": "<|im_end|>", "processor_class": "Idefics3Processor",
                "tokenizer_class": "GPT2Tokenizer", "truncation_side": "left", "unk_token": "<|endoftext|>"}
    decoder(c, "language_model.", "language_model.lm_head", text, qkv_bias=False)
    siglip(c, "vision_model.", vision)
    c.linear("connector.modality_projection.proj", 576, 768 * 16)
    return side_files(config, {"preprocessor_config.json": processor,
                               "processor_config.json": {"image_seq_len": 64, "processor_class": "Idefics3Processor"}},
                      tokens, None, split, settings, "smolvlm")


def siglip(c: Checkpoint, prefix: str, v: dict):
    width = v["hidden_size"]
    c.dense(f"{prefix}embeddings.patch_embedding.weight", width, v["patch_size"], v["patch_size"], 3)
    c.dense(f"{prefix}embeddings.patch_embedding.bias", width, std=0.02)
    c.dense(f"{prefix}embeddings.position_embedding.weight", (v["image_size"] // v["patch_size"])**2, width, std=0.02)
    for i in range(v["num_hidden_layers"]):
        layer = f"{prefix}encoder.layers.{i}."
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            c.linear(f"{layer}self_attn.{part}", width, width, bias=True)
        c.linear(f"{layer}mlp.fc1", v["intermediate_size"], width, bias=True)
        c.linear(f"{layer}mlp.fc2", width, v["intermediate_size"], bias=True)
        c.norm(f"{layer}layer_norm1", width, bias=True)
        c.norm(f"{layer}layer_norm2", width, bias=True)
    c.norm(f"{prefix}post_layernorm", width, bias=True)


# ---- Files beside the weights ----------------------------------------------------------------------------------------
def byte_alphabet() -> list[str]:
    """GPT-2's printable stand-ins for the 256 bytes, by byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(b) if b in printable else chr(next(spare)) for b in range(256)]


def tokenizer_json(specials: dict[int, str], normalizer: dict | None, split: dict) -> dict:
    """A byte-level BPE without merges whose ids run up to the last special token."""
    added_after = min((i for i in specials if i > 1000))
    vocab, bytes_left = {}, iter(byte_alphabet())
    for i in range(added_after):
        token = specials.get(i) or next(bytes_left, None) or f"Ġword{i}"
        vocab[token] = i
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    added = []
    for i in sorted({*specials, *range(added_after, max(specials))}):
        added.append({"id": i, "content": specials.get(i, f"<reserved_{i}>"), **flags})
    decode = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": normalizer,
            "pre_tokenizer": split, "post_processor": None, "decoder": decode,
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": vocab, "merges": []}}


def side_files(config, files, specials, normalizer, split, settings, template) -> dict[str, dict]:
    text = (TEMPLATES / f"{template}.jinja").read_text(encoding="utf-8")
    return {"config.json": config, "tokenizer.json": tokenizer_json(specials, normalizer, split),
            "tokenizer_config.json": {**settings, "chat_template": text}, **files}


MODELS = {f.__name__: f for f in (qwen2_vl_2b, qwen2_5_vl_3b, smolvlm_256m)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("out", type=Path, help="folder to write; made if absent")
    parser.add_argument("--bits", type=int, choices=(2, 3, 4, 5, 6, 8, 16), default=16, help="of the language part; 16 = bfloat16, not quantised")
    parser.add_argument("--text-layers", type=int, help="of the language model, in place of the model's own number")
    parser.add_argument("--vision-layers", type=int, help="of the image encoder")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    weights = Checkpoint(args.bits, args.text_layers, args.vision_layers)
    files = MODELS[args.model](weights)
    files["config.json"]["torch_dtype"] = "bfloat16"
    if args.bits < 16:
        files["config.json"]["quantization"] = {"group_size": GROUP, "bits": args.bits, "mode": "affine"}
    args.out.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (args.out / name).write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    size = weights.write(args.out / "model.safetensors", args.seed)
    print(f"{args.out}: {len(weights.tensors)} tensors, {size / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
