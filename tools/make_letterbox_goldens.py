#!/usr/bin/env python3
"""Makes tests/processing/golden/letterbox.json: the generic image preparation by Pillow and numpy.

Needs numpy and Pillow 13 beside what make_pixel_goldens.py needs, whose pictures and checksum it uses.

    python tools/make_letterbox_goldens.py [--out tests/processing/golden]
"""
import argparse
import json
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

from make_pixel_goldens import checksum, pattern

TARGETS = {"llava": (336, 336), "qwen-vl": (448, 448), "kimi-vl": (224, 224), "wide": (320, 96)}
SIZES = [(1, 1), (336, 336), (640, 360), (360, 640), (900, 30), (30, 900), (3000, 3), (3, 3000), (1023, 767), (97, 113), (2, 1)]
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


def prepared(picture, target_w, target_h):
    width, height = picture.size
    aspect = width / height
    if aspect > target_w / target_h:
        new_w, new_h = target_w, int(target_w / aspect)
    else:
        new_w, new_h = int(target_h * aspect), target_h
    new_w, new_h = max(1, new_w), max(1, new_h)
    canvas = Image.new("RGB", (target_w, target_h))
    canvas.paste(picture.resize((new_w, new_h), Image.Resampling.LANCZOS), ((target_w - new_w) // 2, (target_h - new_h) // 2))
    values = (np.asarray(canvas).astype(np.float32) / np.float32(255) - MEAN) / STD
    return (new_w, new_h), np.ascontiguousarray(values.transpose(2, 0, 1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "tests/processing/golden")
    out = parser.parse_args().out
    assert PIL.__version__ == "13.0.0", PIL.__version__
    cases = []
    for name, (target_w, target_h) in TARGETS.items():
        for width, height in SIZES:
            size, values = prepared(pattern(width, height), target_w, target_h)
            cases.append({"target": [target_w, target_h], "image": [width, height], "resized": list(size),
                          "checksum": checksum(values.view(np.uint32))})
    (out / "letterbox.json").write_text(json.dumps({"pillow": PIL.__version__, "cases": cases}, indent=0) + "\n")
    print(f"{len(cases)} cases")


if __name__ == "__main__":
    main()
