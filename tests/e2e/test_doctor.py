"""gospect doctor: tells each fault of a real process, keeps quiet about healthy ones, and what it says can
be done next can be done."""
import re
import shlex
import socket
import subprocess
import threading

import pytest

from lib import schema
from lib.paths import ROOT
from lib.process import wait_until


@pytest.fixture
def target(go_build, run_go):
    return run_go(go_build("1.26", "stripped", "faults"))


def examined(gospect, *args):
    seen = gospect("doctor", *args, "--json", check=(0, 1))
    report = schema.check("doctor", seen.json)
    assert seen.code == (1 if report["problems"] else 0)
    assert not seen.err
    return report


def found(report, key):
    """The finding of that diagnosis; there must be exactly one."""
    findings = [f for f in report["findings"] if f["key"] == key]
    assert len(findings) == 1, report["findings"]
    return findings[0]


def quiet(report):
    assert not [f for f in report["findings"] if f["severity"] != "note"], report["findings"]


# ---- faults, of every release ----

def test_leaking_senders(gospect, go_build, run_go, release):
    target = run_go(go_build(release, "stripped", "faults"))
    target.ask("send 200")
    target.ask("leak 4000 2")  # two every 10 ms
    report = examined(gospect, target.pid)
    finding = found(report, "pileup")
    assert finding["severity"] == "problem" and finding["sure"] == "inferred"
    assert finding["values"]["goroutines"] >= 200 and finding["values"]["growth_per_second"] > 0
    assert finding["values"]["func"] == "main.sender"
    assert re.match(r"chan send at faults/main\.go:\d+, in main\.sender; created at faults/main\.go",
                    finding["evidence"][0])


def test_a_lock_that_stands(gospect, go_build, run_go, release):
    target = run_go(go_build(release, "stripped", "faults"))
    target.ask("lock 150")
    finding = found(examined(gospect, target.pid), "locks")
    assert finding["severity"] == "problem"
    assert finding["values"]["waiters"] == 150 and finding["values"]["stayed"] == 150
    assert finding["values"]["primitive"] == "sync.Mutex"
    assert re.match(r"150 at faults/main\.go:\d+, in main\.locker", finding["evidence"][0])


def test_waits_that_never_end(gospect, go_build, run_go, release):
    target = run_go(go_build(release, "stripped", "faults"))
    target.ask("nil 25")
    finding = found(examined(gospect, target.pid, "--for", "0"), "nilwait")
    assert finding["sure"] == "proved" and finding["values"]["goroutines"] == 25


def test_a_storm(gospect, target):
    target.ask("storm 60000 60")
    report = examined(gospect, target.pid)
    finding = found(report, "storm")
    assert finding["severity"] == "problem" and finding["values"]["growth_per_second"] >= 500
    assert re.match(r"created at faults/main\.go:\d+, in main\.start", finding["evidence"][0])


def test_threads_stuck_in_system_calls(gospect, target):
    target.ask("read 15")
    finding = found(examined(gospect, target.pid), "threads")
    assert "15 threads are stuck in read" in finding["title"]


def test_too_little_processor(gospect, go_build, run_go):
    target = run_go(go_build("1.26", "stripped", "faults"), env={"GOMAXPROCS": "2"})
    target.ask("spin 300")
    finding = found(examined(gospect, target.pid), "runqueue")
    assert "wait for a processor" in finding["title"] and finding["values"]["waiting"] >= 100


def test_floods_of_timers(gospect, target):
    target.ask("timers 30000")
    finding = found(examined(gospect, target.pid), "timers")
    assert finding["values"]["timers"] >= 30000
    assert any("30,000 call time.goFunc" in line for line in finding["evidence"])


def test_a_core_of_a_crash(gospect, go_build, run_go, tmp_path):
    """gdb stops the process where the runtime gives up, and writes the core."""
    target = run_go(go_build("1.26", "default", "faults"), unharmed=False)
    gdb = subprocess.Popen(
        ["gdb", "-nx", "-q", "-batch", "-p", str(target.pid), "-ex", "handle SIGURG nostop noprint",
         "-ex", "break runtime.fatalpanic", "-ex", "echo SET\\n", "-ex", "continue",
         "-ex", f"gcore {tmp_path}/core", "-ex", "kill"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: gdb.stdout.readline().startswith(b"SET"), "gdb does not attach")
        target.popen.stdin.write(b"panic\n")
        target.popen.stdin.flush()
        gdb.communicate(timeout=60)
    finally:
        gdb.kill()
        gdb.wait()
    finding = found(examined(gospect, tmp_path / "core"), "crash")
    assert finding["severity"] == "problem" and finding["sure"] == "proved"
    assert re.match(r"at faults/main\.go:\d+, in main\.main\.", finding["evidence"][0])


# ---- healthy ones ----

@pytest.mark.modes("default", "stripped", "race", "cgo")
def test_a_quiet_process_is_healthy(gospect, go_build, run_go, release, mode):
    report = examined(gospect, run_go(go_build(release, mode, "hello")).pid)
    leaks = [f for f in report["findings"] if f["key"] == "leaks"]  # the one goroutine that it has, on a channel of its own
    assert [f["values"]["goroutines"] for f in leaks] == [1] and leaks[0]["sure"] == "proved"
    quiet({"findings": [f for f in report["findings"] if f["key"] != "leaks"]})
    assert report["heap_left_out"] is None
    assert report["looks"] == 2 and report["goroutines"] >= 2


def test_a_pool_of_workers_is_healthy(gospect, target):
    target.ask("receive 5000")
    target.ask("wait 500")
    quiet(examined(gospect, target.pid))


@pytest.mark.slow
def test_the_example_without_faults_is_healthy(gospect, go_build, run_go):
    orders = run_go(go_build("1.26", "stripped", ROOT / "examples" / "orders"), "-listen",
                    "127.0.0.1:0", "-faults", "none", "-traffic", "300")
    for _ in range(10):
        quiet(examined(gospect, orders.pid))


def test_the_example_with_its_faults_is_not(gospect, go_build, run_go):
    orders = run_go(go_build("1.26", "stripped", ROOT / "examples" / "orders"), "-listen",
                    "127.0.0.1:0", "-faults", "leak,lock", "-lock-after", "100ms")
    def sick():
        report = examined(gospect, orders.pid)
        keys = {f["key"]: f for f in report["findings"]}
        return keys if {"pileup", "locks"} <= keys.keys() else None
    keys = wait_until(sick, "the planted faults were not found")
    assert keys["pileup"]["values"]["func"] == "notify.(*Hub).publish"
    assert keys["locks"]["values"]["primitive"] == "sync.Mutex"


def test_a_server_under_load_is_healthy_and_serves_everyone(gospect, go_build, run_go):
    """Requests go on while doctor looks again and again; each is answered."""
    orders = run_go(go_build("1.26", "stripped", ROOT / "examples" / "orders"), "-listen",
                    "127.0.0.1:0", "-faults", "none", "-traffic", "0")
    host, port = orders.ready["addr"].split(":")
    stop, answers, failures = threading.Event(), [], []

    def ask():
        while not stop.is_set():
            try:
                with socket.create_connection((host, int(port)), timeout=30) as conn:
                    conn.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    answers.append(conn.makefile("rb").readline())
            except OSError as problem:
                failures.append(problem)
    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        for _ in range(3):
            quiet(examined(gospect, orders.pid, "--for", "300ms"))
    finally:
        stop.set()
        for client in clients:
            client.join()
    assert not failures and len(answers) > 50
    assert all(line.startswith(b"HTTP/1.1 ") for line in answers)


# ---- looks ----

def test_since_a_snapshot_of_earlier(gospect, target, tmp_path):
    target.ask("send 150")
    gospect("snapshot", target.pid, "-o", tmp_path / "before.gsnap", check=0)
    target.ask("send 30")
    report = examined(gospect, target.pid, "--since", tmp_path / "before.gsnap")
    finding = found(report, "pileup")
    assert finding["values"]["goroutines"] == 180 and report["looks"] == 2
    gospect("snapshot", target.pid, "-o", tmp_path / "after.gsnap", check=0)
    again = examined(gospect, tmp_path / "after.gsnap", "--since", tmp_path / "before.gsnap")
    assert found(again, "pileup")["values"]["goroutines"] == 180


def test_since_must_be_of_the_same_process(gospect, target, go_build, run_go, tmp_path):
    other = run_go(go_build("1.26", "stripped", "hello"))
    gospect("snapshot", other.pid, "-o", tmp_path / "other.gsnap", check=0)
    seen = gospect("doctor", target.pid, "--since", tmp_path / "other.gsnap", check=2)
    assert "different builds" in " ".join(seen.err.split())
    gospect("snapshot", target.pid, "-o", tmp_path / "a.gsnap", check=0)
    gospect("snapshot", target.pid, "-o", tmp_path / "b.gsnap", check=0)
    seen = gospect("doctor", tmp_path / "a.gsnap", "--since", tmp_path / "b.gsnap", check=2)
    assert "not the earlier one" in " ".join(seen.err.split())


def test_one_look(gospect, target):
    assert examined(gospect, target.pid, "--for", "0")["looks"] == 1
    assert "--for has no meaning here" not in gospect("doctor", target.pid, "--for", "0").err


def test_files_are_one_look(gospect, target, tmp_path):
    target.ask("nil 30")
    gospect("snapshot", target.pid, "-o", tmp_path / "a.gsnap", check=0)
    gospect("core", target.pid, "-o", tmp_path / "a.core", check=0)
    live = found(examined(gospect, target.pid, "--for", "0"), "nilwait")
    for name in ("a.gsnap", "a.core"):
        report = examined(gospect, tmp_path / name)
        assert report["looks"] == 1
        finding = found(report, "nilwait")
        assert (finding["title"], finding["evidence"]) == (live["title"], live["evidence"])
        seen = gospect("doctor", tmp_path / name, "--for", "5s")
        assert "--for has no meaning here" in " ".join(seen.err.split())


def test_without_stopping_anything(gospect, target):
    target.ask("lock 150")
    report = examined(gospect, target.pid, "--consistency", "goroutine")
    assert report["consistency"] == "goroutine" and report["pause_ns"] == 0
    assert found(report, "locks")["values"]["waiters"] == 150
    assert "nothing stood still" in gospect("doctor", target.pid, "--consistency", "goroutine").out


# ---- what it says ----

def test_next_commands_work(gospect, target):
    """Every command that a finding names can be typed, and shows what the finding is about."""
    target.ask("send 120")
    target.ask("lock 120")
    target.ask("nil 20")
    target.ask("leak 4000 2")
    report = examined(gospect, target.pid)
    assert len(report["findings"]) >= 3
    for finding in report["findings"]:
        words = shlex.split(finding["next"])
        assert words[0] == "gospect" and str(target.pid) in words
        if words[1] != "goroutines":
            continue
        seen = gospect(*words[1:], "--json", check=0).json
        count = finding["values"].get("goroutines", finding["values"].get("waiters"))
        assert len(seen["goroutines"]) >= count, finding


def test_verdict_first_cost_last(gospect, target):
    target.ask("lock 120")
    lines = gospect("doctor", target.pid, check=1).out.splitlines()
    assert re.match(rf"faults  pid {target.pid}, go1\.26\.\d+, stripped, up .* 2 problems$", lines[0])
    assert any("nobody will ever release" in line for line in lines)  # its holder has no unlock ahead
    assert lines[1].startswith("PROBLEM")
    assert any(line.startswith("PROBLEM  120 goroutines wait for one sync.Mutex") for line in lines)
    assert any(line.strip().startswith("→ gospect goroutines") for line in lines)
    assert re.match(r"looked at 1\d\d goroutines twice, 1 s apart; the process stood still for .* and ",
                    " ".join(lines[-2:]).split("  ")[-1]) or "looked at" in " ".join(lines[-2:])


def test_nothing_found_says_what_was_looked_for(gospect, target):
    out = gospect("doctor", target.pid, check=0).out
    assert "nothing found" in out.splitlines()[0]
    assert "looked for:" in out


def test_every_diagnosis_is_documented():
    rows = re.findall(r"^DIAG\((\w+), \"(.*)\"\)", (ROOT / "src/diag/diagnoses.def").read_text(), re.M)
    text = (ROOT / "docs" / "diagnoses.md").read_text()
    assert [key for key, _ in rows] == re.findall(r"^## `(\w+)`", text, re.M)
    for key, title in rows:
        assert title in text, key


# ---- the heap, and locks that were left ----

def test_the_heap_is_looked_at_when_it_is_small(gospect, go_build, run_go):
    target = run_go(go_build("1.27", "default", "hello"))
    assert examined(gospect, target.pid, "--for", "0")["heap_left_out"] is None
    without = examined(gospect, target.pid, "--no-heap")
    assert "--no-heap" in without["heap_left_out"] and not [f for f in without["findings"] if f["key"] == "leaks"]
    assert "--no-heap" in gospect("doctor", target.pid, "--no-heap", "--for", "0", check=0).out
    assert "contradict" in gospect("doctor", target.pid, "--no-heap", "--heap", check=2).err


def test_a_large_heap_is_left_out_and_said(gospect, go_build, run_go):
    target = run_go(go_build("1.27", "default", "faults"))
    target.ask("hoard 200")
    report = examined(gospect, target.pid)
    assert "large" in report["heap_left_out"]
    assert examined(gospect, target.pid, "--heap", "--for", "0")["heap_left_out"] is None


@pytest.mark.releases("1.18", "1.27")
def test_locks_that_a_handler_lost(gospect, go_build, run_go, release):
    target = run_go(go_build(release, "default", "weblost"))
    found = [f for f in examined(gospect, target.pid)["findings"] if f["key"] == "deadlock"]
    assert [(f["sure"], f["values"]["waiters"]) for f in found] == [("inferred", 3)] * 2
