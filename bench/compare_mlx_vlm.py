#!/usr/bin/env python3
"""The same checkpoint, picture and number of tokens through mlx-vision and through mlx-vlm, by turns.

    compare_mlx_vlm.py build/mlx-vision MODEL PICTURE [--tokens 256] [--rounds 3] [--prompt TEXT]

Each run is a process of its own, as a user would start it. mlx-vlm generates twice in its process; the second is printed too,
since the first compiles kernels. Needs a Python with mlx-vlm of the MLX version that the program uses.
"""
import argparse
import json
import statistics
import subprocess
import sys

REFERENCE = """
import json, sys
from mlx_vlm import generate, load
from mlx_vlm.prompt_utils import apply_chat_template
path, picture, prompt, tokens = sys.argv[1:]
model, processor = load(path)
text = apply_chat_template(processor, model.config, prompt, num_images=1)
for _ in range(2):
    r = generate(model, processor, text, [picture], max_tokens=int(tokens), temperature=0.0, verbose=False)
    print(json.dumps({"prompt": r.prompt_tokens, "generated": r.generation_tokens, "prompt_tps": r.prompt_tps,
                      "generation_tps": r.generation_tps, "peak": r.peak_memory * 1e9}))
"""


def ours(args) -> dict:
    command = [args.program, "generate", "--model", args.model, "--image", args.picture, "--prompt", args.prompt, "--max-tokens",
               str(args.tokens), "--ignore-eos", "--temperature", "0", "--json"]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    usage, timings = result["usage"], result["timings"]
    return {"prompt": usage["prompt_tokens"], "generated": usage["completion_tokens"], "prompt_tps": timings["prompt_tps"],
            "generation_tps": timings["generation_tps"], "peak": result["memory"]["peak_bytes"], "timings": timings}


def theirs(args) -> list[dict]:
    command = [sys.executable, "-c", REFERENCE, args.model, args.picture, args.prompt, str(args.tokens)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def show(name: str, run: dict) -> None:
    print(f"{name:20} prompt {run['prompt']:5} at {run['prompt_tps']:8.1f} tok/s   generated {run['generated']:4} at "
          f"{run['generation_tps']:7.1f} tok/s   peak {run['peak'] / 1e9:5.2f} GB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("program", "model", "picture"):
        parser.add_argument(name)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prompt", default="Describe this image.")
    args = parser.parse_args()
    a, b = [], []
    for _ in range(args.rounds):
        a.append(ours(args))
        show("mlx-vision", a[-1])
        cold, warm = theirs(args)
        show("mlx-vlm", cold)
        show("mlx-vlm, second", warm)
        b.append(warm)
    for key in ("prompt_tps", "generation_tps"):
        ratios = [x[key] / y[key] for x, y in zip(a, b)]
        print(f"{key}: mlx-vision / mlx-vlm (second) median {statistics.median(ratios):.2f}, "
              f"from {min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    main()
