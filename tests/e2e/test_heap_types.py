"""Type descriptors against package reflect of the target itself: names, sizes, parts, and which words
are pointers, of every kind of type and of types that are made at run time."""
import json
import subprocess

import pytest

from lib import schema, tool
from lib.paths import build_dir

MODES = ("default", "stripped", "pie-stripped", "race", "cgo")
UINT8 = 8


def dump(pid, addresses, preset_env=tool.SANITIZER_ENV):
    """Types by address, and the gaps, as tests/tools/types_dump.c has them."""
    program = build_dir() / "tests" / "tools" / "types_dump"
    done = subprocess.run([program, str(pid)], input="\n".join(addresses).encode(), check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=preset_env)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    seen = json.loads(done.stdout.decode(errors="replace"))
    return {t["addr"]: t for t in seen["types"]}, seen["gaps"]


def number(text):
    return int(text, 16) if text else 0


def words_of(mask):
    return [8 * i + bit for i, byte in enumerate(bytes.fromhex(mask)) for bit in range(8) if byte >> bit & 1]


def unified(name):
    """Until 1.22 reflect.StructOf named embedded fields twice; we do not."""
    return name.replace("Plain main.Plain", "main.Plain")


def same_type(theirs, ours):
    assert unified(ours["name"]) == unified(theirs["Name"])
    assert ours["package"] == theirs["Package"], ours["name"]
    for key, name in (("kind", "Kind"), ("size", "Size"), ("ptr_bytes", "PtrBytes"), ("count", "Count")):
        assert ours[key] == theirs[name], f"{key} of {ours['name']}"
    assert bool(ours["direct"]) == theirs["Direct"], ours["name"]
    assert ours["elem"] == number(theirs["Elem"]), ours["name"]
    assert ours["key"] == number(theirs["Key"]), ours["name"]
    assert [(f["name"], f["offset"], f["type"]) for f in ours["fields"]] == \
        [(f["Name"], f["Offset"], number(f["Type"])) for f in theirs["Fields"] or ()], ours["name"]
    words = words_of(ours["mask"])
    assert len(words) == theirs["Pointers"], ours["name"]
    if theirs["Words"] is not None:
        assert words == theirs["Words"], ours["name"]


@pytest.mark.modes(*MODES)
def test_types_are_those_of_reflect(go_build, run_go, release, mode, tmp_path):
    told = tmp_path / "types"
    target = run_go(go_build(release, mode, "heaptypes"), told)
    theirs = [json.loads(line) for line in told.read_text().splitlines()]
    assert len(theirs) == int(target.ready["types"])
    ours, gaps = dump(target.pid, [t["Addr"] for t in theirs])
    assert not any(gaps)
    for t in theirs:
        same_type(t, ours[number(t["Addr"])])


@pytest.mark.modes(*MODES)
def test_types_are_found_without_being_told(go_build, run_go, release, mode, tmp_path):
    """From the program's lists alone: all but those that reflect made at run time."""
    told = tmp_path / "types"
    target = run_go(go_build(release, mode, "heaptypes"), told)
    theirs = [json.loads(line) for line in told.read_text().splitlines()]
    ours, gaps = dump(target.pid, [])
    assert not any(gaps)
    assert not {t["Name"] for t in theirs if not t["Made"] and number(t["Addr"]) not in ours}


@pytest.mark.modes("default", "stripped")
def test_maps_of_types_made_at_run_time(gospect, go_build, run_go, release, mode, tmp_path):
    """Until 1.23 reflect describes their buckets with less than a struct needs: nothing is read behind it."""
    target = run_go(go_build(release, mode, "heaptypes"), tmp_path / "types")
    seen = schema.check("heap", gospect("heap", target.pid, "--json", check=0).json)
    assert not any("types" in m["what"] for m in seen["missing"]), seen["missing"]
    maps = [row for row in seen["types"] if (row["type"] or "").startswith("map[[7]string][1]*struct { P")]
    headers = [row for row in maps if row["type"].endswith("}")]
    assert [row["count"] for row in headers] == [1] * 12, maps
