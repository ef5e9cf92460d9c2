"""gospect leaks against the runtime's own verdict, and against programs that know what leaks.

- Releases with the profile `goroutineleak` (1.26, 1.27) judge the programs of Go's own test suite themselves and stop;
  what they marked as leaked and what we prove must be the same goroutines.
- The same programs built with older releases must show the leaks which that test suite names.
- A program of our own knows which of its goroutines it will wake, in many ways, and which it cannot.
- A lock beside a value that lives, in one block of the tiny allocator: what the runtime's profile misses.
"""
import contextlib
import re

import pytest

from lib import evidence, leakprof, process, procfs, schema
from lib.process import wait_until

FIRM = [(suite, name) for suite, rows in leakprof.cases().items() for name, (firm, _) in rows.items() if firm]




def proved(seen):
    return {leak["goroutine"] for leak in seen["leaks"] if leak["class"].startswith("proved")}


def leaks_of(gospect, subject):
    return schema.check("leaks", gospect("leaks", subject, "--json", check=(0, 1)).json)


def look(gospect, target, folder):
    """One instant of a stopped program: its goroutines, and what leaked."""
    file = folder / f"{target.pid}.gsnap"
    gospect("snapshot", target.pid, "-o", file)
    seen = gospect("leaks", target.pid, "--json", check=(0, 1))
    found = schema.check("leaks", seen.json)
    assert seen.code == int(any(leak["class"].startswith("proved") for leak in found["leaks"]))
    assert not found["unread"] and not found["missing"], found
    return evidence.of_file(file), found


@contextlib.contextmanager
def judged(release, suite, name):
    """A program that has judged itself, if it can, and stopped."""
    target = process.Target([leakprof.build(release, suite), name], env=leakprof.ENV)
    try:
        target.wait_ready()
        wait_until(lambda: procfs.state(target.pid) == "T", f"{name} never stopped")
        yield target
    finally:
        target.close()


# ---- what went wrong, in the words of GoBench ----

FAULTS = {"Resource": {"double lock", "lock upgrade", "AB-BA", "RWR", "missing unlock"},
          "Communication": {"channel", "channel of a context", "condition variable"},
          "Mixed": {"channel and lock", "WaitGroup"}}
SUBTYPES = {"ab-ba": {"AB-BA"}, "rwr": {"RWR"}, "double locking": {"double lock", "lock upgrade"},
            "missing unlock": {"missing unlock"}}
# "Double locking" because a loop went on without unlocking: who locked it before, nothing in memory tells.
# Etcd5509 returns without RUnlock, and Lock waits for that reader, who is nowhere any more.
FORGOT_IN_A_LOOP = {"Moby7559", "Moby17176", "Etcd5509"}


def misnamed(name, seen):
    """A sentence when the fault has not the name that the README of the programs gives it; else None."""
    kind, sub = leakprof.labels().get(name, (None, ""))
    wanted = next((names for key, names in SUBTYPES.items() if sub.lower().startswith(key)), FAULTS.get(kind))
    wanted = {"missing unlock"} if name in FORGOT_IN_A_LOOP else wanted
    told = {leak["fault"] for leak in seen["leaks"]}
    return f"{name} ({kind}, {sub}): told {told}" if wanted and not told & wanted else None


# ---- the runtime's own verdict ----

def disagreement(gospect, folder, release, suite, name):
    with judged(release, suite, name) as target:
        snapshot, seen = look(gospect, target, folder)
        theirs, ours = {g.id for g in snapshot.goroutines if g.state == "leaked"}, proved(seen)
        parked = {g.id for g in snapshot.goroutines if g.id == 1 and g.reason == "select (no cases)"}
        assert len(theirs | parked) == int(target.ready["leaked"]), name
        theirs -= parked  # main does that on purpose: 1.27 does not tell it either, though it counts it
        if theirs != ours:
            return f"{name}: missed {sorted(theirs - ours)}, too many {sorted(ours - theirs)}"
        return misnamed(name, seen)


@pytest.mark.releases(*leakprof.JUDGES)
def test_same_verdict_as_the_runtime(gospect, tmp_path, release):
    assert not list(filter(None, (disagreement(gospect, tmp_path, release, *row) for row in FIRM)))


# ---- releases that have no such profile ----

# Before 1.26 a waiter of a Cond is not linked to it, and is taken to be woken some day.
OF_COND = {"Cond", "Moby30408"}

def any_lock(pattern):
    """Releases word the waits for locks in their own way."""
    return re.sub(r" \\\[sync.*", " ", pattern)


def leaked_words(snapshot, seen):
    """As the test suite of Go writes leaks: "Mutex.func1(…) [chan send]", the function being the outermost of main."""
    for leak in seen["leaks"]:
        g = snapshot.by_id[leak["goroutine"]]
        func = [f.func for f in g.frames if f.func.startswith("main.") and f.id != evidence.WRAPPER][-1]
        yield f"{func.removeprefix('main.')}() [{leak['wait']}]"


def missing_or_odd(gospect, folder, release, suite, name):
    patterns = list(map(any_lock, leakprof.cases()[suite][name][1]))
    with judged(release, suite, name) as target:
        snapshot, seen = look(gospect, target, folder)
    words = set(leaked_words(snapshot, seen))
    missing = [p for p in patterns if not any(re.search(p, word) for word in words)]
    odd = [word for word in words if not any(re.search(p, word) for p in patterns)]
    if missing or odd:
        return f"{name}: missing {missing}, odd {odd}"
    return misnamed(name, seen)


@pytest.mark.releases("1.18", "1.22", "1.25")
def test_older_releases_show_the_same_leaks(gospect, tmp_path, release):
    assert not list(filter(None, (missing_or_odd(gospect, tmp_path, release, suite, name)
                                    for suite, name in FIRM if name not in OF_COND)))


# ---- nobody who will be woken is called leaked ----

def told(target):
    """{name: (goroutine, leaks)}, as the program knows."""
    rows = (row.rsplit("=", 2) for row in target.ask("list").split(","))
    return {name: (int(goroutine), leaks == "true") for name, goroutine, leaks in rows}


@pytest.mark.modes("default", "noopt", "pie-stripped", "race", "cgo")
def test_leaks_and_no_others(go_build, run_go, gospect, release, mode):
    target = run_go(go_build(release, mode, "leaks"))
    truth = told(target)
    seen = leaks_of(gospect, target.pid)
    ours = proved(seen)
    names = {goroutine: name for name, (goroutine, _) in truth.items()}
    wrong = {names.get(g, g) for g in ours - {g for g, leaks in truth.values() if leaks}}
    missed = {names[g] for g, leaks in truth.values() if leaks and g not in ours}
    missed -= {"stopped timer"}  # before 1.23 a stopped timer may stay in its heap, and leads to the channel
    assert not wrong and not missed
    assert not [leak for leak in seen["leaks"] if leak["class"] == "suspected"]
    ended = set(target.ask("wake").split(","))
    assert ended == {name for name, (_, leaks) in truth.items() if not leaks}


# ---- beyond the runtime's profile ----

@pytest.mark.modes("default", "stripped")
def test_locks_in_tiny_blocks(go_build, run_go, gospect, release, mode):
    target = run_go(go_build(release, mode, "tinylocks"))
    seen = leaks_of(gospect, target.pid)
    assert {leak["class"] for leak in seen["leaks"]} == {"proved-beyond"}
    assert len(seen["leaks"]) >= int(target.ready["locks"]) - 2  # the last may still lie on main's stack
    assert proved(seen).isdisjoint(map(int, target.ready["reached"].split(",")))
