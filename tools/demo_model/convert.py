#!/usr/bin/env python3
"""A training state to the checkpoint folder that ships: bfloat16 under the released names, then mlx-vlm's own converter.

    python tools/demo_model/convert.py --state RUN/state.pt --tokenizer RUN/model/tokenizer.json --out share/demo-model

Needs PyTorch, safetensors, tokenizers, mlx-vlm. The decoder is quantised to 8 bits; the converter leaves the vision part alone.
"""
from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import torch
from mlx_vlm.convert import convert
from safetensors.torch import save_file
from tokenizers import Tokenizer

import checkpoint

# of the converter's folder only config.json and the weights are taken: its processor would write the rest in words of its own
CONVERTED = ("config.json", "model.safetensors")
SIDE_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "preprocessor_config.json", "generation_config.json")


def write_original(state: Path, tok: Tokenizer, folder: Path) -> None:
    tensors = {k: v.to(torch.bfloat16).contiguous() for k, v in torch.load(state, map_location="cpu")["model"].items()
               if not k.startswith("patch_heads")}
    checkpoint.write_side_files(folder, tok)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--state", type=Path, required=True)
    p.add_argument("--tokenizer", type=Path, required=True)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--bits", type=int, default=8)
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        write_original(a.state, Tokenizer.from_file(str(a.tokenizer)), Path(scratch) / "original")
        convert(str(Path(scratch) / "original"), str(Path(scratch) / "converted"), quantize=True, q_bits=a.bits, q_group_size=64)
        a.out.mkdir(parents=True, exist_ok=True)
        for folder, names in (("converted", CONVERTED), ("original", SIDE_FILES)):
            for name in names:
                shutil.copy(Path(scratch) / folder / name, a.out / name)


if __name__ == "__main__":
    main()
