"""Who closed a channel that a panic is about, against what the program knows (tests/targets/closers)."""
import collections

import pytest

from lib import schema

Channel = collections.namedtuple("Channel", "name sender lines")


def truth(target):
    channels, facts = {}, {"CLOSED": {}, "WILL": {}, "MAYBE": {}}
    for line in target.lines:
        word, *rest = line.split() or [""]
        if word == "CHANNEL":
            channels["0x" + rest[1]] = Channel(rest[0], int(rest[2]), {f"closers/main.go:{n}" for n in rest[3:]})
        elif word in facts:
            facts[word][rest[0]] = int(rest[1])
    return channels, facts["CLOSED"], facts["WILL"], facts["MAYBE"]


def look(gospect, pid):
    seen = schema.check("doctor", gospect("doctor", pid, "--json", "--for", "0", check=1).json)
    return [f for f in seen["findings"] if f["key"] == "misuse"]


@pytest.mark.modes("default", "stripped-pie", "noopt")
@pytest.mark.sanitized
def test_the_closer_is_named_while_it_lives(gospect, go_build, run_go, release, mode):
    target = run_go(go_build(release, mode, "closers"))
    channels, closed, will, perhaps = truth(target)
    found = {f["values"]["address"]: f for f in look(gospect, target.pid)}
    assert set(found) == set(channels)
    for addr, (name, sender, lines) in channels.items():
        values, text = found[addr]["values"], " ".join(found[addr]["evidence"])
        assert values["goroutine"] == sender, name
        if name in closed:
            assert (values.get("closer"), values.get("closer_sure")) == (closed[name], "strong"), name
            assert values["closer_where"] in lines, name
        elif name in perhaps:
            assert values.get("closer") in (None, perhaps[name]), (name, text)
        else:
            assert values.get("closer_sure") in (None, "weak"), (name, text)
            listed = values["suspected_closers"]
            assert " more" in listed or lines <= set(listed.split(", ")), (name, listed)
        if name in will:
            assert f"goroutine {will[name]} will close it once more" in text, text
    by_name = {c.name: found[addr]["values"] for addr, c in channels.items()}
    assert by_name["ended"]["suspected_closers"].split(", ") == list(channels[by_name["ended"]["address"]].lines)
    assert "closer" not in by_name["decoy"], "it has closed others, not this one"
