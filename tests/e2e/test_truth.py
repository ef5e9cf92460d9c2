"""Our list of goroutines against the target's own.

Twice: it writes pprof.Lookup("goroutine") with debug=2 into a full pipe and stays blocked in that
write, so what it wrote is still true when we look; and it dies of SIGQUIT after we looked, with
GOTRACEBACK=system, which makes the runtime print every frame, its own too, with the pc of each."""
import signal
import time

import pytest

from lib import evidence, godump, process, procfs

MODES = ("default", "stripped", "nosections", "pie-stripped", "trimpath", "race", "cgo", "noopt", "external")


def our_state(g):
    return g.reason if g.state == "waiting" and g.reason else g.state


def hides(frames, level):
    """The frames that a dump shows (Go: runtime/traceback.go showframe)."""
    shown, callee = [], None
    for f in frames:
        inner, callee = callee, f.id
        if level == "system":
            shown.append(f)
        elif f.id == evidence.WRAPPER and inner not in evidence.PANICS:
            continue
        elif f.func == "runtime.gopanic" and shown:
            shown.append(f)
        elif f.func in ("runtime.runFinalizers", "runtime.runCleanups"):
            shown.append(f)
        elif "." in f.func and (not f.func.startswith("runtime.") or godump.is_exported_runtime(f.func)):
            shown.append(f)
    return shown or frames


def first_difference(ours, theirs):
    at = next((i for i, pair in enumerate(zip(ours, theirs)) if pair[0] != pair[1]),
              min(len(ours), len(theirs)))
    cut = slice(max(0, at - 2), at + 3)
    return f"frames differ from number {at} of {len(theirs)} on (ours {len(ours)})\n    theirs " + \
        "\n           ".join(map(str, theirs[cut])) + "\n    ours   " + \
        "\n           ".join(map(str, ours[cut]))


def frame_differences(theirs, ours, level):
    # before 1.21 a dump ends after a hundred physical frames, hidden ones counted; since then it shows
    # the innermost and outermost fifty
    physical, all_of_them = 0, ours.frames
    for i, f in enumerate(ours.frames):
        physical += not f.inlined
        if physical == 100 and ours.s.release < (1, 21):
            all_of_them = ours.frames[:i + 1]
    shown = hides(all_of_them, level)
    if theirs.elided == "middle" and len(shown) > 100:
        shown = shown[:50] + shown[-50:]
    key = [(godump.printed_name(f.func), f.file, f.line) for f in shown]
    want = [(f.func, f.file, f.line) for f in theirs.frames]
    if key != want:
        yield first_difference(key, want)
        return
    for mine, its in zip(shown, theirs.frames):
        if its.pc is not None and not mine.inlined and its.pc != mine.pc:
            yield f"pc of {its}: {mine.pc:#x}, not {its.pc:#x}"
        if mine.inlined != its.inlined:
            yield f"{its}: inlined is {mine.inlined}"


def differences(theirs, ours, level):
    """What is different about one goroutine, as sentences."""
    suffix = " (durable)" if "durable" in ours.flags else ""
    state = our_state(ours)
    if theirs.state not in (state, state + suffix):
        yield f"state {state!r}, not {theirs.state!r}"
    if theirs.locked != ("locked" in ours.flags):
        yield f"locked is {'locked' in ours.flags}"
    if theirs.minutes != max(0, ours.wait_ns) // 60_000_000_000:
        yield f"waits {ours.wait_ns} ns, not {theirs.minutes} minutes"
    if theirs.bubble and theirs.bubble != ours.bubble:
        yield f"bubble {ours.bubble}, not {theirs.bubble}"
    if theirs.gp and theirs.gp != ours.addr:
        yield f"g at {ours.addr:#x}, not {theirs.gp:#x}"
    if theirs.creator:
        mine = ours.creator
        if (godump.printed_name(mine.func), mine.file, mine.line) != \
                (theirs.creator.func, theirs.creator.file, theirs.creator.line):
            yield f"created by {mine}, not {theirs.creator}"
        if theirs.parent and theirs.parent != ours.parent:
            yield f"created in {ours.parent}, not {theirs.parent}"
    if "partial" in ours.flags or "not validated" in ours.flags:
        yield f"flags {ours.flags}"
    if not theirs.unavailable:
        yield from frame_differences(theirs, ours, level)


def quiet(target):
    """Waits until every thread of the target sleeps and none has been switched to for a while: all that was to happen
    after READY has happened.  One that is not asleep may only have been kept from running."""
    def asleep_since():
        fields = [f for f in (procfs.status(target.pid, tid) for tid in procfs.threads(target.pid)) if f]
        return [f["voluntary_ctxt_switches"] for f in fields if f["State"].startswith("S")], len(fields)

    def unchanged():
        before, threads = asleep_since()
        time.sleep(0.05)
        return len(before) == threads and (before, threads) == asleep_since()
    process.wait_until(unchanged, "the target never came to rest")


def compare(theirs, snapshot, level, ignore):
    """All differences, but for the goroutines that are elsewhere by now."""
    ours = {g.id: g for g in snapshot.goroutines if level == "system" or "system" not in g.flags}
    found = [f"goroutine {i} is missing" for i in theirs if i not in ours]
    found += [f"goroutine {i} is too many:\n{ours[i]}" for i in ours if i not in theirs]
    for i, g in theirs.items():
        if i in ours and i not in ignore:
            found += [f"goroutine {i} [{g.state}]: {text}" for text in differences(g, ours[i], level)]
    assert not found, "\n".join(found)
    assert len(theirs) == len(ours) > 40


@pytest.mark.modes(*MODES)
@pytest.mark.parametrize("consistency", ("process", "goroutine"))
def test_goroutines_are_what_the_target_says(go_build, run_go, release, mode, consistency):
    target = run_go(go_build(release, mode, "states"), dump_pipe=True)
    quiet(target)
    dump = target.frozen_dump()
    snapshot = evidence.capture(target.pid, consistency)
    theirs = godump.parse(dump())
    writer = next(iter(theirs))
    # what was about to run when the dump was made (the signal's receiver) has run since
    moving = {i for i, g in theirs.items() if g.state in ("runnable", "running")}
    compare(theirs, snapshot, "all", {writer} | moving)
    assert "runtime/pprof.writeGoroutineStacks" in snapshot.by_id[writer].funcs()
    assert not snapshot.gaps


@pytest.mark.modes(*MODES)
def test_every_frame_and_pc_is_what_the_target_says(go_build, run_go, release, mode):
    target = run_go(go_build(release, mode, "states"), env={"GOTRACEBACK": "system"}, unharmed=False)
    quiet(target)
    snapshot = evidence.capture(target.pid)
    target.signal(signal.SIGQUIT)
    target.popen.wait()
    target.close()
    theirs = godump.parse(target.stderr)
    compare(theirs, snapshot, "system", {i for i, g in theirs.items() if moves(g, snapshot.by_id[i])})


def moves(theirs, ours):
    """The runtime's own goroutines that work now and then."""
    return "system" in ours.flags and theirs.state in ("GC scavenge wait", "sleep", "runnable", "running")
