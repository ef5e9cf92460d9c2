"""gospect sql: the same facts as the other commands, asked for in SQL; the shell; what is refused."""
import csv
import io
import json

import pytest

from lib import procfs


@pytest.fixture
def shop(go_build, run_go):
    return run_go(go_build("1.26", "default", "shop"))


def ask(gospect, subject, sql):
    return [json.loads(line) for line in gospect("sql", subject, sql, "--json", check=0).out.splitlines()]


@pytest.fixture
def saved(gospect, shop, tmp_path):
    path = tmp_path / "shop.gsnap"
    gospect("snapshot", shop.pid, "--heap", "-o", path, check=0)
    return path


def test_goroutines_and_frames(gospect, saved):
    """Of a file: the runtime's own goroutines need not stand still between two looks at a process."""
    listed = gospect("goroutines", saved, "--system", "--json", check=0).json["goroutines"]
    asked = ask(gospect, saved, "SELECT id, status, wait_reason FROM goroutines ORDER BY id")
    assert [(g["id"], g["status"]) for g in sorted(listed, key=lambda g: g["id"])] == \
        [(g["id"], g["status"]) for g in asked]
    holder = next(g for g in listed if "main.holder" in [f["func"] for f in g["stack"]])
    frames = ask(gospect, saved, f"SELECT * FROM frames WHERE goroutine = {holder['id']}")
    assert [f["depth"] for f in frames] == list(range(len(frames)))
    shown = [f for f in frames if not f["wrapper"]]
    assert [(f["func"], f["line"]) for f in shown] == [(f["func"], f["line"]) for f in holder["stack"]]
    every = ask(gospect, saved, "SELECT count(*) n FROM frames WHERE NOT wrapper")[0]["n"]
    assert every == sum(len(g["stack"]) for g in listed)


def test_the_scheduler(gospect, go_build, run_go):
    """The states target has goroutines that are blocked in system calls, on channels, locks and timers."""
    target = run_go(go_build("1.26", "default", "states"))
    threads = ask(gospect, target.pid, "SELECT t.tid, t.goroutine, g.status FROM threads t JOIN goroutines g ON "
                                       "g.id = t.goroutine WHERE t.syscall IS NOT NULL AND g.status = 'syscall'")
    assert len(threads) >= 2 and len({t["tid"] for t in threads}) == len(threads)
    assert {t["tid"] for t in threads} <= {int(tid) for tid in procfs.threads(target.pid)}
    settings = gospect("info", target.pid, "--json", check=0).json["counters"]
    assert len(ask(gospect, target.pid, "SELECT id FROM procs")) == settings["sched.gomaxprocs"]
    hour = ask(gospect, target.pid, "SELECT in_ns FROM timers WHERE in_ns > 1800e9")
    assert len(hour) >= 3 and all(row["in_ns"] <= 3600e9 for row in hour)
    kinds = {row["kind"]: row["n"] for row in ask(gospect, target.pid, "SELECT kind, count(*) n FROM waits GROUP BY 1")}
    assert sum(kinds.values()) > 20 and any("recv" in k or "receive" in k for k in kinds), kinds
    assert ask(gospect, target.pid, "SELECT count(*) n FROM runq r LEFT JOIN goroutines g ON g.id = r.goroutine "
                                    "WHERE g.id IS NULL") == [{"n": 0}]


def test_objects_are_those_of_heap(gospect, shop, saved):
    types = {row["type"]: row for row in gospect("heap", saved, "--json", check=0).json["types"]}
    counted = {row["type"]: row for row in ask(
        gospect, saved, "SELECT type, count(*) n, sum(size) bytes FROM objects WHERE live GROUP BY type")}
    for name in ("main.User", "main.Address", "main.Held"):
        assert (counted[name]["n"], counted[name]["bytes"]) == (types[name]["count"], types[name]["bytes"])
    user = int(shop.ready["user"], 16)
    one = ask(gospect, saved, f"SELECT * FROM objects WHERE addr = {user}")
    assert len(one) == 1 and one[0]["type"] == "main.User" and one[0]["live"] == 1
    slot = one[0]["slot"]
    assert ask(gospect, saved, f"SELECT addr FROM objects WHERE slot = {slot}")[0]["addr"] == user


def test_edges_in_both_directions(gospect, shop, saved):
    user, home = int(shop.ready["user"], 16), int(shop.ready["home"], 16)
    forth = ask(gospect, saved, "SELECT e.field, b.addr FROM objects a JOIN edges e ON e.src = a.slot "
                                f"JOIN objects b ON b.slot = e.dst WHERE a.addr = {user}")
    assert {"field": ".Home", "addr": home} in forth
    back = ask(gospect, saved, "SELECT a.addr, e.field FROM objects b JOIN edges e ON e.dst = b.slot "
                               f"JOIN objects a ON a.slot = e.src WHERE b.addr = {home}")
    assert {"field": ".Home", "addr": user} in back
    both = ask(gospect, saved, "SELECT (SELECT count(*) FROM edges) edges, (SELECT count(*) FROM edges e JOIN objects o "
                               "ON o.slot = e.dst) ends")[0]
    assert both["edges"] == both["ends"] > 2000


def test_dominators_add_up(gospect, saved):
    """What a node retains is itself and what the nodes below it retain."""
    off = ask(gospect, saved, "WITH below(node, bytes) AS (SELECT dominator, sum(retained) FROM dominators GROUP BY 1) "
                              "SELECT count(*) n FROM dominators d JOIN objects o ON o.slot = d.node "
                              "LEFT JOIN below b ON b.node = d.node WHERE d.object AND "
                              "d.retained != o.size + coalesce(b.bytes, 0)")
    assert off == [{"n": 0}]
    assert ask(gospect, saved, "SELECT name FROM globals ORDER BY retained DESC LIMIT 1") == [{"name": "main.store"}]


def test_csv(gospect, shop):
    seen = gospect("sql", shop.pid, "--csv", "SELECT 'a,\"b\"' x, NULL y, 1.5 z, id FROM goroutines LIMIT 2", check=0)
    rows = list(csv.reader(io.StringIO(seen.out)))
    assert rows[0] == ["x", "y", "z", "id"] and rows[1][:3] == ['a,"b"', "", "1.5"] and len(rows) == 3


def test_shell(gospect, shop, saved):
    seen = gospect("sql", saved, stdin=b".tables\nSELECT count(*) n\nFROM objects\nWHERE type = 'main.User';\n.quit\n", check=0)
    assert "dominators" in seen.out and shop.ready["users"] in seen.out
    opened = gospect("sql", stdin=f".open {saved}\n.schema\nSELECT 6 * 7 answer;".encode(), check=0)
    assert "CREATE TABLE objects" in opened.out and "42" in opened.out
    assert "nothing is open" in gospect("sql", stdin=b"SELECT 1 FROM goroutines;", check=2).said


def test_refusals(gospect, shop, saved):
    for sql, words in (("SELEC 1", "syntax error"), ("SELECT nope FROM goroutines", "no such column"),
                       ("DELETE FROM goroutines", "may not be modified"), ("ATTACH 'x' AS y", "only SELECT"),
                       ("CREATE TABLE t(x)", "only SELECT"), ("PRAGMA user_version = 3", "only SELECT")):
        seen = gospect("sql", saved, sql, check=2)
        assert words in seen.said and not seen.out, seen
    assert "choose one" in gospect("sql", saved, "SELECT 1", "--csv", "--json", check=2).said
    assert not gospect("sql", saved, "SELECT * FROM objects WHERE addr = 16", "--json", check=0).out
