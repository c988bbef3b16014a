#!/usr/bin/env python3
"""Compares the two references with each other where they may differ, and prints what differs.

    references.py [--family NAME] [--seed N]

For each family and each change of its configuration: prompts, ids and arrays of mlx-vlm's processors against those of transformers' own
(PIL and torchvision classes); image features, first logits and 16 greedy tokens of both models in float32 on the same weights. Inputs go
beyond the fixtures': three pictures, extreme proportions, tiny and large ones. Needs the same Python as make_fixture.py, with torchvision.
"""
from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "false"}
warnings.filterwarnings("ignore")
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import mlx.core as mx  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402

from fixture import checkpoint, images, reference  # noqa: E402
from fixture.families import FAMILIES, Fixture  # noqa: E402
from make_fixture import openai_messages  # noqa: E402

SIZES = {"a": (61, 47), "b": (33, 190), "c": (210, 31), "d": (9, 7), "e": (140, 140), "f": (400, 90), "g": (77, 300), "h": (29, 28)}
PROMPTS = [("text", []), ("one", ["a"]), ("tall", ["b"]), ("wide", ["c"]), ("tiny", ["d"]), ("square", ["e"]), ("large_wide", ["f"]),
           ("large_tall", ["g"]), ("two", ["h", "c"]), ("three", ["b", "a", "f"]), ("four", ["d", "e", "g", "h"])]


def set_at(path: str, value):
    def change(f: Fixture):
        *parents, last = path.split(".")
        target = f.config if parents[:1] != ["processor"] else f.files["preprocessor_config.json"]
        for p in parents:
            if p != "processor":
                target = target[p]
        target[last] = value
    return change


def full_clip(f: Fixture):
    f.config["vision_feature_select_strategy"] = "full"
    f.files["processor_config.json"]["vision_feature_select_strategy"] = "full"


CHANGES = {
    "qwen2_vl": {"released": None, "pixels up to 12845056": set_at("processor.max_pixels", 12845056)},
    "qwen2_5_vl": {"released": None, "windows of 112, full at 0 and 2": lambda f: f.config["vision_config"].update(
        window_size=112, fullatt_block_indexes=[0, 2]), "pixels up to 12845056": set_at("processor.max_pixels", 12845056)},
    "llava": {"released": None, "layers [-2, -1]": set_at("vision_feature_layer", [-2, -1]), "layer 1": set_at("vision_feature_layer", 1),
              "strategy full": full_clip},
    "llava_interleave": {"released": None, "layer -2": set_at("vision_feature_layer", -2)},
    "idefics3": {"released": None, "no splitting": set_at("processor.do_image_splitting", False),
                 "longest edge 84": set_at("processor.size", {"longest_edge": 84})},
    "smolvlm": {"released": None, "no splitting": set_at("processor.do_image_splitting", False),
                "longest edge 112": set_at("processor.size", {"longest_edge": 112})},
}


def pictures(folder: Path) -> dict[str, Path]:
    out = {}
    for name, (w, h) in SIZES.items():
        out[name] = folder / f"{name}.png"
        Image.fromarray(images.draw(name, w, h, 3)).save(out[name])
    return out


def own_processor(model: Path, items: list[dict], scratch: Path, backend: str) -> dict[str, np.ndarray]:
    (scratch / "items.json").write_text(json.dumps(items), encoding="utf-8")
    subprocess.run([sys.executable, HERE / "own_processor.py", model, scratch / "items.json", scratch / "own.npz", backend], check=True,
                   stderr=subprocess.DEVNULL)
    return dict(np.load(scratch / "own.npz"))


def difference(a: np.ndarray, b: np.ndarray) -> str:
    if a.shape != b.shape:
        return f"shape {a.shape} and {b.shape}"
    worst = float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max(initial=0))
    return f"{worst:.1e}"


def compare_processors(prepared: dict, own: dict[str, np.ndarray]) -> list[str]:
    out = []
    for i, (name, p) in enumerate(prepared.items()):
        if f"{i}/error" in own:
            out.append(f"{name}: transformers fails: {own[f'{i}/error']}")
            continue
        if str(own[f"{i}/prompt"]) != p.prompt:
            out.append(f"{name}: prompt {str(own[f'{i}/prompt'])!r} and {p.prompt!r}")
        ids = own[f"{i}/input_ids"][0].tolist()
        if ids != p.ids:
            out.append(f"{name}: ids differ, {len(ids)} and {len(p.ids)}")
        for key, value in p.arrays.items():
            if key not in ("mm_token_type_ids",):
                found = difference(own[f"{i}/{key}"], value) if f"{i}/{key}" in own else "absent"
                if found[0].isalpha() or float(found) > 1e-6:
                    out.append(f"{name}: {key} differs: {found}")
    return out


def compare(family: str, label: str, change, seed: int) -> None:
    fixture = FAMILIES[family](seed)
    if change:
        change(fixture)
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        files = pictures(scratch)
        checkpoint.write_side_files(scratch / "shapes", fixture, template_in_tokenizer=True)
        checkpoint.write_original(scratch / "model", fixture, checkpoint.random_state(scratch / "shapes", fixture, seed), torch.float32)
        print(f"== {family}, {label}", flush=True)
        try:
            mlx = reference.MlxVlm(scratch / "model", float32=True, correcting=False)
        except Exception as e:
            print(f"   mlx-vlm does not load: {type(e).__name__}: {str(e)[:200]}")
            return
        judge = reference.Transformers(scratch / "model")
        prepared, items = {}, []
        for name, wanted in PROMPTS:
            try:
                prepared[name] = mlx.prepare("What is this?", [files[w] for w in wanted])
            except Exception as e:
                print(f"   {name}: mlx-vlm's processor fails: {type(e).__name__}: {str(e)[:200]}")
                continue
            items.append({"messages": openai_messages(prepared[name].messages, [str(files[w]) for w in wanted]),
                          "images": [str(files[w]) for w in wanted]})
        for backend in ("pil", "torchvision"):
            own = own_processor(scratch / "model", items, scratch, backend)
            found = compare_processors(prepared, own)
            print(f"   processors, {backend} ({', '.join(own['classes'])}): {len(found)} differences")
            print("".join(f"      {f}\n" for f in found[:12]), end="")
        for name, p in prepared.items():
            try:
                a = judge.answer(p)
            except Exception as e:
                print(f"   {name}: transformers fails: {type(e).__name__}: {str(e)[:200]}")
                continue
            try:
                b = mlx.answer(p)
            except Exception as e:
                print(f"   {name}: mlx-vlm fails: {type(e).__name__}: {str(e)[:200]}")
                continue
            same = sum(np.cumprod([x == y for x, y in zip(a.tokens, b.tokens)]))
            print(f"   {name:12s} features {difference(a.features, b.features) if a.features is not None else '-':8s} "
                  f"logits {difference(a.logits[0], b.logits[0])}  tokens {same}/16 (margin there "
                  f"{a.margins[same] if same < 16 else min(a.margins):.4f})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", action="append", choices=FAMILIES)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    mx.set_default_device(mx.cpu)
    torch.set_num_threads(1)
    for family in args.family or FAMILIES:
        for label, change in CHANGES[family].items():
            compare(family, label, change, args.seed)


if __name__ == "__main__":
    main()
