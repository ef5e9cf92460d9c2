"""gospect deadlock on programs that say who waits for whom (tests/targets/deadlocks), and --watch on one that goes wrong
over time (tests/targets/standstill)."""
import html.parser
import json
import pathlib
import re
import signal

import pytest

from lib import schema
from lib.process import wait_until
from lib.tool import rest_of

MODES = ("default", "stripped", "pie", "race")


def look(gospect, subject):
    seen = gospect("deadlock", subject, "--json", check=(0, 1))
    found = schema.check("deadlock", seen.json)
    assert seen.code == int(bool(found["cycles"] or any(o["evidence"] == "inferred" for o in found["left"])))
    return found


def turned(ids):
    """A circle from its smallest member on."""
    first = ids.index(min(ids))
    return tuple(ids[first:] + ids[:first])


def circles(found):
    return sorted((c["class"], turned(c["goroutines"])) for c in found["cycles"])


def truth(target):
    return sorted((m[1], turned([int(i) for i in m[2].split(",")]))
                  for m in re.finditer(r"^CIRCLE (\S+) (\S+)$", target.stdout, re.M))


def check_edges(found):
    for circle in found["cycles"]:
        chain = [(e["from"], e["to"]) for e in circle["edges"]]
        assert [a for a, _ in chain] == circle["goroutines"]
        assert [b for _, b in chain] == circle["goroutines"][1:] + circle["goroutines"][:1]


def said(target):
    """What the program says nobody will release: name and who waits."""
    return {name: [int(i) for i in ids.split(",")]
            for name, ids in re.findall(r"^LEFT (\S+) (\S+)$", target.stdout, re.M)}


@pytest.mark.modes(*MODES)
@pytest.mark.sanitized
def test_circles_are_what_the_program_says(gospect, go_build, run_go, release, mode, tmp_path):
    target = run_go(go_build(release, mode, "deadlocks"))
    found = look(gospect, target.pid)
    assert circles(found) == truth(target)
    assert not found["left"]  # healthy() has long chains that end at a sleep, a pipe, a reader that stays
    check_edges(found)
    behind = {c["class"]: c["behind"] for c in found["cycles"] if c["behind"]}
    assert behind == {"AB-BA": 3}
    assert found["stuck"] == sum(len(c["goroutines"]) for c in found["cycles"]) + 3
    gospect("snapshot", target.pid, "--waits", "-o", tmp_path / "a.gsnap")
    again = look(gospect, tmp_path / "a.gsnap")
    assert (again["cycles"], again["left"], again["stuck"]) == (found["cycles"], found["left"], found["stuck"])


@pytest.mark.modes("default", "stripped")
def test_locks_that_were_left(gospect, go_build, run_go, release, mode):
    target = run_go(go_build(release, mode, "deadlocks"), "left", "quiet")
    if mode == "default":  # main has written READY, and goes on to a system call
        wait_until(lambda: not look(gospect, target.pid)["may_release"], "code that can be followed")
    found = look(gospect, target.pid)
    assert circles(found) == truth(target)
    left = found["left"]
    assert sorted(o["goroutines"] for o in left) == sorted(said(target).values())
    doubt = "suspected" if found["may_release"] or found["timers_may_release"] else "inferred"
    assert {o["evidence"] for o in left if o["object"]["kind"] == "waitgroup"} == {doubt}
    assert {o["evidence"] for o in left if o["object"]["kind"] == "mutex"} == {"inferred"}  # by counting, at least
    if "stripped" not in mode:
        assert {o["object"]["name"] for o in left} == set(said(target))
    if mode == "default":
        assert doubt == "inferred", found["may_release"]


@pytest.mark.releases("1.18", "1.27")
def test_who_may_release_a_lock_is_named(gospect, go_build, run_go, release):
    """main calls through a map of functions, so nobody can say what it will do: it may call Done.  But it has no lock."""
    target = run_go(go_build(release, "default", "deadlocks"), "left")
    found = look(gospect, target.pid)
    assert [(o["object"]["name"], o["evidence"]) for o in found["left"]] == [("main.abandoned", "inferred"),
                                                                            ("main.never", "suspected")]
    assert found["may_release"] == [1]
    shown = gospect("deadlock", target.pid, check=1).out
    assert re.search(r"SUSPECTED main.never sync.WaitGroup at \S+ may never be done", shown)
    assert "it is goroutine 1" in re.sub(r"\s+", " ", shown)


def by_address(gospect, subject, what="left"):
    return {int(o["object"]["addr"], 16): o["evidence"] for o in look(gospect, subject)[what]}


def lines_of(target, word):
    return {name: int(addr, 16) for name, addr in re.findall(rf"^{word} (.*) (0x[0-9a-f]+)$", target.stdout, re.M)}


@pytest.mark.modes("default", "stripped")
def test_a_lock_that_a_handler_lost(gospect, go_build, run_go, release, mode, tmp_path):
    """Nobody can follow the code of a net/http server to its end; that its goroutines have no lock, counting tells.  What
    is on the heap needs the heap."""
    target = run_go(go_build(release, mode, "weblost"))
    lost, kept = lines_of(target, "LOST"), lines_of(target, "KEPT")
    now = by_address(gospect, target.pid)
    assert now == {lost["audit"]: "inferred", lost["account"]: "suspected"}
    gospect("snapshot", target.pid, "--waits", "--heap", "-o", tmp_path / "a.gsnap")
    with_heap = by_address(gospect, tmp_path / "a.gsnap")
    assert with_heap == dict.fromkeys(lost.values(), "inferred") and not set(kept.values()) & set(with_heap)


@pytest.mark.modes("default", "race")
def test_a_release_that_was_handed_on_is_not_called_missing(gospect, go_build, run_go, release, mode, tmp_path):
    """As a closure, a method value, an interface, a timer: whoever took the lock has ended, and somebody will release it.
    With a timer that releases, nothing is sure."""
    for args in ((), ("timers",)):
        target = run_go(go_build(release, mode, "handed"), *args)
        held, left = lines_of(target, "HELD"), lines_of(target, "LEFT")
        assert len(held) == 11 + len(args) and len(left) == 2
        gospect("snapshot", target.pid, "--waits", "--heap", "-o", tmp_path / f"{len(args)}.gsnap")
        for subject in (target.pid, tmp_path / f"{len(args)}.gsnap"):
            told = by_address(gospect, subject)
            assert not [name for name, addr in held.items() if told.get(addr) == "inferred"]
            assert set(left.values()) <= set(told)
        if mode == "default" and not args:
            assert {told[addr] for addr in left.values()} == {"inferred"}


@pytest.mark.parametrize("name", ("leakstress", "locks"))
def test_locks_that_come_and_go_are_not_called_left(gospect, go_build, run_go, release, name, tmp_path):
    target = run_go(go_build(release, "default", name))
    planted = set(map(int, target.ready.get("leaks", "0").split(",")))
    for _ in range(10):
        gospect("snapshot", target.pid, "--waits", "--heap", "--force", "-o", tmp_path / "a.gsnap")
        left = look(gospect, tmp_path / "a.gsnap")["left"]
        assert not [o for o in left if o["evidence"] == "inferred" and not set(o["goroutines"]) <= planted]


@pytest.mark.releases("1.27")
def test_a_snapshot_without_owners_says_so(gospect, go_build, run_go, release, tmp_path):
    target = run_go(go_build(release, "default", "deadlocks"))
    gospect("snapshot", target.pid, "-o", tmp_path / "a.gsnap")
    found = look(gospect, tmp_path / "a.gsnap")
    assert not found["owners_known"] and not found["cycles"]
    assert "--waits" in gospect("deadlock", tmp_path / "a.gsnap", check=0).out
    failed = gospect("snapshot", target.pid, "--waits", "--consistency", "goroutine", "-o", tmp_path / "b.gsnap", check=2)
    assert "--waits" in failed.err and not (tmp_path / "b.gsnap").exists()


# ---- over time ----

class Watch:
    """A running `gospect deadlock --watch --json`."""

    def __init__(self, start, *args, interval="100ms", checked=True):
        self.check = (lambda e: schema.check("deadlock-watch", e)) if checked else (lambda e: e)
        self.run = start("deadlock", *args, "--watch", "--json", "--interval", interval)
        self.seen = []

    def next(self):
        line = self.run.stdout.readline()
        assert line, f"it ended: {self.run.stderr.read()} {self.seen[-1:]}"
        self.seen.append(self.check(json.loads(line)))
        return self.seen[-1]

    def until(self, condition, looks=600):
        for _ in range(looks):
            if condition(self.next()):
                return self.seen[-1]
        raise AssertionError(f"not in {looks} looks: {self.seen[-1]}")

    def until_found(self, kind, event="begins"):
        seen = self.until(lambda e: any(f["kind"] == kind and f["event"] == event for f in e["findings"]))
        return next(f for f in seen["findings"] if f["kind"] == kind and f["event"] == event)

    def end(self):
        self.run.send_signal(signal.SIGINT)
        out = self.run.stdout.read()  # by the same reader: it may have the beginning of a line already
        err = self.run.stderr.read()
        self.run.wait(60)
        self.seen += [self.check(json.loads(line)) for line in out.splitlines()]
        assert not [line for line in err.splitlines() if b'"note"' not in line], err
        return self.run.returncode


@pytest.fixture
def watch(gospect_start):
    return lambda *args, **options: Watch(gospect_start, *args, **options)


@pytest.fixture
def standstill(go_build, run_go, release):
    return run_go(go_build(release, "default", "standstill"))


def ids_of(answer):
    return sorted(int(word) for word in answer.split())


def states(event):
    return {s["goroutine"]: s for s in event["states"]}


def test_a_deadlock_that_comes_later(watch, standstill):
    view = watch(standstill.pid)
    assert not view.next()["findings"]
    both = ids_of(standstill.ask("deadlock"))
    begun = view.until_found("deadlock")
    assert sorted(begun["goroutines"]) == both and len(set(begun["locks"])) == 2
    first = view.seen[-1]["look"]
    view.until(lambda e: states(e)[both[0]]["state"] == "starving")
    for event in view.seen[first - 1:]:
        for g in both:
            state = states(event)[g]
            assert state["state"] == ("starving" if state["looks"] > 3 else "waiting")
    assert view.seen[-1]["look"] - first <= 4  # one look may have seen them wait for each other first
    assert view.end() == 1


def test_livelock_is_suspected(watch, standstill):
    both = ids_of(standstill.ask("livelock"))
    view = watch(standstill.pid)
    found = view.until_found("livelock")
    assert sorted(found["goroutines"]) == both and found["evidence"] == "suspected"
    assert found["seen_in_looks"] > 3 and len(set(found["locks"])) == 2
    assert standstill.ask("got") == "0"
    assert view.end() == 0  # suspected: no finding that a script should stop for


def livelocks_of(events):
    return {(f["form"], tuple(sorted(f["goroutines"]))) for e in events for f in e["findings"] if f["kind"] == "livelock"}


def livelocks(view):
    """The goroutines of all livelocks that there were, by form."""
    return livelocks_of(view.seen)


def test_livelocks_without_locks(watch, standstill):
    """A token that goes round, with and without rest; loops over a flag, a compare-and-swap, selects with default."""
    rings = {tuple(ids_of(standstill.ask(command))) for command in ("token", "relay")}
    view = watch(standstill.pid, interval="50ms")
    view.until(lambda e: {g for form, g in livelocks(view) if form == "channels"} >= rings)
    assert not any(form == "spin" for form, _ in livelocks(view))
    spinning = {g for command in ("spin", "swap", "poll") for g in ids_of(standstill.ask(command))}
    view.until(lambda e: {g for form, found in livelocks(view) if form == "spin" for g in found} >= spinning)
    assert {g for form, found in livelocks(view) if form == "spin" for g in found} == spinning
    assert {g for form, g in livelocks(view) if form == "channels"} == rings
    for event in view.seen:
        assert (event["not_traced"], event["lock_pairs_left_out"]) == (0, 0)
        for cycle in (c for f in event["findings"] for c in f["cycle"]):
            assert sum(s["looks"] for s in cycle["steps"]) == cycle["looks"] >= cycle["prints"] > 0
            assert cycle["steps"][0]["func"].startswith("main.")
    assert view.end() == 0


@pytest.mark.releases("1.27")
def test_livelocks_among_very_many(watch, standstill):
    standstill.ask("crowd 20500")
    locks, ring = (tuple(ids_of(standstill.ask(command))) for command in ("livelock", "relay"))
    view = watch(standstill.pid, checked=False)  # of 20,000 states a look, which takes its time
    view.until(lambda e: livelocks(view) >= {("locks", locks), ("channels", ring)})
    assert {form for form, _ in livelocks(view)} == {"locks", "channels"}
    assert view.seen[-1]["goroutines"] > 20500
    assert view.end() == 0


@pytest.mark.releases("1.18", "1.27")
def test_who_works_is_not_livelocked(watch, standstill):
    for commands in (("queue", "ask", "hash", "tick"), ("garbage", "serve", "busy")):
        for command in commands:
            standstill.ask(command)
        view = watch(standstill.pid, interval="50ms")
        view.until(lambda e: e["look"] == 25)
        assert view.end() == 0
        assert not livelocks(view), commands
        assert any(e["traced"] > 5 for e in view.seen)


@pytest.mark.releases("1.18", "1.27")
def test_a_writer_starves_behind_a_reader_that_stays(watch, gospect, standstill):
    reader, writer = (int(word) for word in standstill.ask("writer").split())
    assert not look(gospect, standstill.pid)["cycles"]
    view = watch(standstill.pid)
    found = view.until_found("writer-starvation")
    assert found["goroutines"] == [writer] and found["seen_in_looks"] == 4
    assert states(view.seen[-1])[reader]["state"] == "holding"
    assert all(not e["cycles"] for e in view.seen)
    assert view.end() == 0


@pytest.mark.releases("1.18", "1.27")
def test_starvation_counts_who_came_first(watch, standstill):
    waiter = int(standstill.ask("starve"))
    view = watch(standstill.pid)
    view.until(lambda e: any(f["kind"] == "starvation" and waiter in f["goroutines"] for f in e["findings"]))
    found = next(f for f in view.seen[-1]["findings"] if f["kind"] == "starvation")
    assert found["overtaken"] >= 2 and len(set(found["locks"])) == 1
    assert states(view.seen[-1])[waiter]["state"] == "starving"
    assert view.end() == 0


@pytest.mark.releases("1.18", "1.27")
def test_who_cannot_run_is_not_accused(watch, standstill):
    """A loop that computes looks the same in every look when the process is stopped."""
    for command in ("hash", "queue"):
        standstill.ask(command)
    view = watch(standstill.pid, interval="50ms")
    view.until(lambda e: e["look"] == 4)  # they are traced by now
    standstill.signal(signal.SIGSTOP)
    view.until(lambda e: e["look"] == 15)
    accused = livelocks(view)
    standstill.signal(signal.SIGCONT)
    assert view.end() == 0
    assert not accused


def test_healthy_programs_are_not_accused(watch, standstill):
    """Locks that are fought for, workers that wait for work, and giving way that succeeds now and then."""
    for command in ("busy", "idle", "progress"):
        standstill.ask(command)
    view = watch(standstill.pid)
    view.until(lambda e: e["look"] == 12)
    assert view.end() == 0
    for event in view.seen:
        assert not event["cycles"] and not event["findings"], event["findings"]
        assert not [o for o in event["left"] if o["evidence"] == "inferred"]
    assert sum(s["state"] == "starving" for s in view.seen[-1]["states"]) >= 20  # the workers


@pytest.mark.releases("1.27")
def test_it_ends_with_the_process(watch, go_build, run_go, release):
    target = run_go(go_build(release, "default", "standstill"), unharmed=False)
    view = watch(target.pid)
    view.next()
    target.signal(signal.SIGKILL)
    view.until(lambda e: e["event"] == "ended")
    view.run.communicate(timeout=60)
    assert view.run.returncode == 0


def plain(text):
    return re.sub(r"\s+", " ", text)


WATCH_MODES = ("default", "stripped", "pie-stripped", "race", "noopt", "cgo")


@pytest.mark.modes(*WATCH_MODES)
@pytest.mark.releases("1.18", "1.22", "1.27")
def test_watch_and_history_of_every_build(watch, go_build, run_go, release, mode, tmp_path):
    target = run_go(go_build(release, mode, "standstill"))
    path = tmp_path / "h.html"
    view = watch(target.pid, "--history", path, interval="50ms")
    both = ids_of(target.ask("deadlock"))
    spinning = int(target.ask("spin"))
    view.until_found("deadlock")
    if mode != "race":  # there the program runs in C code all the time
        view.until(lambda e: ("spin", (spinning,)) in livelocks(view))
    view.until(lambda e: states(e)[both[0]]["state"] == "starving")
    assert view.end() == 1
    found = {tuple(sorted(f["goroutines"])) for e in view.seen for f in e["findings"] if f["kind"] == "deadlock"}
    assert found == {tuple(both)}
    check_page(path, view.seen)


@pytest.mark.releases("1.18", "1.27")
def test_snapshots_in_a_row(gospect, standstill, tmp_path):
    files = [tmp_path / f"{i}.gsnap" for i in range(5)]

    def save(file):
        gospect("snapshot", standstill.pid, "--waits", "-o", file)

    save(files[0])
    both = ids_of(standstill.ask("deadlock"))
    wait_until(lambda: gospect("deadlock", standstill.pid, check=(0, 1)).code, "deadlock")
    for file in files[1:]:
        save(file)
    seen = gospect("deadlock", *files, "--json", "--history", tmp_path / "h.html", check=1)
    events = [schema.check("deadlock-watch", json.loads(line)) for line in seen.out.splitlines()]
    assert [[(f["event"], sorted(f["goroutines"])) for f in e["findings"]] for e in events] == \
        [[], [("begins", both)]] + [[("goes on", both)]] * 3
    assert [states(e)[both[0]]["state"] for e in events[1:]] == ["waiting"] * 3 + ["starving"]
    check_page(tmp_path / "h.html", events)
    assert "before the one that precedes it" in plain(gospect("deadlock", files[1], files[0], check=2).err)
    assert "running process" in gospect("deadlock", files[0], standstill.pid, check=2).said
    assert "--watch" in gospect("deadlock", files[0], files[1], "--watch", check=2).err


@pytest.mark.releases("1.18", "1.27")
def test_livelocks_in_snapshots_in_a_row(gospect, standstill, tmp_path):
    """Locks, channels, spinning: what --watch says.  And who works is not accused."""
    standstill.ask("crowd 300")
    said = {kind: tuple(ids_of(standstill.ask(command))) for kind, command in
            (("locks", "livelock"), ("channels", "relay"), ("spin", "spin"))}
    for command in ("queue", "hash"):
        standstill.ask(command)
    seen, files = [], []
    while not livelocks_of(seen) >= set(said.items()):  # on a busy machine some looks see one of them wait
        assert len(files) < 200, livelocks_of(seen)
        for _ in range(20):
            files.append(tmp_path / f"{len(files)}.gsnap")
            gospect("snapshot", standstill.pid, "--waits", "-o", files[-1])
        told = gospect("deadlock", *files, "--json")
        seen = [schema.check("deadlock-watch", json.loads(line)) for line in told.out.splitlines()]
    assert livelocks_of(seen) == set(said.items())


@pytest.mark.releases("1.27")
def test_snapshots_of_two_processes(gospect, go_build, run_go, release, tmp_path):
    for i in range(2):
        target = run_go(go_build(release, "default", "standstill"))
        gospect("snapshot", target.pid, "--waits", "-o", tmp_path / f"{i}.gsnap")
    assert "another process" in plain(gospect("deadlock", tmp_path / "0.gsnap", tmp_path / "1.gsnap", check=2).err)


@pytest.mark.releases("1.18", "1.27")
def test_history_when_the_process_ends(watch, go_build, run_go, release, tmp_path):
    target = run_go(go_build(release, "default", "standstill"), unharmed=False)
    path = tmp_path / "h.html"
    view = watch(target.pid, "--history", path, interval="50ms")
    target.ask("idle")
    view.until(lambda e: e["look"] == 5)
    target.signal(signal.SIGKILL)
    view.until(lambda e: e["event"] == "ended")
    view.run.communicate(timeout=60)
    assert view.run.returncode == 0
    check_page(path, view.seen[:-1])


@pytest.mark.releases("1.27")
def test_history_of_a_watch_that_is_killed(watch, gospect, standstill, tmp_path):
    """It is saved on the way, never half; the process takes no harm, and can be looked at again."""
    path = tmp_path / "h.html"
    standstill.ask("idle")
    view = watch(standstill.pid, "--history", path, interval="50ms")
    for look_no in range(1, 13):
        view.until(lambda e: e["look"] == look_no)  # pylint: disable=cell-var-from-loop
    view.run.kill()
    out, _ = rest_of(view.run)
    view.seen += [json.loads(line) for line in out.splitlines() if line.endswith(b"}")]
    kept = check_page(path, view.seen, part=True)
    assert kept >= 8
    standstill.ask("busy")
    assert watch(standstill.pid).next()["look"] == 1


@pytest.mark.releases("1.27")
def test_history_that_cannot_be_written_is_told_at_once(gospect, standstill, tmp_path):
    failed = gospect("deadlock", standstill.pid, "--watch", "--history", tmp_path / "no" / "h.html", check=(2, 3))
    assert "h.html" in failed.err


# ---- the page ----

class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.data, self.inside, self.open, self.fetched = "", False, [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.fetched += [value for name, value in attrs.items() if name in ("src", "href")]
        if tag not in ("meta", "input"):
            self.open.append(tag)
        self.inside = tag == "script" and attrs.get("id") == "data"

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.inside = False

    def handle_data(self, data):
        self.data += data if self.inside else ""


def replay(page):
    """The state of each goroutine in each look, as the page itself would walk."""
    now = {}
    for step in page["looks"]:
        for g in step["gone"]:
            del now[g]
        for situation, *ids in step["set"]:
            for g in ids:
                now.pop(g, None)
                if situation:
                    now[g] = page["situations"][situation]
        yield step, dict(now)


def check_page(path, events, part=False):
    """The page is whole, fetches nothing, and has what was seen (part: its beginning); how many looks it has."""
    text = path.read_text()
    parsed = Page(text)
    assert not parsed.open and not parsed.fetched and "http" not in re.sub(r"http://www.w3.org/2000/svg", "", text)
    page = json.loads(parsed.data)
    assert not page["full"] and (part or len(page["looks"]) == len(events))
    names = ["idle", "holding", "waiting", "starving"]
    for event, (step, now) in zip(events, replay(page)):
        assert {g: names[s[0]] for g, s in now.items()} == {g: s["state"] for g, s in states(event).items()}
        assert dict(zip(names, step["by"])) == event["by_state"]
        for g, (_, way, obj, _) in now.items():
            assert (way or None) == states(event)[g]["wait"]
            addr = states(event)[g]["object"]
            assert (obj >= 0) == (addr is not None) and (obj < 0 or addr in page["objects"][obj])
        assert [[f[0], sorted(f[2:])] for f in step["found"]] == \
            [[f["kind"], sorted(f["goroutines"])] for f in event["findings"] if f["event"] != "ends"]
    return len(page["looks"])


@pytest.mark.releases("1.18", "1.27")
def test_history_is_what_was_seen(watch, standstill, tmp_path):
    path = tmp_path / "h.html"
    view = watch(standstill.pid, "--history", path)
    view.next()
    standstill.ask("idle")
    view.next()
    both = ids_of(standstill.ask("deadlock"))
    view.until_found("deadlock")
    view.until(lambda e: states(e)[both[0]]["state"] == "starving")
    assert view.end() == 1
    check_page(path, view.seen)


@pytest.mark.releases("1.27")
def test_options_that_need_watch(gospect, standstill, tmp_path):
    for option, value in (("--interval", "1s"), ("--for", "1s"), ("--history", tmp_path / "h.html")):
        assert "--watch" in gospect("deadlock", standstill.pid, option, value, check=2).err
    (tmp_path / "a.gsnap").write_bytes(b"")
    gospect("snapshot", standstill.pid, "--force", "-o", tmp_path / "a.gsnap")
    assert "running process" in gospect("deadlock", tmp_path / "a.gsnap", "--watch", check=2).said


@pytest.mark.releases("1.27")
def test_watch_for_people(gospect, standstill):
    standstill.ask("deadlock")
    wait_until(lambda: gospect("deadlock", standstill.pid, check=(0, 1)).code, "deadlock")
    seen = gospect("deadlock", standstill.pid, "--watch", "--interval", "100ms", "--for", "1s", check=1).out
    assert seen.count("INFERRED deadlock") == 1  # it is told when it begins
    assert re.search(r"look 2: \d+ goroutines \(1 idle, 2 waiting\); 2 are stuck; stood still for", seen)
    assert re.search(r"^\d+ looks: 1 deadlock$", seen, re.M)


def lines_that_take():
    """tests/targets/taken: name of a function -> its line that takes what it holds to the end."""
    source = pathlib.Path(__file__).parents[1] / "targets" / "taken" / "main.go"
    found, name = {}, None
    for number, line in enumerate(source.read_text().splitlines(), 1):
        begins = re.match(r"func (\w+)\(", line)
        name = begins[1] if begins else name
        if line.endswith("// TAKEN"):
            found[name] = number
    return found


@pytest.mark.modes("default", "noopt", "stripped-pie", "race")
@pytest.mark.releases("1.18", "1.22", "1.27")
def test_where_locks_were_taken(gospect, go_build, run_go, release, mode):
    target, truth, found = run_go(go_build(release, mode, "taken")), lines_that_take(), {}
    seen = look(gospect, target.pid)
    for circle in seen["cycles"]:
        stacks = {e["from"]: [f["func"] for f in e["stack"]] for e in circle["edges"]}
        for edge in circle["edges"]:
            if "main.partner" in stacks[edge["from"]]:
                forms = [f for f in stacks[edge["to"]] if f.split(".")[1] in truth]
                found[forms[-1].split(".")[1]] = edge
    assert set(found) == set(truth)
    told = {name: e for name, e in found.items() if e["taken"]}
    assert {name: e["taken"]["line"] for name, e in told.items()} == {name: truth[name] for name in told}
    assert len(told) >= len(truth) - 1 and sum(e["taken_sure"] for e in told.values()) >= 10
    assert all(e["release"]["file"].endswith("taken/main.go") for e in found.values())


@pytest.mark.releases("1.18", "1.27")
def test_a_deadlock_in_words(gospect, go_build, run_go, release):
    """Who waits behind the circle, where its locks were taken, and who called whom."""
    text = " ".join(gospect("deadlock", run_go(go_build(release, "default", "deadlocks")).pid, check=1).out.split())
    assert re.search(r"goroutine \d+ holds it, (probably )?taken at deadlocks/main\.go:55 \(main\.both\)", text)
    assert re.search(r"goroutines \d+, \d+ and \d+ wait for main\.a sync\.Mutex at 0x\w+ at deadlocks/main\.go:\d+"
                     r" \(main\.behind\.func1\)", text)
    assert re.search(r"\(main\.both\)(, for at least [^(]*)? called at deadlocks/main\.go:\d+ \(main\.circle\.func1\)", text)
    target = run_go(go_build(release, "default", "deadlocks"), "left", "quiet")
    words = " ".join(gospect("deadlock", target.pid, check=1).out.split())
    for name, ids in said(target).items():
        assert re.search(rf"goroutine {ids[0]} waits for {name} sync\.\w+ at 0x\w+ at deadlocks/main\.go", words)
