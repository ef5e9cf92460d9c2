"""Variables and types of plugins: what they are the plugin prints itself (tests/targets/latevars), and Delve is asked, too."""
import json
import os
import re
import shutil
import subprocess

import pytest

from lib import cores, drive, opinion
from lib.dbgterm import Session
from lib.paths import TARGETS
from lib.process import wait_until

PLUGIN = ("-buildmode=plugin",)
MAIN, ONE, TWO = (drive.labels(f"latevars{part}") for part in ("", "/one", "/two"))
SOURCES = TARGETS / "latevars"
pytestmark = pytest.mark.modes("cgo-noopt", "cgo")
OPENED = f"latevars/main.go:{MAIN['main:call']}"


def at(label):
    return f"{label.split(':')[0]}/main.go:{({**ONE, **TWO})[label]}"


@pytest.fixture
def built(go_build):
    """built(release, mode, plugins' mode) -> program, plugin one, plugin two"""
    def build(release, mode, plugins=None):
        return (go_build(release, mode, "latevars"),
                *(go_build(release, plugins or mode, f"latevars/{part}", PLUGIN) for part in ("one", "two")))
    return build


def arguments(label):
    """What the program prints at or next behind a line, as expressions."""
    lines = (SOURCES / label.split(":")[0] / "main.go").read_text().splitlines()[{**ONE, **TWO}[label] - 1:]
    return re.search(r'Println\("\w+:", (.*)\)', "\n".join(lines))[1].split(", ")


def plain(answer):
    """A number or text as fmt.Println has it: without quotes, and of a constant the number."""
    text = answer.strip()
    named = re.fullmatch(r"\w+ \((-?\d+)\)", text)
    return json.loads(text) if text.startswith('"') else named[1] if named else text


def printed_lines(out, who):
    """What it printed, without its name."""
    return [line.partition(": ")[2] for line in out.splitlines() if line.startswith(f"{who}: ")]


def printed(out, who):
    """The same word by word."""
    return [line.split() for line in printed_lines(out, who)]


def test_values(built, gospect, release, mode, tmp_path):
    """Arguments, locals, package variables of a plugin and of what both have, fields, elements, methods, conversions."""
    program, one, two = built(release, mode)
    labels = ("one:stop", "one:again", "two:stop") if mode == "cgo-noopt" else ("one:stop", "two:stop")
    asked = [(label, arguments(label)) for label in labels]
    commands = [f"break {OPENED}", "continue", *(f"break -pending {at(label)}" for label in labels)]
    for label, names in asked:
        commands += ["continue"] * (2 if label == "two:stop" else 1) + [f"print {name}" for name in names]
    s = Session(gospect, ["exec", program], [*commands, "clearall", "continue"], tmp_path, [one, two], check=None if mode == "cgo" else 0)
    one, two = printed(s.out, "one"), printed(s.out, "two")
    assert len(one + two) == 3
    told = (one if mode == "cgo-noopt" else one[:1]) + two
    for (label, names), words in zip(asked, told):
        answers = [plain(s[f"print {name}"]) for name in names]
        if mode == "cgo":  # the compiler did not keep all, and not everywhere may something be called
            answers, words = zip(*((a, w) for a, w in zip(answers, words) if not re.match(r"gospect: |\(optimized out\)", a)))
            assert len(answers) >= len(names) / 2, s
        assert list(answers) == list(words), (label, s)


@pytest.mark.modes("cgo-noopt")
def test_changes(built, gospect, release, mode, tmp_path):
    """What is set the plugin finds; functions of the plugin are called, with types of both; its variables are watched."""
    program, one, two = built(release, mode)
    s = Session(gospect, ["exec", program], [
        f"break {OPENED}", "continue", "watch one.total", "continue", "clear 2", f"break {at('one:stop')}", "clear 1", "continue",
        "set sum = 77", "set label = one.fail.Error()", "set state.items = list", 'set mine.by["label"] = 9', "set given = at", "print given",
        "print twice(21)", "print what(at) + what(list[0]) + what(took)", "print len(state.items)", "print given.(shared.Point).Y",
        "print mine.Describe()", "clearall", "continue"], tmp_path, [one, two], check=0)
    s["continue"]
    assert "watchpoint 2 on one.total: 100 -> 105: goroutine 1 in one.Work.func1" in s["continue"]
    assert s["print given"] == "interface {}(targets/latevars/shared.Point) {X: 3, Y: 4}\n"
    assert s["print twice(21)"] == "42\n" and s["print what(at) + what(list[0]) + what(took)"] == '"pointitemstringer"\n'
    assert s["print len(state.items)"] == "2\n" and s["print given.(shared.Point).Y"] == "4\n" and s["print mine.Describe()"] == '"(3,4)"\n'
    words = dict(zip(arguments("one:stop"), re.split(r" (?!failure)", printed_lines(s.out, "one")[0])))
    assert [words[name] for name in ("label", "sum", 'mine.by[label]')] == ["a failure", "77", "0"]


@pytest.mark.modes("cgo-noopt")
def test_hits(built, gospect, release, mode, tmp_path):
    """Captured variables, generic code, a condition and a log point in code of the plugin."""
    program, one, two = built(release, mode)
    s = Session(gospect, ["exec", program], [
        f"break {OPENED}", "continue", f"log {at('one:inside')} inside: {{sum}} {{by}} {{total}} {{n}}",
        f"break never {at('one:inside')} if n == 4 && by != 5", f"break always {at('one:inside')} if n == 4 && sum == 13", "continue", "args",
        f"break {at('one:greater')}", "continue", "args", "whatis a", "continue", "args", "whatis a", "stack", "exit -k"],
        tmp_path, [one, two], check=0)
    stop = s["continue"] + s["continue"]
    inside = [line for line in s.out.splitlines() if line.startswith("inside: ")]
    assert len(inside) == 1 and re.search(f"^.*{inside[0]}$", str(s), re.M)
    assert "breakpoint 4 (always): goroutine 1 in one.Work.func1" in stop and "by = 5" in s["args"]
    assert "one.greater[" in s["continue"] and 'a = "label"' in s["args"] and s["whatis a"] == "string\n"
    assert "one.greater[" in s["continue"] and "a = 4" in s["args"] and s["whatis a"] == "int\n"
    assert "one.Work  one/main.go:" in s["stack"]


def test_names_and_types(built, gospect, release, mode, tmp_path):
    """What the program consists of; names that two plugins have; what the program holds of both plugins' types."""
    program, one, two = built(release, mode)
    s = Session(gospect, ["exec", program], [
        f"break latevars/main.go:{MAIN['main:stop']}", "continue", "types latevars/two", "vars latevars", "funcs latevars/one", "print shared.Held",
        "whatis one.state", "print two.total", "print one.total", "print shared.Count", "print *one.any.(*one.item)", "types shared",
        "exit -k"], tmp_path, [one, two], check=0)
    assert "targets/latevars/two.item\n" in s["types latevars/two"]
    variables = s["vars latevars"]
    assert 'one.total = 105\n' in variables and 'two.total = "nothing!"\n' in variables and "shared.Count = 1002\n" in variables
    assert "targets/latevars/one.greater[" in s["funcs latevars/one"]
    held = s["print shared.Held"]
    for text in ('targets/latevars/one.item {Name: "x", Price: 1.5,', "low (1)", 'main.private {Name: "of main"',
                 "targets/latevars/shared.Point {X: 3, Y: 4}", "targets/latevars/two.item {Weight: 1, Height: 2}"):
        assert text in held
    assert s["whatis one.state"] == "targets/latevars/one.basket\n"
    assert s["print two.total"] == '"nothing!"\n' and s["print one.total"] == "105\n" and s["print shared.Count"] == "1002\n"
    assert 'targets/latevars/one.item {Name: "kept", Price: 2.5,' in s["print *one.any.(*one.item)"]
    listed = s["types shared"].splitlines()
    assert len(listed) == len(set(listed)) and "targets/latevars/shared.Point" in listed


@pytest.fixture
def waiting(built, gospect, run_go, tmp_path):
    """waiting(release, mode, plugins' mode) -> program that has opened copies of both plugins, and waits in one; their paths"""
    def start(release, mode, plugins=None):
        program, *files = built(release, mode, plugins)
        copies = [shutil.copy(path, tmp_path / f"{path.name}.so") for path in files]
        target = run_go(program, "wait", *copies, unharmed=False)
        wait_until(lambda: "one.Hold" in gospect("goroutines", target.pid, "--filter", "func=Hold").out,
                   "the goroutine of the plugin")
        return (target, *copies)
    return start


def hold_of(text):
    """What is told of the variables of one.Hold."""
    return text.split("one.Hold  ")[1].split("\n4 goroutines")[0].split("\nnot everything")[0]


def test_captures(waiting, gospect, release, mode):
    """A running program: what is on stacks, what is waited for, package variables, types of what they keep."""
    target = waiting(release, mode)[0]
    told = gospect("goroutines", target.pid, "--locals", check=0).out
    assert 'name string = "held back"' in hold_of(told) and "not everything could be read" not in told
    if mode == "cgo-noopt":
        assert 'kept []one.item = len: 1, cap: 1, [{Name: "held back", Price: 0.5, Next: nil}]' in hold_of(told)
    assert "one.gate  sync.Mutex at" in gospect("waits", target.pid, check=0).out
    rows = {row["name"].removeprefix("targets/latevars/"): row
            for row in asked(gospect, target, "SELECT name, type, size, addr FROM globals")}
    ours = {name: (rows[name]["type"], rows[name]["size"]) for name in
            ("one.total", "one.state", "one.gate", "one.when", "two.total", "shared.Count", "shared.Held")}
    assert ours == {"one.total": ("int64", 8), "one.state": ("main.basket", 56), "one.gate": ("sync.Mutex", 8),
                    "one.when": ("time.Duration", 8), "two.total": ("string", 16), "shared.Count": ("int", 8),
                    "shared.Held": ("[]interface {}", 24)}
    names = [row["name"] for row in asked(gospect, target, "SELECT name FROM globals")]
    assert [names.count(f"targets/latevars/{name}") for name in ("shared.Count", "shared.Held")] == [1, 1]  # the one that is used
    kept = asked(gospect, target, "SELECT count(*) n FROM objects WHERE live AND type = '[]main.item'")
    assert kept[0]["n"] >= 2
    assert asked(gospect, target, "SELECT count(*) n FROM globals WHERE name LIKE '%one.sink' AND retained > 0")[0]["n"] == 1


def asked(gospect, target, sql):
    return [json.loads(line) for line in gospect("sql", target.pid, sql, "--json", check=0).out.splitlines()]


LOOK = ("vars latevars/one.total", "types latevars/one.basket", "print one.total", "print two.total", "funcs one.Hold$")


@pytest.mark.releases("1.18", "1.22", "1.27")
@pytest.mark.modes("cgo-noopt")
def test_later_and_cores(waiting, gospect, release, mode, tmp_path):
    """Plugins that were opened before the debugger came; a core; files that are gone, or others, afterwards."""
    target, one, two = waiting(release, mode)
    core = tmp_path / "core"
    gospect("core", target.pid, "-o", core, check=0)
    small = cores.gcore(target.pid, tmp_path / "small")  # without what is in files
    for how, where in (("attach", target.pid), ("core", core), ("core", small)):
        s = Session(gospect, [how, where], [*LOOK, "exit -c" if how == "attach" else "exit"], tmp_path, check=0)
        assert s["vars latevars/one.total"].endswith("one.total = 105\n") and "targets/latevars/one.basket\n" in s["types latevars/one.basket"], s
        assert s["print one.total"] == "105\n" and s["print two.total"] == '"nothing!"\n' and "targets/latevars/one.Hold\n" in s["funcs one.Hold$"]
    assert 'name string = "held back"' in hold_of(gospect("goroutines", small, "--locals", check=0).out)
    os.rename(two, one)  # the one is gone, and the other is in its place
    s = Session(gospect, ["core", core], [*LOOK, "exit"], tmp_path, check=1)
    assert f"{one} is another file than the one that was loaded" in joined(s.err) and f"cannot open {two}" in joined(s.err)
    told = gospect("goroutines", core, "--locals", check=0).out
    assert "one.Hold  " in told and "name string" not in told and "is another file than the one that was loaded" in joined(told)
    live = gospect("goroutines", target.pid, "--locals", check=0).out
    if may_open_mapped(target.pid, one):
        assert 'name string = "held back"' in live
    else:
        assert f"{one} is another file" in joined(live) or "was deleted after it was loaded" in joined(live)


def joined(text):
    return re.sub(r"\s+", " ", text)


def may_open_mapped(pid, path):
    """Whether we may open the file that is mapped, whatever has its name now."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        where = next(line.split()[0] for line in maps if str(path) in line)
    try:
        os.close(os.open(f"/proc/{pid}/map_files/{'-'.join(part.lstrip('0') for part in where.split('-'))}", os.O_RDONLY))
    except OSError:
        return False
    return True


@pytest.mark.releases("1.18", "1.22", "1.27")
@pytest.mark.modes("cgo")
def test_stripped(waiting, built, gospect, release, mode, tmp_path):
    """Of a stripped plugin functions alone, and that is said; of a plugin of a stripped program its variables."""
    target, one, _ = waiting(release, mode, f"{mode}-stripped")
    s = Session(gospect, ["attach", target.pid], ["funcs one.Hold$", "print one.total", "print shared.Count", "exit -c"], tmp_path, check=1)
    assert f"{one} has no DWARF (it was linked with -w or -s): its functions and lines are known, its variables are not" in joined(s.err)
    assert "one.Hold\n" in s["funcs one.Hold$"] and f"nothing is called one here, as far as is known: {one}: no DWARF" in joined(s.err)
    told = gospect("goroutines", target.pid, "--locals", check=0).out
    assert "no DWARF debugging information" in joined(told) and "name string" not in told
    program = built(release, f"{mode}-stripped")[0]
    plugins = built(release, mode)[1:]
    s = Session(gospect, ["exec", program], [f"break -pending {at('one:stop')}", "continue", "print total", "print state.X", "print n", "exit -k"],
                tmp_path, plugins, check=0)
    assert (s["print total"], s["print state.X"], s["print n"]) == ("105\n", "7\n", "4\n")


@pytest.mark.releases("1.18", "1.22", "1.27")
@pytest.mark.modes("cgo-noopt")
def test_debug_file(built, gospect, release, mode, tmp_path):
    """A plugin whose DWARF was moved to a file beside it."""
    program, *plugins = built(release, mode)
    one, apart = tmp_path / "one.so", tmp_path / "one.so.debug"
    subprocess.run(["objcopy", "--only-keep-debug", plugins[0], apart], check=True)
    subprocess.run(["objcopy", "--strip-debug", f"--add-gnu-debuglink={apart}", plugins[0], one], check=True)
    s = Session(gospect, ["exec", program], [f"break -pending {at('one:stop')}", "continue", "print sum", "print one.total", "exit -k"],
                tmp_path, [one, plugins[1]], check=0)
    assert (s["print sum"], s["print one.total"]) == ("13\n", "105\n")


@pytest.mark.releases("1.18", "1.22", "1.27")
@pytest.mark.modes("cgo-noopt")
def test_delve_says_the_same(gospect, built, release, mode):
    """Scopes of frames of the plugin and of its caller by the Debug Adapter Protocol, from both."""
    program, *plugins = built(release, mode)

    def place(frame):
        func, file, line = opinion.place(frame)
        return func.rpartition("/")[2], file, line

    def short(node):
        """Packages by their names, which Delve does in values; constants and durations as the number they are."""
        node.type, node.value = (text.replace("targets/latevars/", "") for text in (node.type, node.value))
        node.value = re.sub(r'\("?(\*)"?([\w.]+)"?\)', r"(\1\2)", node.value)
        node.value = re.sub(r"\b(?:low|middle|high) \((\d)\)", r"\1", node.value).replace("4ms", "4000000")
        node.children = [short(child) for child in node.children]
        return node

    def look(peer):
        peer.client.set_breakpoints(SOURCES / "main.go", [MAIN["main:call"]])
        peer.configured()
        assert peer.stop()
        peer.client.set_breakpoints(SOURCES / "one" / "main.go", [ONE["one:stop"], ONE["one:inside"]])
        found = []
        for _ in range(2):
            assert peer.run("continue")
            frames = [f for f in peer.frames() if not f["name"].startswith("runtime.")]
            found.append([(place(f), [short(node) for node in opinion.scopes(peer, f, 3)]) for f in frames])
        return found
    ours, theirs = opinion.both(gospect, release, program, plugins, look)
    assert [[where for where, _ in stop] for stop in ours] == [[where for where, _ in stop] for stop in theirs]
    compared = [(where, opinion.count(mine), list(opinion.compare(mine, other)))
                for a, b in zip(ours, theirs) for (where, mine), (_, other) in zip(a, b)]
    assert sum(count for _, count, _ in compared) > 60
    apart = [f"{where}: {difference}" for where, _, differences in compared for difference in differences]
    assert not apart, "\n".join(apart)
