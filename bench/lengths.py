#!/usr/bin/env python3
"""What a prompt's length costs: seconds of prefill, and of each token after it, as a table and as a drawing.

    lengths.py build/mlx-vision MODEL [--lengths 128,512,2048] [--threads N] [--svg docs/pictures/lengths.svg]

MODEL as compare.py takes it; the prompts are words only. Beside the measured times stand those that the machine would allow: of prefill, by
the products at the rate of the shortest prompt of 512 tokens or more; of decoding, by the bytes of the weights and of the keys and values at the
bandwidth that `mlx-vision doctor` measures in the same minutes.
"""
import argparse
import json
from pathlib import Path

from compare import REPOSITORY, generate, model_folder, run, shape

WIDTH, HEIGHT, LEFT, BOTTOM = 420, 260, 56, 36


def measure(args, words: int) -> tuple[int, float, float]:
    """Tokens of the prompt, seconds of its prefill, seconds of one token after it."""
    result, _ = generate(args, "--prompt", "word " * words)
    return result["usage"]["prompt_tokens"], result["timings"]["prefill_s"], 1 / result["timings"]["generation_tps"]


def axis(value: float) -> float:
    """The next round number."""
    power = 10 ** (len(f"{value:.0f}") - 1) if value >= 1 else 0.01
    while value > power * 10:
        power *= 10
    return next(step * power for step in (1, 2, 2.5, 5, 10, 20) if step * power >= value)


def chart(title: str, unit: str, lines: list[tuple[str, str, list[tuple[float, float]]]], left: int) -> str:
    """One diagram: lines are name, colour and points."""
    most_x, most_y = (axis(max(p[i] for _, _, points in lines for p in points)) for i in (0, 1))
    at_x = lambda x: left + LEFT + x / most_x * (WIDTH - LEFT - 28)  # noqa: E731
    at_y = lambda y: HEIGHT - BOTTOM - y / most_y * (HEIGHT - BOTTOM - 44)  # noqa: E731
    out = [f'<text x="{left + LEFT}" y="16" font-weight="bold">{title}</text>']
    for i in range(5):
        x, y = most_x * i / 4, most_y * i / 4
        out.append(f'<line x1="{at_x(0)}" y1="{at_y(y):.1f}" x2="{at_x(most_x)}" y2="{at_y(y):.1f}" stroke="#ccc"/>')
        out.append(f'<text x="{at_x(0) - 4}" y="{at_y(y) + 4:.1f}" text-anchor="end">{y:g}</text>')
        out.append(f'<text x="{at_x(x):.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">{x:g}</text>')
    out.append(f'<text x="{at_x(most_x / 2)}" y="{HEIGHT - 6}" text-anchor="middle">tokens of the prompt</text>')
    for i, (name, colour, points) in enumerate(lines):
        path = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out.append(f'<text x="{at_x(0) + 4 + 150 * i}" y="32" fill="{colour}">{name}, {unit}</text>')
    return "\n".join(out)


def drawing(charts: list[str]) -> str:
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH * len(charts)}" height="{HEIGHT}" font-family="sans-serif" font-size="11">\n'
            f'<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(charts) + "\n</svg>\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("--lengths", default="128,256,512,1024,2048,4096", help="tokens, about")
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--svg", type=Path)
    args = parser.parse_args()
    args.model = model_folder(args.model, REPOSITORY / "build" / "bench-models")
    per_word = (measure(args, 40)[0] - measure(args, 20)[0]) / 20
    rows = [measure(args, max(1, round(int(n) / per_word))) for n in args.lengths.split(",")]
    device, s = json.loads(run([args.program, "doctor", "--json"])[0]), shape(args.model)
    rate = next((n / seconds for n, seconds, _ in rows if n >= 500), rows[-1][0] / rows[-1][1])
    bound = [(s["bytes"] + s["kv"] * n) / device["read_gbps"] / 1e9 for n, _, _ in rows]
    print("| Tokens | Prefill | Tokens a second | Linear | A token after it | Bound by bandwidth |\n|---|---|---|---|---|---|")
    for (n, prefill, token), least in zip(rows, bound):
        print(f"| {n} | {prefill:.2f} s | {n / prefill:.0f} | {n / rate:.2f} s | {token * 1e3:.1f} ms | {least * 1e3:.1f} ms |")
    if args.svg:
        grey, blue = "#888", "#06c"
        args.svg.write_text(drawing([
            chart("Prefill", "s", [("measured", blue, [(n, p) for n, p, _ in rows]), ("linear", grey, [(n, n / rate) for n, _, _ in rows])], 0),
            chart("One token", "ms", [("measured", blue, [(n, t * 1e3) for n, _, t in rows]),
                                      ("bandwidth", grey, [(n, b * 1e3) for (n, _, _), b in zip(rows, bound)])], WIDTH)]), encoding="utf-8")


if __name__ == "__main__":
    main()
