"""What dbg/ says of a process or a core, read through the program dbg_dump."""
import json
import subprocess

from lib.evidence import build_dir


class Failed(Exception):
    """dbg_dump's own error message."""


def ask(target, *words):
    """The JSON of a command; target: a pid, or the path of a core."""
    kind = "pid" if str(target).isdigit() else "core"
    done = subprocess.run([build_dir() / "tests" / "tools" / "dbg_dump", kind, str(target),
                           *(str(w) for w in words)], text=True, check=False, timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        raise Failed(done.stderr)
    return json.loads(done.stdout)


def find_frame(target, func):
    """(goroutine, number) of the first frame of a function."""
    return next((g["id"], i) for g in ask(target, "frames", 0)
                for i, f in enumerate(g["frames"]) if f["func"] == func)


def evaluate(target, where, exprs):
    """The answers to expressions, in a frame as find_frame() gives it."""
    return ask(target, "eval", *where, *exprs)
