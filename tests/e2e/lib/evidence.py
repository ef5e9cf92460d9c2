"""What rt/ captures, read through the program rt_dump: every table of a snapshot."""
import functools
import json
import os
import re
import subprocess

from lib import tool
from lib.paths import build_dir

STATES = ("idle", "runnable", "running", "syscall", "waiting", "copystack", "preempted", "leaked", "dead",
          "unknown")
WHERE = ("unknown", "go", "g0", "gsignal", "foreign")
WAITS = ("unknown", "chan receive", "chan send", "select receive", "select send", "semaphore", "cond",
         "read", "write")
FLAGS = ("system", "locked", "scan", "cgo", "async", "not validated", "partial", "parking", "panicking",
         "durable")
INLINED, FOREIGN, TOP, EXACT = 1, 2, 4, 1
WRAPPER, PANICS = 1, (2, 3, 4)  # enum snap_funcid


class Frame:
    """A frame of a stack."""

    def __init__(self, s, pc, row):
        self.pc, self.exact = s.pc["addr"][pc], bool(s.pc["flags"][pc] & EXACT)
        self.func, self.file, self.line, self.id, self.flags = "", "", 0, -1, FOREIGN
        if row is not None:
            f = s.frame
            self.func, self.file, self.line = f["func"][row], f["file"][row], f["line"][row]
            self.id, self.flags = f["func_id"][row], f["flags"][row]
        self.inlined = bool(self.flags & INLINED)

    def __repr__(self):
        return f"{self.func}{' (inlined)' if self.inlined else ''} {self.file}:{self.line}"


class Goroutine:
    """A row of the table goroutine."""

    def __init__(self, s, row):
        g = s.goroutine
        self.s, self.row = s, row
        self.addr, self.id, self.state = g["addr"][row], g["id"][row], STATES[g["status"][row]]
        self.flags = {name for bit, name in enumerate(FLAGS) if g["flags"][row] >> bit & 1}
        self.reason, self.since, self.parent = g["wait_reason"][row], g["wait_since"][row], g["parent_id"][row]
        self.bubble, self.depth, self.thread = g["bubble"][row], g["depth"][row], g["thread"][row]
        self.stack_lo, self.stack_hi, self.sp = g["stack_lo"][row], g["stack_hi"][row], g["sp"][row]

    @functools.cached_property
    def frames(self):
        return self.s.stack_frames(self.s.goroutine["stack"][self.row])

    @property
    def creator(self):
        pc = self.s.goroutine["creator"][self.row]
        return self.s.pc_frames(pc)[-1] if pc >= 0 and self.s.pc["frames"][pc] else None

    @property
    def start(self):
        pc = self.s.goroutine["start"][self.row]
        return self.s.pc_frames(pc)[-1] if pc >= 0 and self.s.pc["frames"][pc] else None

    @property
    def labels(self):
        wanted, label = self.s.goroutine["labels"][self.row], self.s.label
        return {k: v for s, k, v in zip(label["set"], label["key"], label["value"]) if wanted and s == wanted}

    @property
    def waits(self):
        w = self.s.wait
        return [(WAITS[w["kind"][i]], w["addr"][i]) for i, g in enumerate(w["goroutine"]) if g == self.row]

    @property
    def wait_ns(self):
        return int(self.s.meta["taken_mono_ns"]) - self.since if self.since else -1

    def funcs(self):
        return [f.func for f in self.frames]

    def __repr__(self):
        return f"goroutine {self.id} [{self.state} {self.reason}] {self.flags}\n" + "\n".join(
            f"    {f!r}" for f in self.frames)


class Snapshot:
    """All tables as attributes (dicts of columns), and what they mean together."""

    def __init__(self, tables):
        self.__dict__.update(tables)
        self.meta = dict(zip(tables["meta"]["key"], tables["meta"]["value"]))
        self.counters = dict(zip(tables["counter"]["name"], tables["counter"]["value"]))
        self.goroutines = [Goroutine(self, i) for i in range(len(tables["goroutine"]["id"]))]
        self.by_id = {g.id: g for g in self.goroutines}
        self.gaps = list(zip(tables["missing"]["what"], tables["missing"]["count"], tables["missing"]["why"]))

    @property
    def release(self):
        """(1, 24) of go1.24.3"""
        return tuple(map(int, re.match(r"go(\d+)\.(\d+)", self.meta["go_version"]).groups()))

    def pc_frames(self, pc):
        first, n = self.pc["frame"][pc], self.pc["frames"][pc]
        return [Frame(self, pc, row) for row in range(first, first + n)] or [Frame(self, pc, None)]

    def stack_frames(self, node):
        """All frames, innermost first, wrappers included."""
        frames = []
        while node >= 0:
            frames += self.pc_frames(self.stack["pc"][node])
            node = self.stack["parent"][node]
        return frames

    def threads(self):
        columns = list(self.thread)
        return [dict(zip(columns, row)) for row in zip(*(self.thread[c] for c in columns))]


def rt_dump_text(what, target, depth=0, env=None):
    """Runs rt_dump and returns what it prints."""
    program = build_dir() / "tests" / "tools" / "rt_dump"
    done = subprocess.run([program, what, str(target), str(depth)], check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env={**os.environ, **tool.SANITIZER_ENV, **(env or {})})
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout.decode(errors="replace")


def rt_dump(what, target, depth=0, env=None):
    """Runs rt_dump and returns its JSON."""
    return json.loads(rt_dump_text(what, target, depth, env))


def capture(pid, consistency="process", **options):
    return Snapshot(rt_dump(consistency, pid, **options))


def of_file(path):
    """A saved snapshot."""
    return Snapshot(rt_dump("snapshot", path))
