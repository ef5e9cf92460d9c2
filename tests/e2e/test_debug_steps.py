"""Stepping, as tables: what is asked, and the line where it ends.

The lines are named in the source of the target (tests/targets/stepping), so the truth is the program's own text:
what Go executes next is known from the language."""
import functools

import pytest

from lib import drive

LABELS = drive.labels("stepping")

# scenario: breakpoint, then (command, label where it ends, or the function's name behind "@").
# Built without optimisation, so that every line has code of its own.
TABLES = {
    "lines": ("main.lines", [
        ("next", "lines:1"), ("next", "lines:2"), ("next", "lines:for"), ("next", "lines:body"), ("next", "lines:for"),
        ("next", "lines:body"), ("next", "lines:for"), ("next", "lines:if"), ("next", "lines:return"),
        ("next", "@main.run")]),
    "into": ("main.lines:2", [
        ("step", "@main.add"), ("step", "add"), ("step", "@main.lines"), ("step", "lines:for")], "lines"),
    "into, at the call itself": ("callrecovers:call", [("step", "@main.recovers")], "recover"),
    "out": ("main.add", [("stepout", "lines:2"), ("stepout", "@main.run")], "lines"),
    "recursion": ("fact:call | hits=1", [
        ("next", "fact:return"), ("next", "@main.run")], "fact"),
    "recursion out": ("fact:one", [
        ("stepout", "fact:call"), ("next", "fact:return"), ("stepout", "fact:call")], "fact"),
    "defer": ("main.withDefer", [
        ("until defer:work", "defer:work"), ("next", "defer:return"), ("next*", "@main.run")]),
    "into deferred": ("defer:work", [
        ("step", "defer:return"), ("step*", "@main.deferred"), ("step*", "@main.withDefer"), ("step*", "@main.run")],
        "defer"),
    "recover": ("recover:boom", [
        ("next", "@main.recovers.func1"), ("next", "recover:recover"), ("next", "recover:after"),
        ("next*", "callrecovers:after")]),
    "recovered below": ("main.overPanic", [("next", "over:call"), ("next", "over:after")], "over"),
    "recovered call": ("main.callRecovers", [
        ("next", "callrecovers:call"), ("next", "callrecovers:after")], "recover"),
    "dispatch": ("main.dispatch", [
        ("step", "dispatch:iface"), ("step", "@main.square.area"), ("step", "area"), ("step", "dispatch:iface"),
        ("step", "dispatch:closure"), ("step", "@main.run.func1"), ("step", "closure"), ("step", "dispatch:closure"),
        ("step", "dispatch:return")]),
    "blocks": ("main.blocks", [("next", "blocks:1"), ("next", "blocks:recv"), ("next", "blocks:2")]),
    "generic": ("generic:int", [
        ("step", "@main.sum"), ("stepout", "generic:int"), ("next", "generic:float"), ("step", "@main.sum"),
        ("stepout", "generic:end")]),
    "spawn": ("main.spawn", [
        ("step", "spawn:make"), ("step*", "spawn:recv"), ("step", "spawn:end")]),
    "moves": ("main.moves", [("next", "moves:1"), ("next", "moves:grow"), ("next", "moves:return")]),
    "exits": ("main.exits", [("next", "exits:1"), ("next", "exits:goexit"), ("next", "@sync.(*WaitGroup).Done")]),
    "trap": (None, [("continue", "@runtime.breakpoint"), ("next", "@main.run")], "trap"),
}


def where(told):
    """Function and line of a stop."""
    assert told.get("event") == "stopped", told
    frame = told["frames"][0]
    return frame["func"].split("[")[0], frame["line"]


def is_at(told, expected):
    """Whether a stop is where a table says."""
    func, line = where(told)
    return func == expected[1:] if expected[0] == "@" else line == LABELS[expected]


def follow(session, table):
    """Walks through a table; a command with a star is repeated, at most five times, until it is there."""
    for i, (command, expected) in enumerate(table):
        if command.startswith("until "):
            command = "until " + place(command[6:])
        told = session(command.rstrip("*"))
        for _ in range(4 if command.endswith("*") else 0):
            if is_at(told, expected):
                break
            told = session(command.rstrip("*"))
        assert is_at(told, expected), f"{i}: {command} should end at {expected}: {told}"
        assert not told["step_waits"]


def place(spec):
    """A breakpoint's place: a label becomes its line."""
    name, bar, rest = spec.partition(" | ")
    return (f"main.go:{LABELS[name]}" if name in LABELS else
            f"main.go:{LABELS['lines:2']}" if name == "main.lines:2" else name) + bar + rest


@pytest.fixture
def launch(drive_launch):
    """launch(release, mode, *args): a session of the target."""
    return functools.partial(drive_launch, "stepping")


@pytest.mark.modes("noopt")
def test_tables(launch, release, mode):
    """All of the tables; one program after the other, because each ends differently."""
    for name, (spot, table, *what) in TABLES.items():
        session = launch(release, mode, what[0] if what else name)
        if spot:
            session.breakpoint(place(spot))
            told = session("continue")
            assert told.get("why") == "breakpoint", (name, told)
            if "|" not in spot:
                for bp in told["bps"]:
                    session(f"remove {bp}")
        try:
            follow(session, table)
        except AssertionError as wrong:
            raise AssertionError(f"{name}: {wrong}") from wrong
        session.close()


def lines_of_steps(session, function, most, inside):
    """Stops at the function, and steps until it returns; all steps end inside(name of a function)."""
    session.breakpoint(function)
    session("continue")
    seen = []
    for _ in range(most):
        func, line = where(session("next"))
        if func == "main.run":
            break
        assert inside(func), func
        seen.append(line)
    return seen


@pytest.mark.releases("1.23", "1.26", "1.27")
@pytest.mark.modes("noopt", "default", "stripped")
def test_loops_over_functions(launch, release, mode):
    """From the head to the body and back, never into the iterator."""
    seen = lines_of_steps(launch(release, mode, "range"), "main.ranges", 12,
                          lambda func: func in ("main.ranges", "main.ranges-range1"))
    assert seen.count(LABELS["ranges:body"]) == 2, seen
    assert LABELS["ranges:end"] in seen
    assert seen.index(LABELS["ranges:body"]) < seen.index(LABELS["ranges:end"])


@pytest.mark.releases("1.23", "1.26", "1.27")
@pytest.mark.modes("noopt", "default", "stripped")
def test_loops_over_functions_in_loops(launch, release, mode):
    """The inner loop's body is met in each of its rounds; the compiler names it one way up to 1.26, another since."""
    seen = lines_of_steps(launch(release, mode, "nested"), "main.nested", 40,
                          lambda func: func.split("-range")[0] == "main.nested")
    assert seen.count(LABELS["nested:body"]) == 4, seen
    assert seen.count(LABELS["nested:inner"]) >= 2 and seen[-1] >= LABELS["nested:end"], seen


@pytest.mark.releases("1.23", "1.26", "1.27")
@pytest.mark.modes("noopt", "default")
@pytest.mark.parametrize("name", ["range", "nested"])
def test_out_of_loops_over_functions(launch, release, mode, name):
    """Who leaves a body leaves the function around it; a line below the loop is reached through all its rounds."""
    session = launch(release, mode, name)
    mark = "ranges" if name == "range" else name
    for command, ends in (("stepout", "main.run"), (f"until range.go:{LABELS[mark + ':end']}", "main." + mark)):
        bp = session.breakpoint(f"range.go:{LABELS[mark + ':body']}")
        assert session("continue")["bps"] == [bp]
        session(f"remove {bp}")
        told = session(command)
        assert told.get("why") == "step" and where(told)[0] == ends, (command, told)
        if command != "stepout":
            assert where(told)[1] == LABELS[mark + ":end"]
        session("restart")


@pytest.mark.modes("default")
def test_inlined_calls(launch, release, mode):
    """next goes over an inlined call, step into it; the lines of optimised code may be fewer."""
    for command, inside in (("next", False), ("step", True)):
        session = launch(release, mode, "inlines")
        session.breakpoint("main.inlines")
        told = session("continue")
        seen = [where(told)[0]]
        while seen[-1] in ("main.inlines", "main.small"):
            seen.append(where(session(command))[0])
        assert ("main.small" in seen) == inside, seen
        assert seen[-1] == "main.run"
        session.close()


@pytest.mark.modes("stripped", "pie-stripped")
def test_stripped(launch, release, mode):
    """Without DWARF: functions, lines, deferred calls and interfaces are still stepped by line."""
    session = launch(release, mode, "recover")
    session.breakpoint("main.recovers")
    assert where(session("continue"))[0] == "main.recovers"
    seen = [where(session("next")) for _ in range(9)]
    assert ("main.recovers.func1", LABELS["recover:recover"]) in seen
    assert "main.callRecovers" in [func for func, _ in seen]
    assert ("main.recovers", LABELS["recover:never"]) not in seen


@pytest.mark.modes("noopt")
def test_one_goroutine_among_many(launch, release, mode):
    """Others pass the same lines all the time: the step stays with its goroutine, and its values."""
    session = launch(release, mode, "amid")
    bp = session.breakpoint("main.amid | hits=40")
    told = session("continue")
    session(f"remove {bp}")
    goroutine = told["goroutine"]
    for label in ("amid:1", "amid:2", "amid:3", "amid:4"):
        told = session("next")
        assert told["goroutine"] == goroutine
        assert is_at(told, label), told


@pytest.mark.modes("noopt")
def test_a_breakpoint_elsewhere_comes_first(launch, release, mode):
    """What another goroutine meets during a step is told, and the step goes on with continue."""
    session = launch(release, mode, "blocks")
    session.breakpoint(place("blocks:recv"))
    first = session("continue")
    other = session.breakpoint("time.Sleep")
    told = session("next")
    if other in told["bps"]:  # the sender may have been faster
        assert told["step_waits"] and told["goroutine"] != first["goroutine"]
        told = session("continue")
    assert told["why"] == "step" and told["goroutine"] == first["goroutine"]
    assert is_at(told, "blocks:2")


@pytest.mark.releases("1.18", "1.26")
@pytest.mark.modes("noopt")
def test_instructions(launch, release, mode):
    """One instruction moves to the next of the listing, into a call or over it."""
    session = launch(release, mode, "lines")
    session.breakpoint(place("lines:2"))
    pc = session("continue")["pc"]
    code = session(f"disassemble {pc}")["code"]
    assert [row["pc"] + row["n"] for row in code[:-1]] == [row["pc"] for row in code[1:]]
    at, over = 0, None
    while not code[at]["text"].startswith("call"):
        told = session("stepi")
        at += 1
        assert told["pc"] == code[at]["pc"] and told["why"] == "step"
    inside = session("stepi")
    assert where(inside)[0] == "main.add"
    assert where(session("stepout"))[0] == "main.lines"
    session("restart")
    session.send("continue")
    assert session.answer()["pc"] == pc
    for _ in range(at + 1):
        over = session("nexti")
    assert over["pc"] == code[at + 1]["pc"]


@pytest.mark.releases("1.18", "1.26")
@pytest.mark.modes("noopt")
def test_step_targets_and_goto(launch, release, mode):
    """The calls of a line by name; a step into the one that is meant; a line once more."""
    session = launch(release, mode, "dispatch")
    session.breakpoint(place("dispatch:closure"))
    session("continue")
    assert session("targets")["targets"] == [] or all(not one["name"] for one in session("targets")["targets"])
    session.close()
    session = launch(release, mode, "lines")
    session.breakpoint(place("lines:2"))
    told = session("continue")
    pc = told["pc"]
    session(f"remove {told['bps'][0]}")
    targets = session("targets")["targets"]
    assert [one["name"] for one in targets] == ["main.add"]
    assert where(session(f"step {targets[0]['pc']}"))[0] == "main.add"
    session("stepout")
    assert is_at(session("next"), "lines:for")
    assert session(f"goto {pc}")["ok"]
    assert is_at(session("next"), "lines:for")
    assert session("print x")["value"] == "3"
    assert "not in the function" in session("goto 4096")["error"]


@pytest.mark.modes("noopt", "default")
def test_every_copy_is_met(launch, release, mode):
    """A function of two instances, and one that is inlined where it is called: each call is met once."""
    for what, func, calls in (("generic", "main.sum", 2), ("inlines", "main.small", 1), ("inlines", "small", 1),
                              ("fact", "/^main.fact$/", 4)):
        session = launch(release, mode, what)
        bp = session.breakpoint(f"{func} | hits=> 100")
        assert session("continue")["event"] == "exited"
        assert session.list()[bp]["met"] == calls, (func, session.list()[bp])
        session.close()


@pytest.mark.releases("1.18", "1.26")
@pytest.mark.modes("noopt")
def test_alone(launch, release, mode):
    """The others stand while one steps: nobody else meets a breakpoint; afterwards they run again."""
    session = launch(release, mode, "amid")
    bp = session.breakpoint("main.amid | hits=40")
    session("continue")
    session(f"remove {bp}")
    for label in ("amid:1", "amid:2", "amid:3"):
        assert is_at(session("next alone"), label)
    bp = session.breakpoint("main.amid | hits=200")
    assert session("continue")["bps"] == [bp]


RESULTS = {"i": "5", "s": '"text"', "f": "2.5", "p": 'main.pair {a: 7, b: "in"}', "l": "[]int len: 2, cap: 2, [4,2]",
           "big": "[2]int64 [8,9]", "ok": "true"}


@pytest.mark.modes("noopt", "default")
def test_results(launch, release, mode):
    """What a function returned: in registers of both kinds, split over several, and on the stack."""
    for command in ("stepout", "next"):
        session = launch(release, mode, "results")
        session.breakpoint("main.results")
        session("continue")
        told = session(command)
        for _ in range(20):
            if where(told)[0] == "main.run":
                break
            told = session(command)
        results = dict(told["results"])
        assert "wrong 4" in results.pop("e")
        assert results == RESULTS
        session.close()
