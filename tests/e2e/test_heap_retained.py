"""What objects, variables, goroutines and types retain, by the definition: they are taken away from the heap of
a real program, and everything is marked again.  Programs under load: test_real_programs.py."""
import pytest

from lib import retained

# A program, its argument, how many objects are taken away one after the other.
PROGRAMS = [("shop", (), 60), ("heapshapes", (), 60), ("heaproots", (), 100), ("heaproots", ("300",), 60)]


@pytest.mark.parametrize("package, args, samples", PROGRAMS, ids=["shop", "heapshapes", "heaproots", "stacks"])
@pytest.mark.modes("default")
def test_what_is_taken_away_is_what_was_retained(gospect, go_build, run_go, release, mode, package, args, samples,
                                                 tmp_path):
    target = run_go(go_build(release, mode, package), *args)
    gospect("snapshot", target.pid, "--heap", "-o", tmp_path / "a.gsnap", check=0)
    found = retained.check(tmp_path / "a.gsnap", samples)
    assert found["holders"] > 20 and found["types"] > 10 and found["marks"] > samples
