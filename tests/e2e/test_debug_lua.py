"""Lua in gospect debug: conditions of breakpoints, and scripts; closed off from everything but the program."""
import signal
import subprocess

import pytest

from lib import drive
from lib.dbgterm import Session, arrow

LINES = drive.labels("terminal")
GROW = f"main.go:{LINES['work:grow']}"
pytestmark = [pytest.mark.releases("1.18", "1.22", "1.27"), pytest.mark.modes("noopt")]


def test_conditions(gospect, go_build, release, mode, tmp_path):
    """Each of these is true in exactly one of five rounds, or in none; what cannot be told stops and says why."""
    true_at = {"i == 3": 3, "i*i == 4 and o.Name == 'Ada'": 2, "#o.Tags == 2 and o.Tags[1] == 'yy' and i > 3": 4,
               "o.Count.k == 9 and i == 1": 1, "o.At.X - o.At.Y == 7 and i == 2": 2, "go('i % 4 == 3')": 3,
               "o == nil or i == 4": 4, "string.rep(o.Tags[0], i) == 'xxx'": 3, "tostring(o.At):find('X: 3') and i == 1": 1,
               "if i ~= 2 then return false end return true": 2}
    commands = [f"break at {GROW}"]
    for text in true_at:
        commands += ["restart", f"condition at lua: {text}", "continue", "print i"]
    commands += ["restart", "condition at lua: i > 100", "continue", "restart"]
    commands += ["condition at lua: i ==", "condition at lua: nothing.here", "continue", "condition at lua: while true do end", "continue",
                 "condition at lua: os.exit(1)", "continue", "condition at lua: string.rep('x', 1 << 30)", "continue", "breakpoints",
                 "condition -clear at", "continue"]
    s = Session(gospect, ["exec", go_build(release, mode, "terminal")], commands, tmp_path, check=1)
    for text, i in true_at.items():
        s[f"condition at lua: {text}"]  # pylint: disable=expression-not-assigned
        assert arrow(s["continue"])[0] == LINES["work:grow"], text
        assert s["print i"] == f"{i}\n", text
    assert "exited with status 0" in s["continue"]
    assert "unexpected symbol" in s["condition at lua: i =="]
    for command, why in (("nothing.here", "nothing"), ("while true do end", "too long"), ("os.exit(1)", "os"),
                         ("string.rep('x', 1 << 30)", "memory")):
        s[f"condition at lua: {command}"]  # pylint: disable=expression-not-assigned
        stop = s["continue"]
        assert arrow(stop)[0] == LINES["work:grow"] and "failed (" in stop and why in stop, stop
    assert "trouble" in s["breakpoints"] and "failed" not in s["continue"]


SCRIPT = """
gospect.command("break main.(*order).grow")
local seen = {}
gospect.on_stop(function(stop)
    seen[#seen + 1] = gospect.eval("by").value
    assert(stop.why == "breakpoint" and stop.goroutine == 1 and stop.func == "main.(*order).grow" and stop.breakpoints[1] == 4)
    assert(stop.file:find("terminal/main.go", 1, true) and stop.line > 0)
    local ok, why = pcall(gospect.command, "next")
    assert(not ok and why:find("may not run"))
end)
for _ = 1, 5 do gospect.command("continue") end
print("seen", table.concat(seen, " "))
gospect.on_stop(nil)
local waiting = 0
for _, g in ipairs(gospect.goroutines()) do
    if g.reason == "chan receive" and g.func == "main.waiter" then waiting = waiting + 1 end
end
print("waiting", waiting)
local o = gospect.eval("o")
print(o.type, o.value.Tags[1], gospect.eval("o.Name").value, gospect.eval("o.At.Y").value, gospect.eval("o.ID > 3").value)
print(gospect.eval("nosuch").value, gospect.eval("nosuch").error)
print(#gospect.command("print o.Name"), pcall(gospect.command, "frobnicate"))
print(io, os, package, require, load, loadfile, dofile, debug, collectgarbage, string.dump)
print(pcall(string.rep, "x", 1 << 30))
gospect.command("continue")
"""


def test_script(gospect, go_build, release, mode, tmp_path):
    """What the script saw is what the program did."""
    script, endless, wrong = tmp_path / "a.lua", tmp_path / "endless.lua", tmp_path / "wrong.lua"
    script.write_text(SCRIPT)
    endless.write_text("while true do pcall(function() while true do end end) end\n")
    wrong.write_text("\nlocal = 3\n")
    s = Session(gospect, ["exec", go_build(release, mode, "terminal")],
                [f"source {script}", f"source {endless}", f"source {wrong}", "source /nowhere.lua"], tmp_path, check=1)
    said = s[f"source {script}"]
    assert "seen\t0 1 2 3 4\n" in said and "waiting\t3\n" in said
    assert "*main.order\tyy\tAda\t-4\ttrue\n" in said
    assert "nil\tnothing is called nosuch here\n" in said
    assert '6\tfalse\tthere is no command "frobnicate"\n' in said
    assert "\t".join(["nil"] * 10) + "\n" in said and "false\tnot enough memory\n" in said
    assert "exited with status 0" in said
    assert "too long" in s[f"source {endless}"] and "wrong.lua:2:" in s[f"source {wrong}"]
    assert "gospect: " in s["source /nowhere.lua"]
    assert "sum 10 id 17 total 51" in s.out


@pytest.mark.releases("1.27")
def test_script_is_interrupted(gospect, go_build, release, mode, tmp_path):
    """Ctrl-C ends a script that would go on for ever; the debugger stays."""
    script = tmp_path / "a.lua"
    script.write_text('print("begun")\nwhile true do gospect.command("continue") end\n')
    with subprocess.Popen([gospect.path, "debug", "exec", go_build(release, mode, "terminal"), "--init", script, "--", "spin"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env=gospect.environment()) as process:
        while "spinning" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        out, err = process.communicate("print main.total\nkill\n", timeout=60)
    assert "interrupted" in out and "\n51\n" in out and "interrupted" in err, (out, err)
    assert process.returncode == 1
