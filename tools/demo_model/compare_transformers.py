#!/usr/bin/env python3
"""Asks transformers the questions that evaluate.py asked mlx-vision, and counts equal texts.

    python tools/demo_model/evaluate.py --mlx-vision build/mlx-vision --scenes DIR --answers DIR/said.json
    python tools/demo_model/compare_transformers.py --scenes DIR --said DIR/said.json

The shipped tensors are written out under the names and in the layout that transformers reads, the packed ones as the numbers that
they stand for; arithmetic in float32, greedy, Pillow's image processor. Needs transformers, PyTorch, mlx.
"""
from __future__ import annotations

import argparse
import itertools
import json
import shutil
import tempfile
from pathlib import Path

import mlx.core as mx
import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoProcessor

SHIPPED = Path(__file__).resolve().parents[2] / "share" / "demo-model"


def unpacked(folder: Path) -> dict[str, torch.Tensor]:
    """float32 tensors under the released names."""
    config = json.loads((folder / "config.json").read_text())
    packing = {k: config["quantization"][k] for k in ("group_size", "bits")}
    tensors = mx.load(str(folder / "model.safetensors"))
    out = {}
    for name, value in tensors.items():
        stem, kind = name.rsplit(".", 1)
        if kind in ("scales", "biases"):
            continue
        if kind == "weight" and f"{stem}.scales" in tensors:
            value = mx.dequantize(value, tensors[f"{stem}.scales"], tensors[f"{stem}.biases"], **packing)
        if name.endswith("patch_embed.proj.weight"):
            value = value.transpose(0, 4, 1, 2, 3)
        name = name.replace("language_model.model.", "model.").replace("vision_tower.", "visual.")
        out[name] = torch.from_numpy(np.array(value.astype(mx.float32))).contiguous()
    return out


def write_original(folder: Path, shipped: Path) -> None:
    for file in shipped.iterdir():
        if file.suffix != ".safetensors":
            shutil.copy(file, folder)
    config = json.loads((folder / "config.json").read_text())
    for key in ("quantization", "quantization_config"):
        config.pop(key, None)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(unpacked(shipped), folder / "model.safetensors", metadata={"format": "pt"})


@torch.inference_mode()
def answers(model, processor, rows: list[dict], scenes: Path) -> list[str]:
    """Of questions about the same pictures, in one batch."""
    pictures = [Image.open(scenes / name).convert("RGB") for name in rows[0]["images"]]
    texts = [processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "image"}] * len(pictures) + [{"type": "text", "text": row["question"]}]}],
        add_generation_prompt=True, tokenize=False) for row in rows]
    batch = processor(text=texts, images=[pictures] * len(rows), padding=True, padding_side="left", return_tensors="pt")
    out = model.generate(**batch, do_sample=False, max_new_tokens=120)
    return processor.batch_decode(out[:, batch["input_ids"].shape[1]:], skip_special_tokens=True)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--scenes", type=Path, required=True)
    p.add_argument("--said", type=Path, required=True, help="written by evaluate.py --answers")
    p.add_argument("--model", type=Path, default=SHIPPED)
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    said = json.loads(a.said.read_text())
    with tempfile.TemporaryDirectory() as folder:
        write_original(Path(folder), a.model)
        model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
        processor = AutoProcessor.from_pretrained(folder)
        processor.image_processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    equal = total = 0
    for _, group in itertools.groupby(said, key=lambda row: row["images"]):
        rows = list(group)
        for row, theirs in zip(rows, answers(model, processor, rows, a.scenes)):
            total += 1
            equal += theirs == row["said"]
            if theirs != row["said"]:
                print(f"{row['images']} {row['question']}\n  transformers {theirs!r}\n  mlx-vision   {row['said']!r}", flush=True)
    print(f"{equal} of {total} texts equal: {100 * equal / total:.2f} %")


if __name__ == "__main__":
    main()
