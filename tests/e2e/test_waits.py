"""gospect waits on a program that says what each of its goroutines waits for (tests/targets/waits)."""
import pathlib
import re
import subprocess
import xml.etree.ElementTree

import pytest

from lib import schema
from lib.pprofraw import Profile

MODES = ("default", "noopt", "stripped-pie", "race")
# function: kind, object of the target's words, kind and type of the object
TRUTH = {
    "main.recv": ("chan receive", "empty", "channel", "chan string"),
    "main.send": ("chan send", "full", "channel", "chan int"),
    "main.recvNil": ("nil channel", None, None, None),
    "main.sendNil": ("nil channel", None, None, None),
    "main.selectNone": ("nil channel", None, None, None),
    "main.recvTimer": ("chan receive", "timer", "channel", "chan time.Time"),
    "main.recvStopped": ("chan receive", "stopped", "channel", "chan time.Time"),
    "main.lockGlobal": ("mutex lock", "global", "mutex", "sync.Mutex"),
    "main.lockHeap": ("mutex lock", "heap", "mutex", "sync.Mutex"),
    "main.lockHeld": ("mutex lock", "held", "mutex", "sync.Mutex"),
    "main.writeFirst": ("rwmutex lock", "rw", "rwmutex", "sync.RWMutex"),
    "main.writeSecond": ("rwmutex lock", "rw", "rwmutex", "sync.RWMutex"),
    "main.read": ("rwmutex rlock", "rw", "rwmutex", "sync.RWMutex"),
    "main.waitGroup": ("waitgroup wait", "group", "waitgroup", "sync.WaitGroup"),
    "main.onceFirst.func1": ("chan receive", "closer", "channel", "chan struct {}"),
    "main.onceSecond": ("once", "once", "once", "sync.Once"),
    "main.waitCond": ("cond wait", "cond", "cond", "sync.Cond"),
    "main.sleep": ("sleep", None, None, None),
}
NAMES = {"empty": "main.empty", "full": "main.full", "global": "main.global", "heap": "main.heapLock.mu",
         "rw": "main.books.lock", "group": "main.group", "once": "main.once", "cond": "main.cond",
         "closer": "main.closer"}
COUNTS = {"main.lockGlobal": 2, "main.read": 2, "main.waitGroup": 2, "main.waitCond": 2}


@pytest.fixture
def waits(go_build, run_go, release, mode):
    return run_go(go_build(release, mode, "waits"))


def look(gospect, subject, *args):
    return schema.check("waits", gospect("waits", subject, "--json", *args, check=0).json)


def by_func(seen):
    found = {}
    for wait in seen["waits"]:
        found.setdefault(wait["func"], []).append(wait)
    return found


def objects(seen):
    return {o["addr"]: o for o in seen["objects"]}


def check_objects(target, seen):
    """The state of everything, as the program made it."""
    have, ready = objects(seen), target.ready
    full, empty = have[ready["full"]], have[ready["empty"]]
    assert (full["capacity"], full["length"], full["senders"], full["receivers"]) == (2, 2, 2, 0)
    assert (empty["capacity"], empty["senders"], empty["receivers"], empty["waiters"]) == (0, 0, 2, 2)
    assert have[ready["timer"]]["timer_when_ns"] and not have[ready["stopped"]]["timer_when_ns"]
    assert (have[ready["global"]]["held"], have[ready["global"]]["waiters_counted"]) == (True, 2)
    rw = have[ready["rw"]]
    assert (rw["writer"], rw["held"], rw["leaving"], rw["count"], rw["queued"]) == (True, True, 1, 3, 4)
    assert (have[ready["group"]]["count"], have[ready["group"]]["waiters_counted"]) == (2, 2)
    assert (have[ready["cond"]]["count"], have[ready["cond"]]["leaving"], have[ready["cond"]]["queued"]) == (2, 0, 2)
    assert seen["semaphores"]["goroutines"] == 11 and seen["semaphores"]["addresses"] == 8
    assert seen["semaphores"]["slots"] == 251


def check_select(target, wait):
    cases = {(c["direction"], c["object"] and c["object"]["addr"]): c["number"] for c in wait["cases"]}
    ready = target.ready
    expected = {("receive", ready["empty"]): 1, ("receive", ready["closer"]): 3, ("send", ready["full"]): 1,
                ("send", ready["other"]): 2}
    assert cases == {**expected, ("receive", None): 2}


def check_files(target, found, live):
    ready = target.ready
    conn, listener, pipe = (found[f"main.{f}"][0] for f in ("readConn", "accept", "readPipe"))
    assert (conn["kind"], conn["ends"], listener["ends"], pipe["ends"]) == ("io", "deadline", "outside", "outside")
    for wait in (conn, listener, pipe):
        assert wait["object"]["kind"] == "poll"
    if live:
        return ready["server"], ready["client"], ready["listen"]
    return None


@pytest.mark.modes(*MODES)
@pytest.mark.sanitized
def test_every_wait_is_what_the_program_says(gospect, waits, release, mode):
    seen = look(gospect, waits.pid)
    found = by_func(seen)
    for func, (kind, what, obj_kind, obj_type) in TRUTH.items():
        assert len(found[func]) == COUNTS.get(func, 1), func
        for wait in found[func]:
            assert wait["kind"] == kind, func
            obj = wait["object"]
            assert (obj and obj["addr"], obj and obj["kind"], obj and obj["type"]) == \
                (what and waits.ready[what], obj_kind, obj_type), func
            if "stripped" not in mode and what in NAMES:
                assert obj["name"] == NAMES[what], func
            waker = {"main.recvTimer": "timer", "main.sleep": "timer"}.get(func)
            assert wait["ends"] == waker, func
    assert not seen["missing"]
    check_objects(waits, seen)
    check_select(waits, found["main.selectMany"][0])
    server, client, listen = check_files(waits, found, True)
    polls = objects(seen)
    conn = polls[found["main.readConn"][0]["object"]["addr"]]
    assert (conn["file"], conn["local"], conn["remote"], conn["state"]) == ("tcp", server, client, "ESTABLISHED")
    listener = polls[found["main.accept"][0]["object"]["addr"]]
    assert (listener["local"], listener["state"]) == (listen, "LISTEN")
    assert polls[found["main.readPipe"][0]["object"]["addr"]]["file"] == "pipe"


@pytest.mark.modes("default", "stripped")
def test_snapshot_and_core_say_the_same(gospect, waits, tmp_path):
    gospect("snapshot", waits.pid, "--waits", "-o", tmp_path / "a.gsnap", check=0)
    gospect("core", waits.pid, "-o", tmp_path / "a.core", check=0)
    live = look(gospect, waits.pid)
    for subject in (tmp_path / "a.gsnap", tmp_path / "a.core"):
        seen = look(gospect, subject)
        for wait in live["waits"] + seen["waits"]:
            wait["since_ns"] = None
        assert seen["waits"] == live["waits"]
        if subject.suffix == ".gsnap":
            assert seen["objects"] == live["objects"]


@pytest.mark.modes("default", "stripped")
@pytest.mark.releases("1.22", "1.24", "1.27")
def test_the_heap_names_fields(gospect, waits):
    held = by_func(look(gospect, waits.pid, "--heap"))["main.lockHeld"][0]["object"]
    assert held["name"] == "main.ledger.mu"


@pytest.fixture
def granted(go_build, run_go, release):
    return run_go(go_build(release, "default", "waits"), "granted", env={"GODEBUG": "asyncpreemptoff=1"})


def test_what_was_handed_over_is_no_wait(gospect, granted):
    seen = look(gospect, granted.pid)
    found = {w["func"]: w for w in seen["waits"] if w["kind"] != "system call"}
    assert {w["ends"] for w in found.values()} == {"granted"}
    assert set(found) == {"main.lockGlobal", "main.recv", "main.read", "main.waitCond"}
    assert found["main.lockGlobal"]["object"]["addr"] == granted.ready["global"]
    assert not objects(seen)[granted.ready["global"]]["held"]
    text = gospect("waits", granted.pid, check=0).out
    assert re.search(r", 0 need another goroutine", text.splitlines()[0])


@pytest.mark.modes("default", "stripped")
@pytest.mark.releases("1.18", "1.22", "1.27")
def test_goroutines_that_never_ran_show_where_they_begin(gospect, go_build, run_go, release, mode, tmp_path):
    """All but the first function are the compiler's, which are hidden elsewhere."""
    target = run_go(go_build(release, mode, "waits"), "unstarted", env={"GODEBUG": "asyncpreemptoff=1"})
    source = pathlib.Path(__file__).parents[1] / "targets" / "waits" / "main.go"
    lines = [n for n, line in enumerate(source.read_text().splitlines(), 1) if line.startswith("\tgo ")]
    begin = source.read_text().splitlines().index("func unstarted() {")
    started = [n for n in lines if begin < n < begin + 20]
    seen = gospect("goroutines", target.pid, "--json", "--filter", "state=runnable", check=0).json["goroutines"]
    made = {g["created_by"]["line"]: g["stack"] for g in seen if g["created_by"]["func"] == "main.unstarted"}
    assert sorted(made) == started
    for line, stack in made.items():
        assert re.match(r"main\.(plain|unstarted\.|\(\*ledger\)\.Lock-fm)", stack[0]["func"]), stack
        assert "unstarted" not in stack[0]["func"] or stack[0]["line"] == line
    names = {stack[0]["func"] for stack in made.values()}
    text = gospect("goroutines", target.pid, "--limit", "0", check=0).out
    full = gospect("goroutines", target.pid, "--full", check=0).out
    for name in names:
        assert re.search(rf"^ +{re.escape(name)} ", text, re.M) and name in full
        assert gospect("goroutines", target.pid, "--json", "--filter", f"func={name}", check=0).json["count"] == 1
    profile = tmp_path / "g.pb.gz"
    gospect("goroutines", target.pid, "--pprof", profile, check=0)
    assert names <= {s.stack[0][0] for s in Profile(profile).samples}


@pytest.mark.releases("1.18", "1.27")
def test_thousands_are_few_lines(gospect, go_build, run_go, release):
    target = run_go(go_build(release, "default", "waits"), "many", "2000")
    seen = look(gospect, target.pid)
    assert sum(o["waiters"] for o in seen["objects"]) >= 12000  # those in selects wait for several
    text = gospect("waits", target.pid, check=0).out
    assert len(text.splitlines()) < 60
    for line in ("2,000  main.global", "2,000  main.cond", "2,000  main.group", "counter 1"):
        assert line in text


@pytest.mark.releases("1.27")
def test_pictures_and_filters(gospect, go_build, run_go, tmp_path):
    target = run_go(go_build("1.27", "default", "waits"))
    picture = tmp_path / "waits.svg"
    gospect("waits", target.pid, "--svg", picture, check=0)
    texts = [e.text for e in xml.etree.ElementTree.parse(picture).iter() if e.tag.endswith("}text")]
    assert any(t.startswith("main.books.lock") for t in texts)
    assert "svg" in gospect("waits", target.pid, "--svg=-", check=0).out[:100]
    graph = gospect("waits", target.pid, "--dot", "--limit", "0", check=0).out
    assert graph.startswith("digraph waits {") and graph.rstrip().endswith("}")
    assert graph.count("->") - graph.count("-> h") == len(TRUTH) + 5 and "main.global" in graph  # select, three files, main itself
    drawn = subprocess.run(["dot", "-Tplain"], input=graph, capture_output=True, text=True, check=True)
    assert not drawn.stderr and len(re.findall(r"^edge ", drawn.stdout, re.M)) == graph.count("->")
    only = look(gospect, target.pid, "--filter", "func=main.waitCond")
    assert only["count"] == 2 and {w["kind"] for w in only["waits"]} == {"cond wait"}
    groups = re.findall(r"^ {0,6}[\d,]+  \S", gospect("waits", target.pid, "--limit", "0", check=0).out, re.M)
    assert f"{len(groups) - 5} more: --limit 0" in gospect("waits", target.pid, "--limit", "5", check=0).out
    assert gospect("waits", target.pid, "--json", "--dot", check=2).err.count("choose one") == 1


@pytest.mark.modes("default", "stripped-pie")
def test_misuse_is_told_with_its_channel(gospect, go_build, run_go, release, mode):
    target = run_go(go_build(release, mode, "waits"), "misuse")
    seen = schema.check("doctor", gospect("doctor", target.pid, "--json", "--for", "0", check=1).json)
    found = [f["values"] for f in seen["findings"] if f["key"] == "misuse"]
    assert sorted(f["panic"] for f in found) == ["close of closed channel", "send on closed channel",
                                                 "send on closed channel", "sync: negative WaitGroup counter"]
    for misused in (f for f in found if "closed channel" in f["panic"]):  # one of them in a select, among others
        assert misused["address"] == target.ready["chan"], misused
        assert "waits/main.go:" in misused["where"]


@pytest.mark.modes("default", "noopt", "stripped-pie", "race")
@pytest.mark.releases("1.23", "1.25", "1.27")
def test_who_waits_for_which_coroutine(gospect, go_build, run_go, release, mode, tmp_path):
    """iter.Pull: a coroutine waits for who calls next, who called next for the coroutine."""
    target = run_go(go_build(release, mode, "coroutines"))
    stacks = {g["id"]: [f["func"] for f in g["stack"]]
              for g in gospect("goroutines", target.pid, "--json", check=0).json["goroutines"]}

    def those(func):
        return sorted(g for g, stack in stacks.items() if func in stack)

    def said(subject):
        seen = look(gospect, subject)
        assert all((w["object"] or {}).get("kind") == "coroutine" for w in seen["waits"] if w["kind"] == "coroutine")
        return {w["goroutine"]: w for w in seen["waits"]}

    def resumers(waits, func):
        return [[(h["goroutine"], h["act"]) for h in waits[g]["holders"]] for g in those(func)]

    waits = said(target.pid)
    assert resumers(waits, "main.waitsForBlocked") == [[(those("main.blocks")[0], "resume")]]
    assert resumers(waits, "main.waitsForLock") == [[(those("main.locks")[0], "resume")]]
    assert resumers(waits, "main.held") == [[(those("main.holds")[0], "resume")]]
    assert resumers(waits, "main.lost") == [[]] * 3
    pair = {those("main.waitsForLock")[0], those("main.locks")[0]}
    circle, = gospect("deadlock", target.pid, "--json", check=1).json["cycles"]
    assert circle["class"] == "mixed" and set(circle["goroutines"]) == pair
    leaked = schema.check("leaks", gospect("leaks", target.pid, "--json", check=1).json)["leaks"]
    beyond = {x["goroutine"] for x in leaked if x["class"] == "proved-beyond" and x["fault"] == "coroutine"}
    unstarted = {g for g, stack in stacks.items() if stack[0] == "runtime.corostart"}
    assert beyond >= set(those("main.lost")) and len(unstarted) == 2 and len(beyond) == 5 and len(beyond & unstarted) == 1
    for func in ("main.waitsForLost", "main.helps", "main.waitsForLost.func1"):
        assert [x["class"] for x in leaked if func in stacks[x["goroutine"]]] == ["proved-beyond"], func
    assert {x["goroutine"] for x in leaked} == beyond | pair | {*those("main.helps"), *those("main.waitsForLost.func1")}
    gospect("snapshot", target.pid, "--waits", "-o", tmp_path / "a.gsnap")
    assert said(tmp_path / "a.gsnap").keys() == waits.keys()


@pytest.mark.modes("default", "stripped")
@pytest.mark.releases("1.25", "1.27")
def test_timers_of_a_bubble_may_wake(gospect, go_build, run_go, release, mode):
    """They are in no P's heap, and on a clock of their own."""
    target = run_go(go_build(release, mode, "bubbles"))
    waits = by_func(look(gospect, target.pid))
    assert waits["main.byChannel"][0]["ends"] == "timer"
    assert re.search(r"a timer sends on it in the time of synctest bubble \d+$", gospect("waits", target.pid, check=0).out, re.M)
    found = schema.check("deadlock", gospect("deadlock", target.pid, "--json", check=0).json)
    assert found["timers_may_release"] and not [x for x in found["left"] if x["evidence"] == "inferred"]
    leak, = gospect("leaks", target.pid, "--json", check=1).json["leaks"]
    assert (leak["goroutine"], leak["class"]) == (waits["main.byNobody"][0]["goroutine"], "proved-beyond")
    rows = gospect("sql", target.pid, "SELECT func FROM timers WHERE proc IS NULL AND in_ns IS NULL", check=0).out
    assert rows.count("time.goFunc") == 3 and rows.count("time.sendTime") == 1
