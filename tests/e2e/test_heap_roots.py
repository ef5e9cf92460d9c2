"""What keeps objects alive, against the garbage collector's own verdict: programs that allocate objects
which one thing keeps, or nothing, and that then run the collector and say which of them died."""
import collections

import pytest

from lib import heap

GLOBAL, STACK, REGISTER, SPECIAL, QUEUE, OTHER = range(6)
CONSERVATIVE = 1
FINALIZER, CLEANUP, WEAK, PINNED = 1, 2, 3, 5
# The runtime lets go of these by itself: a pool at each collection, stopped timers at the next look, values that
# were the same as others (until 1.24 the key of a map) after one.
FLEETING = {"pool", "pool_victim", "timer_stopped", "unique_dropped"}
# Which variable of which function keeps a probe, as the source has it (noopt: all are in the frame).
VARIABLES = {
    "local_live": ("main.localLive", "liveLocal"),
    "local_reassigned": ("main.localReassigned", "l"),
    "argument_live": ("main.argument", "liveArg"),
    "argument_stack": ("main.manyArguments", "onStack"),
    "result": ("main.result", "r"),
    "result_array": ("main.result", "s[1]"),
    "interior": ("main.interior", "p"),
    "object_field": ("main.stackObject", "o.in.n"),
    "object_any": ("main.stackObject", "o.any"),
    "link_a": ("main.linkedObjects", "a.leaf"),
    "link_b": ("main.linkedObjects", "b.leaf"),
    "array_3": ("main.arrays", "array[3]"),
    "interface": ("main.anyInterface", "i"),
    "big_array": ("main.bigFrame", "big[2999]"),
    "chain_1": ("main.chain", "n"),
    "select_other": ("main.selectBlocked", "kept"),
    "reflect_call": ("main.reflectCalled", "x"),
}
GLOBALS = {
    "global_pointer": ("main.globalPointer", 0),
    "global_interface": ("main.globalInterface", 8),
    "global_field": ("main.globalCache", 8),
    "global_field_array": ("main.globalCache", 24 + 2 * 24 + 16),
    "global_array": ("main.globalArray", 3 * 8),
    "global_unsafe": ("main.globalAtomic", 0),
    "global_interior": ("main.globalInterior", 0),
}


class Roots:
    """The heap of a target that stands still, and what its roots lead to."""

    def __init__(self, target, how="process", subject=None):
        self.probes = dict(word.split("=") for word in target.ask("list").split())
        self.heap = heap.capture(subject or target.pid, how)
        t = self.tables = self.heap.tables
        self.rows = [dict(zip(t["root"], row)) for row in zip(*t["root"].values())]
        self.of_slot = collections.defaultdict(list)
        for row in self.rows:
            self.of_slot[row["slot"]].append(row)
        self.live = self.mark()

    def mark(self):
        seen = set(self.of_slot)
        todo = list(seen)
        while todo:
            for edge in self.heap.edges(todo.pop()):
                if edge.target not in seen:
                    seen.add(edge.target)
                    todo.append(edge.target)
        return seen

    def slot(self, probe):
        slot = self.heap.slot_at(int(self.probes[probe]))
        assert slot is not None and self.heap.allocated(slot), probe
        return slot

    def reached(self):
        return {probe for probe in self.probes if self.slot(probe) in self.live}

    def words(self, probe):
        """Of each root that points to the probe: its kind, and where it is."""
        return [self.where(row) for row in self.of_slot[self.slot(probe)]]

    def where(self, row):
        t = self.tables
        if row["kind"] == GLOBAL and row["global"] >= 0:
            return t["global"]["name"][row["global"]], row["addr"] - t["global"]["addr"][row["global"]]
        if row["kind"] == STACK:
            pc = t["stackvar"]["pc"][row["var"]]
            last = t["pc"]["frame"][pc] + t["pc"]["frames"][pc] - 1
            return t["frame"]["func"][last], t["stackvar"]["name"][row["var"]]
        return row["kind"], row["addr"]

    def specials(self, probe):
        s = self.tables["special"]
        return {kind for kind, slot in zip(s["kind"], s["slot"]) if slot == self.slot(probe)}


@pytest.fixture
def roots(go_build, run_go):
    def start(release, mode, *args):
        target = run_go(go_build(release, mode, "heaproots"), *args)
        return target, Roots(target)
    return start


@pytest.mark.modes("default", "noopt", "stripped", "pie", "race", "cgo")
@pytest.mark.sanitized
def test_what_is_reached_is_what_the_collector_keeps(roots, release, mode):
    target, seen = roots(release, mode)
    died = set(target.ask("collect").split())
    alive = set(seen.probes) - died
    assert len(seen.probes) > 115 and len(died) > 20
    assert seen.reached() - FLEETING == alive - FLEETING
    assert {"pool", "pool_victim"} <= seen.reached() or "race" in mode  # where Put drops one in four
    assert seen.heap.counters["heap.free_targets"] == 0
    kinds = [row["kind"] for row in seen.rows]
    assert kinds == sorted(kinds)
    assert not any("roots" in what or "maps" in what for what, _ in seen.heap.missing), seen.heap.missing


@pytest.mark.modes("default", "stripped")
def test_what_finalizers_and_cleanups_will_get(roots, release, mode):
    """One of each runs, hundreds are queued behind it: collectors leave all of them and what they get alone."""
    target, seen = roots(release, mode, "finalizing")
    assert seen.reached() == set(seen.probes)
    assert len(seen.probes) == (2 if int(release.split(".")[1]) < 24 else 4) * 301
    assert target.ask("finish") == f"intact={len(seen.probes)} of={len(seen.probes)}"


@pytest.mark.modes("default", "stripped")
def test_only_what_a_signal_stops_is_guessed(roots, release, mode):
    """A goroutine that runs is seen anywhere: what it is sure to use is reached; the rest of the program
    is seen precisely all the same."""
    target, seen = roots(release, mode, "running")
    assert seen.reached() == {"running_local"}
    guessed = [row for row in seen.rows if row["flags"] & CONSERVATIVE]
    assert len({row["goroutine"] for row in guessed}) <= 1
    assert target.ask("collect") == ""


@pytest.mark.modes("default", "stripped")
def test_vector_registers_that_a_signal_saved(roots, release, mode):
    """All collectors look through them, but that of 1.26."""
    target, seen = roots(release, mode, "vectors")
    alive = set(seen.probes) - set(target.ask("collect").split())
    assert seen.reached() == alive
    assert alive == (set() if release == "1.26" else {"vector_0", "vector_1"})
    assert not any("registers" in what for what, _ in seen.heap.missing), seen.heap.missing


@pytest.mark.modes("default", "stripped")
@pytest.mark.parametrize("how", ["process", "core"])
def test_what_only_a_vector_register_has(gospect, go_build, run_go, release, mode, how, tmp_path):
    """Assembler holds a pointer there, and uses it afterwards: no collector runs meanwhile."""
    target = run_go(go_build(release, mode, "heaproots"), "held")
    seen = Roots(target)
    assert seen.reached() == {"vector_held"}
    if how == "core":
        gospect("core", target.pid, "-o", tmp_path / "core", check=0)
        assert seen.slot("vector_held") in Roots(target, "core", tmp_path / "core").live
    assert target.ask("held") == seen.probes["vector_held"]


@pytest.mark.modes("noopt", "noopt-pie")
def test_places_have_the_names_of_the_source(roots, release, mode):
    _, seen = roots(release, mode)
    for probe, variable in VARIABLES.items():
        assert variable in seen.words(probe), probe
    for probe, variable in GLOBALS.items():
        assert variable in seen.words(probe), probe


@pytest.mark.modes("default")
def test_spilled_variables_have_names(roots, release, mode):
    """Optimised code keeps variables in registers and in places that only location lists tell."""
    _, seen = roots(release, mode)
    named = {probe for probe, variable in VARIABLES.items() if variable in seen.words(probe)}
    assert {"local_live", "argument_live", "object_field", "link_a", "chain_1"} <= named
    for probe, variable in GLOBALS.items():
        assert variable in seen.words(probe), probe


def test_globals_without_dwarf_have_the_names_of_symbols(roots, release):
    _, seen = roots(release, "nodwarf")
    for probe, variable in GLOBALS.items():
        assert variable in seen.words(probe), probe
    assert ("names of variables on stacks", "the program has no DWARF") in seen.heap.missing


def test_specials_are_listed(roots, release):
    target, seen = roots(release, "default")
    t = seen.tables
    assert FINALIZER in seen.specials("local_live")
    row = t["special"]["slot"].index(seen.slot("finalizer_object"))
    pc = t["special"]["func"][row]
    assert t["frame"]["func"][t["pc"]["frame"][pc]].startswith("main.finalizers.func")
    minor = int(release.split(".")[1])
    if minor >= 21:  # what is pinned more than once has a record
        assert PINNED in seen.specials("pinned")
    if minor >= 24:
        assert WEAK in seen.specials("weak_only")
        assert CLEANUP in seen.specials("cleanup_object")
    assert target.alive()


@pytest.mark.releases("1.18", "1.21", "1.24", "1.27")
@pytest.mark.parametrize("count", [10_000, 50_000])
def test_many_goroutines_and_no_root_to_a_free_slot(go_build, run_go, release, count):
    """Words that are not pointers would lead to many a slot that is free by now."""
    target = run_go(go_build(release, "default", "heaproots"), str(count))
    wanted = "counter missing" + (" root" if count == 10_000 else "")
    seen = heap.capture(target.pid, RT_DUMP_TABLES=wanted)
    assert seen.counters["heap.free_targets"] == 0
    assert not any("roots" in what or "maps" in what for what, _ in seen.missing), seen.missing
    root = seen.tables["root"]
    per_goroutine = collections.Counter(
        g for g, kind, flags in zip(root["goroutine"], root["kind"], root["flags"])
        if kind == STACK and not flags & CONSERVATIVE)
    if count == 10_000:  # there is a pointer in each frame of main.deep
        assert sum(n >= 20 for n in per_goroutine.values()) >= count
