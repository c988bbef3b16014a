#!/usr/bin/env python3
"""Writes a GGUF file of Qwen2-VL-2B's language model, random weights, Q4_0: what llama-bench runs beside make_real_size.py's checkpoint.

    make_gguf.py OUT.gguf          needs numpy and gguf (PyPI)
"""
import sys

import gguf
import numpy as np

HIDDEN, MLP, LAYERS, HEADS, KV_HEADS, VOCAB = 1536, 8960, 28, 12, 2, 151936
BLOCK, POOL = 32, 1 << 22


class Writer:
    def __init__(self, path: str):
        self.file = gguf.GGUFWriter(path, "qwen2vl")
        self.codes = np.random.default_rng(0).integers(0, 256, POOL, dtype=np.uint8)

    def matrix(self, name: str, out: int, size: int) -> None:
        """Blocks of 32 four-bit codes behind a scale of 16 bits."""
        blocks = np.empty((out * size // BLOCK, 2 + BLOCK // 2), np.uint8)
        blocks[:, :2] = np.full(len(blocks), 0.0025, np.float16).view(np.uint8).reshape(-1, 2)
        blocks[:, 2:] = np.resize(self.codes, len(blocks) * BLOCK // 2).reshape(len(blocks), -1)
        self.file.add_tensor(f"{name}.weight", blocks.reshape(out, -1), raw_dtype=gguf.GGMLQuantizationType.Q4_0)

    def vector(self, name: str, size: int, value: float) -> None:
        self.file.add_tensor(name, np.full(size, value, np.float32))


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    writer = Writer(sys.argv[1])
    f = writer.file
    f.add_block_count(LAYERS)
    f.add_context_length(32768)
    f.add_embedding_length(HIDDEN)
    f.add_feed_forward_length(MLP)
    f.add_head_count(HEADS)
    f.add_head_count_kv(KV_HEADS)
    f.add_layer_norm_rms_eps(1e-6)
    f.add_rope_freq_base(1e6)
    f.add_rope_dimension_sections([16, 24, 24, 0])
    f.add_vocab_size(VOCAB)
    f.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    f.add_tokenizer_model("no_vocab")
    writer.matrix("token_embd", VOCAB, HIDDEN)  # the head, too
    writer.vector("output_norm.weight", HIDDEN, 1)
    width = HIDDEN // HEADS
    for i in range(LAYERS):
        for norm in ("attn_norm", "ffn_norm"):
            writer.vector(f"blk.{i}.{norm}.weight", HIDDEN, 1)
        for part, heads in (("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS)):
            writer.matrix(f"blk.{i}.attn_{part}", heads * width, HIDDEN)
            writer.vector(f"blk.{i}.attn_{part}.bias", heads * width, 0)
        writer.matrix(f"blk.{i}.attn_output", HIDDEN, HIDDEN)
        for part, out, size in (("gate", MLP, HIDDEN), ("up", MLP, HIDDEN), ("down", HIDDEN, MLP)):
            writer.matrix(f"blk.{i}.ffn_{part}", out, size)
    f.write_header_to_file()
    f.write_kv_data_to_file()
    f.write_tensors_to_file()
    f.close()


if __name__ == "__main__":
    main()
