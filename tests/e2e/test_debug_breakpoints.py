"""Breakpoints: exact counts, conditions on hits, what ends a program, interrupts, restarts, detaching.

The truth of a count is the program: 100 goroutines that make 200 calls each."""
import functools
import time

import pytest

from lib import drive, process

GOROUTINES, ROUNDS = 100, 200
LABELS = drive.labels("stepping")


@pytest.fixture
def session(drive_launch):
    """session(release, mode, *args): a launched target."""
    return functools.partial(drive_launch, "stepping")


@pytest.mark.modes("default")
def test_counts_are_exact(session, release, mode):
    """100 goroutines on two Ps: every call is counted once, in all and by goroutine."""
    one = session(release, mode, "crowd")
    bp = one.breakpoint("main.visit | hits=> 1000000")
    end = one.breakpoint(f"main.go:{LABELS['crowd:done']}")
    told = one("continue")
    assert told["bps"] == [end]
    row = one.list()[bp]
    assert row["met"] == row["hits"] == GOROUTINES * ROUNDS
    counts = [n for n in one(f"counts {bp} " + " ".join(map(str, range(1, 400))))["counts"] if n]
    assert counts == [ROUNDS] * GOROUTINES


@pytest.mark.modes("default")
def test_hits_in_one_goroutine(session, release, mode):
    """The number may be that of the goroutine: then the 150th call of one stops, and no earlier one."""
    one = session(release, mode, "crowd")
    bp = one.breakpoint("main.visit | hits=== 150 | pergoroutine")
    told = one("continue")
    assert told["bps"] == [bp]
    assert one(f"counts {bp} {told['goroutine']}")["counts"] == [150]
    assert all(n <= 150 for n in one(f"counts {bp} " + " ".join(map(str, range(1, 400))))["counts"])


@pytest.mark.releases("1.18", "1.26")
@pytest.mark.modes("default")
def test_each_stop_counts(session, release, mode):
    """Stops at every thousandth hit: nothing is lost or met twice by stopping everybody."""
    one = session(release, mode, "crowd")
    bp = one.breakpoint("main.visit | hits=% 1000")
    stops = 0
    while one("continue").get("event") == "stopped":
        stops += 1
        assert one.list()[bp]["hits"] >= stops * 1000
    assert stops == GOROUTINES * ROUNDS // 1000


@pytest.mark.modes("default", "stripped")
def test_ends_are_told(session, release, mode):
    """A panic that nobody recovers, and a fatal error, with what they say; then the program ends as it would."""
    for what, why, text in (("panic", "panic", "index out of range [5] with length 0"), ("value", "panic", "broken 7"),
                            ("fatal", "fatal", "unlock of unlocked mutex")):
        one = session(release, mode, what)
        told = one("continue")
        assert told["why"] == why and text in told["text"], told
        assert one("continue") | {"goroutine": 0} == {"event": "exited", "code": 2, "signal": 0, "goroutine": 0,
                                                      "bps": [], "text": ""}
        one.close()


@pytest.mark.releases("1.26")
@pytest.mark.modes("noopt")
def test_recovered_panics(session, release, mode):
    """Those that are recovered are told when that is wanted."""
    one = session(release, mode, "recover")
    assert one("continue")["event"] == "exited"
    one.close()
    one = session(release, mode, "recover")
    assert one("change recovered -")["ok"]
    told = one("continue")
    assert told["why"] == "panic" and "main.recovers" in [f["func"] for f in one("frames")["frames"]]


@pytest.mark.modes("default")
def test_interrupt_and_detach(go_build, run_go, release, mode):
    """Attaches, interrupts, steps, lets go: the program lives on unharmed."""
    target = run_go(go_build(release, mode, "stepping"), "forever")
    one = drive.Drive("attach", target.pid)
    assert one("run continue")["ok"]
    time.sleep(0.05)  # it may run a little; nothing depends on how long
    assert one("interrupt")["ok"]
    told = one("wait")
    assert told["why"] == "interrupt"
    bp = one.breakpoint("main.visit | temporary")
    assert one("continue")["bps"] == [bp]
    assert bp not in one.list()
    assert one("next")["why"] == "step"
    kept = one.breakpoint("main.visit | hits=> 1000000000")
    assert one("run continue")["ok"]
    process.wait_until(lambda: one.list()[kept]["met"] > 3, "the breakpoint is met while it runs")
    assert one("interrupt")["ok"]
    assert one("wait")["why"] == "interrupt"
    assert one("detach")["ok"]
    one.close()


@pytest.mark.releases("1.18", "1.26")
@pytest.mark.modes("default")
def test_restart(session, release, mode):
    """The program again, with its breakpoints and new counts, also after it has ended."""
    one = session(release, mode, "lines")
    bp = one.breakpoint("main.lines")
    later = one.breakpoint("main.nowhere | pending")
    assert one.list()[later]["waits"]
    assert one("continue")["bps"] == [bp]
    assert one("restart")["ok"]
    assert one("continue")["bps"] == [bp]
    assert one.list()[bp]["hits"] == 1
    assert one("continue")["event"] == "exited"
    assert one("restart")["ok"]
    assert one("continue")["bps"] == [bp]


@pytest.mark.releases("1.18", "1.26")
@pytest.mark.modes("noopt")
def test_cores(go_build, run_go, gospect, tmp_path, release, mode):
    """A core stands: expressions work, running and breakpoints are refused."""
    program = go_build(release, mode, "stepping")
    target = run_go(program, "forever")
    core = tmp_path / "core"
    gospect("core", target.pid, "-o", core, check=0)
    one = drive.Drive("core", core, program)
    assert one("goroutine 1")["ok"]
    assert "main.main" in [f["func"] for f in one("frames")["frames"]]
    assert one("print main.sink + 1")["value"] == "1"
    assert "does not run" in one("next")["error"]
    assert "a core does not run" in one("break main.visit")["error"]
    one.close()


@pytest.mark.releases("1.26")
@pytest.mark.modes("default")
def test_entry(session, release, mode):
    """stop_on_entry: the first stop is in main.main."""
    one = session(release, mode, "lines", env={"DRIVE_ENTRY": "1"})
    told = one("continue")
    assert told["why"] == "entry" and told["frames"][0]["func"] == "main.main"


@pytest.mark.releases("1.26")
@pytest.mark.modes("default")
def test_what_is_wrong_is_said(session, release, mode):
    """Places that are not there, with near names; several functions of a name; numbers that are none."""
    one = session(release, mode, "lines")
    assert "main.lines" in one("break main.linse")["hint"]
    assert "several functions" in one("break Lock")["error"]
    assert "no source file" in one("break nofile.go:3")["error"]
    assert "condition on the number of hits" in one("break main.lines | hits=often")["error"]
    bp = one.breakpoint(f"main.go:{LABELS['crowd:done'] + 1}")
    assert one.list()[bp]["line"] == LABELS["crowd:done"] + 1
    bp = one.breakpoint(f"main.go:{LABELS['add'] - 3}")
    assert one.list()[bp]["note"] and one.list()[bp]["line"] in (LABELS["add"] - 1, LABELS["add"])


@pytest.mark.modes("noopt", "default")
def test_conditions(session, release, mode):
    """A condition stops whom it names; it is asked at every call and counts only what it lets through."""
    one = session(release, mode, "crowd")
    bp = one.breakpoint("main.visit | if=id == 7 && n >= 150")
    told = one("continue")
    assert told["bps"] == [bp]
    assert [one("print " + name)["value"] for name in ("id", "n")] == ["7", "150"]
    own = one("print runtime.curg.goid")["value"]
    assert own == str(told["goroutine"])
    assert one(f"change {bp} main.visit | if=id == 7 && n > 10000")["ok"]
    assert one("continue")["event"] == "exited"
    row = one.list()[bp]
    assert row["hits"] == 1 and row["met"] == GOROUTINES * ROUNDS


@pytest.mark.modes("default")
def test_log_points(session, release, mode):
    """Messages come in full, in order for each goroutine, and before what happened after them; nobody stops."""
    one = session(release, mode, "crowd")
    bp = one.breakpoint("main.visit | if=id < 10 | log=call {n} of {id} \\{ok\\}")
    assert one("continue")["event"] == "exited"
    seen = {}
    for told in one.logs:
        assert told["bps"] == [bp]
        words = told["text"].split()
        assert (words[0], words[2], words[4]) == ("call", "of", "{ok}"), told
        seen.setdefault(int(words[3]), []).append(int(words[1]))
    assert seen == {i: list(range(ROUNDS)) for i in range(10)}


@pytest.mark.releases("1.18", "1.26")
@pytest.mark.modes("noopt")
def test_trace_and_trouble(session, release, mode):
    """A traced call shows its arguments; a condition that cannot be told stops and says why."""
    one = session(release, mode, "results")
    one.breakpoint("main.results | trace")
    assert one("continue")["event"] == "exited"
    assert [told["text"] for told in one.logs] == ["main.results(n=4, pad=[8, 0, 0])"]
    one.close()
    one = session(release, mode, "results")
    bp = one.breakpoint("main.results | if=pad[n] == 1")
    told = one("continue")
    assert told["bps"] == [bp] and "range" in told["text"], told
    assert "range" in one.list()[bp]["trouble"]
    assert "idd" in one("break main.visit | if=idd == 1")["error"]
    assert "no }" in one("break main.visit | log={id")["error"]


@pytest.mark.modes("noopt")
def test_watchpoints(session, release, mode):
    """A variable on a stack that is moved meanwhile, and one of a package: old and new value; gone with its function."""
    one = session(release, mode, "watched")
    one.breakpoint(f"main.go:{LABELS['watch:2']}")
    one("continue")
    own, package = one("watch w")["id"], one("watch sink")["id"]
    told = one("continue")
    assert (told["why"], told["bps"], told["text"]) == ("watch", [own], "1 -> 3")
    told = one("continue")
    assert (told["why"], told["bps"], told["text"]) == ("watch", [own], "3 -> 7")
    told = one("continue")
    assert (told["why"], told["bps"], told["text"]) == ("watch", [package], "0 -> 7")
    told = one("continue")
    assert (told["why"], told["bps"]) == ("watchgone", [own])
    assert own not in one.list() and package in one.list()
    assert one("continue")["event"] == "exited"


@pytest.mark.modes("noopt")
def test_a_changed_watchpoint_is_of_the_same_variable(session, release, mode):
    """Its expression means nothing where it is changed; while it is off its stack is moved."""
    one = session(release, mode, "watched")
    one.breakpoint(f"main.go:{LABELS['watch:2']}")
    one("continue")
    own = one("watch w")["id"]
    assert one("continue")["text"] == "1 -> 3"
    grow = one.breakpoint("main.grow")
    assert one("continue")["bps"] == [grow]
    assert "nothing is called" in one("watch w")["error"]
    assert one(f"change watch {own} w | if=main.sink == 0")["ok"]
    assert one(f"change watch {own} w | off")["ok"]
    deep = one.breakpoint("main.grow | if=n == 0")
    assert one(f"remove {grow}")["ok"]
    assert one("continue")["bps"] == [deep]
    assert "unexpected symbol" in one(f"change watch {own} w | if=lua: +")["error"]  # as it was: off
    assert one(f"change watch {own} w | if=main.sink == 1")["ok"]
    assert one(f"change watch {own} w | if=main.sink == 0")["ok"]
    assert one(f"remove {deep}")["ok"]
    told = one("continue")
    assert (told["why"], told["bps"], told["text"]) == ("watch", [own], "3 -> 7")
    assert one("continue")["why"] == "watchgone"
    assert one("continue")["event"] == "exited"


@pytest.mark.releases("1.26")
@pytest.mark.modes("noopt")
def test_watchpoints_that_cannot_be(session, release, mode):
    """What is too large or not in memory is refused, with the reason; registers are given back."""
    one = session(release, mode, "results")
    one.breakpoint("main.results")
    one("continue")
    assert "in memory" in one("watch n + 1")["error"]
    assert "nothing is called" in one("watch nobody")["error"]
    for _ in range(8):
        told = one("watch main.sink")
        assert "id" in told, told
        assert one(f"remove {told['id']}")["ok"]
    told = [one("watch main.sink") for _ in range(5)]
    assert [("id" in one) for one in told] == [True] * 4 + [False]


@pytest.mark.modes("default")
def test_a_change_keeps_what_was_not_told(session, release, mode):
    """A breakpoint is changed when somebody stands at it already, which nobody has asked for yet: he is told when he is a hit of what
    the breakpoint is now, and not counted again; else he runs on."""
    one = session(release, mode, "crowd")
    place = f"main.go:{LABELS['visit']}"
    bp, end = one.breakpoint(place), one.breakpoint(f"main.go:{LABELS['crowd:done']}")

    def met(hits):
        assert one("run continue")["ok"]
        process.wait_until(lambda: one.list()[bp]["hits"] >= hits, "nobody came")
        assert one.list()[bp]["hits"] == hits

    met(1)
    assert one(f"change {bp} {place} | if=id >= 0 && n >= 0")["ok"]
    assert one("wait 200000")["bps"] == [bp], "he was forgotten"
    assert one.list()[bp]["hits"] == 1
    met(2)  # his number was 2: not the fifth, which comes
    assert one(f"change {bp} {place} | hits=== 5")["ok"]
    assert one("wait 200000")["bps"] == [bp] and one.list()[bp]["hits"] == 5
    assert one(f"change {bp} {place}")["ok"]
    met(6)
    assert one(f"change {bp} {place} | if=n == {ROUNDS - 1} | log=last of {{id}}")["ok"]  # he is of an early round: no message
    assert one("wait 200000")["bps"] == [end]
    assert sorted(told["text"] for told in one.logs) == sorted(f"last of {i}" for i in range(GOROUTINES))
    assert one.list()[bp]["hits"] == 6 + GOROUTINES
    one("restart")
    assert one(f"change {bp} {place}")["ok"]
    met(1)
    assert one(f"change {bp} {place} | log=met {{n}}")["ok"]
    assert one("wait 200000")["bps"] == [end]
    assert len(one.logs) == GOROUTINES + GOROUTINES * ROUNDS == GOROUTINES + one.list()[bp]["hits"], "he said nothing, or twice"
