"""The commands that the documents show, with what they print."""
import fnmatch
import pathlib
import re
import subprocess
import unittest


class Command:
    def __init__(self, place, line):
        self.place, self.line, self.output = place, line, []

    def prints(self, text):
        """Whether `text` is the output shown, in which … stands for anything."""
        pattern = "\n".join(self.output).replace("[", "[[]").replace("*", "[*]").replace("?", "[?]").replace("…", "*")
        return fnmatch.fnmatchcase(text.strip("\n"), pattern)


def commands(document):
    """Those of the document's ```console blocks: a line after `$ `, then its output, if it is shown."""
    found, inside = [], False
    for number, line in enumerate(pathlib.Path(document).read_text().splitlines(), 1):
        if line.startswith("```"):
            inside = line == "```console"
        elif inside and line.startswith("$ "):
            found.append(Command(f"{pathlib.Path(document).name}:{number}", line[2:]))
        elif inside:
            found[-1].output.append(line)
    return found


def check(test: unittest.TestCase, document, folder, environment, runs):
    """Runs the commands whose text matches the pattern `runs`, in order and in `folder`; all must succeed and print what is shown.
    Returns the others."""
    left = []
    for command in commands(document):
        if not re.search(runs, command.line):
            left.append(command.line)
            continue
        with test.subTest(command.place):
            done = subprocess.run(["bash", "-o", "pipefail", "-c", command.line], cwd=folder, env=environment, capture_output=True, text=True,
                                  timeout=600, check=False)
            test.assertEqual(done.returncode, 0, f"{command.place}: {command.line}\n{done.stdout}{done.stderr}")
            if command.output:
                test.assertTrue(command.prints(done.stdout), f"{command.place}: {command.line}\n{done.stdout}{done.stderr}")
    return left
