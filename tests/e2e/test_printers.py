"""Printers of values that users write in Lua: in the terminal, in log points and in editors.

What values mean is what the target's own String methods say.
"""
import os
import re

import pytest

from lib import dapclient, drive
from lib.dbgterm import Session
from lib.paths import ROOT, TARGETS

SOURCE = TARGETS / "printed" / "main.go"
LOOK = f"printed/main.go:{drive.labels('printed')['look']}"
EXAMPLE = ROOT / "examples" / "printers.lua"
TRUTH = re.compile(r"^truth: (.*)$", re.M)
pytestmark = [pytest.mark.modes("noopt")]


def truth(out):
    """What the program says of price, warm, key, byName, byID, list, s."""
    return [text.strip() for text in TRUTH.search(out)[1].split("|")]


def test_example(gospect, go_build, release, mode, tmp_path):
    """The example of the documentation, from the user's own file: wherever the terminal shows values."""
    assert EXAMPLE.read_text() in (ROOT / "docs" / "how" / "printers.md").read_text()
    config = tmp_path / "config" / "gospect"
    config.mkdir(parents=True)
    (config / "printers.lua").write_text(EXAMPLE.read_text())
    exprs = ("price", "warm", "key", "byName", "byID", "list", "none", "prices", "any1", "p", "inside")
    commands = [f"break {LOOK}", f"log {LOOK} {{price}} / {{warm}} / {{inside}}", "display -a warm", "continue", "args", "locals",
                *(f"print {x}" for x in exprs), "print %x price", "print price.cents + 1", "printers", "stack 1 -full", "trace main.look", "continue"]
    s = Session(gospect, ["exec", go_build(release, mode, "printed")], commands, tmp_path,
                env={"XDG_CONFIG_HOME": str(tmp_path / "config")})
    price, warm, key, by_name, _, nodes, _, _ = truth(s.out)
    meant = {"price": f"main.money({price})", "warm": f"main.celsius({warm})", "key": f"main.id({key})",
             "byName": f"main.pair[string,int]({by_name})",
             "byID": f"main.pair[int,main.money](9=main.money({price}))", "list": f"*main.node({nodes})", "none": "*main.node nil",
             "prices": f"[]main.money len: 2, cap: 2, [main.money({price}),main.money(2.50 USD)]",
             "any1": f"interface {{}}(main.money) main.money({price})",
             "p": f"main.plain {{cost: main.money({price}), n: 5}}",
             "inside": f"main.stock(7 pieces) {{apple: 3, pear: 4, owner: *main.node({nodes})}}"}
    stop = s["continue"]
    assert f"1: warm = {meant['warm']}\n" in stop and f"{price} / {warm} / 7 pieces" in stop, stop
    args, local = s["args"], s["locals"]
    for name in ("price", "warm", "key", "byName", "byID", "list", "inside", "p"):
        assert f"{name} = {meant[name]}\n" in args, args
    assert f"prices = {meant['prices']}\n" in local and "none = *main.node nil\n" in local, local
    for name in exprs:
        assert s[f"print {name}"] == meant[name] + "\n"
    assert s["print %x price"] == '{cents: 4e2, currency: 455552}\n' and s["print price.cents + 1"] == "1251\n"
    listed = s["printers"].splitlines()
    assert listed[0].startswith("main.stock  ") and "printers.lua:" in listed[0] and len(listed) == 6
    assert f"price = {meant['price']}\n" in s["stack 1 -full"]
    assert f"main.look(price={price}" in s["continue"]


BROKEN = """
gospect.printer("main.money", function(v) return v.nothing end)
gospect.printer("main.celsius", function(v) while true do end end)
gospect.printer("main.id", function(v) local t = {} while true do t[#t + 1] = string.rep("x", 1000) end end)
gospect.printer("main.pair", function(v) return {} end)
gospect.printer("*main.node", function(v) pcall(function() while true do end end) return "never" end)
gospect.printer("main.square", function(v) gospect.command("kill") return "no" end)
gospect.printer("main.stock", function(v) return "kept", {{"self", v}, {"odd\\27[31m\\n", "x\\27"}, {"n", 1.5}, {"yes", true}} end)
gospect.printer("main.plain", function(v) return nil end)
gospect.printer("*main.failure", function(v) return tostring(v) .. " " .. gospect.raw(v) end)
held = {}
gospect.printer("/^url\\\\.|net/url\\\\.URL$/", function(v, t)
    local old = held[1]
    held[1] = v
    return t .. " " .. tostring(old and pcall(function() return old.Host end)) .. " " .. tostring(pcall(setmetatable, {}, {__gc = print}))
end)
"""


@pytest.mark.sanitized
def test_broken(gospect, go_build, release, mode, tmp_path):
    """A printer that fails, never ends, takes all memory, or wants to do more than look: the value is shown, and the session goes on."""
    file = tmp_path / "broken.lua"
    file.write_text(BROKEN)
    wrong = tmp_path / "wrong.lua"
    wrong.write_text('gospect.printer("a", 7)\n')
    shown = ("price", "warm", "key", "byName", "list", "s", "inside", "p", "bad", "u")
    commands = [f"source {wrong}", f"source {file}", f"break {LOOK}", "continue", *(f"print {x}" for x in shown),
                *["print warm"] * 3, "printers", "continue", "print u", f"source {file}", "print warm", "continue", "continue"]
    s = Session(gospect, ["exec", go_build(release, mode, "printed")], commands, tmp_path)
    assert "wrong.lua:1:" in s[f"source {wrong}"]
    assert re.fullmatch(r'main\.money {cents: 1250, currency: "EUR"} \(printer: .*broken\.lua:2: .*nothing.*\)\n', s["print price"])
    assert re.fullmatch(r"21\.5 \(printer: .*too long\)\n", s["print warm"])
    assert re.fullmatch(r"main\.id \[222,173,190,239\] \(printer: not enough memory\)\n", s["print key"])
    assert re.fullmatch(r'main\.pair\[string,int\] {key: "k", val: 7} \(printer: it returned a table, not a text\)\n', s["print byName"])
    assert re.fullmatch(r"\*main\.node {.*} \(printer: .*too long\)\n", s["print list"])
    assert re.search(r"{side: 4} \(printer: .*nothing else\)", s["print s"])
    inside = s["print inside"]
    assert inside.startswith("main.stock(kept) {self: main.stock {items: ") and "\x1b" not in inside
    assert 'n: 1.5, yes: true}' in inside
    assert s["print p"].startswith("main.plain {cost: main.money {cents: 1250")
    assert s["print bad"] == "error(*main.failure) *main.failure(*main.failure {code: 7} *main.failure {code: 7})\n"
    assert "net/url.URL(net/url.URL nil false)" in s["print u"]
    for _ in range(2):
        assert "too long" in s["print warm"]
    assert "off after 3 failures" in s["print warm"] and "main.celsius" in s["printers"]
    s["continue"]  # pylint: disable=expression-not-assigned
    assert "net/url.URL(net/url.URL false false)" in s["print u"], "a value of an earlier stop was looked into"
    s[f"source {file}"]  # pylint: disable=expression-not-assigned
    assert re.fullmatch(r"21\.5 \(printer: .*too long\)\n", s["print warm"]), "registered anew"
    assert "exited with status 0" in s["continue"] + s["continue"]


def test_in_editors(gospect_start, go_build, release, mode, tmp_path):
    """Text, children and the value behind them; a file that is wrong is told."""
    wrong = tmp_path / "wrong.lua"
    wrong.write_text("local = 3\n")
    process = gospect_start("dap", stdin=-1)
    c = dapclient.Client(os.dup(process.stdout.fileno()), os.dup(process.stdin.fileno()))
    process.stdin.close()
    process.stdin = None
    try:
        c.start("launch", program=str(go_build(release, mode, "printed")), printers=[str(wrong), str(EXAMPLE)])
        c.set_breakpoints(SOURCE, [{"line": drive.labels("printed")["look"]}])
        stop = c.configured()
        c.ask("continue", threadId=stop["threadId"])
        frame = c.top(c.stopped())
        c.said("truth")
        c.said("wrong.lua:1:", "console")
        got = c.locals(frame)
        price, warm, _, _, _, nodes, *_ = truth(c.output["stdout"])
        assert got["price"]["value"] == f"main.money({price})" and got["warm"]["value"] == f"main.celsius({warm})"
        fields = {v["name"]: v["value"] for v in c.variables(got["price"]["variablesReference"])}
        assert fields == {"cents": "1250", "currency": '"EUR"'}
        assert got["inside"]["namedVariables"] == 4
        inside = {v["name"]: v for v in c.variables(got["inside"]["variablesReference"])}
        assert list(inside) == ["apple", "pear", "owner", "[raw]"] and inside["apple"]["value"] == "3"
        assert inside["[raw]"]["value"].startswith("main.stock {items: ")
        assert [v["name"] for v in c.variables(inside["[raw]"]["variablesReference"])] == ["items", "prices", "owner", "extra"]
        assert inside["owner"]["value"] == f"*main.node({nodes})" and inside["owner"]["variablesReference"]
        assert [v["name"] for v in c.variables(got["inside"]["variablesReference"], start=1, count=2)] == ["pear", "owner"]
        for context in ("hover", "watch", "repl", "clipboard"):
            assert c.ask("evaluate", expression="price", frameId=frame["id"], context=context)["result"] == f"main.money({price})"
        c.ask("setVariable", variablesReference=got["price"]["variablesReference"], name="cents", value="5")
        assert c.ask("evaluate", expression="price", frameId=frame["id"], context="watch")["result"] == "main.money(0.05 EUR)"
    finally:
        c.close()
