"""Targets that check their own work (tests/targets/harm), and what must be as it was after we looked."""
import os
import pathlib
import re
import subprocess
import tempfile

from lib import procfs
from lib.paths import build_dir
from lib.process import assert_unharmed, wait_until
from lib.releases import all_releases
from lib.tool import default_preset

OLDEST, NEWEST = all_releases()[0], all_releases()[-1]
RELEASES = (OLDEST, "1.24", NEWEST)
PATIENCE = 120  # seconds until a call counts as hanging


# ---- the freezer (tests/tools/freezer.c): the room that stops processes, without the rest ----

def freezer_argv(pid, **options):
    path = build_dir(default_preset()) / "tests" / "tools" / "freezer"
    return [str(path), str(pid), *(f"{key}={value}" for key, value in options.items())]


def freezer(pid, prefix=(), check=0, **options):
    """Runs it to its end and returns its lines.  check: its exit code; None: any that it has itself."""
    done = subprocess.run([*prefix, *freezer_argv(pid, **options)], check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE)
    allowed = (0, 3) if check is None else (check,)
    assert done.returncode in allowed, (done.returncode, done.stdout, done.stderr)
    return done.stdout.splitlines()


def start_freezer(pid, **options):
    return subprocess.Popen(freezer_argv(pid, **options), text=True, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def frozen(lines):
    """The rounds that were made, as dicts of what their lines say."""
    rounds = [line for line in lines if line.startswith("FROZEN ")]
    return [dict(re.findall(r"(\w+)=(.*?)(?= \w+=|$)", line)) for line in rounds]


# Where no thread can lend its registers for half a second, as may be on a busy machine, the process is stopped instead.
BUSY = ("none of its threads", "its main thread does not stop")
TRIES = 5


def not_busy(look, why):
    """What look() yields; once more, but not for ever, when the machine was too busy for a copy, as why(it) says."""
    for _ in range(TRIES):
        seen = look()
        if not any(words in (why(seen) or "") for words in BUSY):
            return seen
    raise AssertionError(seen)


def why_of(lines):
    """Why the freezer's rounds were no copies."""
    return " ".join(one["why"] for one in frozen(lines))


def copied(pid, **options):
    """The lines of a round in which a copy was made."""
    lines = not_busy(lambda: freezer(pid, **options), why_of)
    assert frozen(lines)[0]["kind"] == "copy", lines
    return lines


def killed_at(pid, step, **options):
    """A freezer that dies in this step of a copy."""
    def look():
        with start_freezer(pid, die=step, **options) as ours:
            lines = ours.communicate(timeout=PATIENCE)[0].splitlines()
        assert ours.returncode == (0 if frozen(lines) else -9), (step, ours.returncode, lines)
        return lines
    assert not frozen(not_busy(look, why_of)), step


# ---- everything that stops or copies a process ----

def looks(gospect, pid, folder, loops=0, parents=("init", "target")):
    """As command lines; loops: rounds of the freezer (0: until it is killed), parents: who gets the copy."""
    def ours(*args):
        return [str(gospect.path), *map(str, args)]
    copies = [{"parent": parent, "read": read} for read in (1, 0) for parent in parents]
    freezes = [*copies, {"how": "stop", "hold": 1}, {"how": "keep", "read": 1},
               {"how": "sample"},
               {"how": "core", "file": folder / "a.core"}]
    return [
        *(freezer_argv(pid, loops=loops, **options) for options in freezes),
        ours("goroutines", pid),
        ours("goroutines", pid, "--consistency", "goroutine"),
        ours("snapshot", pid, "--force", "-o", folder / "a.gsnap"),
        ours("core", pid, "--force", "-o", folder / "b.core"),
        ours("doctor", pid, "--for", "20ms"),
    ]


def look(gospect, argv, codes=(0, 1)):
    """Runs one of them to its end and returns its exit code: 1 is a finding of doctor."""
    done = subprocess.run(argv, check=False, text=True, env=gospect.environment(), timeout=PATIENCE,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode in codes, (argv, done.returncode, done.stdout[-2000:], done.stderr)
    return done


def look_in_every_way(gospect, target, loops=4, parents=("init", "target")):
    """Each of them succeeds, and sees the process as a copy where it says that it makes one."""
    with tempfile.TemporaryDirectory() as folder:
        for argv in looks(gospect, target.pid, pathlib.Path(folder), loops, parents):
            look(gospect, argv)


# ---- the target's own opinion ----

def work(target):
    """How often each job has gone round.  The target refuses when one of them went wrong."""
    return {name: int(n) for name, n in (pair.split("=") for pair in target.ask("check").split())}


def assert_work_goes_on(target):
    """Every job goes on, and none of them has found anything wrong."""
    before, stuck = work(target), {"?"}

    def all_went_on():
        now = work(target)
        stuck.clear()
        stuck.update(name for name, n in before.items() if now[name] <= n)
        return not stuck
    wait_until(all_went_on, stuck)


# ---- the opinion of the kernel ----

def text_of(pid):
    """The machine code in memory, by what the file says it should be: {address: same?}."""
    same = {}
    for line in procfs.read(pid, "maps").decode().splitlines():
        words = line.split(maxsplit=5)
        if words[1][2] != "x" or len(words) < 6 or not words[5].startswith("/"):
            continue
        start, end = (int(word, 16) for word in words[0].split("-"))
        with open(f"/proc/{pid}/mem", "rb") as memory, \
                open(f"/proc/{pid}/root{words[5]}", "rb") as file:
            memory.seek(start)
            file.seek(int(words[2], 16))
            expected = file.read(end - start)
            same[words[0]] = memory.read(end - start)[:len(expected)] == expected
    return same


class Before:
    """What a process looked like before; assert_same() says what is different now."""

    def __init__(self, target):
        self.target, self.pid = target, target.pid
        assert_work_goes_on(target)  # all it needs is open now
        self.files = self.open_files()
        self.oom = procfs.read(self.pid, "oom_score_adj")
        self.masks = {procfs.status(self.pid, tid).get("SigBlk") for tid in procfs.threads(self.pid)}
        self.limits = procfs.read(self.pid, "limits")

    def open_files(self):
        return sorted(os.listdir(f"/proc/{self.pid}/fd"), key=int)

    def thread_oddities(self):
        """Threads that have a signal mask or a scheduling policy that no thread had before."""
        odd = []
        for tid in procfs.threads(self.pid):
            mask = procfs.status(self.pid, tid).get("SigBlk")
            policy = procfs.read(self.pid, "task", tid, "stat").rpartition(b")")[2].split()[38:39]
            if mask not in self.masks | {None} or policy not in ([b"0"], []):
                odd.append(f"thread {tid} has mask {mask}, policy {policy}")
        return odd

    def assert_same(self):
        assert_unharmed(self.target)
        seen = []
        wait_until(lambda: not seen.clear() and not seen.extend(self.thread_oddities()) and not seen,
                   seen, patience=10)  # a thread that is being made has a mask for a moment
        assert self.open_files() == self.files, (self.open_files(), self.files)
        assert procfs.read(self.pid, "oom_score_adj") == self.oom
        assert procfs.read(self.pid, "limits") == self.limits
        code = text_of(self.pid)
        assert code and all(code.values()), f"machine code was changed: {code}"
        assert_work_goes_on(self.target)


def copies_of(target):
    """Processes that carry the target's mark and are not it."""
    from lib import process  # pylint: disable=import-outside-toplevel
    return [pid for pid in procfs.with_environment(process.MARK, target.mark)
            if pid != target.pid and pid not in target.company()]


def cgroup_v1(controller):
    """The directory of our own group, below which others can be made; None where that is not so."""
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            folder = pathlib.Path("/sys/fs/cgroup", controller) / path.lstrip("/")
            return folder if os.access(folder, os.W_OK) else None
    return None
