"""Arguments and local variables of frames (--locals), against what the target says of itself.

The target `locals` keeps a table of its variables: function, name, type, value as its own fmt words
it.  Compiled without optimisation every one of them must be shown, and right.  Optimised, the
compiler drops some: what is shown must be right all the same, or be marked as not readable.
"""
import json
import re
import subprocess

import pytest

from lib import real

SHOWN = "value"
DELVE = "github.com/go-delve/delve/cmd/dlv@v1.27.2"


def variables(seen):
    """(function, name) -> the variables of that name; type arguments as Go's tracebacks have them."""
    found = {}
    for g in seen["goroutines"]:
        for v in g["locals"]:
            func = re.sub(r"\[.*\]", "[...]", g["stack"][v["frame"]]["func"])
            found.setdefault((func, v["name"]), []).append(dict(v, goroutine=g["id"]))
    return found


def sorted_entries(text):
    """A map's entries have no order of their own."""
    head, _, entries = text[:-1].partition("{")
    return head + "{" + ", ".join(sorted(entries.split(", "))) + "}"


def plain_fields(text):
    """DWARF qualifies the fields of anonymous structs."""
    return re.sub(r"\bmain\.([a-z] )", r"\1", text)


def value_fits(row, value):
    if "{SOME}" in row["Value"]:
        entries = re.fullmatch(r"len: 5000, \{(.*), …\+4992\}", value)
        pairs = [e.split(": ") for e in entries[1].split(", ")] if entries else []
        return len(pairs) == 8 and all(0 <= int(k) < 5000 and int(v) == -int(k) for k, v in pairs)
    if row["Func"] == "main.maps" and value.startswith("len: "):
        return sorted_entries(value) == sorted_entries(row["Value"])
    if row["Name"] == "method":  # the name of the package of `error` changed
        return value.endswith(row["Value"])
    return plain_fields(value) == row["Value"]


def type_fits(row, name):
    """A type argument may be told by its shape."""
    if "go.shape." in name:
        return "generic" in row["Func"]
    return plain_fields(name) == row["Type"]


def kind_fits(row, v):
    """An argument that escapes is copied to a variable of its own."""
    return v["kind"] == row["Kind"] or (v["escaped"] and v["kind"] == "variable")


def wrong(table, seen):
    """What is shown and not true: (row, what was shown)."""
    found = variables(seen)
    for row in table:
        candidates = found.get((row["Func"], row["Name"]), [])
        shown = [v for v in candidates if SHOWN in v]
        if len(candidates) > 1 and row["Func"] in ("main.generic[...]", "main.blocks"):
            # two goroutines run it, or an outer variable has the same name
            if len(shown) == len(candidates) and not any(value_fits(row, v[SHOWN]) for v in shown):
                yield row, shown
            continue
        for v in shown:
            if not (value_fits(row, v[SHOWN]) and type_fits(row, v["type"]) and kind_fits(row, v)):
                yield row, v


def not_shown(table, seen):
    found = variables(seen)
    for row in table:
        if not any(SHOWN in v and value_fits(row, v[SHOWN])
                   for v in found.get((row["Func"], row["Name"]), [])):
            yield row


@pytest.mark.modes("default", "noopt")
@pytest.mark.sanitized
def test_variables_are_what_the_target_says(go_build, run_go, gospect, release, mode):
    target = run_go(go_build(release, mode, "locals"))
    table = json.loads(target.ask("table"))
    for consistency in ("process", "goroutine"):
        seen = gospect("goroutines", target.pid, "--locals", "--json", "--consistency", consistency,
                       check=0).json
        assert not list(wrong(table, seen))
        missing = list(not_shown(table, seen))
        if mode == "noopt":
            assert not missing
        assert len(missing) < 0.75 * len(table), "optimised code keeps more than that"


@pytest.mark.releases("1.18", "1.26")
@pytest.mark.modes("pie", "race", "external", "trimpath-noopt")
def test_variables_in_other_builds(go_build, run_go, gospect, release, mode):
    target = run_go(go_build(release, mode, "locals"))
    table = json.loads(target.ask("table"))
    seen = gospect("goroutines", target.pid, "--locals", "--json", check=0).json
    assert not list(wrong(table, seen))
    assert len(list(not_shown(table, seen))) < 0.75 * len(table)


@pytest.mark.modes("default", "noopt")
def test_what_is_not_set_yet_has_no_value(go_build, run_go, gospect, release, mode):
    """A goroutine that waits within the statement that sets its variables: they may be zero already."""
    target = run_go(go_build(release, mode, "locals"))
    seen = gospect("goroutines", target.pid, "--locals", "--json", "--filter", "func=main.lines",
                   check=0).json
    found = variables(seen)
    assert any(v.get(SHOWN) == "9" for v in found["main.lines", "early"]) or mode == "default"
    for name, zero in ("sum", "0"), ("list", "[0, 0, 0]"):
        assert all(v.get(SHOWN, zero) == zero for v in found.get(("main.lines", name), []))


@pytest.mark.modes("default", "noopt")
def test_a_core_and_a_snapshot_show_the_same(go_build, run_go, gospect, release, mode, tmp_path):
    target = run_go(go_build(release, mode, "locals"))
    table = json.loads(target.ask("table"))
    gospect("core", target.pid, "-o", tmp_path / "core", check=0)
    gospect("snapshot", target.pid, "--locals", "-o", tmp_path / "s.gsnap", check=0)
    views = [gospect("goroutines", t, "--locals", "--json", check=0).json
             for t in (target.pid, tmp_path / "core", tmp_path / "s.gsnap")]
    shown = [{g["id"]: g["locals"] for g in view["goroutines"] if g["id"] != 1} for view in views]
    assert shown[0] == shown[1] == shown[2]
    assert not list(wrong(table, views[1]))


@pytest.mark.modes("noopt", "default")
def test_arguments_of_moving_goroutines_belong_together(go_build, run_go, gospect, release, mode):
    """Goroutines that recurse all the time: in every frame n is one more than in its caller."""
    target = run_go(go_build(release, mode, "locals"))
    target.ask("move")
    frames = readable = 0
    for look in range(30):
        seen = gospect("goroutines", target.pid, "--locals", "--json", "--filter", "func=recurse",
                       "--consistency", ("process", "goroutine")[look % 2], check=0).json
        for g in seen["goroutines"]:
            values = {(v["frame"], v["name"]): v[SHOWN] for v in g["locals"] if SHOWN in v}
            at = [i for i, f in enumerate(g["stack"]) if f["func"] == "main.recurse"]
            frames += len(at)
            for depth, i in enumerate(reversed(at)):
                for name, true in (("n", depth), ("twice", 2 * depth), ("name", '"mover"')):
                    if (i, name) in values:
                        readable += 1
                        assert values[i, name] == str(true), (look, g["id"], i, name)
    target.ask("rest")
    assert frames > 500 and readable > frames


@pytest.mark.modes("default", "noopt")
def test_registers_of_what_runs_and_was_preempted(go_build, run_go, gospect, release, mode):
    """Loops that keep their arguments in registers: on a thread, or preempted within the loop."""
    target = run_go(go_build(release, mode, "locals"), env={"GOMAXPROCS": "2"})
    target.ask("spin")
    seen_ids = {"running": set(), "preempted": set()}
    halves = 0
    for look in range(300):
        if look > 10 and seen_ids["running"] and seen_ids["preempted"]:
            break
        seen = gospect("goroutines", target.pid, "--locals", "--json", "--filter", "func=main.spin",
                       "--consistency", ("process", "goroutine")[look % 2], check=0).json
        for g in seen["goroutines"]:
            spin = next(i for i, f in enumerate(g["stack"]) if f["func"] == "main.spin")
            values = {v["name"]: v[SHOWN] for v in g["locals"] if SHOWN in v and v["frame"] == spin}
            if "twice" not in values:
                continue
            number = int(values["twice"]) // 2
            seen_ids["preempted" if spin else "running"].add(number)
            halves += "half" in values
            assert 1 <= number <= 4
            assert values.get("id", str(number)) == str(number)
            assert values["twice"] == str(2 * number)
            assert float(values.get("half", number / 2)) == number / 2
            assert values.get("label", '"spinner"') == '"spinner"'
    target.ask("rest")
    assert seen_ids["running"] and seen_ids["preempted"]
    assert halves or mode == "default"


def test_groups_show_one_goroutine_of_each(go_build, run_go, gospect):
    target = run_go(go_build("1.26", "noopt", "locals"))
    text = gospect("goroutines", target.pid, "--locals", check=0).out
    assert re.search(r"n int = 40  \(argument\)\n", text)
    assert re.search(r"total int = 99  \(result\)\n", text)


def test_values_can_be_filtered(go_build, run_go, gospect):
    target = run_go(go_build("1.26", "noopt", "locals"))
    seen = gospect("goroutines", target.pid, "--locals", "--json", "--filter", "local.square=4",
                   check=0).json
    assert len(seen["goroutines"]) == 1
    assert any(f["func"] == "main.blocks" for f in seen["goroutines"][0]["stack"])


@pytest.mark.modes("stripped", "nodwarf")
def test_without_dwarf_it_is_said_once(go_build, run_go, gospect, mode):
    target = run_go(go_build("1.26", mode, "locals"))
    seen = gospect("goroutines", target.pid, "--locals", "--json", check=0).json
    assert all(g["locals"] == [] for g in seen["goroutines"])
    said = [m for m in seen["missing"] if "variables" in m["what"]]
    assert len(said) == 1 and "DWARF" in said[0]["why"]


def test_a_limit_is_said(go_build, run_go, gospect):
    target = run_go(go_build("1.26", "noopt", "locals"))
    seen = gospect("goroutines", target.pid, "--locals", "--locals-limit", 3, "--json", check=0).json
    assert sum(bool(g["locals"]) for g in seen["goroutines"]) <= 3
    left = [m for m in seen["missing"] if "variables" in m["what"]]
    assert left and "--locals-limit" in left[0]["why"]


def delve_values(text):
    """name -> value of one answer to `args` or `locals`."""
    return {m[1]: m[2] for m in re.finditer(r"^(\w+) = (.*)$", text, re.M)}


def delve_says(pid, frames):
    """(goroutine, frame) -> name -> value as Delve words it."""
    delve = real.go_install("dlv", "1.26", "default", DELVE)
    commands = ["config max-string-len 64"]
    for goroutine, frame in frames:
        commands += [f"goroutine {goroutine} frame {frame} {what}" for what in ("args", "locals")]
    done = subprocess.run([delve, "attach", str(pid), "--allow-non-terminal-interactive=true"],
                          input="\n".join([*commands, "quit", "n", ""]), text=True, check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    answers = [delve_values(a) for a in done.stdout.split("(dlv) ")[2:]]
    return {frame: {**answers[2 * i], **answers[2 * i + 1]} for i, frame in enumerate(frames)}


def what_both_tell(text):
    """What two wordings of one value have in common: a pointer's address, a slice's lengths, nil, a
    number, a text; None: nothing that could be compared."""
    address = re.match(r"(?:\(.*\)\()?(0x[0-9a-f]+)(?:\)$| →|$)", text)
    lengths = re.search(r"^(?:[^\"]\S* )?len: (\d+), cap: (\d+)", text)
    if re.fullmatch(r"(\S+ )?nil|.*len: 0, cap: 0, nil", text):
        return "nil"
    if text.startswith('"'):
        return re.sub(r'(…\+|\.\.\.\+)(\d+)( more")?$', r"+\2", text).replace('"', "")
    if address or lengths:
        return (address or lengths).groups()
    try:
        return "NaN" if text == "NaN" else float(text)
    except ValueError:
        return text if re.fullmatch(r"true|false|\w+ \(\d+\)|main\.\S+", text) else None


@pytest.mark.slow
@pytest.mark.releases("1.24", "1.26")
@pytest.mark.modes("noopt")
def test_delve_says_the_same(go_build, run_go, gospect, release, mode):
    target = run_go(go_build(release, mode, "locals"))
    seen = gospect("goroutines", target.pid, "--locals", "--json", "--filter", "func=main.park",
                   check=0).json
    frames = {(g["id"], i): {v["name"]: v for v in g["locals"] if v["frame"] == i}
              for g in seen["goroutines"] for i, f in enumerate(g["stack"]) if "main." in f["func"]}
    delve = delve_says(target.pid, list(frames))
    compared = 0
    for frame, ours in frames.items():
        assert set(ours) == set(delve[frame]) - {"~r0"}
        for name, v in ours.items():  # of several with one name the innermost
            theirs = what_both_tell(delve[frame][name])
            if theirs is not None and v["type"] != "time.Duration" and "map[" not in v["type"]:
                compared += 1
                assert what_both_tell(v[SHOWN]) == theirs, (frame, v, delve[frame][name])
    assert compared > 50
