"""Memory planning as a user meets it: `plan`, --memory-limit, --resize-shape, over a fixture.

Run by ctest with MLX_VISION naming the program.
"""
import json
import re
import struct
import unittest
import zlib

from e2e_support import ProgramTest, run

ANY_SIZE = ["--max-pixels", 10**9]  # the fixture's own budget is small
PHASES = ["load", "prepare", "encode", "prefill", "decode"]


def one_colour_png(width, height):
    """A small file however large the picture."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    packer = zlib.compressobj(9)
    row = b"\0" + b"\x80\x40\x20" * width
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


class Plan(ProgramTest):
    def plan(self, *arguments):
        return run("plan", "--model", self.model, *arguments)

    def test_table_and_json_say_the_same(self):
        arguments = ["--image", self.image, "--prompt", "What is this?", "--max-tokens", 5]
        report = json.loads(self.plan(*arguments, "--json").stdout)
        self.assertEqual(list(report["phases"]), PHASES)
        self.assertTrue(report["fits"])
        for phase in report["phases"].values():
            self.assertEqual(phase["total"], sum(bytes for part, bytes in phase.items() if part != "total"))
        table = self.plan(*arguments)
        self.assertEqual(table.returncode, 0)
        self.assertIn("weights", table.stdout)
        self.assertIn("verdict             fits", table.stdout)

    def test_only_headers_of_pictures_are_read(self):
        whole = one_colour_png(4000, 3000)
        head = self.file("head.png", whole[: len(whole) // 2])
        report = json.loads(self.plan("--image", head, "--json").stdout)
        self.assertEqual(len(report["image_tokens"]), 1)

    def test_what_does_not_fit_is_refused_with_a_setting_that_fits(self):
        picture = self.file("large.png", one_colour_png(3500, 3000))
        limit = ["--memory-limit", "400MB"]
        refused = self.plan("--image", picture, *limit, *ANY_SIZE, "--max-tokens", 2, "--json")
        self.assertEqual(refused.returncode, 4)
        advice = re.search(r"--max-pixels (\d+)", json.loads(refused.stdout)["refusal"])
        smaller = int(advice[1]) * 95 // 100  # the process's own size varies
        self.assertEqual(self.plan("--image", picture, *limit, "--max-tokens", 2, "--max-pixels", smaller).returncode, 0)
        answer = run("generate", "--model", self.model, "--image", picture, "--prompt", "What?", *limit, *ANY_SIZE, "--max-tokens", 2, "--json")
        self.assertEqual(answer.returncode, 4)
        self.assertEqual(json.loads(answer.stdout)["error"]["type"], "CapacityError")

    def test_what_the_context_cannot_hold_is_refused_with_a_setting_that_fits(self):
        pictures = [self.file("large.png", one_colour_png(3500, 3000))] * 8
        refused = self.plan("--image", *pictures, *ANY_SIZE)
        self.assertEqual(refused.returncode, 4)
        advice = int(re.search(r"context holds \d+; it would fit with --max-pixels (\d+)", refused.stderr)[1])
        fits = json.loads(self.plan("--image", *pictures, "--max-pixels", advice, "--json").stdout)
        self.assertEqual(len(fits["image_tokens"]), 8)
        self.assertEqual(self.plan("--image", *pictures, "--max-pixels", advice + 8000).returncode, 4)

    def test_resize_shape(self):
        picture = self.file("picture.png", one_colour_png(800, 600))
        plain = json.loads(self.plan("--image", picture, *ANY_SIZE, "--json").stdout)
        smaller = json.loads(self.plan("--image", picture, "--resize-shape", 112, 112, "--json").stdout)
        square = json.loads(self.plan("--image", picture, "--resize-shape", 112, "--json").stdout)
        self.assertLess(smaller["image_tokens"], plain["image_tokens"])
        self.assertEqual(smaller["image_tokens"], square["image_tokens"])

    def test_sizes_that_are_none(self):
        for size in ("much", "-1GB", "0", "8 elephants"):
            self.assertEqual(self.plan("--memory-limit", size).returncode, 2, size)


if __name__ == "__main__":
    unittest.main()
