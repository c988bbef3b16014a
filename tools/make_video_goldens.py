#!/usr/bin/env python3
"""Writes video.json beside the original-layout fixtures of families that take videos: what transformers answers, in float32, about the frames in
tests/fixtures/videos/clip, two a second.

    make_video_goldens.py          needs transformers, torch, torchvision, num2words
"""
import json
import os
import sys
from pathlib import Path

os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import numpy as np
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor
from transformers.video_utils import VideoMetadata

FIXTURES = Path(__file__).resolve().parent.parent / "tests" / "fixtures"
FAMILIES = ["qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe", "internvl", "smolvlm", "llava_onevision"]
FRAMED = "<|vision_start|><|video_pad|><|vision_end|>"
FPS, TOKENS, QUESTION = 2.0, 16, "What happens?"


def golden(family: str) -> dict:
    folder = FIXTURES / f"{family}-hf" / "model"
    frames = torch.from_numpy(np.stack([np.asarray(Image.open(f)) for f in sorted((FIXTURES / "videos" / "clip").glob("*.png"))]))
    processor = AutoProcessor.from_pretrained(folder)
    messages = [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": QUESTION}]}]
    prompt = processor.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    if family == "smolvlm":  # whose processor has a template of its own for videos
        prompt = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    if family.startswith("qwen3"):  # as up to transformers 4.57 and in mlx-vlm: the times stand in the marks' place, not between them
        prompt = prompt.replace(FRAMED, "<|video_pad|>")
    count = len(frames)
    batch = processor(text=[prompt], videos=[frames.permute(0, 3, 1, 2)], do_sample_frames=False, return_tensors="pt",
                      video_metadata=[VideoMetadata(total_num_frames=count, fps=FPS, duration=count / FPS, frames_indices=list(range(count)))])
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    model.generation_config.eos_token_id = None
    with torch.no_grad():
        out = model.generate(**batch, max_new_tokens=TOKENS, min_new_tokens=TOKENS, do_sample=False, pad_token_id=0, output_logits=True,
                             return_dict_in_generate=True)
    ids = batch["input_ids"][0].tolist()
    pixels = batch.get("pixel_values_videos", batch.get("pixel_values")).numpy()
    best = np.sort(torch.stack(out.logits)[:, 0].numpy(), axis=1)
    return {"question": QUESTION, "fps": FPS, "input_ids": ids, "tokens": out.sequences[0, len(ids):].tolist(),
            "smallest_margin": round(float((best[:, -1] - best[:, -2]).min()), 5), "pixels_shape": list(pixels.shape),
            "pixels": [round(float(v), 7) for v in pixels.ravel()[::997]],
            "first_logits": [round(float(v), 6) for v in out.logits[0][0]]}


def main() -> None:
    for family in sys.argv[1:] or FAMILIES:
        data = golden(family)
        (FIXTURES / f"{family}-hf" / "video.json").write_text(json.dumps(data) + "\n")
        print(f"{family}: {len(data['input_ids'])} ids, smallest margin {data['smallest_margin']}, tokens {data['tokens']}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
