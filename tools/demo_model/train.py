#!/usr/bin/env python3
"""Trains the demo model from scratch: scenes are drawn by worker processes while the GPU learns from them.

    python tools/demo_model/train.py --out RUN --seconds 780

RUN gets `model/` (a checkpoint folder under the released names, bfloat16), `state.pt` to go on from (--resume) and
`log.jsonl`. The schedule follows the clock, so a run ends when it was told to. Needs PyTorch, tokenizers, safetensors,
Pillow and numpy.
"""
from __future__ import annotations

import argparse
import json
import math
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # in the workers; PyTorch's own threads are set below

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import Tokenizer

import checkpoint
import drawing
import packing
from feed import Feed
from model import DemoModel
from optimizer import make_optimizers

HEADS = (2 + len(drawing.SHAPES), 1 + len(drawing.COLOURS), 1 + len(drawing.CHARACTERS))
PREFIX = "<|im_start|>user\n"


class Rows:
    """Turns samples into the decoder's rows: ids, positions, mask."""

    def __init__(self, tok: Tokenizer, images: int, device):
        t, n = packing.TEXT_LENGTH[images], packing.TOKENS
        ids = tok.encode(PREFIX).ids
        assert len(ids) == packing.HEAD
        self.image_at = []
        for _ in range(images):
            ids.append(tok.token_to_id("<|vision_start|>"))
            self.image_at.append((len(ids), len(ids) + n))
            ids += [tok.token_to_id("<|image_pad|>")] * n + [tok.token_to_id("<|vision_end|>")]
        self.image_at, self.start = tuple(self.image_at), len(ids)
        self.prefix = torch.tensor(ids, device=device)
        self.causal = torch.ones(len(ids) + t, len(ids) + t, dtype=torch.bool, device=device).tril()
        self.device = device

    def __call__(self, f: packing.Fields):
        b, start = f.ids.shape[0], self.start
        ids = torch.cat([self.prefix.expand(b, -1), f.ids.long()], 1)
        positions = torch.zeros(b, 3, ids.shape[1], dtype=torch.long, device=self.device)
        valid = torch.ones(b, start, dtype=torch.bool, device=self.device)
        next_, merged = torch.full((b, 1), packing.HEAD, device=self.device), f.grid.long() // packing.MERGE
        positions[:, :, :packing.HEAD] = torch.arange(packing.HEAD, device=self.device)
        index = torch.arange(packing.TOKENS, device=self.device)[None]
        for k, (begin, end) in enumerate(self.image_at):
            positions[:, :, begin - 1] = next_
            rows, columns = merged[:, k, :1], merged[:, k, 1:]
            zero = torch.zeros_like(index // columns)
            positions[:, :, begin:end] = (next_ + 1)[:, None] + torch.stack([zero, index // columns, index % columns], 1)
            valid[:, begin:end] = index < rows * columns
            next_ = next_ + 1 + torch.maximum(rows, columns)
            positions[:, :, end] = next_
            next_ = next_ + 1
        seg = f.segment.long()
        positions[:, :, start:] = torch.where(seg < 0, f.position.long(), next_ + f.position.long())[:, None]
        own = torch.cat([torch.zeros(b, start, dtype=torch.long, device=self.device), seg], 1)
        sees = (own[:, :, None] == own[:, None, :]) | ((own[:, None, :] == 0) & (own[:, :, None] > 0))
        sees[:, :, :start] &= valid[:, None]
        mask = (sees & self.causal) | torch.eye(ids.shape[1], dtype=torch.bool, device=self.device)
        target = torch.where(f.answer.bool(), f.ids.long(), -100)
        return ids, positions, mask[:, None], target


def losses(model, call, rows: Rows, f: packing.Fields, size: int):
    """Answer loss, patch loss and the share of answer tokens that are right."""
    ids, positions, mask, target = rows(f)
    pixels = f.patches.to(torch.bfloat16 if rows.device == "cuda" else torch.float32) / 127.5 - 1
    hidden, features = call(pixels, f.grid.long(), ids, positions, mask, rows.image_at)
    hidden = hidden[:, rows.start - 1:-1].flatten(0, 1)
    wanted = target.flatten()
    chosen = torch.nonzero(wanted >= 0).squeeze(1)
    logits = F.linear(hidden[chosen], model.model.embed_tokens.weight).float()
    answer = F.cross_entropy(logits, wanted[chosen])
    labels = f.labels.flatten(0, 1).long()
    patch = 0.0
    for k, head in enumerate(model.patch_heads):
        each = F.cross_entropy(head(features).float().flatten(0, 1), labels[..., k].flatten(), reduction="none")
        weight = torch.where(labels[..., k].flatten() > 0, 1.0, 0.03)
        patch = patch + (each * weight).sum() / weight.sum()
    return answer, patch, (logits.argmax(-1) == wanted[chosen]).float().mean()


def rate(progress: float) -> float:
    """Share of the peak learning rate: 2 % warm-up, flat, linear to zero over the last 60 %."""
    return min(1.0, progress / 0.02, max(0.0, (1 - progress) / 0.6))


def save(model, optimizers, tok: Tokenizer, out: Path) -> None:
    folder = out / "model"
    checkpoint.write_side_files(folder, tok)
    save_file(model.checkpoint(), folder / "model.safetensors", metadata={"format": "pt"})
    torch.save({"model": model.state_dict()}, out / "state.tmp")
    os.replace(out / "state.tmp", out / "state.pt")


def train(a, model, tok: Tokenizer, device: str, feeds: dict[int, Feed]) -> None:
    optimizers = make_optimizers(model, a.muon, a.adam)
    rows = {n: Rows(tok, n, device) for n in feeds}
    call = torch.compile(model, dynamic=False) if a.compile else model
    batch = {1: a.batch, 2: a.pairs}
    log = (a.out / "log.jsonl").open("a")
    begin = shown = saved = time.time()
    step, sums = 0, torch.zeros(6, device=device)
    while (now := time.time()) - begin < a.seconds and step < a.steps:
        progress = (now - begin) / a.seconds if a.steps == 10**9 else step / a.steps
        for feed in feeds.values():
            feed.pump()
        for n, feed in feeds.items():
            with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
                answer, patch, right = losses(model, call, rows[n], feed.batch(batch[n]), batch[n])
            share = 1.0 if n == 1 else a.pair_weight
            (share * (answer + a.patch_weight * patch)).backward()
            sums[3 * n - 3:3 * n] += torch.stack([answer.detach(), patch.detach(), right])
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for o in optimizers:
            for group in o.param_groups:
                group["lr"] = group["peak"] * rate(progress)
            o.step()
            o.zero_grad(set_to_none=True)
        step += 1
        if step % a.show == 0:
            values = [round(v / a.show, 4) for v in sums.tolist()]
            line = {"step": step, "seconds": round(now - begin, 1), "ms": round(1000 * (time.time() - shown) / a.show),
                    "single": values[:3], "pair": values[3:], "drawn": {n: f.written for n, f in feeds.items()}}
            print(json.dumps(line), flush=True)
            log.write(json.dumps(line) + "\n")
            log.flush()
            sums.zero_()
            shown = time.time()
        if now - saved > a.save_every:
            save(model, optimizers, tok, a.out)
            saved = time.time()
    save(model, optimizers, tok, a.out)
    (a.out / "done").write_text(str(step))


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--tokenizer", type=Path, help="tokenizer.json; made from the corpus if not given")
    p.add_argument("--resume", type=Path, help="state.pt of another run: weights only")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--seconds", type=float, default=780)
    p.add_argument("--steps", type=int, default=10**9)
    p.add_argument("--batch", type=int, default=256, help="samples of one picture per step")
    p.add_argument("--pairs", type=int, default=64, help="samples of two pictures per step")
    p.add_argument("--pair-weight", type=float, default=0.4)
    p.add_argument("--patch-weight", type=float, default=0.3)
    p.add_argument("--muon", type=float, default=0.02)
    p.add_argument("--adam", type=float, default=2e-3)
    p.add_argument("--workers", type=int, default=max(2, (os.cpu_count() or 2) - 1))
    p.add_argument("--ring", type=int, default=49152, help="samples kept; pairs a quarter of it")
    p.add_argument("--relations", type=int, default=0, help="how many of a picture's questions are about relations")
    p.add_argument("--compile", action="store_true")
    p.add_argument("--show", type=int, default=100)
    p.add_argument("--save-every", type=float, default=60)
    a = p.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tok = Tokenizer.from_file(str(a.tokenizer)) if a.tokenizer else checkpoint.make_tokenizer()
    pairs = max(1, a.workers // 4)
    feeds = {1: Feed(1, a.seed, a.workers - pairs, a.ring, tok.to_str(), device, a.relations),
             2: Feed(2, a.seed, pairs, a.ring // 4, tok.to_str(), device)}
    torch.manual_seed(a.seed)
    torch.set_float32_matmul_precision("high")
    model = DemoModel(checkpoint.padded_vocabulary(tok), HEADS).to(device)
    if a.resume:
        model.load_state_dict(torch.load(a.resume, map_location=device)["model"])
    print("parameters", sum(x.numel() for k, x in model.named_parameters() if "patch_heads" not in k), flush=True)
    for n, feed in feeds.items():
        feed.fill({1: a.batch, 2: a.pairs}[n] * 4)
    try:
        train(a, model, tok, device, feeds)
    finally:
        for feed in feeds.values():
            feed.close()


if __name__ == "__main__":
    main()
