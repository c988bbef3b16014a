"""The side files of the demo checkpoint: tokenizer, chat template, processor and configuration, in the standard forms."""
from __future__ import annotations

import json
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import model
import scenes

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
           "<|image_pad|>", "<|video_pad|>")
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")  # Qwen2's
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' or 'image' in part or 'image_url' in part %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
MIN_PIXELS, MAX_PIXELS = 68_600, 78_400
PREPROCESSOR = {
    "min_pixels": MIN_PIXELS, "max_pixels": MAX_PIXELS, "patch_size": model.VISION["patch_size"], "temporal_patch_size": 2,
    "merge_size": model.VISION["merge"], "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
    "image_processor_type": "Qwen2VLImageProcessor", "processor_class": "Qwen2_5_VLProcessor"}
CORPUS_SCENES = 4000


def corpus() -> list[str]:
    """The sentences of training scenes. Words in capitals are left out: what is read from a picture is spelt."""
    lines = ["user", "assistant", "system"] * 5
    for index in range(CORPUS_SCENES):
        for item in scenes.sample("train", 0, index, wanted=8).items:
            lines += [" ".join(w for w in text.split(" ") if w.strip(".") == "I" or not w.strip(".").isupper())
                      for text in (item.question, item.answer)]
    return lines


def make_tokenizer() -> Tokenizer:
    """Byte-level BPE as Qwen2's, with merges for the words of the questions and answers only."""
    tok = Tokenizer(models.BPE())
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(SPLIT), "isolated"),
                                                 pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=4096, min_frequency=3, show_progress=False,
                                                          initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    tok.decoder = decoders.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    tok.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    tok.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
    return tok


def padded_vocabulary(tok: Tokenizer) -> int:
    return -(-tok.get_vocab_size() // 64) * 64


def _write(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_side_files(folder: Path, tok: Tokenizer) -> None:
    special = {t: tok.token_to_id(t) for t in SPECIAL}
    added = {str(i): {"content": t.content, "lstrip": t.lstrip, "normalized": t.normalized, "rstrip": t.rstrip,
                      "single_word": t.single_word, "special": t.special}
             for i, t in sorted(tok.get_added_tokens_decoder().items())}
    folder.mkdir(parents=True, exist_ok=True)
    tok.save(str(folder / "tokenizer.json"), pretty=False)
    _write(folder / "tokenizer_config.json", {
        "added_tokens_decoder": added, "add_prefix_space": False, "additional_special_tokens": ["<|im_start|>", "<|im_end|>"],
        "bos_token": None, "clean_up_tokenization_spaces": False, "eos_token": "<|im_end|>", "errors": "replace",
        "model_max_length": 4096, "pad_token": "<|endoftext|>", "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer", "unk_token": None})
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    _write(folder / "config.json", model.checkpoint_config(padded_vocabulary(tok), special))
    _write(folder / "preprocessor_config.json", PREPROCESSOR)
    _write(folder / "generation_config.json", {
        "bos_token_id": special["<|endoftext|>"], "pad_token_id": special["<|endoftext|>"],
        "eos_token_id": [special["<|im_end|>"], special["<|endoftext|>"]], "do_sample": False})
