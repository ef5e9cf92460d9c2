"""Not one false "proved": real programs under load, and a program made to provoke one, looked at again and again.

GOSPECT_SOAK_SECONDS: how long the slow tests look at each real program (600).
"""
import contextlib
import os

import pytest

from lib import godump, leaksoak, real
from lib.process import PATIENCE, assert_unharmed, wait_until

SECONDS = int(os.environ.get("GOSPECT_SOAK_SECONDS", "600"))
PAUSE = 10  # seconds between two looks of the slow tests
QUICK_LOOKS = 6
STRESS_LOOKS = int(os.environ.get("GOSPECT_STRESS_LOOKS", "5"))


@contextlib.contextmanager
def soaked(kind, gospect, folder):
    """A real program under load, watched."""
    program = kind(folder)
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: program.target and program.target.close())
        program.start()
        load = program.load().start()
        stack.callback(load.close)
        dump = program.pprof_port and (lambda: godump.parse(program.goroutine_dump()))
        yield program, load, leaksoak.Soak(gospect, program.target.pid, folder, dump)
        load.stop()
        assert_unharmed(program.target)


def verdict(kind, load, soak):
    print(f"\n{kind.name}: {soak}; {load.served} requests served")
    for goroutine in soak.told.values():
        print(goroutine)
    assert not soak.violations, "\n".join(soak.violations)
    assert soak.looks and not soak.unread


def test_real_program_for_a_while(gospect, tmp_path):
    with soaked(real.Nats, gospect, tmp_path) as (_, load, soak):
        for _ in range(QUICK_LOOKS):
            served = load.served
            soak.look()
            wait_until(lambda before=served: load.served > before or load.failures, "it serves no more")
        verdict(real.Nats, load, soak)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 600)
@pytest.mark.parametrize("kind", real.PROGRAMS, ids=lambda p: p.name)
def test_real_program_for_ten_minutes(gospect, tmp_path, kind):
    with soaked(kind, gospect, tmp_path) as (_, load, soak):
        soak.run(SECONDS, PAUSE)
        verdict(kind, load, soak)


# ---- a program made to provoke a false one ----

def rounds(target):
    return {name: int(n) for name, n in (word.split("=") for word in target.ask("rounds").split())}


def everybody_went_on(target, before):
    wait_until(lambda: all(n > before[name] for name, n in rounds(target).items()), "some kind of waiting stands still")


@pytest.mark.parametrize("procs", (1, 4))
def test_stress(go_build, run_go, gospect, tmp_path, release, procs):
    target = run_go(go_build(release, "default", "leakstress"), env={"GOMAXPROCS": str(procs)})
    planted = set(map(int, target.ready["leaks"].split(",")))
    soak = leaksoak.Soak(gospect, target.pid, tmp_path)

    def look():
        seen = soak.look()
        wrong = seen.proved - planted
        assert not wrong, [seen.goroutines[g] for g in wrong]
        return soak.looks >= STRESS_LOOKS and soak.told.keys() == planted

    wait_until(look, "a leak is never told", PATIENCE * STRESS_LOOKS)
    print(f"\n{release}, {procs}: {soak}")
    assert not soak.violations, "\n".join(soak.violations)
    for _ in range(10):  # with who will release what, which a snapshot of a heap does not have
        found = gospect("leaks", target.pid, "--json", check=(0, 1)).json["leaks"]
        wrong = [leak for leak in found if leak["goroutine"] not in planted and leak["class"] != "suspected"]
        assert not wrong, wrong
    everybody_went_on(target, rounds(target))
