"""Programs in namespaces of their own, as containers are made of, and gospect beside or inside them."""
import functools
import subprocess

import pytest

# What unshare makes.  The program is pid 1 of its namespace wherever there is a new one.
SPACES = {
    "pid": ["--pid", "--fork"],
    "pid and mounts": ["--pid", "--mount", "--fork", "--mount-proc"],
    "user, pid, mounts": ["--user", "--map-root-user", "--pid", "--mount", "--fork", "--mount-proc"],
}


@functools.lru_cache(maxsize=None)
def allowed(*flags):
    return subprocess.run(["unshare", *flags, "true"], check=False, stderr=subprocess.DEVNULL).returncode == 0


def need(*flags):
    """Skips the test, loudly, where such namespaces may not be made."""
    if not allowed(*flags):
        pytest.skip(f"NOT TESTED: this machine does not let us run unshare {' '.join(flags)}")


def start(run_go, program, flags, wrapper=(), argv=(), **options):
    """The target in namespaces of its own; `wrapper` starts it there, with what follows as its arguments."""
    need(*flags)
    # a wrapper (unshare) must not be taken for the program
    return run_go(type(program)("/usr/bin/env"), "unshare", *flags, *wrapper, *(argv or [program]),
                  inside=program, **options)


def enter(pid, *names):
    """The words before a command that run it in namespaces of a process: enter(pid, "pid", "mount")."""
    return ["nsenter", "--target", str(pid), *(f"--{name}" for name in names)]
