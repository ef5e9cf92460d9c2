"""gospect dap with a client that others wrote: VS Code's for tests of debug adapters (tests/dap/outside)."""
import os
import subprocess

import pytest

from lib import gobuild
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


@pytest.mark.releases("1.27")
def test_client_of_delve(gospect_start, go_build, release, tmp_path):
    """The client of Delve's own tests, whose types are strict."""
    program = go_build(release, "noopt", "dap")
    line = next(i for i, text in enumerate(SOURCE.read_text().splitlines(), 1) if "// look: call" in text)
    server = gospect_start("dap", "--listen", "127.0.0.1:0")
    address = os.read(server.stderr.fileno(), 4096).decode().split("listening at ")[1].split()[0].rstrip(".")
    env = {**gobuild.go_env(release), "DAP_ADDRESS": address, "DAP_PROGRAM": str(program), "DAP_SOURCE": str(SOURCE),
           "DAP_LINE": str(line)}
    done = subprocess.run(["go", "test", "-count=1", "-timeout=240s", "."], cwd=ROOT / "tests" / "dap" / "delve", env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout
