"""Reads of /proc that the tests need.  A process that is gone reads as nothing, never as an error."""
import os
import pathlib


def read(*parts):
    """The bytes of a file below /proc, b"" when it is gone."""
    try:
        return pathlib.Path("/proc", *map(str, parts)).read_bytes()
    except OSError:
        return b""


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def threads(pid):
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []


def status(pid, tid=None):
    """/proc/PID[/task/TID]/status as a dict."""
    text = read(pid, "status") if tid is None else read(pid, "task", tid, "status")
    pairs = (line.split(":", 1) for line in text.decode(errors="replace").splitlines()
             if ":" in line)
    return {key: value.strip() for key, value in pairs}


def state(pid, tid=None):
    """The letter of the state (R S D T t Z X), "" when gone."""
    return status(pid, tid).get("State", "")[:1]


def start_ticks(pid):
    """When it was started, in the kernel's ticks (10 ms) since boot: field 22 of stat; 0 when gone."""
    fields = read(pid, "stat").rpartition(b")")[2].split()  # from field 3 on; a name may hold blanks
    return int(fields[19]) if fields else 0


def children(pid):
    """The pids whose parent this is."""
    return [other for other in pids() if status(other).get("PPid") == str(pid)]


def runs(pid, program):
    """Whether this is the program it runs."""
    try:
        return os.path.samefile(f"/proc/{pid}/exe", program)
    except OSError:
        return False


def with_environment(variable, value):
    """Every process started with this variable, and every copy of its memory."""
    wanted = f"{variable}={value}".encode()
    return [pid for pid in pids() if wanted in read(pid, "environ").split(b"\0")]


def blocked_in_syscall(pid, tid, number):
    """Whether this thread sleeps in this system call."""
    words = read(pid, "task", tid, "syscall").split()
    return bool(words) and words[0] == str(number).encode() and state(pid, tid) == "S"
