"""gospect watch: figures that follow the process, and a catcher that misses no storm and invents none."""
import json
import re
import signal
import subprocess
import time

import pytest

from lib import schema
from lib.process import wait_until
from lib.terminal import Terminal
from lib.tool import rest_of


@pytest.fixture
def target(go_build, run_go):
    return run_go(go_build("1.26", "stripped", "faults"))


class Watch:
    """A running `gospect watch --json`: its lines as they come."""

    def __init__(self, start, *args):
        self.run = start("watch", *args, "--json")
        self.seen = []

    def next(self, event=None):
        """The next line, of that event."""
        while True:
            line = self.run.stdout.readline()
            assert line, f"it ended: {self.run.stderr.read()} {self.seen[-3:]}"
            self.seen.append(schema.check("watch", json.loads(line)))
            if event in (None, self.seen[-1]["event"]):
                return self.seen[-1]

    def until(self, condition):
        while not condition(self.next()):
            pass
        return self.seen[-1]

    def end(self, number=signal.SIGINT):
        self.run.send_signal(number)
        out, err = rest_of(self.run)
        self.seen += [schema.check("watch", json.loads(line)) for line in out.splitlines()]
        assert not err, err
        return self.run.returncode


@pytest.fixture
def watch(gospect_start):
    return lambda *args: Watch(gospect_start, *args)


def test_numbers_follow_the_process(watch, target, release, go_build, run_go):
    target = run_go(go_build(release, "stripped", "faults"))
    view = watch(target.pid, "--every", "200ms")
    first = view.next("sample")
    assert first["goroutines"] == int(target.ask("count"))
    now = int(target.ask("receive 300"))
    view.until(lambda e: e["goroutines"] == now)
    seen = view.until(lambda e: "by_state" in e)
    assert sum(seen["by_state"].values()) >= now and seen["by_state"]["waiting"] >= 300
    target.ask("gc")
    view.until(lambda e: e["gc_cycles"] > first["gc_cycles"])
    assert view.end() == 0


def test_busy_processors_show(watch, go_build, run_go):
    target = run_go(go_build("1.26", "stripped", "faults"), env={"GOMAXPROCS": "2"})
    target.ask("spin 20")
    view = watch(target.pid, "--every", "200ms")
    seen = view.until(lambda e: e["runq_local"] + e["runq_global"] > 0)
    assert seen["idle_procs"] == 0
    view.until(lambda e: e.get("by_state", {}).get("runnable", 0) >= 10)
    view.end()


def test_threshold_is_one_event_with_a_snapshot(watch, gospect, target, tmp_path):
    pattern = tmp_path / "storm.gsnap"
    pattern.write_text("precious")  # is not replaced
    view = watch(target.pid, "--threshold", "1000", "--growth", "0", "--on-storm", pattern)
    view.next("sample")
    target.ask("receive 1500")
    event = view.next("storm")
    assert event["goroutines"] >= 1000 and event["threshold"] == 1000
    assert event["snapshot"] == str(tmp_path / "storm-2.gsnap")
    assert pattern.read_text() == "precious"
    saved = gospect("goroutines", event["snapshot"], "--json", check=0).json
    assert sum(g["stack"][-2]["func"] == "main.receiver" or
               any(f["func"] == "main.receiver" for f in g["stack"])
               for g in saved["goroutines"]) == 1500
    target.ask("release")
    over = view.next("storm_over")
    assert over["peak"] >= 1500 and over["lasted_ns"] > 0
    assert view.end() == 1  # there was a storm
    assert [e["event"] for e in view.seen].count("storm") == 1


def test_growth_is_an_event_before_the_threshold(watch, target):
    view = watch(target.pid, "--threshold", "100000", "--growth", "100", "--once")
    view.next("sample")
    target.ask("storm 60000 60")  # 6,000 a second, on a machine that is full a fraction of that
    event = view.next("storm")
    assert event["goroutines"] < 100000 and event["growth_per_second"] >= 100
    view.run.communicate(timeout=60)
    assert view.run.returncode == 1  # --once: the first storm ends it


def test_a_pool_that_starts_is_no_storm(watch, target):
    view = watch(target.pid, "--threshold", "100000", "--growth", "500", "--for", "4s",
                 "--every", "200ms")
    view.next("sample")
    target.ask("receive 1000")
    view.run.wait(timeout=60)
    assert view.run.returncode == 0
    assert b"storm\"" not in re.sub(rb'"storm":false', b"", view.run.stdout.read())


def test_number_and_time_in_the_name(watch, target, tmp_path):
    view = watch(target.pid, "--threshold", "500", "--growth", "0", "--on-storm",
                 tmp_path / "%t-%n-100%%.gsnap")
    view.next("sample")
    for number in (1, 2):
        target.ask("receive 600")
        name = view.next("storm")["snapshot"]
        assert re.search(rf"/\d{{8}}T\d{{6}}-{number if number == 1 else '[12]'}-100%\.gsnap$", name)
        target.ask("release")
        view.next("storm_over")
    assert len(list(tmp_path.iterdir())) == 2
    view.end()


def test_a_snapshot_that_fails_is_said_and_watching_goes_on(watch, target, tmp_path):
    folder = tmp_path / "goes-away"
    folder.mkdir()
    view = watch(target.pid, "--threshold", "500", "--growth", "0", "--on-storm", folder / "a.gsnap")
    view.next("sample")
    folder.rmdir()
    target.ask("receive 600")
    assert "No such file" in view.next("storm")["snapshot_error"]
    view.next("sample")
    assert view.end() == 1


def test_for_ends_it(gospect, target):
    began = time.monotonic()
    seen = gospect("watch", target.pid, "--json", "--for", "700ms", "--every", "200ms", check=0)
    assert time.monotonic() - began >= 0.7
    assert 1 <= len(seen.json_lines) <= 5  # looks that come late are fewer, never more
    for line in seen.json_lines:
        schema.check("watch", line)
    once = gospect("watch", target.pid, "--json", "--for", "1ms", check=0)
    assert len(once.json_lines) == 1  # however late the first look comes


def test_ends_with_the_process_even_in_a_storm(watch, go_build, run_go):
    target = run_go(go_build("1.26", "stripped", "faults"), unharmed=False)
    view = watch(target.pid, "--threshold", "500")
    view.next("sample")
    target.ask("receive 600")
    view.next("storm")
    target.signal(signal.SIGKILL)
    view.next("ended")
    view.run.communicate(timeout=60)
    assert view.run.returncode == 1


def test_another_program_in_its_place_ends_it(watch, go_build, run_go):
    """exec: the pid lives on, but it is not the process any more."""
    target = run_go(go_build("1.26", "stripped", "faults"), unharmed=False)
    view = watch(target.pid)
    view.next("sample")
    target.popen.stdin.write(b"exec\n")
    target.popen.stdin.flush()
    view.next("ended")
    view.run.communicate(timeout=60)
    assert view.run.returncode == 0 and target.alive()


# ---- what people see ----

def test_lines_for_people(gospect, target):
    seen = gospect("watch", target.pid, "--for", "500ms", "--every", "200ms", check=0)
    assert re.match(r"\d\d:\d\d:\d\d\.\d{3}  \d+ goroutines? [+-]", seen.out)


def test_picture_is_redrawn_in_place(gospect, target):
    shown = Terminal([gospect.path, "watch", target.pid, "--every", "100ms", "--threshold", "500",
                      "--growth", "0"], rows=30, columns=90)
    try:
        shown.wait("goroutines")
        target.ask("receive 700")
        shown.wait("STORM")
        shown.wait(r"storm.*now")
        target.ask("release")
        shown.wait("storm over")
        count = shown.raw.count(b"run queues")
        wait_until(lambda: shown.read(0.2) and shown.raw.count(b"run queues") >= count + 3, "redraw")
        shown.press("\x03")
        assert shown.end() == 1
    finally:
        shown.close()
    screen = shown.screen()
    assert not screen.unknown and not screen.too_wide
    text = "\n".join(screen.lines)
    assert text.count("run queues") == 1 and text.count("STORM") == 1
    assert text.index("STORM") < text.index("storm over") < text.index("run queues")


def test_picture_fits_a_small_terminal(gospect, target):
    shown = Terminal([gospect.path, "watch", target.pid, "--every", "100ms"], rows=10, columns=40)
    try:
        wait_until(lambda: shown.read(0.2) and shown.raw.count(b"run queues") >= 3, "redraw")
        shown.press("\x03")
        assert shown.end() == 0
    finally:
        shown.close()
    assert not shown.screen().too_wide


def test_watching_stops_nobody(gospect, target):
    """Seen from the process: no thread was ever stopped or traced (strace on us sees no ptrace)."""
    done = subprocess.run(["strace", "-f", "-qq", "-e", "trace=ptrace", gospect.path, "watch",
                           str(target.pid), "--for", "1s"], check=False, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE,
                          env={**gospect.environment(), "ASAN_OPTIONS": "detect_leaks=0"})
    assert b"ptrace(" not in done.stderr
