"""Go expressions over a frame, and values taken apart (dbg/expr.h, dbg/value.h).

The target `exprs` evaluates every expression itself: its table has the text, the type and the value
that Go's compiler gave it.  Of a copy of the process and of a core, the same must come out.
"""
import json
import re
import subprocess

import pytest

from lib import dbg, real

DELVE = "github.com/go-delve/delve/cmd/dlv@v1.27.2"
GONE = re.compile(r"optimized out|nothing is called|not set yet|others use its place|overwrote|DWARF contradicts|"
                  r"register")

PRETTY = {  # values as their source in the target says
    "pt.when": "time.Time(2024-02-29T12:30:00.000005Z)",
    "pt.took": "1m30s",
    "*pt.huge": "math/big.Int(-123456789012345678901234567890)",
    "*pt.third": "math/big.Rat(1/3)",
    "pt.mu": "sync.Mutex(locked)",
    "pt.rw": "sync.RWMutex(unlocked)",
    "pt.wg": "sync.WaitGroup(counter 0)",
    "pt.once": "sync.Once(not done)",
    "pt.ip": "net.IP(10.1.2.3)",
    "*pt.addr": "net.TCPAddr([::1]:80)",
    "*pt.url": "net/url.URL(https://example.com:8443/a/b?q=1#frag)",
    "pt.err": "error(*fmt.wrapError) *fmt.wrapError(outer: bad)",
    "pt.builder": 'strings.Builder("built")',
    "pt.buf": 'bytes.Buffer("fered")',
}


def wrong(table, answers):
    """What was answered and is not what Go made of it."""
    for row, answer in zip(table, answers):
        if "error" in answer:
            if not GONE.search(answer["error"]):
                yield row, answer
        elif (answer["value"], answer["type"]) != (row["Value"], row["Type"]):
            yield row, answer


def check(target, table, whole):
    where = dbg.find_frame(target, "main.scope")
    answers = dbg.evaluate(target, where, [row["Expr"] for row in table])
    assert not list(wrong(table, answers))
    told = sum("error" not in answer for answer in answers)
    assert told == len(table) if whole else told > len(table) / 3


@pytest.mark.modes("default", "noopt")
@pytest.mark.sanitized
def test_expressions_are_what_go_makes_of_them(go_build, run_go, release, mode):
    target = run_go(go_build(release, mode, "exprs"))
    check(target.pid, json.loads(target.ask("table")), mode == "noopt")


@pytest.mark.releases("1.27")
def test_expressions_in_a_core(go_build, run_go, gospect, release, tmp_path):
    target = run_go(go_build(release, "noopt", "exprs"))
    table = json.loads(target.ask("table"))
    gospect("core", target.pid, "-o", tmp_path / "a.core", check=0)
    check(tmp_path / "a.core", table, True)


@pytest.mark.releases("1.18", "1.24", "1.27")
def test_what_a_child_is_called_leads_to_it(go_build, run_go, release):
    target = run_go(go_build(release, "noopt", "exprs"))
    where = dbg.find_frame(target.pid, "main.scope")
    roots = ["o", "m", "words", "o.any", "o.list", "mi", "pp", "grid", "Table", "pr", "o.err", "o.next"]
    answers = dbg.evaluate(target.pid, where, roots)
    children = [c for a in answers for c in a["children"] if c["path"]]
    again = dbg.evaluate(target.pid, where, [c["path"] for c in children])
    assert len(children) > 120
    assert [c["value"] for c in children] == [a.get("value") for a in again]
    by_name = {a["name"]: a for a in answers}
    assert by_name["mi"]["indexed"] == 1000 and len(by_name["mi"]["children"]) == 100
    assert by_name["o"]["named"] == 12 and by_name["words"]["indexed"] == 4


def test_values_show_what_they_mean(go_build, run_go, release):
    target = run_go(go_build(release, "noopt", "exprs"))
    where = dbg.find_frame(target.pid, "main.scope")
    answers = dbg.evaluate(target.pid, where, list(PRETTY))
    assert {a["name"]: a.get("value") for a in answers} == PRETTY


@pytest.mark.releases("1.18", "1.22", "1.24", "1.27")
def test_meanings_are_what_fmt_says(go_build, run_go, release):
    """Errors by their message, addresses, what reflect and sync/atomic hold."""
    target = run_go(go_build(release, "noopt", "exprs"))
    where = dbg.find_frame(target.pid, "main.scope")
    said = json.loads(target.ask("meanings"))
    answers = dbg.evaluate(target.pid, where, [f"meaning.{name}" for name in said])
    told = {a["name"].split(".")[1]: inside(a["value"]) for a in answers}
    exact = {"Int": "int 5", "Text": 'string "five"', "Struct": "main.point {X: 10, Y: 20}", "None": "invalid",
             "Errno": "ECONNREFUSED (111)", "Atomic": "42"}
    assert told == said | exact
    if release != "1.18":
        pointer, both = (a["value"] for a in dbg.evaluate(target.pid, where, ["byPointer", "joined"]))
        assert pointer.startswith("sync/atomic.Pointer[main.point](*")
        assert inside(both) == "one; two"


@pytest.mark.releases("1.18", "1.22", "1.24", "1.27")
@pytest.mark.modes("default", "noopt")
def test_results_without_a_name(go_build, run_go, release, mode):
    """What a return statement has set, while a deferred call runs; an optimising compiler may not keep it."""
    target = run_go(go_build(release, mode, "exprs"))
    where = dbg.find_frame(target.pid, "main.unnamed")
    answers = dbg.evaluate(target.pid, where, ["~r0", "~r1", "~r2.X + ~r0"])
    told = [a.get("value") for a in answers]
    right = ["42", '"ret"', "49"]
    assert told == right if mode == "noopt" else all(a in (None, b) for a, b in zip(told, right))


def inside(value):
    """Of "error(T) T(meaning)" the meaning."""
    found = re.match(r"(?:error\([^)]*\) )?\*?[\w./]+\((.*)\)$", value)
    return found[1] if found else value


@pytest.mark.releases("1.27")
def test_errors_say_where(go_build, run_go, release):
    target = run_go(go_build(release, "noopt", "exprs"))
    where = dbg.find_frame(target.pid, "main.scope")
    for expr, text, column in (("n +", "expected an operand", 3), ("n + nosuch", "nosuch", 4),
                               ("words[9]", "out of range: there are 4", 0), ("uint8(300)", "does not fit", 0),
                               ("n + f", "mismatched types int and float64", 0), ("s.x", "no field", 0),
                               ("*nilPtr", "nil pointer", 1), ("n n", "expected an operator", 2),
                               ("any1.(string)", "is int, not string", 0), ('m["x"]', "no such key", 2),
                               ('len(mi[5000]) == 0', "zero value of string", 7),
                               ("f(1)", "not a function", 0), ("n / 0", "division by zero", 0),
                               ("o.fn(1)", "cannot be called here", 0),
                               ("call o.fn(1)", "cannot be called here", 5), ("call n + 1", "call of a function", 5),
                               ("call", "nothing is called call", 0), ('"abc', "does not end", 0)):
        answer = dbg.evaluate(target.pid, where, [expr])[0]
        assert text in answer.get("error", ""), (expr, answer)
        assert answer["excerpt"].split("\n")[1].index("^") == column, (expr, answer["excerpt"])


@pytest.mark.releases("1.18", "1.27")
def test_names_of_type_parameters(go_build, run_go, release):
    """They are not kept, and that is said."""
    target = run_go(go_build(release, "noopt", "exprs"))
    where = next((g["id"], i) for g in dbg.ask(target.pid, "frames", 0)
                 for i, f in enumerate(g["frames"]) if f["func"].startswith("main.generic["))
    lost = dbg.evaluate(target.pid, where, ["T(1)"])[0]
    assert "nothing is called T here" in lost["error"] and "type parameters" in lost["error"]


def number(v, size):
    return v.to_bytes(size, "little", signed=v < 0).hex()


@pytest.mark.releases("1.18", "1.27")
def test_what_setting_writes(go_build, run_go, release):
    target = run_go(go_build(release, "noopt", "exprs"))
    where = dbg.find_frame(target.pid, "main.scope")

    def address(expr):
        return int(dbg.evaluate(target.pid, where, [f"uintptr(unsafe.Pointer(&{expr}))"])[0]["value"])

    def writes(to, source):
        return [(w["addr"], w["bytes"]) for w in dbg.ask(target.pid, "set", *where, to, source)]

    for to, source, expected in (("n", "3*n", number(21, 8)), ("i8", "-5", number(-5, 1)),
                                 ("u8", "255", "ff"), ("b", "n == 8", "00"), ("o.next.X", "n", number(7, 8)),
                                 ("words[2]", '""', "00" * 16), ("nilPtr", "nil", "00" * 8),
                                 ("mi", "nil", "00" * 8), ("o.c", "green", number(1, 8)),
                                 ("grid[1][2]", "'x'", number(120, 8)), ("f", "n/2", None),
                                 ("o.arr[0]", "1", "0000803f")):
        if expected is None:
            with pytest.raises(dbg.Failed, match="is no float64"):
                writes(to, source)
        else:
            assert writes(to, source) == [(address(to), expected)], (to, source)
    for to, source, text in (("n", "1.5", "does not fit"), ("s", '"new"', "allocated"), ("n + 1", "2", "cannot be set"),
                             ("i8", "200", "does not fit"), ("n", "nil", "never nil")):
        with pytest.raises(dbg.Failed, match=text):
            writes(to, source)


@pytest.mark.releases("1.18", "1.27")
def test_frames_are_those_of_a_snapshot(go_build, run_go, gospect, release):
    """Which leaves out wrappers."""
    target = run_go(go_build(release, "default", "exprs"))
    seen = gospect("goroutines", target.pid, "--json", check=0).json["goroutines"]
    ours = {g["id"]: [f["func"] for f in g["frames"] if not f["wrapper"]]
            for g in dbg.ask(target.pid, "frames", 0)}
    for g in seen:
        if g["status"] == "waiting":
            assert ours[g["id"]] == [f["func"] for f in g["stack"]]


@pytest.mark.modes("default", "noopt")
def test_deferred_calls_are_counted(go_build, run_go, release, mode):
    """As the source has them."""
    target = run_go(go_build(release, mode, "exprs"))
    where = dbg.find_frame(target.pid, "main.opened")
    frames = dbg.ask(target.pid, "frames", where[0])[0]["frames"]
    counted = {f["func"]: f["defers"] for f in frames if f["defers"]}
    assert counted == {"main.opened": 2, "main.deferredLoop": 3}


def delve_prints(pid, where, exprs):
    """What Delve prints, in one line each."""
    delve = real.go_install("dlv", "1.26", "default", DELVE)
    commands = [f"goroutine {where[0]}", f"frame {where[1]}", *(f"print {e}" for e in exprs), "quit", "n", ""]
    done = subprocess.run([delve, "attach", str(pid), "--allow-non-terminal-interactive=true"],
                          input="\n".join(commands), text=True, check=True, timeout=300,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return [plain(a) for a in done.stdout.split("(dlv) ")[3:3 + len(exprs)]]


def plain(text):
    """Without line breaks, and what Delve's terminal adds for them: commas, the address in front."""
    text = re.sub(r"\s+", "", text)
    text = re.sub(r"^\(\**[^()]*\)\(0x[0-9a-f]+\)(?=\*)", "", text)
    return text.replace(",}", "}").replace(",]", "]").replace("*nil", "nil")


@pytest.mark.slow
@pytest.mark.releases("1.24", "1.26")
@pytest.mark.modes("noopt")
def test_delve_prints_the_same(go_build, run_go, release, mode):
    """But for values with a meaning (PRETTY), channels, closures and structs that hold those."""
    target = run_go(go_build(release, mode, "exprs"))
    where = dbg.find_frame(target.pid, "main.scope")
    exprs = ["m", "pr", "text_", "words", "up", "err", "nilErr", "anyNil", "any1", "any2", "o.list", "o.c", "o.z",
             "c64", "f", "o.arr", "r", "grid", "big", "Table", "nilPtr", "nilMap", "nilSlice", "o.by", "o.any",
             "o.middle", "o.inner", "bytes_", "mc", "runes", "n", "1+2", "float32(f)", "len(words)", "n == 7",
             "o.err", "*pp", "pp", "global", "i8", "u64", "mi[3]", "words[1:3]", "o.point", "n<<3", "s[1:]"]
    ours = [plain(a["value"]) for a in dbg.evaluate(target.pid, where, exprs)]
    theirs = delve_prints(target.pid, where, exprs)
    different = [(e, a, b) for e, a, b in zip(exprs, ours, theirs) if a != b]
    assert len(theirs) == len(exprs) and not different
