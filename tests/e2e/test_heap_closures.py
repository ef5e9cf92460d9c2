"""What closures captured, and what variables lead to in programs without DWARF, against what the program knows
of what it made (tests/targets/heapclosures)."""
import json

import pytest

MODES = ("default", "noopt", "stripped", "pie-stripped", "cgo")
NO_OFFSETS = ("1.21", "1.22")  # of captured variables in DWARF, and no names in types


def ask(gospect, subject, sql):
    return [json.loads(line) for line in gospect("sql", subject, sql, "--json", check=0).out.splitlines()]


@pytest.fixture
def target(go_build, run_go, release, mode):
    return run_go(go_build(release, mode, "heapclosures"))


@pytest.fixture
def saved(gospect, target, tmp_path):
    path = tmp_path / "heap.gsnap"
    gospect("snapshot", target.pid, "--heap", "-o", path, check=0)
    return path


def is_named(field, name, release, mode):
    """Names come from DWARF; until 1.20 from types, too; method values need none."""
    name, _, both = name.partition("?")
    unnamed = field.startswith("(captured ")
    if name.startswith("receiver") or release <= "1.20":
        return field == "." + name
    if "stripped" in mode:
        return unnamed
    return field == "." + name or (unnamed and "?" in both + _ and release in NO_OFFSETS)


@pytest.mark.modes(*MODES)
def test_closures_say_what_they_captured(gospect, target, saved, release, mode):
    objects = {o["addr"]: o for o in ask(gospect, saved, "SELECT slot, addr, type FROM objects WHERE live")}
    by_slot = {o["slot"]: o for o in objects.values()}
    fields = {}
    for e in ask(gospect, saved, "SELECT e.src, e.dst, e.field FROM edges e JOIN objects o ON o.slot = e.src "
                                 "WHERE o.type LIKE '%(closure)'"):
        fields.setdefault(e["src"], []).append((e["field"], e["dst"]))
    told = [line.split(" ") for line in target.ask("closures").split(";")]
    assert len(told) == 20 * 12
    wrong = []
    for addr, captured in ((int(a, 16), c) for a, c in ((line[0], " ".join(line[1:])) for line in told)):
        closure = objects.get(addr) or objects[addr - 8]  # behind the header of a large object
        for one in captured.split(","):
            name, _, rest = one.partition("=")
            at, _, kind = rest.partition(":")
            found = [field for field, dst in fields.get(closure["slot"], ()) if by_slot[dst]["addr"] == int(at, 16)]
            seen = objects[int(at, 16)]["type"]
            if len(found) != 1 or not is_named(found[0], name, release, mode) or seen != kind:
                wrong.append((closure["type"], name, kind, found, seen))
    assert not wrong, wrong[:10]


@pytest.mark.modes(*MODES)
def test_what_only_closures_and_variables_keep_is_typed(gospect, target, saved, release, mode):
    made = dict(pair.rsplit("=", 1) for pair in target.ask("counts").strip(";").split(";"))
    ours = {row["type"]: row["n"]
            for row in ask(gospect, saved, "SELECT type, count(*) n FROM objects WHERE live GROUP BY 1")}
    wrong = {name: (ours.get(name, 0), int(n)) for name, n in made.items() if ours.get(name, 0) != int(n)}
    assert not wrong, f"(ours, made): {wrong}"
