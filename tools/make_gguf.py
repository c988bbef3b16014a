#!/usr/bin/env python3
"""Writes GGUF files of Qwen2-VL-2B's shape with random weights: what llama.cpp runs beside make_real_size.py's checkpoint.

    make_gguf.py OUT.gguf                          the language model, Q4_0, for llama-bench
    make_gguf.py OUT.gguf --encoder ENCODER.gguf   and the picture encoder, float16, for bench/llama_encoder.cpp

Needs numpy and gguf (PyPI).
"""
import argparse

import gguf
import numpy as np

HIDDEN, MLP, LAYERS, HEADS, KV_HEADS, VOCAB = 1536, 8960, 28, 12, 2, 151936
BLOCK, POOL = 32, 1 << 22
VISION, VISION_MLP, VISION_LAYERS, VISION_HEADS, PATCH, MERGED = 1280, 5120, 32, 16, 14, 5120


class Writer:
    def __init__(self, path: str, architecture: str):
        self.file = gguf.GGUFWriter(path, architecture)
        self.codes = np.random.default_rng(0).integers(0, 256, POOL, dtype=np.uint8)

    def matrix(self, name: str, out: int, size: int) -> None:
        """Blocks of 32 four-bit codes behind a scale of 16 bits."""
        blocks = np.empty((out * size // BLOCK, 2 + BLOCK // 2), np.uint8)
        blocks[:, :2] = np.full(len(blocks), 0.0025, np.float16).view(np.uint8).reshape(-1, 2)
        blocks[:, 2:] = np.resize(self.codes, len(blocks) * BLOCK // 2).reshape(len(blocks), -1)
        self.file.add_tensor(f"{name}.weight", blocks.reshape(out, -1), raw_dtype=gguf.GGMLQuantizationType.Q4_0)

    def vector(self, name: str, size: int, value: float) -> None:
        self.file.add_tensor(name, np.full(size, value, np.float32))


    def half(self, name: str, *shape: int) -> None:
        values = np.resize(self.codes, int(np.prod(shape))).astype(np.float16) / 128 - 1
        self.file.add_tensor(f"{name}.weight", (values / np.float16(np.prod(shape[1:])**0.5)).reshape(shape))
        self.vector(f"{name}.bias", shape[0], 0)

    def close(self) -> None:
        self.file.write_header_to_file()
        self.file.write_kv_data_to_file()
        self.file.write_tensors_to_file()
        self.file.close()


def write_encoder(path: str) -> None:
    writer = Writer(path, "clip")
    f = writer.file
    f.add_bool("clip.has_vision_encoder", True)
    f.add_string("clip.projector_type", "qwen2vl_merger")
    for key, value in (("image_size", 560), ("patch_size", PATCH), ("embedding_length", VISION), ("feed_forward_length", VISION_MLP),
                       ("block_count", VISION_LAYERS), ("projection_dim", HIDDEN), ("attention.head_count", VISION_HEADS)):
        f.add_uint32(f"clip.vision.{key}", value)
    f.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-6)
    for key in ("image_mean", "image_std"):
        f.add_array(f"clip.vision.{key}", [0.5, 0.5, 0.5])
    for name in ("v.patch_embd.weight", "v.patch_embd.weight.1"):
        f.add_tensor(name, np.full((VISION, 3, PATCH, PATCH), 0.01, np.float16))

    def norm(name: str) -> None:
        writer.vector(f"{name}.weight", VISION, 1)
        writer.vector(f"{name}.bias", VISION, 0)
    for i in range(VISION_LAYERS):
        for part in ("ln1", "ln2"):
            norm(f"v.blk.{i}.{part}")
        for part in ("attn_q", "attn_k", "attn_v", "attn_out"):
            writer.half(f"v.blk.{i}.{part}", VISION, VISION)
        writer.half(f"v.blk.{i}.ffn_up", VISION_MLP, VISION)
        writer.half(f"v.blk.{i}.ffn_down", VISION, VISION_MLP)
    norm("v.post_ln")
    writer.half("mm.0", MERGED, MERGED)
    writer.half("mm.2", HIDDEN, MERGED)
    writer.close()


def write_language(path: str) -> None:
    writer = Writer(path, "qwen2vl")
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
    writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--encoder", metavar="FILE")
    args = parser.parse_args()
    write_language(args.out)
    if args.encoder:
        write_encoder(args.encoder)


if __name__ == "__main__":
    main()
