"""seccomp filters that kill for calls a copy needs: they are asked before anything is injected.

Not even being killed in the middle of it may bring the process to a call that its filter kills for.
"""
import pytest

from lib import harm

pytestmark = pytest.mark.releases(*harm.RELEASES)

FORK, VFORK, WAIT4, MEMFD, CLONE3 = 57, 58, 61, 319, 435
FORBIDDEN = {
    "fork": ["fork", FORK, VFORK, CLONE3],
    "wait": [WAIT4],
    "all": ["fork", FORK, VFORK, CLONE3, WAIT4, MEMFD],
}
REASON = "its seccomp filter forbids calls that a copy needs"


@pytest.fixture
def filtered(go_build, run_go, release):
    """filtered(words) -> a target with such a filter, and what it was like before we looked."""
    def start(words):
        target = run_go(go_build(release, "default", "harm"))
        target.ask("seccomp " + " ".join(map(str, words)))
        return target, harm.Before(target)
    return start


@pytest.mark.parametrize("kind", FORBIDDEN)
@pytest.mark.releases(harm.NEWEST)
def test_it_kills_for_what_a_copy_needs(gospect, filtered, kind):
    target, before = filtered(FORBIDDEN[kind])
    harm.look_in_every_way(gospect, target, loops=2)
    before.assert_same()
    frozen, = harm.frozen(harm.not_busy(lambda: harm.freezer(target.pid), harm.why_of))
    assert frozen["kind"] == "stop" and REASON in frozen["why"]
    seen = harm.not_busy(lambda: gospect("goroutines", target.pid, "--json", check=0).json, lambda s: s["method_why"])
    assert REASON in seen["method_why"] and seen["goroutines"] + seen.get("groups", [])
    before.assert_same()


def test_it_forbids_something_else(gospect, filtered):
    """The copy is made, as by container engines' filters nothing of ours is forbidden."""
    target, before = filtered([FORK, VFORK, CLONE3, MEMFD])
    harm.look_in_every_way(gospect, target, loops=2)
    harm.copied(target.pid)
    before.assert_same()


def test_killed_under_a_filter_that_kills(filtered):
    """No step of a copy is gone through at all."""
    target, before = filtered(FORBIDDEN["all"])
    lines = harm.freezer(target.pid, steps=1, die="lender has other registers")
    assert not [line for line in lines if line.startswith("STEP")], lines
    before.assert_same()
