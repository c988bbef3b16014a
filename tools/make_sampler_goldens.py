#!/usr/bin/env python3
"""Writes tests/engine/sampler_goldens.json: what mlx-vlm makes of logits before it draws a token.

    tools/make_sampler_goldens.py

Needs a Python with mlx-vlm. The random draw itself is left out: each case holds the logits, the tokens that the
penalties see, the options, and the probabilities that mlx-vlm would draw from (0 = filtered out).
"""
import json
import pathlib
import random

import mlx.core as mx
from mlx_vlm import sample_utils
from mlx_vlm.generate import ar

VOCAB = 24
CASES = [
    {},
    {"temperature": 0.7},
    {"temperature": 0.001},
    {"temperature": 2.5, "top_k": 5},
    {"temperature": 0.9, "top_k": 1},
    {"temperature": 1.0, "top_p": 0.5},
    {"temperature": 1.7, "top_p": 0.9},
    {"temperature": 1.0, "top_p": 1e-6},
    {"temperature": 0.8, "min_p": 0.1},
    {"temperature": 1.3, "min_p": 1.0},
    {"temperature": 1.5, "top_p": 0.8, "min_p": 0.05, "top_k": 6},
    {"temperature": 0.6, "top_p": 0.95, "top_k": 4},
    {"temperature": 1.5, "top_p": 0.8, "seed": 3},
    {"temperature": 0.4, "top_p": 0.7, "top_k": 8, "seed": 3},
    {"temperature": 0.9, "top_k": 8, "seed": 3},
    {"temperature": 0.9, "seed": 3},
    {"temperature": 0.9, "top_p": 0.6, "min_p": 0.02, "seed": 3},
    {"temperature": 1.0, "logit_bias": {"3": 2.5, "7": -100.0}},
    {"temperature": 1.0, "repetition_penalty": 1.3},
    {"temperature": 1.0, "repetition_penalty": 1.3, "repetition_context": 3},
    {"temperature": 1.0, "repetition_penalty": 1.3, "repetition_context": 0},
    {"temperature": 1.0, "repetition_penalty": 0.0},
    {"temperature": 1.0, "presence_penalty": 0.8},
    {"temperature": 1.0, "presence_penalty": -0.5, "presence_context": 4},
    {"temperature": 1.0, "frequency_penalty": 0.4},
    {"temperature": 1.0, "frequency_penalty": 0.4, "frequency_context": 5},
    {"temperature": 0.8, "top_p": 0.9, "repetition_penalty": 1.1, "presence_penalty": 0.3, "frequency_penalty": 0.2,
     "logit_bias": {"1": 1.0}, "frequency_context": 6},
]


def drawn_from(logprobs, options):
    """The argument of the categorical draw, by putting a recorder in its place."""
    seen = []

    def record(logits, *args, **kwargs):
        seen.append(logits)
        return mx.argmax(logits, axis=-1)

    temperature = sample_utils.clamp_temperature(options["temperature"])
    top_p, top_k, min_p = options.get("top_p", 1.0), options.get("top_k", 0), options.get("min_p", 0.0)
    draw, wrapper = mx.random.categorical, sample_utils.categorical_sampling
    mx.random.categorical = record
    sample_utils.categorical_sampling = lambda logits, temp: record(logits * (1 / temp))
    try:
        # As generate_step chooses between its two samplers.
        if "seed" in options and min_p == 0:
            sampler = ar._PositionedTargetSampler(
                temperature=temperature, top_p=top_p, top_k=top_k, seed=options["seed"])
            sampler(logprobs)
        else:
            sample_utils.make_sampler(temp=temperature, top_p=top_p, min_p=min_p, top_k=top_k)(logprobs)
    finally:
        mx.random.categorical, sample_utils.categorical_sampling = draw, wrapper
    return seen[0]


def make_case(options, rng):
    logits = [round(rng.gauss(0, 2), 3) for _ in range(VOCAB)]
    history = [rng.randrange(VOCAB // 2) for _ in range(30)]
    bias = options.get("logit_bias")
    processors = sample_utils.make_logits_processors(
        {int(k): v for k, v in bias.items()} if bias else None,
        options.get("repetition_penalty"), options.get("repetition_context", 20),
        options.get("presence_penalty"), options.get("presence_context", 20),
        options.get("frequency_penalty"), options.get("frequency_context", 20))
    x = mx.array([logits])
    for processor in processors:
        x = processor(mx.array(history), x)
    case = {"options": options, "logits": logits, "history": history, "penalised": x[0].tolist()}
    if "temperature" in options:
        logprobs = x - mx.logsumexp(x, axis=-1, keepdims=True)
        case["probabilities"] = mx.softmax(drawn_from(logprobs, options)[0]).tolist()
    return case


def main():
    rng = random.Random(5)
    cases = [make_case(options, rng) for options in CASES for _ in range(4)]
    path = pathlib.Path(__file__).resolve().parent.parent / "tests/engine/sampler_goldens.json"
    path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main()
