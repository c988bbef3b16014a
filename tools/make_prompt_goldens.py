#!/usr/bin/env python3
"""Makes tests/processing/golden/prompts.json and tokenizer/: what the reference makes of chats.

Needs a Python with transformers, mlx-vlm, tokenizers and numpy.

    python tools/make_prompt_goldens.py [--out tests/processing/golden]
"""
import argparse
import json
from pathlib import Path

import numpy as np
from mlx_vlm import prompt_utils
from pixel_goldens.pictures import checksum
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

QWEN = ("{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\nYou are a helpful "
        "assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n{% if message['content'] is string %}"
        "{{ message['content'] }}<|im_end|>\n{% else %}{% for content in message['content'] %}{% if content['type'] == 'image' or "
        "'image' in content or 'image_url' in content %}<|vision_start|><|image_pad|><|vision_end|>{% elif 'text' in content %}"
        "{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}"
        "<|im_start|>assistant\n{% endif %}")
LLAVA = ("{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': '}}{% endif %}"
         "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}"
         "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' '}}{% endfor %}"
         "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}")
IDEFICS = ("<s>{% for message in messages %}{{message['role'].capitalize()}}{% if message['content'][0]['type'] == 'image' %}"
           "{{':'}}{% else %}{{': '}}{% endif %}{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
           "{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
           "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}")
# (model_type, rule, placeholder, template)
FORMATS = [("qwen2_vl", "text_first", "<|image_pad|>", QWEN), ("qwen2_5_vl", "image_first", "<|image_pad|>", QWEN),
           ("llava", "text_first", "<image>", LLAVA), ("idefics3", "image_first", "<image>", IDEFICS),
           ("smolvlm", "image_first", "<image>", IDEFICS.replace("<s>", "<|im_start|>")), ("llava", "text_first", "<image>", None)]
IMAGE = {"type": "image"}


def text(t):
    return {"type": "text", "text": t}


def user(*parts):
    return {"role": "user", "content": list(parts)}


ANSWER = {"role": "assistant", "content": "Yes: a tree."}
SYSTEM = {"role": "system", "content": "Be brief."}
# Chats whose images stand at their own places.
CHATS = {
    "image, text": [user(IMAGE, text("What is this?"))],
    "text, image, text": [user(text("Compare "), IMAGE, text(" with\nnothing "))],
    "two images apart": [user(text("A"), IMAGE, text("B"), IMAGE, text(""))],
    "image only": [user(IMAGE)],
    "texts only": [user(text(" one"), text(""), text("two\u00a0 \n"))],
    "turns": [SYSTEM, user(IMAGE, text("A tree?")), ANSWER, {"role": "user", "content": "  And now?\n"}],
    "images in two turns": [user(IMAGE, text("First")), ANSWER, user(text("Second"), IMAGE, IMAGE)],
    "one turn of text": [{"role": "user", "content": " Hi, naïve 图像 🙂 "}],
    "empty": [{"role": "user", "content": ""}],
    "no user": [SYSTEM],
}


def our_parts(content):
    if isinstance(content, str):
        return [{"text": content}]
    return [{"image": True} if part["type"] == "image" else {"text": part["text"]} for part in content]


class Processor:
    """What mlx-vlm asks of a processor when it renders."""

    def __init__(self, image_token, template):
        self.image_token, self.chat_template = image_token, template
        self.tokenizer = PreTrainedTokenizerFast(tokenizer_object=toy_tokenizer(), bos_token="<s>")

    def apply_chat_template(self, messages, **kwargs):
        if self.chat_template is None:
            raise ValueError("chat_template is not set")
        return self.tokenizer.apply_chat_template(messages, chat_template=self.chat_template, **kwargs)


def toy_tokenizer():
    """Bytes and special tokens; puts <s> before what it encodes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tok = Tokenizer(models.BPE(vocab={ch: i for i, ch in enumerate(alphabet)}, merges=[]))
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    specials = ["<s>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<image>",
                "<fake_token_around_image>", "<global-img>", "<row_1_col_1>", "<end_of_utterance>"]
    tok.add_special_tokens([AddedToken(s, normalized=False, special=True) for s in specials])
    tok.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", tok.token_to_id("<s>"))])
    return tok


def ids_of(rendered):
    # As transformers' ProcessorMixin.apply_chat_template: one BOS.
    return toy_tokenizer().encode(rendered, add_special_tokens=not rendered.startswith("<s>")).ids


def prompt_golden(model_type, processor, name, prompt, num_images, chat, by_family):
    args = (processor, {"model_type": model_type}, prompt)
    messages = prompt_utils.apply_chat_template(*args, num_images=num_images, return_messages=True)
    rendered = prompt_utils.apply_chat_template(*args, num_images=num_images)
    return {"name": name, "place_images_by_family": by_family, "chat": chat, "messages": messages, "prompt": rendered,
            "ids_checksum": checksum(np.array(ids_of(rendered), np.uint64)), "ids_count": len(ids_of(rendered))}


def format_golden(model_type, rule, placeholder, template):
    processor, goldens = Processor(placeholder, template), []
    for count in (0, 1, 2, 5):
        for system in (False, True):
            prompt = "  What is\tthis? "
            chat = [{"role": "user", "parts": [{"text": prompt}] + [{"image": True}] * count}]
            if system:
                chat.insert(0, {"role": "system", "parts": [{"text": "Be brief."}]})
            goldens.append(prompt_golden(model_type, processor, f"{count} images" + (", system" if system else ""),
                                         [SYSTEM, prompt] if system else prompt, count, chat, True))
    for name, messages in CHATS.items():
        chat = [{"role": m["role"], "parts": our_parts(m["content"])} for m in messages]
        goldens.append(prompt_golden(model_type, processor, name, messages, 0, chat, False))
    return {"model_type": model_type, "rule": rule, "placeholder": placeholder, "template": template, "prompts": goldens}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "tests/processing/golden")
    args = parser.parse_args()
    folder = args.out / "tokenizer"
    folder.mkdir(parents=True, exist_ok=True)
    toy_tokenizer().save(str(folder / "tokenizer.json"), pretty=False)
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"bos_token": "<s>", "tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}) + "\n")
    text = json.dumps([format_golden(*f) for f in FORMATS], ensure_ascii=False, separators=(",", ":"))
    (args.out / "prompts.json").write_text(text.replace('{"name"', '\n{"name"') + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
