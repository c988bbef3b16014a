#!/usr/bin/env python3
"""Seconds of `mlx-vision describe` on the bundled model, from the start of the process to its end.

    python bench/describe.py build/mlx-vision [picture] [runs]
"""
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

PICTURE = Path(__file__).resolve().parent.parent / "examples" / "pictures" / "shapes.png"


def main() -> None:
    program = sys.argv[1]
    picture = sys.argv[2] if len(sys.argv) > 2 else PICTURE
    runs = int(sys.argv[3]) if len(sys.argv) > 3 else 10
    walls, cpus = [], []
    for _ in range(runs):
        before, begin = os.times(), time.perf_counter()
        subprocess.run([program, "describe", str(picture), "--no-verbose"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = os.times()
        walls.append(time.perf_counter() - begin)
        cpus.append(after.children_user + after.children_system - before.children_user - before.children_system)
    print(f"wall {statistics.median(walls):.3f} s (best {min(walls):.3f}), CPU {statistics.median(cpus):.3f} s, {runs} runs, "
          f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
