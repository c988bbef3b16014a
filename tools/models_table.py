#!/usr/bin/env python3
"""Writes the tables of docs/models.md that the program itself knows: image rules by model_type, and the vision configuration table.

    python tools/models_table.py build/mlx-vision
"""
import json
import pathlib
import subprocess
import sys

DOCUMENT = pathlib.Path(__file__).resolve().parent.parent / "docs" / "models.md"
BEGIN, END = "<!-- tools/models_table.py -->\n", "<!-- end -->\n"


def numbers(values):
    return " ".join(map(str, values))


def tables(program):
    known = json.loads(subprocess.run([program, "models", "--json"], capture_output=True, text=True, check=True).stdout)
    text = "| `model_type` | Images |\n|---|---|\n"
    for name, rule in known["image_rules"].items():
        loads = "" if name in known["prepared_only"] else " (loads)"
        text += f"| `{name}`{loads} | {rule} |\n"
    text += "\n| Row | Size | Prompt | Several images | Mean | Std |\n|---|---|---|---|---|---|\n"
    for row in known["rows"]:
        several = "numbered" if row["numbered_images"] else "form repeated"
        prompt = row["prompt"].replace("\n", "\\n").replace("|", "\\|")
        text += f"| `{row['name']}` | {row['width']}x{row['height']} | `{prompt}` | {several} | {numbers(row['mean'])} | {numbers(row['std'])} |\n"
    return text


def with_tables(text, program):
    before, rest = text.split(BEGIN)
    return before + BEGIN + tables(program) + END + rest.split(END)[1]


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text(), sys.argv[1]))
