"""The demo model in PyTorch, for training: Qwen2.5-VL (arXiv 2502.13923) in small, under the released tensor names.

Every vision block attends to the whole picture (all are `fullatt_block_indexes`), so patches need no window order.
"""
from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

VISION = {"depth": 6, "hidden_size": 256, "intermediate_size": 640, "num_heads": 4, "patch_size": 14, "merge": 2}
TEXT = {"hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 5, "num_attention_heads": 4,
        "mrope_section": [8, 12, 12], "rope_theta": 10000.0}
EPS = 1e-6


def checkpoint_config(vocab: int, special: dict[str, int]) -> dict:
    """config.json as Qwen2.5-VL's repositories have it."""
    return {
        "architectures": ["Qwen2_5_VLForConditionalGeneration"], "model_type": "qwen2_5_vl", "torch_dtype": "bfloat16",
        "attention_dropout": 0.0, "bos_token_id": special["<|endoftext|>"], "eos_token_id": special["<|im_end|>"],
        "vision_start_token_id": special["<|vision_start|>"], "vision_end_token_id": special["<|vision_end|>"],
        "vision_token_id": special["<|vision_pad|>"], "image_token_id": special["<|image_pad|>"],
        "video_token_id": special["<|video_pad|>"], "hidden_act": "silu", "hidden_size": TEXT["hidden_size"],
        "initializer_range": 0.02, "intermediate_size": TEXT["intermediate_size"], "max_position_embeddings": 4096,
        "max_window_layers": TEXT["num_hidden_layers"], "num_attention_heads": TEXT["num_attention_heads"],
        "num_hidden_layers": TEXT["num_hidden_layers"], "num_key_value_heads": TEXT["num_attention_heads"],
        "rms_norm_eps": EPS, "rope_theta": TEXT["rope_theta"], "sliding_window": 4096, "use_sliding_window": False,
        "tie_word_embeddings": True, "use_cache": True, "vocab_size": vocab,
        "rope_scaling": {"type": "mrope", "mrope_section": TEXT["mrope_section"]},
        "vision_config": {
            "depth": VISION["depth"], "hidden_act": "silu", "hidden_size": VISION["hidden_size"],
            "intermediate_size": VISION["intermediate_size"], "num_heads": VISION["num_heads"], "in_chans": 3,
            "out_hidden_size": TEXT["hidden_size"], "patch_size": VISION["patch_size"], "spatial_merge_size": VISION["merge"],
            "spatial_patch_size": VISION["patch_size"], "window_size": 112,
            "fullatt_block_indexes": list(range(VISION["depth"])), "tokens_per_second": 2, "temporal_patch_size": 2}}


class RmsNorm(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return F.rms_norm(x.float(), (x.shape[-1],), self.weight, EPS).to(x.dtype)


class SwiGlu(nn.Module):
    def __init__(self, width: int, inner: int, bias: bool):
        super().__init__()
        self.gate_proj = nn.Linear(width, inner, bias=bias)
        self.up_proj = nn.Linear(width, inner, bias=bias)
        self.down_proj = nn.Linear(inner, width, bias=bias)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


def rotate(x, cos, sin):
    """`[B, heads, L, d]` by the angles of `[B, L, d / 2]`, halves as pairs."""
    a, b = x.float().chunk(2, -1)
    cos, sin = cos[:, None], sin[:, None]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1).to(x.dtype)


def heads_of(x, n):
    return x.unflatten(-1, (n, -1)).transpose(1, 2)


class VisionAttention(nn.Module):
    def __init__(self, width: int, n: int):
        super().__init__()
        self.n, self.qkv, self.proj = n, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x, cos, sin, mask):
        q, k, v = (heads_of(y, self.n) for y in self.qkv(x).chunk(3, -1))
        y = F.scaled_dot_product_attention(rotate(q, cos, sin), rotate(k, cos, sin), v, attn_mask=mask)
        return self.proj(y.transpose(1, 2).flatten(2))


class VisionBlock(nn.Module):
    def __init__(self):
        super().__init__()
        width = VISION["hidden_size"]
        self.norm1, self.norm2 = RmsNorm(width), RmsNorm(width)
        self.attn = VisionAttention(width, VISION["num_heads"])
        self.mlp = SwiGlu(width, VISION["intermediate_size"], True)

    def forward(self, x, cos, sin, mask):
        x = x + self.attn(self.norm1(x), cos, sin, mask)
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    def __init__(self):
        super().__init__()
        p = VISION["patch_size"]
        self.proj = nn.Conv3d(3, VISION["hidden_size"], (2, p, p), (2, p, p), bias=False)

    def forward(self, patches):
        """`[B, L, 3 * p * p]`: both frames of a still picture are the same, so their kernels add up."""
        return F.linear(patches, self.proj.weight.sum(2).flatten(1))


class Merger(nn.Module):
    def __init__(self):
        super().__init__()
        wide = VISION["hidden_size"] * VISION["merge"] ** 2
        self.ln_q = RmsNorm(VISION["hidden_size"])
        self.mlp = nn.Sequential(nn.Linear(wide, wide), nn.GELU(), nn.Linear(wide, TEXT["hidden_size"]))

    def forward(self, x):
        return self.mlp(self.ln_q(x).unflatten(1, (-1, VISION["merge"] ** 2)).flatten(2))


class Vision(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch_embed, self.merger = PatchEmbed(), Merger()
        self.blocks = nn.ModuleList(VisionBlock() for _ in range(VISION["depth"]))

    def forward(self, patches, grid):
        """Patches `[B, L, 3pp]` in merge-block order, padded; grid `[B, 2]` of rows and columns. Gives the features of the
        patches `[B, L, D]` and of the merged ones `[B, L / 4, H]`."""
        m, length = VISION["merge"], patches.shape[1]
        index = torch.arange(length, device=patches.device)[None]
        block, inner, columns = index // (m * m), index % (m * m), grid[:, 1:] // m
        row, column = block // columns * m + inner // m, block % columns * m + inner % m
        quarter = VISION["hidden_size"] // VISION["num_heads"] // 4
        rates = 10000.0 ** (-torch.arange(quarter, device=patches.device) / quarter)
        theta = torch.cat([row[..., None] * rates, column[..., None] * rates], -1)
        mask = (index < grid.prod(1, keepdim=True))[:, None, None].expand(-1, VISION["num_heads"], length, -1)
        x, cos, sin = self.patch_embed(patches), theta.cos(), theta.sin()
        for block_ in self.blocks:
            x = block_(x, cos, sin, mask)
        return x, self.merger(x)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        width = TEXT["hidden_size"]
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(width, width) for _ in range(3))
        self.o_proj = nn.Linear(width, width, bias=False)

    def forward(self, x, cos, sin, mask):
        n = TEXT["num_attention_heads"]
        q, k, v = (heads_of(p(x), n) for p in (self.q_proj, self.k_proj, self.v_proj))
        y = F.scaled_dot_product_attention(rotate(q, cos, sin), rotate(k, cos, sin), v, attn_mask=mask)
        return self.o_proj(y.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        width = TEXT["hidden_size"]
        self.input_layernorm, self.post_attention_layernorm = RmsNorm(width), RmsNorm(width)
        self.self_attn, self.mlp = Attention(), SwiGlu(width, TEXT["intermediate_size"], False)

    def forward(self, x, cos, sin, mask):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Text(nn.Module):
    def __init__(self, vocab: int):
        super().__init__()
        self.embed_tokens = nn.Embedding(vocab, TEXT["hidden_size"])
        self.layers = nn.ModuleList(Layer() for _ in range(TEXT["num_hidden_layers"]))
        self.norm = RmsNorm(TEXT["hidden_size"])

    def forward(self, x, positions, mask):
        """Rows `[B, L, H]`, positions `[B, 3, L]` (time, row, column), mask `[B, 1, L, L]`; gives normed rows."""
        half = TEXT["hidden_size"] // TEXT["num_attention_heads"] // 2
        rates = TEXT["rope_theta"] ** (-torch.arange(half, device=x.device) / half)
        axis = torch.repeat_interleave(torch.arange(3, device=x.device), torch.tensor(TEXT["mrope_section"], device=x.device),
                                       output_size=half)
        theta = positions[:, axis].transpose(1, 2) * rates
        cos, sin = theta.cos(), theta.sin()
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        return self.norm(x)


class DemoModel(nn.Module):
    """`visual.*` and `model.*` are the checkpoint; the heads that name what stands at each patch help training only."""

    def __init__(self, vocab: int, patch_classes: tuple[int, ...]):
        super().__init__()
        self.visual, self.model = Vision(), Text(vocab)
        self.patch_heads = nn.ModuleList(nn.Linear(VISION["hidden_size"], n) for n in patch_classes)
        for name, p in self.named_parameters():
            if p.ndim > 1:
                nn.init.normal_(p, std=0.02 if "embed_tokens" in name else 0.7 / math.sqrt(p[0].numel()))
            elif name.endswith("bias"):
                nn.init.zeros_(p)
            if name.endswith(("o_proj.weight", "down_proj.weight", "attn.proj.weight")):
                nn.init.zeros_(p)

    def forward(self, patches, grid, ids, positions, mask, image_at: tuple[tuple[int, int], ...]):
        """Patches `[B, images, L, 3pp]`; `image_at` says where in the rows the features of each image go. Gives the decoder's
        normed rows and the patch features `[B * images, L, D]`."""
        b, k = patches.shape[:2]
        features, merged = self.visual(patches.flatten(0, 1), grid.flatten(0, 1))
        merged = merged.unflatten(0, (b, k))
        rows = self.model.embed_tokens(ids).to(merged.dtype)
        parts, at = [], 0
        for i, (begin, end) in enumerate(image_at):
            parts += [rows[:, at:begin], merged[:, i]]
            at = end
        return self.model(torch.cat([*parts, rows[:, at:]], 1), positions, mask), features

    def checkpoint(self) -> dict[str, torch.Tensor]:
        return {k: v.detach().to(torch.bfloat16).cpu().contiguous() for k, v in self.state_dict().items()
                if not k.startswith("patch_heads")}
