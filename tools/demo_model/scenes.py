#!/usr/bin/env python3
"""Synthetic pictures with questions and their answers, the demo model's world.

    python tools/demo_model/scenes.py --seed N --count K --out DIR

writes K scenes as pictures and `questions.json`: [{"images": [file, …], "question", "answer", "type", "scene"}]. Needs
Pillow and numpy only. The training data come from the same code under another domain of seeds, so no N repeats them;
held-out pairs of colour and shape and held-out words appear here and never there.
"""
from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

import drawing
import questions
from drawing import COLOUR_NAMES, SHAPES, Scene, Shape
from questions import HELD_OUT_PAIRS, Item, pick
from words import HELD_OUT_WORDS, TRAINING_WORDS

DOMAINS = {"train": 1, "test": 2}
ALLOWED = {s: [c for c in COLOUR_NAMES if (c, s) not in HELD_OUT_PAIRS] for s in SHAPES}
KINDS = {"shapes": 0.46, "text": 0.15, "chart": 0.08, "other": 0.05, "compare": 0.08, "change": 0.08, "held_out": 0.10}


class Sample(NamedTuple):
    scenes: list[Scene]
    items: list[Item]


def generator(domain: str, seed: int, index: int) -> np.random.Generator:
    return np.random.default_rng([DOMAINS[domain], seed, index])


def _draw_shapes(rng, empty: Image.Image, shapes: list[Shape], seed: int) -> Scene:
    """The shapes on the background; the same seed draws each shape the same way again."""
    image = empty.copy()
    for s in shapes:
        drawing.draw_shape(np.random.default_rng([seed, int(s.x)]), image, s)
    return Scene(drawing.finished(rng, image), sorted(shapes, key=lambda s: s.x))


def _new_shape(rng, colours, kind=None) -> tuple[str, str]:
    """A colour and a shape; never a held-out pair."""
    kind = kind or pick(rng, SHAPES)
    allowed = [c for c in ALLOWED[kind] if c in colours]
    return pick(rng, allowed), kind


def _layout(rng, count: int, held_out: bool) -> tuple[Image.Image, list[str], list[Shape]]:
    """A background, the colours that stand out against it, and shapes; of a held-out pair, if wanted, the first."""
    while True:
        size = drawing.canvas_size(rng)
        sizes = [pick(rng, ("large", "small")) for _ in range(count)]
        spots = drawing.placed(rng, *size, sizes)
        tones = drawing.two_tones(rng)
        colours = drawing.readable_colours(tones)
        pairs = [p for p in HELD_OUT_PAIRS if p[0] in colours]
        if spots is not None and len(colours) >= 4 and (pairs or not held_out):
            break
    looks = [pick(rng, pairs)] if held_out else []
    while len(looks) < count:
        same = looks and rng.random() < 0.3  # the same shape or colour again, so that counting means something
        kind = pick(rng, looks)[1] if same else None
        looks.append(_new_shape(rng, colours, kind))
    shapes = [Shape(k, c, s, *spot) for (c, k), s, spot in zip(looks, sizes, spots)]
    return drawing.background(rng, *size, tones), colours, shapes


def asked_about(rng, scene: Scene, makers, wanted: int, asked: Shape | None = None) -> list[Item]:
    """Up to `wanted` different questions."""
    items: dict[str, Item] = {}
    for _ in range(4 * wanted):
        item = pick(rng, makers)(rng, scene, asked)
        if item is not None:
            items.setdefault(item.question, item)
        if len(items) == wanted:
            break
    return list(items.values())


def shapes_sample(rng, wanted: int) -> Sample:
    empty, _, shapes = _layout(rng, int(rng.integers(1, 5)), False)
    scene = _draw_shapes(rng, empty, shapes, int(rng.integers(2**31)))
    return Sample([scene], [questions.describe(rng, scene)] + asked_about(rng, scene, questions.SHAPE_QUESTIONS, wanted))


def held_out_sample(rng, wanted: int) -> Sample:
    """A shape in a colour that it never had in training, among others; the questions are about it."""
    empty, _, shapes = _layout(rng, int(rng.integers(1, 4)), True)
    scene = _draw_shapes(rng, empty, shapes, int(rng.integers(2**31)))
    asked = shapes[0]
    items = asked_about(rng, scene, (questions.ask_colour, questions.ask_shape, questions.ask_exists), min(wanted, 3), asked)
    items = [Item("held_out_pair", i.question, i.answer) for i in items]
    described = questions.describe(rng, scene)
    return Sample([scene], [Item("held_out_describe", described.question, described.answer)] + items)


def printed_text(rng, held_out: bool) -> str:
    """A word, a number or (in training) letters at random, in one of the usual ways to write it."""
    mode = rng.random()
    if not held_out and mode < 0.25:
        digits = "".join(str(d) for d in rng.integers(0, 10, rng.integers(1, 7)))
        return digits
    if held_out:
        word = pick(rng, HELD_OUT_WORDS)
    elif mode < 0.6:
        word = pick(rng, TRAINING_WORDS)
    else:
        word = ""
        while not word or word in HELD_OUT_WORDS:
            if rng.random() < 0.6:
                word = "".join(chr(97 + c) for c in rng.integers(0, 26, rng.integers(1, 9)))
            else:  # pronounceable
                word = "".join(pick(rng, "bcdfghjklmnprstvwz") + pick(rng, "aeiouy") for _ in range(rng.integers(1, 5)))
                word = word[:rng.integers(2, 9)]
    return (word.upper(), word, word.capitalize())[rng.choice(3, p=[0.5, 0.3, 0.2])]


def text_sample(rng, wanted: int, held_out: bool, text: str | None = None) -> Sample:
    while True:
        size = drawing.canvas_size(rng)
        tones, plate = drawing.two_tones(rng), None
        image = drawing.background(rng, *size, tones)
        if rng.random() < 0.35:  # a sign
            plate = tuple(int(v) for v in drawing.tone(rng))
            tones = np.array([plate], float)
        colours = drawing.readable_colours(tones)
        if colours:
            break
    printed = drawing.draw_text(rng, image, text or printed_text(rng, held_out), pick(rng, colours), plate)
    scene = Scene(drawing.finished(rng, image), text=printed)
    items = [questions.describe(rng, scene)] + asked_about(rng, scene, questions.TEXT_QUESTIONS, min(wanted, 3))
    if held_out:
        names = {"describe": "held_out_describe", "read": "held_out_read"}
        items = [Item(names.get(i.type, i.type), i.question, i.answer) for i in items]
    return Sample([scene], items)


def chart_sample(rng, wanted: int) -> Sample:
    scene = drawing.bars_scene(rng)
    while len(scene.bars) < 2:
        scene = drawing.bars_scene(rng)
    return Sample([scene], [questions.describe(rng, scene)] + asked_about(rng, scene, questions.CHART_QUESTIONS, min(wanted, 4)))


def other_sample(rng, wanted: int) -> Sample:
    scene = drawing.strange_scene(rng)
    described = questions.describe(rng, scene)
    return Sample([scene], [Item("other", described.question, described.answer), questions.off_topic(rng)] +
                  [Item("other", i.question, i.answer) for i in asked_about(rng, scene, questions.OTHER_QUESTIONS, min(wanted, 3))])


def compare_sample(rng, wanted: int) -> Sample:
    scenes = []
    for _ in range(2):
        empty, _, shapes = _layout(rng, int(rng.integers(1, 5)), False)
        scenes.append(_draw_shapes(rng, empty, shapes, int(rng.integers(2**31))))
    items = [questions.describe_both(rng, *scenes), questions.compare(rng, *scenes), questions.compare(rng, *scenes)]
    items += [i for i in (questions.one_of_two(rng, *scenes) for _ in range(3)) if i]
    return Sample(scenes, list({i.question: i for i in items}.values())[:max(wanted, 2)])


def _changed_shapes(rng, shapes: list[Shape], colours) -> tuple[list[Shape], list[Shape], str]:
    """Two lists and the sentence that tells them apart."""
    kind = rng.choice(["colour", "gone", "added", "size", "nothing"], p=[0.3, 0.22, 0.22, 0.16, 0.1])
    s, rest = shapes[0], shapes[1:]
    pair = f"{s.colour} {s.kind}"
    if kind == "gone" and rest:
        return shapes, rest, f"The {pair} is gone."
    if kind == "added" and rest:
        return rest, shapes, f"{questions.article(pair).capitalize()} was added."
    if kind == "colour":
        others = [c for c in ALLOWED[s.kind] if c in colours and c != s.colour]
        new = Shape(s.kind, pick(rng, others), s.size, s.x, s.y, s.r)
        return shapes, [new, *rest], f"The {s.kind} changed from {s.colour} to {new.colour}."
    if kind == "size" and s.size == "large":
        small = Shape(s.kind, s.colour, "small", s.x, s.y, s.r * 0.53)
        if rng.random() < 0.5:
            return shapes, [small, *rest], f"The {pair} became smaller."
        return [small, *rest], shapes, f"The {pair} became larger."
    return shapes, shapes, "Nothing changed."


def change_sample(rng, wanted: int) -> Sample:
    while True:
        empty, colours, shapes = _layout(rng, int(rng.integers(1, 5)), False)
        looks = [(s.colour, s.kind) for s in shapes]
        if looks.count(looks[0]) == 1 and [s.kind for s in shapes].count(shapes[0].kind) == 1:
            break
    before, after, answer = _changed_shapes(rng, shapes, colours)
    seed = int(rng.integers(2**31))
    scenes = [_draw_shapes(rng, empty, x, seed) for x in (before, after)]
    items = [questions.changed(rng, answer), questions.describe_both(rng, *scenes), questions.compare(rng, *scenes)]
    return Sample(scenes, items[:max(wanted, 1)])


def sample(domain: str, seed: int, index: int, kind: str | None = None, wanted: int = 5) -> Sample:
    """Scene number `index` of a seed."""
    rng = generator(domain, seed, index)
    if kind is None:
        kinds = {k: p for k, p in KINDS.items() if domain == "test" or k != "held_out"}
        kind = rng.choice(list(kinds), p=np.array(list(kinds.values())) / sum(kinds.values()))
    makers = {"shapes": shapes_sample, "chart": chart_sample, "other": other_sample, "compare": compare_sample,
              "change": change_sample, "held_out": held_out_sample}
    if kind == "text":
        return text_sample(rng, wanted, held_out=domain == "test" and rng.random() < 0.6)
    return makers[kind](rng, wanted)


def write(seed: int, count: int, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for index in range(count):
        made = sample("test", seed, index)
        names = [f"{index:04d}{'ab'[k] if len(made.scenes) > 1 else ''}.png" for k in range(len(made.scenes))]
        for name, scene in zip(names, made.scenes):
            scene.image.save(folder / name)
        rows += [{"images": names, "question": i.question, "answer": i.answer, "type": i.type, "scene": index} for i in made.items]
    (folder / "questions.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, required=True, help="scenes")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    write(arguments.seed, arguments.count, arguments.out)


if __name__ == "__main__":
    main()
