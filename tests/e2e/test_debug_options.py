"""gospect debug: options, what cannot be debugged, and Ctrl-C in every phase.

What the program tells about itself (tests/targets/terminal, and small packages written here) is the truth."""
import os
import re
import shutil
import signal
import subprocess
import tempfile

import pytest

from lib import drive, gobuild
from lib.dbgterm import Session, Typed, arrow
from lib.paths import TARGETS

LINES = drive.labels("terminal")
pytestmark = [pytest.mark.releases("1.27"), pytest.mark.modes("noopt")]


@pytest.fixture
def program(go_build, release, mode):
    return go_build(release, mode, "terminal")


@pytest.fixture
def debug(gospect, program, tmp_path):
    """debug(commands, *args, **more): a session of the target, started."""
    def run(commands, *args, **more):
        return Session(gospect, ["exec", program], commands, tmp_path, args, **more)
    return run


# ---- how the program is started ----

@pytest.mark.releases("1.18", "1.27")
def test_entry(debug):
    """The first stop is main.main, told once, where the initialisation of packages has run; after a restart, too."""
    s = debug(["print total", "print long[:12]", "restart", "print long[:12]", "continue"], options=["--stop-on-entry"], check=0)
    assert re.search(r"^process \d+ is about to run main\.main: goroutine 1 in main\.main at terminal/main\.go:\d+$", s.out, re.M)
    assert s["print total"] == "41\n" and s["print long[:12]"] == '"012345678901"\n'
    assert "is about to run main.main" in s["restart"] and s["print long[:12]"] == '"012345678901"\n'
    assert "exited with status 0" in s["continue"]


def test_files(debug, tmp_path):
    """From and into files, at the start and at restarts, which begin them anew."""
    for name in ("one", "two"):
        (tmp_path / name).write_text(f"{name}\n")
    out, err, other = tmp_path / "out", tmp_path / "err", tmp_path / "other"
    s = debug(["continue", f"restart > {other}", "continue", f"restart -noargs 2>{err}", "continue", f"restart read 'a > b' <{tmp_path}/two >{out}",
               "continue", "restart >", "restart < /nowhere", "restart", "continue"], "read",
              options=["--stdin", tmp_path / "one", "--stdout", out], check=1)
    assert "sum 10" not in s.out and not err.read_text()
    assert "args [read]\nhello one\n" in other.with_name("other").read_text() or "args []" in other.read_text()
    assert out.read_text().endswith("args [read a > b]\nhello two\n\n") and out.read_text().count("bye Ada") == 1
    assert "write restart" in s["restart >"] and "cannot open /nowhere" in s["restart < /nowhere"]


def test_directory_arguments_and_environment(gospect, release, tmp_path):
    """As the program itself tells; tests run among the files of their package."""
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / "go.mod").write_text("module example.com/p\n\ngo 1.18\n")
    (folder / "p.go").write_text('package main\n\nimport (\n\t"fmt"\n\t"os"\n)\n\nvar name = "nobody"\n\nfunc main() {\n\tdir, _ := os.Getwd()\n'
                                 '\tfmt.Println(dir, os.Args[1:], os.Getenv("WHO"), name)\n}\n')
    (folder / "p_test.go").write_text('package main\n\nimport (\n\t"os"\n\t"testing"\n)\n\nfunc TestFile(t *testing.T) {\n'
                                      '\tif _, err := os.Stat("p_test.go"); err != nil {\n\t\tt.Fatal(err)\n\t}\n}\n')
    env = {**gobuild.go_env(release), "TMPDIR": str(tmp_path), "WHO": "me"}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = gospect("debug", "run", "--dir", elsewhere, "--build-flags", "-trimpath '-ldflags=-X main.name=Ann -s -w'", ".", "--", "a b", "", "-c",
                   stdin=b"continue\n", cwd=folder, env=env, check=0)
    assert f"{elsewhere} [a b  -c] me Ann\n" in done.out
    assert "no DWARF" in done.err
    (tmp_path / "go.work").write_text("go 1.18\n\nuse ./p\n")
    done = gospect("debug", "test", "example.com/p", "--", "-test.v", stdin=b"continue\n", cwd=elsewhere,
                   env={**env, "GOWORK": str(tmp_path / "go.work")}, check=0)
    assert "--- PASS: TestFile" in done.out
    assert not list(tmp_path.glob("gospect-debug-*"))


def test_another_terminal(gospect, program):
    """The program has a terminal of its own; ours shows what the debugger says."""
    with subprocess.Popen(["/usr/bin/python3", "-c", "import os, sys, time, pty; m, s = pty.openpty(); print(os.ttyname(s), flush=True)\n"
                           "while True: print(os.read(m, 4096).decode(), end='', flush=True)"], stdout=subprocess.PIPE, text=True) as holder:
        try:
            tty = holder.stdout.readline().strip()
            done = gospect("debug", "exec", program, "--tty", tty, stdin=b"continue\nrestart >x\n", check=1)
            assert "exited with status 0" in done.out and "sum 10" not in done.out
            assert "keeps to its terminal" in done.err
            assert "bye Ada" in holder.stdout.readline() and "sum 10" in holder.stdout.readline()
        finally:
            holder.kill()


def test_sources_elsewhere(gospect, program, tmp_path):
    """The sources have moved: they are shown, and places name them as they are here."""
    here = tmp_path / "moved"
    here.mkdir()
    shutil.copy(TARGETS / "terminal" / "main.go", here / "main.go")
    text = (here / "main.go").read_text().replace("sum := 0", "sum := 0 // moved")
    (here / "main.go").write_text(text)
    s = Session(gospect, ["exec", program], [f"break {here}/main.go:{LINES['work:for']}", "continue", "list main.work", f"list {here}/main.go:1"], tmp_path,
                options=["--source-map", f"{TARGETS}/terminal={here}"], check=0)
    assert "// moved" in s["continue"] and "// moved" in s["list main.work"]
    assert arrow(s[f"list {here}/main.go:1"]) or "terminal: something of everything" in s.out


def test_scripts(gospect, program, tmp_path):
    """Commands of files in files; the first that fails ends them and names its line; nothing starts when there is no file."""
    (tmp_path / "inner").write_text("print 1\nprint nobody\nprint 2\n")
    (tmp_path / "outer").write_text(f"# begin\nprint 0\nsource {tmp_path}/inner\nprint 3\n")
    done = gospect("debug", "exec", program, "--init", tmp_path / "outer", stdin=b"print 4\n", check=1)
    assert re.findall(r"^\d$", done.out, re.M) == ["0", "1", "4"]
    assert f"{tmp_path}/outer:3: {tmp_path}/inner:2" in " ".join(done.err.split())
    (tmp_path / "loop").write_text(f"source {tmp_path}/loop\n")
    assert "deep" in gospect("debug", "exec", program, "--init", tmp_path / "loop", stdin=b"", check=1).err
    done = gospect("debug", "exec", program, "--init", tmp_path / "nothing", stdin=b"", check=3)
    assert "nothing" in done.err and not done.out


# ---- what cannot be debugged ----

@pytest.mark.parametrize("args,said", (
    (["attach", "1", "--tty", "/dev/null"], "--tty is for programs that are started here"),
    (["attach", "1", "--stop-on-entry"], "--stop-on-entry is for programs that are started here"),
    (["core", "x", "--stdin", "x"], "--stdin is for programs that are started here"),
    (["attach", "1", "--dir", "."], "--dir is for programs that are started here"),
    (["exec", "/bin/true", "--build-flags", "-race"], "--build-flags is for debug run"),
    (["attach", "1", "--", "a"], "arguments are for programs that are started here"),
))
def test_options_that_mean_nothing(gospect, args, said):
    assert said in gospect("debug", *args, check=2).err


def test_no_such_place(gospect, program, tmp_path):
    for option, said in (("--dir", "its directory"), ("--tty", "its terminal"), ("--stdin", "--stdin"), ("--stdout", "--stdout")):
        done = gospect("debug", "exec", program, option, tmp_path / "no" / "where", stdin=b"", check=3)
        # a path too long for the line is broken
        assert said in " ".join(done.err.split()) and "/no/where:Nosuchfile" in "".join(done.err.split())


def test_programs_that_cannot_run(gospect, release, tmp_path):
    """Another processor, another system, none of Go's, none that compiles: each says which."""
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / "go.mod").write_text("module example.com/p\n\ngo 1.18\n")
    (folder / "main.go").write_text("package main\n\nfunc main() {}\n")
    for name, more in (("arm", {"GOARCH": "arm64"}), ("mac", {"GOOS": "darwin"}), ("i386", {"GOARCH": "386"})):
        subprocess.run(["go", "build", "-o", name, "."], cwd=folder, env={**gobuild.go_env(release), **more}, check=True)
        done = gospect("debug", "exec", folder / name, stdin=b"", check=3)
        assert ("no program of this machine" if name != "i386" else "32-bit") in " ".join(done.err.split())
    assert "built with Go" in " ".join(gospect("debug", "exec", "/bin/true", stdin=b"", check=3).err.split())
    (folder / "main.go").write_text("package main\n\nfunc main() { x := 1 }\n")
    env = {**gobuild.go_env(release), "TMPDIR": str(tmp_path)}
    for how in ("run", "test"):
        done = gospect("debug", how, ".", stdin=b"", cwd=folder, env=env, check=2)
        assert "main.go:3" in done.err and f"go {'build' if how == 'run' else 'test'} failed" in done.err
    (folder / "main.go").write_text("package main\n\nfunc main() {}\n")
    assert "no test files" in gospect("debug", "test", ".", stdin=b"", cwd=folder, env=env, check=3).said
    (folder / "main.go").write_text("package p\n")
    assert "not package main" in gospect("debug", "run", ".", stdin=b"", cwd=folder, env=env, check=3).said
    assert "no go in PATH" in gospect("debug", "run", ".", stdin=b"", cwd=folder, env={**env, "PATH": "/nowhere"}, check=3).err
    assert not list(tmp_path.glob("gospect-debug-*"))


@pytest.mark.modes("default")
def test_processes_that_cannot_be_attached_to(gospect, gospect_start, program, run_go):
    """Gone, debugged by somebody else, of another user: each says why."""
    target = run_go(program, "spin", ready="spinning")
    gone = run_go(program, ready=None)
    gone.popen.wait(60)
    assert "no process" in gospect("debug", "attach", gone.pid, stdin=b"", check=3).err
    other = gospect_start("debug", "attach", target.pid, stdin=-1)
    assert b"attached" in other.stdout.readline()
    done = gospect("debug", "attach", target.pid, stdin=b"", check=3)
    assert f"traced by process {other.pid}" in " ".join(done.err.split())
    other.stdin.close()
    other.stdin = None
    assert other.wait(60) == 0 and target.alive()
    if os.geteuid() == 0:
        with tempfile.TemporaryDirectory() as folder:  # where nobody can reach it, and no other run of this test
            os.chmod(folder, 0o755)
            copy = shutil.copy(gospect.path, folder)
            done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", copy, "debug", "attach", str(target.pid)],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
        assert done.returncode == 3 and "not permitted" in done.stderr and "CAP_SYS_PTRACE" in done.stderr
    assert target.alive()


@pytest.mark.modes("default")
def test_what_is_to_be_known_of_a_process(gospect, program, go_build, run_go, release):
    """One that was stopped before runs on only when it may; one that can be given no handler is debugged, at a price."""
    target = run_go(program, "spin", ready="spinning")
    quit_at_once = ["debug", "attach", target.pid]
    assert "SIGSTOP" not in gospect(*quit_at_once, stdin=b"", check=0).err
    target.signal(signal.SIGSTOP)
    assert "runs on only after SIGCONT" in " ".join(gospect(*quit_at_once, stdin=b"", check=0).err.split())
    target.signal(signal.SIGCONT)
    assert "SIGSTOP" not in gospect(*quit_at_once, stdin=b"", check=0).err
    filtered = run_go(go_build(release, "default", "harm"))
    filtered.ask("seccomp 13")  # rt_sigaction; of mmap the runtime itself would die, whenever it needs some memory
    told = " ".join(gospect("debug", "attach", filtered.pid, stdin=b"", check=0).err.split())
    assert "passing a breakpoint stops all threads for a moment" in told and "killing the debugger in a call ends the program" in told
    assert filtered.alive() and target.alive()


@pytest.mark.modes("nodwarf", "stripped")
def test_without_dwarf(debug):
    """Functions, lines, stacks and breakpoints are there; of values it is said why they are not."""
    s = debug(["break main.(*order).grow", "continue", "stack", "args", "print by", "print total", "call add(1, 2)", "next", "goroutines"], check=1)
    assert "no DWARF" in s.err and "main.(*order).grow" in s["continue"]
    stack = s["stack"]
    assert "main.work" in stack and "main.main" in stack
    assert all("DWARF" in s[command] for command in ("args", "print by", "print total", "call add(1, 2)"))
    assert arrow(s["next"])[0] == LINES["grow"] + 1 or arrow(s["next"]) is None


def test_nobody_reads(gospect, program, tmp_path):
    """The reader goes: nothing is said about it, and the program ends.  A full disk is a failure."""
    script = tmp_path / "script"
    script.write_text("funcs\n" * 200)
    with subprocess.Popen([gospect.path, "debug", "exec", program, "--init", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=gospect.environment()) as process:
        pid = int(re.search(rb"process (\d+)", process.stdout.readline())[1])
        process.stdout.close()
        assert process.stderr.read() == b"" and process.wait(60) in (0, 1)
    assert not os.path.exists(f"/proc/{pid}")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([gospect.path, "debug", "exec", program], input=b"funcs\n", stdout=full, stderr=subprocess.PIPE, check=False, timeout=60,
                              env=gospect.environment())
    assert done.returncode == 1 and b"No space left" in done.stderr


# ---- Ctrl-C and the line ----

@pytest.fixture
def typed(gospect, tmp_path):
    opened = []

    def start(*args):
        opened.append(Typed(gospect, tmp_path, *args))
        opened[-1].prompt(1)
        return opened[-1]
    yield start
    for one in opened:
        one.close()


def plain(text):
    return re.sub(r"\x1b\[[\d;]*[A-Za-z]", "", text).replace("\r", "")


def test_ctrl_c_in_every_phase(typed, program):
    """A function that is called, many values, many steps, a prompt: it comes back each time, and the session is as it was."""
    t = typed("exec", program)
    t.type("break main.work")
    t.type("continue")
    t.press("call spin()\n")
    t.wait("spinning")
    said = plain(t.interrupt(4))
    assert "interrupted: goroutine" in said and "before the call was done" in said
    assert "51" in t.type("print total + 10")
    t.type("restart")
    t.type("continue")
    for command in ("print many", "goroutines", "next 1000000"):
        assert "1000000" in plain(t.type("print len(many)"))
        t.type("config elements 100000")
        n = t.text().count("(gospect) ") + 1
        t.press(command + "\n")
        t.interrupt(n)
        t.settle()
    t.type("restart")  # the steps may have come to the program's end before Ctrl-C
    t.type("continue")
    assert "1000000" in plain(t.type("print len(many)"))
    n = t.text().count("(gospect) ") + 1
    t.press("print 11111\x03")  # a line that is given up
    t.prompt(n)
    assert "22222" in plain(t.type("print 22222")).split("print 22222", 1)[1]
    t.press("exit\n")
    t.wait(r"stay \(s\)\? ")
    t.ready()
    t.press("y\n")
    assert t.end() == 1  # a command was not done


def test_steps_after_an_interrupt_are_of_the_goroutine(typed, program):
    """Ctrl-C while the goroutine sleeps: the next step is its own, wherever the threads were."""
    t = typed("exec", program, "--", "spin")
    t.press("continue\n")
    t.wait("spinning")
    t.interrupt(2)
    for _ in range(2):  # out of the sleep, and to the loop
        assert "→" in plain(t.type("next"))
        assert "goroutine 1 (" in plain(t.type("goroutine"))
    assert not re.search(r"^: ", plain(t.text()), re.M)  # nothing was left out of a sentence


def test_history_and_completion(typed, program, tmp_path):
    t = typed("exec", program)
    assert "breakpoint 1" in plain(t.type("break grown main.(*order).gr\t"))
    assert "removed breakpoint 1" in plain(t.type("clear gro\t"))
    script = tmp_path / "script-with-a-name"
    script.write_text("print 4321 * 2\n")
    assert "8642" in plain(t.type(f"source {tmp_path}/script-w\t"))
    assert "there is no command" in plain(t.type("frob"))
    assert "there is no command" in plain(t.type("\x1b[A"))  # the arrow up: the line before
    t.press("exit -c\n")
    assert t.end() == 1
    history = tmp_path / "state" / "gospect" / "debug_history"
    assert history.stat().st_mode & 0o777 == 0o600 and "source" in history.read_text()
    second = typed("exec", program)
    assert plain(second.type("\x1b[A\x1b[A")).count("there is no command") == 1
    second.press("exit -c\n")
    assert second.end() == 1
    history.unlink()
    history.mkdir()  # where nothing can be written
    third = typed("exec", program)
    third.press("exit -c\n")
    assert third.end() == 0
