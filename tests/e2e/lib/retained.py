"""Retained bytes by their definition (tests/tools/retained_check.c)."""
import re
import subprocess

from lib.paths import build_dir
from lib.tool import default_preset


def check(snapshot, samples, seed=1):
    """Nothing disagrees; returns how much was compared."""
    path = build_dir(default_preset()) / "tests" / "tools" / "retained_check"
    done = subprocess.run([path, snapshot, str(samples), str(seed)], check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert not [line for line in lines if line.startswith("WRONG")], lines[:20]
    found = {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", lines[-1])}
    assert found["objects"] == samples and found["wrong"] == 0
    return found
