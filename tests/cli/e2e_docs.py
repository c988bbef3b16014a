"""Every command of the README and the documents works as it stands there."""
import os
import pathlib
import shutil
import sys
import unittest

from e2e_support import PROGRAM, ProgramTest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tools")]
import doc_commands  # noqa: E402
import models_table  # noqa: E402

PICTURES = ["photo.jpg", "cat.jpg", "a.png", "b.png", "a.jpg", "b.jpg", "before.png", "after.png", "scan.tiff", "page1.png", "page2.png"]
CONVERSATION = """[{"role": "user", "content": [{"type": "image", "image": "cat.jpg"}, {"type": "text", "text": "What is this?"}]}]"""
# What CI runs itself, and what needs the network.
ELSEWHERE = ["make demo", "make test", "hf download"]


class Documents(ProgramTest):
    def setUp(self):
        super().setUp()
        self.place = self.folder / "documents"
        (self.place / "build").mkdir(parents=True)
        (self.place / "bin").mkdir()
        (self.place / "build" / "mlx-vision").symlink_to(pathlib.Path(PROGRAM).resolve())
        (self.place / "bin" / "mlx-vision").symlink_to(pathlib.Path(PROGRAM).resolve())
        for model in ("DIR", "Qwen2-VL-2B"):
            (self.place / model).symlink_to(ROOT / "share" / "demo-model")
        (self.place / "examples").symlink_to(ROOT / "examples")
        for picture in PICTURES:
            shutil.copy(ROOT / "examples" / "pictures" / "shapes.png", self.place / picture)
        (self.place / "conversation.json").write_text(CONVERSATION)
        self.program("git", "echo changed")
        for opener in ("xdg-open", "open"):
            self.program(opener, 'test -e "$1"')
        self.environment = os.environ | {"PATH": f"{self.place / 'bin'}:{os.environ['PATH']}"}

    def program(self, name, script):
        path = self.place / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def check(self, document):
        return doc_commands.check(self, ROOT / document, self.place, self.environment, r"\bmlx-vision ")

    def test_readme(self):
        left = self.check("README.md")
        self.assertEqual([line for line in left if not line.startswith(tuple(ELSEWHERE))], [])

    def test_documents(self):
        for document in sorted((ROOT / "docs").glob("*.md")):
            self.assertEqual(self.check(document.relative_to(ROOT)), [])

    def test_tables_are_those_of_the_program(self):
        written = models_table.DOCUMENT.read_text()
        self.assertEqual(written, models_table.with_tables(written, PROGRAM), "run tools/models_table.py")


if __name__ == "__main__":
    unittest.main()
