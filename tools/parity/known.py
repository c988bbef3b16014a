"""Where goldens that mlx-vlm made are not the truth: the differences of docs/models.md, of which each has a comparison there.

A difference excuses what it names for the inputs that it concerns, and nothing else: what is behind it is held by the repository's
own fixtures, which transformers judges.
"""
from __future__ import annotations

from dataclasses import dataclass

from cases import Case, Input

NUMBERS = frozenset({"features", "logits", "tokens"})
RENDERED = frozenset({"prompt", "ids"})


@dataclass(frozen=True)
class Difference:
    family: str
    inputs: str             # "all", "pictures", or the name of one
    excuses: frozenset[str]
    why: str

    def concerns(self, case: Case, item: Input) -> bool:
        return case.family == self.family and (self.inputs in ("all", item.name) or (self.inputs == "pictures" and bool(item.images)))


DIFFERENCES = [
    Difference("gemma3", "pictures", NUMBERS, "rows of a picture see each other both ways"),
    Difference("gemma3n", "all", NUMBERS, "six differences in mlx-vlm's graph"),
    Difference("gemma4", "pictures", frozenset({"arrays"}), "transformers' flat patches, where mlx-vlm has whole pictures"),
    Difference("gemma4_unified", "pictures", frozenset({"arrays"}), "transformers' flat patches, where mlx-vlm has whole pictures"),
    Difference("internvl", "pictures", NUMBERS | {"arrays"}, "exact GELU; the checkpoint's own mean and choice of tiles"),
    Difference("internvl_chat", "pictures", NUMBERS, "exact GELU"),
    Difference("internvl_chat", "chat", RENDERED | NUMBERS, "earlier answers stay in the prompt"),
    Difference("llava_bunny", "pictures", NUMBERS, "SigLIP's own activation"),
    Difference("llava_interleave", "pictures", NUMBERS, "SigLIP's own activation and epsilon"),
    Difference("llava_next", "pictures", NUMBERS, "padding is dropped and lines end with image_newline"),
    Difference("llava_onevision", "two_images", RENDERED | NUMBERS | {"arrays"}, "several pictures of a prompt are one tile each"),
    Difference("paligemma", "pictures", frozenset({"features"}), "a factor that the decoder takes back"),
    Difference("qwen3_vl_moe", "pictures", NUMBERS, "the two forms of GELU exchanged"),
]


def excused(case: Case, item: Input, failures: list[str]) -> str:
    """Why all of these failures are expected of mlx-vlm's golden; empty where one is not."""
    if not case.by_mlx_vlm:
        return ""
    found = [d for d in DIFFERENCES if d.concerns(case, item)]
    if not failures or not set(failures) <= frozenset().union(*(d.excuses for d in found)):
        return ""
    return "; ".join(d.why for d in found if d.excuses & set(failures))
