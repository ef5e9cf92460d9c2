"""The mechanism of the debugger (src/target/debug.h), without anything of Go above it.

The program under test (tests/targets/debugged) counts what it does itself: every call that it made is a hit that
must have been seen, once, and every result must be right.
"""
import os
import random
import re
import signal
import struct
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from lib import procfs
from lib.debugger import Debugger, Refused, changed, slide, symbols, text_is_whole
from lib.process import wait_until

KINDS = 24
NANOSLEEP = 35
NEWEST = "1.27"
# Who calls whom: kind1 is also what these call.
CALLERS_OF_1 = (1, 6, 11, 12, 22)
KILLS, MANY_KILLS = 30, 500
CALLS = 480  # of test_hits_that_stop_everybody_are_told_once


class Held:
    """A program, and the debugger that holds it."""

    def __init__(self, program, target, debugger, names):
        self.program, self.target, self.debugger, self.names = program, target, debugger, names
        self.slide = slide(target.pid, program) if target else 0

    def addr(self, name):
        return self.names[name] + self.slide

    def kinds(self, how="go"):
        return [self.debugger.site(self.addr(f"kind{k}"), how) for k in range(KINDS)]


@pytest.fixture
def names(go_build):
    """Of a stripped program: those of its twin, which has the same code."""
    def of(release, mode, program):
        found = symbols(program)
        return found if "kind0" in found else symbols(go_build(release, mode.replace("-stripped", "").replace(
            "stripped", "default"), "debugged"))
    return of


@pytest.fixture
def hold(go_build, run_go, names):
    """hold(release, mode) -> a Held that is attached and stands."""
    held = []

    def start(release, mode="default", attach=True, **options):
        program = go_build(release, mode, "debugged")
        target = run_go(program, env={"GOMAXPROCS": "2"}, **options)
        held.append(Held(program, target, Debugger("attach", target.pid) if attach else None,
                         names(release, mode, program)))
        return held[-1]

    yield start
    for one in held:
        if one.debugger and one.debugger.popen.poll() is None:
            one.debugger.kill()


def counts(target):
    return [int(n) for n in target.ask("calls").split()]


def expected_hits(calls):
    return [sum(calls[c] for c in CALLERS_OF_1) if k == 1 else n for k, n in enumerate(calls)]


def areas(pid):
    """Anonymous executable memory: what we put there, or nothing."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps:
        return [line.split()[0] for line in maps if "x" in line.split()[1] and len(line.split()) == 5]


def assert_left_alone(held):
    """Nothing of us is left, and the program goes on."""
    target = held.target
    assert text_is_whole(target.pid, held.program), changed(target.pid, held.program)
    assert areas(target.pid) == []
    before = counts(target)
    target.ask("go 4 200")
    target.ask("join")
    assert sum(counts(target)) == sum(before) + 800
    assert target.ask("wrong") == "0"


@pytest.mark.parametrize("mode", ("default", "pie", "cgo", "stripped", "race"))
def test_every_call_is_a_hit(hold, release, mode):
    """100 goroutines on 2 Ps, breakpoints on every kind of instruction, and nobody misses one."""
    if mode != "default" and release not in ("1.18", "1.22", NEWEST):
        pytest.skip("three releases are enough for the modes")
    held = hold(release, mode)
    sites = held.kinds()
    held.debugger.ask("resume")
    held.target.ask(f"go 100 {6 if mode == 'race' else 20}")
    held.target.ask("join")
    calls = counts(held.target)
    assert [held.debugger.hits(s) for s in sites] == expected_hits(calls)
    assert held.target.ask("wrong") == "0"
    assert held.debugger.halt().kind == "halted"
    assert held.debugger.ask("warning") == ""
    held.debugger.close()
    assert_left_alone(held)


@pytest.mark.releases("1.18", NEWEST)
def test_hits_that_stop_everybody_are_told_once(hold, release):
    """Others meet breakpoints while all are being stopped: each is told afterwards, or met again."""
    held = hold(release)
    sites = held.kinds("every=7")
    held.debugger.ask("resume")
    held.target.popen.stdin.write(b"go 40 12\njoin\n")
    held.target.popen.stdin.flush()
    told = 0
    for _ in range(CALLS + 600):  # a target that may stand any moment is asked nothing
        event = held.debugger.wait(100)
        if event.kind == "nothing":
            if len(held.target.lines) == 3:  # ready, begun, joined
                break
            continue
        assert event.kind == "site" and event.pc in [held.addr(f"kind{k}") for k in range(KINDS)]
        assert held.debugger.pc(event.tid) == event.pc
        told += 1
        held.debugger.ask("resume")
    hits = [held.debugger.hits(s) for s in sites]
    assert hits == expected_hits(counts(held.target))
    assert sum(counts(held.target)) == CALLS
    assert told == sum(n // 7 for n in hits)
    assert held.target.ask("wrong") == "0"


@pytest.mark.releases(NEWEST)
def test_adding_and_removing_while_it_runs(hold, release):
    held = hold(release)
    held.debugger.ask("resume")
    held.target.ask("go 8")
    for _ in range(15):
        sites = held.kinds()
        held.debugger.ask("sleep", 5)
        for site in sites:
            held.debugger.ask("remove", site)
    seen = [held.debugger.hits(s) for s in sites]
    assert text_is_whole(held.target.pid, held.program)
    held.target.ask("stop")
    assert [held.debugger.hits(s) for s in sites] == seen
    held.debugger.close()
    assert_left_alone(held)


def handler_of(pid):
    """Which signals it catches, as the kernel says: SIGTRAP is one that Go's runtime does."""
    return int(procfs.status(pid)["SigCgt"], 16)


@pytest.mark.releases("1.18", NEWEST)
def test_killed_under_load(hold, release):
    kill_under_load(hold(release, attach=False), KILLS)


@pytest.mark.slow
@pytest.mark.releases("1.18", "1.22", NEWEST)
@pytest.mark.modes("default", "pie", "cgo")
def test_killed_many_times(hold, release, mode):
    kill_under_load(hold(release, mode, attach=False), MANY_KILLS)


def kill_under_load(held, kills):
    """kill -9 of the debugger at any moment: the program goes on, its code becomes whole."""
    dice, target = random.Random(str(held.program)), held.target
    caught = handler_of(target.pid)
    target.ask("go 6")
    last = 0
    for n in range(kills):
        ours = subprocess.Popen([str(Debugger.program()), "attach", str(target.pid)], stdin=subprocess.PIPE,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        how = ("go", "every=40")[n % 2]
        lines = [f"site {hex(held.addr(f'kind{k}'))} {how}" for k in range(KINDS)]
        lines += ["resume"] + ["wait 20", "resume"] * 20
        with ours:
            ours.stdin.write("\n".join(lines).encode() + b"\n")
            ours.stdin.flush()
            time.sleep(dice.uniform(0, 0.06))
            ours.kill()
        wait_until(lambda: not target.alive() or text_is_whole(target.pid, held.program), "the code never became whole")
        assert target.alive(), (n, target.popen.wait(), target.stderr)
        calls = sum(counts(target))
        assert calls >= last
        last = calls
    assert sum(counts(target)) > 0
    wait_until(lambda: sum(counts(target)) > last, "it stands")
    target.ask("stop")
    assert target.ask("wrong") == "0"
    assert handler_of(target.pid) == caught
    assert len(areas(target.pid)) <= 1
    Debugger("attach", target.pid).close()  # takes out what is left
    assert_left_alone(held)


@pytest.mark.releases(NEWEST)
def test_killed_with_a_signal_in_hand(hold, release):
    """A signal that the user looks at is delivered when we are killed, unless it was dropped."""
    held = hold(release)
    for n, drop in enumerate((False, True, False)):
        debugger = held.debugger if n == 0 else Debugger("attach", held.target.pid)
        debugger.ask("signal", signal.SIGUSR1.value, 1, 1)
        debugger.ask("resume")
        held.target.signal(signal.SIGUSR1)
        event = debugger.wait()
        assert (event.kind, event.signo) == ("signal", signal.SIGUSR1)
        debugger.ask("sleep", 20)
        assert debugger.threads()
        if drop:
            debugger.ask("drop", event.tid)
        debugger.kill()
        want = (1, 1, 2)[n]
        wait_until(lambda want=want: int(held.target.ask("usr1")) >= want, "the signal was lost")
    assert held.target.ask("usr1") == "2"


@pytest.mark.releases("1.18", NEWEST)
def test_no_signal_is_lost(hold, release):
    kill_among_signals(hold(release, attach=False), KILLS // 2)


@pytest.mark.slow
@pytest.mark.releases("1.18", "1.22", NEWEST)
@pytest.mark.modes("default", "cgo")
def test_no_signal_is_lost_many_times(hold, release, mode):
    kill_among_signals(hold(release, mode, attach=False), MANY_KILLS)


def kill_among_signals(held, kills):
    """Signals come while threads are on their way past breakpoints and are stopped, and while we are killed.  None is
    lost; one may come twice, when we are killed in the instant in which it is given back."""
    dice, target = random.Random(str(held.program)), held.target
    target.ask("go 6")
    twice = 0
    for n in range(kills):
        ours = subprocess.Popen([str(Debugger.program()), "attach", str(target.pid)], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        how = ("go", "every=40")[n % 2]
        lines = [f"site {hex(held.addr(f'kind{k}'))} {how}" for k in range(KINDS)]
        lines += ["resume"] + ["wait 5", "resume"] * 400
        with ours:
            ours.stdout.readline()
            ours.stdin.write("\n".join(lines) + "\n")
            ours.stdin.flush()
            time.sleep(dice.uniform(0, 0.02))
            before = came(target)
            for more in range(1, 4):  # one at a time: of those that are pending together the kernel keeps one
                target.signal(signal.SIGUSR1)
                if more < 3:
                    wait_until(lambda want=before + more: came(target) >= want, f"a signal was lost: {n}")
            time.sleep(dice.choice((0, dice.uniform(0, 0.001))))
            ours.kill()
        wait_until(lambda want=before + 3: came(target) >= want, f"a signal was lost when we were killed: {n}")
        wait_until(lambda: text_is_whole(target.pid, held.program), "the guardian has not come")
        twice += came(target) - before - 3
    assert twice <= 2 + kills // 20, twice
    target.ask("stop")
    assert target.ask("wrong") == "0"


def came(target):
    return int(target.ask("usr1"))


@pytest.mark.releases(NEWEST)
def test_guardian_is_replaced(hold, release):
    held = hold(release)
    held.kinds()
    held.debugger.ask("resume")
    held.target.ask("go 4")
    wait_until(lambda: guardians(held.debugger), "there is no guardian")
    first = guardians(held.debugger)
    os.kill(first[0], signal.SIGKILL)
    wait_until(lambda: guardians(held.debugger) not in ([], first), "no other one came")
    held.debugger.kill()
    wait_until(lambda: text_is_whole(held.target.pid, held.program), "the code never became whole")
    held.target.ask("stop")
    assert held.target.ask("wrong") == "0"


@pytest.mark.releases("1.18", NEWEST)
def test_children_and_threads(hold, release):
    """Programs are run and threads come and go while breakpoints are in, also where the child of a vfork runs."""
    held = hold(release)
    vforks = [n for n in held.names if re.fullmatch(r"syscall\.(forkAndExecInChild1?|rawVforkSyscall|RawSyscall)"
                                                   r"(\.abi0)?", n)]
    sites = [held.debugger.site(held.addr(n)) for n in vforks]
    first, = (held.debugger.site(held.addr(n)) for n in ("kind0",))
    held.debugger.ask("resume")
    assert held.target.ask("exec 20") == "20"
    held.target.ask("threads 40")
    assert held.debugger.hits(first) == 40
    assert sum(held.debugger.hits(s) for s in sites) > 0
    assert held.debugger.halt().kind == "halted"
    held.debugger.close()
    assert_left_alone(held)


@pytest.mark.releases("1.18", NEWEST)
def test_signals_are_its_own(hold, release):
    """SIGUSR1 arrives as often as it was sent, whatever the thread is doing."""
    held = hold(release)
    sites = held.kinds()
    held.debugger.ask("resume")
    held.target.ask("go 8")
    for n in range(30):
        held.target.signal(signal.SIGUSR1)
        wait_until(lambda n=n: int(held.target.ask("usr1")) == n + 1, "a signal was lost")
    held.target.ask("stop")
    assert [held.debugger.hits(s) for s in sites] == expected_hits(counts(held.target))
    assert held.target.ask("wrong") == "0"


@pytest.mark.releases(NEWEST)
def test_signal_is_told(hold, release):
    held = hold(release)
    held.debugger.ask("signal", signal.SIGUSR1.value, 1, 1)
    held.debugger.ask("resume")
    held.target.signal(signal.SIGUSR1)
    event = held.debugger.wait()
    assert (event.kind, event.signo) == ("signal", signal.SIGUSR1)
    held.debugger.ask("resume")
    wait_until(lambda: held.target.ask("usr1") == "1", "it was not delivered")
    held.target.signal(signal.SIGUSR1)
    held.debugger.ask("drop", held.debugger.wait().tid)
    held.debugger.ask("resume")
    assert held.target.ask("usr1") == "1"


@pytest.mark.releases("1.18", NEWEST)
def test_group_stop(hold, release):
    held = hold(release)
    held.kinds()
    held.debugger.ask("resume")
    held.target.ask("go 4")
    for _ in range(3):
        held.target.signal(signal.SIGSTOP)
        held.debugger.ask("sleep", 20)
        assert held.debugger.halt().kind == "halted"
        held.debugger.ask("resume")
        held.target.signal(signal.SIGCONT)
        before = sum(counts(held.target))
        wait_until(lambda before=before: sum(counts(held.target)) > before, "it does not run")
    held.target.ask("stop")
    assert held.target.ask("wrong") == "0"


@pytest.mark.releases("1.18", NEWEST)
def test_fault_at_a_breakpoint(hold, release):
    """The copy of an instruction faults: Go's runtime sees the fault where the original is."""
    held = hold(release)
    site = held.debugger.site(held.addr("main.follow"))
    held.debugger.ask("resume")
    for n in range(3):
        assert "nil pointer" in held.target.ask("fault")
        assert held.debugger.hits(site) == n + 1


@pytest.mark.releases(NEWEST)
def test_breakpoint_of_its_own(hold, release):
    held = hold(release)
    held.debugger.ask("resume")
    held.target.popen.stdin.write(b"raise\n")
    held.target.popen.stdin.flush()
    event = held.debugger.wait()
    raise_ = next(held.names[n] for n in ("main.raise.abi0", "main.raise") if n in held.names) + held.slide
    assert (event.kind, event.pc) == ("trapped", raise_ + 1)
    held.debugger.ask("resume")
    held.target.wait_line("^OK")
    assert held.target.ask("wrong") == "0"


@pytest.mark.releases("1.18", NEWEST)
def test_watchpoint_counts_every_write(hold, release):
    held = hold(release)
    watched = held.addr("main.Watched")
    ident, slot = held.debugger.ask("watch", watched, 8, 1, "go").split()
    held.debugger.ask("resume")
    held.target.ask("watch 500")
    assert held.debugger.hits(ident) == 500
    held.debugger.halt()
    held.debugger.ask("unwatch", slot)
    ident, slot = held.debugger.ask("watch", watched, 8, 1, "stop").split()
    held.debugger.ask("resume")
    held.target.popen.stdin.write(b"watch 3\n")
    held.target.popen.stdin.flush()
    for n in range(3):
        event = held.debugger.wait()
        assert (event.kind, event.watch) == ("watch", int(slot))
        assert int.from_bytes(bytes.fromhex(held.debugger.ask("read", watched, 8)), "little") == n
        held.debugger.ask("resume")
    held.debugger.halt()
    held.debugger.close()
    held.target.ask("watch 10")


@pytest.mark.releases(NEWEST)
def test_killed_while_watching(hold, release):
    """Debug registers survive their tracer: the guardian clears them, the handler ignores what they say."""
    held = hold(release)
    held.debugger.ask("watch", held.addr("main.Watched"), 8, 1, "go")
    held.debugger.ask("resume")
    held.target.popen.stdin.write(b"watch 20000\n")
    held.target.popen.stdin.flush()
    held.debugger.ask("sleep", 20)
    held.debugger.kill()
    held.target.wait_line("^OK")
    Debugger("attach", held.target.pid).close()
    assert_left_alone(held)


def guardians(debugger):
    return [pid for pid in procfs.children(debugger.popen.pid) if procfs.status(pid).get("Name") == "gospect-guard"]


@pytest.mark.releases(NEWEST)
@pytest.mark.parametrize("end", ("let go", "killed", "killed with its guardian"))
def test_let_go_while_a_watchpoint_is_met(hold, release, end):
    """A thread that has just met it, and has not told, would die of that in the hands of nobody."""
    held, dice = hold(release, attach=False), random.Random(end)
    for _ in range(40):
        held.debugger = Debugger("attach", held.target.pid)
        held.debugger.ask("watch", held.addr("main.Watched"), 8, 1, "go")
        held.debugger.ask("resume")
        start = len(held.target.lines)
        held.target.popen.stdin.write(b"watch 3000\n")
        held.target.popen.stdin.flush()
        time.sleep(dice.uniform(0, 0.02))
        if end == "killed with its guardian":
            os.kill(held.debugger.popen.pid, signal.SIGSTOP)  # it would start another one
            for pid in guardians(held.debugger):
                os.kill(pid, signal.SIGKILL)
        if end != "let go":
            held.debugger.kill()
            held.debugger = Debugger("attach", held.target.pid)
        held.debugger.close()
        held.target.wait_line("^OK", start)
    held.target.ask("watch 10")
    assert_left_alone(held)


@pytest.mark.releases(NEWEST)
def test_let_go_while_it_is_stopped(hold, release):
    """SIGSTOP amid breakpoints: some threads stop behind theirs before they can tell.  They stay stopped, and go on from there."""
    held, dice = hold(release, attach=False), random.Random(release)
    held.target.ask("go 4")
    for n in range(40):
        held.debugger = Debugger("attach", held.target.pid)
        held.kinds()
        held.debugger.ask("resume")
        time.sleep(dice.uniform(0, 0.01))
        held.target.signal(signal.SIGSTOP)
        if n % 2:
            held.debugger.halt()
            held.debugger.ask("resume")
        held.debugger.close()
        wait_until(lambda: all(procfs.state(held.target.pid, tid) == "T" for tid in procfs.threads(held.target.pid)), "it runs")
        held.target.signal(signal.SIGCONT)
        before = sum(counts(held.target))
        wait_until(lambda before=before: sum(counts(held.target)) > before, "it does not run")
    held.target.ask("stop")
    Debugger("attach", held.target.pid).close()  # takes out what a stopped process could not be made to
    assert_left_alone(held)


def disassembled(program, name):
    """Addresses of a function's instructions."""
    out = subprocess.run(["objdump", "-d", "--no-show-raw-insn", f"--disassemble={name}", str(program)], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return [int(a, 16) for a in re.findall(r"^\s+([0-9a-f]+):\t", out, re.M)]


@pytest.mark.releases("1.18", NEWEST)
def test_steps(hold, release):
    """One instruction each, with and without a breakpoint there."""
    held = hold(release)
    stop = held.debugger.site(held.addr("kind2"), "stop")
    want = [a + held.slide for a in disassembled(held.program, "kind2")][:4]
    for middle in want[1:3]:
        held.debugger.site(middle, "stop")
    held.debugger.ask("resume")
    held.target.popen.stdin.write(b"once 2\n")
    held.target.popen.stdin.flush()
    event = held.debugger.wait()
    assert (event.kind, event.pc) == ("site", want[0])
    for pc in want[1:]:
        stepped = held.debugger.step(event.tid)
        assert (stepped.kind, stepped.pc, held.debugger.pc(event.tid)) == ("stepped", pc, pc)
    assert held.debugger.hits(stop) == 1
    held.debugger.ask("resume")
    held.target.wait_line("^OK")
    assert held.target.ask("wrong") == "0"


def sleeps_at_kind15(held):
    """Stands before the system call of kind15, which is to sleep for a while; returns the thread."""
    held.debugger.site(held.addr("kind15"), "stop")
    held.debugger.ask("resume")
    held.target.popen.stdin.write(b"once 15\n")
    held.target.popen.stdin.flush()
    tid = held.debugger.wait().tid
    below = int(re.search(r"sp=(\S+)", held.debugger.ask("regs", tid)).group(1), 0) - 256
    held.debugger.ask("write", below, struct.pack("<qq", 1, 0).hex())
    for register, value in ((0, NANOSLEEP), (5, below), (4, 0)):  # rax, rdi, rsi
        held.debugger.ask("setreg", tid, register, value)
    return tid


@contextmanager
def step_over_the_sleep(held, tid):
    """A step of this thread that has come to its system call; yields its result, which ends with the block."""
    with ThreadPoolExecutor(1) as pool:
        step = pool.submit(held.debugger.step, tid)
        wait_until(lambda: procfs.blocked_in_syscall(held.target.pid, tid, NANOSLEEP), "it does not sleep")
        yield step


@pytest.mark.releases("1.18", NEWEST)
@pytest.mark.parametrize("then", ("close", "resume", "step"))
def test_halted_in_a_step_over_a_call_that_waits(hold, release, then):
    """The kernel ends the step behind the stop that we ask for: that trap is nobody else's."""
    held = hold(release)
    tid = sleeps_at_kind15(held)
    with step_over_the_sleep(held, tid) as step:
        os.kill(held.debugger.popen.pid, signal.SIGUSR1)
        assert step.result().kind == "halted"
    if then == "step":
        assert held.debugger.step(tid).kind == "stepped"
    if then != "close":
        assert held.debugger.run_to(100).kind == "nothing"
    if then == "resume":
        held.target.wait_line("^OK")
    held.debugger.close()
    held.target.wait_line("^OK")
    assert held.target.ask("wrong") == "0"
    assert_left_alone(held)


@pytest.mark.releases("1.18", NEWEST)
def test_killed_in_a_step_over_a_call_that_waits(hold, release):
    held = hold(release)
    tid = sleeps_at_kind15(held)
    with step_over_the_sleep(held, tid) as step:
        os.kill(held.debugger.popen.pid, signal.SIGKILL)
        with pytest.raises(Refused):
            step.result()
    held.target.wait_line("^OK")
    assert held.target.ask("wrong") == "0"
    wait_until(lambda: text_is_whole(held.target.pid, held.program), "the guardian has not come")


@pytest.mark.releases("1.18", NEWEST)
def test_registers_and_memory(hold, release):
    held = hold(release)
    held.debugger.site(held.addr("kind2"), "stop")
    code = held.debugger.ask("read", held.addr("kind2"), 8)
    with open(f"/proc/{held.target.pid}/mem", "rb") as mem:
        mem.seek(held.addr("kind2"))
        assert mem.read(1) == b"\xcc" and not code.startswith("cc")
    held.debugger.ask("resume")
    held.target.popen.stdin.write(b"once 2\n")
    held.target.popen.stdin.flush()
    event = held.debugger.wait()
    assert int(held.debugger.ask("reg", event.tid, 0), 0) == 2 + 7
    held.debugger.ask("setreg", event.tid, 0, 100)  # rax: the result is wrong now
    held.debugger.ask("extended", event.tid)
    held.debugger.ask("resume")
    held.target.wait_line("^OK")
    assert held.target.ask("wrong") == "1"
    held.debugger.halt()
    held.debugger.ask("write", held.addr("main.Watched"), "0102030405060708")
    assert held.debugger.ask("read", held.addr("main.Watched"), 8) == "0102030405060708"
    for bad in ("site 0x10", f"site {hex(held.addr('main.Watched'))}", "read 0x10 8", "regs 1"):
        with pytest.raises(Refused):
            held.debugger.ask(bad)


@pytest.mark.releases("1.18", NEWEST)
def test_becomes_another_program(hold, release):
    held = hold(release)
    site = held.kinds()[0]
    held.debugger.ask("resume")
    held.target.ask("go 4")
    start = len(held.target.lines)
    held.target.popen.stdin.write(b"become\n")
    held.target.popen.stdin.flush()
    event = held.debugger.wait()
    assert event.kind == "exec"
    held.debugger.ask("remove", site)
    again = held.kinds()
    held.debugger.ask("resume")
    held.target.wait_line("^READY", start)
    held.target.ask("go 4 50")
    held.target.ask("join")
    assert [held.debugger.hits(s) for s in again] == expected_hits(counts(held.target))
    held.debugger.halt()
    held.debugger.close()
    assert text_is_whole(held.target.pid, held.program)


@pytest.mark.releases("1.18", NEWEST)
def test_launch(go_build, release, tmp_path):
    program = go_build(release, "default", "debugged")
    names, out = symbols(program), tmp_path / "out"
    script = tmp_path / "in"
    script.write_text("once 2\nend 7\n")
    debugger = Debugger("launch", f"in={script}", f"out={out}", "group=1", "same=1", "--", program)
    site = debugger.site(names["kind2"])
    assert debugger.site(names["main.main"], "stop") == site + 1
    event = debugger.run_to()
    assert (event.kind, event.pc) == ("site", names["main.main"])
    assert os.getpgid(debugger.pid) == debugger.pid
    event = debugger.run_to()
    assert (event.kind, os.waitstatus_to_exitcode(event.status)) == ("exited", 7)
    assert debugger.hits(site) == 1 and out.read_text().startswith("READY")
    debugger.close("kill")


@pytest.mark.releases(NEWEST)
def test_launched_ends_with_us(go_build, release, tmp_path):
    """Killed with us, however we end; let go, it runs until its input ends.  That is not the debugger's: of two readers
    of one pipe, the program may get what the debugger is told."""
    program, fifo = go_build(release, "default", "debugged"), tmp_path / "in"
    os.mkfifo(fifo)
    for how in ("kill", "close", "let"):
        with open(fifo, "r+b", buffering=0):
            debugger = Debugger("launch", f"in={fifo}", "out=/dev/null", "--", program)
            debugger.site(symbols(program)["kind2"])
            debugger.ask("resume")
            pid = debugger.pid
            if how == "kill":
                debugger.kill()
            else:
                debugger.close("kill" if how == "close" else "let")
            if how == "let":
                assert procfs.runs(pid, program) and procfs.state(pid) not in "tTZ"
            else:
                wait_until(lambda pid=pid: not os.path.exists(f"/proc/{pid}") or procfs.state(pid) == "Z", "it lives")
        wait_until(lambda pid=pid: not procfs.runs(pid, program) or procfs.state(pid) == "Z", "it runs on")


def test_cannot_launch(tmp_path):
    for what, code in ((tmp_path / "none", "ERR 5"), (tmp_path, "ERR 2")):
        with pytest.raises(Refused, match=code):
            Debugger("launch", "--", what)
    with pytest.raises(Refused, match="its directory .*/none: No such file"):
        Debugger("launch", f"dir={tmp_path}/none", "--", "/bin/true")


@pytest.mark.releases(NEWEST)
def test_end_while_held(hold, release):
    held = hold(release, unharmed=False)
    held.kinds()
    held.target.popen.kill()
    event = held.debugger.wait()
    assert (event.kind, os.waitstatus_to_exitcode(event.status)) == ("exited", -signal.SIGKILL)
    with pytest.raises(Refused, match="has ended"):
        held.debugger.ask("resume")
    held.debugger.close()


@pytest.mark.releases(NEWEST)
def test_held_thread_stays(hold, release):
    held = hold(release)
    site = held.debugger.site(held.addr("kind2"), "stop")
    held.debugger.ask("resume")
    held.target.popen.stdin.write(b"go 1 30\n")
    held.target.popen.stdin.flush()
    event = held.debugger.wait()
    held.debugger.ask("hold", event.tid, 1)
    held.debugger.ask("resume")
    assert held.debugger.wait(300).kind in ("nothing", "site")
    assert held.debugger.halt().kind in ("halted", "site")
    assert held.debugger.pc(event.tid) == held.addr("kind2")
    held.debugger.ask("hold", event.tid, 0)
    held.debugger.ask("remove", site)
    held.debugger.ask("resume")
    held.target.ask("join")
    assert held.target.ask("wrong") == "0"


@pytest.mark.releases(NEWEST)
def test_system_calls_are_told(hold, release):
    """Each, of all threads: Go's runtime makes the same call when it interrupts a goroutine."""
    held = hold(release)
    begin = held.addr("kind15")
    end = min(a for a in held.names.values() if a > held.names["kind15"]) + held.slide
    held.debugger.ask("syscalls", 1, 1, 39)  # getpid: kind15
    held.debugger.ask("resume")
    held.target.popen.stdin.write(b"once 15\n")
    held.target.popen.stdin.flush()
    told = []
    while len(told) < 2:
        event = held.debugger.wait()
        assert (event.kind, event.nr) == ("syscall", 39)
        if begin < event.pc <= end:
            told.append((event.tid, event.entry))
        held.debugger.ask("resume")
    assert told == [(told[0][0], 1), (told[0][0], 0)]
    held.debugger.halt()
    held.debugger.ask("syscalls", 0, 0)
    held.debugger.ask("resume")
    held.target.wait_line("^OK")
    assert held.target.ask("wrong") == "0"


@pytest.mark.releases(NEWEST)
def test_filter_forbids_the_area(go_build, run_go, release):
    """Breakpoints work all the same, and nobody is killed by the filter."""
    program = go_build(release, "default", "harm")
    target = run_go(program)
    target.ask("seccomp 13")  # rt_sigaction
    debugger = Debugger("attach", target.pid)
    assert "seccomp" in debugger.ask("warning")
    site = debugger.site(symbols(program)["syscall.write"])
    debugger.ask("resume")
    target.ask("seccomp 57")
    assert debugger.hits(site) > 0
    debugger.halt()
    debugger.close()
    assert text_is_whole(target.pid, program)
