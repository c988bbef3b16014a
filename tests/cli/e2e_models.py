"""What can be asked without a checkpoint: models, detect, and the generic image preparation."""
import json
import unittest

from e2e_support import ProgramTest, read_safetensors, run

ROWS = {"my-vlm": {"width": 64, "height": 32, "prompt": "<p>{prompt}", "mean": [0, 0, 0], "std": [1, 1, 1]}}


class Models(ProgramTest):
    def answered(self, *arguments):
        done = run(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def rows_file(self):
        return self.file("rows.json", json.dumps(ROWS))

    def test_models_lists_families_and_rows(self):
        listed = json.loads(self.answered("models", "--json").stdout)
        families = {family["model_type"]: family for family in listed["families"]}
        self.assertIn("qwen2_vl", families)
        self.assertIn("smolvlm", families["idefics3"]["aliases"])
        for family in families.values():
            self.assertTrue(family["image_rule"] and family["placeholder"])
        rows = {row["name"]: row for row in listed["rows"]}
        self.assertEqual(sorted(rows), ["default", "idefics", "kimi-vl", "llava", "qwen-vl"])
        self.assertEqual((rows["llava"]["width"], rows["llava"]["prompt"]), (336, "<image>\n{prompt}"))
        text = self.answered("models").stdout
        for name in [*families, *rows]:
            self.assertRegex(text, rf"(?m)^{name}\b")

    def test_types_that_are_only_prepared_are_listed_and_prepared(self):
        listed = json.loads(self.answered("models", "--json").stdout)
        types = listed["prepared_only"]
        self.assertIn("glm4v", types)
        for family in listed["families"]:
            self.assertFalse({family["model_type"], *family["aliases"]} & set(types))
        self.assertIn(f"\ngemma3\n  images  {listed['image_rules']['gemma3']}\n", self.answered("models").stdout)
        self.assertLess(set(types), set(listed["image_rules"]))
        for name in types:
            with self.subTest(name):
                prepared = json.loads(self.answered("preprocess", "--model-type", name, "--image", self.image, "--json").stdout)
                (seen,) = json.loads(self.answered("see", self.image, "--model-type", name, "--json").stdout)["images"]
                self.assertEqual(prepared["image_tokens"], [seen["tokens"]])
                self.assertLessEqual(sum(view["tokens"] for view in seen["views"]), seen["tokens"])

    def test_rows_of_a_file_are_listed_and_found(self):
        rows = self.rows_file()
        listed = json.loads(self.answered("models", "--vision-config", rows, "--json").stdout)["rows"]
        self.assertEqual(listed[-1]["name"], "my-vlm")
        found = json.loads(self.answered("detect", "models/My_VLM", "--vision-config", rows, "--json").stdout)
        self.assertEqual((found["name"], found["source"], found["config"]["width"]), ("my-vlm", "name", 64))

    def test_detect_reads_a_folder_before_its_name(self):
        found = json.loads(self.answered("detect", self.model, "--json").stdout)
        self.assertEqual((found["family"], found["source"], found["warnings"]), ("qwen2_vl", "config.json", []))
        self.assertIn("family qwen2_5_vl", self.answered("detect", "mlx-community/Qwen2.5-VL-7B-Instruct").stdout)

    def test_detect_warns_of_what_it_does_not_know(self):
        done = self.answered("detect", "something/else")
        self.assertIn("warning: no known model in the name", done.stderr)
        self.assertIn("default, by fallback", done.stdout)

    def test_detect_shows_a_prompt_in_the_form_of_the_row(self):
        shown = json.loads(self.answered("detect", "Qwen-VL-Chat", "--prompt", "Hi", "--images", "2", "--json").stdout)
        self.assertEqual(shown["prompt"], "<image2><image1>Hi")
        self.refused(run("detect", "llava", "--prompt", "Hi", "--images", "-1"), 2, "RequestError", "images: expected 0..10000")

    def test_rows_prepare_images(self):
        out = self.folder / "out.safetensors"
        self.answered("preprocess", "--model-type", "qwen-vl", "--image", self.image, "--output", out)
        kind, shape, _ = read_safetensors(out)["pixel_values"]
        self.assertEqual((kind, shape), ("F32", [1, 3, 448, 448]))
        self.answered("preprocess", "--model-type", "my-vlm", "--vision-config", self.rows_file(), "--image", self.image, self.image,
                      "--output", out)
        _, shape, values = read_safetensors(out)["pixel_values"]
        self.assertEqual(shape, [2, 3, 32, 64])
        self.assertEqual(values[0], 0)  # a square picture leaves black at the sides
        self.assertGreater(max(values), 0)
        seen = json.loads(self.answered("see", self.image, "--model-type", "llava", "--json").stdout)
        self.assertTrue(seen)

    def test_a_bad_rows_file_is_refused(self):
        rows = self.file("rows.json", '{"a": {"size": 3}}')
        self.refused(run("models", "--vision-config", rows), 3, "ConfigError", "rows.json.a.size: unknown field")
        self.refused(run("preprocess", "--model", self.model, "--vision-config", rows, "--image", self.image), 2, "RequestError",
                     "--vision-config")


if __name__ == "__main__":
    unittest.main()
