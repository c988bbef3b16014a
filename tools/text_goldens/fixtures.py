"""Small checkpoints of every kind of tokenizer that src/text knows, as folders of files."""
import base64
import json
import random
import string

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

WORDS = ("the a of is in on and this image picture describe what shows color red green blue cat dog house tree street "
         "person small large left right there are how many object text table question please with white black sky").split()
EXTRA = ["naïve café", "Größe", "こんにちは世界", "图像 描述", "привет мир", "🙂🚀", "x=3.14;", "I'm don't we'll", "\n\n", "  two"]
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
SPM_DECODER = [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]
STRIP = {"type": "Strip", "content": " ", "start": 1, "stop": 0}


def corpus():
    r = random.Random(11)
    return [" ".join(r.choice(WORDS) for _ in range(r.randint(4, 10))).capitalize() + r.choice(".?!,") for _ in range(300)] + EXTRA * 3


def bpe_model(byte_level=True, merges=90, first=()):
    """vocab and merges of a trained BPE model; `first` come before everything else."""
    tok = Tokenizer(models.BPE())
    if byte_level:
        tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    else:
        tok.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        tok.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="never")
        alphabet = list(string.ascii_letters + string.digits + ".,;:?!'\"()<>|/_-=+*") + ["▁"]
    trainer = trainers.BpeTrainer(vocab_size=len(alphabet) + merges, initial_alphabet=alphabet,
                                  limit_alphabet=len(alphabet), show_progress=False)
    tok.train_from_iterator(corpus(), trainer)
    model = json.loads(tok.to_str())["model"]
    tokens = list(first) + ([] if byte_level else [f"<0x{b:02X}>" for b in range(256)])
    tokens += sorted(model["vocab"], key=model["vocab"].get)
    return {t: i for i, t in enumerate(tokens)}, model["merges"]


def added(token, id, **flags):
    base = {"id": id, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return base | flags


def tokenizer_json(vocab, merges, added_tokens, normalizer=None, pre=None, post=None, decoder=None, **model):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added_tokens, "normalizer": normalizer,
            "pre_tokenizer": pre, "post_processor": post, "decoder": decoder,
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                      "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                      "vocab": vocab, "merges": merges} | model}


def decoder_of(tokens):
    return {str(t["id"]): {k: v for k, v in t.items() if k != "id"} for t in tokens}


def bos_template(token, id):
    return {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": token, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {token: {"id": token, "ids": [id], "tokens": [token]}}}


def byte_level(model_type, tokenizer_class, specials, config=None, **parts):
    vocab, merges = bpe_model()
    tokens = [added(t, len(vocab) + i) for i, t in enumerate(specials)]
    parts = {"pre": BYTE_LEVEL, "decoder": BYTE_LEVEL} | parts
    return {"config.json": {"model_type": model_type},
            "tokenizer.json": tokenizer_json(vocab, [" ".join(m) for m in merges], tokens, **parts),
            "tokenizer_config.json": {"tokenizer_class": tokenizer_class, "added_tokens_decoder": decoder_of(tokens)} | (config or {})}


def spm_like(model_type, tokenizer_class, config=None, strip=True, specials=("<unk>", "<s>", "</s>", "<image>"), **parts):
    vocab, merges = bpe_model(byte_level=False, first=specials)
    tokens = [added(t, i) for i, t in enumerate(specials)]
    parts = {"normalizer": {"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "decoder": {"type": "Sequence", "decoders": SPM_DECODER + ([STRIP] if strip else [])},
        "post": bos_template(specials[1], 1), "fuse_unk": True, "byte_fallback": True, "unk_token": "<unk>"} | parts
    return {"config.json": {"model_type": model_type}, "tokenizer.json": tokenizer_json(vocab, merges, tokens, **parts),
            "tokenizer_config.json": {"tokenizer_class": tokenizer_class, "added_tokens_decoder": decoder_of(tokens)} | (config or {})}


def legacy():
    """A file set as of 2023: no added_tokens_decoder, a map of special tokens with flags, and one more token."""
    files = spm_like("llama", "LlamaTokenizer", {"bos_token": {"__type": "AddedToken", "content": "<s>", "lstrip": False,
                                                                "normalized": True, "rstrip": False, "single_word": False}})
    del files["tokenizer_config.json"]["added_tokens_decoder"]
    files["special_tokens_map.json"] = {"eos_token": {"content": "</s>", "lstrip": False, "normalized": False, "rstrip": False,
                                                      "single_word": False}, "pad_token": "<pad>", "image_token": "<image>"}
    files["added_tokens.json"] = {"<pad>": len(files["tokenizer.json"]["model"]["vocab"]), "<loc>": 999}
    return files


def named_not_special():
    """As in the released Gemma files: <mask> has a name but is not listed as special."""
    files = spm_like("gemma3", "GemmaTokenizer", {"mask_token": "<mask>"}, specials=("<pad>", "<bos>", "<eos>", "<unk>", "<mask>"), strip=False)
    files["tokenizer.json"]["added_tokens"][4]["special"] = False
    files["tokenizer_config.json"]["added_tokens_decoder"]["4"]["special"] = False
    return files


def word_piece():
    letters = list(string.ascii_lowercase + string.digits + ".,!?'") + ["##" + c for c in string.ascii_lowercase + string.digits]
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocab = {t: i for i, t in enumerate(dict.fromkeys(names + letters + WORDS + ["##s", "##ing"]))}
    tokens = [added(t, vocab[t]) for t in names]
    file = tokenizer_json({}, [], tokens, normalizer={"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                                                      "strip_accents": None, "lowercase": True},
                          pre={"type": "BertPreTokenizer"}, decoder={"type": "WordPiece", "prefix": "##", "cleanup": True})
    file["model"] = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": vocab}
    return {"config.json": {"model_type": "toy"}, "tokenizer.json": file,
            "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]", "cls_token": "[CLS]"}}


def unigram():
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)] + [("▁" + w, -3.0 - i / 10) for i, w in enumerate(WORDS)]
    pieces += [(c, -8.0 - i / 100) for i, c in enumerate("▁" + string.ascii_letters + string.digits + ".,!?'")]
    file = tokenizer_json({}, [], [added(p, i) for i, (p, _) in enumerate(pieces[:3])],
                          pre={"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
                          decoder={"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True})
    file["model"] = {"type": "Unigram", "unk_id": 2, "vocab": pieces, "byte_fallback": False}
    return {"config.json": {"model_type": "toy"}, "tokenizer.json": file,
            "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>", "unk_token": "<unk>"}}


def sentencepiece(kind, model_type, config):
    """A trained tokenizer.model; needs the sentencepiece package."""
    import contextlib
    import io
    import tempfile

    import sentencepiece as spm
    out = io.BytesIO()
    # The model stores the path of the rules, so that has to be a fixed one.
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        # A normalization of our own: the usual ones have a quarter of a megabyte.
        with open("rules.tsv", "w") as rules:
            rules.write("41\t61\n48\t68\nFB01\t66 69\n65 301\tE9\n")
        norm = {"normalization_rule_name": "identity"} if kind == "bpe" else {"normalization_rule_tsv": "rules.tsv"}
        spm.SentencePieceTrainer.train(
            sentence_iterator=iter(corpus()), model_writer=out, vocab_size=420 if kind == "bpe" else 75, model_type=kind,
            byte_fallback=kind == "bpe", character_coverage=0.98, minloglevel=2, user_defined_symbols=["<image>"],
            control_symbols=["<ctl>"], num_threads=1, hard_vocab_limit=False, **norm)
    return {"config.json": {"model_type": model_type}, "tokenizer.model": out.getvalue(), "tokenizer_config.json": config}


def vocab_and_merges():
    files = byte_level("qwen2_vl", "Qwen2Tokenizer", ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
                       {"eos_token": "<|im_end|>", "bos_token": None, "additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    model = files.pop("tokenizer.json")["model"]
    files["vocab.json"] = model["vocab"]
    files["merges.txt"] = "\n".join(["#version: 0.2"] + model["merges"]) + "\n"
    return files


def tiktoken():
    vocab, _ = bpe_model()
    alphabet = {c: b for b, c in _printable().items()}
    lines = [f"{base64.b64encode(bytes(alphabet[c] for c in t)).decode()} {i}" for t, i in vocab.items()]
    tokens = [added("<|begin|>", len(vocab)), added("<|end|>", len(vocab) + 3)]
    return {"config.json": {"model_type": "toy"}, "tiktoken.model": "\n".join(lines) + "\n",
            "tokenizer_config.json": {"tokenizer_class": "PreTrainedTokenizerFast", "added_tokens_decoder": decoder_of(tokens),
                                      "bos_token": "<|begin|>", "add_bos_token": True}}


def _printable():
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in keep]
    return {b: chr(b) for b in keep} | {b: chr(256 + i) for i, b in enumerate(rest)}


# What the processor of this family would add otherwise.
IDEFICS = ["<fake_token_around_image>", "<image>", "<end_of_utterance>"]
QWEN = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|image_pad|>"]
QWEN_CONFIG = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "bos_token": None, "additional_special_tokens": QWEN[1:]}


def folders():
    """Name → {file name: JSON object, text or bytes}."""
    gpt2 = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
    extra = byte_level("toy", "PreTrainedTokenizerFast", ["<|endoftext|>"],
                       {"extra_special_tokens": {"image_token": "<image>", "boi_token": "<boi>"}, "eos_token": "<|endoftext|>", "pad_token": "[new pad]"})
    extra["tokenizer_config.json"]["added_tokens_decoder"]["9000"] = {k: v for k, v in added(
        "<late>", 0, lstrip=True, rstrip=True, normalized=True, special=False).items() if k != "id"}
    spm_config = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "legacy": False}
    return {
        "qwen2_class": byte_level("qwen2_vl", "Qwen2Tokenizer", QWEN, QWEN_CONFIG, ignore_merges=True),
        "qwen3_5_class": byte_level("qwen3_5", "Qwen2Tokenizer", QWEN, QWEN_CONFIG),
        "gpt2_class": byte_level("gpt2", "GPT2Tokenizer", ["<|endoftext|>"], gpt2, normalizer={"type": "NFC"}),
        "gpt2_prefix": byte_level("gpt2", "GPT2TokenizerFast", ["<|endoftext|>"], gpt2 | {"add_prefix_space": True}),
        "smolvlm_raw": byte_level("smolvlm", "GPT2Tokenizer", ["<|endoftext|>", *IDEFICS], gpt2, pre={"type": "Sequence", "pretokenizers": [
            {"type": "Digits", "individual_digits": True}, BYTE_LEVEL]}),
        "gpt_neox_class": byte_level("mpt", "GPTNeoXTokenizer", ["<|endoftext|>", "<|padding|>"], {}, post=bos_template("<|endoftext|>", 346)),
        "cohere_class": byte_level("cohere2", "CohereTokenizer", ["<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>", "<PAD>", "<UNK>", "<CLS>", "<SEP>", "<MASK_TOKEN>"]),
        "bart_class": byte_level("florence2", "BartTokenizer", ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]),
        "llama_class": spm_like("llama", "LlamaTokenizer", {"bos_token": "<s>", "eos_token": "</s>"}),
        "llama_legacy": spm_like("llama", "LlamaTokenizer", {"bos_token": "<s>", "legacy": True}),
        "llama_no_prefix": spm_like("llama", "LlamaTokenizerFast", {"add_prefix_space": False}, strip=False),
        "llava_raw": spm_like("llava", "LlamaTokenizer", {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}),
        "byte_level_llama": byte_level("llama", "LlamaTokenizerFast", ["<|begin|>"], {"bos_token": "<|begin|>"}, post=bos_template("<|begin|>", 346)),
        "gemma_class": spm_like("gemma3", "GemmaTokenizer", {"image_token": "<image>"}, specials=("<pad>", "<bos>", "<eos>", "<unk>", "<image>"),
                                strip=False),
        "named_not_special": named_not_special(),
        "siglip2_class": spm_like("siglip2", "GemmaTokenizer", {}, specials=("<pad>", "<bos>", "<eos>", "<unk>", "<mask>"), strip=False),
        "legacy_files": legacy(),
        "extra_tokens": extra,
        "word_piece": word_piece(),
        "unigram": unigram(),
        "spm_bpe_llama": sentencepiece("bpe", "llama", spm_config),
        "spm_bpe_generic": sentencepiece("bpe", "toy", {"tokenizer_class": "PreTrainedTokenizerFast", "add_eos_token": True}),
        "spm_unigram": sentencepiece("unigram", "toy", {"tokenizer_class": "PreTrainedTokenizerFast", "add_bos_token": True}),
        "vocab_and_merges": vocab_and_merges(),
        "tiktoken": tiktoken(),
    }
