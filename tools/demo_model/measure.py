#!/usr/bin/env python3
"""Exact answers per type of question on fresh scenes, in PyTorch: a quick look at a state while a run goes on.

    python tools/demo_model/measure.py --state RUN/state.pt --tokenizer RUN/model/tokenizer.json --seed 900 --count 1000

An answer counts if every token of it is the likeliest one after the right ones, which is what greedy decoding would say.
"""
from __future__ import annotations

import argparse
import collections
import concurrent.futures as futures
import functools
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

import checkpoint
import packing
import scenes
from model import DemoModel
from train import HEADS, Rows


def _rows_of(tokenizer: str, seed: int, index: int) -> list[tuple[str, str, int, packing.Fields]]:
    """(type, "question -> answer", pictures, arrays) of each question about a scene."""
    encode = packing.Encoder(Tokenizer.from_str(tokenizer))
    made = scenes.sample("test", seed, index)
    images = len(made.scenes)
    fields = packing.Fields(*(np.zeros(s, t) for s, t in packing.shapes(images).values()))
    if not all(packing.write_picture(s, fields, k) for k, s in enumerate(made.scenes)):
        return []
    out = []
    for item in made.items:
        ids, answer = packing.turn(encode, item, True)
        own = fields._replace(**{k: np.zeros_like(getattr(fields, k)) for k in ("ids", "answer", "segment", "position")})
        n = len(ids)
        own.ids[:n], own.answer[:n], own.segment[:n], own.position[:n] = ids, answer, 1, np.arange(n)
        out.append((item.type, f"{item.question} -> {item.answer}", images, own))
    return out


@torch.no_grad()
def exact(model, tok: Tokenizer, made, device: str, size: int = 128):
    """Yields (type, text, what the model says, all right, share of right tokens)."""
    for images in (1, 2):
        rows = Rows(tok, images, device)
        chosen = [m for m in made if m[2] == images]
        for at in range(0, len(chosen), size):
            part = chosen[at:at + size]
            f = packing.Fields(*(torch.from_numpy(np.stack(x)).to(device) for x in zip(*(m[3] for m in part))))
            ids, positions, mask, target = rows(f)
            hidden, _ = model(f.patches.float() / 127.5 - 1, f.grid.long(), ids, positions, mask, rows.image_at)
            said = F.linear(hidden[:, rows.start - 1:-1], model.model.embed_tokens.weight).argmax(-1)
            right = (said == target) | (target < 0)
            for k, m in enumerate(part):
                answer = said[k][target[k] >= 0].tolist()
                yield m[0], m[1], tok.decode(answer), bool(right[k].all()), float(right[k][target[k] >= 0].float().mean())


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--state", type=Path, required=True)
    p.add_argument("--tokenizer", type=Path, required=True)
    p.add_argument("--seed", type=int, default=900)
    p.add_argument("--count", type=int, default=1000)
    p.add_argument("--workers", type=int, default=8)
    p.add_argument("--wrong", type=int, default=2, help="wrong answers to show per type")
    a = p.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tok = Tokenizer.from_file(str(a.tokenizer))
    model = DemoModel(checkpoint.padded_vocabulary(tok), HEADS).to(device)
    model.load_state_dict(torch.load(a.state, map_location=device)["model"])
    with futures.ProcessPoolExecutor(a.workers) as pool:
        made = [m for rows in pool.map(functools.partial(_rows_of, tok.to_str(), a.seed), range(a.count), chunksize=8) for m in rows]
    table, shown = collections.defaultdict(list), collections.Counter()
    for kind, text, said, right, share in exact(model, tok, made, device):
        table[kind].append((right, share))
        if not right and shown[kind] < a.wrong:
            shown[kind] += 1
            print(f"  {kind}: {text} | {said}")
    for kind, values in sorted(table.items()):
        print(f"{kind:18} {len(values):5} exact {100 * np.mean([v[0] for v in values]):6.2f} %  tokens {100 * np.mean([v[1] for v in values]):6.2f} %")


if __name__ == "__main__":
    main()
