#!/usr/bin/env python3
"""Compares planned and measured memory peaks over families, pictures, prompts and quantisations.

    bench/memory/plan.py --mlx-vision build/mlx-vision [--work DIR] [--only WORD]

Makes checkpoints of real widths with random weights, some with fewer layers to save time (tools/make_real_size.py, needs numpy) in
DIR, runs `mlx-vision generate --json` on each case, and prints a table. `planned` and `measured` are the high-water marks of MLX's allocator, `process` is the peak of the whole
process. Fails when a plan is below what was measured or more than 15 % above it.
"""
from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
MOST_ABOVE = 0.15
CHECKPOINTS = {  # name: arguments of make_real_size.py
    "smolvlm": ["smolvlm_256m"],
    "smolvlm-shallow": ["smolvlm_256m", "--text-layers", "4", "--vision-layers", "2"],
    "smolvlm-4bit-shallow": ["smolvlm_256m", "--bits", "4", "--text-layers", "4", "--vision-layers", "2"],
    "qwen2-4bit": ["qwen2_vl_2b", "--bits", "4"],
    "qwen2-8bit-shallow": ["qwen2_vl_2b", "--bits", "8", "--text-layers", "4", "--vision-layers", "2"],
    "qwen2-4bit-shallow": ["qwen2_vl_2b", "--bits", "4", "--text-layers", "4", "--vision-layers", "2"],
    "qwen2-bf16-shallow": ["qwen2_vl_2b", "--text-layers", "4", "--vision-layers", "2"],
    "qwen2.5-4bit-shallow": ["qwen2_5_vl_3b", "--bits", "4", "--text-layers", "4", "--vision-layers", "2"],
}
# checkpoint, pictures (width, height), words of the prompt, tokens to generate
CASES = [
    ("smolvlm", [], 20, 8),
    ("smolvlm", [], 3000, 4),
    ("smolvlm-shallow", [(512, 512)], 20, 8),
    ("smolvlm-shallow", [(1600, 1200)], 20, 8),
    ("smolvlm-shallow", [(800, 800)] * 2, 200, 4),
    ("smolvlm-4bit-shallow", [(640, 480)], 20, 8),
    ("smolvlm-4bit-shallow", [], 20, 600),
    ("qwen2-4bit", [(448, 448)], 20, 8),
    ("qwen2-4bit", [], 1500, 4),
    ("qwen2-8bit-shallow", [(448, 448)], 20, 8),
    ("qwen2-4bit-shallow", [(1344, 1008)], 20, 4),
    ("qwen2-4bit-shallow", [(2240, 1680)], 20, 4),
    ("qwen2-4bit-shallow", [(672, 504)] * 4, 20, 4),
    ("qwen2-bf16-shallow", [(896, 896)], 2000, 4),
    ("qwen2-bf16-shallow", [], 20, 600),
    ("qwen2.5-4bit-shallow", [(672, 672)], 20, 8),
    ("qwen2.5-4bit-shallow", [(2016, 1512)], 20, 4),
]


def checkpoint(name: str, work: Path) -> Path:
    folder = work / name
    if not (folder / "model.safetensors").exists():
        maker = [sys.executable, REPOSITORY / "tools" / "make_real_size.py"]
        subprocess.run([*maker, CHECKPOINTS[name][0], folder, *CHECKPOINTS[name][1:]], check=True, stdout=subprocess.DEVNULL)
    return folder


def picture(size: tuple[int, int], work: Path) -> Path:
    """A gradient as PPM, which needs no library."""
    width, height = size
    path = work / f"{width}x{height}.ppm"
    if not path.exists():
        rows = [bytes(c for x in range(width) for c in (x * 255 // width, y * 255 // height, (x ^ y) & 255)) for y in range(0, height, 16)]
        with path.open("wb") as f:
            f.write(f"P6 {width} {height} 255\n".encode())
            for y in range(height):
                f.write(rows[y // 16])
    return path


def run(command: list) -> tuple[dict, int]:
    """The JSON that the command prints, and the peak of its process in bytes."""
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, error = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\n{error.decode()}")
    return json.loads(out), usage.ru_maxrss * 1024


def measure(binary: Path, work: Path, case: tuple) -> bool:
    name, sizes, words, tokens = case
    request = ["--model", checkpoint(name, work), "--prompt", "w" * words, "--max-tokens", tokens, "--json"]
    if sizes:
        request += ["--image", *(picture(size, work) for size in sizes)]
    plan, _ = run([binary, "plan", *request])
    result, process = run([binary, "generate", *request, "--ignore-eos", "--temperature", 0])
    planned, measured = result["memory"]["planned_peak_bytes"], result["memory"]["peak_bytes"]
    if plan["planned_peak_bytes"] != planned:
        raise SystemExit(f"{name}: plan says {plan['planned_peak_bytes']}, generate {planned}")
    phase = max(plan["phases"], key=lambda p: plan["phases"][p]["total"] if p != "load" else 0)
    above = planned / measured - 1
    good = 0 <= above <= MOST_ABOVE
    shown = "+".join(f"{w}x{h}" for w, h in sizes) or "none"
    print(f"| {name} | {shown} | {result['usage']['prompt_tokens']} | {tokens} | {phase} | {planned / 1e9:.3f} | {measured / 1e9:.3f} "
          f"| {above:+.1%}{'' if good else ' !'} | {process / 1e9:.3f} | {plan['process_peak_bytes'] / 1e9:.3f} |", flush=True)
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mlx-vision", type=Path, default=REPOSITORY / "build" / "mlx-vision")
    parser.add_argument("--work", type=Path, default=REPOSITORY / "build" / "bench-memory")
    parser.add_argument("--only", default="", help="cases whose checkpoint's name holds this")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    print("| checkpoint | pictures | prompt | generated | peak in | planned GB | measured GB | above | process GB | planned GB |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    results = [measure(args.mlx_vision, args.work, case) for case in CASES if args.only in case[0]]
    if not all(results):
        sys.exit(f"{results.count(False)} of {len(results)} plans are below the measured peak or more than {MOST_ABOVE:.0%} above it")


if __name__ == "__main__":
    main()
