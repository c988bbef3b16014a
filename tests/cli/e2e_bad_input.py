"""Every kind of bad input ends with its typed error, its exit code and nothing written; none aborts."""
import json
import os
import unittest

from e2e_support import FIXTURES, ProgramTest, run, snapshot


class CommandLine(ProgramTest):
    def usage(self, *arguments, words=()):
        self.refused(run(*arguments), 2, "UsageError", *words)
        self.refused(run(*arguments, "--json"), 2, "UsageError", *words)

    def test_usage_errors(self):
        self.usage(words=["subcommand"])
        self.usage("describe", words=["image"])
        self.usage("generate", "--model", "", "--prompt", "x", words=["--model"])
        self.refused(run("generate"), 2, "RequestError", "--prompt")
        self.usage("generate", "--model", self.model, "--prompt", "x", "--nonsense", words=["--nonsense"])
        self.usage("generate", "--model", self.model, "--prompt", "x", "--max-tokens", "many", words=["--max-tokens"])
        self.usage("preprocess", "--model", self.model, words=["--image"])

    def test_flags_of_mlx_vlm_that_are_not_supported_are_named(self):
        for flags in (["--audio", "a.wav", "b.wav"], ["--kv-bits", "8"], ["--draft-model", "x"],
                      ["--chat"], ["--adapter-path", "x"], ["--max-kv-size", "9"],
                      ["--processor-kwargs", "{}"], ["--thinking-budget", "5"]):
            with self.subTest(flags[0]):
                self.usage("generate", "--model", self.model, "--prompt", "x", *flags, words=[flags[0] + " is not supported"])

    def test_flags_without_effect_are_taken_with_a_note(self):
        done = self.generate("--prompt", "x", "--max-tokens", 1, "--trust-remote-code")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("warning: --trust-remote-code has no effect", done.stderr)

    def test_prompts(self):
        self.refused(self.generate("--json"), 2, "RequestError", "no prompt")
        self.refused(self.generate("--json", "--prompt", "x", "--raw-prompt", "y"), 2, "RequestError", "several prompts")
        self.refused(self.generate("--json", "--messages", self.folder / "absent"), 2, "RequestError", "--messages: ", "no such file")
        broken = self.file("messages.json", '[{"role": "user", "content": [{"type": "audio"}]}]')
        self.refused(self.generate("--json", "--messages", broken), 2, "RequestError", "messages[0].content[0].type")

    def test_options_out_of_range(self):
        for flag, value in (("--temperature", "-1"), ("--temperature", "nan"), ("--top-p", "2"), ("--min-p", "7"),
                            ("--max-tokens", "-1"), ("--repetition-penalty", "-2"), ("--logit-bias", "99999999=1")):
            with self.subTest(flag):
                self.refused(self.generate("--json", "--prompt", "x", flag, value), 2, "RequestError")
        for flag, value in (("--prefill-step-size", "0"), ("--max-pixels", "0"), ("--seed", "-1"), ("--max-tokens", "99999999999")):
            with self.subTest(flag):
                self.usage("generate", "--model", self.model, "--prompt", "x", flag, value, words=[flag])

    def test_output_inside_the_model_folder(self):
        model = self.damaged_copy()
        before = snapshot(model)
        done = self.generate("--json", "--prompt", "x", "--logits", model / "x.safetensors", model=model)
        self.refused(done, 2, "RequestError", "--logits", "inside the model folder")
        done = run("preprocess", "--model", model, "--image", self.image, "--output", model / "x", "--json")
        self.refused(done, 2, "RequestError", "--output", "inside the model folder")
        self.assertEqual(snapshot(model), before)

    def test_output_that_cannot_be_written(self):
        done = self.generate("--json", "--prompt", "x", "--max-tokens", 1, "--logits", self.folder / "absent" / "x")
        self.refused(done, 2, "RequestError", "cannot be written")


class Images(ProgramTest):
    def media(self, image, *words):
        done = self.generate("--json", "--image", image, "--prompt", "x")
        self.refused(done, 2, "MediaError", "--image", *words)

    def test_files_that_are_no_images(self):
        self.media(self.folder / "absent.png", "absent.png")
        self.media(self.folder)
        self.media(self.file("empty.png", b""), "empty.png")
        self.media(self.file("text.jpg", b"this is no image"), "text.jpg")
        data = self.image.read_bytes()
        self.media(self.file("short.png", data[: len(data) // 2]), "short.png")

    def test_uris(self):
        self.refused(self.generate("--json", "--image", "https://example.com/a.png", "--prompt", "x"), 2, "RequestError", "http")
        self.refused(self.generate("--json", "--image", "data:image/png;base64,!", "--prompt", "x"), 2, "RequestError", "base64")
        self.media("data:image/png;base64,AAAA")

    def test_more_places_than_images_and_the_reverse(self):
        place = "<|vision_start|><|image_pad|><|vision_end|>"
        for places, images in ((2, 1), (1, 2), (0, 1), (1, 0)):
            with self.subTest(places=places, images=images):
                arguments = ["--image", *[self.image] * images] if images else []
                done = self.generate("--json", "--raw-prompt", place * places + "x", *arguments)
                self.refused(done, 2, "RequestError", "image")

    def test_ids_that_do_not_fit_the_images(self):
        answer = self.answer("--image", self.image, "--prompt", "x", "--max-tokens", 1)
        ids = answer["input_ids"]
        pad = next(i for i in ids if ids.count(i) >= 4 and ids.index(i) > 0 and ids[ids.index(i) + 3] == i)
        fewer = [i for n, i in enumerate(ids) if n != ids.index(pad)]
        for wrong in (fewer, ids + [pad], [i for i in ids if i != pad], ids + [10**6], ids + [-5]):
            done = self.generate("--json", "--image", self.image, "--input-ids", self.file("ids.json", json.dumps(wrong)))
            self.refused(done, 2, "RequestError")


class ModelFolder(ProgramTest):
    def config(self, model, *words, kind="ConfigError"):
        before = snapshot(model) if model.exists() else None
        done = self.generate("--json", "--prompt", "x", "--image", self.image, "--max-tokens", 1, model=model)
        self.refused(done, 3, kind, *words)
        self.assertEqual(snapshot(model) if model.exists() else None, before)

    def weights(self, model, *words):
        self.config(model, *words, kind="WeightError")

    def test_folders_that_are_none(self):
        self.config(self.folder / "absent", "absent", "no such folder")
        self.config(self.file("file", "x"), "expected a folder")
        (self.folder / "empty").mkdir()
        self.config(self.folder / "empty", "config.json")

    def test_configuration(self):
        model = self.damaged_copy()
        path = model / "config.json"
        original = path.read_text()
        self.edit_json(path, lambda c: c.update(model_type="qwen9_vl"))
        self.config(model, "config.json.model_type", "qwen9_vl", "qwen2_vl")
        path.write_text(original)
        self.edit_json(path, lambda c: c.update(hidden_size="64"))
        self.edit_json(path, lambda c: c.get("text_config", {}).update(hidden_size="64"))
        self.config(model, "hidden_size", "expected an integer", '"64"')
        path.write_text(original)
        self.edit_json(path, lambda c: c["vision_config"].update(depth=-3))
        self.config(model, "vision_config.depth", "-3")
        path.write_text(original[: len(original) // 2])
        self.config(model, "config.json", "not valid JSON")
        path.write_text("[]")
        self.config(model, "config.json: expected an object")

    def test_tokenizer(self):
        model = self.damaged_copy()
        (model / "tokenizer.json").write_text("{")
        self.config(model, "tokenizer.json")
        (model / "tokenizer.json").unlink()
        self.config(model, "tokenizer")

    def test_truncated_weights(self):
        model = self.damaged_copy()
        path = model / "model.safetensors"
        size = path.stat().st_size
        for length in (size - 1, size // 2, 9, 7, 0):
            os.truncate(path, length)
            self.weights(model, "model.safetensors")

    def test_headers_that_lie(self):
        model = self.damaged_copy()
        path = model / "model.safetensors"
        data = path.read_bytes()
        path.write_bytes((2**62).to_bytes(8, "little") + data[8:])
        self.weights(model, "model.safetensors")
        path.write_bytes(data[:8] + b"x" + data[9:])
        self.weights(model, "model.safetensors")

    def test_index_that_names_an_absent_file(self):
        model = self.damaged_copy()
        index = model / "model.safetensors.index.json"

        def edit(document):
            document["weight_map"] = {name: "absent.safetensors" for name in document["weight_map"]}

        self.edit_json(index, edit)
        self.weights(model, "absent.safetensors")

    def test_no_weights(self):
        model = self.damaged_copy()
        for path in model.glob("*.safetensors*"):
            path.unlink()
        self.weights(model)

    def test_wrong_shapes_and_missing_tensors_are_all_listed(self):
        model = self.damaged_copy()
        names = []

        def edit(header):
            matrices = [n for n, e in header.items() if n != "__metadata__" and len(e["shape"]) == 2 and e["shape"][0] != e["shape"][1]]
            names.extend(matrices[:2])
            for name in names:
                header[name]["shape"].reverse()

        self.edit_header(model / "model.safetensors", edit)
        self.assertEqual(len(names), 2)
        self.weights(model, *names)


if __name__ == "__main__":
    unittest.main()
