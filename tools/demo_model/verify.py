#!/usr/bin/env python3
"""Checks that transformers reads a checkpoint folder as the trainer means it: the same logits for a picture and a question.

    python tools/demo_model/verify.py --state RUN/state.pt --model RUN/model
"""
from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from transformers import AutoModelForImageTextToText, AutoProcessor

import checkpoint
import packing
import scenes
from model import DemoModel
from train import HEADS, Rows


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--state", type=Path, required=True)
    p.add_argument("--model", type=Path, required=True)
    a = p.parse_args()
    tok = Tokenizer.from_file(str(a.model / "tokenizer.json"))
    own = DemoModel(checkpoint.padded_vocabulary(tok), HEADS)
    own.load_state_dict(torch.load(a.state, map_location="cpu")["model"])
    with torch.no_grad():  # what the folder's bfloat16 makes of the weights
        for x in own.parameters():
            x.copy_(x.bfloat16().float())
    processor = AutoProcessor.from_pretrained(a.model)
    theirs = AutoModelForImageTextToText.from_pretrained(a.model, dtype=torch.float32).eval()
    for kind, images in (("shapes", 1), ("text", 1), ("compare", 2)):
        made = scenes.sample("test", 1, 5, kind)
        item = made.items[0]
        fields = packing.Fields(*(np.zeros(s, t) for s, t in packing.shapes(images).values()))
        assert all(packing.write_picture(s, fields, k) for k, s in enumerate(made.scenes))
        ids, _ = packing.turn(packing.Encoder(tok), item, True)
        n = len(ids)
        fields.ids[:n], fields.segment[:n], fields.position[:n] = ids, 1, np.arange(n)
        f = packing.Fields(*(torch.from_numpy(x)[None] for x in fields))
        rows = Rows(tok, images, "cpu")
        with torch.no_grad():
            row_ids, positions, mask, _ = rows(f)
            hidden, _ = own(f.patches.float() / 127.5 - 1, f.grid.long(), row_ids, positions, mask, rows.image_at)
            mine = F.linear(hidden[0, rows.start:rows.start + n], own.model.embed_tokens.weight)
            message = [{"role": "user", "content": [{"type": "image"}] * images + [{"type": "text", "text": item.question}]},
                       {"role": "assistant", "content": [{"type": "text", "text": item.answer}]}]
            text = processor.apply_chat_template(message, tokenize=False).removesuffix("\n")
            batch = processor(text=[text], images=[s.image for s in made.scenes], return_tensors="pt")
            assert batch["input_ids"][0, -n:].tolist() == ids, (batch["input_ids"][0, -n:].tolist(), ids)
            logits = theirs(**batch).logits[0, -n:]
        print(kind, "largest difference", float((mine - logits).abs().max()), "of", float(logits.abs().max()))


if __name__ == "__main__":
    main()
