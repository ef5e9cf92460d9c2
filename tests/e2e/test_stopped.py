"""Processes that cannot be forked: what is told of them is what is told of a copy, and as of one instant.

The process is read whole while it stands still, when it is small; the code ahead of goroutines, the heap and all
else is followed when it runs again.
"""
import pytest

from lib import evidence
from lib.process import wait_until

PROGRAMS = [("owners", ()), ("deadlocks", ()), ("deadlocks", ("left", "quiet")), ("leaks", ()), ("weblost", ())]
TABLES = {"RT_DUMP_TABLES": "meta goroutine owner ahead unowned releaser wait"}


def rows(snapshot):
    """What goroutines will do, who may do more, and what nobody will: without numbers of rows."""
    ids = snapshot["goroutine"]["id"]

    def table(name, *columns):
        t = snapshot[name]
        return sorted(tuple(ids[v] if c == "goroutine" else v for c, v in zip(columns, row))
                      for row in zip(*(t[c] for c in columns)))
    return {"owner": table("owner", "goroutine", "addr", "act", "evidence", "how", "frame"),
            "ahead": table("ahead", "goroutine", "flags"),
            "unowned": table("unowned", "addr", "flags")}


def verdicts(gospect, file):
    leaks = gospect("leaks", file, "--json", check=(0, 1)).json
    deadlock = gospect("deadlock", file, "--json", check=(0, 1)).json
    waits = gospect("waits", file, "--json").json
    return {"leaks": sorted((k["goroutine"], k["class"]) for k in leaks["leaks"]),
            "cycles": sorted((c["class"], c["goroutines"]) for c in deadlock["cycles"]),
            "left": sorted((o["object"]["addr"], o["evidence"]) for o in deadlock["left"]),
            "holders": sorted((w["goroutine"], str(w.get("holders"))) for w in waits["waits"])}


def look(gospect, target, how, folder):
    file = folder / f"{how}.gsnap"
    evidence.rt_dump_text(how, target.pid, env={"RT_DUMP_SAVE": str(file)})
    return rows(evidence.rt_dump("snapshot", file, env=TABLES)), verdicts(gospect, file)


@pytest.mark.parametrize("name,args", PROGRAMS, ids=lambda v: v if isinstance(v, str) else "-".join(v))
@pytest.mark.releases("1.18", "1.27")
def test_the_same_as_of_a_copy(gospect, go_build, run_go, release, name, args, tmp_path):
    target = run_go(go_build(release, "default", name), *args)

    def agree():
        """main may still be on its way to where it waits."""
        return look(gospect, target, "process", tmp_path) == look(gospect, target, "stop", tmp_path)
    wait_until(agree, "a copy and the stopped process say the same")
    said, told = look(gospect, target, "process", tmp_path)
    assert said["owner"] or name == "leaks"
    assert any(told.values())
