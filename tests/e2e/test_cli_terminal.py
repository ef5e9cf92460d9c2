"""What a terminal changes: colours, width, pager, progress, Ctrl-C.  And what a pipe changes."""
import os
import re
import signal
import subprocess

import pytest

from lib.process import wait_until


@pytest.fixture
def target(go_build, run_go):
    return run_go(go_build("1.26", "default", "faults"))


def colours(terminal, *args, **options):
    shown = terminal(*args, **options)
    shown.end()
    return "\x1b[" in shown.text()


def test_colours_only_where_wanted(terminal, gospect):
    assert colours(terminal, "help", "ps", "--no-pager")
    assert not colours(terminal, "help", "ps", "--no-pager", env={"NO_COLOR": "1"})
    assert not colours(terminal, "help", "ps", "--no-pager", env={"TERM": "dumb"})
    assert not colours(terminal, "help", "ps", "--no-pager", "--no-color")
    assert not colours(terminal, "help", "ps", "--no-pager", "--color=never")
    assert colours(terminal, "help", "ps", "--no-pager", "--color=always", env={"NO_COLOR": "1"})
    assert "\x1b[" not in gospect("help", "ps", env={"NO_COLOR": "", "TERM": "xterm"}).out
    assert "\x1b[" in gospect("help", "ps", "--color=always").out


def test_text_fits_the_terminal(terminal):
    for columns in (40, 70, 120):
        shown = terminal("help", "goroutines", "--no-pager", columns=columns)
        shown.end()
        assert max(len(line) for line in shown.screen().lines) <= max(columns, 90)
    shown = terminal("doctor", "no-such-process-at-all", columns=40)
    assert shown.end() == 3
    assert max(len(line) for line in shown.screen().lines) <= 40


def test_width_is_taken_from_the_environment_or_an_option(gospect):
    def widest(*args, env=None):
        return max(len(line) for line in gospect(*args, env=env).err.splitlines())
    long_name = "x" * 10 + " " + "y " * 60
    assert widest("doctor", long_name, "--width", "50") <= 50
    assert widest("doctor", long_name) <= 100
    assert widest("doctor", long_name, "--width", "300") > 100


def test_long_text_goes_through_the_pager(terminal, tmp_path):
    kept = tmp_path / "paged"
    shown = terminal("help", "goroutines", rows=10, env={"PAGER": f"cat > {kept}"})
    assert shown.end() == 0
    assert "Exit status" in kept.read_text()
    assert "\x1b[" in kept.read_text()  # less -R shows them
    assert "Exit status" not in shown.text()


def test_short_text_and_pipes_need_no_pager(terminal, gospect, tmp_path):
    kept = tmp_path / "paged"
    shown = terminal("version", rows=10, env={"PAGER": f"touch {kept}"})
    shown.end()
    gospect("help", "goroutines", env={"PAGER": f"touch {kept}"})
    terminal("help", "goroutines", "--no-pager", rows=10, env={"PAGER": f"touch {kept}"}).end()
    terminal("help", "goroutines", rows=10, env={"GOSPECT_PAGER": "", "PAGER": f"touch {kept}"}).end()
    assert not kept.exists()


def test_leaving_the_pager_early_is_no_error(terminal):
    shown = terminal("help", "goroutines", rows=10, env={"PAGER": "head -n 1"})
    assert shown.end() == 0
    assert "cannot write" not in shown.text()


def test_a_pager_that_does_not_exist_is_said(terminal):
    shown = terminal("help", "goroutines", rows=10, env={"PAGER": "no-such-pager"})
    shown.end()
    assert "no-such-pager" in shown.text()


def test_less_ends_by_its_key(terminal):
    shown = terminal("help", "goroutines", rows=10, env={"PAGER": "less"})
    shown.wait("Name")
    shown.press("q")
    assert shown.end() == 0


def test_a_closed_pipe_is_quiet(gospect):
    first = subprocess.run(f"{gospect.path} help goroutines | head -n 1", shell=True, check=False,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert first.stdout == b"Name\n" and not first.stderr


def test_a_full_disk_is_an_error(gospect):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([gospect.path, "help"], stdout=full, stderr=subprocess.PIPE,
                              check=False, env=gospect.environment())
    assert done.returncode == 3
    assert b"cannot write standard output: No space left" in done.stderr


def test_ctrl_c_leaves_the_process_healthy_and_says_so(terminal, target, assert_unharmed):
    shown = terminal("doctor", target.pid, "--for", "1h")
    shown.wait("watching")  # progress, after half a second
    shown.press("\x03")
    assert shown.end() == -signal.SIGINT
    assert f"rocess {target.pid} runs on" in " ".join(shown.text().split())
    assert_unharmed(target)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_it_by_that_signal(gospect_start, target, assert_unharmed, number):
    run = gospect_start("doctor", target.pid, "--for", "1h")
    wait_until(lambda: handles(run.pid, number), "it never got ready for signals")
    run.send_signal(number)
    out, err = run.communicate(timeout=60)
    assert run.returncode == -number and not out
    assert b"runs on" in err
    assert_unharmed(target)


def handles(pid, number):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        caught = re.search(r"SigCgt:\s*(\w+)", status.read()).group(1)
    return int(caught, 16) >> (number - 1) & 1


def test_progress_is_for_terminals_only(gospect, target, terminal):
    assert not gospect("doctor", target.pid, "--for", "1s", check=0).err
    quiet = terminal("doctor", target.pid, "--for", "1s", "--quiet")
    quiet.end()
    assert "watching" not in quiet.text()
    shown = terminal("doctor", target.pid, "--for", "2s")
    shown.end()
    assert "watching" in shown.text()
    assert not [line for line in shown.screen().lines if "watching" in line]  # wiped at the end


def test_ignored_signals_stay_ignored(gospect, target):
    """nohup gospect watch: a closed terminal does not end it."""
    run = subprocess.Popen(["nohup", str(gospect.path), "watch", str(target.pid), "--for", "1h"],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                           stdin=subprocess.DEVNULL, env=gospect.environment())
    try:
        run.stdout.readline()
        os.kill(run.pid, signal.SIGHUP)
        assert run.stdout.readline()
        assert run.poll() is None
    finally:
        run.kill()
        run.communicate()


@pytest.mark.parametrize("args", [("nonsense",), ("goroutines", "--nonsense"), ("goroutines",),
                                  ("goroutines", "1", "--depth", "x")])
def test_json_errors_are_json(gospect, args):
    seen = gospect(*args, "--json", check=2)
    assert not seen.out
    error = __import__("json").loads(seen.err)["error"]
    assert error["code"] == "usage" and error["message"]
