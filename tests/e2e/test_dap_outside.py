"""gospect dap with a client that others wrote: VS Code's for tests of debug adapters (tests/dap/outside)."""
import os
import subprocess

import pytest

from lib.paths import ROOT, TARGETS

SOURCE = TARGETS / "dap" / "main.go"
OUTSIDE = ROOT / "tests" / "dap" / "outside"
CASES = {"breakpoint": "look: call", "entry": None, "condition": "loop: body", "output": None, "pause": None, "refused": None}


@pytest.fixture(scope="module")
def modules():
    return subprocess.run([ROOT / "tools" / "node-modules", OUTSIDE], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@pytest.mark.releases("1.27")
@pytest.mark.parametrize("case", CASES)
def test_client_of_vscode(gospect, go_build, release, modules, case):
    mark = CASES[case]
    line = next((i for i, text in enumerate(SOURCE.read_text().splitlines(), 1) if mark and f"// {mark}" in text), 0)
    argv = ["node", OUTSIDE / "session.js", gospect.path, go_build(release, "noopt", "dap"), SOURCE, case, line]
    done = subprocess.run([str(word) for word in argv], env={**os.environ, "GOSPECT_NODE_MODULES": modules},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout
