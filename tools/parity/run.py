#!/usr/bin/env python3
"""Runs mlx-vision over case folders and compares everything it does with the goldens.

    run.py build/mlx-vision tests/fixtures/*/            # the repository's fixtures
    run.py build/mlx-vision CASES/qwen2_vl* --inputs one_image,chat

For each input: `render` (prompt, ids), `preprocess` (arrays), `generate --json --logits` (ids, features, first logits, 16 greedy
tokens). Prints a line for each input and one that sums up; exit status 1 if anything differs beyond the bounds.
Needs numpy and safetensors.

Bounds: arrays 1e-6; first logits 2e-4 and features 2e-4 of their largest value (if above 1) where the golden was made in float32
arithmetic, else not judged. Tokens are
equal up to the first choice whose margin in the golden is below 1e-3 (0.1 for goldens made in 16-bit arithmetic).
Goldens of the shared layout are mlx-vlm's: where known.py says that transformers decides otherwise, an input counts as known, not failed.
Where the golden's ids begin with BOS twice, ours must begin with it once, and the rest is compared with the golden's ids fed in.
"""
from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from cases import Case, Input, read_case
from known import excused

PIXELS, NUMBERS = 1e-6, 2e-4
NEAR_TIE = {True: 1e-3, False: 0.1}
GREEDY = ["--max-tokens", "16", "--temperature", "0", "--ignore-eos"]


@dataclass
class Result:
    """What an input showed; None = not compared."""
    case: str
    name: str
    prompt: bool | None = None
    ids: bool | None = None
    doubled_bos: bool = False
    image_tokens: bool | None = None
    arrays: float | None = None
    features: float | None = None
    largest_feature: float = 0
    logits: float | None = None
    tokens: str = ""
    error: str = ""
    judged: bool = True  # by the bounds for float32
    known: str = ""  # why mlx-vlm's golden is not the truth for this input

    def failures(self) -> list[str]:
        out = [n for n in ("prompt", "ids", "image_tokens") if getattr(self, n) is False]
        out += ["arrays"] if self.arrays is not None and not self.arrays <= PIXELS else []
        if self.judged:
            out += ["features"] if self.features is not None and not self.features <= NUMBERS * max(1, self.largest_feature) else []
            out += ["logits"] if self.logits is not None and not self.logits <= NUMBERS else []
        out += ["tokens"] if self.tokens.startswith("differ") else []
        return out + (["error"] if self.error else [])


class Program:
    def __init__(self, path: Path, timeout: float):
        self.path, self.timeout = path, timeout

    def __call__(self, *args: str) -> str:
        done = subprocess.run([self.path, *args], capture_output=True, text=True, timeout=self.timeout)
        if done.returncode:
            raise RuntimeError(f"{args[0]}: exit {done.returncode}: {done.stderr.strip()[-300:]}")
        return done.stdout


def request(case: Case, item: Input, scratch: Path) -> list[str]:
    """The flags that say this input: words with pictures, or messages."""
    if item.user is not None and isinstance(item.user, str):
        flags = ["--prompt", item.user]
        for path in item.images:
            flags += ["--image", str(path)]
        return flags
    file = scratch / "messages.json"
    if item.messages is not None:
        file.write_text(json.dumps(item.messages), encoding="utf-8")
        return ["--messages", str(file)]
    turns = [dict(t) for t in item.user]
    last = max(i for i, t in enumerate(turns) if t["role"] == "user")
    pictures = [{"type": "image_url", "image_url": {"url": str(p)}} for p in item.images]
    words = [{"type": "text", "text": turns[last]["content"]}]
    text_first = case.family in ("qwen2_vl", "llava", "gemma3")
    turns[last]["content"] = words + pictures if text_first else pictures + words
    file.write_text(json.dumps(turns), encoding="utf-8")
    return ["--messages", str(file)]


def compare_tokens(item: Input, ours: list[int], exact: bool) -> str:
    for i, (golden, margin) in enumerate(zip(item.tokens, item.margins)):
        if i >= len(ours) or ours[i] != golden:
            tie = margin < NEAR_TIE[exact]
            return f"{'tie' if tie else 'differ'} at {i} (margin {margin:.4f})"
    return "equal"


def compare(program: Program, case: Case, item: Input, scratch: Path) -> Result:
    out = Result(case.name, item.name, judged=case.exact)
    model = ["--model", str(case.model)]
    says = request(case, item, scratch)
    rendered = json.loads(program("render", *model, *says, "--json"))
    out.prompt = rendered["prompt"] == item.prompt
    doubled = item.ids[:1] == item.ids[1:2] and rendered["input_ids"] == item.ids[1:]
    out.ids, out.doubled_bos = doubled or rendered["input_ids"] == item.ids, doubled
    if item.images:
        file = scratch / "arrays.safetensors"
        pictures = [a for p in item.images for a in ("--image", str(p))]
        program("preprocess", *model, *pictures, "--output", str(file))
        ours = load_file(file)
        known = {k: t for k, t in item.arrays.items() if "token_type_ids" not in k and k != "labels"}
        if known:
            out.arrays = max(t.difference(ours[k]) if k in ours else float("inf") for k, t in known.items())
    if doubled:
        (scratch / "ids.json").write_text(json.dumps(item.ids))
        says = ["--input-ids", str(scratch / "ids.json"), *[a for p in item.images for a in ("--image", str(p))]]
    logits = scratch / "logits.safetensors"
    answer = json.loads(program("generate", *model, *says, *GREEDY, "--json", "--logits", str(logits)))
    if not doubled:
        out.ids = out.ids and answer["input_ids"] == item.ids
        out.prompt = out.prompt and answer["prompt"] == item.prompt
    if item.image_tokens is not None:
        out.image_tokens = answer["image_tokens"] == item.image_tokens
    ours = load_file(logits)
    out.logits = item.logits.difference(ours["first_logits"][: item.logits.shape[0]])
    if item.features is not None:
        features = ours["image_features"]
        same = features.shape == item.features.shape
        out.largest_feature = float(np.abs(item.features).max())
        out.features = float(np.abs(features - item.features).max()) if same else float("inf")
    out.tokens = compare_tokens(item, answer["output_ids"], case.exact)
    return out


def line(r: Result) -> str:
    def mark(value, extra=""):
        return "-" if value is None else ("yes" if value else "NO") + extra

    def number(value):
        return "-" if value is None else f"{value:.1e}"
    fails = r.failures()
    return (f"{r.case:32s} {r.name:12s} {mark(r.prompt):6s} {mark(r.ids, '*' if r.doubled_bos else ''):5s} {number(r.arrays):8s} "
            f"{number(r.features):8s} {number(r.logits):8s} {r.tokens:26s} {'ok' if not fails else ('known ' if r.known else 'FAIL ') + ','.join(fails)}"
            + (f"\n    {r.known}" if r.known else "")
            + (f"\n    {r.error}" if r.error else ""))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("cases", type=Path, nargs="+", help="folders with golden.json; others are passed over")
    parser.add_argument("--inputs", help="comma list of input names")
    parser.add_argument("--failures-only", action="store_true", help="print only inputs that fail, and the sum")
    parser.add_argument("--timeout", type=float, default=120)
    parser.add_argument("--json", type=Path, help="also write every result to this file")
    args = parser.parse_args()
    program = Program(args.program.resolve(), args.timeout)
    results = []
    print(f"{'case':32s} {'input':12s} prompt ids   arrays   features logits   tokens")
    for folder in args.cases:
        if not (folder / "golden.json").exists():
            continue
        case = read_case(folder.resolve())
        for item in case.inputs:
            if args.inputs and item.name not in args.inputs.split(","):
                continue
            with tempfile.TemporaryDirectory() as scratch:
                try:
                    result = compare(program, case, item, Path(scratch))
                except (RuntimeError, subprocess.TimeoutExpired, ValueError, KeyError) as e:
                    result = Result(case.name, item.name, error=f"{type(e).__name__}: {e}")
            result.known = excused(case, item, result.failures())
            results.append(result)
            if (result.failures() and not result.known) or not args.failures_only:
                print(line(result), flush=True)
    if args.json:
        args.json.write_text(json.dumps([vars(r) | {"failures": r.failures()} for r in results], indent=1))
    if not results:
        print("no case to run")
        return 1
    failed = [r for r in results if r.failures() and not r.known]

    def worst(name, exact_only=True):
        values = [getattr(r, name) for r in results if getattr(r, name) is not None and not r.known and (r.judged or not exact_only)]
        return f"{max(values, default=0):.1e}"
    print(f"{len(results)} inputs of {len({r.case for r in results})} cases, {len(failed)} failed, {sum(bool(r.known) for r in results)} known to differ; worst of the others: arrays {worst('arrays', False)}, "
          f"features {worst('features')}, logits {worst('logits')} (float32 goldens); tokens equal {sum(r.tokens == 'equal' for r in results)}, "
          f"near ties {sum(r.tokens.startswith('tie') for r in results)}; doubled BOS {sum(r.doubled_bos for r in results)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
