#!/usr/bin/env python3
"""Writes tests/fixtures/videos: a short clip, and frames of it as OpenCV reads them, which mlx-vlm uses.

    make_video_fixture.py [OUT]      needs opencv-python and numpy
"""
import sys
from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT, FRAMES, FPS, STEP = 72, 56, 24, 8, 4


def frame(i: int) -> np.ndarray:
    """A ball that rolls to the right over a ground that turns from blue to red, and a block that comes towards it."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:] = (200 - 7 * i, 70, 40 + 8 * i)
    cv2.circle(image, (8 + 2 * i, 34), 7, (20, 220, 250), -1)
    cv2.rectangle(image, (60 - 2 * i, 6), (72 - 2 * i, 18), (240, 240, 30), -1)
    return image


def main() -> None:
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "videos"
    (out / "clip").mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(out / "clip.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), FPS, (WIDTH, HEIGHT))
    for i in range(FRAMES):
        writer.write(frame(i))
    writer.release()
    reader = cv2.VideoCapture(str(out / "clip.mp4"))
    for i in range(FRAMES):
        known, image = reader.read()
        if not known:
            raise SystemExit(f"frame {i} cannot be read back")
        if i % STEP == 0:
            cv2.imwrite(str(out / "clip" / f"{i:02d}.png"), image)
    print(f"{out}: {reader.get(cv2.CAP_PROP_FRAME_COUNT):.0f} frames, {(out / 'clip.mp4').stat().st_size} bytes")


if __name__ == "__main__":
    main()
