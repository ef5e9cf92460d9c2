"""The rows about debugging: gospect and dlv do the same work, asked in the same words (DAP)."""
import contextlib
import pathlib
import re
import socket
import subprocess
import tempfile
import time

from lib import dapclient, real

from benchlib import peers
from benchlib.measure import Failed, pulse

HOT = "main.work"                   # of target-calls; it has arguments a and s
FALSE = "a == -1"                   # a is never negative
MESSAGE = "a is {a}, s is {s}"
TICKS = "go.etcd.io/raft/v3.(*node).Tick"  # etcd calls it every 100 ms
SECONDS = 3                         # that hits are counted for


class Adapter:
    """A debug adapter with one client; peak() is its largest resident set, in MiB."""

    def __init__(self, command, listens=False):
        self.began = time.monotonic()
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.errors)
        if listens:
            self.client = self.dialled()
        else:
            self.client = dapclient.Client(self.process.stdout.fileno(), self.process.stdin.fileno(),
                                           schema=False)

    def dialled(self):
        text = b""
        while not (found := re.search(rb"listening at: 127\.0\.0\.1:(\d+)", text)):
            piece = self.process.stdout.read1()
            if not piece:
                raise Failed(f"the adapter did not start: {text}")
            text += piece
        fd = socket.create_connection(("127.0.0.1", int(found.group(1)))).detach()
        return dapclient.Client(fd, fd, schema=False)

    def attach(self, pid, **more):
        """Attached, and the program runs on; begun holds the seconds that it took."""
        c = self.client
        c.initialize()
        seq = c.send("attach", processId=pid, mode="local", stopOnEntry=False, **more)
        c.event("initialized")
        return seq

    def go(self, seq):
        self.client.ask("configurationDone")
        self.client.wait(seq) # dlv answers attach only now

    def peak(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", text).group(1)) / 1024

    def cpu(self):
        """Seconds of processor time so far."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def close(self):
        try:
            if self.process.poll() is None:
                self.client.send("disconnect", terminateDebuggee=False)
                self.drain()
                self.process.wait(20)
        except (OSError, subprocess.TimeoutExpired, AssertionError):
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            with contextlib.suppress(OSError):
                stream.close()

    def drain(self):
        """Until the adapter has nothing more to say."""
        while not self.client.closed and self.process.poll() is None:
            self.client.read_some(0.2)


@contextlib.contextmanager
def adapter(bench, who):
    command = [bench.program, "dap"] if who == "gospect" else [peers.peer("dlv"), "dap", "--listen",
                                                               "127.0.0.1:0"]
    a = Adapter(command, listens=who != "gospect")
    try:
        yield a
    except dapclient.Refused as problem:
        raise Failed(str(problem)) from problem
    finally:
        a.close()


def measured(entry, runs, once):
    """Runs once(entry) several times; a failure becomes the entry's error."""
    try:
        for _ in range(runs):
            once(entry)
    except (Failed, AssertionError) as problem:
        entry.error = str(problem)
    return entry


def rate(target):
    """Calls of the hot function in one second; what the client reads meanwhile is thrown away."""
    def calls():
        return int(target.get("/hb")["extra"])
    return calls


def hits(bench, who, target, place, **point):
    """One more than nothing at the hot function: what each call costs."""
    def once(entry):
        with adapter(bench, who) as a:
            seq = a.attach(target.pid)
            answer = a.client.set_breakpoints(place[0], [{"line": place[1], **point}])
            if not answer[0]["verified"]:
                raise Failed(answer[0].get("message", "not verified"))
            a.go(seq)
            calls = rate(target)
            time.sleep(0.3)
            first, began, cpu = calls(), time.monotonic(), a.cpu()
            while time.monotonic() - began < SECONDS:
                a.client.read_some(0.05)
            n, elapsed = calls() - first, time.monotonic() - began
            if not n:
                raise Failed("the program stands")
            entry.hit_us.append(elapsed * 1e6 / n)
            entry.cpu_us.append((a.cpu() - cpu) * 1e6 / n)
            entry.peak_mib.append(a.peak())
            entry.note = f"{n / elapsed:,.0f} hits a second"
    return once


def points(entry_type, **point):
    def row(bench):
        with pulse("calls", 0) as target:
            place = where(bench, target.pid, HOT)
            yield measured(entry_type("gospect dap"), bench.runs,
                           hits(bench, "gospect", target, place, **point))
        with contextlib.suppress(AssertionError), pulse("calls", 0) as target: # which dlv may leave harmed
            yield measured(entry_type("dlv dap"), 1, hits(bench, "dlv", target, place, **point))
    return row


def first_frame(c):
    stop = c.stopped()
    return c.ask("stackTrace", threadId=stop["threadId"], startFrame=0, levels=1)["stackFrames"][0]


def where(bench, pid, function):
    """(path, line) of a function that is met often."""
    with adapter(bench, "gospect") as a:
        seq = a.attach(pid)
        a.client.ask("setFunctionBreakpoints", breakpoints=[{"name": function}])
        a.go(seq)
        frame = first_frame(a.client)
        return frame["source"]["path"], frame["line"]


def work_with(bench, who, pid, place):
    """Attach, a breakpoint by line, a stop, its locals; wall is until the breakpoint is in."""
    def once(entry):
        with adapter(bench, who) as a:
            seq = a.attach(pid)
            attached = time.monotonic()
            c = a.client
            answer = c.set_breakpoints(place[0], [place[1]])
            if not answer[0]["verified"]:
                raise Failed(answer[0].get("message", "not verified"))
            a.go(seq)
            ready = time.monotonic()
            frame = first_frame(c)
            if not c.locals(frame):
                raise Failed("no locals")
            entry.wall_ms.append((ready - a.began) * 1e3)
            entry.cpu_ms.append(a.cpu() * 1e3)
            entry.peak_mib.append(a.peak())
            entry.note = (f"attached after {(attached - a.began) * 1e3:.0f} ms, locals shown after "
                          f"{(time.monotonic() - a.began) * 1e3:.0f} ms")
    return once


def attach(entry_type):
    def row(bench):
        with tempfile.TemporaryDirectory() as folder:
            etcd = real.Etcd(folder)
            try:
                etcd.start()
                place = where(bench, etcd.target.pid, TICKS)
                for who, runs in (("gospect", bench.runs), ("dlv", 3)):
                    yield measured(entry_type(who + " dap"), runs,
                                   work_with(bench, who, etcd.target.pid, place))
            finally:
                if etcd.target:
                    etcd.target.close()
    return row


def snapshot(entry_type):
    """All goroutines with their stacks, to a client that is attached already; dlv: as many as it tells.  Until the
    (last) answer has arrived: what our client needs to understand it is not the tool's."""
    def ours(a, entry):
        began = time.monotonic()
        body = a.client.ask("goroutinesSnapshot", includeStacks=True, maxDepth=100)
        entry.wall_ms.append((a.client.arrived - began) * 1e3)
        frames = sum(len(g["stack"]) for g in body["goroutines"])
        entry.pause_ms.append(body["pause_ns"] / 1e6)
        entry.note = f"{len(body['goroutines']):,} goroutines, {frames:,} frames"

    def theirs(a, entry):
        c = a.client
        began = time.monotonic()
        c.ask("pause", threadId=0)
        c.stopped()
        threads = c.ask("threads")["threads"]
        frames = sum(len(c.ask("stackTrace", threadId=t["id"], startFrame=0, levels=100)["stackFrames"])
                     for t in threads)
        entry.wall_ms.append((c.arrived - began) * 1e3)
        entry.note = f"{len(threads):,} goroutines, {frames:,} frames"

    def row(bench):
        with pulse("goroutines", 10000) as target:
            for who, runs, once in (("gospect", bench.runs, ours), ("dlv", 1, theirs)):
                entry = entry_type(who + " dap")
                try:
                    with adapter(bench, who) as a:
                        a.go(a.attach(target.pid))
                        for _ in range(runs):
                            once(a, entry)
                        entry.peak_mib.append(a.peak())
                except (Failed, AssertionError) as problem:
                    entry.error = str(problem)
                yield entry
    return row
