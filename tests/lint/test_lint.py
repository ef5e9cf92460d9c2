"""Every check of tools/lint as a test."""
import pathlib
import subprocess

import pytest

LINT = pathlib.Path(__file__).resolve().parents[2] / "tools" / "lint"


def names():
    done = subprocess.run([LINT, "--list"], check=True, stdout=subprocess.PIPE, text=True)
    return [line.split()[0] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("check", names())
def test_lint(check):
    done = subprocess.run([LINT, check], check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        pytest.fail(done.stdout, pytrace=False)
