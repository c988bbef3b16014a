#!/usr/bin/env python3
"""The same checkpoint, picture and number of tokens through mlx-vision and through others, by turns, beside what the machine gives.

    compare.py build/mlx-vision MODEL PICTURE [--tokens 64] [--rounds 3] [--threads N] [--llama-bench PATH --gguf FILE]
                [--llama-encoder PATH --encoder-gguf FILE]

MODEL is a folder, or one of tools/make_real_size.py's shapes with the bits of its packed layers (qwen2_vl_2b:4, smolvlm_256m), which is then
made in --work with random weights; PICTURE a file or a size (448x448). Each run is a process of its own, as a user would start it. mlx-vlm
generates twice in its process and the second answer counts, since the first may compile kernels; without --reference it is left out.
llama-bench runs the GGUF file's prompt and generation phases with as many tokens, llama-encoder (bench/llama_encoder.cpp) the encoder's file
with a square picture of the same size; tools/make_gguf.py writes both files. Roofline figures come from `mlx-vision doctor` in the
same minutes. Medians over the rounds; ratios are formed within a round.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

REFERENCE = """
import json, sys, time
import mlx.core as mx
start = time.perf_counter()
from mlx_vlm import generate, load
from mlx_vlm.prompt_utils import apply_chat_template
path, picture, prompt, tokens, rounds = sys.argv[1:]
model, processor = load(path)
load_s = time.perf_counter() - start
text = apply_chat_template(processor, model.config, prompt, num_images=1)
embed, spent = type(model).get_input_embeddings, {}
def timed(self, *args, **kwargs):
    begin = time.perf_counter()
    out = embed(self, *args, **kwargs)
    mx.eval(out.inputs_embeds if hasattr(out, "inputs_embeds") else out)
    spent["encode"] = time.perf_counter() - begin
    return out
type(model).get_input_embeddings = timed
for _ in range(int(rounds)):
    r = generate(model, processor, text, [picture], max_tokens=int(tokens), temperature=0.0, verbose=False)
    prefill_s = max(r.prompt_tokens / r.prompt_tps - spent.get("encode", 0), 1e-9)
    print(json.dumps({"load_s": load_s, "encode_s": spent.get("encode", 0), "prefill_tps": r.prompt_tokens / prefill_s,
                      "decode_tps": r.generation_tps, "peak_gb": r.peak_memory, "prompt": r.prompt_tokens}))
"""
REPOSITORY = Path(__file__).resolve().parent.parent
COLUMNS = {"load_s": "load s", "preprocess_s": "preprocess s", "encode_s": "encode s", "prefill_tps": "prefill tok/s",
           "decode_tps": "decode tok/s", "peak_gb": "peak GB", "rss_gb": "resident GB"}
FASTER_IS_LESS = {"load_s", "preprocess_s", "encode_s", "peak_gb", "rss_gb"}


def model_folder(name: str, work: Path) -> str:
    if Path(name).is_dir():
        return name
    shape, _, bits = name.partition(":")
    folder = work / name.replace(":", "-")
    if not (folder / "model.safetensors").exists():
        maker = [sys.executable, REPOSITORY / "tools" / "make_real_size.py", shape, folder]
        subprocess.run(maker + (["--bits", bits] if bits else []), check=True, stdout=subprocess.DEVNULL)
    return str(folder)


def picture_file(name: str, work: Path) -> str:
    """A pattern as PPM, which needs no library, unless the name is a file's."""
    if Path(name).is_file():
        return name
    width, height = (int(n) for n in name.split("x"))
    path = work / f"{name}.ppm"
    pixels = bytes(c for y in range(height) for x in range(width) for c in (x * 255 // width, y * 255 // height, (x ^ y) & 255))
    path.write_bytes(f"P6 {width} {height} 255\n".encode() + pixels)
    return str(path)


def run(command: list[str]) -> tuple[str, float]:
    """Standard output, and the most memory that the process held, in GB."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit {process.returncode}")
    return out, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


def threads_flag(args) -> list[str]:
    return ["--threads", str(args.threads)] if args.threads else []


def generate(args, *prompt: str) -> tuple[dict, float]:
    """What mlx-vision says of a greedy answer of args.tokens, and the most memory that its process held, in GB."""
    out, rss = run([args.program, "generate", "--model", args.model, *prompt, "--max-tokens", str(args.tokens), "--ignore-eos", "--temperature",
                    "0", "--json", *threads_flag(args)])
    return json.loads(out), rss


def ours(args) -> dict:
    result, rss = generate(args, "--image", args.picture, "--prompt", args.prompt)
    times, prompt = result["timings"], result["usage"]["prompt_tokens"]
    return {"load_s": times["load_s"], "preprocess_s": times["preprocess_s"], "encode_s": times["encode_s"],
            "prefill_tps": prompt / times["prefill_s"], "decode_tps": times["generation_tps"],
            "peak_gb": result["memory"]["peak_bytes"] / 1e9, "rss_gb": rss, "prompt": prompt}


def mlx_vlm(args) -> dict:
    out, rss = run([args.reference, "-c", REFERENCE, args.model, args.picture, args.prompt, str(args.reference_tokens or args.tokens),
                    str(args.reference_answers)])
    return {**[json.loads(line) for line in out.splitlines() if line.startswith("{")][-1], "rss_gb": rss}


def llama(args, prompt: int) -> dict:
    command = [args.llama_bench, "-m", args.gguf, "-p", str(prompt), "-n", str(args.tokens), "-r", "1", "-o", "json"]
    out, rss = run(command + (["-t", str(args.threads)] if args.threads else []))
    tests = json.loads(out)
    encoding = {}
    if args.llama_encoder:
        encoded = subprocess.run([args.llama_encoder, args.encoder_gguf, str(args.side), str(args.threads or os.cpu_count()), "1"],
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
        encoding["encode_s"] = float(encoded.split()[-1])
    return {**encoding, "prefill_tps": next(t["avg_ts"] for t in tests if t["n_gen"] == 0),
            "decode_tps": next(t["avg_ts"] for t in tests if t["n_prompt"] == 0), "rss_gb": rss}


def shape(folder: str) -> dict:
    """Numbers of the decoder that decide how much work a token is."""
    config = json.loads((Path(folder) / "config.json").read_text())
    c = {**config, **config.get("text_config", {})}
    width, heads = c["hidden_size"], c["num_attention_heads"]
    kv = c["num_key_value_heads"] * (c.get("head_dim") or width // heads)
    layer = 2 * width * width + 2 * width * kv + 3 * width * c["intermediate_size"]
    body, head = layer * c["num_hidden_layers"], width * c["vocab_size"]
    q = config.get("quantization")
    weight_bytes = q["bits"] / 8 + 4 / q["group_size"] if q else 2  # scale and bias in 16 bits
    return {"body": body, "bytes": (body + head) * weight_bytes, "kv": 8 * kv * c["num_hidden_layers"]}


def roofline(args, mine: dict, device: dict) -> None:
    """How much of what the machine gives each phase uses."""
    s = shape(args.model)
    flops = 2 * s["body"] * mine["prefill_tps"] / 1e9
    read = (s["bytes"] + s["kv"] * (mine["prompt"] + args.tokens / 2)) * mine["decode_tps"] / 1e9
    print(f"roofline: sgemm {device['sgemm_gflops']:.0f} GFLOPS, reads {device['read_gbps']:.1f} GB/s ({device['kernels']}, "
          f"{device['threads']} threads; {device['blas_kernel']})")
    print(f"prefill products {flops:.0f} GFLOPS = {flops / device['sgemm_gflops']:.0%} of sgemm; decode reads {read:.1f} GB/s = "
          f"{read / device['read_gbps']:.0%} of bandwidth")


def show(name: str, row: dict) -> None:
    print(f"{name:12}" + "".join(f"  {title} {row[key]:.3g}" for key, title in COLUMNS.items() if key in row), flush=True)


def median(rows: list[dict]) -> dict:
    return {key: statistics.median(r[key] for r in rows) for key in rows[0]}


def ratios(mine: list[dict], other: list[dict]) -> str:
    parts = []
    for key, title in COLUMNS.items():
        if key not in other[0] or key not in mine[0]:
            continue
        each = [(o[key] / m[key] if key in FASTER_IS_LESS else m[key] / o[key]) for m, o in zip(mine, other) if m[key] and o[key]]
        if each:
            parts.append(f"{title.split()[0]} {statistics.median(each):.2f}x ({min(each):.2f}-{max(each):.2f})")
    return ", ".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("program", "model", "picture"):
        parser.add_argument(name)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="of mlx-vision and llama.cpp; 0 = their own choice")
    parser.add_argument("--prompt", default="Describe this image.")
    parser.add_argument("--reference", metavar="PYTHON", help="a Python with mlx-vlm of the MLX version that the program uses")
    parser.add_argument("--reference-tokens", type=int, default=0, help="fewer tokens for mlx-vlm, where it takes minutes")
    parser.add_argument("--reference-answers", type=int, default=2, help="answers in mlx-vlm's process; the last counts")
    parser.add_argument("--llama-bench", metavar="PATH")
    parser.add_argument("--gguf", metavar="FILE", help="a model of the same shape for llama-bench")
    parser.add_argument("--llama-encoder", metavar="PATH")
    parser.add_argument("--encoder-gguf", metavar="FILE", help="an encoder of the same shape for llama-encoder")
    parser.add_argument("--work", type=Path, default=REPOSITORY / "build" / "bench-models", help="where checkpoints and pictures are made")
    args = parser.parse_args()
    if args.llama_encoder:
        sides = args.picture.split("x")
        if not (args.llama_bench and args.encoder_gguf and len(sides) == 2 and sides[0] == sides[1] and sides[0].isdigit()):
            parser.error("--llama-encoder goes with --llama-bench, --encoder-gguf and a square size as PICTURE")
        args.side = int(sides[0])
    args.work.mkdir(parents=True, exist_ok=True)
    args.model, args.picture = model_folder(args.model, args.work), picture_file(args.picture, args.work)
    if bool(args.llama_bench) != bool(args.gguf):
        parser.error("--llama-bench and --gguf go together")
    device = json.loads(run([args.program, "doctor", "--json"])[0])
    mine, others = [], {}
    for _ in range(args.rounds):
        mine.append(ours(args))
        show("mlx-vision", mine[-1])
        if args.reference:
            others.setdefault("mlx-vlm", []).append(mlx_vlm(args))
        if args.llama_bench:
            others.setdefault("llama.cpp", []).append(llama(args, mine[-1]["prompt"]))
        for name, rows in others.items():
            show(name, rows[-1])
    print(f"\nmedians over {args.rounds} rounds, {mine[0]['prompt']} prompt tokens, {args.tokens} generated")
    show("mlx-vision", median(mine))
    for name, rows in others.items():
        show(name, median(rows))
        print(f"mlx-vision over {name}: {ratios(mine, rows)}")
    roofline(args, median(mine), device)


if __name__ == "__main__":
    main()
