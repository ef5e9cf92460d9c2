"""Whenever and however we are killed, the process we look at does not notice and nothing stays in it.

Each kill is SIGKILL: nothing of ours runs afterwards, only what the kernel does when a tracer is gone.
"""
import random
import subprocess
import time

import pytest

from lib import harm

pytestmark = pytest.mark.releases(*harm.RELEASES)

KILLS = 70  # for each of three releases: 210 in all
LONGEST = 0.08  # seconds that we are left alone: about as long as a look takes


@pytest.fixture
def target(go_build, run_go, release):
    return run_go(go_build(release, "default", "harm"))


def test_killed_at_random_moments(gospect, target, release, tmp_path):
    dice, before = random.Random(release), harm.Before(target)
    commands = harm.looks(gospect, target.pid, tmp_path)
    ends = []
    for n in range(KILLS):
        with subprocess.Popen(commands[n % len(commands)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as ours:
            time.sleep(dice.uniform(0, LONGEST))
            ours.kill()
            message = ours.stderr.read()
        assert ours.returncode in (-9, 0, 1), (ours.args, ours.returncode, message)
        ends.append(ours.returncode)
        before.assert_same()
    assert ends.count(-9) > KILLS // 2


@pytest.mark.parametrize("parent", ("init", "target"))
@pytest.mark.parametrize("filters", (False, True))
def test_killed_at_every_step_of_a_copy(target, parent, filters):
    """The order of steps is what a run without a kill goes through.  A seccomp filter is asked first."""
    if filters:
        target.ask("seccomp 57 58 319 435")
    before = harm.Before(target)
    lines = harm.copied(target.pid, parent=parent, steps=1)
    steps = [line[len("STEP "):] for line in lines if line.startswith("STEP ")]
    assert steps[0] == "lender has other registers" and steps[-1] == "copy is ours"
    assert ("copy is made" in steps) == (parent == "init")
    for step in steps:
        harm.killed_at(target.pid, step, parent=parent)
        before.assert_same()
    harm.copied(target.pid, parent=parent)
    before.assert_same()
