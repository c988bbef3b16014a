#!/usr/bin/env python3
"""Writes the tables of docs/models.md that the program itself knows: families, image rules by model_type, and the vision configuration table.

    python tools/models_table.py build/mlx-vision
"""
import json
import pathlib
import subprocess
import sys

DOCUMENT = pathlib.Path(__file__).resolve().parent.parent / "docs" / "models.md"
END = "<!-- end -->\n"


def numbers(values):
    return " ".join(map(str, values))


def families(known):
    text = ("| `model_type` | Vision | Language | `--prompt` with `--image` | Video | Compared | For example, of mlx-community |\n"
            "|---|---|---|---|---|---|---|\n")
    for one in known["families"]:
        names = ", ".join(f"`{name}`" for name in (one["model_type"], *one["aliases"]))
        order = "pictures, then words" if one["images_first"] else "words, then pictures"
        text += (f"| {names} | {one['vision']} | {one['language']} | {order} | {'yes' if one['videos'] else 'no'} | {one['compared']} | "
                 f"{one['repositories']} |\n")
    return text


def image_rules(known):
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
    known = json.loads(subprocess.run([program, "models", "--json"], capture_output=True, text=True, check=True).stdout)
    for table in (families, image_rules):
        begin = f"<!-- tools/models_table.py: {table.__name__} -->\n"
        before, rest = text.split(begin)
        text = before + begin + table(known) + rest[rest.index(END):]
    return text


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text(), sys.argv[1]))
