"""What gospect writes for other programs, against docs/formats: JSON against its schema, sample files of every
version against what the target itself said when they were made, damaged files against the promise of a clear error,
profiles against the target's own."""
import struct

import pytest

from lib import evidence, godump, gsnap, schema
from lib.paths import ROOT
from test_truth import compare

SAMPLES = sorted((ROOT / "tests" / "formats").glob("snapshot-*.gsnap"))


# ---- JSON ----

@pytest.fixture(params=["process", "goroutine"])
def states(request, go_build, run_go, release):
    target = run_go(go_build(release, "default", "states"))
    target.consistency = request.param
    return target


@pytest.mark.releases("1.18", "1.24", "1.27")
def test_goroutines_are_as_documented(gospect, states):
    def shown(*args):
        return schema.check("goroutines", gospect("goroutines", states.pid, "--json", "--consistency",
                                                  states.consistency, *args, check=0).json)
    seen = shown("--system", "--locals")
    assert seen["target"]["pid"] == states.pid and seen["consistency"] == states.consistency
    assert len(seen["goroutines"]) == seen["count"] > 40 and not seen["missing"]
    assert {"waiting", "syscall"} <= {g["status"] for g in seen["goroutines"]}
    assert any(f["inlined"] for g in seen["goroutines"] for f in g["stack"])
    assert any(g["labels"] == {"job": "export", "tenant": "a b"} for g in seen["goroutines"])
    assert all("locals" in g for g in seen["goroutines"])
    cut = shown("--depth", "2", "--limit", "3")
    assert cut["goroutines_left_out"] == cut["count"] - 3
    assert all(len(g["stack"]) + g["frames_left_out"] >= 2 for g in cut["goroutines"])


@pytest.mark.releases("1.27")
def test_groups_are_as_documented(gospect, states):
    for key in ("stack", "state", "wait", "creator", "func", "label"):
        for more in ((), ("--full",), ("--limit", "1")):
            seen = schema.check("goroutines", gospect("goroutines", states.pid, "--json", "--group-by", key, *more,
                                                      check=0).json)
            assert seen["grouped_by"] == key and ("goroutines" in seen) == ("--full" in more)
            assert sum(g["count"] for g in seen["groups"]) == seen["count"] or seen["groups_left_out"]


@pytest.mark.releases("1.18", "1.24", "1.27")
def test_info_and_sections_are_as_documented(gospect, go_build, run_go, release, tmp_path):
    target = run_go(go_build(release, "default", "states"))
    gospect("snapshot", target.pid, "-o", tmp_path / "a.gsnap", check=0)
    gospect("core", target.pid, "-o", tmp_path / "a.core", check=0)
    for subject in (target.pid, tmp_path / "a.gsnap", tmp_path / "a.core"):
        info = schema.check("info", gospect("info", subject, "--json", check=0).json)
        assert info["target"]["main_path"] == "targets/states" and info["counters"]
    listed = schema.check("sections", gospect("sections", target.pid, "--json", check=0).json)["sections"]
    for name in (".note.go.buildid", ".debug_info", ".go.buildinfo"):
        if any(s["name"] == name for s in listed):
            schema.check("sections", gospect("sections", target.pid, name, "--json", check=0).json)


# ---- samples ----

def test_there_is_a_sample_of_every_version(gospect, go_build, run_go, tmp_path):
    target = run_go(go_build("1.27", "stripped", "hello"))
    gospect("snapshot", target.pid, "-o", tmp_path / "a.gsnap", check=0)
    version = struct.unpack_from("<HH", (tmp_path / "a.gsnap").read_bytes(), 8)
    names = {path.stem for path in SAMPLES}
    assert names >= {f"snapshot-{version[0]}.{minor}" for minor in range(version[1] + 1)}, \
        "tests/formats/make-snapshot makes the sample of a new version"


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_samples_say_what_the_target_said(sample):
    snapshot = evidence.of_file(sample)
    theirs = godump.parse(sample.with_suffix(".txt").read_text())
    writer = next(iter(theirs))
    moving = {i for i, g in theirs.items() if g.state in ("runnable", "running")}
    compare(theirs, snapshot, "all", {writer} | moving)
    assert "runtime/pprof.writeGoroutineStacks" in snapshot.by_id[writer].funcs()


@pytest.mark.sanitized
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_commands_read_samples(gospect, sample):
    seen = schema.check("goroutines", gospect("goroutines", sample, "--json", "--locals", check=0).json)
    theirs = godump.parse(sample.with_suffix(".txt").read_text())
    assert {g["id"] for g in seen["goroutines"]} == set(theirs)
    for g in seen["goroutines"]:
        its = theirs[g["id"]]
        if its.creator:
            by = g["created_by"]
            assert (godump.printed_name(by["func"]), by["file"], by["line"], by["goroutine"]) == \
                (its.creator.func, its.creator.file, its.creator.line, its.parent)
    schema.check("info", gospect("info", sample, "--json", check=0).json)
    schema.check("doctor", gospect("doctor", sample, "--json", check=(0, 1)).json)
    assert gospect("goroutines", sample, check=0).out.startswith(f"{len(theirs)} goroutines")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_the_document_is_enough_to_read_a_snapshot(sample):
    """lib/gsnap.py knows nothing but docs/formats/snapshot.md.  Tables that are younger than the file are empty,
    columns that are hold nothing."""
    ours, theirs = evidence.rt_dump("snapshot", sample), gsnap.tables(sample.read_bytes())
    missing = ours["missing"]
    known = [i for i, why in enumerate(missing["why"]) if why != "the gospect that wrote it did not know it"]
    ours["missing"] = {column: [cells[i] for i in known] for column, cells in missing.items()}
    for name, columns in theirs.items():
        assert columns == {column: ours[name][column] for column in columns}, name
        assert all(set(ours[name][column]) <= {0, -1, ""} for column in ours[name].keys() - columns.keys()), name
    assert ours["goroutine"]["id"]
    assert not any(rows for name in ours.keys() - theirs.keys() for rows in ours[name].values())
