#!/usr/bin/env python3
"""Remakes tests/text/golden: tiny tokenizers with what transformers and mlx-vlm do with them, and chat templates with
what transformers renders. Needs a Python with transformers 5.23, mlx-vlm, sentencepiece, protobuf and tiktoken.

    tools/text_goldens/make.py [OUT]        OUT: default tests/text/golden; OUT/templates must exist
"""
import datetime
import json
import os
import pathlib
import random
import sys
import tempfile

os.environ["TZ"] = "UTC"
os.environ["HF_HUB_OFFLINE"] = "1"

import fixtures
import probes
from mlx_vlm.tokenizer_utils import load_tokenizer
from transformers import AutoTokenizer
from transformers.utils import chat_template_utils

TEXTS = [
    "", "a", " ", "Hello world", " leading", "  two leading", "trailing ", "\n", "\n\n x\r\n y\t z", "a  b   c", "日本語、中文。한국어",
    "العربية مرحبا", "👨‍👩‍👧‍👦 🏳️‍🌈🇯🇵", "def f(x):\n    return x**2  # code\n", "it's DON'T we'LL", "1234567 89.5", "naïve café Ångström",
    "e\u0301 A\u030a", "\u00a0nbsp\u3000wide", "ﬁ ①", "z\u200bz", "<s>hi</s>", "<image>x <image> y", "<|im_start|>user\nhi<|im_end|>\n",
    "<|endoftext|>", "<pad>a<unk>b", "<mask>[MASK] [CLS]", "<late> x  <late>  y", "<0x41>", "a▁b ▁c", "<ctl><bos><eos>", "x" * 60, "\x00\x01",
    "The image shows a small red house.", "<boi>[new pad]<loc>", "<|begin|><|reserved_token_347|><|end|>",
]
NOW = 1753542245  # 2025-07-26 15:04:05 UTC


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        elif isinstance(content, str):
            (folder / name).write_text(content)
        else:
            (folder / name).write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")))


def streamed(tokenizer, ids, skip):
    """What mlx-vlm's detokenizer for the tokenizer's decoder prints."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.backend_tokenizer.save(folder + "/tokenizer.json")
        detokenizer = load_tokenizer(pathlib.Path(folder), return_tokenizer=False)(tokenizer)
    for i in ids:
        detokenizer.add_token(i, skip)
    detokenizer.finalize()
    return detokenizer.text


def tokenizer_golden(folder, files):
    tok = AutoTokenizer.from_pretrained(folder)
    texts = []
    for text in TEXTS:
        plain = tok(text, add_special_tokens=False)["input_ids"]
        texts.append({"text": text, "ids": plain, "with_special": tok(text)["input_ids"], "decoded": tok.decode(plain),
                      "decoded_skip": tok.decode(plain, skip_special_tokens=True)})
    r = random.Random(5)
    streams, special = [], [i for i, t in tok.added_tokens_decoder.items() if t.special]
    for k in range(12):
        ids = [r.randrange(len(tok)) for _ in range(20)] if k < 6 else tok(TEXTS[k + 2], add_special_tokens=False)["input_ids"]
        streams.append({"ids": ids, "text": streamed(tok, ids, []), "skip": streamed(tok, ids, special)})
    known = {t: tok.convert_tokens_to_ids(t) for t in ["<image>", "a", "<|im_end|>", "</s>"] if t in tok.get_vocab()}
    return {"model_type": files["config.json"]["model_type"], "size": len(tok), "special": tok.special_tokens_map, "ids": known,
            "texts": texts, "streams": streams}


class FrozenDatetime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(NOW, datetime.timezone.utc)


def render(source, case):
    kwargs = {k: v for k, v in case.items() if k in ("enable_thinking",)}
    special = {"bos_token": "<s>", "eos_token": "</s>", "image_token": "<image>"}
    messages = [{k: v for k, v in m.items() if v is not None} for m in case["messages"]]
    try:
        out, _ = chat_template_utils.render_jinja_template(
            [messages], tools=case.get("tools"), chat_template=source, add_generation_prompt=case.get("add_generation_prompt", True),
            **special, **kwargs)
        return out[0]
    except Exception as e:
        return {"error": str(e)}


def main():
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2] / "tests/text/golden")
    for name, files in fixtures.folders().items():
        folder = out / "tokenizers" / name
        write(folder, files)
        golden = tokenizer_golden(folder, files)
        (folder / "golden.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")))
        print(name, golden["size"])
    chat_template_utils.datetime = FrozenDatetime
    templates = {p.stem: p.read_text() for p in sorted((out / "templates").glob("*.jinja"))}
    rendered = {n: [render(s, c) for c in probes.CONVERSATIONS] for n, s in templates.items()}
    probed = [{"source": s, "text": render(s, {"messages": probes.PROBE_MESSAGES})} for s in probes.EXPRESSIONS]
    golden = {"now": NOW, "conversations": probes.CONVERSATIONS, "rendered": rendered, "probe_messages": probes.PROBE_MESSAGES, "probes": probed}
    (out / "templates" / "golden.json").write_text(json.dumps(golden, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
