"""gospect mem diff --semantic: allocation sites of two runs or builds of a program whose allocations the test orders.

The truth of amounts is the target's own heap profile, read by go tool pprof.
"""
import pathlib
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET

import pytest

from lib import schema
from lib.paths import TARGETS
from lib.pprofraw import Profile

LEAKS, LEAK_BYTES = 2000, 4096  # objects of 4,000 bytes take slots of 4,096


@pytest.fixture
def run(go_build, run_go):
    """Starts the target, with everything it allocated counted (rate 1) and published."""
    def start(release, mode="default", package="profiles", **env):
        target = run_go(go_build(release, mode, package), env={"MEM_RATE": "1", **env})
        target.ask("gc")
        return target
    return start


def compared(gospect, before, after, *args, check=0):
    seen = gospect("mem", "diff", before, after, "--semantic", "--json", *args, check=check)
    return schema.check("mem-semantic", seen.json)


def leak(target, count=LEAKS):
    target.ask(f"leak {count}")
    target.ask("gc")


def functions(stack):
    return [frame["function"] for frame in stack]


def saved(gospect, target, path):
    gospect("snapshot", target.pid, "--heap", "-o", path, check=0)
    return path


def test_the_same_program_twice(gospect, run, release, tmp_path):
    """Another process, other addresses, a snapshot on one side: nothing differs."""
    before = saved(gospect, run(release), tmp_path / "a.gsnap")
    seen = compared(gospect, before, run(release).pid)
    assert seen["similarity"] > 0.97 and not seen["differs"] and seen["sites_left_out"] == 0
    assert seen["threshold"] == 0.85 and seen["min_depth_weight"] == 0.3
    assert {"main.main", "main.allocate", "main.kept"} <= {site["function"] for site in seen["sites"]}


def test_a_leak_is_named_first(gospect, run, release, tmp_path):
    target = run(release)
    before = saved(gospect, target, tmp_path / "a.gsnap")
    leak(target)
    seen = compared(gospect, before, saved(gospect, target, tmp_path / "b.gsnap"), check=1)
    assert seen["differs"] and seen["similarity"] < 0.85
    first = seen["changed_most"][0]
    assert functions(first["stack"])[0] == "main.leaked" and functions(first["stack"])[-1] == "main.main"
    assert first["self_delta_bytes"] == LEAKS * LEAK_BYTES
    node, = (site for site in seen["sites"] if site["function"] == "main.leaked"
             and site["delta_bytes"] == LEAKS * LEAK_BYTES)
    assert node["suspect"] and node["objects"] == LEAKS and node["bytes_before"] == 0 and node["similarity"] == 0
    text = gospect("mem", "diff", before, tmp_path / "b.gsnap", "--semantic", check=1).out
    lines = text.splitlines()
    assert lines[0].startswith("allocation sites differ: 0.") and "main.leaked main.go:" in lines[3]
    assert "+++" in text and "\x1b" not in text


def in_use(path):
    """Bytes in use by function, callees included, as go tool pprof reads the target's own profile."""
    profile = Profile(path)
    column = profile.types.index("inuse_space/bytes")
    sums = {}
    for sample in profile.samples:
        for name in {func for func, _, _ in sample.stack}:
            sums[name] = sums.get(name, 0) + sample.values[column]
    return sums


@pytest.mark.releases("1.18", "1.27")
def test_amounts_are_the_targets_own(gospect, run, release, tmp_path):
    target = run(release)
    leak(target)
    target.ask(f"write heap {tmp_path / 'own.pb.gz'}")
    theirs = in_use(tmp_path / "own.pb.gz")
    seen = compared(gospect, target.pid, target.pid)
    for name in ("main.kept", "main.leaked", "main.inner", "main.allocate"):
        ours = sum(site["bytes"] for site in seen["sites"] if site["function"] == name)
        assert ours == theirs[name], name


def similarity_of(seen):
    """The whole, computed again from the sites as docs/heap.md says it."""
    low = high = 0
    for site in seen["sites"]:
        weight = max(seen["min_depth_weight"], seen["depth_decay"] ** site["depth"])
        low += weight * min(site["bytes_before"], site["bytes"])
        high += weight * max(site["bytes_before"], site["bytes"])
    return low / high


@pytest.mark.releases("1.26")
def test_options(gospect, run, release, tmp_path):
    target = run(release)
    before = saved(gospect, target, tmp_path / "a.gsnap")
    leak(target, 20)
    seen = compared(gospect, before, target.pid)
    assert similarity_of(seen) == pytest.approx(seen["similarity"], abs=1e-9) and 0.85 < seen["similarity"] < 0.999
    assert compared(gospect, before, target.pid, "--threshold", "0.999", check=1)["differs"]
    flat = compared(gospect, before, target.pid, "--min-depth-weight=1")
    assert flat["similarity"] != seen["similarity"] and similarity_of(flat) == pytest.approx(flat["similarity"])
    few = compared(gospect, before, target.pid, "--limit", 4)
    assert len(few["sites"]) <= 4 and few["sites_left_out"] == len(seen["sites"]) - len(few["sites"])
    for i, site in enumerate(few["sites"]):
        assert (site["caller"] is None) == (site["depth"] == 0)
        assert site["caller"] is None or few["sites"][site["caller"]]["depth"] == site["depth"] - 1 and site["caller"] < i
    stats = gospect("mem", "stats", target.pid, "--diff-before", before, "--diff-after", before, "--semantic", check=0)
    assert "nothing changed in kind" in stats.out and "1.00 alike" in stats.out


def elsewhere(tmp_path):
    """The target's module again: in another directory, with other names of types and variables, and with lines added
    on top and between its functions."""
    module = tmp_path / "elsewhere"
    shutil.copytree(TARGETS / "lib", module / "lib")
    (module / "profiles").mkdir()
    shutil.copy(TARGETS / "go.mod", module)
    text = (TARGETS / "profiles" / "main.go").read_text()
    text = re.sub(r"\bkeep\b", "retained", re.sub(r"\blist\[", "chain[", re.sub(r"type list\b", "type chain", text)))
    head, rest = text.split("\n\nimport", 1)
    moved = re.sub(r"^(func |//go:noinline)", r"// moved\n// down\n\n\1", rest, flags=re.M)
    text = head + "\n\n// A line.\n// Another.\nimport" + moved.replace("//go:noinline\n// moved\n// down\n\n", "//go:noinline\n")
    (module / "profiles" / "main.go").write_text(text)
    return module / "profiles"


@pytest.mark.releases("1.18", "1.26")
@pytest.mark.modes("stripped", "pie", "trimpath")
def test_another_build(gospect, run, run_go, go_build, release, mode, tmp_path):
    """Built otherwise, and built of sources that moved and were renamed."""
    before = saved(gospect, run(release), tmp_path / "a.gsnap")
    seen = compared(gospect, before, run(release, mode).pid)
    assert seen["similarity"] > 0.97, seen["changed_most"]
    program = tmp_path / "moved"
    package = elsewhere(tmp_path)
    shutil.copy(go_build(release, mode, package), program)
    target = run_go(program, env={"MEM_RATE": "1"})
    target.ask("gc")
    seen = compared(gospect, before, target.pid)
    assert seen["similarity"] > 0.97, seen["changed_most"]
    kept = next(site for site in seen["sites"] if site["function"] == "main.kept")
    line = (package / "main.go").read_text().splitlines()[kept["line"] - 1]
    assert "retained = append" in line  # lines are those of the later build
    leak(target)
    seen = compared(gospect, before, target.pid, check=1)
    assert functions(seen["changed_most"][0]["stack"])[0] == "main.leaked"


@pytest.mark.releases("1.27")
def test_the_picture(gospect, run, release, tmp_path):
    target = run(release)
    before = saved(gospect, target, tmp_path / "a.gsnap")
    leak(target)
    picture = tmp_path / "map.svg"
    seen = gospect("mem", "diff", before, target.pid, "--semantic", "--svg", picture, check=1)
    assert "map.svg" in seen.said and seen.out.startswith("allocation sites differ")
    root = ET.fromstring(picture.read_text(encoding="utf-8"))
    titles = [title.text for title in root.iter("{http://www.w3.org/2000/svg}title")]
    assert any(title.startswith("main.leaked ") and "(+8.2 MB)" in title for title in titles)
    assert not list(root.iter("{http://www.w3.org/2000/svg}script"))
    assert "href" not in picture.read_text(encoding="utf-8")
    alone = subprocess.run([gospect.path, "mem", "diff", str(before), str(target.pid), "--semantic", "--svg", "-"],
                           check=False, env=gospect.environment(), stdout=subprocess.PIPE)
    assert alone.returncode == 1 and ET.fromstring(alone.stdout.decode()).tag.endswith("svg")


@pytest.mark.releases("1.26")
def test_colour_says_nothing_alone(gospect, run, release, tmp_path):
    target = run(release)
    before = saved(gospect, target, tmp_path / "a.gsnap")
    leak(target)
    after = saved(gospect, target, tmp_path / "b.gsnap")
    plain = gospect("mem", "diff", before, after, "--semantic", check=1).out
    coloured = gospect("mem", "diff", before, after, "--semantic", "--color=always", check=1).out
    took = re.compile(r"; [^;]* in all$", re.M)
    assert "\x1b" not in plain and "\x1b[31m+++" in coloured and "0.00!" in plain
    assert took.sub("", re.sub(r"\x1b\[\d+m", "", coloured)) == took.sub("", plain)


@pytest.mark.releases("1.26")
def test_from_a_core(gospect, run, release, tmp_path):
    target = run(release)
    gospect("core", target.pid, "-o", tmp_path / "core", check=0)
    assert compared(gospect, tmp_path / "core", target.pid)["similarity"] == 1


@pytest.mark.releases("1.26")
def test_refusals(gospect, run, run_go, go_build, release, tmp_path):
    target = run(release)
    without = tmp_path / "goroutines.gsnap"
    gospect("snapshot", target.pid, "-o", without, check=0)
    seen = gospect("mem", "diff", without, target.pid, "--semantic", check=3)
    assert "no memory profile in the earlier one" in seen.said and "--heap" in seen.said
    seen = gospect("mem", "diff", target.pid, without, "--semantic", check=3)
    assert "no memory profile in the later one" in seen.said
    off = run(release, MEM_RATE="0")
    seen = gospect("mem", "diff", off.pid, off.pid, "--semantic", check=3)
    assert "no memory profile in both" in seen.said and "MemProfileRate" in seen.said
    for args, what in ((("--svg", "x.svg"), "--svg belongs to --semantic"),
                       (("--threshold", "0.9"), "--threshold belongs to --semantic"),
                       (("--semantic", "--threshold", "1.5"), "out of range (0.01 to 1)"),
                       (("--semantic", "--threshold", "high"), "not a number such as 0.85")):
        assert what in gospect("mem", "diff", target.pid, target.pid, *args, check=2).said
    assert "belongs to mem diff" in gospect("mem", "stats", target.pid, "--semantic", check=2).said
    seen = gospect("mem", "diff", target.pid, target.pid, "--semantic", "--svg", "/nowhere/x.svg", check=3)
    assert "No such file" in seen.said
    assert not pathlib.Path("x.svg").exists()
