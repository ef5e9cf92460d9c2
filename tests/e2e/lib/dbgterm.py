"""The terminal debugger, driven through a pipe: commands in, and what each of them answered.

The answers come from the debugger's own transcript, where each stands below its command; what the program itself
prints is not in there but in `.out`.
"""
import re


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
