"""A core of a program that is being debugged: what Delve, gdb and ourselves find in it is what stood there, without a
trace of the debugger; and the program goes on."""
import os
import re
import signal
import subprocess

import pytest

from lib import cores, dapclient, drive, real
from lib.dbgterm import Session
from lib.paths import TARGETS

LINES = drive.labels("terminal")
PLACE = f"main.go:{LINES['work:grow']}"
LOOKS = ["stack", "args", "frame 1 locals", "frame 1 print *o", "goroutines"]
DLV = "github.com/go-delve/delve/cmd/dlv@v1.27.2"
pytestmark = pytest.mark.modes("noopt")


@pytest.fixture
def dumped(gospect, go_build, tmp_path):
    """dumped(release, mode) -> session that has written a core at its second stop, the program, the core"""
    def run(release, mode):
        program, core = go_build(release, mode, "terminal"), tmp_path / "a.core"
        s = Session(gospect, ["exec", program], [
            f"break {PLACE}", "break main.add", "continue", "continue", "continue", *LOOKS, "breakpoints -a", f"dump {core}", f"dump {core}",
            f"dump -force {core}", "dump", "clearall", "continue"], tmp_path, ["a"], check=1)
        return s, program, core
    return run


def segments(program):
    """Executable segments of the program's file: address, bytes."""
    text = subprocess.run(["readelf", "-lW", program], check=True, capture_output=True, text=True).stdout
    data = program.read_bytes()
    for offset, vaddr, size in re.findall(r"^  LOAD +0x(\w+) 0x(\w+) 0x\w+ 0x(\w+) 0x\w+ R E ", text, re.M):
        yield int(vaddr, 16), data[int(offset, 16):int(offset, 16) + int(size, 16)]


@pytest.mark.releases("1.18", "1.22", "1.27")
def test_core_of_a_stop(dumped, gospect, release, mode, tmp_path):
    s, program, path = dumped(release, mode)
    before = {command: s[command] for command in LOOKS}
    assert s["breakpoints -a"].count("0x") >= 3
    assert re.search(r"a\.core  [\d.]+ [KMG]i?B\n", s[f"dump {path}"]) and "exists already" in s[f"dump {path}"]
    assert "a.core" in s[f"dump -force {path}"] and "write dump" in s["dump"]
    assert "sum 10 id 17 total 51" in s.out and "bye Ada" in s.out  # it went on as if nothing had been
    core = cores.Elf(path)
    code = list(segments(program))
    assert code and all(core.read(addr, len(text)) == text for addr, text in code), "its code is as in its file"
    again = Session(gospect, ["core", path, program], ["goroutine 1", *LOOKS], tmp_path, check=0)
    assert again["goroutine 1"]
    for command in LOOKS:
        assert again[command].split() == before[command].split(), command
    seen = gospect("goroutines", path, "--json", "--exe", program, check=0).json
    assert len([g for g in seen["goroutines"] if g["wait_reason"] == "chan receive" and "main.waiter" in str(g)]) == 3
    assert cores.Elf(path).own()["by"] == "stop"


@pytest.mark.releases("1.26")
def test_others_read_it(dumped, release, mode, tmp_path):
    """Delve: goroutines, the stack, arguments and locals; gdb: where the thread stands."""
    dlv = real.go_install("dlv", "1.26", "default", DLV)
    s, program, path = dumped(release, mode)
    done = subprocess.run([dlv, "core", program, path, "--allow-non-terminal-interactive=true"], input="goroutine 1\nargs\nframe 1 locals\ngoroutines\nexit\n",
                          check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"HOME": str(tmp_path)})
    assert re.search(r"Goroutine 1 - User: .*main\.go:\d+ main\.add ", done.stdout), done.stdout
    for line in s["args"].splitlines() + s["frame 1 locals"].splitlines():
        assert line in done.stdout or "not set yet" in line, f"{line} is not in\n{done.stdout}"
    ours = set(re.findall(r"^[→ ]+(\d+)  ", s["goroutines"], re.M))
    assert ours and ours <= set(re.findall(r"Goroutine (\d+) ", done.stdout)), s["goroutines"]
    pc = re.search(r"breakpoint 2 in main\.add .*\n(?:    hit.*\n)?    (0x\w+)\n", s["breakpoints -a"])[1]
    gdb = subprocess.run(["gdb", "-nx", "-batch", "-ex", f"x/4xb {pc}", "-ex", "thread apply all p/x $rip", program, path], check=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    assert "0xcc" not in re.search(rf"^{pc}.*:\t(.*)$", gdb, re.M)[1] and hex(int(pc, 16)) in re.findall(r"\$\d+ = (0x\w+)", gdb), gdb


@pytest.mark.releases("1.27")
def test_by_an_editor(gospect_start, go_build, release, mode, tmp_path):
    """The request, the console; a file that is there; a cancel leaves nothing behind; the program goes on."""
    program, source = go_build(release, mode, "terminal"), TARGETS / "terminal" / "main.go"
    process = gospect_start("dap", stdin=-1)
    c = dapclient.Client(os.dup(process.stdout.fileno()), os.dup(process.stdin.fileno()))
    process.stdin.close()
    process.stdin = None
    path, other = tmp_path / "a.core", tmp_path / "b.core"
    try:
        c.start("launch", program=str(program))
        c.set_breakpoints(source, [LINES["work:grow"]])
        stop = c.configured()
        told = c.ask("writeCore", path=str(path))
        assert told["path"] == str(path) and told["bytes"] + told["sparseBytes"] == path.stat().st_size
        assert told["threads"] == len(cores.Elf(path).threads()) and told["unreadableBytes"] == 0
        with pytest.raises(dapclient.Refused, match="exists already"):
            c.ask("writeCore", path=str(path))
        c.ask("writeCore", path=str(path), replace=True)
        frame = c.top(stop)["id"]
        with pytest.raises(dapclient.Refused, match="exists already"):
            c.ask("evaluate", expression=f"dump {path}", context="repl", frameId=frame)
        assert str(other) in c.ask("evaluate", expression=f"dump {other}", context="repl")["result"]
        assert cores.Elf(other).threads() == cores.Elf(path).threads()
        assert "a.core" in c.ask("evaluate", expression=f"dump -force {path}", context="repl")["result"]
        before = sorted(os.listdir(tmp_path))
        with c.together():  # the cancel is there before the first look for it
            seq = c.send("writeCore", path=str(tmp_path / "c.core"))
            c.send("cancel", requestId=seq)
        with pytest.raises(dapclient.Refused, match="cancelled"):
            c.wait(seq)
        assert sorted(os.listdir(tmp_path)) == before
        c.ask("setBreakpoints", source={"path": str(source)}, breakpoints=[])
        c.ask("continue", threadId=stop["threadId"])
        assert c.event("exited")["body"]["exitCode"] == 0
        c.ask("disconnect")
    finally:
        c.close()


@pytest.mark.releases("1.27")
@pytest.mark.modes("cgo")
def test_interrupted(gospect_start, go_build, release, mode, tmp_path):
    """Ctrl-C ends it, and the session goes on.  Who reads the core holds it up, so that it comes in the middle."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    process = gospect_start("debug", "exec", go_build(release, mode, "latecode"), stdin=-1)
    process.stdin.write(f"break main.main\ncontinue\ndump {fifo}\nprint 40 + 2\n".encode())
    process.stdin.close()
    process.stdin = None
    with open(fifo, "rb") as reader:
        got = len(reader.read(1 << 20))
        process.send_signal(signal.SIGINT)
        got += len(reader.read())
    out, err = process.communicate(timeout=60)
    assert b"stopped at your request" in err and b"\n42\n" in out, (got, out, err)
