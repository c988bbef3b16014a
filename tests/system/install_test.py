"""What cmake --install leaves must work for a user who has nothing else: no clone, no .venv, no MLX headers.

Environment: BUILD_DIR (built tree), SOURCE_DIR, CMAKE, CXX.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD, SOURCE = pathlib.Path(os.environ["BUILD_DIR"]), pathlib.Path(os.environ["SOURCE_DIR"])
CMAKE = os.environ["CMAKE"]
sys.path.insert(0, str(SOURCE / "tests"))
import doc_commands  # noqa: E402
LINUX = sys.platform == "linux"


def run(*command, **more):
    """Output of a command that must succeed; without the build's own library paths."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **more)
    if done.returncode:
        raise AssertionError(f"{command}: exit {done.returncode}\n{done.stdout}")
    return done.stdout


def sgemm_binding(program, *arguments):
    """The library that MLX's cblas_sgemm is bound to in this program, as the dynamic linker itself reports it."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"LD_DEBUG": "bindings", "LD_BIND_NOW": "1", "LD_DEBUG_OUTPUT": f"{folder}/log"}
        run(program, *arguments, env=environment)
        log = "".join(path.read_text() for path in pathlib.Path(folder).iterdir())
    found = re.findall(r"binding file .*libmlx\.so \[\d+\] to (.+) \[\d+\]: normal symbol `cblas_sgemm'", log)
    if not found:
        raise AssertionError("libmlx.so binds no cblas_sgemm in this program")
    return os.path.realpath(found[0])


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.root = pathlib.Path(cls.temporary.name)
        run(CMAKE, "--install", BUILD, "--prefix", cls.root / "built")
        # Moved, so that nothing may depend on the place it was installed to.
        cls.prefix = cls.root / "a place" / "prefix"
        cls.prefix.parent.mkdir()
        shutil.move(cls.root / "built", cls.prefix)
        cls.program = cls.prefix / "bin" / "mlx-vision"
        cls.library = next((cls.prefix / "lib").rglob("libmlx-vision.*"))
        cls.examples = {}

    def built(self, source, name):
        """A program of an out-of-tree project, built once against the installed package."""
        if name not in self.examples:
            build = self.root / name
            run(CMAKE, "-S", SOURCE / source, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DCMAKE_CXX_COMPILER={os.environ['CXX']}")
            run(CMAKE, "--build", build)
            self.examples[name] = build / name
        return self.examples[name]

    def example(self):
        """The documented example, and a picture for it to describe."""
        return (self.built("examples/cpp", "basic"), SOURCE / "examples" / "pictures" / "word.png")

    def test_program_runs(self):
        self.assertIn("mlx-vision", run(self.program, "--version"))

    def test_program_finds_the_model_installed_with_it(self):
        environment = {k: v for k, v in os.environ.items() if k != "MLX_VISION_MODEL"}
        picture = SOURCE / "examples" / "pictures" / "word.png"
        self.assertIn("RABBIT", run(self.program, "describe", picture, env=environment))
        config = self.prefix / "share" / "mlx-vision" / "demo-model" / "config.json"
        kept = config.read_text()
        self.addCleanup(config.write_text, kept)
        config.write_text("{}")  # the one of the clone, which is there too, must not step in
        done = subprocess.run([self.program, "describe", picture], capture_output=True, text=True, check=False, env=environment)
        self.assertEqual(done.returncode, 3, done.stderr)

    def test_consumer_runs(self):
        lines = dict(line.split(" ", 1) for line in run(self.built("tests/system/consumer", "consumer")).splitlines())
        self.assertEqual(lines["image"], "2x1")
        self.assertEqual(lines["media"], "2")
        self.assertIn("no such folder", lines["config"])
        self.assertGreater(int(lines["families"]), 0)

    def test_examples_print_what_their_page_says(self):
        place = self.root / "examples_page"
        (place / "build").mkdir(parents=True)
        (place / "build" / "mlx-vision").symlink_to(self.program)
        (place / "build-example").symlink_to(self.example()[0].parent)
        for name in ("README.md", "examples"):
            (place / name).symlink_to(SOURCE / name)
        environment = {k: v for k, v in os.environ.items() if k != "MLX_VISION_MODEL"}
        left = doc_commands.check(self, SOURCE / "examples" / "README.md", place, environment, "^build")
        # These are what setUpClass and built() did.
        self.assertEqual([line.split()[0] for line in left], ["make", "cmake", "cmake"])

    @unittest.skipUnless(LINUX, "reads ELF files")
    def test_nothing_points_back_to_the_clone(self):
        for file in [self.program, self.library]:
            self.assertNotIn(str(SOURCE), run("readelf", "-d", file))
            loaded = run("ldd", file)
            self.assertNotIn("not found", loaded)
            self.assertIn(str(self.prefix), loaded[loaded.index("libmlx.so"):].splitlines()[0])
            self.assertNotIn("site-packages", loaded)

    @unittest.skipUnless(LINUX, "reads ELF files")
    def test_only_the_public_interface_is_exported(self):
        symbols = run("nm", "-DC", "--defined-only", self.library).splitlines()
        names = [line.split(" ", 2)[2] for line in symbols]
        self.assertTrue(any(name.startswith("mlx_vision::Runtime::load(") for name in names))
        public = re.compile(r"(?:typeinfo for |typeinfo name for |vtable for )?mlx_vision::(?!core::|media::|text::|"
                            r"weights::|kernels::|nn::|backbones::|processing::|models::|memory::|engine::|api::)")
        self.assertEqual([name for name in names if not public.match(name)], [])

    @unittest.skipUnless(LINUX, "macOS uses Accelerate")
    def test_mlx_multiplies_with_openblas(self):
        programs = [(BUILD / "mlx-vision", "--version"), (self.program, "--version"),
                    (self.built("tests/system/consumer", "consumer"),), self.example()]
        for program in programs:
            with self.subTest(program=program[0]):
                self.assertIn("openblas", sgemm_binding(*program))

    @unittest.skipUnless(LINUX, "macOS uses Accelerate")
    def test_the_library_reports_the_blas_that_mlx_uses(self):
        consumer = self.built("tests/system/consumer", "consumer")
        reported = re.search(r"^blas (.+)$", run(consumer), re.MULTILINE)[1]
        self.assertEqual(os.path.realpath(reported), sgemm_binding(consumer))


if __name__ == "__main__":
    unittest.main()
