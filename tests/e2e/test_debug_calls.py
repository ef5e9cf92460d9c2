"""Functions of the program, called by the runtime's own protocol: arguments and results in registers and on the
stack, methods, closures, generics of the target; what panics or is refused says so, and the program goes on as if
nothing had been."""
import pytest

from lib import drive

LABELS = drive.labels("stepping")


@pytest.fixture
def stopped(go_build):
    """stopped(release, mode, what, spec): a session that stands at a breakpoint."""
    opened = []

    def start(release, mode, what, spec):
        one = drive.Drive("launch", go_build(release, mode, "stepping"), what)
        opened.append(one)
        one.breakpoint(spec)
        assert one("continue")["why"] == "breakpoint"
        return one

    yield start
    for one in opened:
        one.close()


@pytest.mark.modes("noopt", "pie-noopt")
def test_calls(stopped, release, mode):
    """Values of calls, also within larger expressions; the stack is moved meanwhile."""
    one = stopped(release, mode, "lines", f"main.go:{LABELS['lines:if']}")
    x = int(one("print x")["value"])
    for text, value in (("add(x, 3)", x + 3), ("add(x, 3) * add(1, 1) + x", 2 * (x + 3) + x), ("fact(6)", 720),
                        ("add(add(x, x), -5)", 2 * x - 5), ("moves()", 1), ("len(upper()) + x", None)):
        told = one("print " + text)
        if value is None:
            assert "upper" in told["error"]
        else:
            assert told.get("value") == str(value), (text, told)
    assert int(one("print x")["value"]) == x
    assert one("next")["frames"][0]["line"] == LABELS["lines:return"]
    assert one("continue") | {"goroutine": 0} == {"event": "exited", "code": 0, "signal": 0, "goroutine": 0, "bps": [],
                                                  "text": ""}


@pytest.mark.modes("noopt")
def test_methods_and_closures(stopped, release, mode):
    """A method of what an interface holds, a closure with what it captured, results that need the stack."""
    one = stopped(release, mode, "dispatch", f"main.go:{LABELS['dispatch:iface']}")
    assert one("print s.area()")["value"] == "4"
    assert one("print f(7)")["value"] == "10"
    assert one("print f(s.area()) + 1")["value"] == "8"
    one.close()
    one = stopped(release, mode, "results", "main.results")
    one("next")
    assert one("print results(n, pad)")["value"] == "5"


@pytest.mark.modes("noopt")
def test_calls_that_fail(stopped, release, mode):
    """Panics, wrong arguments, functions without results; afterwards all is as it was."""
    one = stopped(release, mode, "lines", f"main.go:{LABELS['lines:if']}")
    assert "panicked" in one("print boom(nil)")["error"]
    assert "it takes 2 arguments" in one("print add(x)")["error"]
    assert "argument b" in one('print add(x, "text")')["error"]
    assert "no result" in one("print recovers()")["error"]
    assert one("print add(x, 1)")["value"] == str(int(one("print x")["value"]) + 1)
    assert one("continue")["event"] == "exited"


@pytest.mark.releases("1.21", "1.23", "1.26", "1.27")  # before, the beginning of a function is no safe point
@pytest.mark.modes("default")
def test_a_call_does_not_count(stopped, release, mode):
    """The breakpoint the goroutine stands at is neither met by the call nor once more behind it."""
    one = stopped(release, mode, "crowd", "main.visit | if=id == 7 && n == 150")
    bp = [row for row in one.list().values() if row["place"] == "main.visit"][0]["id"]
    for more in range(3):
        assert one(f"print visit(id, n) + {more}")["value"] == str(157 + more)
    assert one("next")["why"] == "step"
    assert one("continue")["event"] == "exited"
    row = one.list()[bp]
    assert row["hits"] == 1 and row["met"] == 100 * 200


@pytest.mark.releases("1.18", "1.26")
@pytest.mark.modes("noopt")
def test_refused(stopped, release, mode):
    """In the runtime itself it refuses, with its reason; a goroutine that waits cannot call."""
    one = stopped(release, mode, "blocks", f"main.go:{LABELS['blocks:recv']}")
    one.breakpoint("runtime.chanrecv | goroutine=1")
    assert one("continue")["goroutine"] == 1
    assert "refuses" in one("print main.add(1, 2)")["error"]
    assert one("goroutine 2")["ok"]
    assert "does not run" in one("print main.add(1, 2)")["error"]
