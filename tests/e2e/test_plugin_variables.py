"""Variables and types of plugins: what they are the plugin prints itself (tests/targets/latevars), and Delve is asked, too."""
import json
import os
import re
import shutil

import pytest

from lib import drive, opinion
from lib.dbgterm import Session
from lib.paths import TARGETS

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
    s = Session(gospect, ["exec", program], [*commands, "clearall", "continue"], tmp_path, [one, two], check=1 if mode == "cgo" else 0)
    one, two = printed(s.out, "one"), printed(s.out, "two")
    assert len(one + two) == 3
    told = (one if mode == "cgo-noopt" else one[:1]) + two
    for (label, names), words in zip(asked, told):
        answers = [plain(s[f"print {name}"]) for name in names]
        if mode == "cgo":  # the compiler did not keep all, and not everywhere may something be called
            answers, words = zip(*((a, w) for a, w in zip(answers, words) if not a.startswith("gospect: ")))
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
