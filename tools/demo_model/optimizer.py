"""Muon (Jordan et al. 2024, momentum made orthogonal) for the matrices inside the blocks, AdamW for everything else."""
from __future__ import annotations

import torch


def orthogonal(g: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """`[n, rows, columns]` to matrices with singular values near one, by a quintic Newton-Schulz iteration."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g.to(torch.bfloat16 if g.is_cuda else torch.float32)
    wide = x.shape[-2] <= x.shape[-1]
    x = x if wide else x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        y = x @ x.mT
        x = a * x + (b * y + c * y @ y) @ x
    return x if wide else x.mT


class Muon(torch.optim.Optimizer):
    def __init__(self, params, lr: float, momentum: float = 0.95, weight_decay: float = 0.01):
        super().__init__(params, {"lr": lr, "peak": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            by_shape: dict[torch.Size, list] = {}
            for p in group["params"]:
                by_shape.setdefault(p.shape, []).append(p)
            for shape, params in by_shape.items():
                updates = []
                for p in params:
                    m = self.state[p].setdefault("momentum", torch.zeros_like(p))
                    m.lerp_(p.grad, 1 - group["momentum"])
                    updates.append(p.grad.lerp(m, group["momentum"]))
                scale = group["lr"] * max(1.0, shape[0] / shape[1]) ** 0.5
                for p, u in zip(params, orthogonal(torch.stack(updates))):
                    p.mul_(1 - group["lr"] * group["weight_decay"]).add_(u.to(p.dtype), alpha=-scale)


def make_optimizers(model, muon: float, adam: float) -> list[torch.optim.Optimizer]:
    named = dict(model.named_parameters())
    inner = [p for k, p in named.items() if p.ndim == 2 and "embed_tokens" not in k and "patch_heads" not in k]
    ids = {id(p) for p in inner}
    rest = [p for p in named.values() if id(p) not in ids]
    other = torch.optim.AdamW([{"params": [p for p in rest if p.ndim > 1], "weight_decay": 0.01},
                               {"params": [p for p in rest if p.ndim == 1], "weight_decay": 0.0}],
                              lr=adam, betas=(0.9, 0.98), fused=True)
    for group in other.param_groups:
        group["peak"] = adam
    return [Muon(inner, muon), other]
