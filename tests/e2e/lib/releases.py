"""The Go releases the tests run on.

Everyday runs use a subset that holds both sides of every change of layout that matters; `--all`
(./dev test all) uses every release of tools/go-releases.txt.
"""
import functools
import os
import subprocess

from lib.paths import ROOT

SUBSET = ("1.18", "1.21", "1.24", "1.26", "1.27")


def all_releases():
    """Every supported minor release, oldest first."""
    lines = (ROOT / "tools" / "go-releases.txt").read_text().splitlines()
    return [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]


def releases():
    """The releases of this run.  conftest.py sets the variable from --all before it collects."""
    known = all_releases()
    if os.environ.get("GOSPECT_TEST_RELEASES"):
        chosen = os.environ["GOSPECT_TEST_RELEASES"].split()
    elif os.environ.get("GOSPECT_TEST_ALL"):
        chosen = known
    else:
        chosen = [r for r in SUBSET if r in known]
    unknown = [r for r in chosen if r not in known]
    if unknown:
        raise ValueError(f"releases {unknown} are not in tools/go-releases.txt")
    return chosen


def newest():
    """The newest supported release: for tests that need only one."""
    return all_releases()[-1]


@functools.lru_cache(maxsize=None)
def goroot(release):
    """The GOROOT of a release; installs it when missing."""
    done = subprocess.run([ROOT / "tools" / "go-toolchain", release], check=True,
                          stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()
