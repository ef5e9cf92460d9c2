"""gospect heap on a program that counts what it keeps (tests/targets/shop)."""
import re
import signal
import subprocess

import pytest

from lib import harm, schema
from lib.pprofraw import Profile
from lib.process import wait_until

MODES = ("default", "stripped")


@pytest.fixture
def shop(go_build, run_go, release, mode):
    return run_go(go_build(release, mode, "shop"))


def heap(gospect, subject, *args):
    return schema.check("heap", gospect("heap", subject, "--json", *args, check=0).json)


def by_type(seen):
    return {row["type"]: row for row in seen["types"]}


@pytest.mark.modes(*MODES)
@pytest.mark.sanitized
def test_types_are_counted_as_the_program_counts(gospect, shop, mode):
    before = heap(gospect, shop.pid)
    shop.ask("garbage 5000")
    seen = heap(gospect, shop.pid)
    types = by_type(seen)
    users = int(shop.ready["users"])
    for name in ("main.User", "main.Address"):
        assert types[name]["count"] == users, name
    if mode != "stripped":  # it is only known by the variable on a stack
        assert types["main.Held"]["count"] == 1
    garbage = [s["objects"] - s["live_objects"] for s in (before, seen)]
    assert 5000 <= garbage[1] - garbage[0] < 5200  # and what asking for it left
    assert types.get("main.Garbage", {"count": 0})["count"] == 0
    assert types["main.User"]["retained"] >= types["main.User"]["bytes"] + types["main.Address"]["bytes"]
    assert sum(row["bytes"] for row in seen["types"]) == seen["live_bytes"] <= seen["bytes"]
    assert seen["untyped"]["count"] < seen["live_objects"] / 50
    assert seen["pause_ns"] > 0


@pytest.mark.modes("default")
@pytest.mark.releases("1.18", "1.22", "1.27")
def test_what_a_variable_and_a_goroutine_keep(gospect, shop):
    holders = {row["global"]: row for row in heap(gospect, shop.pid, "--by", "global")["globals"]}
    assert holders["main.store"]["retained"] > int(shop.ready["users"]) * 100
    held = [row for row in heap(gospect, shop.pid, "--by", "goroutine")["goroutines"] if row["retained"] >= 300000]
    assert len(held) == 1
    stacks = gospect("goroutines", shop.pid, "--json", check=0).json["goroutines"]
    one = next(g for g in stacks if g["id"] == held[0]["goroutine"])
    assert "main.holder" in [f["func"] for f in one["stack"]]
    assert f"goroutine {one['id']}, main.holder\n" in gospect("heap", shop.pid, "--by", "goroutine", check=0).out
    packages = {row["package"]: row for row in heap(gospect, shop.pid, "--by", "package")["packages"]}
    assert packages["main"]["count"] >= 2 * int(shop.ready["users"])


@pytest.mark.modes("default", "stripped")
@pytest.mark.releases("1.18", "1.24", "1.27")
def test_the_largest_retainers_are_shown_with_their_ways(gospect, shop, mode):
    seen = heap(gospect, shop.pid, "--by", "object", "--limit", "200")
    retainers = seen["retainers"]
    assert seen["left_out"] == seen["live_objects"] - 200
    assert len(retainers) == 200 and not any(r["path"] for r in retainers[100:])
    assert [r["retained"] for r in retainers] == sorted((r["retained"] for r in retainers), reverse=True)
    for r in retainers[:100]:
        assert r["path"]["steps"][-1]["addr"] == r["addr"], r
    if mode == "stripped":
        return
    ways = {r["name"]: r["path"]["text"] for r in reversed(retainers[:100])}
    assert ways["main.Held"].startswith("goroutine ") and ways["main.Held"].endswith("main.holder, h")
    assert ways["map[string]*main.User"] == "main.store.Users" and ways["[]*main.User"] == "main.store.List"
    text = gospect("heap", shop.pid, check=0).out
    below = text[text.index("largest retainers"):]
    assert "main.holder, h\n" in below and "main.store.Users\n" in below and "main.store.List\n" in below


@pytest.mark.modes("default")
@pytest.mark.releases("1.27")
def test_a_list_of_very_many_objects(gospect, shop):
    """It takes as long as its rows, not as their square; what it leaves out is said."""
    shop.ask("grow 100000")
    every = gospect("heap", shop.pid, "--by", "object", "--limit", "0", check=0, timeout=120).out
    live = heap(gospect, shop.pid)["live_objects"]
    assert abs(sum(" at 0x" in line for line in every.splitlines()) - live) < 50
    assert "more objects" not in every and every.count("main.Event at") == 100000
    few = gospect("heap", shop.pid, "--by", "object", "--limit", "10", check=0).out
    assert re.search(r"^  110,\d\d\d more objects: --limit N shows more$", few, re.M), few[-500:]


@pytest.mark.modes("default")
@pytest.mark.releases("1.27")
def test_the_summary_tells_of_spans(gospect, shop):
    """The same size classes first, with the same bytes, as the list of all."""
    def rows(text):
        return [line.split() for line in text.splitlines() if line.endswith((" B", "pointers", "large"))]
    text = gospect("heap", shop.pid, check=0).out
    few = rows(text[text.index("spans by size class"):text.index("--by size-class")])
    every = rows(gospect("heap", shop.pid, "--by", "size-class", "--limit", "5", check=0).out)
    assert len(few) == len(every) == 5
    for short, whole in zip(few, every):
        assert short[:2] == whole[:2] and short[-3:] == whole[-3:], (short, whole)


@pytest.mark.modes("default")
@pytest.mark.releases("1.18", "1.27")
def test_size_classes_fill_the_spans(gospect, shop):
    seen = heap(gospect, shop.pid, "--by", "size-class")
    assert sum(row["bytes"] + row["garbage_bytes"] for row in seen["size_classes"]) == seen["bytes"]
    for row in seen["size_classes"]:
        assert row["elem_bytes"] * row["slots"] <= row["span_bytes"], row
        assert row["count"] + row["garbage_count"] <= row["slots"], row


@pytest.mark.modes("default")
@pytest.mark.releases("1.18", "1.24", "1.27")
def test_suspects_paths_and_one_object(gospect, shop):
    shop.ask("cache 3000")
    suspects = heap(gospect, shop.pid, "--suspects")["suspects"]
    assert suspects and any("main.store" in (s["path"] or {}).get("text", "") or s["kept_by"]["name"].endswith("store")
                            for s in suspects)
    paths = heap(gospect, shop.pid, "--paths", "main.User", "--limit", "20")["paths"]
    assert any(p["text"].startswith('main.store.Users → ["user-') for p in paths), paths  # a key of the map
    assert paths and all("main.store" in p["text"] for p in paths[:1]), paths
    user, home = shop.ready["user"], shop.ready["home"]
    seen = heap(gospect, shop.pid, "--object", user)
    assert seen["type"] == "main.User" and seen["object"]["addr"] == user and seen["live"]
    pointers = {p["field"]: p for p in seen["pointers"]}
    assert pointers[".Home"]["addr"] == home and pointers[".Home"]["type"] == "main.Address"
    values = {v["field"]: v["value"] for v in seen["values"]}
    assert (values[".ID"], values[".Name"], values[".Home"]) == ("77", '"user-000077"', home)
    assert values[".Friends"].startswith("len 1, cap 1 at 0x") and values[".Attrs"] == "nil"
    inside = {v["field"]: v["value"] for v in heap(gospect, shop.pid, "--object", home)["values"]}
    assert inside == {".Street": '"Main Street user-000077"', ".Zip": "77"}
    assert seen["referrers_total"] >= 3  # the map, the list, a friend
    fields = {r["name"]: r["field"] for r in seen["referrers"]}
    assert "[77]" in [r["field"] for r in seen["referrers"] if r["name"] == "[]*main.User"], fields
    assert any("map[string]*main.User" in name and field.startswith("(value ") for name, field in fields.items()), fields
    inside_it, = heap(gospect, shop.pid, "--object", home)["referrers"]
    assert (inside_it["addr"], inside_it["field"]) == (user, ".Home")
    assert f"main.User at {user}, .Home\n" in gospect("heap", shop.pid, "--object", home, check=0).out
    to_home = heap(gospect, shop.pid, "--paths", home)["paths"]
    assert to_home[0]["steps"][-1]["addr"] == home
    for args in (("--suspects",), ("--paths", "main.User"), ("--object", user), ("--by", "object"),
                 ("--by", "size-class")):
        assert "main" in gospect("heap", shop.pid, *args, check=0).out or args[-1] == "size-class"


@pytest.mark.modes("default")
@pytest.mark.releases("1.27")
def test_profile_of_references(gospect, shop, tmp_path):
    gospect("heap", shop.pid, "--pprof", tmp_path / "refs.pb.gz", check=0)
    profile = Profile(tmp_path / "refs.pb.gz")
    assert profile.types == ["objects/count", "space/bytes"]
    live = heap(gospect, shop.pid)["live_bytes"]
    assert sum(s.values[1] for s in profile.samples) == pytest.approx(live, rel=0.02)


@pytest.mark.modes("default")
@pytest.mark.releases("1.18", "1.27")
def test_a_snapshot_and_a_core_show_the_same(gospect, shop, tmp_path):
    snap, plain, core = tmp_path / "a.gsnap", tmp_path / "b.gsnap", tmp_path / "core"
    gospect("snapshot", shop.pid, "--heap", "-o", snap, check=0)
    gospect("snapshot", shop.pid, "-o", plain, check=0)
    gospect("core", shop.pid, "-o", core, check=0)
    live, saved, cored = heap(gospect, shop.pid), heap(gospect, snap), heap(gospect, core)
    for name in ("main.User", "main.Address", "main.Held"):
        assert by_type(live)[name] == by_type(saved)[name] == by_type(cored)[name], name
    assert "--heap" in gospect("heap", plain, check=3).err


@pytest.mark.modes("default")
@pytest.mark.releases("1.27")
def test_refusals(gospect, shop):
    for args, code, words in ((("--object", "hello"), 2, "not an address"), (("--object", "0x10"), 3, "not an address of"),
                              (("--paths", "no.Such"), 3, "no.Such"), (("--suspects", "--by", "type"), 2, "one of them"),
                              (("--paths", "goroutine:999999"), 3, "no goroutine")):
        seen = gospect("heap", shop.pid, *args, check=code)
        assert words in seen.err and not seen.out, seen


@pytest.mark.modes("default")
@pytest.mark.releases("1.27")
def test_memory_that_would_not_suffice_is_named_before(gospect, shop, tmp_path, assert_unharmed):
    shop.ask("grow 3000000")
    snap = tmp_path / "a.gsnap"
    gospect("snapshot", shop.pid, "--heap", "-o", snap, check=0)
    for mib, args in ((60, ("heap", shop.pid)), (60, ("snapshot", shop.pid, "--heap", "-o", tmp_path / "b.gsnap")),
                      (40, ("heap", snap)), (40, ("mem", "diff", snap, snap)), (100, ("heap", snap))):
        words = ["prlimit", f"--as={mib << 20}", gospect.path, *args]
        done = subprocess.run(list(map(str, words)), check=False, capture_output=True, text=True)
        assert done.returncode == 3 and not done.stdout and "ulimit -v" in done.stderr, (mib, args, done)
        assert re.search(r"\b\d+ MB of memory", " ".join(done.stderr.split())), done.stderr
    assert not (tmp_path / "b.gsnap").exists()
    assert_unharmed(shop)


def interrupted(gospect_start, target, stage):
    """How a run ends to which a signal was sent when its copy had come, or (stage "search") gone."""
    run = gospect_start("heap", target.pid)
    wait_until(lambda: harm.copies_of(target) or run.poll() is not None, "it never made a copy")
    if stage == "search":
        wait_until(lambda: not harm.copies_of(target), "the copy stays")
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    return run.returncode


@pytest.mark.modes("default")
@pytest.mark.releases("1.18", "1.27")
@pytest.mark.parametrize("stage", ("capture", "search"))
def test_ctrl_c_in_the_middle_of_a_large_heap(gospect_start, shop, assert_unharmed, stage):
    shop.ask("grow 4000000")
    ends = []
    while -signal.SIGINT not in ends and len(ends) < 10:  # it may just have been done
        ends.append(interrupted(gospect_start, shop, stage))
        assert_unharmed(shop)
    assert set(ends) <= {0, -signal.SIGINT} and -signal.SIGINT in ends, ends


@pytest.mark.modes("default", "stripped")
@pytest.mark.releases("1.18", "1.27")
@pytest.mark.sanitized
def test_a_heap_that_is_searched_on_all_cores(gospect, shop, tmp_path, mode):
    """What objects are is found out beside the search, when the target is alive, and before it is saved."""
    shop.ask("grow 100000")
    snap = tmp_path / "a.gsnap"
    gospect("snapshot", shop.pid, "--heap", "-o", snap, check=0)
    live, saved = by_type(heap(gospect, shop.pid)), by_type(heap(gospect, snap))
    assert live["main.Event"]["count"] == 100000
    for name in ("main.Event", "main.User", "main.Address"):
        assert live[name] == saved[name], name
