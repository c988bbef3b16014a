"""What the program makes of pictures without weights: decode, see and preprocess."""
import base64
import hashlib
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import unittest
import zlib

from e2e_support import FIXTURES, PROGRAM, ProgramTest, fixtures, golden, read_safetensors, run

CORPUS = FIXTURES.parent / "media" / "corpus"
PICTURES = FIXTURES / "images"
FAMILIES = ["qwen2_vl", "qwen2_5_vl", "llava", "idefics3", "smolvlm"]


def objects(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def read_ppm(path):
    """(width, height, RGB bytes)"""
    magic, width, height, most, pixels = path.read_bytes().split(None, 4)
    assert (magic, most) == (b"P6", b"255")
    return int(width), int(height), pixels


def read_png(path):
    """(width, height, RGB bytes) of an 8-bit RGB PNG, by the format's own rules."""
    data, at, header, packed = path.read_bytes(), 8, None, b""
    while at < len(data):
        (length,), kind = struct.unpack_from(">I", data, at), data[at + 4 : at + 8]
        if kind == b"IHDR":
            header = struct.unpack_from(">IIBBBBB", data, at + 8)
        elif kind == b"IDAT":
            packed += data[at + 8 : at + 8 + length]
        at += 12 + length
    width, height = header[:2]
    assert header[2:] == (8, 2, 0, 0, 0), header
    return width, height, unfiltered(zlib.decompress(packed), width * 3, height)


def unfiltered(raw, row_bytes, height):
    out, above = bytearray(), bytearray(row_bytes)
    for y in range(height):
        start = y * (row_bytes + 1)
        kind, row = raw[start], bytearray(raw[start + 1 : start + 1 + row_bytes])
        for i in range(row_bytes):
            left, up, corner = (row[i - 3] if i > 2 else 0), above[i], (above[i - 3] if i > 2 else 0)
            if kind == 4:
                p = left + up - corner
                near = min((abs(p - left), 0, left), (abs(p - up), 1, up), (abs(p - corner), 2, corner))[2]
            else:
                near = (0, left, up, (left + up) // 2)[kind]
            row[i] = (row[i] + near) & 255
        out += row
        above = row
    return bytes(out)


class Decode(ProgramTest):
    def test_the_corpus(self):
        expected = json.loads((CORPUS / "expected.json").read_text())
        done = run("decode", "--json", *(CORPUS / name for name in expected))
        self.assertEqual(done.returncode, 2)  # some are damaged on purpose
        for name, found in zip(expected, objects(done), strict=True):
            with self.subTest(name):
                self.assertEqual(found["file"], str(CORPUS / name))
                entry = expected[name]
                if "error" in entry:
                    self.assertEqual(found["error"]["type"], "MediaError")
                    self.assertIn(name, found["error"]["message"])
                    self.assertIn("error: " + found["error"]["message"], done.stderr)
                else:
                    self.assertEqual([found["format"], found["mode"], found["orientation"], found["size"]],
                                     [entry["format"], entry["mode"], entry["orientation"], entry["size"]])
                    turned = entry["orientation"] > 4
                    self.assertEqual(found["stored_size"], found["size"][::-1] if turned else found["size"])

    def written(self, picture, name, *flags):
        """The object and the pixels that were written."""
        output = self.folder / name
        done = run("decode", CORPUS / picture, "--output", output, "--json", *flags)
        self.assertEqual(done.returncode, 0, done.stderr)
        width, height, pixels = (read_png if name.endswith("png") else read_ppm)(output)
        found = json.loads(done.stdout)
        self.assertEqual(found["size"], [width, height])
        self.assertEqual(found["sha256"], hashlib.sha256(pixels).hexdigest())
        return found, pixels

    def test_pixels_and_hashes_equal_the_reference(self):
        expected = json.loads((CORPUS / "expected.json").read_text())
        for picture in ("own/exif6.jpg", "own/rgba_lzw.tiff", "own/lossless.webp", "own/c3_d4_interlaced.png"):
            for name in ("out.png", "out.ppm"):
                with self.subTest(picture, output=name):
                    entry = expected[picture]
                    self.assertEqual(zlib.crc32(self.written(picture, name)[1]), entry["rgb"])
                    self.assertEqual(zlib.crc32(self.written(picture, name, "--letterbox", "48x48")[1]), entry["letterbox48"])
                    self.assertEqual(zlib.crc32(self.written(picture, name, "--size", "48x9")[1]), entry["bicubic48x9"])

    def test_orientation_and_alpha(self):
        kept = json.loads(run("decode", CORPUS / "own/exif6.jpg", "--raw-orientation", "--json").stdout)
        self.assertEqual((kept["size"], kept["orientation"]), (kept["stored_size"], 6))
        picture = CORPUS / "own/lossless.webp"
        hashes = {json.loads(run("decode", picture, "--alpha", alpha, "--json").stdout)["sha256"] for alpha in ("drop", "white", "black")}
        self.assertEqual(len(hashes), 3)

    def test_text_has_a_line_for_each_file_and_goes_on_after_an_error(self):
        good = CORPUS / "own/exif6.jpg"
        done = run("decode", good, self.folder / "absent.png", good)
        self.assertEqual(done.returncode, 2)
        self.assertIn("absent.png", done.stderr)
        line = f"{good}: JPEG RGB, stored 9x5, orientation 6, decoded 5x9, sha256 "
        self.assertEqual([text[: len(line)] for text in done.stdout.splitlines()], [line, line])

    def test_containers_that_are_not_supported_are_named(self):
        for content, word in ((b"\0\0\1\0\1\0", "Windows icon"), (b"%PDF-1.7\n", "PDF"), (b"<!DOCTYPE html>", "web page"), (b"", "empty")):
            done = run("decode", "--json", self.file("a.png", content))
            self.assertEqual(done.returncode, 2)
            self.assertIn(word, json.loads(done.stdout)["error"]["message"])

    def test_flags_that_make_no_sense(self):
        good = self.image
        for flags, word in ((["--size", "3"], "--size: "), (["--size", "0x4"], "--size: "), (["--letterbox", "3x4x5"], "--letterbox: "),
                            (["--size", "3x4", "--letterbox", "3x4"], "one of them"), (["--filter", "box"], "--filter: "),
                            (["--size", "3x4", "--filter", "cubic"], "--filter: "), (["--alpha", "red"], "--alpha: "),
                            (["--output", self.folder / "a.gif"], ".png or .ppm"), ([good, "--output", self.folder / "a.png"], "--output: ")):
            with self.subTest(str(flags)):
                self.refused(run("decode", good, *flags, "--json"), 2, "RequestError", word)
        self.refused(run("decode", "--json"), 2, "UsageError", "file")


class Preprocess(ProgramTest):
    def test_without_a_checkpoint_the_reference_defaults_hold(self):
        # The sizes are what the transformers classes give without arguments, of a 61 x 47 picture.
        expected = {"qwen2_vl": ([16, 1176], 4), "qwen2_5_vl": ([16, 1176], 4), "llava": ([1, 3, 224, 224], 256),
                    "idefics3": ([1, 17, 3, 364, 364], 2873), "smolvlm": ([1, 17, 3, 364, 364], 2873)}
        for family in FAMILIES:
            with self.subTest(family):
                done = run("preprocess", "--model-type", family, "--image", PICTURES / "odd_61x47.png", "--json")
                self.assertEqual(done.returncode, 0, done.stderr)
                found = json.loads(done.stdout)
                shape, tokens = expected[family]
                self.assertEqual(found["arrays"][0]["shape"], shape)
                self.assertEqual(found["image_tokens"], [tokens])

    def test_the_bundled_model_prepares_when_none_is_named(self):
        done = run("preprocess", "--image", self.image, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr.count("model: the bundled demo"), 1)
        self.assertEqual(json.loads(done.stdout)["arrays"][1]["name"], "image_grid_thw")

    def test_one_of_both_ways_to_name_the_model(self):
        both = ["--model", self.model, "--model-type", "qwen2_vl"]
        self.refused(run("preprocess", *both, "--image", self.image, "--json"), 2, "RequestError", "--model-type")
        unknown = run("preprocess", "--model-type", "qwen9_vl", "--image", self.image, "--json")
        self.refused(unknown, 2, "RequestError", "qwen9_vl", "smolvlm")

    def test_damage_behind_the_header_is_told_with_the_file(self):
        data = (CORPUS / "own/sub2.jpg").read_bytes()
        short = self.file("short.jpg", data[: len(data) * 2 // 3])
        for command in (["preprocess"], ["see"]):
            done = run(*command, "--model", self.model, "--image", short, "--json")
            self.refused(done, 2, "MediaError", "short.jpg", "truncated")
        self.refused(self.generate("--json", "--image", short, "--prompt", "x"), 2, "MediaError", "short.jpg", "truncated")


class See(ProgramTest):
    def seen(self, *arguments):
        done = run("see", *arguments, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["images"]

    def test_tokens_are_those_of_the_reference(self):
        for fixture in fixtures():
            entry = next(e for e in golden(fixture)["inputs"] if e["images"] and e["user"] is not None)
            with self.subTest(fixture.name):
                images = self.seen("--model", fixture / "model", "--image", *(FIXTURES / image for image in entry["images"]))
                self.assertEqual([image["tokens"] for image in images], entry["image_tokens"])
                for image in images:
                    in_views = sum(view["tokens"] for view in image["views"])
                    if fixture.name.startswith(("llava_next", "llava_onevision")):  # lines of tiles end with a row that no view has
                        self.assertIn(image["tokens"] - in_views, range(1, in_views))
                    else:
                        self.assertEqual(in_views, image["tokens"])

    def test_tiles_cover_the_picture(self):
        (image,) = self.seen(PICTURES / "wide_150x34.png", "--model-type", "idefics3")
        tiles = [view for view in image["views"] if view["tile"]]
        self.assertEqual(len(tiles) + 1, len(image["views"]))
        area = sum((r - l) * (b - t) for l, t, r, b in (tile["source"] for tile in tiles))
        self.assertAlmostEqual(area, 150 * 34, delta=1)
        self.assertEqual(image["views"][-1]["source"], [0, 0, 150, 34])

    def test_a_crop_is_told(self):
        (image,) = self.seen(PICTURES / "wide_150x34.png", "--model-type", "llava")
        left, top, right, bottom = image["views"][0]["source"]
        self.assertAlmostEqual(right - left, 34, delta=0.2)
        self.assertAlmostEqual((left + right) / 2, 75, delta=0.5)
        self.assertEqual((top, bottom), (0, 34))
        text = run("see", PICTURES / "wide_150x34.png", "--model-type", "llava").stdout
        self.assertIn("x 58 to 92, y 0 to 34", text)
        self.assertNotIn("\x1b", text)  # no colours where no terminal is

    def test_the_sheet_holds_the_prepared_pixels(self):
        output = self.folder / "sheet.png"
        self.seen(self.image, "--model-type", "qwen2_vl", "--output", output)
        width, height, pixels = read_png(output)
        # The cells' first row and column have no lines, so a row of the view stands there as it is, each pixel zoomed.
        view = self.folder / "view.ppm"
        run("decode", self.image, "--size", "56x56", "--output", view)
        first = read_ppm(view)[2][: 56 * 3]
        zoomed = b"".join(first[i : i + 3] * 8 for i in range(0, 14 * 3, 3))
        self.assertIn(zoomed, pixels)

    def test_the_page_is_complete_in_itself(self):
        page = self.folder / "sheet.html"
        strange = self.folder / 'a<b>&"c.png'
        strange.write_bytes(self.image.read_bytes())
        self.seen(strange, "--model-type", "smolvlm", "--html", page)
        text = page.read_text()
        self.assertIn("a&lt;b&gt;&amp;&quot;c.png", text)
        links = re.findall(r'(?:href|src)="([^"]{0,30})', text)
        self.assertEqual(set(links), {"data:image/png;base64," + links[0][22:]})
        for data in re.findall(r'base64,([^"]+)"', text):
            self.assertTrue(base64.b64decode(data, validate=True).startswith(b"\x89PNG"))

    def test_a_terminal_gets_a_drawing(self):
        command = [PROGRAM, "see", str(self.image), "--model-type", "llava"]
        for variables, drawn in (({"COLORTERM": "truecolor"}, True), ({"TERM": "dumb"}, False),
                                 ({"COLORTERM": "truecolor", "NO_COLOR": "1"}, False)):
            environment = {k: v for k, v in os.environ.items() if k not in ("COLORTERM", "TERM", "NO_COLOR")}
            main, other = os.openpty()
            with subprocess.Popen(command, stdout=other, stderr=other, env={**environment, **variables}) as program:
                os.close(other)
                text = b""
                try:
                    while piece := os.read(main, 65536):
                        text += piece
                except OSError:
                    pass  # Linux's way to say that the other end is closed
                os.close(main)
            self.assertEqual(program.returncode, 0)
            self.assertEqual("▀".encode() in text, drawn)
            self.assertIn(b"256", text)

    def test_open_hands_the_page_to_the_desktop(self):
        viewer = "open" if sys.platform == "darwin" else "xdg-open"
        for code in (0, 4):
            self.file(viewer, f"#!/bin/sh\necho \"$1\" > {self.folder}/shown\nexit {code}\n").chmod(0o755)
            environment = {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}", "TMPDIR": str(self.folder)}
            done = subprocess.run([PROGRAM, "see", str(self.image), "--model-type", "llava", "--open"], env=environment,
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 2 if code else 0, done.stderr)
            shown = (self.folder / "shown").read_text().strip()
            self.assertTrue(shown.startswith(str(self.folder)) and shown.endswith(".html"), shown)
            self.assertIn("<svg", pathlib.Path(shown).read_text())

    def test_outputs_are_refused_where_they_do_not_belong(self):
        model = self.damaged_copy()
        for flag in ("--output", "--html"):
            done = run("see", self.image, "--model", model, flag, model / "x.png", "--json")
            self.refused(done, 2, "RequestError", flag, "inside the model folder")
        self.refused(run("see", self.image, "--model", model, "--output", "x.jpg", "--json"), 2, "RequestError", ".png or .ppm")
        self.refused(run("see", "--model", model, "--json"), 2, "UsageError", "image")


if __name__ == "__main__":
    unittest.main()
