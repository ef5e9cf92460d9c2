"""Leaks that were planted (tests/targets/forgetful): two snapshots must say what grew, where it hangs and who
allocated it.  What was planted is known: how many requests were served, and the line in the source."""
import typing

import pytest

from lib import schema
from lib.paths import TARGETS

FIRST, MORE, BODY = 500, 2000, 4096
RATE = {"GODEBUG": "memprofilerate=16384"}  # the usual rate sees sixteen objects of eight megabytes


class Leak(typing.NamedTuple):
    place: str  # the way to what grows; of no object: the words for it
    type: str  # of which there is one more for each request; "": none
    heavy: typing.Optional[str]  # the type that holds the bytes; None: it has no name yet
    line: str  # where that is allocated: this text is in the source line
    where: str = "path"


LEAKS = {
    "cache": Leak("main.results.byRequest", "main.Result", "[]byte", "found = &Result"),
    "concurrent": Leak("main.seenRequests.", "main.Request", "[]byte", "r := &Request"),
    "history": Leak("main.history", "main.Event", "[]byte", "r := &Request", "holder"),
    "token": Leak("main.sessions.tokens", "string", "string", "text := string(r.Body)"),
    "subscribers": Leak("main.hub → .subs", "main.watchOrders.func1 (closure)", None, "r := &Request"),
    "context": Leak("main.service → .base → .children", "context.cancelCtx", "[]byte", "r := &Request"),
    "goroutine": Leak("goroutines in main.pump", "main.Request", "[]byte", "r := &Request", "holder"),
    "finalizer": Leak("finalizers and cleanups", "", None, "h.Owner = &Owner", "holder"),
    "index": Leak("main.index.open", "", "map[int64][12]int64", "x.open[id*20+i] ="),
}


class Seen:
    """A target with a fault, before and after it served."""

    def __init__(self, gospect, target, folder):
        self.gospect, self.folder = gospect, folder
        target.ask(f"serve {FIRST}")
        self.before = self.snapshot(target, "before")
        target.ask(f"serve {MORE}")
        self.after = self.snapshot(target, "after")
        self.diff = schema.check("mem-diff", gospect("mem", "diff", self.before, self.after, "--json",
                                                     check=0).json)

    def snapshot(self, target, name):
        target.ask("gc")
        self.gospect("snapshot", target.pid, "--heap", "-o", self.folder / name, check=0)
        return self.folder / name

    def heap(self, *args):
        return schema.check("heap", self.gospect("heap", self.after, *args, "--json", check=0).json)

    def text(self, *args):
        return " ".join(self.gospect(*args, "--width", "200", check=0).out.split())


@pytest.fixture
def seen(go_build, run_go, gospect, release, tmp_path):
    def look(fault):
        return Seen(gospect, run_go(go_build(release, "default", "forgetful"), fault, env=RATE), tmp_path)
    return look


def line_of(text):
    lines = (TARGETS / "forgetful" / "main.go").read_text(encoding="utf-8").splitlines()
    number, = (i for i, line in enumerate(lines, 1) if text in line)
    return number


@pytest.mark.releases("1.18", "1.27")
@pytest.mark.parametrize("fault", LEAKS)
def test_a_leak_is_named(seen, fault):
    leak, found = LEAKS[fault], seen(fault)
    first = found.diff["holders"][0]
    assert leak.place in first[leak.where], first
    grown = sum(row["delta_bytes"] for row in found.diff["types"])
    assert first["new_bytes"] + first["grown_bytes"] >= grown * 0.8 >= MORE * BODY / 2
    text = found.text("mem", "diff", found.before, found.after)
    assert f"in one place, {first['holder']}" in text and leak.place in text
    types = {}  # a string that is boxed has the same name as its bytes
    for row in found.diff["types"]:
        if row["new"] >= types.get(row["type"], row)["new"]:
            types[row["type"]] = row
    if leak.type:
        # with collections in between, a place that was used again can pass for the same object
        assert MORE * 0.99 < types[leak.type]["new"] < MORE * 1.05, types[leak.type]
    site = max(found.diff["sites"], key=lambda row: row["profile_bytes"])
    assert site["allocated_at"].endswith(f":{line_of(leak.line)}") and site["verdict"] == "agree", site
    assert leak.heavy is None or site["type"] == leak.heavy


@pytest.mark.releases("1.18", "1.27")
@pytest.mark.parametrize("fault", LEAKS)
def test_one_look_is_enough_to_suspect_it(seen, fault):
    leak, found = LEAKS[fault], seen(fault)
    suspect = found.heap("--suspects")["suspects"][0]
    assert suspect["share"] > 0.8, suspect
    way = suspect["path"]["text"] if suspect["path"] else suspect["node"]["name"]
    assert (", main.pump, r" if fault == "goroutine" else leak.place) in way
    if fault == "index":
        assert suspect["map_bytes"] > suspect["bytes"] * 0.99  # nothing is in it
    if leak.type:
        counted = found.gospect("sql", found.after, "SELECT count(*) AS n FROM objects WHERE live AND type = "
                                f"'{leak.type}'", "--json", check=0).json["n"]
        assert FIRST + MORE <= counted < FIRST + MORE + 100
        if fault in ("token", "context"):
            return  # other strings are nearer, and behind the first context no other is looked for
        paths = found.heap("--paths", leak.type)["paths"]
        assert any((", main.pump, r" if fault == "goroutine" else leak.place) in p["text"] for p in paths)


@pytest.mark.releases("1.18", "1.27")
@pytest.mark.parametrize("fault, until", (("timer", None), ("after", "1.27")))
def test_timers_that_nobody_stops(seen, release, fault, until):
    """Go 1.23 frees a timer that nobody refers to any more; for modules that ask for less (go.mod: ours do) it does so
    from 1.27 on (GODEBUG asynctimerchan).  The same program leaks no more then."""
    found = seen(fault)
    # in .timers of a P, or at a P that had no timer before
    rows = [row for row in found.diff["holders"] if ".timers" in (row["path"] or "") or row["holder"] == "runtime.p"]
    objects = sum(row["new"] for row in rows)
    if until is None or release < until:
        assert objects > MORE * 0.99 and found.heap("--suspects")["suspects"], \
            [(row["path"], row["holder"], row["new"]) for row in found.diff["holders"]]
    else:
        assert objects < 50 and not found.heap("--suspects")["suspects"]


@pytest.mark.releases("1.18", "1.27")
def test_a_program_that_keeps_nothing_is_not_accused(seen):
    found = seen("none")
    assert not found.heap("--suspects")["suspects"] and not found.diff["sites"]
    assert "in one place" not in found.text("mem", "diff", found.before, found.after)
    assert "nothing stands out" in found.text("heap", found.after, "--suspects")
