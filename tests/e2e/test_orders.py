"""The healthy variant of the example must look healthy, the faulty ones must show their fault only."""
import time

import pytest

from lib.paths import ROOT
from lib.process import wait_until

ORDERS = ROOT / "examples" / "orders"


def start(go_build, run_go, release, *arguments):
    return run_go(go_build(release, "stripped", ORDERS), "-listen", "127.0.0.1:0", *arguments)


def problems(gospect, target):
    report = gospect("doctor", target.pid, "--json", check=(0, 1)).json
    return [f for f in report["findings"] if f["severity"] == "problem"]


@pytest.mark.releases("1.18", "1.27")
def test_healthy_orders_has_no_problem(go_build, run_go, gospect, release):
    target = start(go_build, run_go, release, "-faults", "none")
    time.sleep(5)
    assert not problems(gospect, target)


@pytest.mark.parametrize("fault, function", [("leak", "publish"), ("lock", "Balance")])
def test_planted_fault_is_found(go_build, run_go, gospect, fault, function):
    target = start(go_build, run_go, "1.26", "-faults", fault)
    wait_until(lambda: any(function in str(f) for f in problems(gospect, target)), f"{function} is never named")
