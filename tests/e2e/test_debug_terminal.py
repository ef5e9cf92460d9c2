"""gospect debug: every command once, through a pipe, and on a terminal.

The truth is what the target prints about itself (tests/targets/terminal), and its source: lines that tests name
are marked there.
"""
import os
import re
import signal
import subprocess

import pytest

from lib import drive, gobuild, real
from lib.dbgterm import Session, Typed, arrow
from lib.paths import ROOT

SOURCE = ROOT / "tests" / "targets" / "terminal"
LINES = drive.labels("terminal")
TEXT = (SOURCE / "main.go").read_text().splitlines()
SAID = "sum 10 id 17 total 51"
pytestmark = pytest.mark.releases("1.18", "1.22", "1.27")


def shown(label):
    """A line as the debugger shows it."""
    return TEXT[LINES[label] - 1].replace("\t", "    ")


@pytest.fixture
def debug(gospect, go_build, tmp_path):
    """debug(release, mode, commands, *args, **more): a session of the target, started."""
    def run(release, mode, commands, *args, **more):
        return Session(gospect, ["exec", go_build(release, mode, "terminal")], commands, tmp_path, args, **more)
    return run


@pytest.mark.modes("noopt")
def test_values(debug, release, mode):
    """What the source says the variables are, at a place where all of them are set."""
    s = debug(release, mode, [
        f"break main.go:{LINES['work:grow']} if i == 3", "continue", "print i", "print sum", "print o.Name", "print *o.At",
        "print %x o.ID*16", "print %b i", "print %q o.Name", "print o.Tags[1]", 'print o.Count["k"]', "print len(o.Tags)",
        "whatis o", "whatis o.ID", "args", "locals", "locals ^su", "locals -v sum", "set o.ID = 1000", "print o.ID", "set total=1",
        "print total", "vars", "vars main.total", "frame 1 print len(o.Name)", "up", "print o.Name", "down", "print i", "print nothing",
        "print 1 +", "print", "display -a o.ID", "display -a %x sum", "toggle 1", "next", "display -d 1", "next",
        "examinemem -size 8 &o.ID", "x -fmt text -count 3 o.Name", "x -fmt dec -count 2 -size 8 -x o.At", "regs", "regs -a",
        "continue"], "a", "b c", check=1)
    assert s["print i"] == "3\n" and s["print sum"] == "6\n"
    assert s["print o.Name"] == '"Ada"\n'
    assert s["print *o.At"] == "main.point {X: 3, Y: -4}\n"
    assert int(s["print %x o.ID*16"], 16) == (7 + 0 + 1 + 2) * 16
    assert s["print %b i"] == "11\n" and s["print %q o.Name"] == '"Ada"\n'
    assert s["print o.Tags[1]"] == '"yy"\n' and s['print o.Count["k"]'] == "9\n" and s["print len(o.Tags)"] == "2\n"
    assert s["whatis o"] == "*main.order\n" and s["whatis o.ID"] == "int\n"
    assert 'o = *main.order {ID: 10, Name: "Ada"' in s["args"]
    assert {line.split(" = ")[0] for line in s["locals"].splitlines()} == {"sum", "i"}
    assert s["locals ^su"] == "sum = 6\n" and s["locals -v sum"] == "sum = 6\n"
    assert s["print o.ID"] == "1000\n" and s["print total"] == "1\n"
    assert "main.total = 1\n" in s["vars"] and s["vars main.total"] == "main.total = 1\n"
    assert s["frame 1 print len(o.Name)"] == "3\n"
    assert arrow(s["up"])[0] == LINES["main:work"] and s["print o.Name"] == '"Ada"\n'
    assert arrow(s["down"])[0] == LINES["work:grow"] and s["print i"] == "3\n"
    assert "nothing is called nothing" in s["print nothing"] and "gospect: " in s["print 1 +"]
    assert "write print" in s["print"]
    assert s["display -a o.ID"] == "1: o.ID = 1000\n" and "2: sum = 6\n" in s["display -a %x sum"]
    assert "off" in s["toggle 1"]
    assert "1: o.ID = 1003" in s["next"] and "1: o.ID" not in s["next"]
    assert int(re.search(r":  (0x\w+)", s["examinemem -size 8 &o.ID"])[1], 16) == 1003
    assert s["x -fmt text -count 3 o.Name"].endswith(":  Ada\n")
    assert re.search(r":\s+3\s", s["x -fmt dec -count 2 -size 8 -x o.At"])
    assert re.search(r"^\s+rsp  0x[0-9a-f]{16}$", s["regs"], re.M) and "xmm0" in s["regs -a"]
    assert "bye Ada" in s.out and f"sum 10 id {1000 + 3 + 4} total {1 + 10} args [a b c]" in s.out


@pytest.mark.modes("noopt")
def test_steps(debug, release, mode):
    """Each command ends at the line that the source says comes next."""
    work = f"main.go:{LINES['work:add']}"
    s = debug(release, mode, [
        f"tbreak {work}", "breakpoints", "continue", "step", "stack", "stepout", "next", "step add", "step grow", "next 2",
        "stepout", "breakpoints", "break add", f"until main.go:{LINES['work:total']}", "clear 2", "stepout", f"until main.go:{LINES['work:total']}",
        "stack", "next-instruction", "step-instruction 2", "jump 3", "list", "list", "list main.greet", "deferred 1",
        "deferred 2", "stack -a -offset", "frame 99", "frame 1", "frame", "continue main.farewell", "stepout",
        "continue", "next", "exit"], check=1)
    assert arrow(s["continue"]) == (LINES["work:add"], shown("work:add"))
    assert arrow(s["step"])[0] in range(LINES["add:sum"] - 1, LINES["add:sum"] + 1)
    assert re.match(r"→ +0  main\.add  terminal/main\.go:\d+\n +1  main\.work  terminal/main\.go:\d+\n +2  main\.main", s["stack"])
    out = s["stepout"]
    assert "returned sum = 0\n" in out and arrow(out)[0] == LINES["work:add"]
    assert arrow(s["next"])[0] == LINES["work:grow"]
    assert "this line has no call of add" in s["step add"]
    assert arrow(s["step grow"])[0] in (LINES["grow"], LINES["grow"] - 1)
    assert s["next 2"] and re.search(r"^returned = \d+$", s["stepout"], re.M)
    assert s["breakpoints"] == "no breakpoints\n"
    assert "breakpoint 2: goroutine 1 in main.add" in s[f"until main.go:{LINES['work:total']}"]
    assert "removed breakpoint 2" in s["clear 2"] and arrow(s["stepout"])[0] == LINES["work:add"]
    assert arrow(s[f"until main.go:{LINES['work:total']}"])[0] == LINES["work:total"]
    assert arrow(s["next-instruction"]) and arrow(s["step-instruction 2"])
    assert s["list"] != s["list"]
    assert arrow(s["list main.greet"]) == (LINES["greet"] - 1, 'func greet(name string) {')
    assert "deferred main." in s["deferred 1"] and "has 1 deferred calls" in s["deferred 2"]
    stack = s["stack -a -offset"]
    assert "deferred 1: main." in stack and "pc 0x" in stack
    assert "there is no frame 99" in s["frame 99"] and arrow(s["frame 1"])[0] == LINES["main:work"]
    assert "main.farewell" in s["continue main.farewell"]
    assert "exited with status 0" in s["continue"] and "the process has ended" in s["next"]
    assert SAID in s.out


@pytest.mark.modes("noopt", "default")
def test_breakpoints(debug, release, mode):
    """Conditions, hit counts, log points, traces: counted by what the program does five times."""
    line = f"main.go:{LINES['work:grow']}"
    s = debug(release, mode, [
        "break grown main.(*order).grow", "condition grown by == 2", "on grown print by", "on grown stack 1", "on grown", "on grown next",
        "continue", "condition -clear 1", "condition -hitcount 1 == 2", "on 1 -clear", "continue", "breakpoints", "breakpoints -a",
        "clear grown", "clear panic", "clear 77", "break nowhere", "break -pending nowhere.go:3", "break", "clear 3", "condition 77 x",
        "restart", "log main.add adding {a} and {b}", "trace main.add", f"break {line} if i == 1", "condition -per-g-hitcount 6 > 0",
        "continue", "clearall main.add", "clearall", "continue"], check=1)
    assert "breakpoint 1 (grown) in main.(*order).grow at terminal/main.go:" in s["break grown main.(*order).grow"]
    assert s["on grown"] == "  on 1 print by\n  on 1 stack 1\n" and "cannot be run at a stop" in s["on grown next"]
    stop = s["continue"]
    assert "breakpoint 1 (grown): goroutine 1" in stop and "\n2\n" in stop and "→  0  main.(*order).grow" in stop
    assert "hit 1 times" not in stop
    assert "breakpoint 1 (grown), hit 2 times" in s["continue"]
    listed = s["breakpoints"]
    assert "hits == 2" in listed and "panics" not in listed and "stop at panics" in s["breakpoints -a"]
    assert "removed breakpoint 1" in s["clear grown"] and "is always there" in s["clear panic"]
    assert "no breakpoint 77" in s["clear 77"] and "gospect: " in s["break nowhere"]
    assert "not there yet" in s["break -pending nowhere.go:3"]
    assert "no breakpoint 77" in s["condition 77 x"]
    run = s["continue"]
    if mode == "noopt":
        assert "breakpoint 6 (1 in goroutine 1)" in run and arrow(run)[0] == LINES["work:grow"]
        assert [f"adding {a} and {b}" in run for a, b in ((0, 0), (0, 1), (1, 2))] == [True, True, False]
    rest = run + s["clearall main.add"] + s["clearall"] + s["continue"]
    assert re.search(r"main\.add\(.*0.*0.*\)", rest)
    assert "removed log point 4" in rest and "removed trace 5" in rest


@pytest.mark.modes("noopt")
def test_watch(debug, release, mode):
    """Written once, by a line that the source names; read and written, more often than written."""
    s = debug(release, mode, ["watch main.total", "continue", "clear 1", "restart", "tbreak main.work", "continue", "watch o.ID", "continue", "clear 3",
                              "watch -rw o.ID", "continue", "watch 1 + 1", "clearall", "continue"], check=1)
    assert s["watch main.total"] == "watchpoint 1 on main.total\n"
    stop = s["continue"]
    assert "watchpoint 1 on main.total: 41 -> 51: goroutine 1 in main.work" in stop
    assert arrow(stop)[0] in (LINES["work:total"], LINES["work:return"])
    assert "main.work" in s["continue"]
    written = s["continue"]  # by 0 is the same, so it is told when it becomes 8
    assert re.search(r"watchpoint 3 on o\.ID.*: 7 -> [78]: goroutine 1 in main\.\(\*order\)\.grow", written)
    assert re.search(r"watchpoint 4 on o\.ID.*: (\d+) -> (\d+): ", s["continue"])
    assert "gospect: " in s["watch 1 + 1"] and "exited with status 0" in s["continue"]


@pytest.mark.modes("noopt", "default")
def test_goroutines(debug, release, mode, tmp_path, gospect):
    """Three goroutines that wait, with their labels; a snapshot of them is the same for another command."""
    snapshot = tmp_path / "now.gsnap"
    s = debug(release, mode, [
        "break main.work", "continue", "goroutines", "goroutines -t 3", "goroutines -g", "goroutines -s", "goroutines -r", "goroutines -a",
        "goroutines -limit 1", "goroutines -with label job=w1", "goroutines -without state=waiting", "goroutines -with running",
        "goroutines -chan main.hub", "goroutines -group wait", "goroutines -group nothing", "goroutines -with )", "goroutine",
        "goroutine 9999", "threads", "thread 1", "hold", "goroutines -with running", "hold -off 1", "hold -off", "hold 1 2", "waits", "leaks", "doctor", f"snapshot {snapshot}", f"snapshot {snapshot}",
        "print runtime.curg.goid", "exit"], check=1)
    listed = s["goroutines"]
    waiting = re.findall(r"^ +(\d+)  main\.waiter at terminal/main\.go:(\d+)  \(chan receive\)  \{job=(w\d)\}$", listed, re.M)
    assert sorted(job for _, _, job in waiting) == ["w0", "w1", "w2"]
    assert {int(line) for _, line, _ in waiting} == {LINES["waiter"]}
    assert re.search(r"^→ +1  main\.work at .*running on thread", listed, re.M) and "\n4 goroutines" in listed
    assert "main.waiter at" in s["goroutines -t 3"] and "main.main" in s["goroutines -g"]
    assert "runtime.main at" in s["goroutines -s"] and "runtime.gopark at" in s["goroutines -r"]
    assert int(re.search(r"^([\d,]+) goroutines", s["goroutines -a"], re.M)[1].replace(",", "")) > 4
    assert "1 goroutine, 3 more left out" in s["goroutines -limit 1"]
    ids = {job: number for number, _, job in waiting}
    assert re.findall(r"^ +(\d+)  ", s["goroutines -with label job=w1"], re.M) == [ids["w1"]]
    assert "1 goroutine\n" in s["goroutines -without state=waiting"] and "1 goroutine\n" in s["goroutines -with running"]
    assert set(re.findall(r"^ +(\d+)  ", s["goroutines -chan main.hub"], re.M)) == set(ids.values())
    assert re.search(r"^ +3 +chan receive", s["goroutines -group wait"], re.M)
    assert "none of stack" in s["goroutines -group nothing"] and "gospect: " in s["goroutines -with )"]
    assert s["goroutine"].startswith("goroutine 1 (running") and "gospect: " in s["goroutine 9999"]
    assert re.search(r"^→ +\d+  goroutine 1 +main\.work", s["threads"], re.M) and "no thread 1" in s["thread 1"]
    assert "goroutine 1 stands" in s["hold"] and ", held)" in s["goroutines -with running"] and "runs" in s["hold -off 1"]
    assert "is not held" in s["hold -off"] and "write hold" in s["hold 1 2"]
    assert re.search(r"3  main\.hub", s["waits"]) and "no goroutine leaked" in s["leaks"] and "nothing found" in s["doctor"]
    assert str(snapshot) in s[f"snapshot {snapshot}"] and "exists already" in s[f"snapshot {snapshot}"]
    assert s["print runtime.curg.goid"] == "1\n"
    counted = gospect("sql", snapshot, "--csv", "SELECT count(*) FROM goroutines WHERE wait_reason = 'chan receive'", check=0)
    assert int(counted.out.split()[-1]) >= 3


@pytest.mark.modes("noopt", "stripped")
def test_the_program(debug, release, mode, go_build, tmp_path):
    """Functions, packages, sources, machine code: without DWARF, too."""
    program = go_build(release, mode, "terminal")
    editor = tmp_path / "editor.sh"
    editor.write_text('#!/bin/sh\necho "$@" > "$(dirname "$0")/edited"\n')
    editor.chmod(0o755)
    s = debug(release, mode, [
        "funcs ^main\\.", "packages ^main$", "sources terminal/main.go", "libraries", "types ^main\\.", "break main.add", "continue",
        "disassemble", "disassemble -l main.greet", "list", "edit", "disassemble -a 0 1", "edit main.greet", "config list-lines 1",
        "config", "config nothing", "list main.add", "help", "help next", "help nothing", "rewind", "checkpoint", "frobnicate", "brek",
        "? print", "handle SIGUSR1 nostop nopass", "handle SIGNOTHING", "watch", "toggle 1", "call add(2, 3)", "print add(2, 3)", "regs", "rebuild", "source /nowhere",
        "transcript", "kill", "print 1", "restart", "break main.greet", "detach"], check=1, env={"EDITOR": editor, "VISUAL": ""})
    names = set(s["funcs ^main\\."].split())
    assert {"main.add", "main.work", "main.(*order).grow", "main.main"} <= names
    assert s["packages ^main$"] == "main\n" and s["sources terminal/main.go"].strip().endswith("terminal/main.go")
    assert os.path.realpath(program) in s["libraries"]
    if mode == "noopt":
        assert {"main.order", "main.point"} <= set(s["types ^main\\."].split())
    code = s["disassemble"]
    assert re.search(r"^→ 0x[0-9a-f]+  [0-9a-f]+ +\w+", code, re.M) and re.search(r" ret$", code.strip().splitlines()[-1])
    assert re.search(r"call .*  fmt\.F?[Pp]rintln", s["disassemble -l main.greet"])
    assert arrow(s["list"]) and s["edit"] == ""
    assert "gospect: " in s["disassemble -a 0 1"]
    assert (tmp_path / "edited").read_text().startswith(f"+{LINES['greet'] - 1} ")
    assert "list-lines          1" in s["config"] and "no setting" in s["config nothing"]
    assert len(s["list main.add"].splitlines()) == 4
    assert "step-instruction si stepi" in s["help"] and "over calls" in s["help next"] and "no command" in s["help nothing"]
    assert "recording" in s["rewind"] and "recording" in s["checkpoint"]
    assert 'no command "frobnicate"' in s["frobnicate"] and "no command" in s["brek"] and "print" in s["? print"]
    assert s["handle SIGUSR1 nostop nopass"] == "SIGUSR1 does not stop the program and is not passed on\n"
    assert "no signal SIGNOTHING" in s["handle SIGNOTHING"] and "write watch" in s["watch"]
    if mode == "noopt":
        assert s["call add(2, 3)"] == "5\n"
    assert "not built here" in s["rebuild"] and "gospect: " in s["source /nowhere"] and "write transcript" in s["transcript"]
    assert "SIGKILL" in s["kill"] and "has ended" in s["print 1"]
    assert "process" in s["restart"] and "runs on" in s["detach"]


@pytest.mark.modes("default")
def test_attach_leaves_it_running(gospect, go_build, run_go, release, mode, tmp_path):
    """Attached through a pipe: the end of the commands lets it go."""
    target = run_go(go_build(release, mode, "terminal"), "spin", ready="spinning")
    s = Session(gospect, ["attach", target.pid], ["stack", "print main.total", "goroutines", "frame 0", "break main.spin"], tmp_path, check=0)
    assert f"attached to process {target.pid}" in s.out and "main.spin" in s["stack"]
    assert s["print main.total"] == "51\n" and "\n4 goroutines" in s["goroutines"]
    assert target.alive()


@pytest.mark.modes("noopt")
def test_core(gospect, go_build, run_go, release, mode, tmp_path):
    """A core: everything but running."""
    program, core = go_build(release, mode, "terminal"), tmp_path / "a.core"
    target = run_go(program, "spin", ready="spinning")
    gospect("core", target.pid, "--output", core, check=0)
    s = Session(gospect, ["core", core, program], ["goroutines", "print main.total", "set main.total = 3", "continue", "break main.add",
                                                   "goroutine 1", "vars"], tmp_path, check=1)
    assert "\n4 goroutines" in s["goroutines"] and s["print main.total"] == "51\n"
    for command in ("set main.total = 3", "continue", "break main.add"):
        assert "a core cannot run or be changed" in s[command]
    assert "main.total = 51" in s["vars"]


@pytest.mark.modes("noopt")
def test_panic(debug, release, mode):
    """A panic that nobody recovers stops the program where it was thrown."""
    s = debug(release, mode, ["continue", "stack", "continue"], "panic", check=0)
    stop = s["continue"]
    assert stop.startswith("panic: ") and "out of order" in stop and "main.main" in stop
    assert "main.main" in s["stack"]
    assert "exited with status 2" in s["continue"]


@pytest.mark.releases("1.27")
def test_built_here(gospect, release, tmp_path):
    """Packages and tests are built by the go in PATH, and removed."""
    env = {"PATH": f"{gobuild.goroot(release)}/bin:{os.environ['PATH']}", "TMPDIR": str(tmp_path / "t"), "GOTOOLCHAIN": "local"}
    (tmp_path / "t").mkdir()
    package = tmp_path / "p"
    package.mkdir()
    (package / "go.mod").write_text("module example.com/p\n\ngo 1.20\n")
    (package / "p.go").write_text("package main\n\nfunc double(n int) int {\n\treturn 2 * n\n}\n\nfunc main() { println(double(4)) }\n")
    (package / "p_test.go").write_text('package main\n\nimport "testing"\n\nfunc TestDouble(t *testing.T) {\n\tif double(2) != 4 {\n\t\tt.Fail()\n\t}\n}\n')
    script = tmp_path / "init"
    script.write_text("break double\n# a comment\n\ncontinue\nprint n\n")
    run = gospect("debug", "run", ".", "--init", script, stdin=b"rebuild\ncontinue\nprint n*2\n", check=0, cwd=package, env=env)
    assert "\n4\n" in run.out and "\n8\n" in run.out
    test = gospect("debug", "test", ".", "--init", script, "--", "-test.run", "Double", stdin=b"continue\n", check=0, cwd=package, env=env)
    assert "\n2\n" in test.out and "PASS" in test.out
    broken = gospect("debug", "run", "./nowhere", check=2, cwd=package, env=env)
    assert "go build failed" in broken.said
    assert not list((tmp_path / "t").glob("gospect-debug-*"))
    script.write_text("print nothing\nprint 1\n")
    failed = gospect("debug", "run", ".", "--init", script, check=1, cwd=package, env=env)
    assert f"{script}:1" in failed.err and "\n1\n" not in failed.out


def test_wrong_calls(gospect, tmp_path, release="1.27"):
    """Every mistake on the command line has an answer that says what to do."""
    text = tmp_path / "text"
    text.write_text("no program")
    for words, code, said in ((["exec"], 2, "needs a program"), (["attach"], 2, "needs a pid"), (["core"], 2, "needs a core file"),
                              (["exec", "/nowhere"], 3, "No such file"), (["exec", tmp_path], 2, "is no program"),
                              (["exec", text], 3, "text"), (["attach", "999999999"], 3, "999999999"), (["core", text], 3, "text"),
                              (["exec", "/bin/true", "x"], 2, "one argument too many"),
                              (["exec", "/bin/true", "--source-map", "x"], 2, "is not FROM=TO")):
        result = gospect("debug", *words, check=code)
        assert said in result.err, result


# ---- on a terminal ----

@pytest.mark.modes("noopt")
def test_terminal(gospect, go_build, release, mode, tmp_path):
    """Colours, an empty line, completion, the program reading from the same terminal, history."""
    t = Typed(gospect, tmp_path, "exec", go_build(release, mode, "terminal"), "--", "read")
    try:
        t.prompt(1)
        t.type("break main.gre\t")
        assert "breakpoint 1" in t.text() and "main.greet" in t.text()
        t.press("continue\n")
        t.wait(SAID)
        n = t.text().count("(gospect) ")
        t.press("Bob\n")
        t.prompt(n + 1)
        assert "\x1b[36mfunc" in t.text(), "Go's words have a colour"
        assert arrow(re.sub(r"\x1b\[\d*m", "", t.type("next")).replace("\r", ""))[0] == LINES["greet"]
        again = t.type("")
        assert "fmt" in again and "Println" in again
        assert '"Bob\\n"' in t.type("print na\t")
        assert '"Bob\\n"' in t.type("print greeted")
        t.press("continue\n")
        t.wait("exited with status 0")
        t.press("exit\n")
        assert t.end() == 0
    finally:
        t.close()
    history = (tmp_path / "state" / "gospect" / "debug_history").read_text()
    assert "continue" in history and os.stat(tmp_path / "state" / "gospect" / "debug_history").st_mode & 0o77 == 0


@pytest.mark.modes("default")
def test_interrupt(gospect, go_build, release, mode, tmp_path):
    """Ctrl-C stops the program, again and again, and never the debugger; Ctrl-D asks."""
    t = Typed(gospect, tmp_path, "exec", go_build(release, mode, "terminal"), "--", "spin")
    try:
        t.prompt(1)
        t.press("continue\n")
        t.wait("spinning")
        for n in (2, 3):
            assert "interrupted: goroutine 1 in main.spin" in re.sub(r"\x1b\[\d*m", "", t.interrupt(n))
            if n == 2:
                t.press("continue\n")
                t.wait(r"interrupted(.|\n)*\(gospect\) continue\r?\n")
        assert "51" in t.type("print main.total")
        t.press("\x04")
        t.wait(r"stay \(s\)\? ")
        t.ready()
        t.press("s\n")
        t.prompt(5)
        t.press("\x04")
        t.wait(r"(?s)stay \(s\)\? .*stay \(s\)\? ")
        t.press("y\n")
        assert t.end() == 0
    finally:
        t.close()


@pytest.mark.releases("1.27")
@pytest.mark.modes("default")
def test_interrupt_attached(gospect, go_build, run_go, release, mode, tmp_path):
    """A process elsewhere: Ctrl-C comes to us and stops it; Ctrl-D lets it go; SIGTERM does, too."""
    target = run_go(go_build(release, mode, "terminal"), "spin", ready="spinning")
    t = Typed(gospect, tmp_path, "attach", target.pid)
    try:
        t.prompt(1)
        t.press("continue\n")
        t.wait(r"\(gospect\) continue\r?\n")
        assert "interrupted" in t.interrupt(2)
        t.press("\x04")
        t.wait(r"stay \(s\)\? ")
        t.press("y\n")
        assert t.end() == 0 and target.alive()
    finally:
        t.close()
    process = subprocess.Popen([gospect.path, "debug", "attach", str(target.pid)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               text=True, env=gospect.environment())
    process.stdin.write("continue\n")
    process.stdin.flush()
    assert "attached" in process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) in (0, 1) and target.alive()
    process.stdin.close()
    process.stdout.close()


DLV = "github.com/go-delve/delve/cmd/dlv@v1.27.2"


@pytest.mark.releases("1.26")
@pytest.mark.modes("noopt")
def test_dlv_agrees(debug, go_build, release, mode, tmp_path):
    """Delve, given the same commands: the same functions and lines on the stack, the same values."""
    dlv = real.go_install("dlv", "1.26", "default", DLV)
    commands = [f"break main.go:{LINES['work:grow']}", "continue", "continue", "stack", "args", "locals", "print o.Tags", "print *o", "step", "stack",
                "args", "stepout", "next", "locals"]
    script = tmp_path / "dlv"
    script.write_text("\n".join([*commands, "exit"]) + "\n")
    done = subprocess.run([dlv, "exec", go_build(release, mode, "terminal"), "--init", script, "--allow-non-terminal-interactive=true"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
    out = re.sub(r"\x1b\[\d*m", "", done.stdout)
    s = debug(release, mode, commands, check=0)
    stacks = [re.findall(r"^[→ ] +\d+  (\S+)  \S*?/(\S+):(\d+)", text, re.M) for command, text in s.answers if command == "stack"]
    theirs = re.findall(r"^ *\d+  0x[0-9a-f]+ in (\S+)\n +at \S+/(\S+?):(\d+)$", out, re.M)
    assert [one for stack in stacks for one in stack] == theirs, out

    def bare(text):
        return re.sub(r",(?=[]}])", "", re.sub(r"\s", "", text))

    for command in ("args", "locals", "print o.Tags", "print *o", "args", "locals"):
        for line in s[command].splitlines():
            if not line.startswith("o = "):  # Delve shows the pointer, we what it points to
                assert bare(line) in bare(out), f"{line} of {command} is not in\n{out}"
    assert "returned = 8" in str(s) and "~r0: 8" in out
