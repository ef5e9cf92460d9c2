"""gospect mem: figures against runtime.ReadMemStats of the target, differences against what it was told to do."""
import os
import subprocess

import pytest

from lib import schema
from lib.releases import goroot, newest


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
    mine = [o for o in seen["new"] if o["type"] == "main.Event"]
    assert [o["kept_by"] for o in mine[:3]] == [["main.Event"] * n + ["global main.store"] for n in range(3)]
    assert len(mine) == 500 and mine[0]["retained"] == 500 * mine[0]["bytes"]  # the head of the list keeps all of them
    text = gospect("mem", "diff", before, after, check=0).out
    assert "main.Event" in text and f"--paths {mine[0]['addr']}" in text


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
    assert "two snapshots" in gospect("mem", "diff", before, check=2).said
    assert "stats and diff" in gospect("mem", "what", before, check=2).said
    assert "belong together" in gospect("mem", "stats", before, "--diff-before", before, check=2).said


@pytest.fixture
def hoarder(go_build, run_go, release):
    target = run_go(go_build(release, "default", "profiles"), env={"MEM_RATE": "1"})
    target.ask("hoard 10")
    target.ask("waste 10")
    target.ask("gc")
    return target


def profiled(gospect, target, tmp_path, name):
    """A snapshot, and the profile that the target itself writes."""
    profile = tmp_path / f"{name}.pb.gz"
    target.ask(f"write heap {profile}")
    return saved(gospect, target, tmp_path / f"{name}.gsnap"), profile


def pprof(*words):
    root = goroot(newest())
    subprocess.run([f"{root}/bin/go", "tool", "pprof", *map(str, words)], check=True, capture_output=True,
                   env={**os.environ, "GOROOT": str(root), "GOTOOLCHAIN": "local", "GOFLAGS": ""})


def sites(diff, kind):
    return [row for row in diff["sites"] if row["type"] == kind]


def test_profiles_of_the_program_itself_agree(gospect, hoarder, tmp_path):
    """A leak grows by objects and by profile, at the line that makes it; what only churns does not grow."""
    before, first = profiled(gospect, hoarder, tmp_path, "a")
    hoarder.ask("hoard 400")
    hoarder.ask("waste 3000")
    hoarder.ask("gc")
    after, second = profiled(gospect, hoarder, tmp_path, "b")
    seen = changed(gospect, "diff", before, after, "--profile", first, "--profile", second)
    assert seen["profiles"] == [str(first), str(second)]
    leak, = sites(seen, "main.Hoarded")
    assert leak["verdict"] == "agree" and leak["allocated_at"].startswith("main.hoards:")
    assert leak["profile_bytes"] == leak["object_bytes"] == 400 * 1024 and leak["object_count"] == 400
    assert leak["bytes_per_second"] > 0
    assert leak["stack"][0] == leak["allocated_at"] and any(at.startswith("main.main:") for at in leak["stack"])
    assert not sites(seen, "main.Wasted")
    assert "main.hoards" in gospect("mem", "diff", before, after, "--profile", first, "--profile", second, check=0).out
    # the runtime's own, in the snapshots, says the same
    own, = sites(changed(gospect, "diff", before, after), "main.Hoarded")
    assert (own["verdict"], own["profile_bytes"], own["allocated_at"]) == \
        ("agree", leak["profile_bytes"], leak["allocated_at"])


@pytest.mark.releases("1.18", "1.27")
def test_a_profile_of_the_time_between(gospect, hoarder, tmp_path):
    """As go tool pprof -base makes it."""
    before, first = profiled(gospect, hoarder, tmp_path, "a")
    hoarder.ask("hoard 400")
    hoarder.ask("leak 100")
    hoarder.ask("gc")
    after, second = profiled(gospect, hoarder, tmp_path, "b")
    hoarder.ask("gc")
    between = tmp_path / "between.pb.gz"
    pprof("-proto", "-output", between, "-base", first, second)
    seen = gospect("mem", "diff", before, after, "--profile", between, "--json")
    if seen.code == 2:  # nothing shrank, so that it looks like a state: that is said
        assert "not what changed" in seen.said
        return
    leak, = sites(schema.check("mem-diff", seen.json), "main.Hoarded")
    assert leak["verdict"] == "agree" and leak["profile_bytes"] == 400 * 1024


@pytest.mark.releases("1.27")
def test_profiles_that_do_not_fit(gospect, hoarder, go_build, run_go, tmp_path):
    before, first = profiled(gospect, hoarder, tmp_path, "a")
    hoarder.ask("gc")
    after, second = profiled(gospect, hoarder, tmp_path, "b")
    other = run_go(go_build("1.26", "default", "profiles"), env={"MEM_RATE": "1"})
    _, elsewhere = profiled(gospect, other, tmp_path, "c")
    goroutines, cut = tmp_path / "goroutines.pb.gz", tmp_path / "cut.pb.gz"
    hoarder.ask(f"write goroutine {goroutines}")
    cut.write_bytes(second.read_bytes()[:-20])

    def refused(words, *profiles, check=2):
        options = [word for p in profiles for word in ("--profile", p)]
        said = gospect("mem", "diff", before, after, *options, check=check).err
        assert words in " ".join(said.split())  # wherever the lines break

    refused("the earlier one", second, first)
    refused("at one moment", second)
    refused("another program or build", first, elsewhere)
    refused("it is a profile of goroutine", goroutines, second)
    refused("two files are enough", first, second, second)
    refused("is damaged", first, cut, check=None)
    assert "belongs to mem diff" in gospect("mem", "stats", before, "--profile", first, check=2).said
