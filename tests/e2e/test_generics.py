"""Variables of generic code have their real types, and bit fields of C their values.

The target `generics` says what types and values its variables have (%T, %v); C prints its own bit fields.
"""
import re

import pytest

from lib import drive
from lib.dbgterm import Session

LINES = drive.labels("generics")
LINE_OF = {"sum": "sum:at", "push": "push:at", "add": "add:at", "each.func1": "inner:at", "each": "each:at"}
NOT_THERE = re.compile(r"^gospect: .*(optimized out|not set yet|overwrote|DWARF contradicts|use its place|register)")
TRUTH = re.compile(r"^truth ([^|\n]+)\|([^|\n]+)\|([^|\n]+)\|(.*)$", re.M)


@pytest.mark.modes("noopt")
def test_types(gospect, go_build, release, mode, tmp_path):
    """Of arguments, locals, results, escaped and captured variables, in functions, methods and closures: what %T says."""
    binary = go_build(release, mode, "generics")
    names = {"sum": ["xs", "start", "total"], "push": ["v", "l.n", "it.val"], "add": ["k", "v", "all", "t.rows"],
             "each.func1": ["inner", "i"], "each": ["xs", "out"]}
    commands = [f"break {where} main.go:{LINES[label]}" for where, label in ((w.replace(".", "_"), LINE_OF[w]) for w in LINE_OF)]
    order = ["sum"] * 3 + ["push"] * 3 + ["add", "each.func1", "each", "each.func1", "each"]
    for where in order:
        commands.append("continue")
        for name in names[where]:
            commands += [f"whatis {name}", f"print {name}"]
    commands += ["clearall", "continue"]
    s = Session(gospect, ["exec", binary], commands, tmp_path)
    said = [row for row in TRUTH.findall(s.out) if row[0] != "alike"]
    assert len(said) == sum(len(names[w]) for w in order), s
    for where, name, kind, value in said:
        assert where in names
        told = s[f"whatis {name}"].strip()
        assert told == kind, (where, name, kind, told)
        shown = s[f"print {name}"]
        if "0x" not in value + shown:  # addresses differ in how they are shown
            shown = re.sub(r"len: \d+, cap: \d+,", "", shown.replace(kind, ""))
            assert re.findall(r"-?[\d.]+\b", shown) == re.findall(r"-?[\d.]+\b", value), (where, name, value, shown)


@pytest.mark.modes("noopt")
def test_expressions(gospect, go_build, release, mode, tmp_path):
    """Arithmetic, fields, indexes, conditions and conversions with what has a type argument's type."""
    commands = [f"break full main.go:{LINES['sum:at']} if total == 6 && len(xs) == 2", "continue", "print total + start", "print xs[1] * 2",
                "whatis total + 1", "print float64(total)", "print main.meters(1) + total", "clear full",
                f"break pushed main.go:{LINES['push:at']} if l.n == 1", "continue", "continue", "print v.X + it.val.Y", "whatis &v", "set v.X = 70",
                "print v", f"break main.go:{LINES['inner:at']}", "clear pushed", "continue", "continue", "print inner.X - one.Y", "clearall",
                "continue"]
    s = Session(gospect, ["exec", go_build(release, mode, "generics")], commands, tmp_path)
    assert s["print total + start"] == "9\n" and s["print xs[1] * 2"] == "4\n" and s["whatis total + 1"] == "main.meters\n"
    assert s["print float64(total)"] == "6\n" and s["print main.meters(1) + total"] == "7\n"
    assert s["print v.X + it.val.Y"] == "3\n" and s["whatis &v"] == "*main.point\n"
    assert s["print v"] == "main.point {X: 70, Y: 2}\n" and s["print inner.X - one.Y"] == "-1\n"


@pytest.mark.modes("noopt")
def test_what_cannot_be_told(gospect, go_build, release, mode, tmp_path):
    """Two type arguments of one shape: what has an entry of the dictionary is known, what has escaped is not, and that is said."""
    commands = [f"break main.go:{LINES['alike:at']}", "continue", "stack 1", "whatis a", "whatis b", "whatis x", "print x + 0.5", "whatis T",
                "clearall", "continue"]
    s = Session(gospect, ["exec", go_build(release, mode, "generics")], commands, tmp_path)
    assert "main.alike[go.shape.float64" in s["continue"] and "main.alike[go.shape.float64" in s["stack 1"]
    assert s["whatis a"] == "main.meters\n" and s["whatis b"] == "float64\n"
    told = s["whatis x"]
    if told != "main.meters\n":  # 1.18 to 1.20 have a shape for each argument
        assert re.fullmatch(r"go\.shape\.float64\n.*not known.*\n", told), told
    assert s["print x + 0.5"] == "2\n" and "type parameters" in s["whatis T"]


@pytest.mark.modes("default")
def test_optimised(gospect, go_build, release, mode, tmp_path):
    """What the compiler kept has the real type, or says by its name that only the shape is known: never another type."""
    commands = [f"break main.go:{LINES[label]}" for label in ("sum:at", "push:at", "add:at", "each:at")]
    commands += ["continue", "whatis xs", "whatis total", "print total"] * 3 + ["continue", "whatis v", "whatis it"] * 3
    commands += ["continue", "whatis all", "whatis t", "clearall", "continue"]
    s = Session(gospect, ["exec", go_build(release, mode, "generics")], commands, tmp_path)
    for kind in ("int", "float64", "main.meters"):
        shape = "go.shape." + kind.replace("main.meters", "float64")
        told = s["whatis xs"].splitlines()[0]
        assert told.rstrip("_0") in (f"[]{kind}", f"[]{shape}") or NOT_THERE.search(told), told
        told = s["whatis total"].splitlines()[0]
        assert told.rstrip("_0") in (kind, shape) or NOT_THERE.search(told), told
    for kind in ("int", "main.point", "*main.point"):
        for name, whole in (("v", kind), ("it", f"*main.item[{kind}]")):
            told = s[f"whatis {name}"].strip()
            assert told == whole or "go.shape." in told or NOT_THERE.search(told), told
    told = s["whatis all"].strip()
    assert told == "[]main.point" or "go.shape." in told or NOT_THERE.search(told), told


BITS = re.compile(r"^(before|after) (.*)$", re.M)


@pytest.mark.releases("1.18", "1.24", "1.27")
@pytest.mark.modes("cgo")
@pytest.mark.parametrize("flags", ["-g -O0", "-gdwarf-3 -O0"])
def test_bit_fields(gospect, go_build, release, mode, tmp_path, flags):
    """What printf says of them; a set one, and its neighbours."""
    binary = go_build(release, mode, "cbits", env={"CGO_CFLAGS": flags})
    fields = {"ready": "ready", "delta": "delta", "wide": "wide", "a": "a", "b": "b", "color": "color", "on": "on", "all": "all",
              "after": "after", "inner": "in.inner"}
    commands = ["break main.goStop", "continue", "print C.flags", "print *(*C.struct_flags)(p)",
                *(f"print %d C.flags.{path}" for name, path in fields.items() if name != "on"), "print C.flags.delta * 2", "print C.flags.color",
                "set C.flags.delta = 16", "set C.flags.ready = 2", "set C.flags.delta = -16", "set C.flags.wide = 0x1122334455",
                "set C.flags.b = 1", "set C.flags.all = 18446744073709551615", "set C.flags.in.inner = 255", "print C.flags.delta",
                "print &C.flags.a", "clearall", "continue"]
    s = Session(gospect, ["exec", binary], commands, tmp_path)
    said = {when: dict(pair.split("=") for pair in text.split()) for when, text in BITS.findall(s.out)}
    whole = s["print C.flags"]
    assert s["print *(*C.struct_flags)(p)"] == whole  # what cgo's own type of it leaves out
    for name, path in fields.items():
        if name != "on":
            assert s[f"print %d C.flags.{path}"].strip() == said["before"][name], name
        if name not in ("color", "on", "inner"):
            assert f"{name}: {said['before'][name]}" in whole, whole
    assert "color: BLUE (5)" in whole and "on: true" in whole and said["before"]["on"] == "1"
    assert s["print C.flags.delta * 2"] == "-14\n" and s["print C.flags.color"] == "BLUE (5)\n"
    assert "does not fit into a bit field of 5 bits" in s["set C.flags.delta = 16"]
    assert "does not fit into a bit field of 1 bit" in s["set C.flags.ready = 2"]
    assert s["print C.flags.delta"] == "-16\n" and "gospect" in s["print &C.flags.a"]
    changed = {"delta": "-16", "wide": str(0x1122334455), "b": "1", "all": "18446744073709551615", "inner": "255"}
    assert said["after"] == {**said["before"], **changed}
