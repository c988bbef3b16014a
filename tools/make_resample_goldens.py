"""Remakes tests/media/goldens/resample_*.txt: random resizes by Pillow and torchvision, as checksums.

Needs a Python with Pillow 13.0.0, numpy, torch and torchvision. Run from the repository's root.
A line: seed width height new_width new_height filter rule crc32 [left top right bottom].
"""

import random
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

GOLDENS = Path("tests/media/goldens")
PILLOW = ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
TORCH = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC, "lanczos": InterpolationMode.LANCZOS}


def picture(seed, width, height):
    """Noise that the tests can make as well; every third seed is black and white, where ringing clips."""
    with np.errstate(over="ignore"):
        v = np.arange(width * height * 3, dtype=np.uint32) * np.uint32(2654435761) + np.uint32(seed) * np.uint32(40503)
        v = (v ^ (v >> np.uint32(15))) * np.uint32(2246822519)
        v = (v ^ (v >> np.uint32(13))) * np.uint32(3266489917)
    pixels = (v >> np.uint32(24)).astype(np.uint8)
    if seed % 3 == 0:
        pixels = np.where(pixels > 127, 255, 0).astype(np.uint8)
    return pixels.reshape(height, width, 3)


def side(rng):
    kind = rng.random()
    if kind < 0.06:
        return 1
    if kind < 0.2:
        return rng.randint(2, 8)
    return rng.randint(9, 150) if kind < 0.93 else rng.randint(150, 900)


def sizes(rng):
    width, height, new_width, new_height = (side(rng) for _ in range(4))
    if width * height > 120_000:
        height = max(1, height // 8)
    if new_width * new_height > 60_000:
        new_height = max(1, new_height // 8)
    return width, height, width if rng.random() < 0.08 else new_width, height if rng.random() < 0.08 else new_height


def random_box(rng, width, height):
    if rng.random() < 0.5:
        left, top = rng.randint(0, width - 1), rng.randint(0, height - 1)
        return left, top, rng.randint(left + 1, width), rng.randint(top + 1, height)
    left, top = rng.uniform(0, width - 0.1), rng.uniform(0, height - 0.1)
    return tuple(float(np.float32(v)) for v in (left, top, rng.uniform(left, width), rng.uniform(top, height)))


def pillow_lines(count):
    rng = random.Random(1)
    for seed in range(count):
        width, height, new_width, new_height = sizes(rng)
        name = rng.choice(PILLOW)
        box = random_box(rng, width, height) if rng.random() < 0.3 else None
        image = Image.fromarray(picture(seed, width, height))
        image = image.resize((new_width, new_height), Image.Resampling[name.upper()], box=box)
        tail = "".join(f" {v!r}" for v in box) if box else ""
        yield f"{seed} {width} {height} {new_width} {new_height} {name} pillow13 {zlib.crc32(image.tobytes())}{tail}"


def torchvision_lines(count):
    rng = random.Random(2)
    seed = 0
    while count > 0:
        seed += 1
        width, height, new_width, new_height = sizes(rng)
        name = rng.choice(list(TORCH))
        pixels = torch.from_numpy(picture(seed, width, height)).permute(2, 0, 1).contiguous().unsqueeze(0)
        try:
            result = functional.resize(pixels, [new_height, new_width], TORCH[name], antialias=True)
        except RuntimeError:  # torch 2.15 fails on some results of one pixel
            continue
        count -= 1
        crc = zlib.crc32(result[0].permute(1, 2, 0).contiguous().numpy().tobytes())
        yield f"{seed} {width} {height} {new_width} {new_height} {name} torchvision {crc}"


def main():
    GOLDENS.mkdir(parents=True, exist_ok=True)
    (GOLDENS / "resample_pillow.txt").write_text("\n".join(pillow_lines(2200)) + "\n")
    (GOLDENS / "resample_torchvision.txt").write_text("\n".join(torchvision_lines(1100)) + "\n")


if __name__ == "__main__":
    main()
