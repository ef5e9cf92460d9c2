"""Breakpoints in plugins that are loaded while the debugger is there: the places are in the plugin's source, how often
they are met the target's main says."""
import contextlib
import os

import pytest

from lib import dapclient, drive
from lib.dbgterm import Session, arrow
from lib.paths import TARGETS

PLUGIN = ("-buildmode=plugin",)
LINES = drive.labels("latecode/late")
FILE = f"late/main.go:{LINES['late:add']}"
pytestmark = [pytest.mark.releases("1.18", "1.22", "1.27"), pytest.mark.modes("cgo-noopt", "cgo-stripped")]


@pytest.fixture
def built(go_build):
    """built(release, mode) -> program, plugin"""
    return lambda release, mode: (go_build(release, mode, "latecode"), go_build(release, mode, "latecode/late", PLUGIN))


def test_pending_breakpoints_are_found(built, gospect, release, mode, tmp_path):
    """By function, by line, in an initialisation that runs at once; none is met too often, none is missed."""
    program, plugin = built(release, mode)
    s = Session(gospect, ["exec", program], [
        f"break -pending init late/main.go:{LINES['late:init']}", "break -pending work late.Work", f"break -pending {FILE}",
        "break main.main", "breakpoints", "continue", "continue", "stack", "args", "step", "next", "stepout", "continue", "args", "stack", "clear work", "condition -hitcount 3 == 20",
        "continue", "libraries", "breakpoints", "clearall", "continue"], tmp_path, [plugin], check=0 if mode == "cgo-noopt" else 1)
    assert s["breakpoints"].count("not there yet") == 3
    assert "main.main" in s["continue"]
    first = s["continue"]
    assert f"plugin {os.path.realpath(plugin)}" in first and first.count("not there yet") == 0, first
    assert [f"breakpoint {i}" in first for i in (1, 2, 3)] == [True] * 3
    assert "breakpoint 1 (init): goroutine 1" in first, first
    assert "late.init" in s["stack"]
    assert arrow(s["step"])[0] == LINES["late:init"] + 1
    assert "plugin.open at" in s["next"] and "plugin.Open at" in s["stepout"] or mode == "cgo-stripped"
    assert "breakpoint 2 (work)" in s["continue"]
    assert ("n = 5" if mode == "cgo-noopt" else "no DWARF") in s["args"]
    assert "late.Work" in s["stack"]
    assert "breakpoint 3, hit 20 times: " in s["continue"]
    assert os.path.realpath(plugin) in s["libraries"]
    assert s["clearall"].count("removed") == 3 and "worked 121" in s.out


def test_counts(built, drive_latecode, release, mode):
    """Four goroutines go through it five times each, and main once more: counted, while nobody stops."""
    one = drive_latecode(*built(release, mode))
    line, func = one.breakpoint(f"{FILE} | pending | log=adding"), one.breakpoint("late.Work | pending | log=working")
    assert [one.list()[bp]["waits"] for bp in (line, func)] == [True, True]
    assert one("continue")["event"] == "exited"
    assert [one.list()[bp]["hits"] for bp in (line, func)] == [4 * 5 + 1, 4 + 1]
    assert [sum(log["text"] == text for log in one.logs) for text in ("adding", "working")] == [4 * 5 + 1, 4 + 1]
    assert [(change["event"], change["bps"]) for change in one.changes] == [("module", []), ("bp", [line]), ("bp", [func])]


@pytest.fixture
def drive_latecode():
    with contextlib.ExitStack() as stack:
        def start(program, plugin):
            one = drive.Drive("launch", program, plugin)
            stack.callback(one.close)
            return one
        yield start


def test_an_editor_is_told(built, gospect_start, release, mode):
    """The module and its sources come as events, before the breakpoint that is found there, and before it stops."""
    program, plugin = built(release, mode)
    source = TARGETS / "latecode" / "late" / "main.go"
    process = gospect_start("dap", stdin=-1)
    c = dapclient.Client(os.dup(process.stdout.fileno()), os.dup(process.stdin.fileno()))
    process.stdin.close()
    process.stdin = None
    with contextlib.closing(c):
        c.start("launch", program=str(program), args=[str(plugin)])
        mine = c.set_breakpoints(source, [LINES["late:return"]])[0]
        assert not mine["verified"] and mine["reason"] == "pending"
        stop = c.configured()
        assert stop["hitBreakpointIds"] == [mine["id"]]
        module = c.event("module")["body"]
        assert module["reason"] == "new" and module["module"]["path"] == os.path.realpath(plugin)
        loaded = c.event("loadedSource", where=lambda b: b["source"]["path"].endswith("late/main.go"))["body"]
        assert loaded["reason"] == "new"
        found = c.event("breakpoint", where=lambda b: b["breakpoint"]["id"] == mine["id"])["body"]
        assert found["reason"] == "changed" and found["breakpoint"]["verified"]
        assert found["breakpoint"]["line"] == LINES["late:return"]
        assert c.top(stop)["line"] == LINES["late:return"]
        assert os.path.realpath(plugin) in [m.get("path") for m in c.ask("modules")["modules"]]
        c.ask("disconnect", terminateDebuggee=True)


def test_attached_later(built, gospect, run_go, release, mode, tmp_path):
    """Plugins that are there when the debugger comes are known from the start."""
    program, plugin = built(release, mode)
    target = run_go(program, plugin, "wait", unharmed=False)
    s = Session(gospect, ["attach", target.pid], ["break late.Work", "breakpoints", f"list {FILE}", "exit -c"], tmp_path)
    assert "late.Work at" in s["break late.Work"], s
    assert "not there" not in s["breakpoints"]
    assert arrow(s[f"list {FILE}"]) == (LINES["late:add"], "    total += by // late:add")
