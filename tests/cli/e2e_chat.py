"""`mlx-vision chat` from a pipe, and in a pseudo terminal as a person uses it."""
import json
import os
import pty
import re
import select
import signal
import time
import unittest

from e2e_support import PROGRAM, ProgramTest, run

LONG = 30000  # tokens: more than are generated before anyone can react
ANSWERING = r"(?s)prefill +\[#+\] 100 % +(\d+)/\1.{20}"  # the prompt is read and the answer has begun
CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|[\x07\x08\r]")


class Piped(ProgramTest):
    def chat(self, text, *arguments):
        return run("chat", "--model", self.model, "--max-tokens", 5, *arguments, stdin=text)

    def test_answers_only_on_stdout(self):
        done = self.chat(f"/system Be brief.\n/image '{self.image}'\nWhat is it?\nAnd why?\n/stats\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("image 4 tokens | prompt", done.stderr)
        self.assertNotIn("tokens", done.stdout)
        self.assertNotIn("\x1b", done.stdout + done.stderr)

    def test_history_reaches_the_model(self):
        saved = self.folder / "saved.json"
        done = self.chat(f"/image {self.image}\nWhat is it?\nAnd why?\n/save {saved}\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        messages = json.loads(saved.read_text())
        self.assertEqual([m["role"] for m in messages], ["user", "assistant", "user", "assistant"])
        self.assertEqual(messages[0]["content"][0]["image_url"]["url"], str(self.image))
        self.assertEqual(done.stdout, messages[1]["content"] + "\n" + messages[3]["content"] + "\n")

    def test_image_flag_and_first_error(self):
        done = self.chat("Hi\n/image /nowhere.png\nnever\n", "--image", self.image, "--verbose")
        self.assertEqual(done.returncode, 2)
        self.assertIn("image 4 tokens", done.stderr)
        self.assertIn("error: /image: ", done.stderr)


class Terminal:
    """The program in a pseudo terminal."""

    def __init__(self, *arguments):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm", LC_ALL="C.UTF-8")
            os.execv(PROGRAM, [PROGRAM, *map(str, arguments)])
        self.seen = b""

    def type(self, text):
        os.write(self.master, text.encode())

    def expect(self, pattern, timeout=60):
        """Waits for it in what the screen has shown since the last match, without its control sequences."""
        end = time.monotonic() + timeout
        while True:
            plain = CONTROL.sub(b"", self.seen)
            found = re.search(pattern.encode(), plain)
            if found:
                self.seen = plain[found.end() :]
                return plain[: found.end()].decode(errors="replace")
            if not select.select([self.master], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(f"{pattern!r} did not appear in {plain!r}")
            try:
                self.seen += os.read(self.master, 4096)
            except OSError:  # Linux reports the end of a terminal so
                raise AssertionError(f"the program ended before {pattern!r}: {plain!r}") from None

    def close(self):
        """The exit code."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            # Drained, since a program that writes to a full terminal would not end.
            if select.select([self.master], [], [], 0.05)[0]:
                try:
                    os.read(self.master, 4096)
                except OSError:
                    pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.master)
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        raise AssertionError("the program did not end")


class Interactive(ProgramTest):
    def chat(self, *arguments):
        terminal = Terminal("chat", "--model", self.model, *arguments)
        terminal.expect("lists the commands")
        terminal.expect("> ")
        return terminal

    def test_a_conversation(self):
        terminal = self.chat("--max-tokens", 5)
        terminal.type("/image " + str(self.image) + "\n")
        terminal.expect("1 image for the next message")
        terminal.type("Was ist das für ein Bild?\n")
        terminal.expect("> ")
        terminal.type("/stats\n")
        terminal.expect(r"image 4 tokens \| prompt \d+ tokens")
        terminal.type("/nonsense\n")
        terminal.expect("error: /nonsense: no such command")
        terminal.type("/exit\n")
        self.assertEqual(terminal.close(), 0)

    def test_lines_are_edited_and_come_back_from_history(self):
        saved = self.folder / "saved.json"
        terminal = self.chat("--max-tokens", 2)
        terminal.type("Grüßx\x7fe\n")
        terminal.expect("\n> ")
        terminal.type("\x1b[A!\n")  # cursor up: the line before
        terminal.expect("\n> ")
        terminal.type(f"/save {saved}\n")
        terminal.expect(r"2 turns written[^\n]*\s+> ")  # before the prompt the keys are the terminal's, not the editor's
        terminal.type("\x04")
        self.assertEqual(terminal.close(), 0)
        said = [m["content"][0]["text"] for m in json.loads(saved.read_text()) if m["role"] == "user"]
        self.assertEqual(said, ["Grüße", "Grüße!"])

    def test_interrupt_empties_the_line(self):
        terminal = self.chat()
        terminal.type("half a line")
        terminal.expect("half a line")
        terminal.type("\x03")
        terminal.expect("Ctrl-D leaves\\s+> ")
        terminal.type("\x04")
        self.assertEqual(terminal.close(), 0)

    def test_interrupt_stops_an_answer_and_the_conversation_goes_on(self):
        terminal = self.chat("--max-tokens", LONG, "--ignore-eos")
        terminal.type("Hello\n")
        terminal.expect(ANSWERING)
        terminal.type("\x03")
        terminal.expect("cancelled; what was said so far is kept")
        self.assertLess(self.generated(terminal.expect(r"generation \d+ tokens.*\| cancelled\s+> ")), LONG)
        terminal.type("/stats\n")
        terminal.expect(r"\| cancelled\n[^\n]*decode [^\n]*\s+> ")
        terminal.type("\x04")
        self.assertEqual(terminal.close(), 0)

    def test_interrupt_ends_generate_with_its_statistics(self):
        terminal = Terminal("generate", "--model", self.model, "--prompt", "Hi", "--max-tokens", LONG, "--ignore-eos")
        terminal.expect(ANSWERING)
        terminal.type("\x03")
        self.assertLess(self.generated(terminal.expect(r"generation \d+ tokens.*\| cancelled\s")), LONG)
        self.assertEqual(terminal.close(), 130)

    def generated(self, statistics):
        return int(re.search(r"generation (\d+) tokens", statistics)[1])

    def test_progress_is_shown_at_a_terminal(self):
        terminal = Terminal("generate", "--model", self.model, "--prompt", "Hi", "--image", self.image, "--max-tokens", 2)
        terminal.expect(r"load +\[")
        terminal.expect(r"prefill +\[")
        terminal.expect("generation 2 tokens")
        self.assertEqual(terminal.close(), 0)


if __name__ == "__main__":
    unittest.main()
