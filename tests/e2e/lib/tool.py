"""Runs gospect and returns what it said."""
import json
import os
import pathlib
import subprocess
import threading

from lib.paths import build_dir

SANITIZER_EXIT = 99
SANITIZER_ENV = {
    "ASAN_OPTIONS": f"exitcode={SANITIZER_EXIT}:detect_leaks=1:allocator_may_return_null=1",
    "UBSAN_OPTIONS": f"exitcode={SANITIZER_EXIT}:halt_on_error=1:print_stacktrace=1",
    "LSAN_OPTIONS": f"exitcode={SANITIZER_EXIT}",
}
PATIENCE = 300  # seconds until a call counts as hanging


def rest_of(popen, patience=60):
    """What a started program still writes until it ends: stdout and stderr.

    For those whose lines were read one by one: communicate() reads past the file objects, and so
    loses what readline() has read ahead.
    """
    errors = []
    reader = threading.Thread(target=lambda: errors.append(popen.stderr.read()))
    guard = threading.Timer(patience, popen.kill)
    reader.start()
    guard.start()
    out = popen.stdout.read()
    popen.wait()
    guard.cancel()
    reader.join()
    return out, errors[0]


class Result:
    """Exit code, stdout and stderr of one call; .json parses stdout."""

    def __init__(self, argv, code, out, err):
        self.argv, self.code, self.out, self.err = argv, code, out, err

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def json_lines(self):
        return [json.loads(line) for line in self.out.splitlines() if line.strip()]

    @property
    def said(self):
        """What it wrote to stderr, in one line: where lines are broken depends on how long the paths in them are."""
        return " ".join(self.err.split())

    def __str__(self):
        return (f"$ {' '.join(self.argv)}\nexit code {self.code}\n--- stdout\n{self.out[-8000:]}\n"
                f"--- stderr\n{self.err[-8000:]}")


class Gospect:
    """The program under test.  gospect("ps", "--json") runs it to its end."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        if not self.path.exists():
            raise AssertionError(f"{self.path} is not there: run ./dev build [PRESET] (or set GOSPECT_BIN)")

    def environment(self, extra=None):
        """What it runs with: no colour, no pager, findings of sanitizers as exit code 99."""
        return {**os.environ, "NO_COLOR": "1", "TERM": "dumb", "LC_ALL": "C.UTF-8",
                **SANITIZER_ENV, **(extra or {})}

    def __call__(self, *args, check=None, env=None, stdin=b"", timeout=PATIENCE, cwd=None):
        """check: the exit code (or codes) that the call must end with; None accepts 0 to 3."""
        argv = [str(self.path), *map(str, args)]
        done = subprocess.run(argv, env=self.environment(env), input=stdin, cwd=cwd, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)
        result = Result(argv, done.returncode, done.stdout.decode(errors="replace"),
                        done.stderr.decode(errors="replace"))
        allowed = (0, 1, 2, 3) if check is None else (check,) if isinstance(check, int) else check
        assert result.code in allowed, f"expected exit code {allowed}\n{result}"
        return result

    def start(self, *args, env=None, **popen):
        """Starts it without waiting; the caller ends it (the fixture `gospect_start` does)."""
        popen.setdefault("stdin", subprocess.DEVNULL)
        popen.setdefault("stdout", subprocess.PIPE)
        popen.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen([str(self.path), *map(str, args)], env=self.environment(env),
                                **popen)


def default_preset():
    """The build that a plain run tests: GOSPECT_PRESET (./dev asan sets it), else dev."""
    return os.environ.get("GOSPECT_PRESET", "dev")


def program(preset):
    """GOSPECT_BIN when it is set, else the program of a preset's build directory."""
    return Gospect(os.environ.get("GOSPECT_BIN") or build_dir(preset) / "gospect")
