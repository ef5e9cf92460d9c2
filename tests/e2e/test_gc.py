"""The garbage collector as gospect sees it, against what the process's own runtime says of it: ReadMemStats,
runtime/metrics, the lines of GODEBUG=gctrace=1, and what the target was told to allocate and keep."""
import json
import math
import re

import pytest

from lib import schema
from lib.process import wait_until

ITEM, SLOT, LARGE = 96, 512, 106496  # sizes the allocator gives to main.Item, main.Slot, 100,000 bytes


@pytest.fixture
def start(go_build, run_go):
    return lambda release, mode="default", **env: run_go(go_build(release, mode, "gcload"), env=env)


def counters(gospect, target):
    return schema.check("info", gospect("info", target, "--json", check=0).json)["counters"]


def own(target, what="stats"):
    return json.loads(target.ask(what))


def sizes(stats):
    return {row["Size"]: row["Mallocs"] - row["Frees"] for row in stats["BySize"] if row["Size"]}


def median_and_p99(pauses):
    ordered = sorted(pauses)
    return ordered[(len(ordered) - 1) // 2], ordered[math.ceil(len(ordered) * 0.99) - 1]


@pytest.mark.modes("default", "stripped")
def test_pauses_and_spans_are_the_runtimes(gospect, start, release, mode):
    """What lies between two questions to the target, which allocate themselves, must hold ours."""
    target = start(release, mode)
    target.ask("sparse 20000 8")
    for _ in range(12 if mode == "default" else 300):  # 300: the ring of 256 goes round
        target.ask("gc")
    before = own(target)
    seen = counters(gospect, target.pid)
    stats = schema.check("memstats", gospect("mem", "stats", target.pid, "--json", check=0).json)
    after = own(target)
    assert before["NumGC"] == after["NumGC"] == stats["memstats"]["NumGC"]
    assert stats["memstats"]["PauseNs"] == after["PauseNs"] and stats["memstats"]["PauseEnd"] == after["PauseEnd"]
    taken = [ns for ns, end in zip(after["PauseNs"], after["PauseEnd"]) if end]
    newest = (after["NumGC"] + 255) % 256
    median, p99 = median_and_p99(taken)
    assert stats["pauses"] == {"count": len(taken), "last_ns": after["PauseNs"][newest], "median_ns": median,
                               "p99_ns": p99, "longest_ns": max(taken),
                               "longest_end_unix_ns": stats["pauses"]["longest_end_unix_ns"]}
    assert stats["pauses"]["longest_end_unix_ns"] in after["PauseEnd"]
    assert before["HeapInuse"] <= seen["spans.bytes"] <= after["HeapInuse"]
    low, high = sizes(before), sizes(after)
    assert low[SLOT] >= 2500
    for size, least in low.items():
        assert least <= seen.get(f"spans.by_size_{size}.objects", 0) <= high[size], size
    assert 2500 * SLOT * 4 < seen[f"spans.by_size_{SLOT}.bytes"] <= seen["spans.bytes"]


def test_large_objects_are_counted(gospect, start, release):
    target = start(release, "stripped")
    before = counters(gospect, target.pid)
    target.ask("large 10 100000")
    seen = counters(gospect, target.pid)
    for name, amount in (("memstats.large_mallocs", 10), ("memstats.large_alloc_bytes", 10 * LARGE),
                         ("spans.large.count", 10), ("spans.large.bytes", 10 * LARGE)):
        assert seen[name] - before[name] == amount, name


@pytest.mark.modes("default", "stripped")
def test_pacing_and_times_are_those_of_metrics(gospect, start, release, mode):
    target = start(release, mode)
    target.ask("round 50000 20000")
    target.ask("gc")
    seen, said = counters(gospect, target.pid), own(target, "metrics")
    pairs = {"/gc/heap/goal:bytes": "gc.heap_goal_bytes", "/gc/gogc:percent": "gc.percent",
             "/gc/gomemlimit:bytes": "gc.memory_limit_bytes",
             "/gc/limiter/last-enabled:gc-cycle": "gc.limiter_last_cycle"}
    for name, counter in pairs.items():
        assert name not in said or said[name] == seen[counter], name
    for kind, counter in (("mark/assist", "gc_assist"), ("mark/dedicated", "gc_dedicated"), ("pause", "gc_pause")):
        seconds = said.get(f"/cpu/classes/gc/{kind}:cpu-seconds")
        assert seconds is None or math.isclose(seconds, seen[f"cpu.{counter}_ns"] / 1e9, abs_tol=1e-9), kind
    # 20,000 items live, so the goal is about twice that; so little at a time that one cycle is over before the next begins
    for _ in range(100):
        target.ask("round 2000 0")
        after = counters(gospect, target.pid)
        if after["memstats.num_gc"] != seen["memstats.num_gc"]:
            break
    assert after["memstats.num_gc"] == seen["memstats.num_gc"] + 1
    assert seen["gc.trigger_bytes"] <= after["gc.heap_at_start_bytes"] < seen["gc.trigger_bytes"] + (1 << 20)
    assert seen["gc.trigger_bytes"] <= seen["gc.heap_goal_bytes"]


@pytest.mark.modes("stripped")
def test_phases_are_those_of_gctrace(gospect, start, release, mode):
    target = start(release, mode, GODEBUG="gctrace=1,gcshrinkstackoff=1")
    target.ask("round 50000 20000")
    target.ask("gc")
    seen = counters(gospect, target.pid)
    line = wait_until(lambda: next((text for text in target.errors if
                                    text.startswith(f"gc {seen['memstats.num_gc']} @")), None),
                      "the line of the last cycle")
    clock = [float(word) for word in re.search(r": ([\d.]+)\+([\d.]+)\+([\d.]+) ms clock", line).groups()]
    times = [seen[f"gc.t_{name}_ns"] for name in ("sweep_term", "mark", "mark_term", "end")]
    for shown, begin, end in zip(clock, times, times[1:]):
        assert shown == pytest.approx((end - begin) / 1e6, rel=0.1, abs=0.002), line
    heap = [int(n) for n in re.search(r"(\d+)->(\d+)->(\d+) MB", line).groups()]
    assert heap == [seen[f"gc.heap_{name}_bytes"] >> 20 for name in ("at_start", "at_mark_term", "marked_last")]
    assert seen["godebug.gctrace"] == 1 and seen["godebug.gcstoptheworld"] == 0
    text = gospect("info", target.pid, check=0).out
    assert "GODEBUG gcshrinkstackoff=1,gctrace=1" in text and "last cycle  stopped for" in text


@pytest.mark.releases("1.18", "1.22", "1.27")
@pytest.mark.modes("stripped")
def test_the_write_barrier_is_on_while_it_marks(gospect, start, tmp_path, release, mode):
    """Snapshots are one instant, so phase and barrier belong together."""
    target = start(release, mode)
    target.ask("round 400000 400000")  # one long list: slow to mark
    target.ask("churn")
    seen = {}
    for i in range(200):
        path = tmp_path / f"{i}.gsnap"
        gospect("snapshot", target.pid, "-o", path, check=0)
        now = counters(gospect, path)
        seen.setdefault(now["gc.phase"], set()).add(now["gc.write_barrier"])
        path.unlink()
        if {0, 1} <= set(seen):
            break
    target.ask("stop")
    assert seen[0] == {0} and seen[1] == {1}, seen


# ---- doctor ----

def examined(gospect, *args):
    return schema.check("doctor", gospect("doctor", *args, "--json", check=(0, 1)).json)


def found(report, key):
    findings = [f for f in report["findings"] if f["key"] == key]
    assert len(findings) == 1, report["findings"]
    return findings[0]


@pytest.mark.modes("default")
def test_fragmentation_names_classes_and_types(gospect, start, tmp_path, release, mode):
    target = start(release, mode)
    target.ask("sparse 160000 32")
    target.ask("gc")
    stats = own(target)
    finding = found(examined(gospect, target.pid), "fragmentation")
    assert finding["severity"] == "warning" and finding["sure"] == "inferred"
    assert finding["values"]["object_bytes"] == SLOT
    stuck = stats["HeapInuse"] - max(stats["NextGC"], stats["HeapAlloc"])
    assert abs(finding["values"]["free_bytes"] - stuck) < 1 << 20
    path = tmp_path / "a.gsnap"
    gospect("snapshot", target.pid, "--heap", "-o", path, check=0)
    assert found(examined(gospect, path), "fragmentation")["values"]["type"] == "main.Slot"
    sparse = schema.check("heap", gospect("heap", path, "--by", "size-class", "--json", check=0).json)["sparse"]
    assert (sparse["types"][0]["type"], sparse["types"][0]["objects"]) == ("main.Slot", 5000)
    assert sparse["types"][0]["bytes"] == 5000 * SLOT
    assert "main.Slot" in gospect("heap", path, "--by", "size-class", check=0).out


def test_a_heap_that_will_fill_its_spans_is_not_fragmented(gospect, start):
    target = start("1.26", "stripped")
    target.ask("sparse 160000 2")  # half stays: the goal is twice that
    target.ask("gc")
    assert not [f for f in examined(gospect, target.pid)["findings"] if f["key"] == "fragmentation"]


@pytest.mark.releases("1.18", "1.27")
def test_large_objects_all_the_time(gospect, start, release):
    target = start(release, "stripped")
    assert not examined(gospect, target.pid, "--for", "100ms")["findings"]
    target.ask("churn-large")
    before = counters(gospect, target.pid)["memstats.large_mallocs"]
    report = examined(gospect, target.pid, "--for", "500ms")
    most = counters(gospect, target.pid)["memstats.large_mallocs"] - before
    target.ask("stop")
    finding = found(report, "large")
    assert 0 < finding["values"]["large_bytes"] <= most * 204800


@pytest.mark.releases("1.18", "1.27")
def test_settings_that_hurt(gospect, start, release):
    off = start(release, "stripped", GOGC="off")
    off.ask("large 20 1000000")
    assert found(examined(gospect, off.pid, "--for", "0"), "gcsettings")["severity"] == "note"
    off.ask("large 100 1000000")
    finding = found(examined(gospect, off.pid, "--for", "0"), "gcsettings")
    assert finding["severity"] == "warning" and finding["values"]["heap_bytes"] > 100 << 20
    assert "no cycle begins by itself" in gospect("info", off.pid, check=0).out
    stops = start(release, "stripped", GODEBUG="gcstoptheworld=1")
    finding = found(examined(gospect, stops.pid, "--for", "0"), "gcsettings")
    assert (finding["severity"], finding["values"]["setting"]) == ("warning", "gcstoptheworld")


@pytest.mark.releases("1.19", "1.27")
def test_a_limit_that_decides(gospect, start, release):
    target = start(release, "stripped", GOMEMLIMIT="8MiB")
    target.ask("round 200000 200000")  # 19 MB that live
    target.ask("gc")
    finding = found(examined(gospect, target.pid, "--for", "0"), "memory")
    assert finding["severity"] == "problem"
    assert "it decides when the collector runs, not GOGC" in finding["evidence"]
    seen = counters(gospect, target.pid)
    assert seen["gc.limit_decides"] == 1 and seen["gc.limiter_on"] == 0
    assert "(GOMEMLIMIT)" in gospect("info", target.pid, check=0).out


# ---- survival ----

def saved(gospect, target, path):
    gospect("snapshot", target.pid, "--heap", "-o", path, check=0)
    return path


def survival(gospect, *args):
    seen = schema.check("mem-diff", gospect("mem", "diff", *args, "--json", check=0).json)["survival"]
    return seen, {row["type"]: row for row in seen["types"]}["main.Item"]


@pytest.mark.modes("default")
def test_survival_of_types(gospect, start, tmp_path, release, mode):
    target = start(release, mode)
    target.ask("round 1000 1000")  # and one more, that the next round replaces
    target.ask("gc")
    target.ask("round 500 500")
    first = saved(gospect, target, tmp_path / "a.gsnap")
    types = {row["type"]: row for row in gospect("heap", first, "--json", check=0).json["types"]}
    assert (types["main.Item"]["count"], types["main.Item"]["old_count"]) == (1501, 1000)
    target.ask("gc")
    target.ask("round 500 500")
    second = saved(gospect, target, tmp_path / "b.gsnap")
    seen, items = survival(gospect, first, second)
    assert (seen["garbage_collections"], seen["compared"]) == (1, "old_share")
    assert (items["objects"], items["survived"]) == (1501, 1500)
    assert (items["new_objects"], items["new_survived"]) == (501, 500)
    assert items["old_share_before"] == pytest.approx(1000 / 1501)
    assert items["old_share"] == pytest.approx(1501 / 2001, abs=1e-3) and not items["changed"]
    target.ask("drop")
    target.ask("gc")
    third = saved(gospect, target, tmp_path / "c.gsnap")
    seen, items = survival(gospect, second, third, "--earlier", first)
    assert seen["compared"] == "rate" and items["earlier_rate"] == pytest.approx(1500 / 1501)
    assert (items["objects"], items["survived"], items["changed"]) == (2001, 1, True)
    text = gospect("mem", "diff", second, third, "--earlier", first, check=0).out
    assert re.search(r"!\s+2,001\s+0\.0 %.*main\.Item", text), text


@pytest.mark.releases("1.27")
def test_without_a_collection_nothing_is_said_of_survival(gospect, start, tmp_path, release):
    target = start(release)
    first = saved(gospect, target, tmp_path / "a.gsnap")
    target.ask("round 500 500")
    second = saved(gospect, target, tmp_path / "b.gsnap")
    seen, items = survival(gospect, first, second)
    assert seen["compared"] is None and items["rate"] is None and not items["changed"]
    assert "no collection ended" in gospect("mem", "diff", first, second, check=0).out
    gospect("mem", "stats", target.pid, "--earlier", first, check=2)


# ---- watch ----

@pytest.mark.releases("1.18", "1.22", "1.27")
def test_watch_has_the_heap(gospect, start, release):
    target = start(release, "stripped")
    target.ask("churn")
    first = own(target)
    lines = gospect("watch", target.pid, "--every", "300ms", "--for", "2s", "--json", check=0).out
    target.ask("stop")
    last = own(target)
    samples = [schema.check("watch", json.loads(line)) for line in lines.splitlines()]
    assert all(first["TotalAlloc"] <= s["total_alloc_bytes"] <= last["TotalAlloc"] for s in samples[1:])
    assert samples[0]["alloc_bytes_per_second"] is None and samples[-1]["alloc_bytes_per_second"] > 0
    assert samples[-1]["last_pause_ns"] > 0
    known = [s["gc_cpu_share"] for s in samples if s["gc_cpu_share"] is not None]
    assert all(0 < share < 1 for share in known)
    assert bool(known) == ("cpu.total_ns" in counters(gospect, target.pid))
