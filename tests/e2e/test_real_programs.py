"""Real programs from the Go module proxy, under load and at rest.

What is true comes from the programs themselves: the answers to their requests, and the goroutine
profile that they serve.
"""
import contextlib
import json
import signal
import time

import pytest

from lib import dapserver, godump, real, retained, schema
from lib.process import assert_unharmed

CONSISTENCIES = ("process", "goroutine")
LOOKS = 5
SAMPLES = 300  # objects that are taken away, one after the other
NEVER = ("misuse", "copies")  # not even suspected
BLOCKED = ("waiting", "syscall")


@pytest.fixture(scope="module", params=real.PROGRAMS, ids=lambda p: p.name)
def program(request, tmp_path_factory):
    """A running program; ended with its module."""
    one = request.param(tmp_path_factory.mktemp(request.param.name))
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: one.target and one.target.close())
        one.start()
        yield one


@pytest.fixture
def load(program):
    """Requests of six workers, and a hundred connections that are open and idle."""
    running = program.load().start()
    yield running
    running.close()


def look(gospect, program, consistency):
    """One look, with what must hold of every one."""
    seen = gospect("goroutines", program.target.pid, "--json", "--consistency", consistency,
                   check=0).json
    ids = [g["id"] for g in seen["goroutines"]]
    assert len(ids) == len(set(ids)), "a goroutine is listed twice"
    assert seen["consistency"] == consistency
    for g in seen["goroutines"]:
        assert g["status"] != "unknown", g
        assert g["stack"], f"no stack: {g}"
        assert "stack_partial" not in g["flags"] and not g["frames_left_out"], g
        assert g["status"] not in BLOCKED[:1] or "not_validated" not in g["flags"], g
        assert all(frame["func"] for frame in g["stack"]), g
    assert not seen["missing"], seen["missing"]
    return {g["id"]: g for g in seen["goroutines"]}


def dump(program):
    return godump.parse(program.goroutine_dump()) if program.pprof_port else {}


@pytest.mark.parametrize("consistency", CONSISTENCIES)
def test_under_load(program, load, gospect, consistency):
    for _ in range(LOOKS):
        served = load.served
        before = dump(program)
        seen = look(gospect, program, consistency)
        after = dump(program)
        lost = [before[i] for i in before.keys() & after.keys() - seen.keys()]
        assert not lost, "goroutines that lived before and after were not listed"
        while load.served == served and not load.failures:
            time.sleep(0.01)  # the program serves on
    load.stop()
    assert_unharmed(program.target)


def same_wait(one, other):
    return (one.state, places(one)) == (other.state, places(other))


def places(goroutine):
    return [(frame.func, frame.file, frame.line) for frame in goroutine.frames]


def frames_of(goroutine):
    """The frames that Go's own dump shows, too: not those of the runtime's inside."""
    return [(godump.printed_name(f["func"]), f["file"], f["line"]) for f in goroutine["stack"]
            if not f["func"].startswith("runtime.") or godump.is_exported_runtime(f["func"])]


@pytest.mark.parametrize("consistency", CONSISTENCIES)
def test_at_rest_agrees_with_its_own_profile(program, load, gospect, consistency):
    """Goroutines that stand in one place before and after must be seen there, frame by frame.

    Where there is no profile, what is known is that a hundred connections of ours are served.
    """
    load.stop()
    time.sleep(0.5)
    before = dump(program)
    seen = look(gospect, program, consistency)
    after = dump(program)
    serving = [g for g in seen.values() if program.serves in {f["func"] for f in g["stack"]}]
    assert sum(g["status"] == "waiting" for g in serving) >= 100
    if program.pprof_port:
        compare(before, seen, after)


def compare(before, seen, after):
    still = {i for i in before.keys() & after.keys() if same_wait(before[i], after[i])}
    for ident in still & seen.keys():
        ours, theirs = seen[ident], before[ident]
        if ours["status"] not in BLOCKED:
            continue  # it woke up for a moment
        assert not theirs.elided
        assert frames_of(ours) == places(theirs), f"goroutine {ident}"
        if ours["wait_reason"]:
            assert ours["wait_reason"] == theirs.state
    assert still <= seen.keys()
    strangers = seen.keys() - before.keys() - after.keys()
    assert len(strangers) <= 3, [seen[i] for i in strangers]


def test_doctor_finds_nothing_wrong_with_a_healthy_program(program, load, gospect):
    for under_load in (True, False):
        report = gospect("doctor", program.target.pid, "--json", check=0).json
        assert not [f for f in report["findings"] if f["severity"] == "problem" or f["key"] in NEVER], report
        if under_load:
            load.stop()
    assert_unharmed(program.target)


def test_nobody_waits_forever_in_a_healthy_program(program, load, gospect):
    """It serves its requests, so no circle and no leak may be told of it."""
    pid = program.target.pid
    for _ in range(LOOKS):
        circles = schema.check("deadlock", gospect("deadlock", pid, "--json", check=0).json)
        assert not circles["cycles"] and not circles["stuck"]
        leaks = schema.check("leaks", gospect("leaks", pid, "--json", check=0).json)
        assert not leaks["leaks"] and leaks["candidates"] and not leaks["unread"]
        waits = schema.check("waits", gospect("waits", pid, "--json", check=0).json)
        assert waits["waits"] and all(wait["kind"] for wait in waits["waits"])


def test_heap_agrees_with_its_own_profile(program, load, gospect, tmp_path):
    """After a collection, and until the next one, the heap only grows: what lies between two of its own answers is ours."""
    if not program.pprof_port:
        pytest.skip(f"{program.name} does not serve its profiles")
    for number in range(LOOKS):
        before = program.heap_stats(collect=True)
        gospect("snapshot", program.target.pid, "--heap", "-o", tmp_path / str(number), check=0)
        after = program.heap_stats()
        if before["NumGC"] == after["NumGC"]:
            break
        load.stop()  # it allocates too fast: ask again at rest
    seen = gospect("heap", tmp_path / str(number), "--json", check=0).json
    counted = gospect("mem", "stats", tmp_path / str(number), "--json", check=0).json["memstats"]
    assert before["NumGC"] == after["NumGC"] == counted["NumGC"]
    assert before["HeapAlloc"] <= counted["HeapAlloc"] <= after["HeapAlloc"]
    assert before["HeapAlloc"] <= seen["bytes"] <= after["HeapAlloc"]
    assert counted["HeapObjects"] <= after["HeapObjects"]


def test_heap(program, load, gospect, tmp_path):
    """The whole heap under load, in one instant: as many bytes as the runtime counts, reached and typed."""
    gospect("snapshot", program.target.pid, "--heap", "-o", tmp_path / "a.gsnap", check=0)
    seen = gospect("heap", tmp_path / "a.gsnap", "--json", check=0).json
    counted = gospect("mem", "stats", tmp_path / "a.gsnap", "--json", check=0).json["memstats"]
    assert seen["bytes"] == pytest.approx(counted["HeapAlloc"], rel=0.05)
    assert seen["objects"] == pytest.approx(counted["HeapObjects"], rel=0.2)  # tiny ones share a block
    assert 0 < seen["live_bytes"] <= seen["bytes"]
    assert seen["untyped"]["bytes"] < seen["live_bytes"] / 3
    serving = [t for t in seen["types"] if t["count"] >= 100]
    assert serving and sum(t["bytes"] for t in seen["types"]) == seen["live_bytes"]
    for args in (("--by", "goroutine"), ("--by", "package"), ("--suspects",)):
        assert gospect("heap", tmp_path / "a.gsnap", *args, check=0).out
    assert_unharmed(program.target)


def test_retained_bytes_by_the_definition(program, load, gospect, tmp_path):
    """Objects of a program at work are taken away, and what is not reached any more is what they retained."""
    gospect("snapshot", program.target.pid, "--heap", "-o", tmp_path / "a.gsnap", check=0)
    found = retained.check(tmp_path / "a.gsnap", SAMPLES)
    assert found["holders"] > 100 and found["types"] > 20 and found["live_bytes"] > 1 << 20
    assert_unharmed(program.target)


def test_nobody_who_serves_is_livelocked_or_starves(program, load, gospect_start):
    served = load.served
    run = gospect_start("deadlock", program.target.pid, "--watch", "--json", "--interval", "50ms")
    seen = [schema.check("deadlock-watch", json.loads(run.stdout.readline())) for _ in range(15)]
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=60)
    load.stop()
    assert run.returncode == 0, err
    assert load.served > served
    assert not [f for e in seen for f in e["findings"]]
    assert not [(e["not_traced"], e["lock_pairs_left_out"]) for e in seen if e["not_traced"] or e["lock_pairs_left_out"]]
    assert_unharmed(program.target)


def test_the_moment_of_a_request(program, load, gospect, tmp_path):
    """One goroutine stands before the first line of what handles its request, and the others are where they are."""
    saved = gospect("snapshot", program.target.pid, "--at", program.handles, "--json", "-o", tmp_path / "a.gsnap").json
    seen = gospect("goroutines", tmp_path / "a.gsnap", "--json", check=0).json
    served = load.served
    load.stop()
    assert load.served > served
    assert saved["consistency"] == "process" and saved["pause_ns"] > 0
    stacks = [[f["func"] for f in g["stack"]] for g in seen["goroutines"]]
    assert any(stack[0] == program.handles and program.serves in stack for stack in stacks)
    assert sum(program.serves in stack for stack in stacks) >= 100
    assert_unharmed(program.target)


def short(func):
    """As people write it: without the directories of the package."""
    return func.rsplit("/", 1)[-1]


def test_debugged_under_load(program, load, dap):
    """A breakpoint in what handles requests, its stack, all goroutines; one whose condition is false; and let go."""
    c = dap()
    c.start("attach", processId=program.target.pid)
    c.ask("setFunctionBreakpoints", breakpoints=[{"name": program.handles}])
    c.ask("configurationDone")
    for more in (True, True, False):
        stop = c.stopped()
        assert stop["reason"] == "function breakpoint"
        stack = [f["name"] for f in c.ask("stackTrace", threadId=stop["threadId"])["stackFrames"]]
        assert stack[0] == short(program.handles) and short(program.serves) in stack
        every = c.ask("goroutinesSnapshot", includeStacks=True, maxDepth=100)
        assert len(every["goroutines"]) == every["total"]
        serving = [g for g in every["goroutines"] if program.serves in {f["function"] for f in g["stack"]}]
        assert len(serving) >= 100
        if not more:
            c.ask("setFunctionBreakpoints", breakpoints=[{"name": program.handles, "hitCondition": "> 1000000000"}])
        c.ask("continue", threadId=stop["threadId"])
    served = load.served
    while load.served < served + 100 and not load.failures:
        time.sleep(0.01)
    c.ask("disconnect")
    dapserver.ends(c)
    load.stop()
    assert_unharmed(program.target)
