"""Runs transformers' own processor, in a process that mlx-vlm has not touched (it registers its own classes).

    own_processor.py MODEL ITEMS.json OUT.npz [pil|torchvision]

ITEMS: list of {"messages": OpenAI-style, "images": [path]}. OUT holds "<index>/<array name>" and "<index>/input_ids"; a failure is
"<index>/error" with the text.
"""
from __future__ import annotations

import json
import os
import sys
import warnings

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
from PIL import Image, ImageOps  # noqa: E402
from transformers import AutoImageProcessor, AutoProcessor  # noqa: E402


def template_messages(messages: list[dict]) -> list[dict]:
    def part(p):
        return {"type": "image"} if p["type"] == "image_url" else p
    return [{"role": m["role"], "content": m["content"] if isinstance(m["content"], str) else [part(p) for p in m["content"]]}
            for m in messages]


def main() -> None:
    model, items, out = sys.argv[1:4]
    processor = AutoProcessor.from_pretrained(model)  # video processors exist for torchvision only
    processor.image_processor = AutoImageProcessor.from_pretrained(model, backend=sys.argv[4] if len(sys.argv) > 4 else "pil")
    arrays = {"classes": np.array([type(processor).__name__, type(processor.image_processor).__name__])}
    for i, item in enumerate(json.load(open(items, encoding="utf-8"))):
        pictures = [ImageOps.exif_transpose(Image.open(p)).convert("RGB") for p in item["images"]]
        try:
            prompt = processor.apply_chat_template(template_messages(item["messages"]), add_generation_prompt=True,
                                                   chat_template=processor.chat_template or processor.tokenizer.chat_template)
            bos = getattr(processor.tokenizer, "bos_token", None)
            again = {"add_special_tokens": False} if bos and prompt.startswith(bos) else {}  # as its tokenize=True route does
            batch = processor(text=[prompt], images=pictures or None, return_tensors="pt", **again)
        except Exception as e:  # the report is the point of this script
            arrays[f"{i}/error"] = np.array(f"{type(e).__name__}: {e}"[:300])
            continue
        arrays[f"{i}/prompt"] = np.array(prompt)
        for name, value in batch.items():
            arrays[f"{i}/{name}"] = value.float().numpy() if value.is_floating_point() else value.numpy()
    np.savez(out, **arrays)


if __name__ == "__main__":
    main()
