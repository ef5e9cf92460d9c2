"""Whatever a process does while we look at it again and again, its work comes out right.

The target (tests/targets/harm) checks its own work: children end with the status they have and with
one SIGCHLD each, every signal is delivered once, calls that sleep sleep long enough.
"""
import itertools
import random
import subprocess
import time

import pytest

from lib import harm, procfs
from lib.process import wait_until

pytestmark = pytest.mark.releases(*harm.RELEASES)

JOBS = ("forks", "threads", "signals")


@pytest.fixture
def busy(run_go):
    """busy(program, *jobs) -> a target that does all of this at the same time."""
    targets = []

    def start(program, *jobs, **options):
        target = run_go(program, **options)
        target.ask(f"start {' '.join(jobs)}")
        targets.append((target, jobs))
        return target

    yield start
    for target, jobs in targets:
        if target.alive():
            settle(target, jobs)


def settle(target, jobs):
    """Ends these jobs; the last child of `forks` has been collected then."""
    target.ask(f"stop {' '.join(jobs)}")


def assert_as_before(target, jobs, before):
    harm.assert_work_goes_on(target)
    settle(target, jobs)
    before.assert_same()


# ---- what goes on all the time ----

@pytest.mark.parametrize("job", JOBS)
@pytest.mark.releases(harm.NEWEST)
def test_looked_at_while(gospect, go_build, run_go, busy, release, job):
    target = busy(go_build(release, "default", "harm"), "signals")
    settle(target, ["signals"])  # what a first signal sets up is there before
    before = harm.Before(target)
    target.ask(f"start {job}")
    harm.look_in_every_way(gospect, target)
    assert_as_before(target, [job], before)


def test_gomaxprocs_changes(gospect, go_build, busy, release):
    """The list of Ps has its new length before its new elements, and moves; every look ends well."""
    target = busy(go_build(release, "default", "harm"), "procs")
    for _ in range(6):
        for argv in (("goroutines", "--consistency", "goroutine"), ("goroutines",), ("info",), ("mem", "stats")):
            gospect(*argv, target.pid, "--json", check=0)
    harm.assert_work_goes_on(target)


@pytest.mark.modes("default", "cgo")
@pytest.mark.releases(harm.OLDEST, harm.NEWEST)
def test_all_at_the_same_time(gospect, go_build, run_go, release, mode):
    """Children, threads and signals, with the profiler's timer on; in cgo, threads of C as well."""
    target = run_go(go_build(release, mode, "harm"))
    target.ask("start signals")
    settle(target, ["signals"])
    before = harm.Before(target)
    target.ask("profile on")
    target.ask(f"start {' '.join(JOBS)}")
    harm.look_in_every_way(gospect, target, loops=3)
    harm.assert_work_goes_on(target)
    assert int(target.ask("profile off")) > 0
    assert_as_before(target, JOBS, before)


@pytest.mark.slow
@pytest.mark.modes("default", "cgo")
def test_all_at_the_same_time_for_long(gospect, go_build, run_go, release, mode):
    target = run_go(go_build(release, mode, "harm"))
    target.ask("start signals")
    settle(target, ["signals"])
    before = harm.Before(target)
    target.ask("profile on")
    target.ask(f"start {' '.join(JOBS)}")
    for _ in range(5):
        harm.look_in_every_way(gospect, target, loops=100)
    target.ask("profile off")
    assert_as_before(target, JOBS, before)


# ---- becoming another program ----

# There is no program for a moment in the middle of it, and then one that has hardly begun.
OVERTAKEN = ("became another program", "has ended", "does not hold", "structures are not where they should be")


def test_becomes_another_program(gospect, go_build, run_go, release, tmp_path):
    """It makes itself anew, over and over; each look ends well, or says that this has happened."""
    target = run_go(go_build(release, "default", "harm"))
    times, gone = 25, 0
    target.popen.stdin.write(f"again {times}\n".encode())
    target.popen.stdin.flush()
    for argv in itertools.cycle(harm.looks(gospect, target.pid, tmp_path, loops=4)):
        done = harm.look(gospect, argv, codes=(0, 1, 3))
        if done.returncode == 3:
            gone += 1
            text = done.stdout + done.stderr
            assert any(words in text for words in OVERTAKEN), (argv, done)
        if sum(line.startswith("READY") for line in target.lines) == 2 + times:
            break
        assert target.alive(), target.stderr
    assert gone, "it never happened in the middle of a look"
    wait_until(lambda: not harm.copies_of(target), "copies are left")
    before = harm.Before(target)
    harm.look_in_every_way(gospect, target, loops=2)
    before.assert_same()


# ---- ending ----

def test_ends_meanwhile(gospect, go_build, run_go, release, tmp_path):
    """Its parent gets its own exit status, and a look that is cut short says why."""
    dice, gone, status = random.Random(release), 0, 0
    looks = harm.looks(gospect, 0, tmp_path)
    for n in range(2 * len(looks)):
        target = run_go(go_build(release, "default", "harm"), unharmed=False)
        argv = harm.looks(gospect, target.pid, tmp_path)[n % len(looks)]
        status = 1 + n
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, env=gospect.environment()) as ours:
            time.sleep(dice.uniform(0, 0.02))  # any moment of a look
            target.popen.stdin.write(f"exit {status}\n".encode())
            target.popen.stdin.flush()
            assert target.popen.wait(harm.PATIENCE) == status
            text = ours.communicate(timeout=harm.PATIENCE)[0]
        assert ours.returncode in (0, 1, 3), (argv, text)
        if ours.returncode == 3:
            gone += 1
            assert "has ended" in text or "there is no process" in text, (argv, text)
        wait_until(lambda t=target: not harm.copies_of(t), "a copy is left")
        assert not procfs.state(target.pid)
    assert gone, "it never ended in the middle of a look"
