"""Pillow and transformers' own processors beside bench_images, in one run.

Needs a Python with Pillow 13.0.0 and transformers. Usage: compare.py build/bench_images
Times are the least of several runs, in milliseconds, wall clock and processor time of the process.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image, ImageOps
from transformers import CLIPImageProcessorPil, Qwen2VLImageProcessorPil


def load(path):
    return ImageOps.exif_transpose(Image.open(path)).convert("RGB")


def least(function, runs):
    wall, cpu = [], []
    for _ in range(runs):
        before, before_cpu = time.perf_counter(), time.process_time()
        function()
        wall.append(time.perf_counter() - before)
        cpu.append(time.process_time() - before_cpu)
    return min(wall) * 1e3, min(cpu) * 1e3


def reference(folder):
    clip = CLIPImageProcessorPil(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336})
    qwen = Qwen2VLImageProcessorPil()
    large, small = folder / "large.jpg", folder / "small.jpg"
    large_image, small_image = load(large), load(small)
    return {
        "decode/large": least(lambda: load(large), 5),
        "decode/small": least(lambda: load(small), 15),
        "whole/clip_large": least(lambda: clip(load(large), return_tensors="np"), 5),
        "whole/clip_small": least(lambda: clip(load(small), return_tensors="np"), 15),
        "clip_decoded/large": least(lambda: clip(large_image, return_tensors="np"), 5),
        "clip_decoded/small": least(lambda: clip(small_image, return_tensors="np"), 15),
        "whole/qwen_large": least(lambda: qwen(load(large), return_tensors="np"), 5),
        "whole/qwen_small": least(lambda: qwen(load(small), return_tensors="np"), 10),
        "resize/large_lanczos": least(lambda: large_image.resize((336, 252), Image.LANCZOS), 5),
        "resize/large_bicubic": least(lambda: large_image.resize((336, 252), Image.BICUBIC), 5),
        "resize/large_bilinear": least(lambda: large_image.resize((336, 252), Image.BILINEAR), 5),
    }


def ours(program, folder):
    """The least of many short repetitions; google-benchmark alone would give means."""
    command = [program, "--benchmark_format=json", "--benchmark_min_time=0.02", "--benchmark_repetitions=12"]
    output = subprocess.run(command, env={**os.environ, "BENCH_IMAGES": str(folder)}, capture_output=True, check=True)
    best = {}
    for run in json.loads(output.stdout)["benchmarks"]:
        if run["run_type"] != "iteration":
            continue
        scale = {"ns": 1e-6, "us": 1e-3, "ms": 1}[run["time_unit"]]
        times = run["real_time"] * scale, run["cpu_time"] * scale
        name = run["run_name"].removesuffix("/process_time/real_time")
        best[name] = tuple(map(min, best.get(name, times), times))
    return best


def main():
    program = sys.argv[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([program, "--pictures", folder], check=True)
        theirs, mine = reference(folder), ours(program, folder)
        print("| case | reference, ms (cpu) | mlx-vision, ms (cpu) | times faster |\n|---|---|---|---|")
        for case, (wall, cpu) in theirs.items():
            our_wall, our_cpu = mine[case]
            print(f"| {case} | {wall:.1f} ({cpu:.1f}) | {our_wall:.2f} ({our_cpu:.2f}) | {wall / our_wall:.1f} |")
        for case in sorted(set(mine) - set(theirs)):
            print(f"| {case} | | {mine[case][0]:.2f} ({mine[case][1]:.2f}) | |")
        print(f"\nGrowth of the peak memory over the preparation of large.jpg ({(folder / 'large.jpg').stat().st_size / 2**20:.1f} MiB):")
        for case in ("clip", "clip_by_frame", "qwen", "qwen_by_frame"):
            done = subprocess.run([program, "--memory", case], env={**os.environ, "BENCH_IMAGES": name}, capture_output=True, check=True)
            print(f"{case}: {int(done.stdout) / 1024:.1f} MiB")


if __name__ == "__main__":
    main()
