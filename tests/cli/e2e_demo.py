"""The bundled model: found without being named, and right about what it was trained for.

The scenes are the first twenty of `tools/demo_model/scenes.py --seed 20 --count 90` whose pictures are smaller than 16 kB;
training used none of them.
"""
import json
import os
import pathlib
import subprocess
import sys
import unittest

from e2e_support import FIXTURES, PROGRAM, ProgramTest, run

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCENES = pathlib.Path(__file__).resolve().parent / "demo_scenes"
PICTURES = ROOT / "examples" / "pictures"
BUNDLED = ROOT / "share" / "demo-model"
NOTE = "model: the bundled demo"

sys.path.insert(0, str(ROOT / "tools" / "demo_model"))
import evaluate  # noqa: E402  (the same code as the published figures)


def without_model(*arguments, **more):
    environment = {k: v for k, v in os.environ.items() if k != "MLX_VISION_MODEL"} | more
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, env=environment, input="", timeout=120)


class Accuracy(unittest.TestCase):
    # 500 scenes gave 99 % or more; of about a hundred answers that lets four be wrong, and 93 leaves room for other
    # arithmetic on another device.
    SHARE = 0.93

    def test_answers_about_the_fixed_scenes(self):
        rows = json.loads((SCENES / "questions.json").read_text())
        self.assertGreater(len(rows), 90)
        said = evaluate.ask(pathlib.Path(PROGRAM), BUNDLED, SCENES, rows)
        wrong = [(r["images"], r["question"], s, r["answer"]) for r, s in zip(rows, said) if s != r["answer"]]
        self.assertLessEqual(len(wrong), (1 - self.SHARE) * len(rows), wrong)


class Describe(unittest.TestCase):
    def test_a_true_description_without_a_model_named(self):
        done = without_model("describe", PICTURES / "shapes.png")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, SHAPES + "\n")
        notes = [line for line in done.stderr.splitlines() if NOTE in line]
        self.assertEqual(len(notes), 1, done.stderr)
        self.assertIn("--model DIR", notes[0])

    def test_two_pictures(self):
        done = without_model("describe", PICTURES / "before.png", PICTURES / "after.png")
        self.assertEqual(done.stdout, "The first picture shows a large red square and a large white cross, from left to right. "
                                      "The second picture shows a large white cross.\n")

    def test_json(self):
        answer = json.loads(without_model("describe", PICTURES / "word.png", "--json").stdout)
        self.assertEqual((answer["text"], answer["finish_reason"]), ("The picture shows the word RABBIT in black.", "stop"))

    def test_a_picture_is_needed(self):
        done = without_model("describe")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("image", done.stderr)


class DefaultModel(ProgramTest):
    def test_generate_with_two_pictures(self):
        done = without_model("generate", "--image", PICTURES / "before.png", PICTURES / "after.png", "--prompt", "What changed?")
        self.assertEqual(done.stdout, "The red square is gone.\n", done.stderr)
        self.assertIn(NOTE, done.stderr)

    def test_chat(self):
        done = subprocess.run([PROGRAM, "chat"], input=f"/image {PICTURES / 'chart.png'}\nHow many bars are there?\n",
                              env={k: v for k, v in os.environ.items() if k != "MLX_VISION_MODEL"},
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(done.stdout, "There are four bars.\n", done.stderr)
        self.assertIn(NOTE, done.stderr)

    def test_plan(self):
        done = without_model("plan", "--image", PICTURES / "before.png", "--json")
        self.assertTrue(json.loads(done.stdout)["fits"], done.stderr)
        self.assertIn(NOTE, done.stderr)

    def test_the_variable_names_another(self):
        arguments = ["generate", "--prompt", "Hi", "--max-tokens", 1, "--json"]
        other = without_model(*arguments, MLX_VISION_MODEL=str(self.model))
        self.assertEqual(json.loads(other.stdout)["model_type"], "qwen2_vl", other.stderr)
        self.assertNotIn(NOTE, other.stderr)

    def test_a_named_model_needs_no_note(self):
        self.assertNotIn(NOTE, self.generate("--prompt", "Hi", "--max-tokens", 1).stderr)


class UnlikeTraining(ProgramTest):
    def test_it_answers_without_failing(self):
        noise = b"".join(bytes((i * j % 251, i * 7 % 256, j * 3 % 256)) for i in range(90) for j in range(600))
        strange = [FIXTURES / "images" / name for name in ("gray_50x45.png", "tall_31x128.png", "wide_150x34.png")]
        strange.append(self.file("long.ppm", b"P6 600 90 255\n" + noise))
        for picture in strange:
            for question in ("Describe this image.", "How many people are there?", "Quelle heure est-il ?"):
                with self.subTest(picture=picture.name, question=question):
                    done = run("generate", "--model", BUNDLED, "--image", picture, "--prompt", question, "--max-tokens", 120)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertGreater(len(done.stdout.strip()), 0)


SHAPES = ("The picture shows a large purple diamond, a large yellow star, a small white heart and a small orange diamond, "
          "from left to right.")

if __name__ == "__main__":
    unittest.main()
