#!/usr/bin/env python3
"""Looks for what is held out in training scenes: no picture, question or answer may have it.

    python tools/demo_model/check_held_out.py --seed 1 --count 3000

Needs Pillow and numpy only.
"""
from __future__ import annotations

import argparse
import re

import scenes
from questions import HELD_OUT_PAIRS
from words import HELD_OUT_WORDS

PHRASE = re.compile("|".join(rf"\b{colour} {kind}\b" for colour, kind in HELD_OUT_PAIRS))
WORD = re.compile("|".join(rf"\b{word.upper()}\b" for word in HELD_OUT_WORDS))


def faults(sample: scenes.Sample) -> list[str]:
    out = []
    for scene in sample.scenes:
        out += [f"picture: {s.colour} {s.kind}" for s in scene.shapes if (s.colour, s.kind) in HELD_OUT_PAIRS]
        if scene.text and scene.text.text.lower() in HELD_OUT_WORDS:
            out.append(f"picture: {scene.text.text}")
    for item in sample.items:
        out += [f"{item.question} {item.answer}"
                for text in (item.question, item.answer) if PHRASE.search(text) or WORD.search(text)]
    return out


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--count", type=int, default=3000)
    a = p.parse_args()
    found = [fault for index in range(a.count) for fault in faults(scenes.sample("train", a.seed, index, wanted=8))]
    print("\n".join(found[:20]))
    print(f"{len(found)} faults in {a.count} training scenes")
    raise SystemExit(bool(found))


if __name__ == "__main__":
    main()
