"""Starts Go targets and judges afterwards that nothing was done to them.

Every target gets its own process group and a variable in its environment that no other has: a
forked copy left behind by a tool carries it, too, so it is found whoever its parent is.
"""
import contextlib
import fcntl
import os
import re
import select
import signal
import subprocess
import threading
import time
import uuid

from lib import procfs

MARK = "GOSPECT_TEST_TARGET"
WRITE_SYSCALL = 1
FILL = b"." * 4096  # fills the pipe for dumps, so that the target's first write blocks
END_OF_DUMP = b"\nEND OF DUMP\n"
ADDR_NO_RANDOMIZE = 0x0040000
PATIENCE = 60  # seconds until a wait gives up: a guard against hanging, no expectation of speed


def wait_until(condition, what, patience=PATIENCE):
    """Waits until condition() is true and returns its value; fails the test with `what`."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience} s in vain: {what}")
        time.sleep(0.01)


class Target:
    """A running program.  Its output is collected by a thread, so it never blocks on us.

    With `inside`, argv starts something (unshare) that stays and has the program as its descendant:
    pid is the program's, as soon as it is ready.
    """

    def __init__(self, argv, env=None, cwd=None, dump_pipe=False, preexec=None, inside=None):
        self.mark, self.inside = uuid.uuid4().hex, inside
        self.lines, self.errors = [], []
        self._changed = threading.Condition()
        self._dump = None  # the (read, write) ends of the pipe for dumps
        environment = {**os.environ, "GOTRACEBACK": "all", **(env or {}), MARK: self.mark}
        pass_fds = []
        if dump_pipe:
            self._dump = os.pipe()
            fcntl.fcntl(self._dump[1], fcntl.F_SETPIPE_SZ, len(FILL))
            pass_fds = [self._dump[1]]
            environment["DUMP_FD"] = str(self._dump[1])
        self.popen = subprocess.Popen(  # pylint: disable=consider-using-with
            [str(word) for word in argv], env=environment, cwd=cwd, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            pass_fds=pass_fds, preexec_fn=preexec)
        self.pid = self.popen.pid
        self._readers = [self._reader(self.popen.stdout, self.lines),
                         self._reader(self.popen.stderr, self.errors)]
        self.ready = {}

    def _reader(self, stream, lines):
        def run():
            for raw in stream:
                with self._changed:
                    lines.append(raw.decode(errors="replace").rstrip("\n"))
                    self._changed.notify_all()
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    @property
    def stdout(self):
        return "\n".join(self.lines)

    @property
    def stderr(self):
        return "\n".join(self.errors)

    def alive(self):
        return self.popen.poll() is None

    def wait_line(self, pattern, start=0, patience=PATIENCE):
        """Waits for a line of stdout from number `start` on that matches; returns the match."""
        regex = re.compile(pattern)
        end = time.monotonic() + patience
        with self._changed:
            while True:
                for line in self.lines[start:]:
                    match = regex.search(line)
                    if match:
                        return match
                start = len(self.lines)
                if not self.alive() or time.monotonic() > end:
                    break
                self._changed.wait(0.1)
        raise AssertionError(f"target {self.pid} (exit code {self.popen.poll()}) never wrote "
                             f"{pattern!r}; it wrote:\n{self.stdout}\n{self.stderr}")

    def wait_ready(self, word="READY"):
        """Waits for `READY key=value ...`; the pairs are kept in self.ready."""
        line = self.wait_line(rf"^{word}\b.*").group(0)
        self.ready = dict(pair.split("=", 1) for pair in line.split()[1:] if "=" in pair)
        if self.inside:
            self.pid, = (pid for pid in procfs.with_environment(MARK, self.mark)
                         if procfs.runs(pid, self.inside))
        return self

    def company(self):
        """The processes that are there because of how it was started."""
        return [pid for pid in procfs.with_environment(MARK, self.mark)
                if pid != self.pid and not procfs.runs(pid, self.inside)] if self.inside else []

    def ask(self, command):
        """Sends a line to the target (lib.Commands) and returns its answer without the `OK `."""
        start = len(self.lines)
        self.popen.stdin.write(command.encode() + b"\n")
        self.popen.stdin.flush()
        answer = self.wait_line(r"^(OK|ERR)\b ?(.*)", start)
        if answer.group(1) == "ERR":
            raise AssertionError(f"target refused {command!r}: {answer.group(2)}")
        return answer.group(2)

    def signal(self, number):
        os.kill(self.pid, number)

    def frozen_dump(self):
        """Makes the target write pprof goroutine (debug=2) and waits until it is stuck in that write.

        Needs run_go(dump_pipe=True) and lib.Dumps() in the target.  The pipe is full, so the
        goroutine that wrote cannot go on: what a tool sees now is what the dump says.  Returns a
        function that reads the dump and so lets the target go on.
        """
        os.write(self._dump[1], FILL)
        self.signal(signal.SIGUSR2)
        wait_until(lambda: any(procfs.blocked_in_syscall(self.pid, tid, WRITE_SYSCALL)
                               for tid in procfs.threads(self.pid)),
                   "the target never blocked in writing its dump")
        return self._read_dump

    def _read_dump(self):
        data = b""
        while not data.endswith(END_OF_DUMP):
            if not select.select([self._dump[0]], [], [], PATIENCE)[0]:
                raise AssertionError("the target did not go on with its dump")
            data += os.read(self._dump[0], 65536)
        return data[len(FILL):-len(END_OF_DUMP)].decode()

    def close(self):
        """Ends the target and what it started, by pid; nothing else is touched."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
        for thread in self._readers:
            thread.join(5)
        for stream in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            with contextlib.suppress(OSError):
                stream.close()
        for fd in self._dump or ():
            os.close(fd)
        self._dump = None
        for pid in procfs.with_environment(MARK, self.mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def without_aslr():
    """Old race runtimes cannot place their shadow memory under today's address randomisation."""
    import ctypes  # pylint: disable=import-outside-toplevel
    ctypes.CDLL(None).personality(ADDR_NO_RANDOMIZE)


def harms(target, children=()):
    """What is wrong with the target, as sentences; empty when nothing is."""
    pid, found, company = target.pid, [], target.company()
    if not target.alive():
        return [f"it ended with {target.popen.returncode}: {target.stderr[-2000:]}"]
    for tid in procfs.threads(pid):
        fields = procfs.status(pid, tid)
        if fields.get("State", "")[:1] in ("T", "t", "Z"):
            found.append(f"thread {tid} is {fields['State']}")
        if fields.get("TracerPid", "0") != "0":
            found.append(f"thread {tid} is traced by {fields['TracerPid']}")
    found += [f"child {child} is left ({procfs.state(child)})"
              for child in procfs.children(pid) if child not in children]
    found += [f"a copy is left: pid {other} ({procfs.state(other)})"
              for other in procfs.with_environment(MARK, target.mark)
              if other != pid and other not in children and other not in company]
    return found


def assert_unharmed(target, children=(), patience=10):
    """Fails unless the target lives, runs, is not traced and has no leftover child or copy.

    children: the pids of children that the target itself has.  What a tool needs a moment to
    finish (an orphan being reaped by init) is given that moment: patience, in seconds.
    """
    end = time.monotonic() + patience
    while True:
        found = harms(target, children)
        if not found:
            return
        if not target.alive() or time.monotonic() > end:
            raise AssertionError(f"target {target.pid} was harmed: " + "; ".join(found))
        time.sleep(0.02)
