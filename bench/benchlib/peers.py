"""The other tools: how to get them, and how they do the work."""
import functools
import pathlib
import re
import shutil
import tempfile

from lib import gobuild, real

from benchlib.measure import Failed, cost_of

# name: (package for go install, what it is).  Pinned; the newest that supports the targets' release.
GO_PEERS = {
    "dlv": ("github.com/go-delve/delve/cmd/dlv@v1.27.2", "Delve, the Go debugger"),
    "goref": ("github.com/cloudwego/goref/cmd/grf@3a10bfe", "heap references from outside"),
    "viewcore": ("golang.org/x/debug/cmd/viewcore@4da508d", "reads Go cores"),
    "gops": ("github.com/google/gops@v0.3.28", "lists Go processes"),
}


@functools.lru_cache(maxsize=None)
def peer(name):
    """The path of a peer; Failed says why it cannot be had."""
    package, _ = GO_PEERS[name]
    try:
        return real.go_install(name, "1.26", "default", package)
    except gobuild.BuildError as problem:
        lines = [line for line in str(problem).splitlines() if "go: " in line or "server" in line]
        text = re.sub(r"https?://\S+", "the module proxy", " ".join(" ".join(lines[-2:]).split()))
        raise Failed("cannot be installed: " + text) from problem


@functools.lru_cache(maxsize=None)
def version(name):
    """What the peer calls itself."""
    if name == "gcore":
        return cost_of(["gdb", "--version"]).out.splitlines()[0]
    program = peer(name)
    if name == "dlv":
        return re.search(r"Version: (\S+)", cost_of([program, "version"]).out).group(1)
    return GO_PEERS[name][0].split("@")[1]


def dlv(pid, *commands):
    """Attaches, says the commands, and leaves; the answer to the last question is: do not kill it."""
    script = "".join(f"{line}\n" for line in (*commands, "exit", "n"))
    done = cost_of([peer("dlv"), "attach", pid, "--allow-non-terminal-interactive=true"],
                   stdin=script)
    if done.exit != 0:
        raise Failed(f"exit code {done.exit}: {done.err[-300:]}")
    return done


def dlv_goroutines(pid, stacks):
    """All goroutines; with stacks as deep as the targets' are."""
    done = dlv(pid, "config max-string-len 64", "goroutines" + (" -t 100" if stacks else ""))
    match = re.search(r"\[(\d+) goroutines\]", done.out)
    if not match:
        raise Failed(f"no list: {done.out[-200:]} {done.err[-200:]}")
    done.listed = int(match.group(1))
    return done


def gcore(pid):
    """A core by gdb; returns the cost and the size of the file, which is removed."""
    if not shutil.which("gcore"):
        raise Failed("gdb is not installed")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        done = cost_of(["gcore", "-o", f"{folder}/core", pid])
        files = list(pathlib.Path(folder).iterdir())
        if done.exit != 0 or not files:
            raise Failed(f"exit code {done.exit}: {done.err[-300:]}")
        done.bytes = files[0].stat().st_blocks * 512
    return done


def goref(pid):
    """Attaches, and writes who refers to what; minutes and gigabytes for a large heap."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        done = cost_of([peer("goref"), "attach", pid, "-o", f"{folder}/grf.out"])
    if done.exit != 0:
        raise Failed(f"exit code {done.exit}: {done.err[-300:]}")
    return done


def viewcore(pid):
    """A core by gdb, and viewcore's histogram of it: both together."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        core = cost_of(["gcore", "-o", f"{folder}/core", pid])
        files = list(pathlib.Path(folder).iterdir())
        if core.exit != 0 or not files:
            raise Failed(f"gcore: exit code {core.exit}: {core.err[-300:]}")
        done = cost_of([peer("viewcore"), files[0], "histogram"])
    if done.exit != 0:
        raise Failed(f"exit code {done.exit}: {done.err[-300:]}")
    done.wall_ms += core.wall_ms
    done.cpu_ms += core.cpu_ms
    return done
