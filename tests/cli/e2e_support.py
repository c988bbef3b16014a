"""What the end-to-end tests share: running the program, reading .safetensors, copies of a fixture to damage."""
import array
import json
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["MLX_VISION"]
FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
TIMEOUT_S = 120


def run(*arguments, stdin="", timeout=TIMEOUT_S, env=None):
    """Runs the program to its end; text in and out. `env`: its whole environment, None = as this process's."""
    return subprocess.run([PROGRAM, *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=timeout, env=env)


def fixtures():
    return sorted(path.parent for path in FIXTURES.glob("*/golden.json"))


def golden(fixture):
    return json.loads((fixture / "golden.json").read_text())


def read_safetensors(path):
    """name → (dtype, shape, list of numbers)"""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    codes = {"F32": "f", "I64": "q", "I32": "i", "U8": "B", "BOOL": "B"}
    out = {}
    for name, entry in header.items():
        first, last = (8 + length + offset for offset in entry["data_offsets"])
        out[name] = (entry["dtype"], entry["shape"], array.array(codes[entry["dtype"]], data[first:last]).tolist())
    return out


def snapshot(folder):
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*"))}


class ProgramTest(unittest.TestCase):
    """A test with a fresh folder that it may write to."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mlx_vision_e2e_"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.fixture = FIXTURES / "qwen2_vl"
        self.model = self.fixture / "model"
        self.image = FIXTURES / "images" / "square_56x56.png"

    def file(self, name, content):
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def generate(self, *arguments, model=None, **options):
        return run("generate", "--model", model or self.model, *arguments, **options)

    def answer(self, *arguments, **options):
        """The object of generate --json."""
        done = self.generate("--json", *arguments, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def refused(self, done, code, kind, *words):
        """Ended with this exit code, one line of error, and its object when there is JSON on stdout."""
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn("error: ", done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        if done.stdout:
            error = json.loads(done.stdout)["error"]
            self.assertEqual(error["type"], kind)
            self.assertIn(error["message"], done.stderr)

    def damaged_copy(self):
        copy = self.folder / "model"
        shutil.copytree(self.model, copy)
        return copy

    def edit_json(self, path, edit):
        document = json.loads(path.read_text())
        edit(document)
        path.write_text(json.dumps(document))

    def edit_header(self, path, edit):
        """Changes the header of a .safetensors file in place, its length kept."""
        data = bytearray(path.read_bytes())
        (length,) = struct.unpack_from("<Q", data)
        header = json.loads(data[8 : 8 + length])
        edit(header)
        text = json.dumps(header, separators=(",", ":")).encode()
        self.assertLessEqual(len(text), length)
        data[8 : 8 + length] = text.ljust(length)
        path.write_bytes(data)
