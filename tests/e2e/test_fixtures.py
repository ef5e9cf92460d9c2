"""The fixtures themselves: what they promise to other tests must be true."""
import os
import signal
import subprocess

import pytest

from lib import procfs
from lib.process import wait_until


@pytest.mark.modes("default", "stripped", "nosections", "pie", "pie-stripped", "trimpath", "race",
                   "cgo", "noopt", "external")
def test_every_mode_builds_and_runs(go_build, run_go, release, mode):
    target = run_go(go_build(release, mode, "hello"))
    assert target.ready["go"].startswith(f"go{release}")


def test_modes_do_what_they_say(go_build):
    def sections(mode):
        done = subprocess.run(["readelf", "-W", "-h", "-S", go_build("1.26", mode, "hello")],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=True)
        return done.stdout
    assert ".debug_info" in sections("default")
    assert ".debug_info" not in sections("stripped") and ".gopclntab" in sections("stripped")
    assert "There are no sections" in sections("nosections")
    assert "DYN" in sections("pie") and "EXEC" in sections("default")


def test_program_is_kept(go_build):
    first = go_build("1.26", "default", "hello")
    before = first.stat().st_mtime_ns
    assert go_build("1.26", "default", "hello").stat().st_mtime_ns == before


def test_dump_blocks_until_it_is_read(go_build, run_go):
    target = run_go(go_build("1.26", "default", "hello"), dump_pipe=True)
    for _ in range(3):
        dump = target.frozen_dump()
        text = dump()
        assert "main.wait" in text and "[chan receive" in text


def test_a_stopped_target_is_noticed(go_build, run_go, assert_unharmed):
    target = run_go(go_build("1.26", "default", "hello"))
    assert_unharmed(target)
    target.signal(signal.SIGSTOP)
    wait_until(lambda: procfs.state(target.pid) == "T", "it did not stop")
    with pytest.raises(AssertionError, match="is T"):
        assert_unharmed(target, patience=0)
    target.signal(signal.SIGCONT)


def test_a_copy_is_noticed(go_build, run_go, assert_unharmed):
    target = run_go(go_build("1.26", "default", "hello"))
    mark = next(word for word in procfs.read(target.pid, "environ").decode().split("\0")
                if word.startswith("GOSPECT_TEST_TARGET="))
    name, value = mark.split("=")
    copy = subprocess.Popen(["sleep", "100"], env={**os.environ, name: value})
    try:
        with pytest.raises(AssertionError, match="a copy is left"):
            assert_unharmed(target, patience=0)
    finally:
        copy.kill()
        copy.wait()


@pytest.mark.sanitized
def test_gospect_lists_the_smallest_target(go_build, run_go, gospect, release):
    target = run_go(go_build(release, "stripped", "hello"))
    seen = gospect("goroutines", target.pid, check=0)
    assert "main.wait" in seen.out
