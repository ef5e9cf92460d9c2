"""Core files of the kernel, of gdb and of ourselves: the same goroutines as the target itself says; what other
tools find in ours; and what is said of cores that are not right."""
import hashlib
import json
import re
import shutil
import signal
import struct
import subprocess

import pytest

from lib import cores, gobuild, godump, process, procfs, real
from lib.process import wait_until
from test_truth import compare, moves, quiet

MODES = ("default", "stripped", "pie-stripped", "race", "cgo")


def stopped(target):
    """Stands still, so that whoever looks sees the same."""
    target.signal(signal.SIGSTOP)
    wait_until(lambda: all(procfs.state(target.pid, tid) == "T" for tid in procfs.threads(target.pid)),
               "it did not stop")


# ---- the target's own words ----

def same_as_said(target, make_core):
    """The target writes its goroutine profile and is stuck in that write; the core is of that moment."""
    quiet(target)
    dump = target.frozen_dump()
    snapshot = cores.of_core(make_core())
    theirs = godump.parse(dump())
    writer = next(iter(theirs))
    moving = {i for i, g in theirs.items() if g.state in ("runnable", "running")}
    compare(theirs, snapshot, "all", {writer} | moving)
    assert "runtime/pprof.writeGoroutineStacks" in snapshot.by_id[writer].funcs()
    assert not snapshot.gaps
    return snapshot


def labels(snapshot):
    return sorted((g.id, tuple(sorted(g.labels.items()))) for g in snapshot.goroutines if g.labels)


@pytest.mark.modes(*MODES)
def test_our_core_is_what_the_target_says(gospect, go_build, run_go, release, mode, tmp_path):
    target = run_go(go_build(release, mode, "states"), dump_pipe=True)
    path = tmp_path / "a.core"

    def ours():
        gospect("core", target.pid, "-o", path, check=0)
        return path
    snapshot = same_as_said(target, ours)
    assert labels(snapshot), "the states have labels"


@pytest.mark.releases("1.18", "1.24", "1.27")  # gdb takes its time
@pytest.mark.modes("stripped")
def test_gcore_is_what_the_target_says(go_build, run_go, release, mode, tmp_path):
    target = run_go(go_build(release, mode, "states"), dump_pipe=True)
    same_as_said(target, lambda: cores.gcore(target.pid, tmp_path / "core"))


@pytest.mark.modes("default", "stripped", "pie-stripped")
def test_core_of_the_kernel_is_what_the_target_says(go_build, run_go, release, mode, tmp_path):
    """It dies of SIGQUIT with GOTRACEBACK=crash: the runtime prints every frame, its own too, with pcs."""
    cores.need_kernel_cores()
    target = run_go(go_build(release, mode, "states"), env={"GOTRACEBACK": "crash"}, unharmed=False,
                    preexec=cores.allow_cores, cwd=tmp_path)
    quiet(target)
    snapshot = cores.of_core(cores.core_of_death(target, tmp_path, signal.SIGQUIT))
    theirs = cores.said_at_death(target)
    compare(theirs, snapshot, "system", {i for i, g in theirs.items() if moves(g, snapshot.by_id[i])})
    assert labels(snapshot)


# ---- the moment ----

def ages(seen):
    return {g["id"]: g["wait_ns"] for g in seen["goroutines"] if g["wait_ns"] is not None}


def aged(target):
    """Goroutines whose waits have an age: the collector passed."""
    for command in ("receive 3", "gc", "gc"):
        target.ask(command)


def between(before, ages_of_core, after):
    """The core was taken after one look and before another."""
    assert ages_of_core.keys() >= before.keys() and before
    for i, age in before.items():
        assert age <= ages_of_core[i] <= after[i], (i, age, ages_of_core[i], after[i])


@pytest.mark.sanitized
def test_waits_in_our_core_have_their_age(gospect, go_build, run_go, release, tmp_path):
    target = run_go(go_build(release, "stripped", "faults"))
    aged(target)

    def look(subject):
        return gospect("goroutines", subject, "--json", check=0).json
    first = look(target.pid)
    gospect("core", target.pid, "-o", tmp_path / "a.core", check=0)
    last = look(target.pid)
    core = look(tmp_path / "a.core")
    between(ages(first), ages(core), ages(last))
    assert first["taken_unix_ns"] <= core["taken_unix_ns"] <= last["taken_unix_ns"]
    by = cores.Elf(tmp_path / "a.core").own()["by"]  # stop: not known yet while the core is written
    assert core["ages_cut_short"] is False
    assert core["pause_ns"] is None if by == "stop" else core["pause_ns"] > 0
    started = core["target"]["started_unix_ns"] - first["target"]["started_unix_ns"]
    assert abs(started) < 60 * 10**9  # worked out from ticks since boot each time
    assert core["target"]["cmdline"] == first["target"]["cmdline"]
    gospect("snapshot", tmp_path / "a.core", "-o", tmp_path / "a.gsnap", check=0)
    assert ages(look(tmp_path / "a.gsnap")) == ages(core)


@pytest.mark.releases("1.18", "1.27")
def test_ages_in_a_core_of_others_are_lower_bounds(gospect, go_build, run_go, release, tmp_path):
    target = run_go(go_build(release, "stripped", "faults"))
    aged(target)
    path = cores.gcore(target.pid, tmp_path / "core")
    after = ages(gospect("goroutines", target.pid, "--json", check=0).json)
    core = gospect("goroutines", path, "--json", check=0).json
    found = ages(core)
    assert found.keys() == after.keys() and after
    assert all(0 <= found[i] <= after[i] for i in found)
    assert core["ages_cut_short"] is True and core["taken_unix_ns"] is None
    for command in ("goroutines", "doctor"):
        text = " ".join(gospect(command, path, check=(0, 1)).out.split())
        assert "does not say when it was taken" in text, command
    live = tmp_path / "live.gsnap"
    gospect("snapshot", target.pid, "-o", live, check=0)
    refused = gospect("doctor", path, "--since", live, check=(2, 3))
    assert "does not say when it was taken" in " ".join(refused.err.split())


# ---- what is in ours ----

@pytest.fixture
def holder(go_build, run_go):
    return run_go(go_build("1.26", "stripped", "cores"))


def answer(text):
    return dict(pair.split("=") for pair in text.split())


def test_memory_is_what_the_process_has(gospect, holder, tmp_path):
    """Every private mapping, byte by byte; and what the target says of its own memory."""
    said = answer(holder.ask("pattern"))
    hidden = int(answer(holder.ask("secret"))["addr"])
    stopped(holder)
    gospect("core", holder.pid, "-o", tmp_path / "a.core", check=0)
    core, compared = cores.Elf(tmp_path / "a.core"), 0
    own = core.read(int(said["addr"]), int(said["n"]))
    assert hashlib.sha256(own).hexdigest() == said["sha256"]
    assert core.read(hidden, 16) is None  # MADV_DONTDUMP
    assert bytes((i * i >> 3 ^ i) & 255 for i in range(256)) not in core.path.read_bytes()
    with open(f"/proc/{holder.pid}/mem", "rb", buffering=0) as memory:
        for line in procfs.read(holder.pid, "maps").decode().splitlines():
            where, rights, _, _, inode, *_ = line.split()
            start, end = (int(word, 16) for word in where.split("-"))
            if rights[0] != "r" or rights[3] != "p" or "[v" in line or start <= hidden < end:
                continue
            memory.seek(start)
            assert core.read(start, end - start) == memory.read(end - start), line
            compared += end - start
    assert compared > 4 << 20
    holder.signal(signal.SIGCONT)


def test_reserved_memory_takes_no_room(gospect, holder, tmp_path):
    """A mapping of 64 GiB of which two pages are used."""
    said = answer(holder.ask("reserve 64"))
    at, n = int(said["addr"]), int(said["n"])
    seen = gospect("core", holder.pid, "-o", tmp_path / "a.core", "--json", check=0).json
    core = cores.Elf(tmp_path / "a.core")
    assert core.path.stat().st_size > n and core.blocks_bytes() < 64 << 20
    assert seen["bytes"] < 64 << 20 and seen["bytes"] + seen["sparse_bytes"] == core.path.stat().st_size
    assert core.read(at + n // 2, 13) == b"in the middle"
    assert core.read(at + n - 4096, 10) == b"at the end"
    assert core.read(at, 4096) == bytes(4096)
    assert "main.main" in gospect("goroutines", core.path, "--depth", 0, check=0).out


def test_three_hundred_threads(gospect, holder, tmp_path):
    holder.ask("threads 300")

    def reads(tid):
        """Waits in a read (system call 0 on x86-64), which is not that of commands."""
        words = procfs.read(holder.pid, "task", tid, "syscall").split()
        return words[:1] == [b"0"] and words[1] != b"0x0" and procfs.state(holder.pid, tid) == "S"
    wait_until(lambda: sum(map(reads, procfs.threads(holder.pid))) == 300, "its threads never came to their calls")
    stopped(holder)
    gospect("core", holder.pid, "-o", tmp_path / "a.core", check=0)
    core = cores.Elf(tmp_path / "a.core")
    tids = procfs.threads(holder.pid)
    assert sorted(core.threads()) == sorted(tids) and core.threads()[0] == holder.pid
    own = core.own()
    for tid in tids:
        assert own[f"thread {tid}"] == procfs.read(holder.pid, "task", tid, "comm").decode().rstrip("\n")
    seen = gospect("goroutines", core.path, "--json", "--filter", "func=main.block", check=0).json
    assert len(seen["goroutines"]) == 300
    assert {g["status"] for g in seen["goroutines"]} == {"syscall"}
    assert len({g["thread"] for g in seen["goroutines"]}) == 300
    holder.signal(signal.SIGCONT)


# ---- other debuggers ----

def gdb(*commands, program=None, core=None, pid=None):
    argv = ["gdb", "-batch", "-nx", "-iex", "set auto-load off", "-iex", "set debuginfod enabled off"]
    argv += ["-p", str(pid)] if pid else [str(program), "--core", str(core)]
    for command in commands:
        argv += ["-ex", command]
    done = subprocess.run(argv, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL)
    return done.stdout


def registers(text):
    """{LWP: {register: value}} of what gdb prints for each thread."""
    found, current = {}, None
    for line in text.splitlines():
        head = re.match(r"^Thread \d+ \((?:Thread 0x[0-9a-f]+ \()?LWP (\d+)", line)
        word = re.match(r"^(\w+)\s+(0x[0-9a-f]+|\{.*\}|\[.*\])", line)
        if head:
            current = found.setdefault(int(head[1]), {})
        elif word and current is not None:
            current[word[1]] = word[2]
    return found


@pytest.mark.parametrize("mode", ("default", "cgo"))
def test_gdb_opens_ours(gospect, go_build, run_go, mode, tmp_path):
    program = go_build("1.26", mode, "cores")
    target = run_go(program)
    said = answer(target.ask("pattern"))
    stopped(target)
    gospect("core", target.pid, "-o", tmp_path / "a.core", check=0)
    ask = ("thread apply all info registers", "thread apply all info registers xmm0 xmm1 xmm15 mxcsr")
    live = registers(gdb(*ask, pid=target.pid))
    text = gdb(*ask, f"dump binary memory {tmp_path}/bytes {said['addr']} {int(said['addr']) + int(said['n'])}",
               "info symbol $pc", program=program, core=tmp_path / "a.core")
    core = registers(text)
    assert set(live) == set(procfs.threads(target.pid)) == set(core)
    for tid, values in live.items():
        for k in [k for k in values if re.fullmatch("k[0-7]", k)]:
            del values[k]  # gdb 13 looks for them where other processors than this one keep them
        assert {"rip", "rsp", "rbp", "rax", "r14", "xmm0", "mxcsr"} <= values.keys(), values
        assert {k: core[tid].get(k) for k in values} == values, f"thread {tid}"
    assert hashlib.sha256((tmp_path / "bytes").read_bytes()).hexdigest() == said["sha256"]
    assert "runtime." in text and "warning: core file may not match" not in text
    target.signal(signal.SIGCONT)


DLV = "github.com/go-delve/delve/cmd/dlv@v1.27.2"


@pytest.mark.parametrize("mode", ("default", "pie"))
def test_dlv_opens_ours(gospect, go_build, run_go, mode, tmp_path):
    dlv = real.go_install("dlv", "1.26", "default", DLV)
    program = go_build("1.26", mode, "states")
    target = run_go(program, dump_pipe=True)
    quiet(target)
    dump = target.frozen_dump()
    gospect("core", target.pid, "-o", tmp_path / "a.core", check=0)
    theirs = godump.parse(dump())
    done = subprocess.run([dlv, "core", program, tmp_path / "a.core", "--allow-non-terminal-interactive=true"],
                          input="goroutines -t 50\nthreads\nexit\n", check=True, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"HOME": str(tmp_path)})
    listed = [int(n) for n in re.findall(r"^(?:\(dlv\) )?[* ] Goroutine (\d+) ", done.stdout, re.M)]
    assert set(theirs) <= set(listed), done.stdout[-3000:]
    assert len(re.findall(r"^(?:\(dlv\) )?[* ] Thread \d+ ", done.stdout, re.M)) == len(cores.Elf(tmp_path / "a.core").threads())
    for frame in {g.frames[-1].func for g in theirs.values() if g.frames}:
        assert frame.split("[")[0] in done.stdout, frame


def viewcore():
    """The program, or a loud skip: the module proxy does not always have it."""
    found = shutil.which("viewcore")
    try:
        return found or real.go_install("viewcore", "1.26", "default", "golang.org/x/debug/cmd/viewcore@4da508d")
    except gobuild.BuildError as problem:
        pytest.skip(f"viewcore cannot be installed: {str(problem).splitlines()[-1]}")


def test_viewcore_opens_ours(gospect, go_build, run_go, tmp_path):
    tool = viewcore()
    program = go_build("1.24", "default", "hello")
    target = run_go(program)
    gospect("core", target.pid, "-o", tmp_path / "a.core", check=0)
    done = subprocess.run([tool, tmp_path / "a.core", "--exe", program, "goroutines"], check=True, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert "main.wait" in done.stdout and "main.main" in done.stdout


# ---- cores that are not right ----

@pytest.fixture
def core(gospect, go_build, run_go, tmp_path):
    target, path = run_go(go_build("1.26", "stripped", "hello")), tmp_path / "a.core"
    gospect("core", target.pid, "-o", path, check=0)
    return path


def refusal(gospect, *args):
    seen = gospect(*args, check=3)
    assert not seen.out and seen.err.startswith("gospect: "), seen
    return " ".join(seen.err.split())


COMMANDS = ("goroutines", "info", "waits", "leaks", "deadlock", "heap", "doctor")


def test_what_fails_for_a_cut_says_so_and_what_does_not_keeps_it(gospect, core, tmp_path):
    """The error itself, for a program that reads nothing else; and what is saved of such a core."""
    size, answers, saved = core.stat().st_size, 0, tmp_path / "a.gsnap"
    for at in [size * i // 5 for i in range(4, 0, -1)] + [size - 1]:
        (tmp_path / "cut").write_bytes(core.read_bytes()[:at])
        for command in COMMANDS:
            seen = gospect(command, tmp_path / "cut", "--json", check=(0, 1, 3))
            if seen.code == 3:
                assert "truncated" in json.loads(seen.err.splitlines()[-1])["error"]["message"], (at, seen)
            elif command not in ("leaks", "doctor"):
                answers += 1
                assert any("truncated" in m["why"] for m in json.loads(seen.out)["missing"]), (at, command, seen.out)
        if gospect("snapshot", tmp_path / "cut", "--force", "-o", saved, check=(0, 3)).code == 0:
            kept = json.loads(gospect("goroutines", saved, "--json", check=0).out)
            assert any("truncated" in m["why"] for m in kept["missing"]), (at, kept["missing"])
    assert answers


@pytest.mark.sanitized
def test_cut_anywhere_it_is_said_to_be_truncated(gospect, core):
    """Every sixteenth of the file, and around the ends of its headers, notes and first segment."""
    size, first = core.stat().st_size, min(offset for _, offset, filesz, _ in cores.Elf(core).loads if filesz)
    places = {size * i // 16 for i in range(1, 16)} | {64, 65, 64 + 56, first - 1, first, first + 1, size - 1}
    for at in sorted(places, reverse=True):
        with open(core, "r+b") as file:
            file.truncate(at)
        for command in ("goroutines", "info"):
            seen = gospect(command, core, check=(0, 3))
            assert "truncated" in seen.err, (at, seen)
            assert seen.code == 0 or not seen.out, seen
    for at in (63, 20):
        with open(core, "r+b") as file:
            file.truncate(at)
        assert re.search("truncated|ends early", refusal(gospect, "goroutines", core)), at


@pytest.mark.parametrize("at,change,words", [
    (4, b"\x01", "32-bit"), (5, b"\x02", "big-endian"), (18, struct.pack("<H", 183), "processor that is not"),
    (18, struct.pack("<H", 3), "processor that is not"), (54, b"\x20\0", "program headers"),
])
@pytest.mark.sanitized
def test_headers_of_another_machine(gospect, core, at, change, words):
    with open(core, "r+b") as file:
        file.seek(at)
        file.write(change)
    assert words in refusal(gospect, "goroutines", f"core:{core}")


def test_notes_that_are_damaged(gospect, core):
    """The first thread's registers claim to be longer than everything."""
    elf = cores.Elf(core)
    data = core.read_bytes()
    at = data.index(b"CORE\0") - 12
    with open(core, "r+b") as file:
        file.seek(at + 4)
        file.write(b"\xff\xff\xff\x7f")
    assert elf.threads() and "notes" in refusal(gospect, "goroutines", core)


def test_core_of_the_kernel_without_its_program(gospect, go_build, run_go, tmp_path):
    """It holds no code: the program is asked for; a wrong one is refused."""
    cores.need_kernel_cores()
    mine = tmp_path / "bin" / "moved-away"
    mine.parent.mkdir()
    shutil.copy(go_build("1.26", "stripped", "hello"), mine)
    target = run_go(mine, env={"GOTRACEBACK": "crash"}, unharmed=False, preexec=cores.allow_cores, cwd=tmp_path)
    path = cores.core_of_death(target, tmp_path, signal.SIGABRT)
    elsewhere = tmp_path / "elsewhere"
    mine.rename(elsewhere)
    assert "--exe FILE" in refusal(gospect, "goroutines", path)
    assert "main.wait" in gospect("goroutines", path, "--exe", elsewhere, check=0).out
    other = go_build("1.26", "stripped", "faults")
    assert "is not the program this core comes from" in refusal(gospect, "goroutines", path, "--exe", other)
    shutil.copy(other, mine)  # another build at the same place
    assert "is not the program this core comes from" in refusal(gospect, "goroutines", path)


def test_a_core_that_names_a_pipe_as_its_program(gospect, go_build, run_go, tmp_path):
    """Nobody writes into it: waiting for that would be for ever."""
    mine = tmp_path / "program"
    shutil.copy(go_build("1.26", "stripped", "hello"), mine)
    target = run_go(mine)
    gospect("core", target.pid, "--no-program", "-o", tmp_path / "a.core", check=0)
    target.close()
    mine.unlink()
    subprocess.run(["mkfifo", mine], check=True)
    assert "not a regular file" in refusal(gospect, "goroutines", tmp_path / "a.core")


# ---- writing ----

def only(folder, *names):
    return sorted(p.name for p in folder.iterdir()) == sorted(names)


def test_standard_output(gospect, holder, tmp_path):
    """In order and whole, what is said goes to standard error; not with JSON, not onto a terminal."""
    holder.ask("pattern")
    stopped(holder)
    gospect("core", holder.pid, "-o", tmp_path / "file", check=0)
    for name in ("-", "/dev/stdout"):
        done = subprocess.run([gospect.path, "core", str(holder.pid), "-o", name], check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=gospect.environment())
        (tmp_path / "piped").write_bytes(done.stdout)
        piped, whole = cores.Elf(tmp_path / "piped"), cores.Elf(tmp_path / "file")
        assert piped.threads() == whole.threads() and [x[0] for x in piped.loads] == [x[0] for x in whole.loads]
        assert len(done.stdout) == whole.path.stat().st_size and b"stood still" in done.stderr
    assert "choose one" in gospect("core", holder.pid, "-o", "-", "--json", check=2).err
    with subprocess.Popen([gospect.path, "core", str(holder.pid), "-o", "-"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=gospect.environment()) as early:
        early.stdout.read(10)
        early.stdout.close()
        assert b"Broken pipe" in early.stderr.read() and early.wait() == 3
    assert only(tmp_path, "file", "piped")
    holder.signal(signal.SIGCONT)


def test_a_disk_that_is_full(gospect, holder, tmp_path):
    """A file system of 1 MB, and a limit on the size of files: nothing is left behind."""
    holder.ask("pattern")
    private = subprocess.run(["unshare", "--mount", "true"], check=False, stderr=subprocess.DEVNULL)
    if private.returncode == 0:
        script = 'mount -t tmpfs -o size=1m none "$2" && "$0" core "$1" -o "$2/a.core"; c=$?; ls -A "$2"; exit $c'
        done = subprocess.run(["unshare", "--mount", "sh", "-c", script, gospect.path, str(holder.pid), tmp_path],
                              check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=gospect.environment())
        assert done.returncode == 3 and not done.stdout and "No space left" in " ".join(done.stderr.split()), done
    done = subprocess.run(["sh", "-c", 'ulimit -f 2048; exec "$0" core "$1" -o "$2"', gospect.path,
                           str(holder.pid), tmp_path / "a.core"], check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=gospect.environment())
    assert done.returncode == 3 and not done.stdout and "too large" in " ".join(done.stderr.split()), done
    assert only(tmp_path)


def partial(folder):
    return next(iter(folder.glob("a.core.*")), None)


def interrupted(gospect_start, target, folder, number):
    run = gospect_start("core", target.pid, "-o", folder / "a.core")
    wait_until(lambda: partial(folder) or run.poll() is not None, "it never began to write")
    run.send_signal(number)
    run.communicate(timeout=60)
    return run.returncode


@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM))
def test_ctrl_c_leaves_nothing_behind(gospect_start, holder, tmp_path, number):
    """While it writes: 4 TiB of address space take long enough to look through."""
    holder.ask("reserve 4096")
    assert interrupted(gospect_start, holder, tmp_path, number) == -number
    assert only(tmp_path)
    process.assert_unharmed(holder)


def test_progress_on_a_terminal(terminal, holder, tmp_path):
    holder.ask("reserve 4096")
    shown = terminal("core", holder.pid, "-o", tmp_path / "a.core")
    shown.wait("writing the core")
    shown.press("\x03")
    assert shown.end() == -signal.SIGINT
    assert f"rocess {holder.pid} runs on" in " ".join(shown.text().split())
    assert only(tmp_path)
