"""Runs commands and targets, and takes the figures of both."""
import contextlib
import http.client
import json
import pathlib
import subprocess
import tempfile

from lib import gobuild
from lib.paths import ROOT
from lib.process import Target, assert_unharmed

RELEASE = "1.26"  # of the targets
BENCH = ROOT / "bench"


class Failed(Exception):
    """A tool could not do the work; the text says why and goes into the report."""


def compiled_measure():
    """The path of measure.c's program."""
    program = ROOT / "build-release" / "bench-measure"
    source = BENCH / "measure.c"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-D_GNU_SOURCE", "-o", program, source],
                       check=True)
    return program


def available_gib():
    """Memory that is not in use."""
    for line in open("/proc/meminfo", encoding="ascii"):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) / 2**20
    return 0.0


class Cost:
    """What one command cost; out and err are what it wrote."""

    def __init__(self, figures, out, err):
        self.wall_ms, self.cpu_ms = figures["wall_ms"], figures["cpu_ms"]
        self.peak_mib = figures["peak_kib"] / 1024
        self.exit, self.signal = figures["exit"], figures["signal"]
        self.out, self.err = out, err


def cost_of(argv, stdin="", timeout=1800, keep_output=True):
    """Runs a command; keep_output=False throws away what it prints to stdout (as `> /dev/null`)."""
    with tempfile.TemporaryDirectory() as folder:
        figures = pathlib.Path(folder) / "figures"
        command = [compiled_measure(), figures, *map(str, argv)]
        try:
            done = subprocess.run(command, input=stdin, text=True, check=False, timeout=timeout,
                                  stdout=subprocess.PIPE if keep_output else subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, errors="replace")
        except subprocess.TimeoutExpired as problem:
            raise Failed(f"not done after {timeout} s") from problem
        return Cost(json.loads(figures.read_text()), done.stdout or "", done.stderr)


class Pulse:
    """A target that feels its own pulse (bench/targets/hb)."""

    def __init__(self, name, *arguments, env=None):
        """env: of the build."""
        program = gobuild.build(RELEASE, "default", BENCH / "targets" / f"target-{name}", env=env)
        self.folder = tempfile.TemporaryDirectory()
        self.target = Target([program, *arguments], cwd=self.folder.name)
        self.pid = self.target.pid
        self._connection = None

    def wait(self):
        """Until it is ready: a large heap takes its time."""
        self.target.wait_line(r"^READY .*", patience=1200)
        self.target.wait_ready()
        host, port = self.target.ready["addr"].rsplit(":", 1)
        self._connection = http.client.HTTPConnection(host, int(port), timeout=600)
        return self

    def get(self, path):
        self._connection.request("GET", path)
        return json.loads(self._connection.getresponse().read())

    def reset(self):
        self.get("/hb")

    def beat(self):
        """The longest time that it stood still since the last reset, in ms."""
        return self.get("/hb")["max_ms"]

    def close(self):
        if self._connection:
            self._connection.close()
        self.target.close()
        self.folder.cleanup()


@contextlib.contextmanager
def pulse(name, *arguments, env=None):
    target = Pulse(name, *arguments, env=env)
    try:
        yield target.wait()
        assert_unharmed(target.target)
    finally:
        target.close()
