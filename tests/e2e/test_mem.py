"""gospect mem: figures against runtime.ReadMemStats of the target, differences against what it was told to do."""
import pytest

from lib import schema


@pytest.fixture
def shop(go_build, run_go, release):
    return run_go(go_build(release, "default", "shop"))


def words(text):
    return {key: int(value) for key, value in (word.split("=") for word in text.split())}


def test_stats_are_the_runtimes(gospect, shop):
    """The question itself allocates: what lies between two of them must hold ours."""
    before = words(shop.ask("stats"))
    seen = schema.check("memstats", gospect("mem", "stats", shop.pid, "--json", check=0).json)["memstats"]
    after = words(shop.ask("stats"))
    assert before["alloc"] <= seen["HeapAlloc"] <= after["alloc"]
    assert before["objects"] <= seen["HeapObjects"] <= after["objects"]
    assert before["gcs"] == seen["NumGC"] == after["gcs"]
    assert seen["Mallocs"] - seen["Frees"] == seen["HeapObjects"]
    text = gospect("mem", "stats", shop.pid, check=0)
    assert "HeapAlloc" in text.out and "nothing stood still" in text.out


def saved(gospect, shop, path):
    gospect("snapshot", shop.pid, "--heap", "-o", path, check=0)
    return path


def changed(gospect, *args):
    return schema.check("mem-diff", gospect("mem", *args, "--json", check=0).json)


def types(diff):
    return {row["type"]: row for row in diff["types"]}


def test_new_objects(gospect, shop, tmp_path):
    before = saved(gospect, shop, tmp_path / "a.gsnap")
    shop.ask("grow 500")
    after = saved(gospect, shop, tmp_path / "b.gsnap")
    seen = changed(gospect, "diff", before, after)
    events = types(seen)["main.Event"]
    assert (events["new"], events["freed"]) == (500, 0)
    assert "main.User" not in types(seen) or types(seen)["main.User"]["new"] == 0
    assert seen["garbage_collections"] == 0 and seen["elapsed_ns"] > 0
    assert seen["new_total"]["count"] >= 500 and seen["kept_inferred"]["count"] == 0
    assert changed(gospect, "stats", shop.pid, "--diff-before", before, "--diff-after", after)["types"] == seen["types"]
    assert "main.Event" in gospect("mem", "diff", before, after, check=0).out


def test_an_address_that_is_used_again_is_a_new_object(gospect, shop, tmp_path):
    shop.ask("grow 1000")
    before = saved(gospect, shop, tmp_path / "a.gsnap")
    shop.ask("drop 1000")
    shop.ask("gc")
    shop.ask("grow 1000")
    after = saved(gospect, shop, tmp_path / "b.gsnap")
    seen = changed(gospect, "diff", before, after)
    events = types(seen)["main.Event"]
    assert (events["new"], events["freed"]) == (1000, 1000)
    assert seen["garbage_collections"] == 1


@pytest.mark.releases("1.18", "1.24", "1.27")
def test_a_map_that_grows_is_modified(gospect, shop, tmp_path):
    shop.ask("cache 1000")
    before = saved(gospect, shop, tmp_path / "a.gsnap")
    shop.ask("cache 7000")
    seen = changed(gospect, "diff", before, saved(gospect, shop, tmp_path / "b.gsnap"))
    grown = [m for m in seen["modified"] if m["delta_bytes"] > 0]
    # and a few that reading the command took
    assert grown and 7000 <= types(seen)["[]byte"]["new"] < 7050, (seen["modified"], types(seen).keys())


@pytest.mark.releases("1.27")
def test_refusals(gospect, shop, go_build, run_go, tmp_path):
    before = saved(gospect, shop, tmp_path / "a.gsnap")
    other = run_go(go_build("1.26", "default", "shop"))
    elsewhere = saved(gospect, other, tmp_path / "b.gsnap")
    gospect("mem", "diff", before, elsewhere, check=2)
    assert "two snapshots" in gospect("mem", "diff", before, check=2).err
    assert "stats and diff" in gospect("mem", "what", before, check=2).err
    assert "belong together" in gospect("mem", "stats", before, "--diff-before", before, check=2).err
