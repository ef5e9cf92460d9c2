"""A debugger that is killed (kill -9) while it calls functions of the program, or holds signals: the program goes on as
if nothing had been.

The target (tests/targets/called) computes with values in all kinds of registers across the line where it is stopped, and
says itself whether they were still right.  The debugger dies at a moment that is chosen: at its n-th call into the kernel
that touches the process (tests/tools/doomed.c), so that every step of a call is met.
"""
import os
import random
import signal
import time

import pytest

from lib import drive, procfs
from lib.debugger import text_is_whole
from lib.process import wait_until

LABELS, CALLS = drive.labels("called"), drive.labels("calls")
NEWEST = "1.27"
NEVER = 1_000_000
# What is called, and every how many steps it is killed where there is little time.
EXPRESSIONS = (("add(2, 3)", 17), ("half(5.5)", 43), ('join("a", "b")', 59), ("deep(3000)", 43), ('fails("x")', 47),
               ("waits()", 37), ("collects(4)", 43), ("add(add(1, 2), add(3, 4))", 61))
RANDOM_KILLS = 300


class Called:
    """A running target, and debuggers that are killed."""

    def __init__(self, target, program):
        self.target, self.program = target, program

    def attach(self, place="stop", keep=False):
        """A session that stands where a goroutine is in the middle of its work."""
        one = drive.Drive("attach", self.target.pid)
        bp = one.breakpoint(f"main.go:{LABELS[place]}")
        assert one("continue")["bps"] == [bp]
        if not keep:
            assert one(f"remove {bp}")["ok"]
        return one

    def count(self, what):
        return int(self.target.ask(what))

    def goes_on(self, why):
        """It lives, its code is its own, and everything that it computes is right."""
        self.lives(why)
        wait_until(lambda: not self.target.alive() or text_is_whole(self.target.pid, self.program), f"never whole: {why}")
        self.lives(why)
        before = self.count("rounds")
        wait_until(lambda: self.count("rounds") > before + 20, f"it stands: {why}")
        assert self.count("wrong") == 0, why

    def lives(self, why):
        if not self.target.alive():
            time.sleep(0.2)  # for its last words
            pytest.fail(f"{why}: {self.target.popen.wait()} {self.target.stderr}")

    def is_left_alone(self):
        """Nothing of a debugger is left when the last one has let it go.  What ends a call that goes on stays until it has ended."""
        def let_go():
            one = drive.Drive("attach", self.target.pid)
            assert one("detach")["ok"]
            one.close()
            return areas(self.target.pid) == []
        wait_until(let_go, "something is left")
        self.goes_on("left alone")

    def stop_inside(self, session):
        """Calls outer(), which stops at a breakpoint; its number."""
        inner = session.breakpoint(f"main.go:{LABELS['inner']}")
        told = session("call outer(3)")
        assert told["bps"] == [inner], told
        return inner

    def call(self, expression, n, keep=False, guardian=False, inside=False):
        """Calls, and is killed before its n-th step: how many were made, or None when it was killed.
        keep: others meet a breakpoint meanwhile; guardian: it dies, too; inside: where another call has stopped."""
        one = self.attach(keep=keep)
        if inside:
            assert one(f"remove {self.stop_inside(one)}")["ok"]
        also = wait_until(lambda: guardians(one.popen.pid), "no guardian")[0] if guardian else ""
        assert one(f"doom {n} {also}")["left"] == n
        command = f"call {expression}"
        try:
            while True:
                one.send(command)
                line = one.popen.stdout.readline()
                if not line or '"why":"call"' in line:
                    break
                assert '"error"' not in line, line
                command = "continue"  # others have met the breakpoint
        except BrokenPipeError:
            line = ""
        if not line:
            one.popen.wait()
            one.close_pipes()
            return None
        made = n - one("doom")["left"]
        one("doom -1")
        assert one("detach")["ok"]
        one.close()
        return made

    def kill_in(self, expression, steps, inside=False):
        """At each of these steps; every third time with others meeting the breakpoint, every fourth with the guardian."""
        for i, n in enumerate(steps):
            guardian = i % 4 == 3
            self.call(expression, n, keep=i % 3 == 2 and not inside, guardian=guardian, inside=inside)
            self.lives((expression, n))
            if guardian:  # breakpoints are left, until somebody attaches
                one = drive.Drive("attach", self.target.pid)
                assert one("detach")["ok"]
                one.close()
            self.goes_on((expression, n))


def areas(pid):
    """Anonymous executable memory: what a debugger puts there, or nothing."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps:
        return [line.split()[0] for line in maps if "x" in line.split()[1] and len(line.split()) == 5]


def guardians(pid):
    return [child for child in procfs.children(pid) if procfs.status(child).get("Name") == "gospect-guard"]


@pytest.fixture
def called(go_build, run_go):
    """called(release, mode) -> a Called."""
    def start(release, mode):
        program = go_build(release, mode, "called")
        return Called(run_go(program, env={"GOMAXPROCS": "2"}), program)
    return start


def killed_at_steps(one, dice, step_of):
    for expression, apart in EXPRESSIONS:
        steps = one.call(expression, NEVER)
        assert steps > 100
        apart = step_of(apart)
        one.kill_in(expression, range(dice.randrange(apart), steps, apart))
    apart = step_of(43)
    one.kill_in("add(2, 3)", range(dice.randrange(apart), one.call("add(2, 3)", NEVER, inside=True), apart), inside=True)
    one.is_left_alone()


@pytest.mark.releases("1.18", "1.22", NEWEST)
@pytest.mark.modes("default")
def test_killed_in_a_call(called, release, mode):
    killed_at_steps(called(release, mode), random.Random(release), lambda apart: apart)


@pytest.mark.slow
@pytest.mark.releases("1.18", "1.22", NEWEST)
@pytest.mark.modes("default", "pie", "cgo")
def test_killed_at_every_step(called, release, mode):
    killed_at_steps(called(release, mode), random.Random(release + mode), lambda _: 1)


def killed_at_random(one, dice, kills):
    """While calls are made one after the other, with a breakpoint that all meet."""
    for n in range(kills):
        session = one.attach(keep=n % 2)
        expressions = [expression for expression, _ in EXPRESSIONS]
        session.popen.stdin.write("".join(f"call {dice.choice(expressions)}\ncontinue\n" for _ in range(30)))
        session.popen.stdin.flush()
        time.sleep(dice.uniform(0, 0.08))
        session.kill()
        one.goes_on(n)
    one.is_left_alone()


@pytest.mark.releases("1.18", NEWEST)
@pytest.mark.modes("pie", "cgo")
def test_killed_while_calling(called, release, mode):
    killed_at_random(called(release, mode), random.Random(release + mode), 8)


@pytest.mark.slow
@pytest.mark.releases("1.18", "1.22", NEWEST)
@pytest.mark.modes("default", "pie", "cgo")
def test_killed_while_calling_many_times(called, release, mode):
    killed_at_random(called(release, mode), random.Random(release + mode), RANDOM_KILLS)


@pytest.mark.releases("1.18", NEWEST)
@pytest.mark.modes("default")
def test_killed_where_a_call_has_stopped(called, release, mode):
    """At a breakpoint in what was called, in a call from there, and in one that was given up: all of them run to their end."""
    one = called(release, mode)
    for n in ("stopped", "nested", "given up"):
        session = one.attach()
        inner = one.stop_inside(session)
        if n == "nested":
            assert session("call add(outer(1), 2)")["bps"] == [inner]
        if n == "given up":
            assert session("giveup")["ok"]
        session.kill()
        one.goes_on(n)
    wait_until(lambda: one.count("made") == 4, "not all have run to their end")
    one.is_left_alone()


def has_begun(one, session):
    """Whether spins() runs.  Until it does the program stands now and then, for as long as the session is not waited for."""
    asked = len(one.target.lines)
    one.target.popen.stdin.write(b"begun\n")
    one.target.popen.stdin.flush()
    wait_until(lambda: session("wait 20")["event"] == "nothing" and len(one.target.lines) > asked, "it stands")
    return one.target.lines[asked] == "OK 1"


@pytest.mark.releases("1.18", NEWEST)
@pytest.mark.modes("default")
@pytest.mark.parametrize("how", ["kill", "detach"])
def test_call_goes_on_without_us(called, release, mode, how):
    """One that does not end is left in the program; another debugger calls meanwhile, and sees nothing of it."""
    one = called(release, mode)
    session = one.attach()
    assert session("runcall spins()")["ok"]
    wait_until(lambda: has_begun(one, session), "it has not begun")
    if how == "kill":
        session.kill()
    else:
        assert session("interrupt")["ok"] and session("wait")["why"] == "interrupt"
        assert session("detach")["ok"]
        session.close()
    one.goes_on(how)
    again = one.attach()
    assert [row[1] for row in again("call add(2, 3)")["results"]] == ["5"]
    assert again("runcall waits()")["ok"]
    answers = len(one.target.lines)
    one.target.popen.stdin.write(b"free\n")
    one.target.popen.stdin.flush()
    told = again("wait")
    assert told["why"] == "call" and [row[1] for row in told["results"]] == ["3"], told
    assert again("run continue")["ok"]
    one.target.wait_line("^OK", answers)
    wait_until(lambda: one.count("made") == 3, "it has not ended")
    assert again("interrupt")["ok"] and again("wait")["why"] == "interrupt"
    assert again("detach")["ok"]
    again.close()
    one.goes_on("ended")
    one.is_left_alone()


@pytest.mark.releases(NEWEST)
@pytest.mark.modes("default")
def test_launched_program_keeps_its_call(go_build, release, mode):
    """Let go with a call that does not end, a program that we launched gets what ends it, too."""
    one = drive.Drive("launch", go_build(release, mode, "calls"), "forever")
    pid = None
    try:
        stop = one.breakpoint(f"main.go:{CALLS['stop']}")
        told = one("continue")
        assert told["bps"] == [stop]
        pid = next(child for child in procfs.children(one.popen.pid) if procfs.status(child)["Name"] == "calls")
        assert one(f"remove {stop}")["ok"] and one("runcall spins()")["ok"]
        time.sleep(0.02)
        assert one("interrupt")["ok"] and one("wait")["why"] == "interrupt"
        assert one("detach")["ok"]
        one.close()
        two = drive.Drive("attach", pid)
        assert two("goroutine 1")["ok"] and two("set main.free = true")["ok"]
        stop = two.breakpoint(f"main.go:{CALLS['stop']}")
        assert two("continue")["bps"] == [stop]  # the goroutine that called is back
        assert two("detach")["ok"]
        two.close()
        assert procfs.state(pid) not in "tTZ" and areas(pid) == []
    finally:
        if pid:
            os.kill(pid, signal.SIGKILL)
