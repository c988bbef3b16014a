"""Reads case folders: the fixtures of this repository, and folders in the layout of the shared parity suite.

Both become the same `Case`. A case says with what arithmetic its numbers were made: `exact` is float32 on the stored weights
(bounds hold), otherwise the stored 16-bit type (only clear choices of tokens can be compared).
"""
from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file


@dataclass
class Thinned:
    """An array of which every stride-th value is known."""
    values: np.ndarray
    shape: tuple[int, ...]
    stride: int = 1

    def difference(self, other: np.ndarray) -> float:
        """Largest absolute difference; infinity for another shape."""
        if tuple(other.shape) != self.shape:
            return float("inf")
        picked = np.ascontiguousarray(other).reshape(-1)[::self.stride].astype(np.float64)
        return float(np.abs(picked - self.values.reshape(-1).astype(np.float64)).max(initial=0))


@dataclass
class Input:
    name: str
    images: list[Path]
    prompt: str
    ids: list[int]
    tokens: list[int]
    margins: list[float]
    logits: Thinned
    user: str | None = None
    messages: list[dict] | None = None
    image_tokens: list[int] | None = None
    features: np.ndarray | None = None
    arrays: dict[str, Thinned] = field(default_factory=dict)


@dataclass
class Case:
    name: str
    folder: Path
    model: Path
    family: str
    exact: bool
    inputs: list[Input]
    by_mlx_vlm: bool = False  # whose mistakes are in its numbers


def _thinned(entry: dict, tensors: dict[str, np.ndarray]) -> Thinned | None:
    if not isinstance(entry, dict) or entry.get("tensor") not in tensors:
        return None
    return Thinned(tensors[entry["tensor"]], tuple(entry["shape"]), entry.get("flat_stride", 1))


def _own_input(entry: dict, tensors: dict, root: Path) -> Input:
    features = _thinned(entry.get("image_features"), tensors)
    return Input(
        name=entry["name"], images=[root / p for p in entry["images"]], prompt=entry["prompt"], ids=entry["input_ids"],
        tokens=entry["tokens"], margins=entry["margins"], logits=_thinned(entry["first_logits"], tensors), user=entry["user"],
        messages=_with_paths(entry["messages"], root), image_tokens=entry["image_tokens"],
        features=features.values if features else None,
        arrays={k: t for k, v in entry["arrays"].items() if (t := _thinned(v, tensors))})


def _with_paths(messages: list[dict], root: Path) -> list[dict]:
    """The messages with the pictures' paths made absolute."""
    return [{**turn, "content": turn["content"] if isinstance(turn["content"], str) else [
        {**part, "image_url": {"url": str(root / part["image_url"]["url"])}} if part["type"] == "image_url" else part
        for part in turn["content"]]} for turn in messages]


def _shared_input(entry: dict, tensors: dict, root: Path, base: "Case | None") -> Input:
    images = [root / p for p in entry["images"]]
    user, messages = entry["user"], None
    if not isinstance(user, str):  # unmarked pictures belong to the last user turn, in the order of the family's rule
        messages, user = user, None
        if images:
            messages = None  # said by --messages for the words and --image for the pictures
            user = entry["user"]
    arrays = {k: t for k, v in entry["inputs"].items() if k not in ("attention_mask", "image_token_index", "image_sizes") and (t := _thinned(v, tensors))}
    if base:  # variants do not repeat the arrays
        arrays = next((i.arrays for i in base.inputs if i.name == entry["name"]), arrays) | arrays
    merged = _thinned(entry.get("embeddings", {}).get("inputs_embeds"), tensors)
    features = None
    if merged and merged.stride == 1 and entry.get("image_positions"):
        features = merged.values[0][entry["image_positions"]]
    return Input(name=entry["name"], images=images, prompt=entry["prompt"], ids=entry["input_ids"], tokens=entry["tokens"],
                 margins=[s["logits"][0] - s["logits"][1] for s in entry["steps"]], logits=_thinned(entry["logits"], tensors),
                 user=user, messages=messages, features=features, arrays=arrays)


def _stored_in_float32(model: Path) -> bool:
    """Whether every tensor of the checkpoint is float32, from the files' headers."""
    types = set()
    for file in model.glob("*.safetensors"):
        with file.open("rb") as f:
            header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
        types |= {v["dtype"] for k, v in header.items() if k != "__metadata__"}
    return types <= {"F32", "I64", "I32"}


def read_case(folder: Path) -> Case:
    golden = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
    tensors = load_file(folder / "golden.safetensors")
    model = folder / "model"
    if golden.get("format") == 1:
        root = folder.parent
        return Case(folder.name, folder, model, golden["family"], True, [_own_input(i, tensors, root) for i in golden["inputs"]])
    exact = _stored_in_float32(model)
    base = None
    if golden["variant"] != "base":
        base_folder = folder.with_name(folder.name.removesuffix("-" + golden["variant"]))
        base = read_case(base_folder) if base_folder.joinpath("golden.json").exists() else None
    if (better := folder / "float32").is_dir():  # remade with float32 arithmetic by remake_exact.py
        return read_exact(folder, better, base)
    return Case(folder.name, folder, model, golden["family"], exact,
                [_shared_input(i, tensors, folder.parent, base) for i in golden["inputs"]], by_mlx_vlm=True)


def read_exact(folder: Path, exact: Path, base: Case | None) -> Case:
    """A shared case whose numbers were made again in float32 arithmetic."""
    golden = json.loads((exact / "golden.json").read_text(encoding="utf-8"))
    tensors = load_file(exact / "golden.safetensors")
    return Case(folder.name, folder, folder / "model", golden["family"], True,
                [_shared_input(i, tensors, folder.parent, base) for i in golden["inputs"]], by_mlx_vlm=True)
