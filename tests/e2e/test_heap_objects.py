"""Every object of a heap and every pointer in it, judged by the program itself (tests/targets/heap), by its
runtime.MemStats and by the runtime's own heap dump."""
import os
import re

import pytest

from lib import gobuild, heap, heapdump


def stats_of(answer):
    """What the target says of runtime.MemStats: names, and live objects by size."""
    words = [re.split("[=:]", word) for word in answer.split()]
    stats = {key: int(value) for key, value in words}
    return stats, {int(key): value for key, value in stats.items() if key.isdigit()}


def known_of(answer):
    """{address: (name, {offset: target})}"""
    known = {}
    for word in re.findall(r"([a-z ]+):([0-9a-f]+):[0-9a-f]+:(\S*)", answer):
        pairs = [pair.split(">") for pair in word[2].split(",") if pair]
        known[int(word[1], 16)] = (word[0], {int(off, 16): int(to, 16) for off, to in pairs})
    return known


def check_counts(seen, answer):
    """All objects, to the last one."""
    stats, by_size = stats_of(answer)
    counted = {}
    total = count = 0
    for _slot, _addr, size, _span in seen.objects():
        counted[size] = counted.get(size, 0) + 1
        total, count = total + size, count + 1
    assert (count, total) == (stats["HeapObjects"], stats["HeapAlloc"])
    assert (seen.counters["heap.objects"], seen.counters["heap.object_bytes"]) == (count, total)
    assert {size: n for size, n in counted.items() if size in by_size} == {k: n for k, n in by_size.items() if n}
    assert [sum(map(seen.allocated, range(first, first + n)))
            for first, n in zip(seen.span["slot"], seen.span["elems"])] == seen.span["allocated"]


def check_edges(seen, slot, expected, base, what):
    """The edges of an object are exactly the pointers that lead into objects."""
    found = {e.word * 8: e for e in seen.edges(slot)}
    want = {}
    for offset, target in expected.items():
        to = seen.slot_at(target)
        if to is not None and seen.allocated(to):
            want[offset - base] = (to, target)
    assert set(found) == set(want), what
    for offset, (to, target) in want.items():
        edge = found[offset]
        assert edge.target == to, (what, offset)
        assert bool(edge.flags & heap.INTERIOR) == (seen.data(to) != target), (what, offset)
        assert bool(edge.flags & heap.LEAF) == (to >= seen.counters["heap.scan_slots"]), (what, offset)


def check_known(seen, answer):
    known = known_of(answer)
    assert len(known) > 500
    for addr, (name, expected) in known.items():
        slot = seen.slot_at(addr)
        assert slot is not None and seen.allocated(slot), name
        base = seen.data(slot) - addr  # a chunk of an arena holds several
        check_edges(seen, slot, expected, base, name)
    return known


def check_dump(seen, path):
    """Against runtime/debug.WriteHeapDump: the same objects, with pointers in the same words.  What stands in
    them is what the snapshot's memory says: the runtime's own objects change all the time."""
    dumped = set()
    for addr, size, words in heapdump.objects(path):
        slot = seen.slot_at(addr)
        if slot is None:
            continue  # behind the last object of a span, where the runtime keeps its bits
        assert (seen.address(slot), seen.span["elem_size"][seen.span_of(slot)]) == (addr, size)
        dumped.add(slot)
        if slot < seen.counters["heap.scan_slots"]:
            check_edges(seen, slot, {8 * w: seen.word(addr + 8 * w) for w in words}, seen.data(slot) - addr,
                        hex(addr))
    assert dumped == {slot for slot, *_ in seen.objects()}


def look(target, **env):
    """What the target says and what we see at a time when nothing is allocated: a thread that the runtime
    starts is an object, too, so it is tried again until the numbers before and after are the same."""
    for _ in range(8):
        before = target.ask("stats")
        seen = heap.capture(target.pid, **env)
        if target.ask("stats") == before:
            return seen, before
    raise AssertionError("the target never stands still")


def look_with_dump(target, path):
    for _ in range(8):
        before = target.ask(f"dump {path}")
        seen, after = look(target, RT_DUMP_HEAP_MEMORY="1")
        if after == before:
            return seen, after
    raise AssertionError("the target never stands still")


def check_all(target, tmp_path):
    path = str(tmp_path / "heap.dump")
    objects = target.ask("objects")
    seen, stats = look_with_dump(target, path)
    check_counts(seen, stats)
    check_known(seen, objects)
    check_dump(seen, path)
    os.unlink(path)
    assert not [what for what, _why in seen.missing if "heap" in what or "span" in what], seen.missing
    assert not seen.counters["heap.free_targets"]
    return seen


@pytest.mark.modes("default", "race", "pie-stripped")
@pytest.mark.sanitized
def test_objects_and_pointers(go_build, run_go, release, mode, tmp_path):
    target = run_go(go_build(release, mode, "heap"))
    check_all(target, tmp_path)


def has_experiment(go_build, release, name):
    try:
        return go_build(release, "default", "heap", env={"GOEXPERIMENT": name})
    except gobuild.BuildError:
        return None


@pytest.mark.releases("1.21", "1.25", "1.26")
@pytest.mark.parametrize("experiment", ["arenas", "greenteagc", "nogreenteagc"])
def test_experiments(go_build, run_go, release, experiment, tmp_path):
    """Package arena; mark bits inside spans, and not."""
    program = has_experiment(go_build, release, experiment)
    if not program:
        pytest.skip(f"Go {release} has no experiment {experiment}")
    seen = check_all(run_go(program), tmp_path)
    inline = any(flags & heap.INLINE_MARKS for flags in seen.span["flags"])
    if "greentea" in experiment:
        assert inline == (experiment == "greenteagc")
    if experiment == "arenas":
        assert any(flags & heap.USER_ARENA for flags in seen.span["flags"])


@pytest.mark.modes("default")
def test_who_survived(go_build, run_go, release, mode):
    """Objects that the last collection saw did, those that came after it did not, and what it found dead is
    gone."""
    target = run_go(go_build(release, mode, "heap"))
    old = known_of(target.ask("objects"))
    young = known_of(target.ask("young"))
    seen = heap.capture(target.pid)
    assert all(seen.survived(seen.slot_at(addr)) for addr in old)
    assert not any(seen.survived(seen.slot_at(addr)) for addr in young)
    assert all(seen.allocated(seen.slot_at(addr)) for addr in {**old, **young})
    target.ask("gc")
    seen = heap.capture(target.pid)
    assert all(seen.survived(seen.slot_at(addr)) for addr in {**old, **young})


@pytest.mark.modes("default")
def test_while_it_collects(go_build, run_go, release, mode):
    """In the middle of marking and sweeping the counts are still those of the runtime's statistics of the same
    instant, but for a span in the hands of each thread, and nothing that lives is missed."""
    target = run_go(go_build(release, mode, "heap"))
    objects = target.ask("objects")
    target.ask("churn")
    busy = 0
    for _ in range(30):
        seen = heap.capture(target.pid)
        check_known(seen, objects)
        assert all(seen.survived(seen.slot_at(addr)) for addr in known_of(objects))
        assert abs(seen.counters["heap.objects"] - seen.counters["memstats.heap_objects"]) <= 3 * 1024
        behind = {seen.counters["heap.sweepgen"] - gen for gen in seen.span["sweepgen"]}
        busy += bool(seen.counters["gc.phase"] or behind & {1, 2})
        if busy >= 3:
            return
    raise AssertionError("it was never seen while it collects")


@pytest.mark.modes("default")
def test_of_a_core_and_a_file(go_build, run_go, gospect, release, mode, tmp_path):
    """The same from a core, from a stopped process and from a saved snapshot."""
    target = run_go(go_build(release, mode, "heap"))
    objects = target.ask("objects")
    saved, core = tmp_path / "heap.gsnap", tmp_path / "core"
    gospect("core", target.pid, "-o", core, check=0)
    done = gospect("snapshot", target.pid, "--heap", "--json", "-o", saved, check=0)
    for seen in (heap.capture(core, "core"), heap.capture(target.pid, "stop"), heap.capture(saved, "snapshot")):
        check_known(seen, objects)
        assert seen.counters["heap.objects"] == sum(seen.span["allocated"])
    assert done.json["objects"] == seen.counters["heap.objects"]
    core.unlink()


@pytest.mark.modes("default")
@pytest.mark.releases("1.26")
def test_refusals(go_build, run_go, gospect, release, mode, tmp_path):
    target = run_go(go_build(release, mode, "heap"))
    where = tmp_path / "x.gsnap"
    said = gospect("snapshot", target.pid, "--heap", "--consistency", "goroutine", "-o", where, check=2)
    assert "one instant" in said.err
    gospect("snapshot", target.pid, "-o", where, check=0)
    said = gospect("snapshot", where, "--heap", "-o", tmp_path / "y.gsnap", check=2)
    assert "without its heap" in said.err
