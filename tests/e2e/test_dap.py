"""gospect dap, as editors use it.  All traffic is validated against the protocol's public schema."""
import base64
import contextlib
import os
import signal
import subprocess
import time

import pytest

from lib import dapclient, dapscript, gobuild
from lib.dapserver import SOURCE, ends, gone, line
from lib.paths import ROOT
from lib.process import assert_unharmed
from lib.terminal import Terminal

SCRIPTS = sorted((ROOT / "tests" / "dap").glob("*.txt"))


@pytest.fixture
def program(go_build):
    return lambda release: go_build(release, "noopt", "dap")


@pytest.mark.sanitized
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
@pytest.mark.releases("1.27")
def test_scripts(dap, program, release, script):
    client = dap()
    dapscript.Script(client, script, {"PROGRAM": program(release), "SOURCE": SOURCE, "line": line}).run()
    ends(client)


def test_variables(dap, program, release):
    """Names, types, values, children and pages of what the program's source says it has."""
    c = dap()
    c.start("launch", program=str(program(release)), args=["look", "3"])
    c.set_breakpoints(SOURCE, [line("look: call")])
    stop = c.configured()
    got = c.locals(c.top(stop))
    assert got["n"]["value"] == "3" and got["n"]["type"] == "int"
    assert got["text"]["value"] == r'"héllo \"world\""'
    assert got["p"]["type"] == "*main.point" and "X: 3" in got["p"]["value"]
    assert got["s"]["type"] == "main.shape" and "*main.point" in got["s"]["value"]
    assert got["list"]["indexedVariables"] == 250 and got["list"]["type"] == "[]int"
    page = c.variables(got["list"]["variablesReference"], filter="indexed", start=100, count=50)
    assert [(v["name"], v["value"]) for v in page] == [(f"[{i}]", str(3 * i)) for i in range(100, 150)]
    assert len(c.variables(got["list"]["variablesReference"])) == 250
    ages = {v["name"]: v["value"] for v in c.variables(got["ages"]["variablesReference"])}
    assert ages == {'["ann"]': "31", '["bob"]': "44"}
    pointee = c.variables(got["p"]["variablesReference"])[0]
    fields = {v["name"]: v["value"] for v in c.variables(pointee["variablesReference"])} \
        if pointee["variablesReference"] else {v["name"]: v["value"] for v in c.variables(got["p"]["variablesReference"])}
    assert fields == {"X": "3", "Y": "2", "name": '"p"'}
    c.ask("disconnect")
    ends(c)


def test_threads_and_snapshot(dap, program, release):
    """More goroutines than others show; the list, its pages, stacks, a filter."""
    count = 1500
    c = dap()
    c.start("launch", program=str(program(release)), args=["workers", str(count)])
    c.set_breakpoints(SOURCE, [line("workers: all wait")])
    stop = c.configured()
    threads = c.ask("threads")["threads"]
    workers = [t for t in threads if t["name"].endswith("main.worker")]
    assert all("chan receive" in t["name"] for t in workers)
    assert len(workers) == count and len({t["id"] for t in threads}) == len(threads)
    paged = c.ask("threads", offset=0, count=1000)["threads"] + c.ask("threads", offset=1000)["threads"]
    assert sorted(t["id"] for t in paged) == sorted(t["id"] for t in threads)
    one = c.ask("stackTrace", threadId=workers[0]["id"])["stackFrames"]
    assert "main.worker" in [f["name"] for f in one]
    assert {f["presentationHint"] for f in one if f["name"].startswith("runtime.")} <= {"subtle"}
    snap = c.ask("goroutinesSnapshot", includeStacks=True, maxDepth=20)
    assert snap["total"] == len(threads) and snap["pause_ns"] == 0  # it stands anyway
    stacks = [g for g in snap["goroutines"] if any(f["function"] == "main.worker" for f in g["stack"])]
    assert len(stacks) == count
    assert {g["status"] for g in stacks} == {"waiting"}
    assert {f["line"] for g in stacks for f in g["stack"] if f["function"] == "main.worker"} == {line("worker: waits")}
    few = c.ask("goroutinesSnapshot", includeStacks=False, filter="func=main.worker", offset=10, count=5)
    assert few["total"] == count and len(few["goroutines"]) == 5 and "stack" not in few["goroutines"][0]
    with pytest.raises(dapclient.Refused, match="column"):
        c.ask("goroutinesSnapshot", filter="state=")
    c.ask("continue", threadId=stop["threadId"])
    assert c.event("exited")["body"]["exitCode"] == 0
    c.ask("disconnect")
    ends(c)


def test_deep_stack_pages(dap, program, release):
    c = dap()
    c.start("launch", program=str(program(release)), args=["deep", "3000"])
    c.set_breakpoints(SOURCE, [line("deep: bottom")])
    stop = c.configured()
    first = c.ask("stackTrace", threadId=stop["threadId"], startFrame=0, levels=20)
    assert len(first["stackFrames"]) == 20 and first["totalFrames"] > 20
    later = c.ask("stackTrace", threadId=stop["threadId"], startFrame=2990, levels=1000)
    names = [f["name"] for f in later["stackFrames"]]
    assert names[:11] == ["main.deep"] * 11 and names[11] == "main.main"
    assert later["totalFrames"] == 2990 + len(names)
    assert c.locals(later["stackFrames"][10])["n"]["value"] == "3000"
    c.ask("disconnect")
    ends(c)


@pytest.mark.releases("1.18", "1.27")
def test_attach_pause_and_leave(dap, program, release, run_go):
    """A process that runs: looked at while it does, paused, let go unharmed."""
    target = run_go(program(release), "serve")
    c = dap()
    c.start("attach", processId=target.pid)
    c.ask("configurationDone")
    snap = c.ask("goroutinesSnapshot")
    assert any(f["function"] == "main.serve" for g in snap["goroutines"] for f in g["stack"])
    assert snap["pause_ns"] > 0
    with pytest.raises(dapclient.Refused) as refused:
        c.ask("stackTrace", threadId=1)
    assert refused.value.message == "notStopped"
    assert not any(e["event"] == "stopped" for e in c.events)
    c.ask("pause", threadId=1)
    assert c.stopped()["reason"] == "pause"
    main = [f["name"] for f in c.ask("stackTrace", threadId=1)["stackFrames"]]
    assert "main.serve" in main
    c.set_breakpoints(SOURCE, [line("serve: tick")])
    c.ask("continue", threadId=1)
    assert c.stopped()["reason"] == "breakpoint"
    c.ask("disconnect")
    ends(c)
    assert target.alive()
    assert_unharmed(target)


@pytest.mark.releases("1.27")
@pytest.mark.parametrize("standing", [True, False])
@pytest.mark.parametrize("how", ["attach", "launch"])
def test_client_vanishes(dap, program, release, run_go, how, standing):
    """A connection that breaks: who was attached to lives, who was launched has ended."""
    c = dap()
    if how == "attach":
        target = run_go(program(release), "serve")
        c.start("attach", processId=target.pid)
        pid = target.pid
    else:
        c.start("launch", program=str(program(release)), args=["serve"])
        pid = next(e["body"]["systemProcessId"] for e in c.events if e["event"] == "process")
    if standing:
        c.set_breakpoints(SOURCE, [line("serve: tick")])
        c.configured()
    else:
        c.ask("configurationDone")
    c.close()
    ends(c)
    if how == "attach":
        assert target.alive()
        assert_unharmed(target)
    else:
        assert gone(pid)


@pytest.mark.releases("1.27")
def test_program_is_what_was_asked(dap, program, release, tmp_path):
    """Arguments, environment, directory, both outputs, exit status."""
    c = dap()
    c.start("launch", program=str(program(release)), args=["env", "5", "a b"], cwd=str(tmp_path),
            env={"DAP_TEST": "from the request", "HOME": None})
    c.ask("configurationDone")
    assert c.event("exited")["body"]["exitCode"] == 5
    c.event("terminated")
    assert c.output["stdout"] == f"from the request {tmp_path} [env 5 a b]\n"
    assert c.output["stderr"] == "to stderr\n"
    c.ask("disconnect")
    ends(c)


@pytest.mark.releases("1.27")
def test_restart_and_terminate(dap, program, release):
    c = dap()
    c.start("launch", program=str(program(release)), args=["serve"])
    first = c.event("process")["body"]["systemProcessId"]
    c.set_breakpoints(SOURCE, [line("serve: tick")])
    c.configured()
    c.ask("restart")
    second = c.event("process")["body"]["systemProcessId"]
    assert second != first and gone(first)
    stop = c.stopped()
    assert stop["reason"] == "breakpoint"
    c.ask("terminate")
    assert c.event("exited")["body"]["exitCode"] == 128 + 15
    c.event("terminated")
    assert gone(second)
    c.ask("disconnect")
    ends(c)


@pytest.mark.releases("1.27")
def test_killed_while_it_stands(dap, program, release):
    """By somebody else: the editor hears of it without asking."""
    c = dap()
    c.start("launch", program=str(program(release)), args=["serve"])
    pid = c.event("process")["body"]["systemProcessId"]
    c.set_breakpoints(SOURCE, [line("serve: tick")])
    assert c.configured()["reason"] == "breakpoint"
    os.kill(pid, signal.SIGKILL)
    assert c.event("exited")["body"]["exitCode"] == 128 + 9
    c.event("terminated")
    c.ask("disconnect")
    ends(c)


@pytest.mark.releases("1.18", "1.27")
def test_panic(dap, program, release):
    c = dap()
    c.start("launch", program=str(program(release)), args=["panic"])
    c.ask("setExceptionBreakpoints", filters=["panic", "fatal"])
    stop = c.configured()
    assert stop["reason"] == "exception" and "assignment to entry in nil map" in stop["text"]
    info = c.ask("exceptionInfo", threadId=stop["threadId"])
    assert info["exceptionId"] == "panic" and "nil map" in info["description"]
    frames = c.ask("stackTrace", threadId=stop["threadId"])["stackFrames"]
    mine = next(f for f in frames if f["name"] == "main.fails")
    assert mine["line"] == line("fails: here")
    c.ask("setExceptionBreakpoints", filters=[])
    c.ask("continue", threadId=stop["threadId"])
    assert c.event("exited")["body"]["exitCode"] == 2
    c.ask("disconnect")
    ends(c)


@pytest.mark.releases("1.27")
def test_several_clients(server, program, release):
    """Two clients, one session: each its own numbers, both see everything, the log says who did what."""
    connect = server()
    first, second = connect(), connect()
    first.start("launch", program=str(program(release)), args=["loop", "100"], init={"clientName": "Ann"})
    with pytest.raises(dapclient.Refused, match="session already"):
        second.initialize(clientName="Bob")
        second.ask("launch", program=str(program(release)))
    second.ask("attach", session="join")
    second.event("initialized")
    mine = first.set_breakpoints(SOURCE, [line("loop: body")])[0]
    told = second.event("breakpoint")["body"]
    assert told["reason"] == "new" and told["breakpoint"]["id"] == mine["id"]
    theirs = second.set_breakpoints(SOURCE, [line("main: choose")])[0]
    assert theirs["id"] != mine["id"]
    first.ask("configurationDone")
    second.ask("configurationDone")
    assert first.stopped()["hitBreakpointIds"] == [theirs["id"]]
    stop = second.stopped()
    second.ask("continue", threadId=stop["threadId"])
    first.event("continued")
    assert first.stopped()["hitBreakpointIds"] == second.stopped()["hitBreakpointIds"] == [mine["id"]]
    frames = [c.top(stop) for c in (first, second)]
    values = [c.locals(f) for c, f in zip((first, second), frames)]
    assert values[0].keys() == values[1].keys()
    second.close()  # its breakpoint goes with it, the session stays
    assert first.event("breakpoint", where=lambda b: b["reason"] == "removed")["body"]["breakpoint"]["id"] == theirs["id"]
    log = first.ask("sessionLog")["entries"]
    did = [(entry.get("name"), entry["what"]) for entry in log]
    assert ("Bob", "joined") in did and ("Bob", "continue") in did and ("Ann", "setBreakpoints") in did
    assert did.index(("Ann", "launch")) < did.index(("Bob", "joined")) < did.index(("Bob", "left"))
    first.set_breakpoints(SOURCE, [])
    first.ask("continue", threadId=1)
    first.event("exited")
    first.ask("disconnect")
    third = connect()  # the server is there for the next session
    third.start("launch", program=str(program(release)), args=["look"])
    third.ask("configurationDone")
    third.event("exited")
    third.ask("disconnect")
    connect.popen.terminate()
    connect.popen.wait(30)


@pytest.mark.releases("1.27")
def test_owner_leaves_others_stay(server, program, release, run_go):
    connect = server()
    target = run_go(program(release), "serve")
    first, second = connect(), connect()
    first.start("attach", processId=target.pid)
    first.ask("configurationDone")
    second.start("attach", session="join")
    second.ask("configurationDone")
    first.close()
    second.ask("pause", threadId=1)
    assert second.stopped()["reason"] == "pause"
    second.ask("disconnect")
    connect.popen.terminate()
    connect.popen.wait(30)
    assert target.alive()
    assert_unharmed(target)


@pytest.mark.releases("1.27")
def test_flood(server, program, release):
    """A client that only sends, and one that never reads: the others are served, memory is bounded."""
    connect = server()
    good, bad = connect(), connect()
    good.start("launch", program=str(program(release)), args=["serve"])
    os.set_blocking(bad.writer, False)
    bad.seq = 1
    one = dapclient.framed({"seq": 1, "type": "request", "command": "initialize", "arguments": {}})
    refused = dapclient.framed({"seq": 2, "type": "request", "command": "threads", "arguments": {"filter": "x" * 2000}})
    rest, stuck, end = one, 0, time.monotonic() + 4
    while stuck < 20 and time.monotonic() < end:  # until its bytes are not taken any more
        try:
            rest = rest[os.write(bad.writer, rest):] or refused * 20  # whole messages: what is none ends the connection
            stuck = 0
        except BlockingIOError:
            stuck += 1
            good.ask("goroutinesSnapshot", includeStacks=False)
    status = open(f"/proc/{connect.popen.pid}/status", encoding="utf-8").read()
    rss = int(next(row.split()[1] for row in status.splitlines() if row.startswith("VmRSS")))
    assert rss < 200 << 10, f"{rss} KiB"
    good.ask("configurationDone")
    good.ask("pause", threadId=1)
    assert good.stopped()["reason"] == "pause"
    bad.close()
    good.ask("disconnect")
    connect.popen.terminate()
    connect.popen.wait(30)


@pytest.mark.sanitized
@pytest.mark.releases("1.27")
def test_cancel(dap, program, release):
    """What waits in the queue when its cancel request comes is not done."""
    c = dap()
    c.start("launch", program=str(program(release)), args=["workers", "3000"])
    c.set_breakpoints(SOURCE, [line("workers: all wait")])
    c.configured()
    with c.together():  # the cancel is there before the last of them is begun, however slow we are
        many = [c.send("goroutinesSnapshot", maxDepth=10 + i) for i in range(20)]
        c.send("cancel", requestId=many[-1])
    with pytest.raises(dapclient.Refused) as refused:
        c.wait(many[-1])
    assert refused.value.message == "cancelled"
    assert c.wait(many[0])["total"] > 3000
    c.ask("disconnect")
    ends(c)


GO_MODULE = "module example.com/shop\n\ngo 1.18\n"
GO_MAIN = """package main

import "fmt"

func price(n int) int {
	return n * 7
}

func main() {
	fmt.Println("price", price(6))
}
"""
GO_TEST = """package main

import "testing"

func TestPrice(t *testing.T) {
	got := price(3)
	if got != 21 {
		t.Fatal(got)
	}
}
"""


@pytest.fixture
def shop(tmp_path):
    """A small module of its own, and the environment in which a release builds it."""
    (tmp_path / "shop").mkdir()
    for name, text in (("go.mod", GO_MODULE), ("main.go", GO_MAIN), ("main_test.go", GO_TEST)):
        (tmp_path / "shop" / name).write_text(text)
    return tmp_path / "shop"


@pytest.mark.releases("1.27")
def test_builds_and_tests(dap, shop, release, tmp_path):
    """Modes debug and test build with the go in PATH, without optimisation, and leave nothing behind."""
    env = {**gobuild.go_env(release), "TMPDIR": str(tmp_path)}
    for mode, file, mark, expected in (("debug", "main.go", 6, "n"), ("test", "main_test.go", 7, "got")):
        c = dap(env=env)
        c.start("launch", mode=mode, program=str(shop), args=["-test.v"] if mode == "test" else [])
        assert c.event("progressStart")["body"]["progressId"] == c.event("progressEnd")["body"]["progressId"]
        assert c.set_breakpoints(shop / file, [mark])[0]["verified"]
        stop = c.configured()
        assert expected in c.locals(c.top(stop))
        c.ask("continue", threadId=stop["threadId"])
        c.said("price 42" if mode == "debug" else "--- PASS: TestPrice")
        c.event("exited")
        c.ask("disconnect")
        ends(c)
        assert not list(tmp_path.glob("gospect-*"))


@pytest.mark.releases("1.27")
def test_build_that_fails(dap, shop, release, tmp_path):
    env = {**gobuild.go_env(release), "TMPDIR": str(tmp_path)}
    (shop / "main.go").write_text(GO_MAIN.replace("return n * 7", 'return "seven"'))
    c = dap(env=env)
    c.initialize()
    with pytest.raises(dapclient.Refused, match="go build failed(.|\n)*main.go:6"):
        c.ask("launch", mode="debug", program=str(shop))
    (shop / "main.go").write_text(GO_MAIN)
    with pytest.raises(dapclient.Refused, match="no go in PATH"):
        c.ask("launch", mode="debug", program=str(shop), env={"PATH": "/nowhere"})
    c.ask("launch", mode="debug", program=str(shop))
    c.event("initialized")
    c.ask("configurationDone")
    c.said("price 42")
    c.ask("disconnect")
    ends(c)
    assert not list(tmp_path.glob("gospect-*"))


@pytest.mark.releases("1.27")
def test_cancelled_build(dap, shop, release, tmp_path):
    slow = tmp_path / "bin"
    slow.mkdir()
    (slow / "go").write_text("#!/bin/sh\necho building\nexec sleep 600\n")
    (slow / "go").chmod(0o755)
    c = dap(env={"PATH": f"{slow}:{os.environ['PATH']}", "TMPDIR": str(tmp_path)})
    c.initialize()
    seq = c.send("launch", mode="debug", program=str(shop))
    c.said("building", "stderr")
    c.ask("cancel", progressId=c.event("progressStart")["body"]["progressId"])
    with pytest.raises(dapclient.Refused) as refused:
        c.wait(seq)
    assert refused.value.message == "cancelled"
    c.send("launch", mode="debug", program=str(shop))
    c.event("progressStart")
    c.close()  # and one that nobody waits for any more
    ends(c)
    assert not list(tmp_path.glob("gospect-*"))


@pytest.mark.releases("1.27")
def test_editor_terminal(dap, program, release):
    """integratedTerminal: the program's files are the terminal that the editor opened."""
    c = dap()
    c.initialize()
    seq = c.send("launch", program=str(program(release)), args=["env", "3"], console="integratedTerminal",
                 env={"DAP_TEST": "in a terminal"})
    asked = c.until(lambda: c.requests.popleft() if c.requests else None, "runInTerminal")
    with contextlib.closing(Terminal(asked["arguments"]["args"])) as terminal:
        c.respond(asked, processId=terminal.pid)
        c.wait(seq)
        c.event("initialized")
        c.ask("configurationDone")
        assert c.event("exited")["body"]["exitCode"] == 3
        terminal.wait("in a terminal")
        terminal.wait("to stderr")
        c.ask("disconnect")
    ends(c)
    assert not c.output["stdout"]


@pytest.mark.releases("1.27")
def test_snapshot_as_session(dap, program, release, run_go, gospect, tmp_path):
    """A saved snapshot is looked at with the same views; there is no process to run."""
    target = run_go(program(release), "serve")
    file = tmp_path / "a.gsnap"
    gospect("snapshot", target.pid, "--locals", "-o", file, check=0)
    c = dap()
    c.start("launch", mode="snapshot", snapshotFilePath=str(file))
    c.configured()
    main = next(t for t in c.ask("threads")["threads"] if t["id"] == 1)
    assert main["name"].endswith("main.serve")
    frames = c.ask("stackTrace", threadId=1)["stackFrames"]
    serve = next(f for f in frames if f["name"] == "main.serve")
    assert serve["source"]["path"] == str(SOURCE)
    assert "i" in c.locals(serve)
    assert c.ask("goroutinesSnapshot")["total"] == len(c.ask("threads")["threads"])
    assert str(SOURCE) in [s["path"] for s in c.ask("loadedSources")["sources"]]
    assert not c.set_breakpoints(SOURCE, [line("serve: tick")])[0]["verified"]
    with pytest.raises(dapclient.Refused, match="snapshot"):
        c.ask("continue", threadId=1)
    c.ask("disconnect")
    ends(c)


@pytest.mark.releases("1.18", "1.27")
def test_core_as_session(dap, program, release, run_go, gospect, tmp_path):
    target = run_go(program(release), "serve")
    gospect("core", target.pid, "-o", tmp_path / "core", check=0)
    c = dap()
    c.start("launch", mode="core", coreFilePath=str(tmp_path / "core"), program=str(program(release)))
    c.configured()
    frames = c.ask("stackTrace", threadId=1)["stackFrames"]
    serve = next(f for f in frames if f["name"] == "main.serve")
    assert int(c.locals(serve)["i"]["value"]) >= 0
    for command in ("continue", "next"):
        with pytest.raises(dapclient.Refused, match="core"):
            c.ask(command, threadId=1)
    c.ask("disconnect")
    ends(c)


def test_where_it_listens(server, gospect, tmp_path, dap):
    """This machine's own addresses, unless the user says that others may; a socket for its user alone."""
    for address in ("0.0.0.0:0", "[::]:0", ":::0"):
        assert "other machines" in gospect("dap", "--listen", address, check=2).err
    for address in ("here", "127.0.0.1:99999", "127.0.0.1:", "unix:"):
        gospect("dap", "--listen", address, check=2)
    path = tmp_path / "socket"
    connect = server(listen=f"unix:{path}")
    assert path.stat().st_mode & 0o777 == 0o600
    assert connect().initialize()["supportsConfigurationDoneRequest"]
    assert "Remove the file" in " ".join(gospect("dap", "--listen", f"unix:{path}", check=3).err.split())
    connect.popen.terminate()
    connect.popen.wait(30)
    assert not path.exists()
    everywhere = server("--allow-remote", listen="0.0.0.0:0")
    everywhere.popen.terminate()


def test_other_user_is_refused(server):
    """Who reaches the port could run programs as us: it must be the same user, or root."""
    if os.geteuid() != 0:
        pytest.skip("needs root to be somebody else")
    connect = server()
    text = ("import os, socket, sys\nos.setgid(65534); os.setuid(65534)\n"
            "s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
            "sys.exit(len(s.recv(10)))\n")
    done = subprocess.run(["/usr/bin/python3", "-c", text, connect.address.rsplit(":", 1)[1]], check=False, timeout=60)
    assert done.returncode == 0  # hung up at once
    assert b"another user (uid 65534)" in os.read(connect.popen.stderr.fileno(), 4096)
    assert connect().initialize()["supportsConfigurationDoneRequest"]
    connect.popen.terminate()


def test_conditions_hits_and_log_points(dap, program, release):
    """The program counts itself: total is what the breakpoints must agree with."""
    c = dap()
    c.start("launch", program=str(program(release)), args=["loop", "50"])
    body = line("loop: body")
    points = c.set_breakpoints(SOURCE, [{"line": body, "condition": "i == 20"},
                                        {"line": body, "hitCondition": "30"},
                                        {"line": body, "logMessage": "i is {i}, total {total}"},
                                        {"line": body, "condition": "nothing > 3"}])
    assert [p["verified"] for p in points] == [True, True, True, False] and "nothing" in points[3]["message"]
    stop = c.configured()
    assert stop["hitBreakpointIds"] == [points[0]["id"]]
    frame = c.top(stop)
    assert c.ask("evaluate", expression="i", frameId=frame["id"])["result"] == "20"
    c.ask("continue", threadId=1)
    stop = c.stopped()
    assert stop["hitBreakpointIds"] == [points[1]["id"]]
    assert c.ask("evaluate", expression="i", frameId=c.top(stop)["id"])["result"] == "29"
    c.ask("continue", threadId=1)
    c.event("exited")
    sums = [7 + sum(range(i)) for i in range(50)]
    logged = [text for text in c.output["console"].splitlines() if text.startswith("i is")]
    assert logged == [f"i is {i}, total {total}" for i, total in enumerate(sums)]
    c.ask("disconnect")
    ends(c)


def test_evaluate_and_set(dap, program, release):
    c = dap()
    c.start("launch", program=str(program(release)), args=["look", "3"])
    c.set_breakpoints(SOURCE, [line("look: call")])
    stop = c.configured()
    frame = c.top(stop)["id"]

    def value(expression, context="watch", **more):
        return c.ask("evaluate", expression=expression, frameId=frame, context=context, **more)["result"]
    assert value("p.X + 1") == "4" and value("n * 2 == 6") == "true" and value('ages["bob"]') == "44"
    assert value("list[249]", format={"hex": True}) == hex(747)
    assert "more" in value("list", "hover") and value("list", "clipboard").count(",") >= 249
    for wrong, says in (("p.Z", "Z"), ("n +", ""), ("nothing", "nothing")):
        with pytest.raises(dapclient.Refused, match=says):
            value(wrong, "hover")
    assert c.ask("evaluate", expression="main.total")["result"] == "7"  # without a frame: where it stopped
    assert value("n = 11", "repl") == "11" and value("n", "repl") == "11"
    assert c.event("invalidated")["body"]["areas"] == ["variables"]
    scope = c.ask("scopes", frameId=frame)["scopes"][0]["variablesReference"]
    set_ = c.ask("setVariable", variablesReference=scope, name="n", value="4 * 5")
    assert set_["value"] == "20" and value("n") == "20"
    changed = c.event("memory", where=lambda b: True)["body"]
    assert changed["count"] == 8
    pointer = c.locals({"id": frame})["p"]["variablesReference"]
    fields = c.variables(c.variables(pointer)[0]["variablesReference"]) if len(c.variables(pointer)) == 1 else c.variables(pointer)
    y = next(v for v in fields if v["name"] == "Y")
    assert c.ask("setExpression", expression=y["evaluateName"], value="6", frameId=frame)["value"] == "6"
    with pytest.raises(dapclient.Refused):
        c.ask("setVariable", variablesReference=scope, name="n", value='"text"')
    with pytest.raises(dapclient.Refused, match="no variable"):
        c.ask("setVariable", variablesReference=scope, name="none", value="1")
    assert value("add(40, 2)", "repl") == "42" and value("call twice(n)") == "40"
    assert value("n") == "20"  # the frame is still the same
    text = c.ask("setVariable", variablesReference=scope, name="text", value='"made by the runtime"')
    assert text["value"] == value("text") == '"made by the runtime"'
    assert c.ask("setExpression", expression="text", value='text + "!"', frameId=frame)["value"] == '"made by the runtime!"'
    assert c.ask("setExpression", expression="n", value="call twice(n)", frameId=frame)["value"] == "40" and value("n = 20", "repl") == "20"
    with pytest.raises(dapclient.Refused):  # who sets a variable need not want to run the program's code
        c.ask("setVariable", variablesReference=scope, name="n", value="twice(n)")
    assert value("call -unsafe twice(n)") == value("call -alone -unsafe twice(n)", "repl") == "40"
    for context in ("watch", "hover", "variables"):  # an editor asks these by itself: nothing may run
        with pytest.raises(dapclient.Refused):
            value("add(1, 2)", context)
    labels = [t["label"] for t in c.ask("completions", text="p.", column=3, frameId=frame)["targets"]]
    assert {"X", "Y", "name"} <= set(labels)
    labels = c.ask("completions", text="1 + te", column=7, frameId=frame)["targets"]
    assert "text" in [t["label"] for t in labels] and labels[0]["start"] == 5 and labels[0]["length"] == 2
    c.ask("setBreakpoints", source={"path": str(SOURCE)}, breakpoints=[{"line": line("look: after")}])
    c.ask("continue", threadId=1)
    assert c.ask("evaluate", expression="result", frameId=c.top(c.stopped())["id"])["result"] == "26"  # 20 + 6
    c.ask("disconnect")
    ends(c)


def test_breakpoints_of_other_kinds(dap, program, release):
    """Functions, instructions, data, and where breakpoints can be."""
    c = dap()
    c.start("launch", program=str(program(release)), args=["look", "3"])
    where = c.ask("breakpointLocations", source={"path": str(SOURCE)}, line=line("add: body") - 2, endLine=line("add: body") + 3)
    assert line("add: body") in [b["line"] for b in where["breakpoints"]]
    function = c.ask("setFunctionBreakpoints", breakpoints=[{"name": "main.add"}])["breakpoints"][0]
    assert function["verified"]
    stop = c.configured()
    assert stop["reason"] == "function breakpoint" and stop["hitBreakpointIds"] == [function["id"]]
    c.ask("setFunctionBreakpoints", breakpoints=[])
    frames = c.ask("stackTrace", threadId=1)["stackFrames"]
    caller = frames[1]["instructionPointerReference"]  # where add returns to
    c.ask("setInstructionBreakpoints", breakpoints=[{"instructionReference": caller}])
    c.ask("continue", threadId=1)
    stop = c.stopped()
    assert stop["reason"] == "instruction breakpoint" and c.top(stop)["instructionPointerReference"] == caller
    c.ask("setInstructionBreakpoints", breakpoints=[])
    info = c.ask("dataBreakpointInfo", name="main.total")
    assert info["accessTypes"] == ["write", "readWrite"]
    assert c.ask("setDataBreakpoints", breakpoints=[{"dataId": info["dataId"], "accessType": "write"}])["breakpoints"][0]["verified"]
    c.ask("continue", threadId=1)
    stop = c.stopped()
    assert stop["reason"] == "data breakpoint" and "7" in stop["text"] and "12" in stop["text"]  # 7 + 5
    assert c.ask("dataBreakpointInfo", name="n + 1")["dataId"] is None
    assert not c.ask("setDataBreakpoints", breakpoints=[{"dataId": info["dataId"], "accessType": "read"}])["breakpoints"][0]["verified"]
    c.ask("setDataBreakpoints", breakpoints=[])
    c.ask("continue", threadId=1)
    c.event("exited")
    c.ask("disconnect")
    ends(c)


def test_memory_and_code(dap, program, release):
    c = dap()
    c.start("launch", program=str(program(release)), args=["look", "3"], showRegisters=True, showGlobalVariables=True)
    c.set_breakpoints(SOURCE, [line("look: call")])
    stop = c.configured()
    frame = c.top(stop)
    text = c.locals(frame)["text"]["memoryReference"]
    read = c.ask("readMemory", memoryReference=text, count=6)
    assert base64.b64decode(read["data"]) == "héllo".encode()
    total = c.ask("evaluate", expression="&main.total")
    at = c.variables(total["variablesReference"])[0]["memoryReference"]
    assert c.ask("writeMemory", memoryReference=at, data=base64.b64encode((99).to_bytes(8, "little")).decode())["bytesWritten"] == 8
    assert c.ask("evaluate", expression="main.total")["result"] == "99"
    nowhere = c.ask("readMemory", memoryReference="0x10", count=100)
    assert nowhere["unreadableBytes"] == 100
    pc = frame["instructionPointerReference"]
    code = c.ask("disassemble", memoryReference=pc, instructionOffset=-20, instructionCount=60, resolveSymbols=True)["instructions"]
    assert len(code) == 60 and int(code[20]["address"], 16) == int(pc, 16)
    assert all(int(a["address"], 16) < int(b["address"], 16) for a, b in zip(code, code[1:]))
    assert any("main.add" in i["instruction"] for i in code) and code[20]["line"] == frame["line"]
    scopes = {s["name"]: s["variablesReference"] for s in c.ask("scopes", frameId=frame["id"])["scopes"]}
    registers = {v["name"].lower(): v["value"] for v in c.variables(scopes["Registers"])}
    assert int(registers["pc"], 16) == int(pc, 16)
    assert "total" in {v["name"] for v in c.variables(scopes["Globals (main)"])}
    module = c.ask("modules")["modules"][0]
    assert module["path"] == str(program(release)) and module["symbolStatus"].startswith("DWARF")
    assert str(SOURCE) in [s["path"] for s in c.ask("loadedSources")["sources"]]
    assert c.ask("source", source={"path": str(SOURCE)}, sourceReference=0)["content"] == SOURCE.read_text()
    with pytest.raises(dapclient.Refused, match="no source"):
        c.ask("source", source={"path": "/etc/passwd"}, sourceReference=0)
    c.ask("disconnect")
    ends(c)


def test_targets_of_steps(dap, program, release):
    """Into the second call of a line; on at another line of the function."""
    c = dap()
    c.start("launch", program=str(program(release)), args=["look", "3"])
    c.set_breakpoints(SOURCE, [line("look: call"), line("look: prints")])
    stop = c.configured()
    targets = c.ask("gotoTargets", source={"path": str(SOURCE)}, line=line("look: after"))["targets"]
    assert targets and targets[0]["line"] == line("look: after")
    assert not c.ask("gotoTargets", source={"path": str(SOURCE)}, line=line("loop: body"))["targets"]
    c.ask("goto", threadId=1, targetId=targets[0]["id"])
    stop = c.stopped()
    assert stop["reason"] == "goto" and c.top(stop)["line"] == line("look: after")
    c.ask("continue", threadId=1)
    stop = c.stopped()
    frame = c.top(stop)
    assert frame["line"] == line("look: prints")
    targets = c.ask("stepInTargets", frameId=frame["id"])["targets"]
    assert "main.twice" in [t["label"] for t in targets]
    c.ask("stepIn", threadId=1, targetId=next(t["id"] for t in targets if t["label"] == "main.twice"))
    assert c.top(c.stopped())["name"] == "main.twice"
    c.ask("disconnect")
    ends(c)


@pytest.mark.releases("1.18", "1.27")
def test_watched_local_ends_with_its_function(dap, program, release):
    c = dap()
    c.start("launch", program=str(program(release)), args=["look", "3"])
    c.set_breakpoints(SOURCE, [line("add: body")])
    c.configured()
    c.ask("next", threadId=1)
    scope = c.ask("scopes", frameId=c.top(c.stopped())["id"])["scopes"][0]["variablesReference"]
    info = c.ask("dataBreakpointInfo", name="sum", variablesReference=scope)
    c.set_breakpoints(SOURCE, [])
    assert c.ask("setDataBreakpoints", breakpoints=[{"dataId": info["dataId"]}])["breakpoints"][0]["verified"]
    c.ask("setVariable", variablesReference=scope, name="sum", value="43")  # ours are no writes of the program
    assert c.variables(scope)[-1]["value"] == "43"
    c.ask("continue", threadId=1)
    stop = c.stopped()
    assert stop["reason"] == "data breakpoint" and "out of scope" in stop["description"]
    c.ask("continue", threadId=1)
    c.event("exited")
    c.ask("disconnect")
    ends(c)
