"""Stopped by Ctrl-C or killed at any moment of a look at a large heap (the copy, the capture, the graph, the
report): the process goes on with its work, nothing stays in it, and no file is there that is not whole."""
import random
import signal
import subprocess
import time

import pytest

from lib import harm

pytestmark = [pytest.mark.releases(harm.OLDEST, harm.NEWEST), pytest.mark.unsanitized]

OBJECTS = 120_000
STOPS = 7  # of each kind


def commands(gospect, pid, folder):
    snap = folder / "a.gsnap"
    lines = [("heap", pid, "--json"), ("heap", pid, "--suspects"), ("heap", pid, "--by", "object"),
             ("snapshot", pid, "--heap", "--with-memory", "--force", "-o", snap),
             ("sql", pid, "SELECT count(*) FROM edges, types")]
    return [[str(gospect.path), *map(str, line)] for line in lines]


def whole(gospect, folder, number):
    """What lies there can be read; after Ctrl-C nothing else does."""
    for path in list(folder.iterdir()):
        if path.name == "a.gsnap":
            gospect("heap", path, "--json", check=0)
        elif number == signal.SIGKILL:
            path.unlink()  # of what was being written
        else:
            raise AssertionError(f"{path.name} was left behind")


def test_stopped_at_random_moments(gospect, go_build, run_go, release, tmp_path):
    target = run_go(go_build(release, "default", "harm"))
    target.ask(f"fill {OBJECTS}")
    target.ask("start heap")
    before, dice = harm.Before(target), random.Random(release)
    lines = commands(gospect, target.pid, tmp_path)
    begun = time.monotonic()
    subprocess.run(lines[1], check=True, stdout=subprocess.DEVNULL, env=gospect.environment())
    longest, ends = time.monotonic() - begun, []
    for n in range(2 * STOPS):
        number = (signal.SIGINT, signal.SIGKILL)[n % 2]
        with subprocess.Popen(lines[n % len(lines)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, env=gospect.environment()) as ours:
            time.sleep(dice.uniform(0, longest))
            ours.send_signal(number)
            message = ours.stderr.read()
        assert ours.returncode in (-number, 0), (ours.args, ours.returncode, message)
        ends.append(ours.returncode)
        longest *= 1.2 if ours.returncode else 0.5  # the machine is not always as busy as it was before
        before.assert_same()
        whole(gospect, tmp_path, number)
    assert len(ends) - ends.count(0) > 3  # that many in the middle of something
    target.ask("stop heap")
