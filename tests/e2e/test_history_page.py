"""The page of --history in Debian's chromium (tests/page/walk.mjs): what it shows, look by look, is what the watch told."""
import json
import os
import subprocess

import pytest

from lib import schema
from lib.paths import ROOT
from lib.tool import rest_of

STATES = ("idle", "holding", "waiting", "starving")


def watch(gospect, gospect_start, target, path):
    """A history in which something goes wrong, and somebody ends."""
    run = gospect_start("deadlock", target.pid, "--watch", "--json", "--interval", "50ms", "--history", path)
    seen = []

    def until(condition):
        while not (seen and condition(seen[-1])):
            line = run.stdout.readline()
            assert line, run.stderr.read()
            seen.append(schema.check("deadlock-watch", json.loads(line)))

    until(lambda e: e["look"] == 2)
    target.ask("idle")
    target.ask("writer")
    until(lambda e: any(f["kind"] == "writer-starvation" for f in e["findings"]))
    target.ask("deadlock")
    until(lambda e: any(f["kind"] == "deadlock" for f in e["findings"]))
    target.ask("livelock")
    until(lambda e: any(f["kind"] == "livelock" for f in e["findings"]))
    run.send_signal(2)
    out, err = rest_of(run)
    assert run.returncode == 1, err
    return seen + [schema.check("deadlock-watch", json.loads(line)) for line in out.splitlines()]


def walk(path, shots):
    modules = subprocess.run([ROOT / "tools" / "node-modules", ROOT / "tests" / "page"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    done = subprocess.run(["node", ROOT / "tests" / "page" / "walk.mjs", path, shots], check=True, timeout=120,
                          stdout=subprocess.PIPE, env={**os.environ, "GOSPECT_NODE_MODULES": modules})
    return json.loads(done.stdout)


def label(event, total):
    return f"look {event['look']} of {total} "


def check_look(shown, event, total):
    """One look as the page has it against what the watch said of it."""
    counts = ", ".join(f"{event['by_state'][s]} {s}" for s in STATES)
    assert shown["when"].startswith(label(event, total)) and shown["when"].endswith(counts)
    assert shown["slider"] == [str(event["look"] - 1), f"look {event['look']} of {total}: {counts}"]
    here = [f for f in event["findings"] if f["event"] != "ends"]
    assert shown["found"] == [f["kind"] + ": " + ", ".join(f"goroutine {g}" for g in f["goroutines"]) +
                              (" (begins here)" if f["event"] == "begins" else "") for f in here]
    assert sorted(shown["boxes"]) == sorted(shown["text"])
    drawn = {}
    for text in shown["text"]:
        who, what = text.split(": ", 1)
        for g in who.split(" ", 1)[1].split(", "):
            drawn[int(g)] = what
    told = {s["goroutine"]: s for s in event["states"]}
    assert told.keys() <= drawn.keys()
    for g, what in drawn.items():
        state = told.get(g)
        assert what.split(",")[0] == (state["state"] if state else "idle")
        if state and state["object"]:
            assert f"{state['wait']} for " in what and state["object"] in what
            assert any(state["object"] in name for name in shown["objects"])
    circle = any(f["kind"] in ("deadlock", "livelock") for f in here)
    assert any(shown["wires"]) == circle


@pytest.mark.releases("1.27")
def test_the_page_shows_what_was_seen(gospect, gospect_start, go_build, run_go, release, tmp_path):
    target = run_go(go_build(release, "default", "standstill"))
    path = tmp_path / "h.html"
    events = watch(gospect, gospect_start, target, path)
    shown = walk(path, tmp_path)
    total = len(events)

    assert not shown["problems"]
    assert set(shown["requests"]) == {path.as_uri()}  # itself
    assert str(target.pid) in shown["title"] and shown["legend"] == ["Iidle", "Hholding", "Wwaiting", "Sstarving"]

    assert len(shown["keyboard"]) == total and shown["stays"]
    for seen, event in zip(shown["keyboard"], reversed(events)):
        check_look(seen, event, total)
    labels = [label(e, total) for e in events]
    for when, expected in zip([shown["end"], shown["home"], *shown["forth"]], [labels[-1], labels[0], *labels[1:]]):
        assert when.startswith(expected)
    begins = [label(e, total) for e in events if any(f["event"] == "begins" for f in e["findings"])]
    assert len(shown["jumps"]) == len(begins) >= 3 and all(w.startswith(b) for w, b in zip(shown["jumps"], begins))
    assert shown["back"].startswith(begins[-2])
    assert all(f"begins in look {b.split()[1]}" in shown["timeline"] for b in begins)

    mouse = shown["mouse"]
    assert mouse["line"][0].startswith(labels[-1]) and mouse["line"][1].startswith(labels[0])
    assert mouse["next"].startswith(begins[0]) and mouse["strip"].startswith(labels[0])
    assert mouse["played"] >= 2 and mouse["play"] == "Play" and mouse["text_shown"]

    for scheme in ("light", "dark"):  # WCAG AA
        low = {name: ratio for name, ratio in shown["schemes"][scheme].items() if ratio < 4.5}
        assert not low and len(shown["schemes"][scheme]) > 10, (scheme, low)
    assert len(set(shown["schemes"]["background"])) == 2
    assert shown["narrow"]["wide"] == 360 and shown["narrow"]["text"] >= 12 and not shown["narrow"]["out"]
    check_strips(shown["strips"], events)
    assert all((tmp_path / f"{name}.png").stat().st_size > 10000 for name in ("light", "dark", "narrow"))


def check_strips(strips, events):
    """Each strip says what its goroutines did in every look."""
    said = {}
    for text in strips:
        who, runs = text.split(": ", 1)
        looks = {}
        for run in runs.split(", "):
            state, _, place = run.partition(" in looks ")
            if place:
                first, last = place.split(" to ")
                looks.update({n: state for n in range(int(first), int(last) + 1)})
        if " and " not in who:
            said.update({int(g): looks for g in who.split(" ", 1)[1].split(", ")})
    assert said
    for event in events:
        told = {s["goroutine"]: s["state"] for s in event["states"]}
        for g, looks in said.items():
            assert looks.get(event["look"], "idle") == told.get(g, "idle")
