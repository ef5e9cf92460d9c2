"""gospect dap: options of launch and attach, and requests at the limits: long calls, huge values, many goroutines, bad neighbours."""
import base64
import itertools
import os
import shutil
import signal
import threading
import time

import pytest

from lib import dapclient, gobuild
from lib.dapserver import SOURCE, alive, ends, gone, line
from lib.process import assert_unharmed, wait_until

pytestmark = pytest.mark.releases("1.27")


@pytest.fixture
def program(go_build, release):
    return go_build(release, "noopt", "dap")


@pytest.fixture
def at_call(dap, program):
    """A session that stands in main.look, and its frame."""
    def start(**more):
        c = dap()
        c.start("launch", program=str(program), args=["look", "3"], **more)
        c.set_breakpoints(SOURCE, [line("look: call")])
        return c, c.top(c.configured())["id"]
    return start


# ---- functions that an expression calls ----

@pytest.mark.releases("1.18", "1.27")
@pytest.mark.parametrize("how", ["request", "progress", "pause", "disconnect", "terminate", "vanish"])
def test_a_call_without_end(at_call, how):
    """Whoever waits for it can give it up, and everything that ends a session ends it."""
    c, frame = at_call()
    pid = c.event("process")["body"]["systemProcessId"]
    seq = c.send("evaluate", expression="forever()", frameId=frame, context="repl")
    started = c.event("progressStart")["body"]
    assert started["cancellable"]
    if how == "vanish":
        c.close()
        ends(c)
        assert gone(pid)
        return
    if how in ("request", "progress"):
        c.send("cancel", **({"requestId": seq} if how == "request" else {"progressId": started["progressId"]}))
    else:
        c.send(how, **({"threadId": 1} if how == "pause" else {}))
    with pytest.raises(dapclient.Refused) as refused:
        c.wait(seq)
    assert refused.value.message == "cancelled"
    assert c.event("progressEnd")["body"]["progressId"] == started["progressId"]
    if how in ("request", "progress", "pause"):  # it stands, somewhere in the call, and what was in hand is old
        assert c.stopped()["reason"] == "pause"
        with pytest.raises(dapclient.Refused, match="no frame"):
            c.ask("scopes", frameId=frame)
        names = [f["name"] for t in c.ask("threads")["threads"]
                 for f in c.ask("stackTrace", threadId=t["id"])["stackFrames"]]
        assert "main.forever" in names and "main.look" in names
        c.ask("continue", threadId=1)
        c.ask("pause", threadId=1)
        c.stopped()
        c.ask("disconnect")
    elif how == "terminate":
        assert c.event("exited")["body"]["exitCode"] == 128 + signal.SIGTERM
        c.ask("disconnect")
    ends(c)
    assert gone(pid)


def test_a_call_that_prints_more_than_a_pipe_holds(at_call):
    c, frame = at_call()
    assert c.ask("evaluate", expression="chatter(30000)", frameId=frame, context="repl")["result"] == "30000"
    c.said("chatter 29999\n")
    assert c.output["stdout"].splitlines() == [f"chatter {i}" for i in range(30000)]
    assert c.ask("evaluate", expression="n", frameId=frame)["result"] == "3"  # the frame is the same
    c.ask("disconnect")
    ends(c)


def test_a_breakpoint_in_a_call(at_call):
    c, frame = at_call()
    c.ask("setFunctionBreakpoints", breakpoints=[{"name": "main.twice"}])
    with pytest.raises(dapclient.Refused) as refused:
        c.ask("evaluate", expression="twice(20) + 2", frameId=frame, context="repl")
    assert refused.value.message == "cancelled"
    stop = c.stopped()
    assert stop["reason"] == "function breakpoint" and c.locals(c.top(stop))["n"]["value"] == "20"
    c.ask("setFunctionBreakpoints", breakpoints=[])
    c.ask("continue", threadId=stop["threadId"])
    stop = c.stopped()  # the call has returned
    assert c.top(stop)["name"] == "main.look"
    c.ask("disconnect")
    ends(c)


# ---- launch and attach ----

def test_build_flags_output_and_rebuild(dap, release, tmp_path):
    """What is built is what the sources say at the time, also when it is restarted; `output` stays."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "go.mod").write_text("module example.com/shop\n\ngo 1.18\n")
    text = 'package main\n\nvar name = "nobody"\n\nfunc main() {\n\tprintln("first", name) // here\n\tfor {\n\t}\n}\n'
    (folder / "main.go").write_text(text)
    c = dap(env=gobuild.go_env(release), cwd=tmp_path)
    c.start("launch", mode="debug", program=str(folder), output="built", buildFlags=["-ldflags=-X main.name=Ann"])
    c.ask("configurationDone")
    c.said("first Ann", "stderr")
    (folder / "main.go").write_text(text.replace("first", "second"))
    c.ask("restart")
    c.said("second Ann", "stderr")
    c.ask("pause", threadId=1)
    assert c.stopped()["reason"] == "pause"
    (folder / "main.go").write_text(text.replace("println", "print nothing"))
    with pytest.raises(dapclient.Refused, match="go build failed"):
        c.ask("restart")
    assert c.ask("threads")["threads"]  # what ran is still there
    c.ask("disconnect")
    ends(c)
    assert os.access(tmp_path / "built", os.X_OK)


def test_restart_with_other_arguments(at_call):
    c, _ = at_call()
    c.schema = None  # which takes arguments to be those of launch and of attach at once, and refuses them
    c.ask("restart", arguments={"args": ["look", "8"]})
    assert c.locals(c.top(c.stopped()))["n"]["value"] == "8"
    c.ask("restart")
    assert c.locals(c.top(c.stopped()))["n"]["value"] == "8"
    c.ask("disconnect")
    ends(c)


def test_substituted_paths(dap, program, tmp_path):
    """The editor's folder is another one than the program was built in."""
    here = tmp_path / "elsewhere"
    here.mkdir()
    shutil.copy(SOURCE, here / "main.go")
    c = dap()
    c.start("launch", program=str(program), args=["look"], substitutePath=[{"from": str(here), "to": str(SOURCE.parent)}])
    assert c.set_breakpoints(here / "main.go", [line("look: call")])[0]["verified"]
    source = c.top(c.configured())["source"]
    assert source["path"] == str(here / "main.go") and source["adapterData"] == str(SOURCE)
    assert c.ask("gotoTargets", source=source, line=line("look: after"))["targets"]
    assert str(here / "main.go") in [s["path"] for s in c.ask("loadedSources")["sources"]]
    assert c.ask("source", source=source, sourceReference=0)["content"] == SOURCE.read_text()
    c.ask("disconnect")
    ends(c)


@pytest.mark.parametrize("stop_on_entry", [False, True])
def test_attach_by_name(dap, program, run_go, tmp_path, stop_on_entry):
    mine = tmp_path / f"dap-{os.getpid()}"  # a name that no other test's program has
    shutil.copy(program, mine)
    target = run_go(mine, "serve")
    c = dap()
    c.start("attach", name=mine.name, stopOnEntry=stop_on_entry)
    assert c.event("process")["body"]["systemProcessId"] == target.pid
    c.ask("configurationDone")
    if stop_on_entry:
        assert c.stopped()["reason"] == "entry"
    else:
        c.ask("pause", threadId=1)
        assert c.stopped()["reason"] == "pause"
    c.ask("disconnect")
    ends(c)
    assert target.alive()
    assert_unharmed(target)


@pytest.mark.parametrize("how", ["comes", "cancelled", "ambiguous"])
def test_wait_for_a_process(dap, program, run_go, tmp_path, how):
    mine = tmp_path / f"dap-{os.getpid()}-{how}"
    shutil.copy(program, mine)
    c = dap()
    c.initialize()
    with pytest.raises(dapclient.Refused, match=mine.name):
        c.ask("attach", name=mine.name)
    seq = c.send("attach", name=mine.name, waitFor=True)
    started = c.event("progressStart")["body"]
    assert mine.name in started["title"]
    if how == "cancelled":
        c.ask("cancel", progressId=started["progressId"])
        with pytest.raises(dapclient.Refused) as refused:
            c.wait(seq)
        assert refused.value.message == "cancelled"
        c.ask("disconnect")
        ends(c)
        return
    targets = [run_go(mine, "serve", ready=None)]  # it may be stopped before it says anything
    c.wait(seq)
    assert c.event("progressEnd")["body"]["progressId"] == started["progressId"]
    c.event("initialized")
    assert c.event("process")["body"]["systemProcessId"] == targets[0].pid
    c.ask("configurationDone")
    c.ask("disconnect")
    ends(c)
    if how == "ambiguous":
        targets.append(run_go(mine, "serve"))
        c = dap()
        c.initialize()
        with pytest.raises(dapclient.Refused, match=str(targets[1].pid)):
            c.ask("attach", name=mine.name)
        c.ask("disconnect")
        ends(c)
    assert all(t.alive() for t in targets)


@pytest.mark.parametrize("kill", [None, True, False])
@pytest.mark.parametrize("how", ["launch", "attach"])
def test_disconnect(dap, program, run_go, how, kill):
    """A program that was launched ends with the session, one that was attached to does not, unless it is said."""
    c = dap()
    if how == "attach":
        target = run_go(program, "serve")
        c.start("attach", processId=target.pid)
    else:
        c.start("launch", program=str(program), args=["serve"])
    pid = c.event("process")["body"]["systemProcessId"]
    c.set_breakpoints(SOURCE, [line("serve: tick")])
    c.configured()
    c.ask("disconnect", **({} if kill is None else {"terminateDebuggee": kill}))
    ends(c)
    if kill or (kill is None and how == "launch"):
        assert gone(pid)
        return
    assert alive(pid)
    assert "TracerPid:\t0" in open(f"/proc/{pid}/status", encoding="utf-8").read()
    if how == "launch":
        os.kill(pid, signal.SIGKILL)


# ---- huge values ----

def test_huge_values(dap, program):
    c = dap()
    c.start("launch", program=str(program), args=["huge", "300000"])
    c.set_breakpoints(SOURCE, [line("huge: made")])
    frame = c.top(c.configured())
    got = c.locals(frame)
    assert got["list"]["indexedVariables"] == 300000
    ref = got["list"]["variablesReference"]
    page = c.variables(ref, filter="indexed", start=299990, count=100)
    assert [(v["name"], v["value"]) for v in page] == [(f"[{i}]", str(3 * i)) for i in range(299990, 300000)]
    assert not c.variables(ref, filter="indexed", start=300000, count=100)
    assert not c.variables(ref, filter="named")
    unpaged = c.variables(ref)
    assert len(unpaged) == 1001 and "299,000 more" in unpaged[-1]["value"]
    assert got["words"]["indexedVariables"] == 5000
    pages = [c.variables(got["words"]["variablesReference"], filter="indexed", start=i, count=700) for i in range(0, 5000, 700)]
    assert sorted(int(v["value"].strip('"')) for v in itertools.chain(*pages)) == list(range(5000))
    copied = c.ask("evaluate", expression="text", frameId=frame["id"], context="clipboard")["result"]
    assert copied.startswith('"' + "0123456789" * 100_000) and "+2000000" not in copied[:-40]
    copied = c.ask("evaluate", expression="list[:60000]", frameId=frame["id"], context="clipboard")["result"]
    assert copied.endswith("179997]") and copied.count(",") >= 59999
    assert c.ask("evaluate", expression="words[4999]", frameId=frame["id"])["result"] == '"4999"'
    c.ask("disconnect")
    ends(c)


def test_threads_are_named_paged_and_filtered(dap, program):
    c = dap()
    c.start("launch", program=str(program), args=["hold", "2500"])
    c.ask("configurationDone")
    c.said("workers 2500")
    first = c.ask("threads")["threads"]  # also while it runs
    assert len([t for t in first if t["name"].endswith("main.worker")]) == 2500
    page = c.ask("threads", offset=100, count=50, filter="func=main.worker")
    assert len(page["threads"]) == 50 and page["total"] == 2500
    with pytest.raises(dapclient.Refused, match="nothing"):
        c.ask("threads", filter="nothing=1")
    c.ask("pause", threadId=1)
    c.stopped()
    last = c.ask("threads", filter="func=main.worker", offset=2499)["threads"]
    assert len(last) == 1 and "chan receive" in last[0]["name"] and f"[{last[0]['id']} " in last[0]["name"]
    frames = c.ask("stackTrace", threadId=last[0]["id"])["stackFrames"]
    assert [f["line"] for f in frames if f["name"] == "main.worker"] == [line("worker: waits")]
    c.ask("disconnect")
    ends(c)


# ---- exceptions ----

def test_fatal_error(dap, program):
    c = dap()
    c.start("launch", program=str(program), args=["fatal"])
    c.ask("setExceptionBreakpoints", filters=["fatal"])
    stop = c.configured()
    assert stop["reason"] == "exception" and "deadlock" in stop["text"]
    info = c.ask("exceptionInfo", threadId=stop["threadId"])
    assert info["exceptionId"] == "fatal error" and "deadlock" in info["description"] and info["breakMode"] == "always"
    with pytest.raises(dapclient.Refused, match="nothing went wrong"):
        c.ask("exceptionInfo", threadId=77777)
    c.ask("continue", threadId=stop["threadId"])
    while (event := c.event("stopped", "exited"))["event"] == "stopped":  # another thread may have seen it at the same time
        assert event["body"]["threadId"] != stop["threadId"] and "deadlock" in event["body"]["text"]
        c.ask("continue", threadId=event["body"]["threadId"])
    assert event["body"]["exitCode"] == 2
    c.ask("disconnect")
    ends(c)


def test_recovered_panics(dap, program):
    """All of them, or those for which a condition is true; none when nobody asks."""
    for options, stops in (({"filters": ["recovered"]}, 2), ({"filters": ["panic"]}, 0),
                           ({"filters": [], "filterOptions": [{"filterId": "recovered", "condition": "runtime.curg.goid == 77"}]}, 0),
                           ({"filters": [], "filterOptions": [{"filterId": "recovered", "condition": "runtime.curg.goid == 1"}]}, 2)):
        c = dap()
        c.start("launch", program=str(program), args=["recover"])
        c.ask("setExceptionBreakpoints", **options)
        c.ask("configurationDone")
        for _ in range(stops):
            stop = c.stopped()
            assert stop["reason"] == "exception" and "nil map" in stop["text"]
            assert c.ask("exceptionInfo", threadId=stop["threadId"])["exceptionId"] == "panic"
            c.ask("continue", threadId=stop["threadId"])
        assert c.event("exited")["body"]["exitCode"] == 0
        assert c.output["stdout"].count("recovered") == 2
        c.ask("disconnect")
        ends(c)


@pytest.mark.parametrize("second_wants,leaves,stops", [({"filters": []}, False, 2), ({"filters": ["recovered"]}, False, 2), (None, True, 2),
    ({"filters": [], "filterOptions": [{"filterId": "recovered", "condition": "runtime.curg.goid == 78"}]}, False, 2),
    ({"filters": [], "filterOptions": [{"filterId": "recovered", "condition": "runtime.curg.goid == 78"}]}, True, 0)])
def test_exceptions_of_several_clients(server, program, second_wants, leaves, stops):
    """What one wants does not change what another one wants; answers are in the order of the request."""
    connect = server()
    first, second = connect(), connect()
    first.start("launch", program=str(program), args=["recover"])
    second.start("attach", session="join")
    mine = "runtime.curg.goid == 1" if stops else "runtime.curg.goid == 77"
    told = first.ask("setExceptionBreakpoints", filters=["fatal", "nonsense", "panic"],
                     filterOptions=[{"filterId": "recovered", "condition": mine}])["breakpoints"]
    assert [b["verified"] for b in told] == [True, False, True, True] and "no such filter" in told[1]["message"]
    if second_wants:
        second.ask("setExceptionBreakpoints", **second_wants)
    if leaves:
        second.ask("disconnect")
    bad = first.ask("setExceptionBreakpoints", filters=[], filterOptions=[{"filterId": "recovered", "condition": "1 +"}])["breakpoints"]
    assert not bad[0]["verified"] and bad[0]["message"]
    first.ask("setExceptionBreakpoints", filters=["panic"], filterOptions=[{"filterId": "recovered", "condition": mine}])
    first.ask("configurationDone")
    for _ in range(stops):
        first.ask("continue", threadId=first.stopped()["threadId"])
    assert first.event("exited")["body"]["exitCode"] == 0
    assert not [e for e in first.events if e["event"] == "stopped"]
    first.ask("disconnect")
    connect.popen.terminate()
    connect.popen.wait(30)


def test_a_changed_breakpoint_stays_itself(dap, program):
    """Other conditions at the same place: the same number, counts go on, and who stands there does not meet it again."""
    c = dap()
    c.start("launch", program=str(program), args=["loop", "50"])
    where = line("loop: body")

    def set_(**more):
        return c.set_breakpoints(SOURCE, [{"line": where, **more}, line("main: choose")])

    def goes_on():
        c.ask("continue", threadId=1)
        return c.locals(c.top(c.stopped()))["i"]["value"]

    first = set_(condition="i == 3")
    c.configured()
    assert goes_on() == "3"
    assert [b["id"] for b in set_(condition="i == 3 || i == 7")] == [b["id"] for b in first]
    assert goes_on() == "7"
    changed = set_(hitCondition="== 5")  # two hits until now
    assert [b["id"] for b in changed] == [b["id"] for b in first] and changed[0]["verified"]
    assert goes_on() == "10"
    wrong = set_(condition="i ==")
    assert not wrong[0]["verified"] and wrong[0]["message"] and wrong[1]["id"] == first[1]["id"]
    assert set_(condition="i == 40")[0]["verified"]
    assert goes_on() == "40"
    c.ask("disconnect")
    ends(c)


@pytest.mark.releases("1.18", "1.27")
@pytest.mark.parametrize("mode", ["noopt", "default", "stripped"])
def test_lines_for_breakpoints(dap, go_build, mode, release):
    """All lines of a file at once are those on which a breakpoint stays where it is set, inlined code included."""
    c = dap()
    c.start("launch", program=str(go_build(release, mode, "dap")), args=["look"])
    last = len(SOURCE.read_text().splitlines()) + 50
    told = c.ask("breakpointLocations", source={"path": str(SOURCE)}, line=1, endLine=last)["breakpoints"]
    points = c.set_breakpoints(SOURCE, list(range(1, last + 1)))
    stays = [i for i, b in enumerate(points, 1) if b["verified"] and b["line"] == i]
    assert [b["line"] for b in told] == stays and len(stays) > 50
    assert c.ask("breakpointLocations", source={"path": "/nowhere/none.go"}, line=1, endLine=2147483647)["breakpoints"] == []
    c.ask("disconnect")
    ends(c)


@pytest.mark.parametrize("mode,there", [("noopt", True), ("default", False)])
def test_where_it_is_safe_to_go(dap, go_build, mode, there):
    """Not into code that the compiler has optimised; not from where a function has no stack yet, which is told."""
    c = dap()
    c.start("launch", program=str(go_build("1.27", mode, "dap")), args=["look", "3"])
    c.ask("setFunctionBreakpoints", breakpoints=[{"name": "main.look"}])
    stop = c.configured()
    where = {"source": {"path": str(SOURCE)}, "line": line("look: after")}
    assert c.ask("gotoTargets", **where)["targets"] == []
    c.ask("next", threadId=stop["threadId"])
    c.stopped()
    targets = c.ask("gotoTargets", **where)["targets"]
    assert [t["line"] for t in targets] == ([line("look: after")] if there else [])
    c.ask("disconnect")
    ends(c)


# ---- code and memory at the limits ----

def test_code_before_and_beyond(at_call):
    c, frame = at_call()
    pc = c.ask("stackTrace", threadId=1, levels=1)["stackFrames"][0]["instructionPointerReference"]
    around = c.ask("disassemble", memoryReference=pc, instructionOffset=-300, instructionCount=600)["instructions"]
    assert len(around) == 600
    index = next(i for i, one in enumerate(around) if one["address"] == pc)
    assert index == 300
    before = c.ask("disassemble", memoryReference=pc, instructionOffset=-300, instructionCount=100)["instructions"]
    assert [i["address"] for i in before] == [i["address"] for i in around[:100]]
    after = c.ask("disassemble", memoryReference=pc, offset=0, instructionOffset=200, instructionCount=50)["instructions"]
    assert [i["address"] for i in after] == [i["address"] for i in around[500:550]]
    assert c.ask("disassemble", memoryReference=pc, instructionCount=0)["instructions"] == []
    nothing = c.ask("disassemble", memoryReference="0x10", instructionOffset=-5, instructionCount=10)["instructions"]
    assert len(nothing) == 10 and all(i["presentationHint"] == "invalid" for i in nothing)
    with pytest.raises(dapclient.Refused, match="no address"):
        c.ask("disassemble", memoryReference="main.look", instructionCount=1)
    for wrong in ("!", "AAA", "A=AA"):
        with pytest.raises(dapclient.Refused, match="base64|writeMemory"):
            c.ask("writeMemory", memoryReference="0x10", data=wrong)
    with pytest.raises(dapclient.Refused):
        c.ask("writeMemory", memoryReference="0x10", data=base64.b64encode(b"x").decode())
    text = c.locals({"id": frame})["text"]["memoryReference"]
    assert base64.b64decode(c.ask("readMemory", memoryReference=text, offset=1, count=2)["data"]) == "é".encode()
    assert c.ask("readMemory", memoryReference=text, count=0)["data"] == ""
    assert len(base64.b64decode(c.ask("readMemory", memoryReference=text, offset=-4, count=10)["data"])) == 10
    c.ask("disconnect")
    ends(c)


def test_one_stands_while_the_others_run(dap, program):
    """hold in the console: the program runs, that goroutine does not, nor what it is to call; until hold -off."""
    c = dap()
    c.start("launch", program=str(program), args=["serve"])
    c.set_breakpoints(SOURCE, [{"line": line("serve: tick"), "condition": "i == 20"}])
    stop = c.configured()

    def total():
        return int(c.ask("evaluate", expression="main.total")["result"])

    def runs():
        c.ask("continue", threadId=stop["threadId"])
        time.sleep(0.1)
        c.ask("pause", threadId=stop["threadId"])
        c.stopped()
        return total()

    assert "stands" in c.ask("evaluate", expression="hold 1", context="repl")["result"]
    with pytest.raises(dapclient.Refused) as refused:
        c.ask("evaluate", expression="twice(4)", context="repl", frameId=c.top(stop)["id"])
    assert "is held" in refused.value.response["body"]["error"]["format"]
    assert [runs(), runs()] == [20, 20]
    assert "runs" in c.ask("evaluate", expression=" hold  -off 1 ", context="repl")["result"]
    for wrong, why in (("hold -off 1", "not held"), ("hold 4711", "no goroutine"), ("hold 1 2", "expected")):
        with pytest.raises(dapclient.Refused) as refused:
            c.ask("evaluate", expression=wrong, context="repl")
        assert why in refused.value.response["body"]["error"]["format"]
    wait_until(lambda: runs() > 20, "it does not run again")
    did = [(e["what"], (e.get("arguments") or {}).get("expression")) for e in c.ask("sessionLog")["entries"]]
    assert ("evaluate", "hold 1") in did
    c.ask("disconnect")
    ends(c)


# ---- neighbours ----

@pytest.fixture
def pair(server, program):
    """Two clients of a session that stands in main.look, and their frames; the first one calls forever()."""
    def start():
        connect = server()
        first, second = connect(), connect()
        first.start("launch", program=str(program), args=["look", "3"], init={"clientName": "Ann"})
        first.set_breakpoints(SOURCE, [line("look: call")])
        second.start("attach", session="join")
        frames = [c.top(c.configured())["id"] for c in (first, second)]
        return connect, first, second, frames
    return start


@pytest.mark.releases("1.18", "1.27")
def test_others_are_answered_in_a_call(pair):
    """A function that never returns, called by one client: everybody else is answered, or told at once who waits for what."""
    connect, first, second, frames = pair()
    seq = first.send("evaluate", expression="forever()", frameId=frames[0], context="repl")
    started = first.event("progressStart")["body"]
    assert "forever()" in started["title"] and started["message"] and started["cancellable"]
    assert first.event("progressUpdate")["body"]["progressId"] == started["progressId"]
    for command, arguments in (("stackTrace", {"threadId": 1}), ("scopes", {"frameId": frames[1]}), ("continue", {"threadId": 1}),
                               ("evaluate", {"expression": "n", "frameId": frames[1]})):
        with pytest.raises(dapclient.Refused) as refused:
            second.ask(command, **arguments)
        words = refused.value.response["body"]["error"]["format"]
        assert refused.value.message == "notStopped" and "busy" in words and "forever()" in words and "Ann (client 1)" in words
    assert any(t["id"] == 1 for t in second.ask("threads")["threads"])
    calling = second.ask("goroutinesSnapshot", filter="id=1")
    assert calling["total"] == 1 and calling["pause_ns"] > 0 and "main.look" in [f["function"] for f in calling["goroutines"][0]["stack"]]
    assert second.set_breakpoints(SOURCE, [line("loop: body")])[0]["verified"]
    assert second.ask("loadedSources")["sources"]
    assert "func forever" in second.ask("source", source={"path": str(SOURCE)}, sourceReference=0)["content"]
    third = connect()  # comes, is told where the program stands, and goes: the call goes on
    third.start("attach", session="join")
    assert third.configured()["threadId"] == 1
    third.ask("disconnect")
    assert not first.responses and not [e for e in first.events if e["event"] == "stopped"]
    first.send("cancel", requestId=seq)
    with pytest.raises(dapclient.Refused, match="cancelled"):
        first.wait(seq)
    assert first.stopped()["reason"] == second.stopped()["reason"] == "pause"
    assert second.event("invalidated", where=lambda body: body["areas"] == ["all"])
    assert second.ask("stackTrace", threadId=1)["stackFrames"]
    did = [(e.get("name"), e["what"], (e.get("arguments") or {}).get("expression")) for e in second.ask("sessionLog")["entries"]]
    assert ("Ann", "evaluate", "forever()") in did and ("Ann", "waits for a function", None) in did
    first.ask("disconnect", terminateDebuggee=True)
    connect.popen.terminate()
    connect.popen.wait(30)


def test_who_ends_the_session_ends_it_for_all(pair):
    """The others are told, with what happened to the program."""
    connect, first, second, _ = pair()
    first.ask("disconnect", terminateDebuggee=True)
    assert second.event("terminated")
    second.said("The program was ended", "console")
    connect.popen.terminate()
    connect.popen.wait(30)


def test_another_client_looks_while_calls_return(pair):
    """The list of goroutines stops the program again and again in the middle of calls: each has its result, and nothing is told of it."""
    connect, first, second, frames = pair()
    for i in range(5):
        seq = first.send("evaluate", expression=f"chatter({2000 + i})", frameId=frames[0], context="repl")
        while seq not in first.responses:
            assert second.ask("threads")["threads"]
            first.read_some(0)
        assert first.wait(seq)["result"] == str(2000 + i)
    assert not [e for c in (first, second) for e in c.events if e["event"] in ("stopped", "continued")]
    assert first.ask("evaluate", expression="n", frameId=frames[0])["result"] == second.ask("evaluate", expression="n", frameId=frames[1])["result"] == "3"
    first.ask("disconnect", terminateDebuggee=True)
    connect.popen.terminate()
    connect.popen.wait(30)


def test_nothing_is_lost(server, program):
    """One client counts; others vanish, flood, cancel, send garbage, and never read.  Every log line and every answer arrives once."""
    n = 3000
    connect = server()
    good, flood, garbage, mute, vanishes, cancels = (connect() for _ in range(6))
    good.start("launch", program=str(program), args=["loop", str(n)])
    for other in (flood, mute, vanishes, cancels):
        other.start("attach", session="join")
    good.set_breakpoints(SOURCE, [{"line": line("loop: body"), "logMessage": "i={i}"}, {"line": line("loop: body"), "condition": f"i == {n - 1}"}])
    stop = threading.Event()

    def floods():
        request = dapclient.framed({"seq": 999, "type": "request", "command": "sessionLog", "arguments": {}})
        os.set_blocking(flood.writer, False)
        rest = b""
        while not stop.is_set():
            try:
                rest = rest or request * 20
                rest = rest[os.write(flood.writer, rest):]
            except BlockingIOError:
                time.sleep(0.001)
            except OSError:
                return

    thread = threading.Thread(target=floods)
    thread.start()
    try:
        garbage.send_raw(b"Content-Length: 12\r\n\r\n{]\xff\xfe..........\r\nGET / HTTP/1.1\r\n\r\n")
        for i in range(30):
            cancels.send("goroutinesSnapshot", maxDepth=1 + i)
            cancels.send("cancel", requestId=cancels.seq)
        vanishes.send("threads")
        vanishes.close()
        good.ask("configurationDone")
        answers = [good.send("sessionLog", count=1) for _ in range(50)]
        assert good.stopped()["hitBreakpointIds"]
        assert [good.wait(seq)["total"] > 0 for seq in answers] == [True] * 50
    finally:
        stop.set()
        thread.join()
    assert [t for t in good.output["console"].splitlines() if t.startswith("i=")] == [f"i={i}" for i in range(n)]
    assert good.locals(good.top({"threadId": 1}))["i"]["value"] == str(n - 1)
    for i in range(0, 60, 2):  # each of them was answered, done or cancelled
        cancels.until(lambda i=i: cancels.responses.get(cancels.seq - i) or None, "the answer")
    good.ask("disconnect", terminateDebuggee=True)
    wait_until(lambda: connect.popen.poll() is None, "the server lives")
    third = connect()
    third.start("launch", program=str(program), args=["look"])
    third.ask("configurationDone")
    third.event("exited")
    connect.popen.terminate()
    connect.popen.wait(30)
