"""The program as a user meets it, over the fixtures: answers, files, statistics, signals.

Run by ctest with MLX_VISION naming the program. Python's standard library is all it needs.
"""
import json
import os
import signal
import subprocess
import unittest
from pathlib import Path

from e2e_support import FIXTURES, PROGRAM, ProgramTest, fixtures, golden, read_safetensors, run, snapshot

KEYS = ["model_type", "prompt", "input_ids", "image_tokens", "output_ids", "text", "finish_reason", "usage", "timings", "memory"]
SECTIONS = {
    "usage": ["prompt_tokens", "completion_tokens", "total_tokens"],
    "timings": ["load_s", "preprocess_s", "encode_s", "prefill_s", "decode_s", "prompt_tps", "generation_tps"],
    "memory": ["planned_peak_bytes", "peak_bytes", "adjustments"],
}
LOGIT_TOLERANCE = 2e-4


def images_of(fixture_input):
    return [str(FIXTURES / image) for image in fixture_input["images"]]


class Generate(ProgramTest):
    def test_json_has_its_keys_in_order(self):
        answer = self.answer("--image", self.image, "--prompt", "Describe this image.", "--max-tokens", 4)
        self.assertEqual(list(answer), KEYS)
        for section, keys in SECTIONS.items():
            self.assertEqual(list(answer[section]), keys)
        self.assertEqual(answer["usage"]["total_tokens"], len(answer["input_ids"]) + len(answer["output_ids"]))
        self.assertGreater(answer["memory"]["peak_bytes"], 0)
        self.assertGreaterEqual(answer["memory"]["planned_peak_bytes"], answer["memory"]["peak_bytes"])
        self.assertEqual(answer["finish_reason"], "length")

    def test_answers_equal_the_goldens(self):
        for fixture in fixtures():
            for entry in golden(fixture)["inputs"]:
                with self.subTest(fixture=fixture.name, input=entry["name"]):
                    self.check_input(fixture, entry)

    def check_input(self, fixture, entry):
        model = fixture / "model"
        # Some checkpoints ask for sampling.
        arguments = ["--temperature", 0, "--ignore-eos", "--max-tokens", len(entry["tokens"])]
        arguments += ["--logits", self.folder / "logits.safetensors"]
        if entry["user"] is not None:
            arguments += ["--prompt", entry["user"]]
            if entry["images"]:
                arguments += ["--image", *images_of(entry)]
        else:
            text = json.dumps(entry["messages"]).replace("images/", str(FIXTURES) + "/images/")
            arguments += ["--messages", self.file("messages.json", text)]
        answer = self.answer(*arguments, model=model)
        self.assertEqual(answer["prompt"], entry["prompt"])
        self.assertEqual(answer["input_ids"], entry["input_ids"])
        self.assertEqual(answer["image_tokens"], entry["image_tokens"])
        self.check_tokens(answer["output_ids"], entry)
        self.check_logits(fixture, entry)

    def check_tokens(self, tokens, entry):
        for index, (ours, theirs) in enumerate(zip(tokens, entry["tokens"], strict=True)):
            if ours != theirs:
                # Where the reference itself hardly preferred its token, the continuation may differ.
                self.assertLess(entry["margins"][index], 2 * LOGIT_TOLERANCE, f"token {index}")
                return

    def check_logits(self, fixture, entry):
        written = read_safetensors(self.folder / "logits.safetensors")
        expected = read_safetensors(fixture / "golden.safetensors")
        for name in ("first_logits", "image_features"):
            if name not in entry:
                self.assertNotIn(name, written)
                continue
            dtype, shape, values = written[name]
            _, expected_shape, expected_values = expected[entry[name]["tensor"]]
            self.assertEqual((dtype, shape), ("F32", expected_shape))
            difference = max(abs(a - b) for a, b in zip(values, expected_values, strict=True))
            # Features of some fixtures are as large as 40, where float32's own steps are larger.
            largest = max(map(abs, expected_values)) if name == "image_features" else 1
            self.assertLess(difference, LOGIT_TOLERANCE * max(1, largest), name)

    def test_streamed_text_is_the_answer_and_statistics_go_to_stderr(self):
        arguments = ["--image", self.image, "--prompt", "Describe this image.", "--max-tokens", 12]
        done = self.generate(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, self.answer(*arguments)["text"] + "\n")
        self.assertRegex(done.stderr, r"image 4 tokens \| prompt \d+ tokens, [\d.]+ tok/s \| generation 12 tokens, [\d.]+ tok/s \| peak memory ")
        self.assertEqual(self.generate(*arguments, "--no-verbose").stderr, "")
        self.assertIn("prefill", self.generate(*arguments, "--verbose").stderr)

    def test_prompt_from_stdin(self):
        text = "Describe\nthis image."
        self.assertEqual(
            self.answer("--prompt", "-", "--max-tokens", 1, stdin=text + "\n")["input_ids"],
            self.answer("--prompt", text, "--max-tokens", 1)["input_ids"],
        )

    def test_raw_prompt_and_input_ids_equal_the_prompt(self):
        images = ["--image", self.image, "--max-tokens", 8]
        answer = self.answer("--prompt", "Describe this image.", *images)
        raw = self.answer("--raw-prompt", answer["prompt"], *images)
        ids = self.answer("--input-ids", self.file("ids.json", json.dumps(answer["input_ids"])), *images)
        self.assertEqual(raw["input_ids"], answer["input_ids"])
        self.assertEqual(raw["output_ids"], answer["output_ids"])
        self.assertEqual(ids["output_ids"], answer["output_ids"])

    def test_stop_strings_cut_the_text(self):
        text = self.answer("--prompt", "Hi", "--max-tokens", 12, "--ignore-eos")["text"]
        stop = text[4:6]
        done = self.answer("--prompt", "Hi", "--max-tokens", 12, "--ignore-eos", "--stop", "never", stop)
        self.assertEqual(done["text"], text[: text.index(stop)])
        self.assertEqual(done["finish_reason"], "stop")

    def test_sampling_repeats_with_a_seed(self):
        arguments = ["--prompt", "Hi", "--max-tokens", 12, "--temperature", "1.5", "--ignore-eos"]
        first = self.answer(*arguments, "--seed", 7)["output_ids"]
        self.assertEqual(first, self.answer(*arguments, "--seed", 7)["output_ids"])
        self.assertNotEqual(first, self.answer(*arguments, "--seed", 8)["output_ids"])

    def test_logit_bias_decides(self):
        answer = self.answer("--prompt", "Hi", "--max-tokens", 3, "--logit-bias", "42=1000", "7=-3")
        self.assertEqual(answer["output_ids"], [42, 42, 42])

    def test_a_video_is_shown_by_flags_or_messages(self):
        clip, video = FIXTURES / "videos" / "clip", FIXTURES / "qwen2_vl-hf"
        expected = json.loads((video / "video.json").read_text())
        ask = ["--max-tokens", len(expected["tokens"]), "--ignore-eos", "--temperature", 0]
        one = self.answer("--prompt", expected["question"], "--video", clip, *ask, model=video / "model")
        self.assertEqual(one["input_ids"], expected["input_ids"])
        self.assertEqual(one["output_ids"], expected["tokens"])
        parts = [{"type": "video", "video": str(clip), "fps": 2}, {"type": "text", "text": expected["question"]}]
        messages = self.file("messages.json", json.dumps([{"role": "user", "content": parts}]))
        self.assertEqual(self.answer("--messages", messages, *ask, model=video / "model")["output_ids"], expected["tokens"])
        few = self.answer("--prompt", expected["question"], "--video", clip, "--video-num-frames", 2, *ask, model=video / "model")
        self.assertLess(len(few["input_ids"]), len(one["input_ids"]))

    def test_max_pixels_changes_the_image(self):
        arguments = ["--image", FIXTURES / "images" / "wide_150x34.png", "--prompt", "x", "--max-tokens", 1]
        plain = self.answer(*arguments)["image_tokens"]
        small = self.answer(*arguments, "--min-pixels", 784, "--max-pixels", 1568)["image_tokens"]
        self.assertLess(small[0], plain[0])

    def test_nothing_is_written_to_the_model_folder(self):
        before = snapshot(self.model)
        self.answer("--image", self.image, "--prompt", "x", "--max-tokens", 2)
        self.assertEqual(snapshot(self.model), before)

    def test_first_interrupt_ends_cleanly_with_statistics(self):
        command = [PROGRAM, "generate", "--model", str(self.model), "--prompt", "Hi", "--ignore-eos", "--max-tokens", "30000"]
        program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(program.stdout.close)
        self.addCleanup(program.stderr.close)
        self.assertTrue(os.read(program.stdout.fileno(), 1))
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=60)
        self.assertEqual(program.returncode, 130, errors)
        self.assertIn(b"| cancelled", errors)


class Tools(ProgramTest):
    def test_preprocess_writes_the_reference_arrays(self):
        for fixture in fixtures():
            for entry in golden(fixture)["inputs"]:
                if entry["images"] and entry["user"] is not None:
                    with self.subTest(fixture=fixture.name, input=entry["name"]):
                        self.check_arrays(fixture, entry)

    def check_arrays(self, fixture, entry):
        output = self.folder / "arrays.safetensors"
        done = run("preprocess", "--model", fixture / "model", "--image", *images_of(entry), "--output", output, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["image_tokens"], entry["image_tokens"])
        written = read_safetensors(output)
        stored = read_safetensors(fixture / "golden.safetensors")
        for name, described in entry["arrays"].items():
            _, shape, values = written[name]
            self.assertEqual(shape, described["shape"], name)
            expected = stored[described["tensor"]][2]
            ours = values[:: described.get("flat_stride", 1)]
            self.assertLess(max(abs(a - b) for a, b in zip(ours, expected, strict=True)), 1e-6, name)

    def test_render_shows_prompt_and_ids(self):
        entry = next(e for e in golden(self.fixture)["inputs"] if e["name"] == "one_image")
        arguments = ["render", "--model", self.model, "--image", *images_of(entry), "--prompt", entry["user"]]
        rendered = json.loads(run(*arguments, "--json").stdout)
        self.assertEqual(rendered["prompt"], entry["prompt"])
        self.assertEqual(rendered["input_ids"], entry["input_ids"])
        self.assertEqual(rendered["image_tokens"], entry["image_tokens"])
        self.assertTrue(run(*arguments).stdout.startswith(entry["prompt"] + "\n\n"))

    def test_inspect(self):
        info = json.loads(run("inspect", self.model, "--json").stdout)
        self.assertEqual(info["model_type"], "qwen2_vl")
        self.assertGreater(sum(info["bytes_by_part"].values()), 100_000)
        self.assertIn("qwen2_vl", run("inspect", "--model", self.model).stdout)

    def test_doctor(self):
        report = json.loads(run("doctor", "--json").stdout)
        for key in ("version", "mlx_version", "backend", "device", "memory_bytes", "available_bytes", "max_buffer_bytes"):
            self.assertIn(key, report)
        self.assertGreater(report["sgemm_gflops"], 0)
        self.assertIn("qwen2_vl", report["model_types"])
        self.assertIn("GFLOPS", run("doctor").stdout)

    def test_openblas_has_vectors_whatever_its_age_unless_told_otherwise(self):
        cpuinfo = Path("/proc/cpuinfo")
        if not cpuinfo.exists() or "avx2" not in cpuinfo.read_text():
            self.skipTest("there is nothing to choose")
        own = {k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"}
        for environment, check in ((own, self.assertNotIn), (own | {"OPENBLAS_CORETYPE": "Prescott"}, self.assertIn)):
            report = json.loads(run("doctor", "--json", env=environment).stdout)
            check("Prescott", report["blas_kernel"])
            self.assertLess(report["product_error"], 1e-6)

    def test_help_and_version(self):
        self.assertIn("generate", run("--help").stdout)
        self.assertIn("--max-tokens", run("generate", "--help").stdout)
        self.assertRegex(run("--version").stdout, r"mlx-vision \d+\.\d+\.\d+")


if __name__ == "__main__":
    unittest.main()
