"""A leak of a released program, found without knowing the program: nats-server up to 2.8.4 keeps an entry for every
queue group that ever was (nats-io/nats-server#3338, mended in 2.9.0).

How many groups there were is known, and what the server itself says of its subscriptions (PONG after each
UNSUB); docs/cases/nats-queue-groups.md tells the story.
"""
import contextlib

import pytest

from lib import gobuild, real, schema
from lib.process import assert_unharmed

FIRST, MORE = 20000, 40000
NEARLY = MORE * 0.99  # with collections in between, a place that was used again can pass for the same object


class Looked:
    """The server, seen before and after MORE queue groups came and went."""

    def __init__(self, gospect, folder, version):
        self.gospect, self.folder = gospect, folder
        program = real.NatsCluster(folder, version)
        try:
            program.build()
        except gobuild.BuildError as why:
            if "403 Forbidden" not in str(why):
                raise
            pytest.skip(f"the module proxy refuses nats-server {version}: {str(why)[-200:]}")
        with contextlib.ExitStack() as stack:
            stack.callback(lambda: program.target and program.target.close())
            program.start()
            client = stack.enter_context(contextlib.closing(program.client()))
            program.queue_groups(client, 1, FIRST)
            before = self.snapshot(program, "before.gsnap")
            program.queue_groups(client, FIRST + 1, MORE)
            after = self.snapshot(program, "after.gsnap")
            assert_unharmed(program.target)
        self.diff = schema.check("mem-diff", gospect("mem", "diff", before, after, "--json", check=0).json)
        self.text = " ".join(gospect("mem", "diff", before, after, "--width", "200", check=0).out.split())
        self.suspects = schema.check("heap", gospect("heap", after, "--suspects", "--json",
                                                     check=0).json)["suspects"]

    def snapshot(self, program, name):
        status, _ = real.request(program.pprof_port, "GET", "/debug/pprof/heap?gc=1")
        assert status == 200
        self.gospect("snapshot", program.target.pid, "--heap", "-o", self.folder / name, check=0)
        return self.folder / name


def test_the_leak_is_named(gospect, tmp_path):
    found = Looked(gospect, tmp_path, "v2.8.4")
    place, = (row for row in found.diff["holders"] if (row["path"] or "").endswith(".lqws"))
    assert place is found.diff["holders"][0] and place["holder"] == "map[string]int32"
    assert NEARLY < place["new"] < MORE * 1.01 and place["grown_bytes"] > 0
    assert "in one place, map[string]int32" in found.text and "→ .lqws" in found.text
    strings = max((row for row in found.diff["types"] if row["type"] == "string"), key=lambda row: row["new"])
    assert NEARLY < strings["new"] < MORE * 1.01
    suspect = found.suspects[0]
    assert suspect["share"] > 0.5 and suspect["path"]["text"].endswith(".lqws")
    assert suspect["holds"][0]["type"] == "string" and suspect["holds"][0]["count"] == FIRST + MORE
    assert 0 < suspect["map_bytes"] < suspect["bytes"]


def test_the_mended_release_is_not_accused(gospect, tmp_path):
    found = Looked(gospect, tmp_path, "v2.9.0")
    assert not any(".lqws" in (row["path"] or "") for row in found.diff["holders"])
    assert sum(row["delta_bytes"] for row in found.diff["types"]) < MORE * 4
    assert not any(".lqws" in (s["path"] or {"text": ""})["text"] for s in found.suspects)
