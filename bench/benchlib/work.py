"""The rows of the report: what is measured, with which target, by whom.

To add a row: a function that takes the Bench and yields Entry objects, and a line in ROWS.
"""
import contextlib
import dataclasses
import json
import pathlib
import tempfile

from lib import gobuild
from lib.paths import ROOT
from lib.process import Target

from benchlib import debug, moments, peers
from benchlib.measure import BENCH, RELEASE, Failed, cost_of, pulse


@dataclasses.dataclass
class Entry:
    """What one tool needed for one row; lists have one figure per run."""
    who: str
    wall_ms: list = dataclasses.field(default_factory=list)
    cpu_ms: list = dataclasses.field(default_factory=list)
    stopped_ms: list = dataclasses.field(default_factory=list)  # felt by the target
    pause_ms: list = dataclasses.field(default_factory=list)    # our own figure
    peak_mib: list = dataclasses.field(default_factory=list)
    hit_us: list = dataclasses.field(default_factory=list)      # from one hit of a breakpoint to the next
    cpu_us: list = dataclasses.field(default_factory=list)      # the tool's own time for one hit
    note: str = ""
    error: str = ""


class Bench:
    """The settings of a run."""

    def __init__(self, quick=False, program=ROOT / "build-release" / "gospect"):
        self.quick, self.program = quick, program
        self.runs = 3 if quick else 7
        self.heap_gib = 0.5 if quick else 4
        self.many = 20000 if quick else 100000

    def gospect(self, *arguments, keep_output=True, allowed=(0,)):
        done = cost_of([self.program, *arguments], keep_output=keep_output)
        if done.exit not in allowed:
            raise Failed(f"exit code {done.exit}: {done.err[-300:]}")
        return done


def repeated(who, runs, target, once, note=""):
    """Runs once() several times and gathers its figures; a failure becomes the entry's error."""
    entry = Entry(who, note=note)
    try:
        for _ in range(runs):
            if target:
                target.reset()
            done = once()
            if target:
                entry.stopped_ms.append(target.beat())
            entry.wall_ms.append(done.wall_ms)
            entry.cpu_ms.append(done.cpu_ms)
            entry.peak_mib.append(done.peak_mib)
            if getattr(done, "pause_ms", None) is not None:
                entry.pause_ms.append(done.pause_ms)
            entry.note = getattr(done, "note", entry.note)
    except Failed as problem:
        entry.error = str(problem)
    return entry


def floor(target, runs):
    """What the heartbeat shows when nobody does anything: the noise of the machine."""
    entry = Entry("nobody (floor of the method)")
    for _ in range(runs):
        answer = target.get("/idle?ms=500")
        entry.wall_ms.append(answer["wall_ms"])
        entry.stopped_ms.append(answer["hb"]["max_ms"])
    return entry


def in_process(who, runs, target, path, note=""):
    """Go's own functions, called inside the target."""
    entry = Entry(who, note=note)
    for _ in range(runs):
        answer = target.get(path)
        if answer["err"]:
            entry.error = answer["err"]
            break
        entry.wall_ms.append(answer["wall_ms"])
        entry.cpu_ms.append(answer["cpu_ms"])
        entry.stopped_ms.append(answer["hb"]["max_ms"])
    return entry


def grouped_text(bench, target, consistency):
    def once():
        done = bench.gospect("goroutines", target.pid, "--consistency", consistency)
        seen = bench.gospect("goroutines", target.pid, "--consistency", consistency, "--json",
                             "--limit", 1, "--depth", 1)
        done.pause_ms = json.loads(seen.out)["pause_ns"] / 1e6
        return done
    return once


def goroutines(count):
    """count goroutines with their whole stacks, grouped, as text."""
    def row(bench):
        number = min(count, bench.many)
        with pulse("goroutines", number) as target:
            yield floor(target, bench.runs)
            for consistency in ("process", "goroutine"):
                yield repeated(f"gospect --consistency {consistency}", bench.runs, target,
                               grouped_text(bench, target, consistency))
            runs = 1 if number > 50000 else 3
            yield repeated("dlv, list with stacks", runs, target,
                           lambda: peers.dlv_goroutines(target.pid, True))
            yield repeated("dlv, list without stacks", runs, target,
                           lambda: peers.dlv_goroutines(target.pid, False))
            yield in_process("runtime.Stack (in process)", 3, target, "/stackall?mb=1024")
            yield in_process("pprof goroutine, debug=2 (in process)", 3, target,
                             "/profile?name=goroutine&debug=2", "cut at 64 MiB by the runtime")
    return row


def with_pause(bench, allowed, *arguments):
    """A command whose JSON says how long the target stood still."""
    def once():
        done = bench.gospect(*arguments, "--json", allowed=allowed)
        done.pause_ms = json.loads(done.out)["pause_ns"] / 1e6
        return done
    return once


def waits(bench):
    """Who waits for whom, and which of 100,000 goroutines can never run again; the runtime's own profile beside it."""
    with pulse("goroutines", bench.many, env={"GOEXPERIMENT": "goroutineleakprofile"}) as target:
        yield floor(target, bench.runs)
        yield repeated("gospect leaks", bench.runs, target, with_pause(bench, (0, 1), "leaks", target.pid))
        yield repeated("gospect waits", bench.runs, target, with_pause(bench, (0,), "waits", target.pid))
        yield repeated("gospect deadlock", bench.runs, target, with_pause(bench, (0, 1), "deadlock", target.pid))
        yield in_process("pprof goroutineleak (in process)", 3, target, "/profile?name=goroutineleak&debug=1")


def counters(bench):
    """Attach, read one set of the runtime's counters, leave."""
    with pulse("goroutines", 1000) as target:
        yield floor(target, bench.runs)
        yield repeated("gospect info", bench.runs, target,
                       lambda: bench.gospect("info", target.pid))
        yield repeated("dlv attach, detach", bench.runs, target, lambda: peers.dlv(target.pid))


def core_by_gospect(bench, target, folder):
    def once():
        path = pathlib.Path(folder) / "core"
        done = bench.gospect("core", target.pid, "-o", path, "--json")
        done.pause_ms = json.loads(done.out)["pause_ns"] / 1e6
        done.note = f"file of {path.stat().st_blocks * 512 / 1e9:.2f} GB"
        path.unlink()
        return done
    return once


def core_by_gcore(target):
    def once():
        done = peers.gcore(target.pid)
        done.note = f"file of {done.bytes / 1e9:.2f} GB"
        return done
    return once


def core(bench):
    """A core file of a process with a large heap."""
    with pulse("heap", bench.heap_gib) as target, tempfile.TemporaryDirectory(dir="/var/tmp") as d:
        yield floor(target, bench.runs)
        yield repeated("gospect core", 3, target, core_by_gospect(bench, target, d))
        yield repeated("gcore", 1, target, core_by_gcore(target))


def heap_by_gospect(bench, subject, *arguments):
    def once():
        done = bench.gospect("heap", subject, "--json", "--limit", 20, *arguments)
        seen = json.loads(done.out)
        done.pause_ms = (seen["pause_ns"] or 0) / 1e6
        done.note = f"{seen['live_objects']:,} live objects, {seen['live_bytes'] / 1e9:.2f} GB"
        return done
    return once


def heap(gib, with_peers=True):
    """The object graph of a large heap, with types, dominators and retained sizes."""
    def row(bench):
        size = gib * bench.heap_gib / 4
        with pulse("heap", size) as target, tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            snap = pathlib.Path(folder) / "heap.gsnap"
            yield floor(target, bench.runs)
            yield repeated("gospect heap", 5, target, heap_by_gospect(bench, target.pid))
            yield repeated("gospect snapshot --heap", 1, target,
                           lambda: bench.gospect("snapshot", target.pid, "--heap", "--force", "-o", snap))
            yield repeated("gospect heap, of the snapshot", 3, None, heap_by_gospect(bench, snap))
            if with_peers:
                yield repeated("goref attach", 1, target, lambda: peers.goref(target.pid))
                yield repeated("gcore, viewcore histogram", 1, target,
                               lambda: peers.viewcore(target.pid))
    return row


def heap_difference(bench):
    """Two snapshots of one heap, compared object by object."""
    size = bench.heap_gib / 4
    with pulse("heap", size) as target, tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        paths = [pathlib.Path(folder) / name for name in ("a.gsnap", "b.gsnap")]
        for path in paths:
            bench.gospect("snapshot", target.pid, "--heap", "-o", path)
        yield repeated("gospect mem diff", 3, None, lambda: bench.gospect("mem", "diff", *paths))


def processes(bench):
    """ps with 50 Go processes."""
    program = gobuild.build(RELEASE, "default", BENCH / "targets" / "target-goroutines")
    with contextlib.ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        started = []
        for _ in range(50):
            started.append(Target([program, "100"], cwd=folder))
            stack.callback(started[-1].close)
        for target in started:
            target.wait_ready()

        def ours():
            done = bench.gospect("ps", "--json", "--limit", 0)
            seen = {p["pid"] for p in json.loads(done.out)["processes"]}
            if not {t.pid for t in started} <= seen:
                raise Failed("did not list all of the 50 processes")
            return done
        yield repeated("gospect ps", bench.runs, None, ours)
        yield repeated("gops", bench.runs, None, gops, note="without goroutines and heap")


def gops():
    done = cost_of([peers.peer("gops")])
    if done.exit != 0:
        raise Failed(f"exit code {done.exit}: {done.err[-300:]}")
    return done


# GiB of memory that rows take, target included: with less they run only when they are named.
NEEDS_GIB = {"heap-4g": 10}

# id, title, function
def chosen_moments(bench):
    """Snapshots of 1,000 to 100,000 goroutines at a moment: wall is from the moment to the file, pause the target's."""
    with tempfile.TemporaryDirectory() as directory:
        yield from moments.moments(bench, Entry, directory)


ROWS = [
    ("goroutines-100k", "100,000 goroutines with full stacks, grouped, as text", goroutines(100000)),
    ("goroutines-10k", "10,000 goroutines with full stacks, grouped, as text", goroutines(10000)),
    ("waits-100k", "100,000 goroutines: wait graph, and proof of leaks", waits),
    ("counters", "attach, read one set of counters, leave (1,000 goroutines)", counters),
    ("moments", "snapshots of 1,000, 10,000 and 100,000 goroutines at a chosen moment", chosen_moments),
    ("core", "core file of a process with a 4.3 GB heap", core),
    ("ps", "list 50 Go processes", processes),
    ("heap-1g", "object graph of a 1.1 GB heap", heap(1)),
    ("heap-4g", "object graph of a 4.3 GB heap", heap(4, with_peers=False)),
    ("heap-diff", "difference of two snapshots of a 1.1 GB heap", heap_difference),
    ("condition", "a breakpoint with a condition that is false", debug.points(Entry, condition=debug.FALSE)),
    ("log-point", "a log point with two values", debug.points(Entry, logMessage=debug.MESSAGE)),
    ("debug-attach", "attach to etcd (38 MB), a breakpoint by line, a stop, its locals", debug.attach(Entry)),
    ("dap-10k", "10,000 goroutines with stacks to a DAP client", debug.snapshot(Entry)),
]
