"""Where a session meets the edges of Go: another program, children, ends from inside and outside, C, non-stop,
watched variables whose function does not return.  Nothing hangs, and each end is told for what it is."""
import functools
import os
import signal

import pytest

from lib import drive, process, procfs
from lib.paths import TARGETS

LABELS = drive.labels("corners")
CLOCK_NANOSLEEP = 230  # what C's usleep() is; Go's own is nanosleep
ENDED = {"event": "exited", "bps": [], "text": "", "goroutine": 0}


@pytest.fixture
def launch(drive_launch):
    """launch(release, mode, what): a launched target."""
    return functools.partial(drive_launch, "corners")


def at(label, file="main.go"):
    return f"corners/{file}:{LABELS[label]}"


def where(told, n=1):
    return [(f["func"], f["line"]) for f in told["frames"][:n]]


def funcs(told):
    return [f["func"] for f in told["frames"]]


def pid_of(told):
    """The process of the thread that stopped."""
    with open(f"/proc/{told['tid']}/status", encoding="ascii") as status:
        return int(status.read().split("Tgid:")[1].split()[0])


# ---- another program, children, ends ----


@pytest.mark.modes("noopt")
def test_exec(launch, release, mode):
    """A step that leads into another program is told as that; breakpoints are those of the new one; and again."""
    one = launch(release, mode, "exec")
    before = one.breakpoint(at("exec:exec"))
    later = one.breakpoint("main.visit")
    nowhere = one.breakpoint("main.nowhere | pending")
    assert one("continue")["bps"] == [before]
    assert one("next")["event"] == "exec"
    assert one.list()[nowhere]["waits"]
    told = one("continue")
    assert told["bps"] == [later] and funcs(told)[0] == "main.visit"
    assert one("print n")["value"] == "5"
    assert dict(one("stepout")["results"]) == {"~r0": "5"}
    assert one("restart")["ok"]
    assert one("continue")["bps"] == [before]


@pytest.mark.modes("default")
def test_children(launch, release, mode):
    """Children that share the memory until their exec, amid breakpoints: all start, each place is met once a round."""
    one = launch(release, mode, "children")
    visit = one.breakpoint("main.visit | hits=> 100")
    third = one.breakpoint(at("children:run") + " | hits=== 3")
    fork = one.breakpoint("syscall.forkAndExecInChild1 | hits=> 100")
    assert one("continue")["bps"] == [third]
    for _ in range(3):  # over the call that starts one, to the next round
        assert where(one("next"))[0][0] == "main.children"
    end = one("continue")
    assert end["event"] == "exited" and end["code"] == 0
    rows = one.list()
    assert rows[visit]["met"] == rows[third]["met"] == rows[fork]["met"] == 12


@pytest.mark.releases("1.18", "1.26")
@pytest.mark.modes("default")
def test_exit_while_stepping(launch, release, mode):
    """A step over os.Exit ends with the program; afterwards all is refused with that reason."""
    one = launch(release, mode, "exit")
    one.breakpoint(at("exit:exit"))
    one("continue")
    assert one("next") == {**ENDED, "code": 3, "signal": 0}
    assert one("frames")["frames"] == []
    for command in ("print main.sink", "continue", "next", "break main.add"):
        assert "has ended" in one(command)["error"]
    assert one("restart")["ok"]


@pytest.mark.releases("1.18", "1.26")
@pytest.mark.modes("default")
@pytest.mark.parametrize("doing", ["runs", "steps", "stands", "stands-run"])
def test_killed_from_outside(launch, release, mode, doing):
    """SIGKILL by somebody: the end is told, whatever the program did; one that stood is not waited for in vain."""
    one = launch(release, mode, "long")
    one.breakpoint("main.waits | temporary")
    pid = pid_of(one("continue"))
    if doing in ("runs", "steps"):
        assert one("run stepout" if doing == "steps" else "run continue")["ok"]
    os.kill(pid, signal.SIGKILL)
    if doing == "stands":
        process.wait_until(lambda: one("wait 0") == {**ENDED, "code": 0, "signal": 9}, "the end is told")
    else:
        process.wait_until(lambda: "has ended" in one("print main.sink").get("error", "") or doing != "stands-run",
                           "the end is seen")
        told = one("continue" if doing == "stands-run" else "wait")
        assert told == {**ENDED, "code": 0, "signal": 9}
    assert "has ended" in one("continue")["error"]
    assert one("restart")["ok"]


# ---- watched variables ----


@pytest.mark.modes("noopt")
def test_watch_ends_with_its_function(launch, release, mode):
    """Left by a panic that is recovered two functions further out, by Goexit; a parameter, at the return."""
    for what, change, last in (("panics", "1 -> 3", "main.recovers"), ("goexits", "1 -> 3", "runtime.goexit1")):
        one = launch(release, mode, what)
        one.breakpoint(at(what + ":2"))
        one("continue")
        watch = one("watch w")["id"]
        told = one("continue")
        assert told["why"] == "watch" and told["text"] == change
        told = one("continue")
        assert told["why"] == "watchgone" and told["bps"] == [watch] and funcs(told)[0] == last, told
        assert watch not in one.list()
        assert one("continue")["event"] == "exited"
        one.close()
    one = launch(release, mode, "param")
    one.breakpoint(at("param:1"))
    one("continue")
    watch = one("watch p")["id"]
    for change in ("4 -> 5", "5 -> 45"):
        told = one("continue")
        assert told["why"] == "watch" and told["text"] == change
    told = one("continue")
    assert told["why"] == "watchgone" and funcs(told)[0] == "main.run", told
    assert one("continue")["event"] == "exited"


# ---- interrupts and non-stop ----


@pytest.mark.releases("1.18", "1.26")
@pytest.mark.modes("noopt")
def test_interrupt_of_a_step(launch, release, mode):
    """It ends there; the next step begins from where the program stands."""
    one = launch(release, mode, "long")
    one.breakpoint("main.waits | temporary")
    one("continue")
    assert one("run stepout")["ok"]
    assert one("wait 30")["event"] == "nothing"
    assert one("interrupt")["ok"]
    told = one("wait")
    assert told["why"] == "interrupt" and not told["step_waits"] and told["goroutine"] == 1
    told = one("stepout")
    assert told["why"] == "step" and told["goroutine"] == 1


@pytest.mark.releases("1.18", "1.26")
@pytest.mark.modes("noopt")
def test_hold(launch, release, mode):
    """A held goroutine stands while the program runs, a step of it too; released it goes on from there."""
    one = launch(release, mode, "long")
    bp = one.breakpoint(at("waits:sleep"))
    one("continue")
    assert one("hold 1")["ok"]
    for run in ("run continue", "run next"):
        assert one(run)["ok"]
        assert one("wait 60")["event"] == "nothing"
        assert one("interrupt")["ok"]
        told = one("wait")
        assert told["why"] == "interrupt" and where(told) == [("main.waits", LABELS["waits:sleep"])]
        assert one.list()[bp]["met"] == 1
    assert one("release 1")["ok"]
    assert one("continue")["bps"] == [bp]


@pytest.mark.releases("1.26")
@pytest.mark.modes("noopt")
def test_source_map(launch, release, mode):
    """Places may be named as the sources lie with the user."""
    env = {"DRIVE_MAP_FROM": str(TARGETS / "corners"), "DRIVE_MAP_TO": "/home/me/src"}
    one = launch(release, mode, "exit", env=env)
    bp = one.breakpoint(f"/home/me/src/main.go:{LABELS['exit:exit']}")
    told = one("continue")
    assert told["bps"] == [bp] and where(told) == [("main.leaves", LABELS["exit:exit"])]


# ---- C ----


@pytest.mark.modes("noopt-cgo", "cgo")
def test_c(launch, release, mode):
    """Over calls of C; a breakpoint in Go that C calls, with the whole stack; out of it, into the Go code before C."""
    one = launch(release, mode, "cgo")
    one.breakpoint(at("cgo:add", "crossing.go"))
    one("continue")
    for command, label in (("step", "cgo:calls"), ("next", "cgo:return")):
        told = one(command)
        while where(told) == [("main.crossing", LABELS["cgo:add"])]:  # several statements in one line
            told = one(command)
        assert where(told) == [("main.crossing", LABELS[label])]
    one.close()
    one = launch(release, mode, "cgo")
    inner = one.breakpoint("main.goCallback")
    told = one("continue")
    assert told["bps"] == [inner] and told["goroutine"] == 1
    assert one("print a")["value"] == "3"
    stack = funcs(one("frames"))
    assert stack[0] == "main.goCallback" and stack.index("main.crossing") > stack.index("runtime.cgocallback"), stack
    assert stack[-3:] == ["main.main", "runtime.main", "runtime.goexit"]
    assert where(one("stepout")) == [("main.crossing", LABELS["cgo:calls"])]
    assert where(one("next")) == [("main.crossing", LABELS["cgo:return"])]
    assert one("continue")["event"] == "exited"


@pytest.mark.releases("1.18", "1.26")
@pytest.mark.modes("noopt-cgo")
def test_standing_in_c(launch, release, mode):
    """A thread that is in C is shown with the Go code that called it; steps wait for it, and can be interrupted."""
    one = launch(release, mode, "inc")
    begin = one.breakpoint("main.inC")
    pid = pid_of(one("continue"))
    assert one(f"remove {begin}")["ok"]
    for run in ("continue", "next", "stepout"):
        assert one("run " + run)["ok"]
        process.wait_until(lambda: one("wait 20")["event"] == "nothing" and any(
            procfs.blocked_in_syscall(pid, tid, CLOCK_NANOSLEEP) for tid in procfs.threads(pid)), "nobody sleeps in C")
        assert one("interrupt")["ok"]
        told = one("wait")
        assert told["why"] == "interrupt" and told["goroutine"] == 1
        assert "main.inC" in funcs(one("frames"))
    assert "does not run" in one("print main.add(1, 2)")["error"]
