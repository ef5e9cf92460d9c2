"""A second opinion: Delve on the same programs, asked by the same protocol (lib/opinion.py).

Values, steps, stacks, goroutines and watchpoints are compared one by one.  Each difference must be in the table of
lib/differences.py, which says why it is there (docs/debugging.md, "What differs from Delve"); one that is not fails, and so
does a row whose difference is gone.  Delve's own test programs are used from the module cache, with --all.
"""
import collections
import re

import pytest

from lib import differences, drive, opinion
from lib.paths import ROOT, TARGETS

pytestmark = pytest.mark.modes("noopt")
STOPS = re.compile(r"^\s*(return\b|fmt\.Print|runtime\.Breakpoint|println|runtime\.KeepAlive)")  # lines where values are compared
STOPS_MAX, AT_ONE_LINE = 40, 2


class Judge:
    """Collects differences; the counts are printed (pytest -rP)."""

    def __init__(self, test, release):
        self.test, self.release = test, release
        self.compared, self.found = 0, []

    def equal(self, what, where, a, b):
        self.compared += 1
        if a != b:
            self.found.append((what, where, str(a), str(b)))

    def verdict(self):
        new, used = [], collections.Counter()
        for one in self.found:
            row = differences.row_of(*one)
            if row:
                used[row] += 1
            else:
                new.append(one)
        print(f"{self.test} of Go {self.release}: compared {self.compared}, explained {sum(used.values())}, not explained {len(new)}")
        for row, n in used.most_common():
            print(f"    {n} × {row.why}: {row.what} {row.where}")
        told = "\n".join(f"{what} at {where}\n    ours   {a}\n    theirs {b}" for what, where, a, b in new[:40])
        assert not new, f"{len(new)} of {self.compared} differ and nobody says why:\n{told}"
        stale = [row for row in differences.expected(self.test, self.release) if not used[row]]
        assert not stale, f"these differences are gone, their rows should go, too: {stale}"


def test_reasons_are_told():
    """What the table gives as reason has a row in the documentation, and the other way around."""
    text = (ROOT / "docs" / "debugging.md").read_text().split("## What differs from Delve")[1].split("\n## ")[0]
    told = set(re.findall(r"^\| ([^|]+?) \|", text, re.M)) - {"what", "---"}
    assert told == {row.why for row in differences.TABLE}


# ---- values ----


def source_of(release, name):
    """The main file of a program: of ours, or of Delve's ("delve:name")."""
    delves = name.partition("delve:")[2]
    return opinion.fixtures(release) / f"{delves}.go" if delves else TARGETS / name / "main.go"


def program_of(go_build, release, mode, name):
    delves = name.partition("delve:")[2]
    return opinion.build_fixture(release, mode, delves) if delves else go_build(release, mode, name)


def visit(peer, source, lines):
    """Stops at these lines, at most twice at each: [(place and which time, stack, [(frame, variables)])]."""
    peer.client.set_breakpoints(source, lines)
    peer.configured()
    seen, left, found, stop = collections.Counter(), list(lines), [], peer.stop()
    while stop and len(found) < STOPS_MAX:
        if stop.get("hitBreakpointIds") not in (None, [0]):  # 0: runtime.Breakpoint(), says Delve
            frames = peer.frames()
            at = opinion.place(frames[0])
            seen[at] += 1
            if seen[at] <= AT_ONE_LINE and at[1] == source.name:
                parts = [(at, opinion.scopes(peer, frames[0], 3, globals_too=not found))]
                parts += [(opinion.place(f), opinion.scopes(peer, f, 2)) for f in frames[1:3] if f["name"].startswith("main.")]
                found.append(((at, seen[at]), [opinion.place(f) for f in frames], parts))
            if seen[at] == AT_ONE_LINE and at[2] in left:
                left.remove(at[2])
                peer.client.set_breakpoints(source, left)
        stop = peer.run("continue")
    return found


def compare_values(judge, gospect, release, name, program, lines=None):
    source = source_of(release, name)
    lines = lines or [i for i, text in enumerate(source.read_text().splitlines(), 1) if STOPS.match(text)]
    ours, theirs = opinion.both(gospect, release, program, (), lambda peer: visit(peer, source, lines))
    assert ours or theirs, f"{name}: nothing was reached"
    for a, b, before in opinion.apart([s[0] for s in ours], [s[0] for s in theirs]):
        judge.equal("stops", f"{name} behind {before}", a, b)
    of_theirs = {stop[0]: stop for stop in theirs}
    for key, stack, parts in ours:
        if key not in of_theirs:
            continue
        judge.equal("stack", f"{name} {opinion.short(key[:1])}", opinion.short(stack), opinion.short(of_theirs[key][1]))
        for (at, mine), (_, other) in zip(parts, of_theirs[key][2]):
            judge.compared += opinion.count(mine)
            judge.found += [(what, f"{name} {opinion.short([at])} {path} : {kind}", str(a), str(b))
                            for what, path, kind, a, b in opinion.compare(mine, other)]


def test_values(gospect, go_build, release, mode):
    """Arguments, locals and package variables: names, types, texts, and the same of their parts."""
    judge = Judge("values", release)
    for name in ("values", "delve:scopetest"):
        compare_values(judge, gospect, release, name, program_of(go_build, release, mode, name))
    judge.verdict()


VALUES = ("testvariables", "testvariables2", "testvariables_generic", "testvariables_pointers_not_loaded", "testunsafepointers",
          "closurecontents", "issue1101", "issue1264", "issue1374", "issue1432", "issue1531",
          "issue2078", "issue2086", "issue3310", "issue4051", "issue951", "pkgrenames", "genericintoiface",
          "decllinetest", "fncall", "longstrings", "multinamedreturns", "retstack", "scopetest", "scopeescapevareval",
          "testshadow", "escapestrings", "databpeasy")


@pytest.mark.slow
@pytest.mark.sanitized
def test_values_of_delves_programs(gospect, go_build, release, mode):
    """And of a value target of ours that is large."""
    judge = Judge("values of Delve's programs", release)
    for name in VALUES:
        if source_of(release, f"delve:{name}").exists():  # that release's Delve may not have had it yet
            compare_values(judge, gospect, release, f"delve:{name}", program_of(go_build, release, mode, f"delve:{name}"))
    compare_values(judge, gospect, release, "exprs", program_of(go_build, release, mode, "exprs"))
    judge.verdict()


# ---- steps ----

OWN_MAX, DELVES_MAX = 40, 150  # steps of one walk

# What the target `stepping` is asked to do, and where each begins.
WALKS = {"lines": "main.lines", "fact": "main.fact", "defer": "main.withDefer", "recover": "main.callRecovers", "over": "main.overPanic",
         "dispatch": "main.dispatch", "generic": "main.generic", "spawn": "main.spawn", "moves": "main.moves",
         "inlines": "main.inlines", "results": "main.results", "range": "main.ranges", "nested": "main.nested", "blocks": "main.blocks"}


# Delve does not come back from a step out of a deferred call that has recovered, and goes with the new goroutine: each has
# a process of its own.
ALONE = ("recover", "over", "spawn")
LEAVES = ("lines", "generic", "inlines")  # what they call has no room to make on the stack: the runtime does not come in


def own_steps(peer, command, names):
    """Each walk from its function until that has returned: name -> places."""
    found = {}
    for name in names:
        function = WALKS[name]
        peer.functions(function)
        if found:
            stop = peer.run("continue")
        else:
            peer.configured()
            stop = peer.stop()
        peer.functions()
        assert stop, f"{function} was not reached"
        found[name] = walk(peer, command, OWN_MAX, until="main.run")
    return found


def walk(peer, command, most, until=None):
    """Places step by step.  A step into what is not main's is stepped out of."""
    places, stop = [], True
    while stop and len(places) < most:
        frame = peer.frames(1)[0]
        places.append(opinion.place(frame) if command != "instruction" else (opinion.place(frame)[0], frame["instructionPointerReference"]))
        if until and places[-1][0].startswith(until) or places[-1][0] in ("runtime.main", "runtime.goexit"):
            break
        if places[-1][0] == "runtime.breakpoint":
            stop = peer.run("next")
        elif command != "next" and not places[-1][0].startswith("main."):
            stop = peer.run("stepOut")
        elif command == "instruction":
            stop = peer.run("stepIn", granularity="instruction")
        else:
            stop = peer.run(command)
        if stop and stop["reason"] not in ("step", "breakpoint"):
            places.append((stop["reason"], "", 0))
        if stop and stop["reason"] == "exception":
            break
    return places if stop else [*places, ("end", "", 0)]


def compare_walks(judge, name, a, b, most=None):
    """most: walks of that length were cut off there, so that one may have come further than the other."""
    apart = opinion.apart(a, b)
    if apart and most and max(len(a), len(b)) >= most and not (apart[-1][0] and apart[-1][1]):
        if (apart[-1][0] or apart[-1][1])[-1] in (a[-1], b[-1]):
            apart.pop()
    judge.compared += len(a) - len(apart)
    for mine, other, before in apart:
        judge.equal("steps", f"{name} behind {opinion.short([before] if before else [])}", opinion.short(mine), opinion.short(other))


@pytest.mark.parametrize("command", ["next", "stepIn", pytest.param("instruction", marks=pytest.mark.slow)])
def test_steps(gospect, go_build, release, mode, command):
    """Lines, loops, deferred calls, panics, interfaces, closures, generics, goroutines, moving stacks, loops over functions."""
    judge = Judge(f"steps {command}", release)
    groups = {"next": [list(WALKS)], "stepIn": [[name for name in WALKS if name not in ALONE], *([name] for name in ALONE)],
              "instruction": [LEAVES]}[command]
    for names in groups:
        ours, theirs = opinion.both(gospect, release, go_build(release, mode, "stepping"), names,
                                    lambda peer: own_steps(peer, command, names))
        for name, places in ours.items():
            compare_walks(judge, f"{command} stepping {name}", places, theirs[name], OWN_MAX)
    judge.verdict()


STEPS = ("testnextprog", "testnextdefer", "teststep", "teststepprog", "rangeoverfunc", "deferstack", "defercall", "testinline", "genericbp",
         "stepintobug", "ifaceembcall", "panicline", "panicex", "stepshadow", "stepoutret", "closurecontents", "increment", "math",
         "doubleinline", "leafrec", "nestedbp", "multinamedreturns", "testshadow", "retstack", "fncall", "issue1817",
         "inlinestripped")


def delves_steps(peer, command):
    peer.functions("main.main")
    peer.configured()
    assert peer.stop()
    peer.functions()
    return walk(peer, command, DELVES_MAX)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["next", "stepIn"])
def test_steps_of_delves_programs(gospect, release, mode, command):
    judge = Judge(f"steps {command} of Delve's programs", release)
    for name in STEPS:
        if source_of(release, f"delve:{name}").exists():
            ours, theirs = opinion.both(gospect, release, opinion.build_fixture(release, mode, name), (),
                                        lambda peer: delves_steps(peer, command))
            compare_walks(judge, f"{command} delve:{name}", ours, theirs, DELVES_MAX)
    judge.verdict()


@pytest.mark.parametrize("command", ["next", pytest.param("stepOut", marks=pytest.mark.slow)])
@pytest.mark.modes("noopt-cgo")
def test_steps_at_the_border_to_c(gospect, go_build, release, mode, command):
    """Over calls of C, from Go that C called back out to the Go before it."""
    def work(peer):
        peer.functions("main.crossing" if command == "next" else "main.goCallback")
        peer.configured()
        assert peer.stop()
        peer.functions()
        return walk(peer, command, 12, until="main.run")

    judge = Judge(f"steps {command} cgo", release)
    ours, theirs = opinion.both(gospect, release, go_build(release, mode, "corners"), ["cgo"], work)
    compare_walks(judge, f"{command} corners cgo", ours, theirs)
    judge.verdict()


# ---- goroutines, stacks, watchpoints ----


def goroutines(peer, source, line):
    """The stacks of all goroutines, as far as they are in main: how many have each."""
    peer.client.set_breakpoints(source, [line])
    peer.configured()
    assert peer.stop()
    found = collections.Counter()
    for thread in peer.ask("threads")["threads"]:
        found[opinion.short([p for p in map(opinion.place, peer.frames(50, thread["id"])) if p[0].startswith("main.")])] += 1
    return found


def test_goroutines(gospect, go_build, release, mode):
    judge = Judge("goroutines", release)
    source = TARGETS / "dap" / "main.go"
    line = next(i for i, text in enumerate(source.read_text().splitlines(), 1) if "// workers: all wait" in text)
    ours, theirs = opinion.both(gospect, release, go_build(release, mode, "dap"), ["workers", "60"],
                                lambda peer: goroutines(peer, source, line))
    for stack in ours | theirs:
        judge.equal("goroutines", f"dap {stack}", ours[stack], theirs[stack])
    judge.verdict()


def changes(peer, line):
    """Where a watched variable on a stack that moves is changed."""
    source = TARGETS / "stepping" / "main.go"
    peer.client.set_breakpoints(source, [line])
    peer.configured()
    assert peer.stop()
    frame = peer.frames(1)[0]
    info = peer.ask("dataBreakpointInfo", name="w", frameId=frame["id"])
    peer.ask("setDataBreakpoints", breakpoints=[{"dataId": info["dataId"], "accessType": "write"}])
    peer.client.set_breakpoints(source, [])
    places = []
    while len(places) < 10 and peer.run("continue"):
        places.append(opinion.place(peer.frames(1)[0]))
    return places


@pytest.mark.releases("1.26", "1.27")
def test_watchpoints(gospect, go_build, release, mode):
    judge = Judge("watchpoints", release)
    line = drive.labels("stepping")["watch:2"]
    ours, theirs = opinion.both(gospect, release, go_build(release, mode, "stepping"), ["watched"], lambda peer: changes(peer, line))
    compare_walks(judge, "stepping watched", ours, theirs)
    judge.verdict()
