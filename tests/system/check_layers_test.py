"""check_layers.py must find each kind of fault, or its silence on the real tree means nothing."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tools" / "check_layers.py"


class CheckLayers(unittest.TestCase):
    def check(self, tree):
        """Runs the script on a tree given as {path: text}; returns its lines."""
        with tempfile.TemporaryDirectory() as root:
            for name, text in tree.items():
                path = pathlib.Path(root, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            run = subprocess.run([sys.executable, SCRIPT, f"{root}/src"], capture_output=True, text=True, check=False)
        self.assertEqual(run.stderr, "")
        self.assertEqual(run.returncode, 1 if run.stdout else 0)
        return run.stdout.splitlines()

    def test_accepts_what_the_table_allows(self):
        self.assertEqual(self.check({
            "src/nn/a.cpp": '#include "nn/a.h"\n#include "weights/w.h"\n#include "mlx/mlx.h"\n#include <sys/stat.h>\n',
            "src/cli/m.cpp": '#include "mlx_vision/chat.h"\n#include "core/config.h"\n'}), [])

    def test_finds_a_forbidden_layer(self):
        self.assertEqual(self.check({"src/nn/a.cpp": '\n#include "models/m.h"\n'}),
                         ["src/nn/a.cpp:2: nn may not include models"])

    def test_finds_mlx_where_it_may_not_be(self):
        self.assertEqual(self.check({"src/cli/a.cpp": '#  include <mlx/mlx.h>\n'}),
                         ["src/cli/a.cpp:1: cli may not include mlx"])

    def test_finds_a_folder_that_is_no_layer(self):
        self.assertIn("'utils' is not a known layer", self.check({"src/utils/a.cpp": ""})[0])

    def test_finds_family_names_and_aliases_in_code_only(self):
        models = ('constexpr std::string_view kAliases[] = {"pear_qwen"};\n'
                  'constexpr Family kPear{.model_type = "pear", .aliases = kAliases};\n')
        engine = '// "pear" in a comment is no fault\nauto a = "a pear";\nauto b = "pear";\nauto c = "pear_qwen";\n'
        self.assertEqual([line.split(": ")[0] for line in self.check({
            "src/models/pear.cpp": models, "src/engine/e.cpp": engine})], ["src/engine/e.cpp:3", "src/engine/e.cpp:4"])

    def test_finds_long_files_and_headers(self):
        self.assertEqual(self.check({"src/core/a.h": "\n" * 201, "tests/core/b.cpp": "\n" * 501}),
                         ["src/core/a.h:1: 201 lines, at most 200", "tests/core/b.cpp:1: 501 lines, at most 500"])

    def test_finds_long_functions(self):
        body = "  int a = 0;\n" * 59
        fits = "namespace n {\nvoid f() {\n" + body[:-13] + "}\n}\n"
        long = "namespace n {\nclass C {\n  int g(int x) const {\n" + body + "  }\n};\n}\n"
        self.assertEqual(self.check({"src/core/a.cpp": fits}), [])
        self.assertEqual(self.check({"src/core/a.cpp": long}),
                         ["src/core/a.cpp:3: function of 61 lines, at most 60"])

    def test_is_not_misled_by_braces_in_literals_and_comments(self):
        text = 'void f() {\n  g("{", \'{\', R"x({)x");  // {\n}\n' + "void h() {\n" + "  i();\n" * 58 + "}\n"
        self.assertEqual(self.check({"src/core/a.cpp": text}), [])

    def test_finds_too_many_parameters(self):
        self.assertEqual(self.check({"src/core/a.cpp": "int f(int a, int b, int c, int d, int e, std::map<int, int> g) {}\n"}), [])
        self.assertIn("function of 7 parameters",
                      self.check({"src/core/a.cpp": "int f(int a, int b, int c, int d, int e, int g, int h) {}\n"})[0])

    def test_a_reason_in_the_first_comment_exempts(self):
        self.assertEqual(self.check({"src/core/a.cpp": "// Size: a table, one row a code point.\n" + "\n" * 600}), [])
        self.assertEqual(len(self.check({"src/core/a.cpp": "// A table.\n\n// Size: too late.\n" + "\n" * 600})), 1)


if __name__ == "__main__":
    unittest.main()
