"""gospect leaks against the runtime's own verdict, and against programs that know what leaks.

- Releases with the profile `goroutineleak` (1.26, 1.27) judge the programs of Go's own test suite themselves and stop;
  what they marked as leaked and what we prove must be the same goroutines.
- The same programs built with older releases must show the leaks which that test suite names.
- A program of our own knows which of its goroutines it will wake, in many ways, and which it cannot.
- A lock beside a value that lives, in one block of the tiny allocator: what the runtime's profile misses.
"""
import contextlib
import re
import signal

import pytest

from lib import cores, evidence, leakprof, process, procfs, schema
from lib.paths import TARGETS
from lib.process import wait_until

FIRM = [(suite, name) for suite, rows in leakprof.cases().items() for name, (firm, _) in rows.items() if firm]
FLAKY = [(suite, name) for suite, rows in leakprof.cases().items() for name, (firm, _) in rows.items() if not firm]
SOME = [("base", "Cond"), ("base", "SelectNoCasesMain"), ("goker", "Etcd6708"), ("goker", "Moby30408")]  # of FIRM


def proved(seen):
    return {leak["goroutine"] for leak in seen["leaks"] if leak["class"].startswith("proved")}


def proved_beyond(seen):
    return {leak["goroutine"] for leak in seen["leaks"] if leak["class"] == "proved-beyond"}


def leaks_of(gospect, subject):
    return schema.check("leaks", gospect("leaks", subject, "--json", check=(0, 1)).json)


def look(gospect, target, folder):
    """One instant of a stopped program: its goroutines, and what leaked."""
    file = folder / f"{target.pid}.gsnap"
    gospect("snapshot", target.pid, "-o", file)
    seen = gospect("leaks", target.pid, "--json", check=(0, 1))
    found = schema.check("leaks", seen.json)
    assert seen.code == int(any(leak["class"].startswith("proved") for leak in found["leaks"]))
    missing = [row for row in found["missing"] if not row["what"].startswith("names of")]  # stripped
    assert not found["unread"] and not missing, found
    return evidence.of_file(file), found


@contextlib.contextmanager
def judged(release, suite, name, mode="default", again=""):
    """A program that has judged itself, if it can, and stopped."""
    target = process.Target([leakprof.build(release, suite, mode), name], env={**leakprof.ENV, "AGAIN": again})
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

def theirs_of(snapshot):
    """The goroutines that the runtime marked as leaked, and main when it counts but does not tell it.

    1.27 counts a main that waits in select {}, which programs do on purpose.
    """
    parked = {g.id for g in snapshot.goroutines if g.id == 1 and g.reason == "select (no cases)"}
    return {g.id for g in snapshot.goroutines if g.state == "leaked"} - parked, parked


def confirmed_beyond(suite, name, snapshot, seen, theirs):
    """Those only we prove, whom Go's test names as leaking in this program.

    A Mutex without pointers shares a block of the tiny allocator with what happens to be allocated next to it: the length of
    an environment variable decides whether the runtime sees that leak (Moby7559: one start in ten).
    """
    rows = [leak for leak in seen["leaks"] if leak["goroutine"] in proved_beyond(seen) - theirs]
    words = zip(rows, leaked_words(snapshot, rows))
    patterns = leakprof.cases()[suite][name][1]
    return {leak["goroutine"] for leak, word in words if any(re.search(p, word) for p in patterns)}


def disagreement(gospect, folder, release, suite, name, mode="default"):
    with judged(release, suite, name, mode) as target:
        snapshot, seen = look(gospect, target, folder)
        ours, (theirs, parked) = proved(seen), theirs_of(snapshot)
        assert len(theirs | parked) == int(target.ready["leaked"]), name
        ours -= confirmed_beyond(suite, name, snapshot, seen, theirs)
        if theirs != ours:
            return f"{name}: missed {sorted(theirs - ours)}, too many {sorted(ours - theirs)}"
        return misnamed(name, seen)


@pytest.mark.releases(*leakprof.JUDGES)
def test_same_verdict_as_the_runtime(gospect, tmp_path, release):
    assert not list(filter(None, (disagreement(gospect, tmp_path, release, *row) for row in FIRM)))


@pytest.mark.releases(*leakprof.JUDGES)
@pytest.mark.modes("nosections", "pie-stripped", "noopt", "race")
def test_same_verdict_however_it_was_built(gospect, tmp_path, release, mode):
    assert not list(filter(None, (disagreement(gospect, tmp_path, release, *row, mode) for row in SOME)))


@pytest.mark.releases(*leakprof.JUDGES)
def test_same_verdict_of_files(gospect, tmp_path, release):
    """Of a core of ours, of one of gdb, and of a snapshot."""
    with judged(release, "goker", "Moby30408") as target:
        snapshot, seen = look(gospect, target, tmp_path)
        gospect("core", target.pid, "-o", tmp_path / "core", check=0)
        gospect("snapshot", target.pid, "--heap", "-o", tmp_path / "gsnap", check=0)
        for path in (tmp_path / "core", cores.gcore(target.pid, tmp_path / "gdb"), tmp_path / "gsnap"):
            assert proved(leaks_of(gospect, path)) == proved(seen) == theirs_of(snapshot)[0] != set()


def second_verdict(target):
    """The runtime judges once more what the program has become."""
    start = len(target.lines)
    target.signal(signal.SIGCONT)
    target.wait_line(r"^AGAIN\b", start)
    wait_until(lambda: procfs.state(target.pid) == "T", "it never stopped again")


@pytest.mark.slow
@pytest.mark.releases(*leakprof.JUDGES)
def test_same_verdict_on_flaky_programs(gospect, tmp_path, release):
    """Some get stuck as they are judged: what we add to the runtime's verdict is in its next one (docs/leaks.md)."""
    for suite, name in FLAKY:
        with judged(release, suite, name, again="yes") as target:
            snapshot, seen = look(gospect, target, tmp_path)
            missed = theirs_of(snapshot)[0] - proved(seen)
            second_verdict(target)
            later = theirs_of(evidence.capture(target.pid))[0]
            wrong = {leak["goroutine"] for leak in seen["leaks"] if leak["class"] == "proved"} - later
            assert not missed and not wrong, f"{name}: missed {missed}, wrong {wrong}"


# ---- releases that have no such profile ----

def any_lock(pattern):
    """Releases word the waits for locks in their own way."""
    return re.sub(r" \\\[sync.*", " ", pattern)


def leaked_words(snapshot, leaks):
    """As the test suite of Go writes leaks: "Mutex.func1(…) [chan send]", the function being the outermost of main."""
    for leak in leaks:
        g = snapshot.by_id[leak["goroutine"]]
        func = [f.func for f in g.frames if f.func.startswith("main.") and f.id != evidence.WRAPPER][-1]
        yield f"{func.removeprefix('main.')}() [{leak['wait']}]"


def missing_or_odd(gospect, folder, release, suite, name):
    patterns = list(map(any_lock, leakprof.cases()[suite][name][1]))
    with judged(release, suite, name) as target:
        snapshot, seen = look(gospect, target, folder)
    words = set(leaked_words(snapshot, seen["leaks"]))
    missing = [p for p in patterns if not any(re.search(p, word) for word in words)]
    odd = [word for word in words if not any(re.search(p, word) for p in patterns)]
    if missing or odd:
        return f"{name}: missing {missing}, odd {odd}"
    return misnamed(name, seen)


@pytest.mark.releases("1.18", "1.22", "1.25")
def test_older_releases_show_the_same_leaks(gospect, tmp_path, release):
    assert not list(filter(None, (missing_or_odd(gospect, tmp_path, release, suite, name)
                                    for suite, name in FIRM)))


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


@pytest.mark.modes("default", "stripped")
@pytest.mark.releases("1.18", "1.22", "1.27")
def test_who_could_have_woken_it(go_build, run_go, gospect, release, mode):
    target = run_go(go_build(release, mode, "wakers"))
    seen = schema.check("leaks", gospect("leaks", target.pid, "--json", check=1).json)["leaks"]
    stacks = {g["id"]: [f["func"] for f in g["stack"]]
              for g in gospect("goroutines", target.pid, "--json", check=0).json["goroutines"]}
    found = {}
    for leak in seen:
        name = next(f for f in stacks[leak["goroutine"]] if f.startswith("main."))
        found.setdefault(name, []).append((leak, leak["objects"][0]))
    assert {name: len(v) for name, v in found.items()} == {"main.reads": 3, "main.writes": 3, "main.locks": 2, "main.holds": 1}
    for leak, thing in found["main.reads"]:
        assert leak["class"] == "proved" and thing["type"] == "chan int"
        assert [(w["act"], w["leaked"], w["func"]) for w in thing["wakers"]] == [("send", True, "main.writes")]
    assert all(not thing["wakers"] for _, thing in found["main.writes"] + found["main.holds"])
    held = [thing["wakers"] for _, thing in found["main.locks"] if thing["wakers"]]
    assert [(w["act"], w["leaked"], w["waits_in"], w["func"]) for [w] in held] == \
        [("unlock", True, "waitgroup wait", "main.holds")]
    assert {thing["type"] for _, thing in found["main.locks"]} == {"sync.Mutex"}
    assert sorted((bool(thing["wakers"]), leak["fault"]) for leak, thing in found["main.locks"]) == \
        [(False, "missing unlock"), (True, "WaitGroup")]  # who holds it would unlock, but for what he waits for
    if mode == "default":
        assert all(leak["path"].startswith("main.jobs → ") for leak, _ in found["main.locks"] + found["main.holds"])
        ways = [leak["path"] for leak, _ in found["main.reads"] if leak["path"]]
        assert len(ways) == 1 and "main.writes" in ways[0]
    text = " ".join(gospect("leaks", target.pid, check=1).out.split())
    lines = (TARGETS / "wakers" / "main.go").read_text(encoding="utf-8").splitlines()
    line, = (number for number, words in enumerate(lines, 1) if words.startswith("func writes("))
    assert re.search(r"it waits for chan int at 0x\w+ \(unbuffered\) goroutine \d+ would send \(.*?\), but has leaked, too, in "
                     rf"chan receive at wakers/main\.go:{line} \(main\.writes\)", text)
