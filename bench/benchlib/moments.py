"""The row about `snapshot --at, --when, --every`: what waiting costs the target, and how long an event stops it."""
import contextlib
import json
import signal
import subprocess

from lib import gobuild
from lib.process import Target

from benchlib.measure import RELEASE, Failed

EVENTS = 5
PARKED = 10000
# who, its arguments, how the target is made to come there, calls that are measured while it waits for something else
WAYS = (
    ("--at gc-start", ["--at", "gc-start"], "collect", 20000),
    ("--at gc-mark-done", ["--at", "gc-mark-done"], "collect", 20000),
    ("--at gc-end", ["--at", "gc-end"], "collect", 20000),
    ("--at syscall:prctl", ["--at", "syscall:prctl"], "name bench", 20000),
    ("--at main.walk", ["--at", "main.walk"], "walk 1", 20000),
    ("--at main.step --if turn==-1", ["--at", "main.step", "--if", "turn == -1"], "", 2000),
    ("--when runq>100000", ["--when", "runq>100000"], "", 20000),
)


@contextlib.contextmanager
def waiting(bench, target, arguments, *more):
    run = subprocess.Popen([bench.program, "snapshot", str(target.pid), "--json", *arguments, *more],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        note = run.stderr.readline()
        if b"waiting" not in note:
            raise Failed(note.decode())
        yield run
    finally:
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)


def rates(target, calls):
    """ns of a call and of a system call: the least of three."""
    seen = [[float(v) for v in target.ask(f"rate {calls}").split()] for _ in range(3)]
    return [min(values) for values in zip(*seen)]


def measure_way(bench, target, way, plain, entry, directory):
    who, arguments, come, calls = way
    with waiting(bench, target, arguments):
        call, syscall = rates(target, calls)
    entry.note = f"while it waits, a call takes {call:.0f} ns ({plain[0]:.0f}), a system call {syscall:.0f} ns ({plain[1]:.0f})"
    for _ in range(EVENTS if come else 0):
        with waiting(bench, target, arguments, "-o", f"{directory}/%n.gsnap") as run:
            target.ask(come)
            seen = json.loads(run.stdout.readline())
        entry.pause_ms.append(seen["pause_ns"] / 1e6)
        entry.wall_ms.append(seen["took_ns"] / 1e6)


def moments(bench, new_entry, directory):
    """For each way to choose the moment: an entry."""
    target = Target([gobuild.build(RELEASE, "default", "moments")], env={"GOGC": "off"})
    try:
        target.wait_ready()
        target.ask(f"park {PARKED}")
        plain = rates(target, WAYS[0][3])
        for way in WAYS:
            entry = new_entry(way[0])
            try:
                measure_way(bench, target, way, plain, entry, directory)
            except (Failed, AssertionError, ValueError) as problem:
                entry.error = str(problem)
            yield entry
        entry = new_entry("--every 10ms")
        done = bench.gospect("snapshot", target.pid, "--json", "--every", "10ms", "--count", EVENTS, "-o",
                             f"{directory}/%n.gsnap")
        for line in done.out.splitlines():
            entry.pause_ms.append(json.loads(line)["pause_ns"] / 1e6)
            entry.wall_ms.append(json.loads(line)["took_ns"] / 1e6)
        yield entry
    finally:
        target.close()
