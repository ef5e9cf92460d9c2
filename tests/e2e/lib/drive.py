"""Drives a debugging session through tests/tools/dbg_drive: one command, one answer."""
import contextlib
import json
import os
import re
import subprocess

from lib.paths import TARGETS, build_dir


def driver_path():
    """The program that was built beside gospect."""
    return build_dir() / "tests" / "tools" / "dbg_drive"


def labels(package):
    """Where the comments "// name" of a target's sources stand: name -> line."""
    found = {}
    for path in sorted((TARGETS / package).glob("*.go")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.search(r"\S\s*// ([a-z]+(:[a-z0-9]+)?)$", line)
            if match:
                found[match[1]] = number
    return found


class Drive:
    """A session; `logs` collects what log points said."""

    def __init__(self, *args, env=None):
        self.popen = subprocess.Popen(  # pylint: disable=consider-using-with
            [str(driver_path()), *map(str, args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, bufsize=1, env={**os.environ, **(env or {})})
        self.logs, self.changes = [], []
        first = self.answer()
        assert first.get("ok"), first

    def answer(self):
        """The next answer that is not a message."""
        while True:
            line = self.popen.stdout.readline()
            assert line, "the driver has ended"
            told = json.loads(line)
            if told.get("event") == "log":
                self.logs.append(told)
            elif told.get("event") in ("bp", "module"):
                self.changes.append(told)
            else:
                return told

    def send(self, command):
        """One command without looking at its answer."""
        self.popen.stdin.write(command + "\n")
        self.popen.stdin.flush()

    def __call__(self, command):
        self.send(command)
        return self.answer()

    def breakpoint(self, spec):
        """A new breakpoint's id."""
        told = self("break " + spec)
        assert "id" in told, told
        return told["id"]

    def list(self):
        """Breakpoints by id."""
        return {row["id"]: row for row in self("list")["list"]}

    def kill(self):
        """The driver alone: what is under it sees a debugger that has been killed."""
        self.popen.kill()
        self.popen.wait()
        self.close_pipes()

    def close_pipes(self):
        """Of a driver that has ended by itself, or was killed."""
        with contextlib.suppress(BrokenPipeError):
            self.popen.stdin.close()
        self.popen.stdout.close()

    def close(self):
        """Kills the program with its debugger."""
        if self.popen.poll() is None:
            self.popen.stdin.close()
        self.popen.wait(60)
        self.popen.stdout.close()
