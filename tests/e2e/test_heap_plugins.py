"""Objects that a plugin made, by its own code, with its own types, kept by its own variables.

What its closures captured is not told (docs/heap.md); what its variables are called: test_plugin_variables.py."""
import json

PLUGIN = ("-buildmode=plugin",)


def test_objects_of_a_plugin_are_typed(gospect, go_build, run_go):
    part = go_build("1.27", "cgo", "plugged/part", PLUGIN)
    target = run_go(go_build("1.27", "cgo", "plugged"), part)
    made = dict(pair.split("=") for pair in target.ask("counts").split(";"))
    rows = gospect("sql", target.pid, "SELECT type, count(*) n FROM objects WHERE live GROUP BY 1", "--json", check=0).out
    ours = {row["type"]: row["n"] for row in map(json.loads, rows.splitlines())}
    assert ours["main.thing"] == int(made["main.thing"])
    code = [name for name in ours if name and name.endswith("Fill.func1 (closure)")]
    assert len(code) == 1 and ours[code[0]] == int(made["closures"])
