"""Processes in containers: seen from the host, from inside, and from where their numbers mean nothing."""
import os
import shutil
import subprocess
import sys

import pytest

from lib import drive, harm, procfs, spaces
from lib.process import wait_until

pytestmark = pytest.mark.releases(*harm.RELEASES)

# An init that waits with sigwait, as those of containers do: it collects whatever ends below it.
INIT = """
import os, signal, subprocess, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, setsigmask=[])
while True:
    signal.sigwait([signal.SIGCHLD])
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == child:
            sys.exit(os.waitstatus_to_exitcode(status))
        if pid == 0:
            break
"""
# One that collects nothing but its own child, and only in the end.
LAZY = """
import os, sys
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def ours(gospect, prefix, *args):
    return subprocess.run([*prefix, gospect.path.resolve(), *map(str, args)], check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=gospect.environment(),
                          timeout=harm.PATIENCE)


def one_line(text):
    return " ".join(text.split())


# ---- from the host ----

@pytest.mark.parametrize("space", spaces.SPACES)
@pytest.mark.releases(harm.OLDEST, harm.NEWEST)
def test_no_harm_in(gospect, go_build, run_go, release, space):
    target = spaces.start(run_go, go_build(release, "default", "harm"), spaces.SPACES[space])
    assert procfs.status(target.pid)["NSpid"].split()[-1] == "1"
    before = harm.Before(target)
    harm.look_in_every_way(gospect, target, loops=2, parents=("auto",))
    before.assert_same()
    harm.copied(target.pid)


@pytest.mark.parametrize("init", (INIT, LAZY), ids=("collects", "collects nothing"))
@pytest.mark.releases(harm.NEWEST)
def test_no_harm_below_an_init(gospect, go_build, run_go, release, init):
    target = spaces.start(run_go, go_build(release, "default", "harm"), spaces.SPACES["pid and mounts"],
                          wrapper=[sys.executable, "-c", init])
    assert procfs.status(target.pid)["NSpid"].split()[-1] != "1"
    before = harm.Before(target)
    harm.look_in_every_way(gospect, target, loops=2, parents=("auto",))
    before.assert_same()

    def zombies():
        above = set(map(str, target.company()))
        return [p for p in procfs.pids() if procfs.state(p) == "Z" and procfs.status(p).get("PPid") in above]
    wait_until(lambda: not zombies(), "zombies are left")  # an init that collects takes its time


@pytest.mark.parametrize("space", spaces.SPACES)
@pytest.mark.releases(harm.NEWEST)
def test_every_command_by_the_pid_of_the_host(gospect, go_build, run_go, release, space, tmp_path):
    target = spaces.start(run_go, go_build(release, "stripped", "hello"), spaces.SPACES[space])
    row, = (p for p in gospect("ps", "--json", check=0).json["processes"] if p["pid"] == target.pid)
    assert "container" in row["marks"] and row["go_version"] == target.ready["go"]
    snap, core = tmp_path / "a.gsnap", tmp_path / "a.core"
    gospect("snapshot", target.pid, "-o", snap, check=0)
    gospect("core", target.pid, "-o", core, check=0)
    for subject in (target.pid, snap, core):
        assert "main.wait" in gospect("goroutines", subject, check=0).out
    info = gospect("info", target.pid, "--json", check=0).json
    assert "container" in str(info) and target.ready["go"][2:] in str(info)
    assert gospect("doctor", target.pid, "--for", "20ms", check=(0, 1)).out


# ---- the program's file ----

def in_a_root_of_its_own(tmp_path, program, other):
    """A mount namespace in which /opt/hello is the program; on the host it is another one, or nothing."""
    root, here = tmp_path / "root", tmp_path / "opt"
    root.mkdir()
    here.mkdir()
    shutil.copy(program, root / "hello")
    if other:
        shutil.copy(other, here / "hello")
    return here, f'mount --bind {root} {here} && exec {here}/hello'


@pytest.mark.parametrize("on_the_host", ("nothing", "another program"))
@pytest.mark.releases(harm.NEWEST)
def test_a_path_that_means_something_else_on_the_host(gospect, go_build, run_go, release, on_the_host,
                                                      tmp_path):
    program = go_build(release, "stripped", "hello")
    other = go_build(release, "stripped", "faults") if on_the_host == "another program" else None
    here, script = in_a_root_of_its_own(tmp_path, program, other)
    target = spaces.start(run_go, tmp_path / "root" / "hello", spaces.SPACES["pid and mounts"],
                          argv=["sh", "-c", script])
    assert os.path.samefile(f"/proc/{target.pid}/root{here}/hello", tmp_path / "root" / "hello")
    for args in (["goroutines", target.pid], ["goroutines", target.pid, "--consistency", "goroutine"]):
        assert "main.wait" in gospect(*args, check=0).out
    info = gospect("info", target.pid, "--json", check=0).json
    assert "targets/hello" in str(info)
    core = tmp_path / "a.core"
    gospect("core", target.pid, "-o", core, check=0)
    assert "main.wait" in gospect("goroutines", core, check=0).out


@pytest.mark.parametrize("how", ("deleted", "replaced", "overwritten by rename"))
@pytest.mark.releases(harm.NEWEST)
def test_the_file_is_not_there_any_more(gospect, go_build, run_go, release, how, tmp_path):
    mine = tmp_path / "mine"
    shutil.copy(go_build(release, "stripped", "hello"), mine)
    target = run_go(mine)
    mine.unlink()
    if how == "replaced":
        shutil.copy(go_build(release, "stripped", "faults"), mine)
    elif how == "overwritten by rename":
        mine.write_bytes(b"no program")
    core = tmp_path / "a.core"
    gospect("core", target.pid, "-o", core, check=0)
    for subject in (target.pid, core):
        assert "main.wait" in gospect("goroutines", subject, check=0).out
    assert "targets/hello" in str(gospect("info", target.pid, "--json", check=0).json)


# ---- from inside ----

@pytest.mark.releases(harm.NEWEST)
@pytest.mark.parametrize("space", ("pid and mounts", "user, pid, mounts"))
def test_from_inside(gospect, go_build, run_go, release, space, tmp_path):
    """In the namespaces of the process, with their own /proc: it is pid 1 there, and no container to us."""
    target = spaces.start(run_go, go_build(release, "default", "harm"), spaces.SPACES[space])
    names = ["pid", "mount"] + (["user"] if "user" in space else [])
    inside, before = spaces.enter(target.pid, *names), harm.Before(target)
    assert "main.begin.func1" in ours(gospect, inside, "goroutines", 1).stdout
    seen = ours(gospect, inside, "ps")
    assert "harm" in seen.stdout and "container" not in seen.stdout, seen
    done = ours(gospect, inside, "core", 1, "-o", tmp_path / "a.core")
    assert done.returncode == 0, done
    missing = ours(gospect, inside, "goroutines", target.pid)
    assert missing.returncode == 3 and "there is no process" in missing.stderr
    before.assert_same()


@pytest.mark.releases(harm.NEWEST)
@pytest.mark.parametrize("names", (["pid"], ["mount"]), ids=lambda names: names[0])
def test_a_proc_of_another_namespace_is_refused(gospect, go_build, run_go, release, names):
    """Its numbers name other processes than system calls do: nothing is looked at, least of all those."""
    target = spaces.start(run_go, go_build(release, "default", "harm"), spaces.SPACES["pid and mounts"])
    before = harm.Before(target)
    for args in (["ps"], ["info", 1], ["goroutines", 1], ["goroutines", target.pid],
                 ["core", target.pid, "-o", "/dev/null"], ["doctor", "harm"]):
        done = ours(gospect, spaces.enter(target.pid, *names), *args)
        assert done.returncode == 3 and not done.stdout, (args, done)
        assert "belongs to another pid namespace" in one_line(done.stderr), (args, done.stderr)
        assert "nsenter" in done.stderr
    before.assert_same()


# ---- the debugger ----

@pytest.mark.parametrize("space", spaces.SPACES)
@pytest.mark.releases(harm.OLDEST, harm.NEWEST)
def test_debugger_follows_goroutines_in(go_build, run_go, release, space, tmp_path, gospect):
    """Which thread a goroutine is on the runtime says by the number that it has in there."""
    target = spaces.start(run_go, go_build(release, "default", "called"), spaces.SPACES[space])
    one = drive.Drive("attach", target.pid)
    stop = one.breakpoint(f"main.go:{drive.labels('called')['stop']}")
    told = one("continue")
    assert told["bps"] == [stop] and told["goroutine"] > 0
    assert [f["func"] for f in told["frames"][:2]] == ["main.work", "main.try"]
    assert one(f"remove {stop}")["ok"] and [row[1] for row in one("call add(2, 3)")["results"]] == ["5"]
    assert one("detach")["ok"]
    one.close()
    core = tmp_path / "a.core"
    gospect("core", target.pid, "-o", core, check=0)
    sql = "SELECT count(*) AS n FROM threads WHERE m IS NOT NULL"
    assert gospect("sql", core, sql, "--json", check=0).json["n"] > 1
