#!/usr/bin/env python3
"""Writes the tiny checkpoints of tests/fixtures and what the reference makes of them.

    make_fixture.py                                        every fixture of the repository
    make_fixture.py --family qwen2_vl --variants base,4bit
    make_fixture.py --seed 3 --out /tmp/cases              other weights, for a check on unseen cases

Needs a Python with mlx, mlx-vlm, transformers, torch, tokenizers, safetensors and Pillow. tests/fixtures/README.md describes
what is written. Unquantised checkpoints are judged by transformers (torch, float32, eager attention), which must agree with
mlx-vlm; quantised ones by mlx-vlm computing in float32 on the stored weights.
"""
from __future__ import annotations

import argparse
import importlib.metadata
import json
import math
import os
import re
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "false"}
warnings.filterwarnings("ignore")

import mlx.core as mx  # noqa: E402  (the environment above is read at import)
import numpy as np  # noqa: E402
import torch  # noqa: E402

from fixture import checkpoint, images, reference  # noqa: E402
from fixture import families, newer_families  # noqa: E402
from fixture.families import Fixture  # noqa: E402

# directory stem -> variants; the stem is the family's model_type, with a suffix where a family has several decoders
VARIANTS = {
    "qwen2_vl": "base hf 4bit 8bit mxfp4 sharded", "qwen2_5_vl": "base hf 4bit", "qwen3_vl": "base hf 4bit",
    "qwen3_vl_moe": "base hf 4bit", "qwen3_5": "base hf 4bit", "qwen3_5_moe": "base hf 4bit", "llava": "base hf 4bit mixed_4_6",
    "llava_layers": "hf", "llava_interleave": "base hf 4bit", "llava_next": "base hf 4bit",
    "llava_onevision": "base hf 4bit", "gemma3": "base hf 4bit", "paligemma": "base hf 4bit", "paligemma2": "base hf 4bit", "pixtral": "base hf 4bit", "mistral3": "base hf 4bit", "mistral3_ministral": "base hf fp8 4bit",
    "mistral3_mistral4": "hf 4bit",
    "internvl": "base hf 4bit", "internvl_moe": "hf", "internvl_chat": "base hf 4bit", "internvl_internlm2": "hf",
    "lfm2_vl": "base hf 4bit", "llava_bunny": "base hf 4bit", "bunny_llama": "hf", "fastvlm": "base hf 4bit", "gemma3n": "base hf 4bit", "gemma4": "base hf 4bit", "gemma4_31b": "base hf 4bit", "gemma4_moe": "base hf 4bit", "gemma4_unified": "base hf 4bit",
    "idefics3": "base hf 4bit", "smolvlm": "base hf 3bit 4bit",
}
FAMILIES = {name: getattr(families, name, None) or getattr(newer_families, name) for name in VARIANTS}
AGREE = 2e-4        # between transformers and mlx-vlm, logits and features, float32
LEAST_MARGIN, LEAST_TOKENS = 0.01, 8
PIXEL_BYTES = 12_000  # larger pixel arrays are stored thinned out

# name, what the user says, pictures. A string goes with the pictures through the family's own rule of placement; a list of
# messages marks its pictures itself.
PICTURE = {"type": "image"}
INPUTS = [
    ("text", "What colour is the bird?", []),
    ("one_image", "Describe this image.", ["square"]),
    ("odd", "Read the text:\n1) naïve café\n2) 图像 🙂", ["odd"]),
    ("wide", "How many people are there, 3 or 12?", ["wide"]),
    ("tall", "  Leading spaces and   gaps?", ["tall"]),
    ("two_images", "I'm sure it isn't the same; don't you think?", ["gray", "wide"]),
    ("interleaved", [{"role": "system", "content": "You compare pictures."},
                     {"role": "user", "content": [{"type": "text", "text": "Before:"}, PICTURE, {"type": "text", "text": "after:"}, PICTURE,
                                                  {"type": "text", "text": "What changed?"}]}], ["tall", "odd"]),
    ("chat", [{"role": "user", "content": [PICTURE, {"type": "text", "text": "Is the tree taller than the house? Answer yes/no."}]},
              {"role": "assistant", "content": "Yes, the tree is."},
              {"role": "user", "content": "List things (name, x=1, y=2)."}], ["gray"]),
]
FEWER = ("text", "one_image", "two_images", "chat")


def openai_messages(template_messages: list[dict], paths: list[str]) -> list[dict]:
    """The messages that reach the chat template, in OpenAI's form with the paths of the pictures: what `--messages` takes."""
    left = iter(paths)
    return [{"role": turn["role"], "content": turn["content"] if isinstance(turn["content"], str) else [
        {"type": "image_url", "image_url": {"url": next(left)}} if part["type"] == "image" else {"type": "text", "text": part["text"]}
        for part in turn["content"]]} for turn in template_messages]


class Tensors:
    """The arrays of one golden.safetensors."""

    def __init__(self):
        self.arrays: dict[str, np.ndarray] = {}

    def put(self, name: str, value: np.ndarray, limit: int | None = None) -> dict:
        value = value.astype({"int64": np.int32, "bool": np.uint8, "float64": np.float32}.get(str(value.dtype), value.dtype))
        entry = {"tensor": name, "shape": list(value.shape), "dtype": str(value.dtype)}
        if limit and value.nbytes > limit:
            stride = -(-value.nbytes // limit)
            while math.gcd(stride, value.size) > 1:  # so that every column is met in some row
                stride += 1
            entry["flat_stride"] = stride
            value = value.reshape(-1)[::stride]
        self.arrays[name] = np.ascontiguousarray(value)
        return entry

    def save(self, path: Path):
        mx.save_safetensors(str(path), {k: mx.array(v) for k, v in self.arrays.items()})


def outcome(answer: reference.Answer) -> dict:
    return {"tokens": answer.tokens, "margins": answer.margins, "min_margin": min(answer.margins)}


def check_agreement(name: str, ours: reference.Answer, other: reference.Answer) -> float:
    """Both references at the first step; returns the larger difference."""
    worst = float(np.abs(ours.logits[0] - other.logits[0]).max())
    if ours.features is not None:
        worst = float(np.maximum(worst, np.abs(ours.features - other.features).max()))
    if not worst <= AGREE:  # nor is NaN
        raise SystemExit(f"{name}: transformers and mlx-vlm differ by {worst:.2g}; decide which is right first")
    return worst


def record(folder: Path, fixture: Fixture, meta: dict, root: Path, pictures: dict[str, str]) -> dict:
    """Runs the reference over a checkpoint and writes golden.json and golden.safetensors beside it."""
    model_dir, tensors, recorded, variant = folder / "model", Tensors(), [], meta["variant"]
    types = checkpoint.stored_types(model_dir)
    prompts = reference.MlxVlm(model_dir, float32=True) if fixture.mlx_vlm else reference.Prompts(model_dir)
    stored = reference.MlxVlm(model_dir, float32=False) if fixture.mlx_vlm and types != ["float32"] else None
    judge = None
    if (variant in ("base", "hf", "fp8") or not fixture.mlx_vlm) and not fixture.shapes:  # transformers reads the original layout only
        judge = reference.Transformers(folder / "judge" if (folder / "judge").exists() else model_dir, fixture.judge_type)
    agreement = 0.0
    for label, user, wanted in INPUTS:
        if not fixture.takes(user, wanted) or (variant != "base" and label not in FEWER):
            continue
        paths = [pictures[p] for p in wanted]
        prepared = prompts.prepare(user, [root / p for p in paths])
        answer = judge.answer(prepared) if judge else prompts.answer(prepared)
        if judge and fixture.mlx_vlm:
            agreement = max(agreement, check_agreement(f"{folder.name} {label}", answer, prompts.answer(prepared)))
        entry = {"name": label, "user": user if isinstance(user, str) else None, "images": paths,
                 "messages": openai_messages(prepared.messages, paths), "prompt": prepared.prompt, "input_ids": prepared.ids, "image_tokens": prepared.image_tokens,
                 "arrays": {k: tensors.put(f"{label}/{k}", v, PIXEL_BYTES if variant == "base" else PIXEL_BYTES // 4)
                            for k, v in prepared.arrays.items()},
                 "first_logits": tensors.put(f"{label}/first_logits", answer.logits[0])}
        if answer.features is not None:
            entry["image_features"] = tensors.put(f"{label}/image_features", answer.features)
        entry |= outcome(answer)
        if stored:
            entry["stored_arithmetic"] = outcome(stored.answer(prepared))
        recorded.append(entry)
    golden = {"format": 1, "family": fixture.config["model_type"], **meta, "weights": types, "stop_tokens": prompts.stop_tokens(),
              "reference": "transformers, float32, eager" if judge else "mlx-vlm, float32 arithmetic on the stored weights",
              "references_differ_by": round(agreement, 7),
              "versions": {p: importlib.metadata.version(p)
                           for p in ("mlx", "mlx-vlm", "transformers", "torch", "tokenizers", "pillow")},
              "inputs": recorded}
    text = json.dumps(golden, indent=1, ensure_ascii=False)
    text = re.sub(r"\[\s+([-\d.e+,\s]+?)\s+\]", lambda m: "[" + " ".join(m[1].split()) + "]", text)  # number lists on one line
    (folder / "golden.json").write_text(text + "\n", encoding="utf-8")
    tensors.save(folder / "golden.safetensors")
    return golden


def judge_of(folder: Path, fixture: Fixture):
    """transformers, or where it has no such model mlx-vlm, in float32 arithmetic."""
    return reference.MlxVlm(folder, float32=True) if fixture.shapes else reference.Transformers(folder, fixture.judge_type)


def telling_weights(fixture, seed: int, scratch: Path, out: Path, pictures: dict[str, str]) -> dict:
    """Draws weights until no greedy choice is a near tie and no answer repeats itself: such goldens would say little."""
    if fixture.judge_config:
        checkpoint.write_judged(scratch / "shapes", fixture, {}, torch.float32)
    else:
        checkpoint.write_side_files(scratch / "shapes", fixture, template_in_tokenizer=True)
    prepared = []
    for draw in range(seed * 1000, seed * 1000 + 100):
        state = checkpoint.random_state(scratch / "shapes", fixture, draw)
        shutil.rmtree(scratch / "float32", ignore_errors=True)
        checkpoint.write_original(scratch / "float32", fixture, state, torch.float32)
        judged = scratch / "float32"
        if fixture.judge_config:
            judged = scratch / "judged-float32"
            shutil.rmtree(judged, ignore_errors=True)
            checkpoint.write_judged(judged, fixture, state, torch.float32)
        judge = judge_of(judged, fixture)
        if not prepared:
            processor = reference.Prompts(scratch / "float32")
            prepared = [processor.prepare(user, [out / pictures[p] for p in wanted]) for _, user, wanted in INPUTS
                        if fixture.takes(user, wanted)]
        for each in prepared:
            answer = judge.answer(each)
            if min(answer.margins) < LEAST_MARGIN or len(set(answer.tokens)) < LEAST_TOKENS:
                break
        else:
            return state
    raise SystemExit("no draw of the weights gives telling answers")


def make(name: str, variants: list[str], out: Path, seed: int) -> None:
    pictures = images.write_all(out / "images")
    fixture = FAMILIES[name](seed)
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        state = telling_weights(fixture, seed, scratch, out, pictures)
        for variant in variants:
            folder = out / (name if variant == "base" else f"{name}-{variant}")
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            checkpoint.write_variant(variant, folder / "model", fixture, state, scratch)
            dtype = "float32" if variant == "base" else "half"
            if variant == "fp8":
                (folder / "judge").symlink_to(scratch / variant)
            elif fixture.judge_config or variant == "base":
                (folder / "judge").symlink_to(scratch / (f"judged-{dtype}" if fixture.judge_config else dtype))
            elif variant not in ("hf", "sharded") and not fixture.mlx_vlm:
                checkpoint.write_unpacked(scratch / variant, fixture, state, folder / "model", scratch)
                (folder / "judge").symlink_to(scratch / variant)
            golden = record(folder, fixture, {"fixture": name, "variant": variant, "seed": seed}, out, pictures)
            (folder / "judge").unlink(missing_ok=True)
            size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
            print(f"{folder.name:24s} {size / 1024:6.0f} KB  references differ by {golden['references_differ_by']:.1e}  smallest margins "
                  + " ".join(f"{i['name']} {i['min_margin']:.3f} ({len(set(i['tokens']))} tokens)" for i in golden["inputs"]), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", action="append", choices=FAMILIES, help="repeatable; every family without it")
    parser.add_argument("--variants", help="comma list: base, hf, fp8, sharded, " + ", ".join(checkpoint.CONVERSIONS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "tests" / "fixtures")
    args = parser.parse_args()
    mx.set_default_device(mx.cpu)
    torch.set_num_threads(1)  # these models are too small to share out
    for name in args.family or FAMILIES:
        make(name, args.variants.split(",") if args.variants else VARIANTS[name].split(), args.out.resolve(), args.seed)


if __name__ == "__main__":
    sys.exit(main())
