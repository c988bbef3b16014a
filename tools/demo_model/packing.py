"""Training rows: a picture (or two) and several conversations about it side by side.

A row is `<|im_start|>user\\n`, the pictures, then conversations of one to three turns. Each conversation sees the pictures and
itself only and has the positions that it would have alone, so one pass over the pictures serves them all.
"""
from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from PIL import Image

import questions
import scenes
from checkpoint import MAX_PIXELS, MIN_PIXELS
from model import VISION

PATCH, MERGE = VISION["patch_size"], VISION["merge"]
TOKENS = 104  # merged patches of a picture at most, for the sizes that scenes.py makes
PATCHES, ROW = TOKENS * MERGE * MERGE, 3 * PATCH * PATCH
HEAD = 3  # <|im_start|> user \n
TEXT_LENGTH = {1: 184, 2: 152}
QUESTIONS = {1: 8, 2: 5}


class Fields(NamedTuple):
    """One sample's arrays, or the same with leading dimensions."""
    patches: object  # uint8 [images, PATCHES, ROW]
    labels: object  # uint8 [images, PATCHES, 3]
    grid: object  # int16 [images, 2]
    ids: object  # int16 [T]
    answer: object  # uint8 [T], 1 where the token is to be learnt
    segment: object  # int16 [T]: number of the conversation, 0 padding, negative if it sees no picture
    position: object  # int16 [T], from the end of the pictures, or from 0 if it sees none


def shapes(images: int) -> dict[str, tuple]:
    t = TEXT_LENGTH[images]
    return {"patches": ((images, PATCHES, ROW), np.uint8), "labels": ((images, PATCHES, 3), np.uint8),
            "grid": ((images, 2), np.int16), "ids": ((t,), np.int16), "answer": ((t,), np.uint8),
            "segment": ((t,), np.int16), "position": ((t,), np.int16)}


def resized_size(width: int, height: int) -> tuple[int, int]:
    """Qwen2-VL's smart_resize."""
    factor = PATCH * MERGE
    h, w = round(height / factor) * factor, round(width / factor) * factor
    if h * w > MAX_PIXELS:
        shrink = math.sqrt(height * width / MAX_PIXELS)
        h, w = (max(factor, math.floor(x / shrink / factor) * factor) for x in (height, width))
    elif h * w < MIN_PIXELS:
        grow = math.sqrt(MIN_PIXELS / (height * width))
        h, w = (math.ceil(x * grow / factor) * factor for x in (height, width))
    return w, h


def merge_order(a: np.ndarray) -> np.ndarray:
    """`[rows, columns, …]` to `[rows * columns, …]`, the patches of a merged group side by side."""
    rows, columns = a.shape[:2]
    a = a.reshape(rows // MERGE, MERGE, columns // MERGE, MERGE, *a.shape[2:])
    return a.swapaxes(1, 2).reshape(rows * columns, *a.shape[4:])


def write_picture(scene, fields: Fields, k: int) -> bool:
    width, height = resized_size(*scene.image.size)
    rows, columns = height // PATCH, width // PATCH
    n = rows * columns
    if n > PATCHES:
        return False
    pixels = np.asarray(scene.image.resize((width, height), Image.Resampling.BICUBIC))
    pixels = pixels.reshape(rows, PATCH, columns, PATCH, 3).transpose(0, 2, 4, 1, 3).reshape(rows, columns, ROW)
    fields.patches[k, :n], fields.patches[k, n:] = merge_order(pixels), 0
    fields.labels[k, :n], fields.labels[k, n:] = merge_order(scene.labels(columns, rows)), 0
    fields.grid[k] = rows, columns
    return True


class Encoder:
    """Sentences to ids; remembers them, since there are few."""

    def __init__(self, tokenizer):
        self.tokenizer, self.known = tokenizer, {}

    def __call__(self, text: str) -> list[int]:
        ids = self.known.get(text)
        if ids is None:
            ids = self.tokenizer.encode(text).ids
            if len(self.known) < 100_000:
                self.known[text] = ids
        return ids


def turn(encode: Encoder, item, first: bool) -> tuple[list[int], list[int]]:
    before = encode("" if first else "\n<|im_start|>user\n") + encode(item.question) + encode("<|im_end|>\n<|im_start|>assistant\n")
    answer = encode(item.answer) + encode("<|im_end|>")
    return before + answer, [0] * len(before) + [1] * len(answer)


def write_text(rng, items, encode: Encoder, fields: Fields) -> None:
    fields.ids[:] = fields.answer[:] = fields.segment[:] = fields.position[:] = 0
    length, at, number = len(fields.ids), 0, 0
    items = [items[i] for i in rng.permutation(len(items))]
    conversations: list[tuple[list, bool]] = []
    if rng.random() < 0.15:
        conversations.append(([questions.off_topic(rng)], True))
    while items:
        turns = 1 if rng.random() < 0.75 else int(rng.integers(2, 4))
        conversations.append((items[:turns], False))
        items = items[turns:]
    for turns, blind in conversations:
        ids, answer = (encode("<|im_start|>user\n"), [0] * HEAD) if blind else ([], [])
        for k, item in enumerate(turns):
            more, flags = turn(encode, item, k == 0)
            ids, answer = ids + more, answer + flags
        n = len(ids)
        if at + n > length:
            continue
        number += 1
        where = slice(at, at + n)
        fields.ids[where], fields.answer[where] = ids, answer
        fields.segment[where] = -number if blind else number
        fields.position[where] = np.arange(n)
        at += n


KINDS = {1: {"shapes": 0.52, "text": 0.32, "chart": 0.1, "other": 0.06}, 2: {"compare": 0.5, "change": 0.5}}


def write_sample(images: int, seed: int, index: int, encode: Encoder, fields: Fields, relations: int = 0) -> None:
    """Fills one sample's arrays from training scene `index` of a seed (or the next that fits). `relations` of the questions
    about shapes are whether one is left of, above… another, which is learnt last."""
    rng = np.random.default_rng([7, seed, index])
    kinds = KINDS[images]
    while True:
        kind = rng.choice(list(kinds), p=list(kinds.values()))
        made = scenes.sample("train", seed, index, str(kind), QUESTIONS[images] - relations)
        if all(write_picture(s, fields, k) for k, s in enumerate(made.scenes)):
            break
        index += 1_000_000_007
    if kind == "shapes" and relations:
        made.items.extend(scenes.asked_about(rng, made.scenes[0], (questions.is_it_there,), relations))
    write_text(rng, made.items, encode, fields)
