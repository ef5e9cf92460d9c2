"""What the objects of a heap are, against the numbers that the program keeps of what it made."""
import collections
import json
import subprocess

import pytest

from lib import tool
from lib.paths import build_dir

NOT_WITH_RACE = {"main.caught"}  # only closures keep them: calls of the detector hide what they are made of
NAMES_OF_RUNTIME = {"[]string", "sync.entry", "string"}  # that others have as well: ours are at least as many


def shapes(pid):
    program = build_dir() / "tests" / "tools" / "shapes_dump"
    done = subprocess.run([program, str(pid)], check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=tool.SANITIZER_ENV)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    seen = json.loads(done.stdout)
    counts = collections.Counter()
    for shape in seen["shapes"]:
        name = "sync.entry" if shape["name"].startswith("sync.entry[") else shape["name"]
        counts[name] += shape["count"]
    return counts, seen


@pytest.mark.modes("default", "stripped", "pie-stripped", "race", "cgo", "noopt")
def test_objects_are_what_the_program_made(go_build, run_go, release, mode):
    target = run_go(go_build(release, mode, "heapshapes"))
    made = dict(pair.rsplit("=", 1) for pair in target.ask("counts").strip(";").split(";"))
    for name in NOT_WITH_RACE if mode == "race" else ():
        del made[name]
    ours, _ = shapes(target.pid)
    wrong = {name: (ours[name], int(n)) for name, n in made.items()
             if (ours[name] < int(n) if name in NAMES_OF_RUNTIME else ours[name] != int(n))}
    assert not wrong, f"(ours, made): {wrong}"
