"""gospect snapshot --at, --when, --every: each file shows the very moment it was asked for.

What the target does is told to it by the test, one thing at a time, so that what must be seen at each moment
is known: arguments of calls, numbers of collections, how many objects live and how many are garbage, the
name that a thread has before a system call and behind it."""
import json
import os
import random
import re
import signal
import time

import pytest

from lib import evidence, harm, schema, spaces
from lib.process import wait_until
from lib.tool import rest_of

pytestmark = [pytest.mark.releases("1.18", "1.22", "1.24", "1.27"), pytest.mark.modes("default", "stripped")]

WALK = 40  # calls of main.step
LIVE, DEAD = 3000, 20000
FORK = (57, 58, 435)  # fork, vfork, clone3


class Series:
    """A running `gospect snapshot --json` that waits for something."""

    def __init__(self, start, target, directory, *args):
        self.directory = directory
        self.run = start("snapshot", target.pid, "--json", "-o", directory / "at.gsnap", *args)
        self.written = []

    def ready(self):
        note = json.loads(self.run.stderr.readline())["note"]
        assert note.startswith("waiting for --"), note
        return self

    def next(self):
        line = self.run.stdout.readline()
        assert line, self.run.stderr.read()
        self.written.append(schema.check("written", json.loads(line)))
        snap = evidence.of_file(self.written[-1]["file"])
        assert self.written[-1]["method_why"] == snap.meta.get("method_why")
        if snap.meta["method"] == "stop":  # it happens, if rarely
            assert "none of its threads was asleep" in snap.meta["method_why"]
        else:
            assert snap.meta["method"] == "fork"
        return snap

    def end(self, number=None):
        """Its exit code and what it said at the end."""
        if number:
            self.run.send_signal(number)
        out, err = rest_of(self.run)
        self.written += [schema.check("written", json.loads(line)) for line in out.splitlines()]
        assert not list(self.directory.glob("*.tmp*"))
        return self.run.returncode, err.decode()


@pytest.fixture
def series(gospect_start, tmp_path):
    return lambda target, *args: Series(gospect_start, target, tmp_path, *args)


@pytest.fixture
def target(go_build, run_go, release, mode):
    return run_go(go_build(release, mode, "moments"), env={"GOGC": "off", "GOMAXPROCS": "2"})


@pytest.fixture
def one(go_build, run_go):
    """For what does not depend on the release."""
    return run_go(go_build("1.26", "stripped", "moments"), env={"GOGC": "off", "GOMAXPROCS": "2"})


def main_frames(goroutine):
    return [f.func for f in goroutine.frames if f.func.startswith("main.") and not f.inlined]


def place_of(snap):
    """The frame at the pc that the trigger names, if it is on the goroutine's own stack."""
    goroutine = snap.by_id[int(snap.meta["trigger_goroutine"])]
    return [f for f in goroutine.frames if f.pc == int(snap.meta["trigger_pc"], 16)], goroutine


def test_a_function_is_met_with_its_frame(series, target):
    """Three calls, one after another: the target counts calls in the function, so none of them has begun."""
    run = series(target, "--at", "main.step", "--count", "1").ready()
    target.ask(f"walk {WALK}")
    snap = run.next()
    frames, goroutine = place_of(snap)
    assert run.end() == (0, "")
    assert frames and frames[-1].func == "main.step" and frames[-1].line > 0
    assert main_frames(goroutine)[:2] == ["main.step", "main.walk"]
    assert goroutine.state == "running" and goroutine.id == 1
    assert snap.meta["trigger"] == "breakpoint" and snap.meta["trigger_spec"] == "--at=main.step"
    assert snap.meta["consistency"] == "process" and int(snap.meta["pause_ns"]) > 0
    assert int(snap.thread["tid"][goroutine.thread]) == int(snap.meta["trigger_thread"])
    assert int(target.ask("done")) == WALK


@pytest.mark.modes("default")
def test_a_condition_on_variables_is_honoured(series, gospect, target):
    run = series(target, "--at", "main.step", "--if", "turn == 17 || word == \"turn 33\"", "--locals",
                 "--count", "2").ready()
    walks = 0
    while run.run.poll() is None:  # what comes while a file is written is not told
        target.ask(f"walk {WALK}")
        walks += 1
    assert run.end() == (0, "")
    turns = []
    for written in run.written:
        shown = gospect("goroutines", written["file"], "--locals", "--full", "--json", check=0).json
        goroutine, = (g for g in shown["goroutines"] if g["stack"] and g["stack"][0]["func"] == "main.step")
        values = {v["name"]: v["value"] for v in goroutine["locals"] if v["frame"] == 0}
        assert json.loads(values["word"]) == "turn " + values["turn"]
        turns.append(int(values["turn"]))
        assert written["trigger"]["spec"].endswith('--if=turn == 17 || word == "turn 33"')
    assert turns[0] == 17 and turns[1] in (17, 33)
    assert [w["trigger"]["number"] for w in run.written] == [1, 2]
    assert int(target.ask("done")) == walks * WALK


def objects(snap, column="allocated"):
    """How many there are of 128 bytes: what the target calls an Item, and little else."""
    bits = snap.slots64[column]
    return sum(bits[slot // 64] >> slot % 64 & 1
               for size, first, n in zip(snap.span["elem_size"], snap.span["slot"], snap.span["elems"]) if size == 128
               for slot in range(first, first + n))


def test_boundaries_of_a_collection(series, target):
    """Phases and numbers are as mgc.go has them at these places, and a goroutine that always runs does not."""
    target.ask("spin")
    target.ask(f"litter {LIVE} 0")
    before, seen = int(target.ask("cycles")), {}
    for moment in ("gc-start", "gc-mark-done", "gc-end"):
        target.ask(f"litter 0 {DEAD}")
        run = series(target, "--at", moment, "--heap").ready()
        target.ask("collect")
        seen[moment] = snap = run.next()
        assert run.end() == (0, "")
        assert int(target.ask("cycles")) == before + 1
        assert snap.counters["memstats.num_gc"] == before + (moment == "gc-end")
        assert snap.counters["gc.phase"] == (0 if moment == "gc-end" else 1)
        assert snap.meta["trigger"] == "gc" and snap.meta["trigger_spec"] == f"--at={moment}"
        assert snap.meta["trigger_place"].startswith(
            "runtime.gcStart" if moment == "gc-start" else "runtime.gcMarkTermination")
        assert [g.state for g in snap.goroutines if "main.spin" in g.funcs()] != ["running"]
        before += 1
    driver = seen["gc-start"].by_id[int(seen["gc-start"].meta["trigger_goroutine"])]
    assert "main.collect" in driver.funcs()
    assert objects(seen["gc-start"]) >= LIVE + DEAD and objects(seen["gc-mark-done"]) >= LIVE + DEAD
    assert objects(seen["gc-end"]) >= LIVE + DEAD  # nothing is swept yet, but it is known what lives
    assert LIVE <= objects(seen["gc-end"], "survived") < LIVE + DEAD // 10


def test_a_goroutine_runs_on_at_a_breakpoint(series, target):
    """The counterpart: at a place in the code nobody but the debugger stops the others.  One that always runs is
    seen running, if not every time."""
    target.ask("spin")
    for _ in range(20):
        run = series(target, "--at", "main.walk").ready()
        target.ask("walk 1")
        snap = run.next()
        assert run.end() == (0, "")
        if [g.state for g in snap.goroutines if "main.spin" in g.funcs()] == ["running"]:
            return
    pytest.fail("it never ran")


@pytest.mark.parametrize("side", ("", ":entry", ":exit"))
def test_a_system_call(series, target, side):
    """Before prctl() has begun the thread has its old name; behind it the new one."""
    run = series(target, "--at", f"syscall:prctl{side}").ready()
    tid = int(target.ask("name afterwards"))
    snap = run.next()
    assert run.end() == (0, "")
    thread, = (t for t in snap.threads() if t["tid"] == tid)
    assert (thread["name"] == "afterwards") == (side == ":exit")
    assert int(snap.meta["trigger_thread"]) == tid
    assert snap.meta["trigger"] == "syscall"
    assert snap.meta["trigger_syscall"] == "prctl, " + ("exit" if side == ":exit" else "entry")
    goroutine = snap.by_id[int(snap.meta["trigger_goroutine"])]
    assert main_frames(goroutine)[0] == "main.name" and goroutine.state == "syscall"
    if side != ":exit":
        assert thread["syscall"] == 157


@pytest.mark.modes("stripped")
def test_when_a_condition_becomes_true(series, target):
    """It has to be false again before it can become true once more."""
    count = int(target.ask("count"))
    limit = count + 100
    run = series(target, "--when", f"goroutines>{limit} || heap>2GiB", "--interval", "1ms", "--count", "2",
                 "--waits").ready()
    target.ask("park 100")
    target.ask("park 100")
    first = run.next()
    assert sum("system" not in g.flags for g in first.goroutines) > limit
    target.ask("release")
    while run.run.poll() is None:  # until the release was seen
        target.ask("park 200")
        target.ask("release")
    assert run.end() == (0, "")
    assert [w["trigger"]["kind"] for w in run.written] == ["condition"] * 2
    for written in run.written:
        seen = re.fullmatch(r"goroutines (\d+), heap .*B", written["trigger"]["values"])
        assert int(seen.group(1)) > limit


def test_every(gospect, one, tmp_path):
    done = gospect("snapshot", one.pid, "--every", "10ms", "--count", "3", "-o", tmp_path / "%n of them.gsnap",
                   "--consistency", "goroutine", "--json", check=0)
    written = [schema.check("written", line) for line in done.json_lines]
    assert [w["file"] for w in written] == [str(tmp_path / f"{n} of them.gsnap") for n in (1, 2, 3)]
    assert [w["trigger"] for w in written] == [
        {"kind": "interval", "spec": "--every=10ms", "number": n} for n in (1, 2, 3)]
    taken = [int(evidence.of_file(w["file"]).meta["taken_mono_ns"]) for w in written]
    assert taken == sorted(set(taken))


def test_nothing_is_replaced(gospect, one, tmp_path):
    precious = tmp_path / "a.gsnap"
    precious.write_text("precious")
    args = ("snapshot", one.pid, "--every", "10ms", "--count", "2")
    gospect(*args, "-o", precious, check=0)
    gospect(*args, "-o", tmp_path / "%t.gsnap", check=0)
    gospect(*args, cwd=tmp_path, check=0)
    assert precious.read_text() == "precious"
    names = sorted(path.name for path in tmp_path.iterdir())
    assert {"a-2.gsnap", "a-3.gsnap"} <= set(names)
    assert sum(bool(re.fullmatch(r"\d{8}T\d{6}(-2)?\.gsnap", name)) for name in names) == 2
    assert sum(bool(re.fullmatch(rf"moments-{one.pid}-\d{{8}}T\d{{6}}(-2)?\.gsnap", name)) for name in names) == 2


def test_info_says_what_chose_the_moment(series, gospect, one):
    run = series(one, "--at", "main.step").ready()
    one.ask("walk 1")
    snap = run.next()
    assert run.end() == (0, "")
    file, trigger = run.written[0]["file"], run.written[0]["trigger"]
    assert schema.check("info", gospect("info", file, "--json", check=0).json)["trigger"] == trigger
    text = " ".join(gospect("info", file, check=0).out.split())
    assert (f"trigger breakpoint, number 1 of --at=main.step: goroutine 1 on thread "
            f"{snap.meta['trigger_thread']} at main.step (main.go:") in text


@pytest.mark.parametrize("args", (["--at", "main.step"], ["--when", "goroutines>100000"]))
def test_interrupted(series, one, args):
    """Without a snapshot that is a failure, with one it is not; what was written stays."""
    run = series(one, *args).ready()
    code, message = run.end(signal.SIGINT)
    assert code == 3 and "no snapshot was taken: it was interrupted" in json.loads(message)["error"]["message"]
    run = series(one, *(["--at", "main.step", "--count", "9"] if args[0] == "--at"
                        else ["--when", "threads>0", "--count", "9"])).ready()
    one.ask("walk 1")
    assert main_frames(run.next().by_id[1])
    code, message = run.end(signal.SIGINT)
    assert code == 0 and "1 of 9 snapshots were taken: it was interrupted" in json.loads(message)["note"]


def test_time_is_up(gospect, one):
    for args in (["--at", "main.step"], ["--at", "syscall:swapoff"], ["--when", "goroutines>100000"]):
        done = gospect("snapshot", one.pid, *args, "--for", "50ms", check=3)
        assert "no snapshot was taken: the time is up" in done.said


@pytest.mark.parametrize("args", (["--at", "main.walk"], ["--at", "syscall:swapoff"],
                                  ["--when", "goroutines>100000"], ["--every", "20ms"]))
def test_the_process_ends(series, one, args):
    run = series(one, *args)
    if args[0] == "--every":
        run.next()
    else:
        run.ready()
    one.popen.stdin.write(b"end\n")
    one.popen.stdin.flush()
    code, message = run.end()
    assert one.popen.wait(timeout=60) == 0
    if args[0] == "--every":
        assert code == 0 and not message
    else:
        assert code == 3 and "no snapshot was taken: the process has ended" in message


def test_the_process_becomes_another(series, one):
    run = series(one, "--at", "main.walk").ready()
    one.popen.stdin.write(b"become\n")
    one.popen.stdin.flush()
    code, message = run.end()
    assert code == 3 and "became another program" in message
    wait_until(lambda: one.stdout.count("READY") == 2, "it goes on")
    one.ask("walk 3")
    assert int(one.ask("done")) == 3


@pytest.mark.modes("default")
@pytest.mark.releases("1.18", "1.27")
def test_killed_while_it_waits_at_a_hot_place(series, target):
    """kill -9 in the middle of thousands of hits: every call is made, once."""
    walks, calls = 2, 2000
    for n in range(1, walks + 1):
        run = series(target, "--at", "main.step", "--if", "turn == 0").ready()
        target.popen.stdin.write(f"walk {calls}\n".encode())
        target.popen.stdin.flush()
        run.run.kill()
        assert run.end()[0] == -9
        wait_until(lambda expected=n: target.stdout.count("OK") >= expected, "the walk ends")
    assert int(target.ask("done")) == walks * calls


# ---- it runs on while it is read ----

def test_the_process_ends_right_after_the_moment(series, gospect, target):
    """The copy outlives it, and knows what it was."""
    program = os.readlink(f"/proc/{target.pid}/exe")
    run = series(target, "--at", "syscall:exit_group").ready()
    target.popen.stdin.write(b"end\n")
    target.popen.stdin.flush()
    snap = run.next()
    assert run.end() == (0, "")
    assert target.popen.wait(timeout=60) == 0
    assert "main.main" in snap.by_id[1].funcs() and "os.Exit" in snap.by_id[1].funcs()
    assert int(snap.meta["pid"]) == target.pid and snap.meta["exe"] == program
    info = schema.check("info", gospect("info", run.written[0]["file"], "--json", check=0).json)
    assert info["target"]["pid"] == target.pid


@pytest.mark.modes("default")
@pytest.mark.releases("1.18", "1.27")
def test_copied_again_and_again(series, target):
    """While it runs as fast as it can: most of the moments are copies, variables fit together, every call is made."""
    run = series(target, "--at", "main.step", "--locals", "--count", "12").ready()
    walks, methods = 0, []
    while run.run.poll() is None:
        target.ask(f"walk {WALK}")
        walks += 1
    assert run.end() == (0, "")
    for written in run.written:
        snap = evidence.of_file(written["file"])
        methods.append(snap.meta["method"])
        frames, goroutine = place_of(snap)
        assert frames[-1].func == "main.step" and main_frames(goroutine)[:2] == ["main.step", "main.walk"]
    assert methods.count("fork") > 6
    assert int(target.ask("done")) == walks * WALK


def harmless(gospect_start, tmp_path, target, before, *args):
    run = Series(gospect_start, target, tmp_path, *args).ready()
    line = json.loads(run.run.stdout.readline())
    assert run.end() == (0, "")
    before.assert_same()
    return evidence.of_file(line["file"]).meta, line


@pytest.mark.modes("default")
@pytest.mark.releases("1.27")
def test_a_filter_that_kills_for_a_copy(gospect_start, go_build, run_go, release, tmp_path):
    """It is read while it stands, and that is said with the reason and what it cost."""
    target = run_go(go_build(release, "default", "harm"))
    target.ask("seccomp fork " + " ".join(map(str, FORK)))
    meta, line = harmless(gospect_start, tmp_path, target, harm.Before(target), "--at", "main.chain")
    assert meta["method"] == "stop" and "seccomp filter forbids" in line["method_why"] and line["pause_ns"] > 0


@pytest.mark.modes("default")
@pytest.mark.releases("1.27")
@pytest.mark.parametrize("space", ("pid and mounts", "user, pid, mounts"))
def test_in_namespaces_of_its_own(gospect_start, go_build, run_go, release, space, tmp_path):
    """It is pid 1 there: it gets the copy, and collects it."""
    target = spaces.start(run_go, go_build(release, "default", "harm"), spaces.SPACES[space])
    before, methods = harm.Before(target), set()
    for _ in range(3):
        meta, _ = harmless(gospect_start, tmp_path, target, before, "--at", "main.chain")
        methods.add(meta["method"])
    assert "fork" in methods


@pytest.mark.modes("default")
@pytest.mark.releases("1.18", "1.27")
def test_killed_between_moments_and_copies(gospect_start, go_build, run_go, release, tmp_path):
    """kill -9 at any time of a series at a place that is met all the time."""
    target = run_go(go_build(release, "default", "harm"))
    before, dice = harm.Before(target), random.Random(release)
    for n in range(8):
        folder = tmp_path / str(n)
        folder.mkdir()
        run = Series(gospect_start, target, folder, "--at", "main.chain", "--count", "99").ready()
        assert run.run.stdout.readline()  # the first is written, the next one waited for or made
        time.sleep(dice.uniform(0, 0.05))
        run.run.kill()
        run.run.communicate(timeout=60)
        wait_until(lambda: all(harm.text_of(target.pid).values()), "its code is its own again")
        before.assert_same()


@pytest.mark.modes("cgo")
@pytest.mark.releases("1.27")
def test_queued_signals_are_not_lost(gospect, go_build, run_go, release, mode):
    """Threads pass a hot place while signals come, each with a number: the target adds up what arrives."""
    target = run_go(go_build(release, mode, "harm"))
    gospect("snapshot", target.pid, "--at", "main.chain", "--if", "n == -7", "--for", "1s", check=3)
    harm.assert_work_goes_on(target)


@pytest.mark.parametrize("args,said", (
    (["--at", ""], "no place is given"),
    (["--at", "gc-begin"], "there is no moment \"gc-begin\""),
    (["--at", "syscall:wirte"], "there is no system call \"wirte\""),
    (["--at", "syscall:write:start"], "\"start\" is no side of a system call"),
    (["--at", "syscall:write", "--if", "x > 1"], "--if needs --at of a function or line"),
    (["--at", "main.step", "--when", "runq>1"], "--at and --when do not go together"),
    (["--at", "main.step", "--at", "main.walk"], "--at can be given once only"),
    (["--at", "main.step", "--force"], "--at and --force do not go together"),
    (["--at", "main.step", "--consistency", "goroutine"], "do not go together"),
    (["--every", "1s", "-o", "-"], "standard output takes one snapshot"),
    (["--when", "goroutine>1"], "there is no counter \"goroutine\""),
    (["--when", "heap>5s"], "bytes expected at byte 6"),
    (["--every", "soon"], "--every"),
    (["--count", "3"], "--count needs"),
    (["--for", "3s"], "--for needs"),
    (["--if", "x"], "--if needs --at"),
    (["--interval", "3s"], "--interval needs --when"),
    (["--at", "main.step", "--if", " "], "--if: no condition is given"),
    (["--at", "main.go:0"], "lines count from 1"),
    (["--at", "+3"], "no file is being looked at"),
    (["--at", "/(/"], "a ) is missing"),
    (["--when", ""], "expected at byte 1"),
    (["--when", "goroutines >"], "expected at byte 13"),
    (["--when", "(goroutines > 1"], ") expected at byte 16"),
    (["--when", "goroutines > 1 &&& heap > 1"], "expected at byte 18"),
    (["--when", "goroutines + 1"], "byte 12"),
    (["--every", "1ms"], "out of range"),
    (["--every", "1s", "--count", "0"], "out of range"),
    (["--every", "1s", "--for", "0s"], "out of range"),
))
def test_what_makes_no_sense(gospect, one, args, said):
    done = gospect("snapshot", one.pid, *args, check=2)
    assert said in done.said and not done.out


def test_where_nothing_can_be_written(gospect, one, tmp_path):
    """Said before it waits, not when the moment has come."""
    for path in (tmp_path / "no" / "a.gsnap", "/proc/a.gsnap"):
        done = gospect("snapshot", one.pid, "--at", "main.step", "-o", path, check=3)
        assert f"cannot create {path}" in done.said and "waiting" not in done.said
    (tmp_path / "a").mkdir()
    done = gospect("snapshot", one.pid, "--every", "10ms", "--count", "2", "-o", tmp_path / "a" / "%%of%n", "--json", check=0)
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["%of1", "%of2"]


def test_what_is_not_there(gospect, one):
    done = gospect("snapshot", one.pid, "--at", "main.stpe", check=3)
    assert "main.stpe" in done.said and "main.step" in done.said
    done = gospect("snapshot", one.pid, "--at", "main.go:9999", check=3)
    assert "9999" in done.said
    done = gospect("snapshot", one.pid, "--at", "main.step", "--if", "turn == 1", check=3)
    assert "DWARF" in done.said
    assert one.ask("done") == "0"


@pytest.mark.modes("default")
@pytest.mark.releases("1.27")
def test_a_condition_that_makes_no_sense(series, gospect, target):
    for condition, said in (("turn ==", "turn =="), ("trun == 1", "trun")):
        done = gospect("snapshot", target.pid, "--at", "main.step", "--if", condition, check=(2, 3))
        assert said in done.said, done
    run = series(target, "--at", "main.step", "--if", "turn").ready()  # no truth, as is seen when it is met
    target.ask("walk 3")
    code, message = run.end()
    assert code == 3 and "--if cannot be told there" in message
    assert target.ask("done") == "3"
