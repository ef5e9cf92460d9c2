"""The encoding of snapshots against the plain one: runs the measuring program (bench/encoding.c)."""
import json
import subprocess

from lib.paths import ROOT


def measured():
    """Its figures, one object per number of goroutines; [] when it is not built."""
    program = ROOT / "build-release" / "bench" / "bench_encoding"
    if not program.exists():
        return []
    done = subprocess.run([program], check=True, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
