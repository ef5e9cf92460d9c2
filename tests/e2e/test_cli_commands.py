"""Every command on real processes: its options, its JSON, its files, and the same answer from a process,
a core and a snapshot."""
import gzip
import json
import os
import re
import shutil
import signal
import stat
import subprocess

import pytest

from lib import procfs, schema
from lib.gobuild import go_env
from lib.process import wait_until
from lib.releases import goroot


@pytest.fixture
def target(go_build, run_go):
    return run_go(go_build("1.26", "stripped", "faults"))


def test_messages_with_json_are_json(gospect, target, tmp_path):
    for args in (("goroutines", "1234567"), ("goroutines", target.pid, "--filter", "func~("),
                 ("doctor", target.pid, "--since", tmp_path / "none"), ("sections", target.pid, "x")):
        seen = gospect(*args, "--json", check=(2, 3))
        assert not seen.out
        for line in seen.err.splitlines():
            schema.check("message", json.loads(line))
    logged = gospect("info", target.pid, "--json", "-vv", check=0)
    for line in logged.err.splitlines():
        schema.check("message", json.loads(line))


# ---- goroutines ----

def ids(seen):
    return sorted(g["id"] for g in seen.json["goroutines"])


def test_filters_choose(gospect, target):
    target.ask("send 20")
    target.ask("receive 30")
    target.ask("nil 5")
    def count(*filters):
        words = [word for f in filters for word in ("--filter", f)]
        return len(gospect("goroutines", target.pid, "--json", *words, check=0).json["goroutines"])
    assert count("func=main.sender") == 20
    assert count("func=main.receiver || func=main.nilReceiver") == 35
    assert count("state=waiting", 'reason="chan receive"', "func=main.receiver") == 30
    assert count("func=main.sender", "func=main.receiver") == 0
    assert count("creator=main.start") == 55


def test_a_filter_that_makes_no_sense_shows_the_place(gospect):
    seen = gospect("goroutines", "1", "--filter", "func=a && colour=red", check=2)
    lines = seen.err.splitlines()
    caret = next(n for n, line in enumerate(lines) if line.strip() == "^" or set(line.strip()) == {"^"})
    assert lines[caret - 1].strip() == "func=a && colour=red"
    assert lines[caret - 1][lines[caret].index("^"):].startswith("colour")


def test_groups_by_every_key(gospect, target):
    target.ask("send 20")
    target.ask("receive 30")
    for key in ("stack", "state", "wait", "creator", "func", "label"):
        out = gospect("goroutines", target.pid, "--group-by", key, check=0).out
        assert re.match(r"51 goroutines", out), key
        groups = gospect("goroutines", target.pid, "--group-by", key, "--json", check=0).json
        assert sum(g["count"] for g in groups["groups"]) == 51, key
    by_wait = gospect("goroutines", target.pid, "--group-by", "wait", "--json").json["groups"]
    assert {g["name"]: g["count"] for g in by_wait}["chan receive"] == 30


def test_sort_limit_depth_and_system(gospect, target):
    target.ask("send 3")
    target.ask("receive 7")
    def listed(*args):
        return gospect("goroutines", target.pid, "--json", *args, check=0).json["goroutines"]
    assert [g["id"] for g in listed("--sort", "id")] == sorted(g["id"] for g in listed())
    assert len(listed("--limit", "2")) == 2
    assert max(len(g["stack"]) for g in listed("--depth", "2")) <= 2
    assert len(listed("--system")) > len(listed())
    out = gospect("goroutines", target.pid, "--limit", "1", check=0).out
    assert re.search(r"more stacks? \(\d+ goroutines?\): --limit 0 shows all", out)
    assert "--system shows them" in out


def test_full_shows_each_with_paths_and_addresses(gospect, target):
    target.ask("send 3")
    out = gospect("goroutines", target.pid, "--full", "--filter", "func=sender", check=0).out
    assert out.count("main.sender") >= 3
    assert re.search(r"/tests/targets/faults/main\.go:\d+", out)


def test_pprof_is_read_by_go(gospect, go_build, target, tmp_path):
    target.ask("send 12")
    path = tmp_path / "goroutines.pb.gz"
    seen = gospect("goroutines", target.pid, "--pprof", path, check=0)
    assert not seen.out and "go tool pprof" in " ".join(seen.err.split())
    top = subprocess.run([f"{goroot('1.26')}/bin/go", "tool", "pprof", "-top", path], check=True,
                         text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         env=go_env("1.26")).stdout
    assert re.search(r"^\s+0\s.*\s12\s.*main\.sender", top, re.M)
    piped = subprocess.run([gospect.path, "goroutines", str(target.pid), "--pprof", "-"], check=True,
                           stdout=subprocess.PIPE, env=gospect.environment()).stdout
    assert gzip.decompress(piped)


# ---- the same answer from everywhere ----

def comparable(seen):
    """The goroutines of a report without what passes with time."""
    kept = {}
    for g in seen.json["goroutines"]:
        kept[g["id"]] = {k: v for k, v in g.items() if k not in ("wait_ns", "thread")}
    return kept


@pytest.mark.sanitized
def test_same_from_process_snapshot_and_cores(gospect, go_build, run_go, release, tmp_path):
    target = run_go(go_build(release, "stripped", "faults"), unharmed=False)
    for command in ("send 20", "receive 30", "nil 5", "lock 10", "wait 3"):
        target.ask(command)
    target.signal(signal.SIGSTOP)  # frozen: nothing changes between the looks
    wait_until(lambda: all(procfs.state(target.pid, tid) == "T" for tid in procfs.threads(target.pid)), "stop")
    args = ("--json", "--system")
    live = comparable(gospect("goroutines", target.pid, *args, check=0))
    assert len(live) >= 69
    direct = comparable(gospect("goroutines", target.pid, "--consistency", "goroutine", *args, check=0))
    gospect("snapshot", target.pid, "-o", tmp_path / "a.gsnap", check=0)
    gospect("core", target.pid, "-o", tmp_path / "a.core", check=0)
    gospect("snapshot", tmp_path / "a.core", "-o", tmp_path / "b.gsnap", check=0)
    assert direct == live
    names = ["a.gsnap", "a.core", "b.gsnap"]
    if release == "1.26":  # gdb's cores lack what is in files; it takes its time
        subprocess.run(["gcore", "-o", tmp_path / "b.core", str(target.pid)], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        names.append(f"b.core.{target.pid}")
    for name in names:
        assert comparable(gospect("goroutines", tmp_path / name, *args, check=0)) == live, name
    target.signal(signal.SIGCONT)


# ---- snapshot and core ----

def test_snapshot_says_what_it_saved(gospect, target, tmp_path):
    target.ask("send 20")
    path = tmp_path / "a.gsnap"
    seen = schema.check("written", gospect("snapshot", target.pid, "-o", path, "--json", check=0).json)
    assert seen["file"] == str(path) and seen["bytes"] == path.stat().st_size
    assert seen["goroutines"] >= 21 and seen["pause_ns"] > 0
    text = gospect("snapshot", target.pid, "-o", tmp_path / "b.gsnap", check=0).out
    assert re.match(r".*b\.gsnap: \d+ goroutines of faults \(pid \d+\), .* kB\n", text)
    still = gospect("snapshot", target.pid, "-o", tmp_path / "c.gsnap", "--consistency", "goroutine",
                    "--json", check=0).json
    assert still["pause_ns"] == 0 and still["consistency"] == "goroutine"


@pytest.mark.parametrize("command,suffix", [("snapshot", "gsnap"), ("core", "core")])
def test_nothing_is_replaced_unasked(gospect, target, tmp_path, command, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_text("precious")
    seen = gospect(command, target.pid, "-o", path, check=2)
    assert "exists already" in seen.said and "--force" in seen.said
    assert path.read_text() == "precious"
    gospect(command, target.pid, "-o", path, "--force", check=0)
    assert path.stat().st_size > 1000
    gospect(command, target.pid, check=0, cwd=tmp_path)
    names = [p.name for p in tmp_path.iterdir()]
    assert [n for n in names if re.fullmatch(rf"faults-{target.pid}-\d{{8}}T\d{{6}}\.{suffix}", n)]


REPORTS = (("goroutines", "--pprof"), ("heap", "--pprof"), ("waits", "--svg"), ("deadlock", "--history"))


def test_no_report_replaces_a_file_unasked(gospect, target, tmp_path):
    snap, path = tmp_path / "a.gsnap", tmp_path / "report"
    gospect("snapshot", target.pid, "--heap", "-o", snap, check=0)
    again = {"deadlock": [snap]}
    for command, option in REPORTS:
        path.write_text("precious")
        args = (command, snap, *again.get(command, []), option, path)
        seen = gospect(*args, check=2)
        assert not seen.out and "exists already" in seen.said and "--force" in seen.said
        assert path.read_text() == "precious"
        gospect(*args, "--force", check=0)
        assert b"precious" not in path.read_bytes()
    path.write_text("precious")
    gospect("mem", "diff", snap, snap, "--semantic", "--svg", path, check=2)
    assert path.read_text() == "precious"


def test_where_a_report_cannot_be_written_is_told_before_a_look(gospect, tmp_path):
    """No process of that number is asked for."""
    for command, option in (*REPORTS, ("mem", "--svg"), ("watch", "--on-storm")):
        what = ("diff", "1234567", "1234567", "--semantic") if command == "mem" else ("1234567",)
        seen = gospect(command, *what, option, tmp_path / "no" / "a", check=3)
        assert not seen.out and "No such file" in " ".join(seen.err.split()), seen
        seen = gospect(command, *what, option, tmp_path, check=3)
        assert not seen.out and "Is a directory" in " ".join(seen.err.split()), seen
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_once(gospect, target, tmp_path):
    snap = tmp_path / "a.gsnap"
    gospect("snapshot", target.pid, "-o", snap, check=0)
    seen = gospect("deadlock", snap, snap, "--history", "/dev/full", check=3)
    assert seen.said.count("No space left") == 1 and "Make room" in seen.said


def test_a_series_to_a_device_goes_there(gospect, target, tmp_path):
    (tmp_path / "null").symlink_to("/dev/null")
    gospect("snapshot", target.pid, "--every", "10ms", "--count", "3", "-o", tmp_path / "null", check=0)
    assert [p.name for p in tmp_path.iterdir()] == ["null"]


def test_what_cannot_be_written_leaves_nothing(gospect, target, tmp_path):
    for command in ("snapshot", "core"):
        none = gospect(command, target.pid, "-o", tmp_path / "no" / "a", check=3)
        assert "No such file" in " ".join(none.err.split())
        full = gospect(command, target.pid, "-o", "/dev/full", "--force", check=3)
        assert "No space left" in full.said
    assert not list(tmp_path.iterdir())


def test_core_is_private_and_says_what_it_cost(gospect, target, tmp_path):
    path = tmp_path / "a.core"
    seen = schema.check("written", gospect("core", target.pid, "-o", path, "--json", check=0).json)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert seen["bytes"] + seen["sparse_bytes"] >= path.stat().st_size * 9 // 10
    assert seen["threads"] == len(os.listdir(f"/proc/{target.pid}/task"))
    assert "stood still for" in gospect("core", target.pid, "-o", path, "--force", check=0).out


# ---- info ----

def test_info_of_everything(gospect, go_build, run_go, release, tmp_path):
    target = run_go(go_build(release, "stripped", "faults", env={}), env={"GOGC": "150"})
    target.ask("gc")
    seen = gospect("info", target.pid, "--json", check=0).json
    assert seen["target"]["go_version"] == target.ready["go"]
    counters = json.dumps(seen)
    assert '"gc.percent": 150' in counters or '"gc_percent": 150' in counters or "150" in counters
    text = gospect("info", target.pid, check=0).out
    assert "GOGC 150" in text and "GOMAXPROCS" in text
    gospect("snapshot", target.pid, "-o", tmp_path / "a.gsnap", check=0)
    gospect("core", target.pid, "-o", tmp_path / "a.core", check=0)
    for name in ("a.gsnap", "a.core"):
        again = gospect("info", tmp_path / name, "--json", check=0).json
        assert again["target"]["go_version"] == target.ready["go"]
        assert again["target"]["build_id"] == seen["target"]["build_id"]


# ---- sections ----

@pytest.fixture
def annotated(go_build, tmp_path):
    """A program with sections a user added: text, JSON, bytes, and a compressed one."""
    program = tmp_path / "annotated"
    shutil.copy(go_build("1.26", "default", "hello"), program)
    (tmp_path / "text").write_text("deployed by ann\nfor the winter sale\n")
    (tmp_path / "json").write_text('{"commit": "abc123", "größe": 7}')
    (tmp_path / "bytes").write_bytes(bytes(range(256)) + b"needle in the hay\0")
    for name in ("text", "json", "bytes"):
        subprocess.run(["objcopy", "--add-section", f".debug_my{name}={tmp_path / name}", program],
                       check=True)
    return program


def test_added_sections_are_listed_and_printed(gospect, annotated, tmp_path):
    rows = gospect("sections", annotated, check=0).out
    for name in ("text", "json", "bytes"):
        line = next(line for line in rows.splitlines() if line.startswith(f".debug_my{name} "))
        assert "added" in line
    assert "added" not in next(line for line in rows.splitlines() if line.startswith(".debug_line "))
    def shown(name, *args):
        return gospect("sections", annotated, f".debug_my{name}", *args, check=0).out
    assert shown("text") == (tmp_path / "text").read_text()
    assert json.loads(shown("json"))["commit"] == "abc123"
    assert "00 01 02 03" in shown("bytes") and "needle" in shown("bytes")
    assert "needle in the hay" in shown("bytes", "--format", "strings").splitlines()
    raw = subprocess.run([gospect.path, "sections", annotated, ".debug_mybytes", "--format", "raw"],
                         check=True, stdout=subprocess.PIPE, env=gospect.environment()).stdout
    assert raw == (tmp_path / "bytes").read_bytes()
    assert "64 65 70 6c" in shown("text", "--format", "hex")  # "depl"


def test_sections_agree_with_readelf(gospect, annotated):
    listed = {s["name"]: s for s in gospect("sections", annotated, "--json", check=0).json["sections"]}
    readelf = subprocess.run(["readelf", "-SW", annotated], check=True, stdout=subprocess.PIPE,
                             text=True).stdout
    rows = re.findall(r"^\s+\[ *\d+\] (\.\S+)\s+(\S+)\s+([0-9a-f]{16}) [0-9a-f]+ ([0-9a-f]+)", readelf,
                      re.M)
    assert {name for name, *_ in rows} == set(listed)
    for name, kind, addr, size in rows:
        assert listed[name]["type"] == kind
        assert int(str(listed[name]["addr"]), 0) == int(addr, 16)
        if kind != "NOBITS" and not listed[name].get("compression"):
            assert listed[name]["size_bytes"] == int(size, 16)


def test_sections_of_a_process_core_and_snapshot(gospect, annotated, run_go, tmp_path):
    target = run_go(annotated)
    gospect("snapshot", target.pid, "-o", tmp_path / "a.gsnap", check=0)
    gospect("core", target.pid, "-o", tmp_path / "a.core", check=0)
    for subject in (target.pid, tmp_path / "a.gsnap", tmp_path / "a.core"):
        assert "winter sale" in gospect("sections", subject, ".debug_mytext", check=0).out


def test_compressed_sections_are_unpacked(gospect, go_build):
    program = go_build("1.26", "default", "hello")
    listed = gospect("sections", program, "--json", check=0).json["sections"]
    packed = [s for s in listed if s.get("compression")]
    assert packed and all(s["file_bytes"] < s["size_bytes"] for s in packed)
    name = packed[0]["name"]
    raw = subprocess.run([gospect.path, "sections", program, name, "--format", "raw"], check=True,
                         stdout=subprocess.PIPE, env=gospect.environment()).stdout
    dumped = subprocess.run(["readelf", "-z", "-x", name, program], check=True, text=True,
                            stdout=subprocess.PIPE).stdout
    words = re.findall(r"^  0x[0-9a-f]+ ((?:[0-9a-f]{2,8} ){1,4})", dumped, re.M)
    assert raw == bytes.fromhex("".join("".join(w.split()) for w in words))


def test_sections_that_are_not_there(gospect, go_build, annotated):
    seen = gospect("sections", annotated, ".debug_mytxt", check=3)
    assert "Did you mean .debug_mytext?" in " ".join(seen.err.split())
    none = gospect("sections", go_build("1.26", "nosections", "hello"), check=0)
    assert "no section headers" in " ".join(none.err.split())
    bss = gospect("sections", annotated, ".bss", check=3)
    assert "takes no room" in " ".join(bss.err.split())
