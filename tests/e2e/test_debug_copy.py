"""A copy of a process that a debugger holds (src/target/debug_copy.c), made at a breakpoint or a system call.

The program under test (tests/targets/debugged) counts its calls in memory and checks every result: what the
copy shows of it must be what the process itself showed while it stood, whatever has happened since.
"""
import pytest

from lib import procfs
from lib.debugger import Debugger, Refused, changed, slide, symbols, text_is_whole
from lib.process import assert_unharmed, wait_until

pytestmark = pytest.mark.releases("1.18", "1.22", "1.24", "1.25", "1.27")

KINDS = 24
NOBODY = "none of its threads was asleep"
FUTEX = 202


class Held:
    def __init__(self, program, target):
        self.program, self.target = program, target
        self.names, self.slide = symbols(program), slide(target.pid, program)
        self.debugger = Debugger("attach", target.pid)
        self.calls = self.names["main.calls"] + self.slide

    def again(self):
        """Another debugger, when one was killed."""
        self.debugger = Debugger("attach", self.target.pid)

    def places(self):
        return [self.names[f"kind{k}"] + self.slide for k in range(KINDS)]

    def sites(self, how):
        return [self.debugger.site(addr, how) for addr in self.places()]

    def counts(self):
        """What is looked at has counted: the process while it stands, or a copy."""
        data = self.debugger.memory(self.calls, 8 * KINDS)
        return [int.from_bytes(data[i:i + 8], "little") for i in range(0, len(data), 8)]

    def copy(self, parent=""):
        """False: nobody was asleep just then."""
        try:
            self.debugger.ask("copy", parent)
        except Refused as problem:
            if NOBODY not in str(problem):
                raise
            return False
        return True

    def begin(self, line):
        self.target.popen.stdin.write(line.encode() + b"\n")
        self.target.popen.stdin.flush()


@pytest.fixture
def hold(go_build, run_go, release):
    held = []

    def start(mode="default", **env):
        program = go_build(release, mode, "debugged")
        held.append(Held(program, run_go(program, env={"GOMAXPROCS": "2", **env})))
        return held[-1]

    yield start
    for one in held:
        if one.debugger.popen.poll() is None:
            one.debugger.kill()


def total(target):
    return sum(int(n) for n in target.ask("calls").split())


def copied_then_run(held, parent):
    """At a stop: what a copy shows, before and after the process has run on, is what the process showed.  The next
    event; None: there was no copy."""
    counts, threads = held.counts(), held.debugger.threads()
    if not held.copy(parent):
        return None
    assert held.counts() == counts and held.debugger.threads() == threads
    event = held.debugger.run_to(20)
    assert held.counts() == counts and held.debugger.threads() == threads
    for addr, byte in held.code.items():
        assert held.debugger.memory(addr, 1) == byte
    held.debugger.ask("thaw")
    return event


def test_the_copy_is_of_the_moment(hold):
    """At hits, one after another, with everybody else at work; no hit is lost or told twice, and nothing stays."""
    held = hold()
    held.code = {addr: held.debugger.memory(addr, 1) for addr in held.places()}
    sites = held.sites("every=11")
    rounds, told, copies = 1200, 0, 0
    held.begin(f"go 40 {rounds // 40}")
    event = held.debugger.run_to()
    while event.kind != "nothing" or sum(held.counts()) < rounds:
        if event.kind == "nothing":
            event = held.debugger.wait(100)
            continue
        assert event.kind == "site" and held.debugger.pc(event.tid) == event.pc
        told += 1
        event = copied_then_run(held, ("init", "target")[told % 2])
        copies += event is not None
        event = event or held.debugger.run_to(100)
    held.target.ask("join")
    assert copies > told // 2
    calls = [int(n) for n in held.target.ask("calls").split()]
    assert sum(calls) == rounds
    assert told == sum(held.debugger.hits(s) // 11 for s in sites)
    held.debugger.close()
    assert held.target.ask("wrong") == "0"
    assert text_is_whole(held.target.pid, held.program), changed(held.target.pid, held.program)
    assert_unharmed(held.target)


@pytest.mark.releases("1.18", "1.27")
def test_a_system_call_is_made_once(hold):
    """Each stop at a call is copied; those who sleep in one lend themselves although their calls are seen, too."""
    held = hold()
    held.debugger.ask("syscalls", 1, 1, 1)  # write
    held.begin("calls")
    event, copies = held.debugger.run_to(), 0
    for entry in (1, 0):
        assert (event.kind, event.nr, event.entry) == ("syscall", 1, entry)
        copied = held.copy()
        copies += copied
        held.debugger.ask("resume")
        if not entry:
            wait_until(lambda: held.target.stdout.count("OK") == 1, "the answer comes once")
        event = held.debugger.wait(10000 if entry else 200)
        if copied:
            held.debugger.ask("thaw")
    assert event.kind == "nothing" and copies
    held.debugger.ask("halt")
    held.debugger.wait()
    held.debugger.ask("syscalls", 1, 1, FUTEX)  # those of sleepers: they do not lend what is to be told
    held.debugger.ask("resume")
    held.debugger.close()
    held.target.ask("go 4 100")
    held.target.ask("join")
    assert total(held.target) == 400 and held.target.ask("wrong") == "0"
    assert_unharmed(held.target)


@pytest.mark.releases("1.18", "1.27")
def test_threads_and_children_are_born_meanwhile(hold):
    """Copies at any moment, while threads come and go, programs are started and signals arrive."""
    held = hold()
    held.sites("every=3")
    held.begin("threads 60")
    copies = 0
    event = held.debugger.run_to(100)
    while not held.target.stdout.count("OK"):  # by then all have come and gone
        if event.kind == "nothing":
            event = held.debugger.wait(100)
            continue
        assert event.kind == "site"
        copies += held.copy()
        event = held.debugger.run_to(100)
        if held.debugger.ask("copied"):
            held.debugger.ask("thaw")
    assert copies > 5
    for _ in range(12):
        held.begin("exec 2")
        held.debugger.ask("sleep", 2)
        if held.debugger.halt().kind == "halted":
            copies += held.copy()  # a child that shares the memory may be on its way
            if held.debugger.ask("copied"):
                held.debugger.ask("thaw")
        held.debugger.ask("resume")
    wait_until(lambda: held.target.stdout.count("OK 2") == 12, "all programs were started")
    held.debugger.close()
    assert held.target.ask("wrong") == "0"
    assert_unharmed(held.target)


@pytest.mark.parametrize("parent", ("init", "target"))
@pytest.mark.releases("1.18", "1.27")
def test_killed_at_every_step(hold, parent):
    """kill -9 while the copy is made, with breakpoints in memory: the program goes on, whole and alone."""
    held = hold()

    def stand():
        held.sites("go")
        held.debugger.ask("resume")
        held.debugger.ask("sleep", 3)
        assert held.debugger.halt().kind == "halted"

    stand()
    for _ in range(20):
        held.debugger.ask("die")
        if held.copy(parent):
            break
        held.debugger.ask("resume")
        held.debugger.ask("sleep", 3)
        held.debugger.halt()
    steps = held.debugger.ask("steps").split("|")
    assert steps[0] == "lender has other registers" and steps[-1] == "copy is ours"
    assert ("copy is made" in steps) == (parent == "init")
    held.debugger.kill()  # while there is one
    calls = 0
    for step in steps:
        assert_unharmed(held.target)
        held.again()
        stand()
        held.debugger.ask("die", step)
        try:
            while not held.copy(parent):
                held.debugger.ask("resume")
                held.debugger.ask("sleep", 3)
                held.debugger.halt()
        except Refused as problem:
            assert "ended with -9" in str(problem)
        else:
            pytest.fail(f"it was not at \"{step}\"")
        wait_until(lambda: text_is_whole(held.target.pid, held.program), "its code is its own again")
        held.target.ask("go 4 50")
        held.target.ask("join")
        calls += 200
        assert total(held.target) == calls and held.target.ask("wrong") == "0", step
    assert_unharmed(held.target)
    assert procfs.state(held.target.pid) in "SR"


@pytest.mark.releases("1.27")
def test_let_go_while_there_is_a_copy(hold):
    held = hold()
    for _ in range(20):
        if held.copy():
            break
        held.debugger.ask("resume")
        held.debugger.halt()
    with pytest.raises(Refused, match="frozen already"):
        held.debugger.ask("copy")
    held.debugger.close()
    assert_unharmed(held.target)
