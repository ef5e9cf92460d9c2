"""gospect profile against what the target itself writes with runtime/pprof, both read by go tool pprof."""
import subprocess

import pytest

from lib import schema
from lib.pprofraw import Profile

WRITERS = ("main.write",)  # what the target's own writing of a profile adds


def own(target, kind, path):
    target.ask(f"write {kind} {path}")
    return Profile(path)


def ours(gospect, subject, kind, path, *args):
    seen = gospect("profile", subject, kind, "-o", path, "--json", *args, check=0)
    assert schema.check("written", seen.json)["file"] == str(path) and seen.json["bytes"] == path.stat().st_size
    return Profile(path)


def stable(profile):
    """What has been counted.  A place that was reached only just now counts nothing yet."""
    return {key: values for key, values in profile.by_stack().items()
            if any(values) and not any(func in WRITERS for func, _, _ in key[0])}


@pytest.mark.modes("default", "stripped", "pie", "noopt")
@pytest.mark.parametrize("rate", (1, 4096))
def test_memory_profiles_are_the_targets_own(gospect, go_build, run_go, release, mode, rate, tmp_path):
    target = run_go(go_build(release, mode, "profiles"), env={"MEM_RATE": str(rate)})
    target.ask("gc")
    for kind in ("heap", "allocs"):
        theirs = own(target, kind, tmp_path / f"own-{kind}.pb.gz")
        mine = ours(gospect, target.pid, kind, tmp_path / f"{kind}.pb.gz")
        assert mine.types == theirs.types and mine.default == theirs.default
        assert (mine.period_type, mine.period) == (theirs.period_type, theirs.period) == ("space bytes", rate)
        assert stable(mine) == stable(theirs)
        assert len(stable(mine)) >= (6 if rate == 1 else 1)


@pytest.mark.releases("1.18", "1.27")
def test_what_is_not_visible_yet(gospect, go_build, run_go, release, tmp_path):
    """Before the first collection everything counts, then only what two of them have passed over."""
    target = run_go(go_build(release, "default", "profiles"), env={"GOGC": "off"})
    first = own(target, "heap", tmp_path / "first.pb.gz")
    assert stable(ours(gospect, target.pid, "heap", tmp_path / "a.pb.gz")) == stable(first)
    target.ask("gc")
    target.ask("allocate")
    second = own(target, "heap", tmp_path / "second.pb.gz")
    assert stable(ours(gospect, target.pid, "heap", tmp_path / "b.pb.gz")) == stable(second)


def closely(mine, theirs):
    """Equal counts; times may differ by how well each knows the speed of the clock."""
    assert mine.keys() == theirs.keys()
    for key, (count, delay) in theirs.items():
        assert mine[key][0] == count, key
        assert mine[key][1] == pytest.approx(delay, rel=0.02, abs=2), key


@pytest.mark.modes("default", "noopt")
@pytest.mark.parametrize("rate", (1, 3))
def test_block_and_mutex_profiles_are_the_targets_own(gospect, go_build, run_go, release, mode, rate, tmp_path):
    target = run_go(go_build(release, mode, "profiles"),
                    env={"BLOCK_RATE": str(rate), "MUTEX_RATE": str(rate)})
    for kind in ("block", "mutex"):
        theirs = own(target, kind, tmp_path / f"own-{kind}.pb.gz")
        mine = ours(gospect, target.pid, kind, tmp_path / f"{kind}.pb.gz")
        assert mine.types == theirs.types == ["contentions/count", "delay/nanoseconds"]
        closely(mine.by_stack(), theirs.by_stack())
        assert rate > 1 or mine.by_stack()


def test_from_a_core(gospect, go_build, run_go, tmp_path):
    target = run_go(go_build("1.26", "default", "profiles"))
    target.ask("gc")
    theirs = own(target, "heap", tmp_path / "own.pb.gz")
    gospect("core", target.pid, "-o", tmp_path / "core", check=0)
    assert stable(ours(gospect, tmp_path / "core", "heap", tmp_path / "a.pb.gz")) == stable(theirs)


@pytest.mark.modes("default", "stripped", "noopt")
def test_goroutine_profile_is_the_targets_own(gospect, go_build, run_go, release, mode, tmp_path):
    """All but the main goroutine stand where they stood when it wrote its own."""
    target = run_go(go_build(release, mode, "profiles"))
    target.ask("park")
    theirs = own(target, "goroutine", tmp_path / "own.pb.gz")
    mine = ours(gospect, target.pid, "goroutine", tmp_path / "g.pb.gz")
    assert mine.types == theirs.types == ["goroutine/count"]

    def parked(profile):
        return {key: values for key, values in profile.by_stack().items()
                if not any(func == "main.main" for func, _, _ in key[0])}
    assert parked(mine) == parked(theirs)
    assert sum(values[0] for values in parked(mine).values()) >= 26


def test_nothing_is_sampled(gospect, go_build, run_go, tmp_path):
    """hello uses pprof for its dumps, so the linker left memory sampling on; blocking is off."""
    target = run_go(go_build("1.26", "default", "hello"))
    seen = gospect("profile", target.pid, "block", "-o", tmp_path / "b.pb.gz", check=0)
    assert "SetBlockProfileRate" in seen.said
    assert Profile(tmp_path / "b.pb.gz").samples == []


def test_refusals(gospect, go_build, run_go, tmp_path):
    target = run_go(go_build("1.26", "default", "hello"))
    seen = gospect("profile", target.pid, "cpu", check=2)
    assert "no profile \"cpu\"" in seen.said and "heap, allocs" in seen.said
    assert "PROFILE" in gospect("profile", target.pid, check=2).said
    (tmp_path / "there").touch()
    assert "exists" in gospect("profile", target.pid, "heap", "-o", tmp_path / "there", check=2).said
    assert "No such file" in gospect("profile", "/nowhere", "heap", check=3).said


def test_standard_output(gospect, go_build, run_go, tmp_path):
    target = run_go(go_build("1.26", "default", "profiles"))
    done = subprocess.run([gospect.path, "profile", str(target.pid), "heap", "-o", "-"], check=True,
                          env=gospect.environment(), stdout=subprocess.PIPE)
    (tmp_path / "x.pb.gz").write_bytes(done.stdout)
    assert Profile(tmp_path / "x.pb.gz").by_stack()
