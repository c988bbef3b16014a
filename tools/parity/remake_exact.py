#!/usr/bin/env python3
"""Makes the numbers of shared-layout cases again with float32 arithmetic on the stored weights.

    remake_exact.py CASES/*/        # float32-only cases are passed over, but for those whose reference is corrected

Writes CASE/float32/golden.json and golden.safetensors, which run.py then judges by the float32 bounds. The ids are the golden's
own (a doubled BOS included). Needs the same Python as make_fixture.py.
"""
from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "false"}
warnings.filterwarnings("ignore")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import mlx.core as mx  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

from fixture import checkpoint, reference  # noqa: E402


def remake(folder: Path) -> bool:
    golden = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
    runner = reference.MlxVlm(folder / "model", float32=True)
    if checkpoint.stored_types(folder / "model") == ["float32"] and not runner.corrected:
        return False
    inputs, tensors = [], {}
    for entry in golden["inputs"]:
        name = entry["name"]
        prepared = runner.prepare(entry["user"], [folder.parent / p for p in entry["images"]])
        prepared.ids = entry["input_ids"]
        answer = runner.answer(prepared)
        kept = {k: entry[k] for k in ("name", "user", "images", "prompt", "input_ids")}
        order = np.argsort(-answer.logits, axis=1, kind="stable")[:, :5]
        kept |= {"inputs": {}, "tokens": answer.tokens, "logits": {"tensor": f"{name}/logits", "shape": [answer.logits.shape[1]]},
                 "steps": [{"top": top.tolist(), "logits": row[top].tolist()} for top, row in zip(order, answer.logits)]}
        tensors[f"{name}/logits"] = mx.array(answer.logits[0])
        if answer.features is not None:
            merged = np.zeros((1, len(prepared.ids), answer.features.shape[1]), np.float32)
            places = np.nonzero(np.array(prepared.ids) == runner.image_token)[0].tolist()
            merged[0, places] = answer.features
            tensors[f"{name}/inputs_embeds"] = mx.array(merged)
            kept |= {"image_positions": places,
                     "embeddings": {"inputs_embeds": {"tensor": f"{name}/inputs_embeds", "shape": list(merged.shape)}}}
        inputs.append(kept)
    out = folder / "float32"
    out.mkdir(exist_ok=True)
    (out / "golden.json").write_text(json.dumps(golden | {"inputs": inputs}, ensure_ascii=False), encoding="utf-8")
    mx.save_safetensors(str(out / "golden.safetensors"), tensors)
    return True


def main() -> None:
    mx.set_default_device(mx.cpu)
    torch.set_num_threads(1)
    done = sum(remake(Path(a)) for a in sys.argv[1:] if (Path(a) / "golden.json").exists())
    print(f"{done} cases made again in float32")


if __name__ == "__main__":
    main()
