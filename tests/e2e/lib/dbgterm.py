"""The terminal debugger, driven through a pipe: commands in, and what each of them answered.

The answers come from the debugger's own transcript, where each stands below its command; what the program itself
prints is not in there but in `.out`.
"""
import re
import termios
import time

from lib.terminal import Terminal


class Session:
    """One run of `gospect debug`.  session["next"] is the answer of the first such command not yet asked for."""

    def __init__(self, gospect, how, commands, tmp_path, args=(), check=None, options=(), env=None):
        self.file = tmp_path / "transcript.txt"
        script = "\n".join([f"transcript -t {self.file}", *commands]) + "\n"
        self.result = gospect("debug", *options, *how, *(("--", *args) if args else ()), stdin=script.encode(),
                              check=check, env=env)
        self.code, self.out, self.err = self.result.code, self.result.out, self.result.err
        text = self.file.read_text() if self.file.exists() else ""
        pieces = re.split(r"^\(gospect\) (.*)\n", text, flags=re.M)
        self.answers = list(zip(pieces[1::2], pieces[2::2]))
        self.at = 0

    def __getitem__(self, command):
        for i in range(self.at, len(self.answers)):
            if self.answers[i][0] == command:
                self.at = i + 1
                return self.answers[i][1]
        raise AssertionError(f"{command!r} was not run behind the {self.at}. command\n{self}")

    def __str__(self):
        return "\n".join(f"(gospect) {c}\n{a}" for c, a in self.answers) + f"\n{self.result}"


def arrow(answer):
    """The number and text of the line with the arrow; None: there is none."""
    match = re.search(r"^→ *(\d+)  (.*)$", answer, re.M)
    return (int(match[1]), match[2]) if match else None


PROMPT = "(gospect) "


class Typed(Terminal):
    """gospect debug on a terminal: type() a command, and read until the next prompt."""

    def __init__(self, gospect, tmp_path, *args):
        super().__init__([gospect.path, "debug", *args], rows=50, columns=100,
                         env={"XDG_STATE_HOME": str(tmp_path / "state"), "GOSPECT_PAGER": "cat"})

    def prompt(self, n):
        """Waits for the n-th prompt; the text of what came before it."""
        before = self.wait_for(lambda text: text.count(PROMPT) >= n, f"prompt {n}").text().split(PROMPT)[n - 1]
        self.ready()
        return before

    def ready(self):
        """The line editor shows its prompt before it takes the terminal: until then Ctrl-D means something else."""
        end = time.monotonic() + 20
        while termios.tcgetattr(self.fd)[3] & termios.ICANON and time.monotonic() < end:
            time.sleep(0.005)

    def interrupt(self, n):
        """Ctrl-C, again while the program has not begun to run (then it is for a line that is gone)."""
        end = time.monotonic() + 60
        while self.text().count(PROMPT) < n and time.monotonic() < end:
            self.press("\x03")
            until = time.monotonic() + 2
            while self.text().count(PROMPT) < n and time.monotonic() < until:
                self.read(0.05)
        return self.prompt(n)

    def settle(self):
        """A Ctrl-C that came when all was answered is the prompt's, which is shown again: behind the next command that
        has been dealt with, and prompts can be counted."""
        begin = len(self.text())
        self.press("help exit\n")
        self.wait_for(lambda text: PROMPT in text[begin:].partition("help exit")[2], "what it was asked")
        self.ready()

    def type(self, line):
        n = self.text().count(PROMPT) + 1
        self.press(line + "\n")
        return self.prompt(n)
