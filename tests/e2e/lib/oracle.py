"""Compares what image/ says of a binary (tests/tools/image_dump) with what Go's own packages say
(tests/oracle/image, built by the newest release): both print the same lines."""
import itertools
import subprocess

from lib import gobuild, releases
from lib.paths import ROOT, build_dir


def image_dump(preset="dev"):
    return build_dir(preset) / "tests" / "tools" / "image_dump"


def go_oracle():
    return gobuild.build(releases.newest(), "default", ROOT / "tests" / "oracle" / "image")


def lines(program, what, binary, stdin=None):
    done = subprocess.run([program, what, binary], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False, errors="surrogateescape", input=stdin)
    assert done.returncode == 0, f"{program.name} {what} {binary}: {done.stderr}"
    return done.stdout.splitlines()


def assert_same(what, binary, preset="dev"):
    """Every line of the two dumps agrees."""
    ours, theirs = lines(image_dump(preset), what, binary), lines(go_oracle(), what, binary)
    for number, (a, b) in enumerate(itertools.zip_longest(ours, theirs), 1):
        assert a == b, f"{what} of {binary}, line {number}:\n  ours   {a}\n  theirs {b}"
    assert ours
