"""Calls of the program's functions: the truth is the target itself, which prints what Go makes of the same expressions."""
import subprocess
import time

import pytest

from lib import drive
from lib.dbgterm import Session

LABELS, STEPPING = drive.labels("calls"), drive.labels("stepping")


@pytest.fixture
def session(drive_launch):
    """session(release, mode): a target that stands in main.stop."""
    def start(release, mode, place=None):
        one = drive_launch("calls", release, mode)
        one.stop = one.breakpoint(place or f"main.go:{LABELS['stop']}")
        assert one("continue")["bps"] == [one.stop]
        return one
    return start


def value(told):
    """What one call has returned."""
    assert told.get("why") == "call" and not told["text"], told
    assert len(told["results"]) == 1, told
    return told["results"][0][1]


@pytest.mark.modes("noopt", "default")
def test_calls_agree_with_go(session, go_build, release, mode):
    """Arguments and results of all kinds, methods, closures, interfaces, variadics, several calls in one expression."""
    told = subprocess.run([go_build(release, mode, "calls"), "truth"], capture_output=True, text=True, check=True)
    one = session(release, mode)
    wrong = []
    rows = [line.split("\t") for line in told.stdout.splitlines()]
    for expression, result in rows:
        told = one(f"call {expression}")
        if [row[1] for row in told.get("results", [])] != [result]:
            wrong.append((expression, result, told.get("text"), told.get("error"), told.get("results")))
    assert not wrong
    assert len(rows) > 60
    assert one.list()[one.stop]["hits"] == 1  # coming back from a call is no hit
    assert one("continue")["bps"] == [one.stop]
    assert one(f"remove {one.stop}")["ok"]
    assert one("continue") | {"goroutine": 0} == {"event": "exited", "code": 0, "signal": 0, "goroutine": 0, "bps": [],
                                                  "text": ""}


@pytest.mark.modes("noopt")
def test_several_results(session, release, mode):
    """They come by name, in their order; where one value is wanted that is said; a function without any is called."""
    one = session(release, mode)
    told = one("call named(7)")
    assert told["results"] == [["quotient", "2"], ["rest", "1"]]
    told = one("call pair(4)")
    assert [row[1] for row in told["results"]] == ["8", "error nil"]
    assert "2 results" in one("call pair(4) + 1")["error"]
    for _ in range(3):
        assert one("call nothing()")["results"] == []
    assert one("print counter")["value"] == "3"
    assert value(one("call add(own.X, n)")) == "1"


@pytest.mark.modes("noopt", "default")
def test_stops_inside(session, release, mode):
    """A breakpoint in what is called stops there; a call from there as well; then the first one goes on."""
    one = session(release, mode)
    inside = one.breakpoint("main.inner")
    told = one("call outer(4)")
    assert told["bps"] == [inside], told
    assert [f["func"] for f in told["frames"][:2]] == ["main.inner", "main.outer"]
    assert one("print n")["value"] == "4"
    assert value(one("call add(n, 1)")) == "5"
    assert one("print inner(2)")["error"].startswith("the program has stopped")
    assert one("wait")["bps"] == [inside]
    assert one(f"remove {inside}")["ok"]
    assert one("continue")["why"] == "call"
    assert one("print n")["value"] == "4"
    assert one("next")["why"] == "step"
    told = one("continue")
    assert value(told) == "51" and told["goroutine"] == 1
    assert told["frames"][0]["func"] == "main.stop"


@pytest.mark.modes("noopt", "default")
def test_panics_are_told(session, release, mode):
    """A panic in what is called is told with its value, ends the expression, and nothing else."""
    one = session(release, mode)
    for what, text in (("text", '"a text"'), ("error", "an error"), ("value", "failure"), ("bounds", "oundsError"),
                       ("nil", "nil pointer")):
        told = one(f'call add(1, panics("{what}"))')
        assert told["why"] == "call" and not told["results"] and text.strip('"') in told["text"], (what, told)
        assert "the call panicked" in told["text"]
    assert value(one('call panics("")')) == "1"
    assert one("continue")["bps"] == [one.stop]


@pytest.mark.modes("noopt")
def test_refusals(session, release, mode):
    """Who does not run, where the runtime forbids it, and what does not fit: each with its reason."""
    one = session(release, mode)
    for expression, text in (("add(1)", "not enough"), ("add(1, 2, 3)", "too many"), ('add(1, "x")', "b"),
                             ("add(1, 2.5)", "fit"), ("keep(&own.X)", "stack"), ("area(at)", "does not implement"),
                             ("nobody(1)", "nothing is called"), ("n(1)", "not a function")):
        told = one(f"call {expression}")
        assert text in (told.get("text") or told.get("error")), (expression, told)
    assert one("call unsafe keep(&own.X)")["why"] == "call"
    assert one("set kept = nil")["ok"]
    assert one.breakpoint("main.local | if=add(p.X, 1) == 2")
    told = one("continue")
    assert "cannot be called here" in told["text"]
    assert one("print add(1, 2)")["value"] == "3"
    one.close()
    one = session(release, mode, "runtime.mallocgc | if=runtime.curg.goid == 1")
    told = one("call main.add(1, 2)")
    assert "call from within the Go runtime" in (told.get("text") or told.get("error")), told


def refusal_of_one_that_waits(one):
    """Selects goroutines until one is not on a thread: which numbers there are depends on who created the first ones."""
    for goroutine in range(2, 60):
        if one(f"goroutine {goroutine}").get("ok"):
            told = one("call main.add(1, 2)")
            if "does not run" in told.get("error", ""):
                return told
    return pytest.fail("all goroutines run")


@pytest.mark.releases("1.18", "1.26")
@pytest.mark.modes("default")
def test_goroutine_that_waits(session, release, mode):
    """A goroutine that is not on a thread is refused with what it waits for."""
    assert refusal_of_one_that_waits(session(release, mode))["hint"]


@pytest.mark.modes("noopt")
def test_giving_up(session, release, mode):
    """A call that does not return can be interrupted, looked at, and given up; when it returns, all goes on."""
    one = session(release, mode)
    assert one("runcall spins()")["ok"]
    time.sleep(0.02)  # it may get anywhere
    assert one("interrupt")["ok"]
    assert one("wait")["why"] == "interrupt"
    assert one("giveup")["ok"]
    assert "no call" in one("giveup")["error"]
    assert one("set main.free = true")["ok"]
    assert one("continue")["bps"] == [one.stop]
    assert value(one("call add(1, 2)")) == "3"


@pytest.mark.releases("1.18", "1.26")
@pytest.mark.modes("default")
def test_detach_in_a_call(go_build, run_go, release, mode):
    """Letting go while a call goes on waits for its end: the program lives on."""
    target = run_go(go_build(release, mode, "calls"), "forever")
    one = drive.Drive("attach", target.pid)
    stop = one.breakpoint(f"main.go:{LABELS['stop']}")
    inner = one.breakpoint("main.inner")
    assert one("continue")["bps"] == [stop]
    assert one("call outer(3)")["bps"] == [inner]
    assert one("detach")["ok"]
    one.close()
    two = drive.Drive("attach", target.pid)
    again = two.breakpoint(f"main.go:{LABELS['stop']}")
    assert two("continue")["bps"] == [again]
    assert value(two("call outer(3)")) == "41"
    assert two("detach")["ok"]
    two.close()
    assert target.popen.poll() is None


@pytest.mark.modes("noopt")
def test_watchpoint_and_panic(go_build, release, mode):
    """A variable whose function a panic ends: gone, at the latest where the function that recovered returns."""
    one = drive.Drive("launch", go_build(release, mode, "calls"), "unwind")
    stop = one.breakpoint(f"main.go:{LABELS['breaks']}")
    assert one("continue")["bps"] == [stop]
    watch = one("watch here")["id"]
    told = one("continue")
    assert (told["why"], told["text"]) == ("watch", "5 -> 10")
    told = one("continue")
    assert (told["why"], told["bps"]) == ("watchgone", [watch]), told
    assert watch not in one.list()
    assert one("continue")["event"] == "exited"
    one.close()


@pytest.fixture
def stopped(drive_launch):
    """stopped(release, mode, what, spec): a session that stands at a breakpoint."""
    def start(release, mode, what, spec):
        one = drive_launch("stepping", release, mode, what)
        one.breakpoint(spec)
        assert one("continue")["why"] == "breakpoint"
        return one
    return start


@pytest.mark.modes("noopt", "pie-noopt")
def test_evaluating_calls(stopped, release, mode):
    """Values of calls, also within larger expressions; the stack is moved meanwhile."""
    one = stopped(release, mode, "lines", f"main.go:{STEPPING['lines:if']}")
    x = int(one("print x")["value"])
    for text, value in (("add(x, 3)", x + 3), ("add(x, 3) * add(1, 1) + x", 2 * (x + 3) + x), ("fact(6)", 720),
                        ("add(add(x, x), -5)", 2 * x - 5), ("moves()", 1), ("call fact(5)", 120),
                        ("call add(x, 3) + 1", x + 4), ("len(upper()) + x", None)):
        told = one("print " + text)
        if value is None:
            assert "upper" in told["error"]
        else:
            assert told.get("value") == str(value), (text, told)
    assert int(one("print x")["value"]) == x
    assert one("next")["frames"][0]["line"] == STEPPING["lines:return"]
    assert one("continue") | {"goroutine": 0} == {"event": "exited", "code": 0, "signal": 0, "goroutine": 0, "bps": [],
                                                  "text": ""}


@pytest.mark.modes("noopt")
def test_methods_and_closures(stopped, release, mode):
    """A method of what an interface holds, a closure with what it captured, results that need the stack."""
    one = stopped(release, mode, "dispatch", f"main.go:{STEPPING['dispatch:iface']}")
    assert one("print s.area()")["value"] == "4"
    assert one("print f(7)")["value"] == "10"
    assert one("print f(s.area()) + 1")["value"] == "8"
    one.close()
    one = stopped(release, mode, "results", "main.results")
    one("next")
    assert all(one(f"remove {bp}").get("ok") for bp in one.list() if bp < 100)
    assert one("print results(n, pad)")["value"].startswith("(5, ")


@pytest.mark.modes("noopt")
def test_calls_that_fail(stopped, release, mode):
    """Panics, wrong arguments, functions without results; afterwards all is as it was."""
    one = stopped(release, mode, "lines", f"main.go:{STEPPING['lines:if']}")
    assert "panicked" in one("print boom(nil)")["error"]
    assert "not enough arguments" in one("print add(x)")["error"]
    assert "b: " in one('print add(x, "text")')["error"]
    assert "no result" in one("print recovers()")["value"]
    assert one("print add(x, 1)")["value"] == str(int(one("print x")["value"]) + 1)
    assert one("continue")["event"] == "exited"


@pytest.mark.releases("1.21", "1.23", "1.26", "1.27")  # before, the beginning of a function is no safe point
@pytest.mark.modes("default")
def test_coming_back_is_no_hit(stopped, release, mode):
    """The breakpoint the goroutine stands at is not met once more behind a call; a call that meets it counts."""
    one = stopped(release, mode, "crowd", "main.visit | if=id == 7 && n == 150")
    bp = next(row["id"] for row in one.list().values() if row["place"] == "main.visit")
    for more in range(3):
        assert one(f"print visit(id, n + 1) + {more}")["value"] == str(158 + more)
    assert one("next")["why"] == "step"
    assert one("continue")["event"] == "exited"
    row = one.list()[bp]
    assert row["hits"] == 1 and row["met"] == 100 * 200 + 3


@pytest.mark.releases("1.18", "1.26")
@pytest.mark.modes("noopt")
def test_refused_where_it_waits(stopped, release, mode):
    """In the runtime itself it refuses, with its reason; a goroutine that waits cannot call."""
    one = stopped(release, mode, "blocks", f"main.go:{STEPPING['blocks:recv']}")
    one.breakpoint("runtime.chanrecv | goroutine=1")
    assert one("continue")["goroutine"] == 1
    assert "does not allow" in one("print main.add(1, 2)")["error"]
    refusal_of_one_that_waits(one)
    assert "does not run" in one("print main.add(1, 2)")["error"]


@pytest.mark.releases("1.18", "1.22", "1.27")
@pytest.mark.modes("noopt", "default")
@pytest.mark.parametrize("first", ["main.show", f"main.go:{drive.labels('settable')['show:print']}"], ids=["function", "line"])
def test_values_are_made(gospect, go_build, release, mode, first, tmp_path):
    """Texts, interfaces, functions that the program does not have yet; in memory and in registers; alive after collections."""
    if release in ("1.18", "1.19", "1.20") and first == "main.show":
        pytest.skip("the runtime allows no call at the beginning of a function")
    s = Session(gospect, ["exec", go_build(release, mode, "settable")], [
        f"break {first}", "continue", 'set name = "somebody quite new"', 'set h.Name = "Grace " + "Hopper"', 'set h.Any = "boxed"',
        "set h.Shape = sq", "set h.Do = twice", 'set h.Word = "another"', "set h.Count = twice(h.Do(4))", 'set global = "changed"', "print name",
        "print h.Any", "set h.Count = \"text\"", "set h.Shape = 3", "clear 1", "continue"], tmp_path, check=1)
    assert s["print name"] == '"somebody quite new"\n' and "boxed" in s["print h.Any"]
    assert "gospect: " in s['set h.Count = "text"'] and "gospect: " in s["set h.Shape = 3"]
    rest = "Grace Hopper boxed 9 42 another 16 changed"
    assert [line for line in s.out.splitlines() if line.startswith("it is")] == [f"it is somebody quite new {rest}", f"it is nobody {rest}"], s


@pytest.mark.releases("1.18", "1.27")
@pytest.mark.modes("noopt")
def test_options_of_calls(gospect, go_build, release, mode, tmp_path):
    """As Delve writes them; what they mean is what the session's tests say."""
    s = Session(gospect, ["exec", go_build(release, mode, "calls")], [
        f"break main.go:{LABELS['stop']}", "continue", "call keep(&own.X)", "call -unsafe keep(&own.X)", "set kept = nil", "call -alone add(2, 3)",
        "call -alone -unsafe add(4, 5)", "call -unsafe", "exit"], tmp_path, check=1)
    assert "call it unsafely" in s.err or "stack" in s["call keep(&own.X)"]
    assert "gospect: " not in s["call -unsafe keep(&own.X)"] and "gospect: " not in s["set kept = nil"]
    assert s["call -alone add(2, 3)"].strip() == "5" and s["call -alone -unsafe add(4, 5)"].strip() == "9"
    assert "write call" in s["call -unsafe"]
