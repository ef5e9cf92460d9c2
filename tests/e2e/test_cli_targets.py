"""What TARGET may be, and what is said when it is something else, may not be seen, or ends half-way."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

from lib import procfs
from lib.process import wait_until
from lib.tool import rest_of

NOBODY = 65534
PATIENCE = 60  # seconds until a call counts as hanging


@pytest.fixture
def program(go_build):
    return go_build("1.26", "stripped", "faults")


@pytest.fixture
def target(program, run_go):
    return run_go(program)


def one_line(text):
    return " ".join(text.split())


def refused(gospect, *args, code=3, **options):
    """What gospect says when it refuses: nothing on stdout, one message in the house's form."""
    seen = gospect(*args, check=code, **options)
    assert not seen.out, seen
    assert seen.err.startswith("gospect: "), seen
    assert seen.err.rstrip()[-1] in ".?", seen
    return one_line(seen.err)


# ---- what a target may be ----

def test_pid_in_all_spellings(gospect, target):
    for spelling in (target.pid, f"pid:{target.pid}"):
        assert "lib.Commands" in gospect("goroutines", spelling, "--depth", 0, check=0).out


def test_name_of_the_only_process(gospect, go_build, run_go, tmp_path):
    mine = tmp_path / "a-name-nobody-else-has"
    shutil.copy(go_build("1.26", "stripped", "hello"), mine)
    target = run_go(mine)
    for spelling in (mine.name, f"name:{mine.name}", mine, "./" + mine.name):
        seen = gospect("info", spelling, "--json", check=0, cwd=tmp_path)
        assert seen.json["target"]["pid"] == target.pid


def test_name_of_several_processes_lists_them(gospect, go_build, run_go, tmp_path):
    mine = tmp_path / "twins"
    shutil.copy(go_build("1.26", "stripped", "hello"), mine)
    pids = {run_go(mine).pid, run_go(mine).pid}
    for spelling in (mine.name, mine):
        seen = gospect("doctor", spelling, check=2)
        assert "2 Go processes are called" in seen.said
        assert {int(n) for n in re.findall(r"^ *(\d+)  twins ", seen.err, re.M)} == pids
        assert "by its pid" in seen.said


def test_slip_in_a_name(gospect, go_build, run_go, tmp_path):
    mine = tmp_path / "orderservice"
    shutil.copy(go_build("1.26", "stripped", "hello"), mine)
    run_go(mine)
    assert "Did you mean orderservice?" in refused(gospect, "doctor", "ordersevrice")
    assert "gospect ps lists" in refused(gospect, "doctor", "qqqqqqqqqq")


def test_files(gospect, target, tmp_path):
    snap = tmp_path / "4242"  # a name that looks like a pid
    gospect("snapshot", target.pid, "-o", snap, check=0)
    seen = gospect("goroutines", target.pid, "--json", check=0).json
    for spelling in (snap, f"snap:{snap}", "snap:4242", "./4242"):
        again = gospect("goroutines", spelling, "--json", check=0, cwd=tmp_path).json
        assert [g["id"] for g in again["goroutines"]] == [g["id"] for g in seen["goroutines"]]


# ---- what is not a target ----

def test_no_such_process(gospect):
    gone = subprocess.Popen(["true"])
    gone.wait()
    text = refused(gospect, "goroutines", gone.pid)
    assert f"no process {gone.pid}" in text and "gospect ps" in text
    assert "no process 0" in refused(gospect, "goroutines", "0")
    assert "no process" in refused(gospect, "goroutines", "99999999999999999999")
    assert "not a pid" in refused(gospect, "goroutines", "pid:-1", code=2)


def test_an_empty_word(gospect):
    """What `gospect doctor "$PID"` passes when PID is not set."""
    for word in ("", "name:", "core:", "snap:"):
        assert "TARGET is empty" in refused(gospect, "doctor", word, code=2)
    for args in (("debug", "exec", ""), ("debug", "core", ""), ("sections", ""), ("help", ""), ("completion", "")):
        assert "is empty" in refused(gospect, *args, code=2)
    assert "--paths: WHAT is empty" in refused(gospect, "heap", "1", "--paths", "", code=2)


def test_a_thread_of_the_kernel(gospect):
    kernel = [pid for pid in procfs.pids() if procfs.status(pid).get("Kthread") == "1" or
              (procfs.status(pid).get("PPid") == "2" and not procfs.read(pid, "cmdline"))]
    for pid in kernel[:1]:  # a container may show none
        assert "is a thread of the kernel" in refused(gospect, "goroutines", pid)


@contextlib.contextmanager
def running(*argv, **options):
    process = subprocess.Popen(argv, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_not_a_go_process(gospect):
    with running("sleep", "1000") as other:
        for command in ("goroutines", "doctor", "info", "watch", "snapshot"):
            assert re.search(r"sleep.*not a Go .*gospect ps", refused(gospect, command, other.pid)), command
        assert "not a Go " in refused(gospect, "debug", "attach", other.pid)
    assert "not a Go " in refused(gospect, "debug", "exec", "/bin/sleep")


def test_a_process_that_has_ended_but_is_still_listed(gospect, go_build):
    zombie = subprocess.Popen([go_build("1.26", "stripped", "hello")], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL)
    wait_until(lambda: pathlib.Path(f"/proc/{zombie.pid}/stat").read_text().split(")")[1][1] == "Z",
               "it did not end")
    assert f"has ended (its parent {os.getpid()} has not" in refused(gospect, "goroutines", zombie.pid)
    zombie.wait()


def test_files_that_are_nothing(gospect, tmp_path, program):
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("hello\n" * 1000)
    os.mkfifo(tmp_path / "pipe")
    for name in ("empty", "text", "pipe"):
        assert "neither a core file nor a snapshot" in refused(gospect, "goroutines", tmp_path / name)
    assert "is a directory" in refused(gospect, "goroutines", tmp_path, code=2)
    assert "No such file" in refused(gospect, "goroutines", tmp_path / "nothing")
    assert "No such file" in refused(gospect, "goroutines", "core:nothing")
    mine = tmp_path / "not-running"
    shutil.copy(program, mine)
    assert "is a program, and no process" in refused(gospect, "goroutines", mine)
    assert refused(gospect, "goroutines", f"core:{mine}")
    assert refused(gospect, "goroutines", f"snap:{mine}")


def test_a_pipe_that_nobody_writes_to_is_no_wait(gospect, target, tmp_path):
    snap, pipe = tmp_path / "a.gsnap", tmp_path / "pipe"
    gospect("snapshot", target.pid, "--heap", "-o", snap, check=0)
    os.mkfifo(pipe)
    for args in (("sections", pipe), ("goroutines", f"snap:{pipe}"), ("goroutines", f"core:{pipe}"),
                 ("doctor", target.pid, "--since", pipe), ("mem", "diff", snap, snap, "--profile", pipe),
                 ("mem", "diff", snap, snap, "--earlier", pipe), ("goroutines", snap, "--exe", pipe)):
        seen = gospect(*args, timeout=PATIENCE)
        assert seen.code == 3 or "no meaning here" in seen.said, seen


def test_too_few_open_files(gospect, target):
    """Said as what it is: not as "no Go process", nor as a /proc that is missing."""
    for number in (4, 5, 6, 8, 10):
        for args in (("ps",), ("info", target.pid), ("goroutines", target.pid), ("debug", "attach", target.pid)):
            done = subprocess.run(["prlimit", f"--nofile={number}", gospect.path, *map(str, args)], check=False,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True, env=gospect.environment())
            text = one_line(done.stderr)
            assert done.returncode == 0 or (done.returncode == 3 and "Too many open files" in text and
                                            "ulimit -n" in text), (number, args, done)
            if args == ("ps",) and done.returncode == 0:
                assert str(target.pid) in done.stdout


def test_commands_that_need_a_process(gospect, target, tmp_path):
    snap = tmp_path / "a.gsnap"
    gospect("snapshot", target.pid, "-o", snap, check=0)
    for command in ("watch", "core"):
        assert "needs a running process" in refused(gospect, command, snap, code=2)


# ---- what may not be seen ----

@pytest.fixture
def public_gospect(gospect):
    """gospect where every user can start it."""
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o755)
    path = pathlib.Path(folder) / "gospect"
    shutil.copy(gospect.path, path)
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(folder)


def as_nobody():
    """How to run a command as somebody else, and a process that is not theirs."""
    if os.geteuid() == 0:
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"], None
    return [], 1


def test_another_users_process(public_gospect, gospect, target):
    prefix, pid = as_nobody()
    pid = pid or target.pid
    done = subprocess.run([*prefix, public_gospect, "goroutines", str(pid)], check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=gospect.environment())
    assert done.returncode == 3 and not done.stdout
    text = one_line(done.stderr)
    assert f"process {pid}" in text and "not permitted" in text and "CAP_SYS_PTRACE" in text


def test_ps_counts_what_it_may_not_see(public_gospect, gospect, target):
    prefix, _ = as_nobody()
    done = subprocess.run([*prefix, public_gospect, "ps", "--json"], check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=gospect.environment())
    seen = __import__("json").loads(done.stdout)
    assert seen["denied"] > 0
    if prefix:
        assert target.pid not in [p["pid"] for p in seen["processes"]]


def test_traced_by_another(gospect, target):
    holder = str(pathlib.Path(__file__).parent / "lib" / "holder.py")
    with running(sys.executable, holder, str(target.pid), stdin=subprocess.PIPE,
                 stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"HELD\n"
        text = refused(gospect, "goroutines", target.pid)
        assert f"traced by process {other.pid}" in text
        assert "--consistency goroutine" in text
        seen = gospect("goroutines", target.pid, "--consistency", "goroutine", "--json", check=0)
        assert seen.json["goroutines"]
        assert gospect("info", target.pid, "--json", check=0).json  # stops nothing, needs no tracing


# ---- cores and snapshots that are not right ----

@pytest.fixture
def core(gospect, target, tmp_path):
    path = tmp_path / "core.test"
    gospect("core", target.pid, "-o", path, check=0)
    return path


def test_truncated_core(gospect, core):
    whole = core.stat().st_size
    os.truncate(core, whole - 4096)  # little is missing: all can be shown, and may be wrong
    for args in (("info", core), ("debug", "core", core)):
        seen = gospect(*args)
        assert "truncated" in seen.out + seen.err, seen
    os.truncate(core, whole // 3)
    seen = gospect("goroutines", core, check=(0, 3))
    assert "truncated" in seen.out + seen.err
    debugged = gospect("debug", "core", core, check=(0, 3))
    assert "truncated" in debugged.out + debugged.err
    os.truncate(core, 100)
    assert re.search("truncated|corrupt|malformed", refused(gospect, "goroutines", core))


def test_core_without_its_program(gospect, go_build, run_go, tmp_path):
    mine = tmp_path / "moved-away"
    shutil.copy(go_build("1.26", "stripped", "hello"), mine)
    target, core = run_go(mine), tmp_path / "core.moved"
    gospect("core", target.pid, "-o", core, check=0)
    target.close()
    elsewhere = tmp_path / "kept" / "moved-away"
    elsewhere.parent.mkdir()
    mine.rename(elsewhere)
    seen = gospect("goroutines", core, check=(0, 3))
    if seen.code:  # our cores hold the program's own pages; then it is not needed
        assert "--exe" in one_line(seen.err)
    assert "main.wait" in gospect("goroutines", core, "--exe", elsewhere, check=0).out
    wrong = go_build("1.26", "stripped", "faults")
    assert re.search("not the program|build id", refused(gospect, "goroutines", core, "--exe", wrong))


def test_core_of_another_program(gospect, tmp_path):
    with running("sleep", "1000") as other:
        subprocess.run(["gcore", "-o", tmp_path / "core", str(other.pid)], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        path = tmp_path / f"core.{other.pid}"
    assert re.search(r"not a Go ", refused(gospect, "goroutines", path))


def test_damaged_snapshots(gospect, target, tmp_path):
    good = tmp_path / "good.gsnap"
    gospect("snapshot", target.pid, "-o", good, check=0)
    data, bad = good.read_bytes(), tmp_path / "bad.gsnap"
    for cut in (10, len(data) // 2, len(data) - 1):
        bad.write_bytes(data[:cut])
        assert re.search("truncated|damaged|corrupt|neither", refused(gospect, "goroutines", bad))
    for at in range(40, len(data), max(1, len(data) // 40)):
        bad.write_bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1:])
        assert re.search("damaged|corrupt|checksum|newer|truncated|version",
                         refused(gospect, "goroutines", bad)), at


# ---- releases that are not known ----

def of_another_release(program, path, release):
    """The program with another Go version written into it, of the same length."""
    data = program.read_bytes()
    own = re.search(rb"go1\.27(\.\d+)", data)
    other = f"go1.{release}".encode() + own.group(1)
    path.write_bytes(data.replace(own.group(0), other))
    path.chmod(0o755)
    return path


def test_a_release_from_the_future_is_tried_and_said(gospect, go_build, run_go, tmp_path):
    known = go_build("1.27", "stripped", "hello")
    target = run_go(of_another_release(known, tmp_path / "future", 99))
    for command in ("goroutines", "doctor", "info", "snapshot"):
        seen = gospect(command, target.pid, check=0, cwd=tmp_path)
        assert "go1.99" in seen.err and "does not know" in one_line(seen.err), command
    assert "main.wait" in gospect("goroutines", target.pid, check=0).out


def test_a_release_from_the_past_is_refused(gospect, go_build, run_go, tmp_path):
    known = go_build("1.27", "stripped", "hello")
    target = run_go(of_another_release(known, tmp_path / "past", 17))
    text = refused(gospect, "goroutines", target.pid)
    assert "go1.17" in text and "1.18 and later" in text


def test_what_go_linked_before_1_18_is_refused(gospect, go_build, run_go, tmp_path):
    """Its build information says where the text is, not the text (debug/buildinfo)."""
    data = bytearray(go_build("1.27", "stripped", "hello").read_bytes())
    at = data.index(b"\xff Go buildinf:")
    data[at + 15] &= ~2
    program = tmp_path / "older"
    program.write_bytes(data)
    program.chmod(0o755)
    target = run_go(program)
    for args in (("goroutines", target.pid), ("info", target.pid)):
        text = refused(gospect, *args)
        assert "before 1.18" in text and "Go 1.18 or later" in text


# ---- ends half-way ----

def test_killed_between_the_looks(gospect_start, program, run_go):
    target = run_go(program, unharmed=False)
    run = gospect_start("doctor", target.pid, "--for", "1h", "--json")
    wait_until(lambda: in_nanosleep(run.pid), "the first look took too long")
    target.signal(signal.SIGKILL)
    target.popen.wait()
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    assert run.returncode == -signal.SIGINT and b"has ended" in err, (out, err)


def in_nanosleep(pid):
    """Between the looks: clock_nanosleep (system call 230 on x86-64) until a time of the monotonic clock.  Within a look there
    are naps, which are for some time: until a thread sleeps, for one."""
    return pathlib.Path(f"/proc/{pid}/syscall").read_text().startswith("230 0x1 0x1 ")


def test_ended_before_the_second_look(gospect_start, program, run_go):
    target = run_go(program, unharmed=False)
    run = gospect_start("doctor", target.pid, "--for", "3s", "--json")
    wait_until(lambda: in_nanosleep(run.pid), "the first look took too long")
    target.signal(signal.SIGKILL)
    target.popen.wait()
    out, _ = run.communicate(timeout=60)
    assert run.returncode == 0 and __import__("json").loads(out)["ended"] is True


def test_watch_ends_with_the_process(gospect_start, program, run_go):
    target = run_go(program, unharmed=False)
    run = gospect_start("watch", target.pid, "--json", "--every", "200ms")
    run.stdout.readline()
    target.signal(signal.SIGKILL)
    out, err = rest_of(run)
    assert run.returncode == 0 and not err
    assert b'"event":"ended"' in out.splitlines()[-1]
