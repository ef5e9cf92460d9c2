"""What a newcomer runs first must work, show the planted faults and leave nothing behind."""
import os
import re
import subprocess

from lib import procfs
from lib.paths import ROOT


def test_demo_shows_every_planted_fault(gospect):
    done = subprocess.run([ROOT / "examples" / "demo"], stdin=subprocess.DEVNULL, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300,
                          env=gospect.environment({"GOSPECT_BIN": str(gospect.path)}))
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    pid = int(re.search(r"runs as pid (\d+)", done.stdout).group(1))
    assert not procfs.read(pid, "cmdline").startswith(b"build/demo/orders"), "it still runs"
    # Of the storm: who creates it.  Its goroutines may not have run yet, and stand before (*Server).recipient.
    for planted in ("(*Hub).publish", "(*Ledger).Balance", "(*Server).serveStorm", "PROBLEM"):
        assert planted in done.stdout, f"{planted} is not in\n{done.stdout}"
    assert done.stdout.rstrip().endswith("ok"), "the service no longer answered"


def test_dev_explains_itself():
    def dev(*words):
        return subprocess.run([ROOT / "dev", *words], stdout=subprocess.PIPE, check=False,
                              stderr=subprocess.STDOUT, text=True, env=dict(os.environ))
    assert dev("nonsense").returncode == 2
    for verb in ("build", "test", "demo", "bench", "fuzz", "fmt", "lint", "clean"):
        assert re.search(rf"^  {verb}\b", dev("help").stdout, re.M), verb
