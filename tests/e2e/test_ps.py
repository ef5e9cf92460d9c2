"""gospect ps: every Go process, with figures that the processes themselves confirm."""
import os
import pwd
import re
import shutil
import subprocess
import time

import pytest

from lib import procfs, schema
from lib.process import wait_until


COLUMNS = ["PID", "USER", "GO", "NAME", "GOROUTINES", "THREADS", "LIVE", "RSS", "UP", "MARKS", "MODULE"]


def listed(gospect, *args):
    seen = schema.check("ps", gospect("ps", "--json", *args, check=0).json)
    return {p["pid"]: p for p in seen["processes"]}


def test_every_release_is_listed_with_its_own_numbers(gospect, go_build, run_go, release):
    target = run_go(go_build(release, "default", "faults"))
    count = int(target.ask("receive 123"))
    threads = len(procfs.threads(target.pid))
    row = listed(gospect)[target.pid]
    assert row["go_version"] == target.ready["go"]
    assert row["goroutines"] == count
    assert row["name"] == "faults" and row["main_path"] == "targets/faults"
    assert row["user"] == pwd.getpwuid(os.getuid()).pw_name
    assert threads <= row["threads"] <= len(procfs.threads(target.pid))  # the runtime ends none of them
    assert row["heap_live_bytes"] > 0 and row["rss_bytes"] > 0


@pytest.mark.releases("1.26")
@pytest.mark.modes("default", "stripped", "pie-stripped", "cgo", "nosections", "race")
def test_marks_say_how_it_was_built(gospect, go_build, run_go, release, mode):
    target = run_go(go_build(release, mode, "hello"))
    marks = set(listed(gospect)[target.pid]["marks"])
    expected = {"default": set(), "stripped": {"stripped"}, "pie-stripped": {"pie", "stripped"},
                "cgo": {"cgo"}, "nosections": {"stripped"}, "race": {"race", "cgo"}}[mode]
    assert marks - {"container"} == expected


def test_a_replaced_program_is_marked(gospect, go_build, run_go, tmp_path):
    mine = tmp_path / "replaced"
    shutil.copy(go_build("1.26", "stripped", "hello"), mine)
    target = run_go(mine)
    mine.unlink()
    row = listed(gospect)[target.pid]
    assert "deleted" in row["marks"] and row["name"] == "replaced"
    assert row["goroutines"] >= 2


def copies(go_build, tmp_path, prefix, count):
    """Programs of one content with names of their own, so that a filter finds these alone."""
    for number in range(count):
        mine = tmp_path / f"{prefix}-{number}"
        shutil.copy(go_build("1.26", "stripped", "faults"), mine)
        yield mine


def tick_is_over(pid):
    """What is started from now on has a later start time than this process has."""
    per_second = os.sysconf("SC_CLK_TCK")
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * per_second) > procfs.start_ticks(pid)


def test_sort_filter_and_limit(gospect, go_build, run_go, tmp_path):
    pids = []
    for mine, size in zip(copies(go_build, tmp_path, "sorted", 3), (50, 500, 5)):
        target = run_go(mine)
        target.ask(f"receive {size}")
        pids.append(target.pid)
        wait_until(lambda pid=target.pid: tick_is_over(pid), "the clock stands still")
    def order(*args):
        seen = gospect("ps", "--json", "--filter", "^sorted-[0-9]$", *args, check=0).json
        return [p["pid"] for p in seen["processes"]], seen["left_out"]
    assert order() == ([pids[1], pids[0], pids[2]], 0)
    assert order("--sort", "pid") == (sorted(pids), 0)
    assert order("--sort", "name") == (pids, 0)
    assert order("--sort", "uptime") == (pids, 0)  # the oldest first
    assert order("--limit", "1") == ([pids[1]], 2)
    text = gospect("ps", "--filter", "^sorted-[0-9]$", "--limit", "1", check=0).out
    assert "2 more: --limit 0 shows all" in text


def test_equals_are_listed_by_pid(gospect, go_build, run_go, tmp_path):
    """Processes started in one tick are equally old; all of them have one user."""
    targets = [run_go(mine, ready=None) for mine in copies(go_build, tmp_path, "equal", 12)]
    for target in targets:
        target.wait_ready()
    for column, key in (("uptime", procfs.start_ticks), ("user", lambda pid: 0)):
        seen = gospect("ps", "--json", "--filter", "^equal-", "--sort", column, check=0).json
        assert [p["pid"] for p in seen["processes"]] == sorted(
            (t.pid for t in targets), key=lambda pid, key=key: (key(pid), pid)), column


def test_bad_regular_expression(gospect):
    assert "--filter" in gospect("ps", "--filter", "(", check=2).err


def test_regular_expressions_are_those_of_go(gospect, go_build, run_go):
    target = run_go(go_build("1.26", "stripped", "hello"))
    assert target.pid in listed(gospect, "--filter", r"(?i)\bHELLO\b")
    assert target.pid not in listed(gospect, "--filter", r"^\d+$")


def test_nothing_to_list(gospect):
    assert "no Go process matches" in gospect("ps", "--filter", "^no such name$", check=0).out


def test_other_programs_are_not_listed(gospect):
    with subprocess.Popen(["sleep", "1000"]) as other:
        try:
            assert other.pid not in listed(gospect)
        finally:
            other.kill()


def test_processes_that_come_and_go_meanwhile(gospect, go_build):
    """Short-lived processes may be there or not, but never make ps fail."""
    program = go_build("1.26", "stripped", "hello")
    loop = subprocess.Popen(f"while :; do {program} < /dev/null > /dev/null; done", shell=True,
                            start_new_session=True)
    try:
        for _ in range(30):
            schema.check("ps", gospect("ps", "--json", check=0).json)
    finally:
        os.killpg(loop.pid, 9)
        loop.wait()


def test_nothing_is_stopped(gospect, go_build, run_go):
    """strace sees what ps does: it traces nobody and signals nobody."""
    run_go(go_build("1.26", "default", "hello"))
    done = subprocess.run(["strace", "-f", "-qq", "-e", "trace=ptrace,kill,tgkill", gospect.path,
                           "ps"], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          env={**gospect.environment(), "ASAN_OPTIONS": "detect_leaks=0"})
    calls = [line for line in done.stderr.decode().splitlines() if "(" in line]
    assert not [line for line in calls if "ptrace" in line or "SIG" in line and ", 0)" not in line]


def test_table_for_people(gospect, go_build, run_go):
    target = run_go(go_build("1.26", "stripped", "hello"))
    lines = gospect("ps", check=0).out.splitlines()
    assert lines[0].split() == COLUMNS  # a pipe has room for all of them
    row = next(line for line in lines if line.split()[0] == str(target.pid))
    assert "hello" in row and "stripped" in row and row.endswith("  targets")
    for width in (60, 80, 120):
        out = gospect("ps", "--width", width, "--filter", "^hello$", check=0).out
        assert max(map(len, out.splitlines())) <= width
        shown = set(out.splitlines()[0].split())
        left_out = set(re.findall(r"[A-Z]{2,}", "".join(re.findall(r"(?s)no room for (.*):", out))))
        assert shown | left_out == set(COLUMNS) and not shown & left_out, width
