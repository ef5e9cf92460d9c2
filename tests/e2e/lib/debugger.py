"""The debugger's mechanism, driven by lines of text (tests/tools/debugger.c), and facts of its targets."""
import os
import re
import subprocess

from lib.paths import build_dir

PROGRAM = build_dir() / "tests" / "tools" / "debugger"


class Refused(Exception):
    """The debugger answered ERR."""


class Event:
    """What debug_wait() said: kind, and numbers as attributes."""

    def __init__(self, line):
        self.kind, *pairs = line.split()
        for pair in pairs:
            name, value = pair.split("=")
            setattr(self, name, int(value, 0))

    def __repr__(self):
        return f"Event({vars(self)})"


class Debugger:
    """One session; close() it, or kill() it."""

    def __init__(self, *args):
        self.popen = subprocess.Popen([str(a) for a in (PROGRAM, *args)], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1)
        self.pid = int(self._answer())

    @staticmethod
    def program():
        return PROGRAM

    def _answer(self):
        line = self.popen.stdout.readline()
        if not line:
            raise Refused(f"ended with {self.popen.wait()}: {self.popen.stderr.read()}")
        if line.startswith("OK"):
            return line[3:].strip()
        raise Refused(line.strip())

    def ask(self, *words):
        self.popen.stdin.write(" ".join(hex(w) if isinstance(w, int) and w > 9999 else str(w) for w in words) + "\n")
        self.popen.stdin.flush()
        return self._answer()

    def site(self, addr, how="go"):
        return int(self.ask("site", addr, how))

    def hits(self, site):
        return int(self.ask("hits", site))

    def wait(self, ms=10000):
        return Event(self.ask("wait", ms))

    def step(self, tid):
        return Event(self.ask("step", tid))

    def halt(self):
        self.ask("halt")
        return self.wait()

    def run_to(self, ms=10000):
        """Lets everybody run to the next event."""
        self.ask("resume")
        return self.wait(ms)

    def pc(self, tid):
        return int(re.search(r"pc=(\S+)", self.ask("regs", tid)).group(1), 0)

    def threads(self):
        return {int(t): int(pc, 0) for t, pc in (w.split(":") for w in self.ask("threads").split())}

    def memory(self, addr, n):
        return bytes.fromhex(self.ask("read", addr, n))

    def cost(self):
        return {k: int(v) for k, v in (w.split("=") for w in self.ask("cost").split())}

    def close(self, how="let"):
        self.ask("close", how)
        self.popen.wait(10)
        self._drop()

    def kill(self):
        self.popen.kill()
        self.popen.wait(10)
        self._drop()

    def _drop(self):
        for pipe in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            pipe.close()


def symbols(program):
    """Addresses of functions and variables, as the linker gave them."""
    out = subprocess.run(["nm", str(program)], check=True, stdout=subprocess.PIPE, text=True).stdout
    rows = (line.split() for line in out.splitlines())
    return {row[2]: int(row[0], 16) for row in rows if len(row) == 3}


def slide(pid, program):
    """How far a position independent program was moved."""
    header = subprocess.run(["readelf", "-lW", str(program)], check=True, stdout=subprocess.PIPE, text=True).stdout
    first = min(int(m, 16) for m in re.findall(r"^\s+LOAD\s+\S+\s+(0x\w+)", header, re.M))
    real = os.path.realpath(program)
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps:
        lowest = min(int(line.split("-")[0], 16) for line in maps if line.rstrip().endswith(real))
    return lowest - (first & ~0xfff)


def text_of(pid, program):
    """Pairs of the bytes that the file has and that memory has, for each executable part."""
    header = subprocess.run(["readelf", "-lW", str(program)], check=True, stdout=subprocess.PIPE, text=True).stdout
    move = slide(pid, program)
    data = open(program, "rb").read()
    pairs = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for off, vaddr, size, flags in re.findall(r"^\s+LOAD\s+(\S+)\s+(\S+)\s+\S+\s+(\S+)\s+\S+\s+(.*?)\s+0x\w+$",
                                                  header, re.M):
            if "E" in flags:
                off, vaddr, size = int(off, 16), int(vaddr, 16), int(size, 16)
                mem.seek(vaddr + move)
                pairs.append((data[off:off + size], mem.read(size)))
    return pairs


def text_is_whole(pid, program):
    return all(file == memory for file, memory in text_of(pid, program))


def changed(pid, program):
    """Where memory differs from the file (for messages)."""
    return [(i, a, b) for file, memory in text_of(pid, program)
            for i, (a, b) in enumerate(zip(file, memory)) if a != b][:10]
