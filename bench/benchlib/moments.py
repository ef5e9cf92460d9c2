"""The row about `snapshot --at, --when, --every`: what waiting costs the target, and how long an event stops it."""
import contextlib
import json
import signal
import subprocess

from lib import gobuild
from lib.process import Target

from benchlib.measure import RELEASE, Failed

EVENTS = 5
PARKED = (1000, 10000, 100000)
RATES_AT = 10000  # what waiting costs does not depend on how many goroutines there are
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


def measure_rates(bench, target, way, plain):
    _, arguments, _, calls = way
    with waiting(bench, target, arguments):
        call, syscall = rates(target, calls)
    return (f"while it waits, a call takes {call:.0f} ns ({plain[0]:.0f}), "
            f"a system call {syscall:.0f} ns ({plain[1]:.0f})")


def take(entry, seen):
    entry.pause_ms.append(seen["pause_ns"] / 1e6)
    entry.wall_ms.append(seen["took_ns"] / 1e6)
    if seen["method_why"]:  # held while it was read
        entry.note += f"; without a copy: {seen['method_why']}"


def measure_events(bench, target, way, entry, directory):
    _, arguments, come, _ = way
    for _ in range(EVENTS):
        with waiting(bench, target, arguments, "-o", f"{directory}/%n.gsnap") as run:
            target.ask(come)
            take(entry, json.loads(run.stdout.readline()))


def at_size(bench, new_entry, directory, n):
    target = Target([gobuild.build(RELEASE, "default", "moments")], env={"GOGC": "off"})
    try:
        target.wait_ready()
        target.ask(f"park {n}")
        plain = rates(target, WAYS[0][3])
        for way in WAYS:
            if n != RATES_AT and not way[2]:
                continue
            entry = new_entry(f"{way[0]}, {n:,} goroutines")
            try:
                entry.note = measure_rates(bench, target, way, plain) if n == RATES_AT else ""
                if way[2]:
                    measure_events(bench, target, way, entry, directory)
            except (Failed, AssertionError, ValueError) as problem:
                entry.error = str(problem)
            yield entry
        entry = new_entry(f"--every 10ms, {n:,} goroutines")
        done = bench.gospect("snapshot", target.pid, "--json", "--every", "10ms", "--count", EVENTS, "-o",
                             f"{directory}/%n.gsnap")
        for line in done.out.splitlines():
            take(entry, json.loads(line))
        yield entry
    finally:
        target.close()


def moments(bench, new_entry, directory):
    """For each way to choose the moment, and so many goroutines: an entry."""
    for n in PARKED[:2] if bench.quick else PARKED:
        yield from at_size(bench, new_entry, directory, n)
