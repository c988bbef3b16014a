#!/usr/bin/env python3
"""Asks mlx-vision every question of a folder that scenes.py wrote and prints how many answers are right, per type.

    python tools/demo_model/evaluate.py --mlx-vision build/mlx-vision --scenes DIR [--model DIR] [--answers FILE]

An answer is right if it is the expected text to the letter. For reading, the share of right characters is printed too: one less
the edit distance, over the length. Needs Python's standard library only.
"""
from __future__ import annotations

import argparse
import json
import subprocess
from collections import defaultdict
from pathlib import Path

TARGETS = {"count", "colour", "shape", "position", "relation"}


def ask(program: Path, model: Path | None, folder: Path, rows: list[dict]) -> list[str]:
    """The answers, by one `chat` process that forgets each question before the next."""
    lines = []
    for row in rows:
        if "\n" in row["question"] or row["question"].startswith("/"):
            raise SystemExit(f"a question cannot be one line of chat: {row['question']!r}")
        pictures = " ".join(f'"{(folder / name).resolve()}"' for name in row["images"])
        lines += ["/clear", f"/image {pictures}", row["question"]]
    command = [str(program), "chat", "--temperature", "0", "--max-tokens", "120"]
    if model:
        command += ["--model", str(model)]
    done = subprocess.run(command, input="\n".join(lines) + "\n", capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    answers = done.stdout.splitlines()
    if len(answers) != len(rows):
        raise SystemExit(f"{len(rows)} questions, {len(answers)} lines of answers")
    return answers


def distance(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


def word_of(answer: str) -> str:
    return answer.removeprefix("It says ").removesuffix(".")


def characters(rows: list[dict], answers: list[str], longest: int) -> tuple[int, int]:
    """(wrong, all) characters of the words and numbers of at most `longest`."""
    wrong = total = 0
    for row, answer in zip(rows, answers):
        word = word_of(row["answer"])
        if row["type"].endswith("read") and len(word) <= longest:
            total += len(word)
            wrong += min(len(word), distance(word_of(answer), word))
    return wrong, total


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--mlx-vision", type=Path, required=True)
    p.add_argument("--scenes", type=Path, required=True)
    p.add_argument("--model", type=Path, help="default: the bundled one")
    p.add_argument("--answers", type=Path, help="write the rows with what was said, as JSON")
    p.add_argument("--show", type=int, default=0, help="wrong answers to print per type")
    a = p.parse_args()
    rows = json.loads((a.scenes / "questions.json").read_text(encoding="utf-8"))
    answers = ask(a.mlx_vision, a.model, a.scenes, rows)
    if a.answers:
        a.answers.write_text(json.dumps([{**r, "said": s} for r, s in zip(rows, answers)], indent=1) + "\n", encoding="utf-8")
    table: dict[str, list[bool]] = defaultdict(list)
    for row, said in zip(rows, answers):
        right = said == row["answer"]
        if not right and table[row["type"]].count(False) < a.show:
            print(f"{row['type']}: {row['images']} {row['question']} -> {said!r}, not {row['answer']!r}")
        table[row["type"]].append(right)
    print("| type | questions | right |\n|---|---:|---:|")
    for kind, values in sorted(table.items()):
        print(f"| {kind} | {len(values)} | {100 * sum(values) / len(values):.1f} % |")
    for name, values in (("count, colour, shape, position, relation", [v for k, x in table.items() if k in TARGETS for v in x]),
                         ("all", [v for x in table.values() for v in x])):
        print(f"| **{name}** | {len(values)} | {100 * sum(values) / max(1, len(values)):.1f} % |")
    for longest in (6, 8):
        wrong, total = characters(rows, answers, longest)
        print(f"| characters read, words of up to {longest} | {total} | {100 * (1 - wrong / max(1, total)):.1f} % |")


if __name__ == "__main__":
    main()
