"""Memory that runs out, ours or the target's: we say so, and the process that we look at goes on."""
import contextlib
import os

import resource
import signal
import subprocess
import sys
import uuid

import pytest

from lib import harm, procfs
from lib.debugger import Debugger, Refused
from lib.process import assert_unharmed, wait_until

pytestmark = pytest.mark.releases(harm.NEWEST)

MIB = 1 << 20
HEADROOM = 12 * MIB  # enough for a copy to begin with; not for all pages that are written to
LOADER = 127  # the dynamic loader found no memory; we have not begun


# The next one that the kernel takes, after the copy and before the target.
GREEDY = """
kept = []
while True:
    kept.append(bytearray(1 << 20))
"""


def one_line(text):
    return " ".join(text.split())


# ---- our memory ----

@pytest.mark.parametrize("kind", ("RLIMIT_AS", "RLIMIT_DATA"))
def test_our_memory_is_limited(gospect, go_build, run_go, release, kind, tmp_path):
    """From too little to begin with up to enough: it succeeds, or says what is short and exits with 3."""
    target = run_go(go_build(release, "default", "harm"))
    before, ends = harm.Before(target), set()
    commands = [["goroutines", target.pid], ["goroutines", target.pid, "--consistency", "goroutine"],
                ["snapshot", target.pid, "--force", "-o", tmp_path / "a.gsnap"],
                ["core", target.pid, "--force", "-o", tmp_path / "a.core"]]
    for n, size in enumerate(int(MIB * 2 * 1.12 ** i) for i in range(32)):
        args = [str(arg) for arg in commands[n % len(commands)]]
        done = subprocess.run([gospect.path, *args], check=False, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=gospect.environment(), timeout=harm.PATIENCE,
                              preexec_fn=lambda s=size: resource.setrlimit(getattr(resource, kind), (s, s)))
        assert done.returncode in (0, 3, LOADER, -signal.SIGSEGV if size < 4 * MIB else 0), (size, done)
        if done.returncode == 3:
            assert "memory" in one_line(done.stderr), (size, done)
        ends.add(done.returncode)
        assert_unharmed(target)
    before.assert_same()
    assert {0, 3} <= ends


# ---- control groups ----

@pytest.fixture
def group():
    """A memory group below our own; only version 1 can be made where processes of ours are in the parent."""
    parent = harm.cgroup_v1("memory")
    if parent is None:
        pytest.skip("NOT TESTED: no memory control group of version 1 can be made here")
    folder = parent / f"gospect-test-{uuid.uuid4().hex[:12]}"
    folder.mkdir()
    yield folder
    with contextlib.suppress(OSError):
        (folder / "memory.limit_in_bytes").write_text("-1")
    wait_until(lambda: not (folder / "cgroup.procs").read_text(), "the group does not become empty")
    folder.rmdir()


def number(group, name):
    return int((group / name).read_text())


def limit(group, headroom):
    """So much more than what is used now."""
    (group / "memory.limit_in_bytes").write_text(str(number(group, "memory.usage_in_bytes") + headroom))


def killed(group):
    """How many the kernel has killed for memory in this group."""
    lines = dict(line.split() for line in (group / "memory.oom_control").read_text().splitlines())
    return int(lines.get("oom_kill", 0))


def joins(group):
    return lambda: (group / "cgroup.procs").write_text(str(os.getpid()))


def test_a_heap_too_large_for_us_is_refused_beforehand(gospect, group, go_build, run_go, release):
    """How much is needed and how much is left is said; nothing is begun."""
    shop = run_go(go_build(release, "default", "shop"))
    shop.ask("grow 4000000")
    limit(group, 64 * MIB)
    done = subprocess.run([gospect.path, "heap", str(shop.pid)], check=False, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=gospect.environment(), timeout=harm.PATIENCE,
                          preexec_fn=joins(group))
    assert done.returncode == 3 and "the heap needs about" in one_line(done.stderr), done
    assert_unharmed(shop)
    assert killed(group) == 0


def start(group, run_go, program, headroom):
    target = run_go(program, preexec=joins(group), env={"GOGC": "10"})  # it does not grow by itself
    before = None
    if program.name == "harm":
        wait_until(lambda: harm.work(target)["pages"] > 2000, "it does not get to all of its pages")
        before = harm.Before(target)
    limit(group, headroom)
    return target, before


def test_no_headroom_for_a_copy(gospect, group, go_build, run_go, release, tmp_path):
    """It is read directly, and told why; the core as well."""
    target, _ = start(group, run_go, go_build(release, "default", "hello"), 3 * MIB)
    frozen, = harm.frozen(harm.freezer(target.pid))
    assert frozen["kind"] == "stop" and "there is no room for a copy" in frozen["why"], frozen
    seen = gospect("goroutines", target.pid, "--json", check=0).json
    assert "there is no room for a copy" in seen["method_why"] and seen["consistency"] == "process"
    text = gospect("goroutines", target.pid, check=0)
    assert "no room for a copy" in one_line(text.out + text.err) and "main.wait" in text.out
    core = tmp_path / "a.core"
    gospect("core", target.pid, "-o", core, check=0)
    assert "main.wait" in gospect("goroutines", core, check=0).out
    assert killed(group) == 0


def test_the_copy_is_given_up_in_time(group, go_build, run_go, release):
    """The process writes to its pages while the copy is held; nobody has to be killed by the kernel."""
    target, before = start(group, run_go, go_build(release, "default", "harm"), HEADROOM)
    with holding(target) as ours:
        wait_until(lambda: not harm.copies_of(target), "the copy is held although memory runs short")
        assert ours.poll() is None
    before.assert_same()
    assert killed(group) == 0


def test_the_copy_of_a_debugger_is_given_up_in_time(group, go_build, run_go, release):
    """The same while the process is debugged: nothing else happens that would wake the one who must look."""
    target, before = start(group, run_go, go_build(release, "default", "harm"), HEADROOM)
    debugger = Debugger("attach", target.pid)
    for _ in range(20):
        with contextlib.suppress(Refused):  # nobody was asleep
            debugger.ask("copy")
            break
        debugger.ask("resume")
        debugger.halt()
    tid, pc = next(iter(debugger.threads().items()))
    assert debugger.memory(pc, 1) and harm.copies_of(target) and tid
    debugger.ask("resume")
    wait_until(lambda: not harm.copies_of(target), "the copy is held although memory runs short")
    with pytest.raises(Refused, match="given up: memory of"):
        debugger.memory(pc, 1)
    debugger.ask("thaw")
    debugger.close()
    before.assert_same()
    assert killed(group) == 0


def test_the_copy_is_killed_first(group, go_build, run_go, release):
    """When we do not look (we are stopped) and somebody else uses the memory up, the kernel takes the copy.

    Not brought about by writes of the target alone: with several threads in want of memory the kernel may kill
    once more before what the first one had is free again, with a copy or without.
    """
    target = run_go(go_build(release, "default", "harm"), preexec=joins(group))
    before = harm.Before(target)
    with holding(target) as ours:
        copy, = harm.copies_of(target)
        wait_until(lambda: procfs.read(copy, "oom_score_adj") == b"1000\n", "it does not offer itself")
        ours.send_signal(signal.SIGSTOP)
        wait_until(lambda: procfs.state(ours.pid) == "T", "it does not stop")
        (group / "memory.limit_in_bytes").write_text(str(number(group, "memory.usage_in_bytes") + 96 * MIB))
        with subprocess.Popen([sys.executable, "-c", GREEDY], preexec_fn=joins(group)) as greedy:
            wait_until(lambda: killed(group), "nobody was killed")
            wait_until(lambda: procfs.state(copy) in ("Z", ""), "it was somebody else")
            greedy.kill()
        ours.send_signal(signal.SIGCONT)
        wait_until(lambda: not harm.copies_of(target), "the copy is left")
    before.assert_same()


@contextlib.contextmanager
def holding(target):
    """The freezer, holding a copy for as long as it likes."""
    ours = harm.start_freezer(target.pid, hold=10 * harm.PATIENCE * 1000, steps=1)
    try:
        for line in ours.stdout:
            assert not line.startswith(("FROZEN", "ERR")), line
            if line == "STEP copy is ours\n":
                break
        yield ours
    finally:
        ours.kill()
        ours.communicate()


def test_we_are_killed_for_memory(gospect, group, go_build, run_go, release, tmp_path):
    """Our own group is too small: the kernel kills us in the middle of it."""
    target = run_go(go_build(release, "default", "harm"))
    before, ends = harm.Before(target), set()
    for headroom in range(1, 12):
        (group / "memory.limit_in_bytes").write_text(str(headroom * MIB))
        done = subprocess.run([gospect.path, "core", str(target.pid), "--force", "-o", tmp_path / "a.core"],
                              check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=gospect.environment(), preexec_fn=joins(group), timeout=harm.PATIENCE)
        ends.add(done.returncode)
        assert done.returncode in (0, 3, -signal.SIGKILL), done
        before.assert_same()
    assert 0 in ends
