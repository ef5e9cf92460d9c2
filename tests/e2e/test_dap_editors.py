"""gospect dap in editors as they are, with the settings that docs/how/editors.md shows: Emacs, Neovim and VS Code go through
one session of the program tests/targets/dap, each by its own commands, and tell what they show (tests/dap/editors)."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import time
import uuid

import pytest

from lib import gobuild
from lib.paths import ROOT, TARGETS

SOURCE = (TARGETS / "dap" / "main.go").read_text()
LINE = next(i for i, text in enumerate(SOURCE.splitlines(), 1) if "// look: call" in text)
DRIVERS = ROOT / "tests" / "dap" / "editors"
PRINTED = 'look 5 6 250 31 héllo "world" p'


def settings(editor, start=""):
    """What the page shows for an editor: the indented block of its section that begins with start."""
    page = (ROOT / "docs" / "how" / "editors.md").read_text()
    section = page.split(f"\n## {editor}", 1)[1].split("\n## ", 1)[0]
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", section, re.M)
    return next(text for text in ("\n".join(row[4:] for row in block.strip("\n").split("\n")) + "\n" for block in blocks)
                if text.startswith(start))


def left(mark):
    """The processes that have this in their environment."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if mark in pathlib.Path("/proc", pid, "environ").read_bytes():
                found.append(pathlib.Path("/proc", pid, "cmdline").read_bytes())
        except OSError:
            pass  # it is gone, or not ours
    return found


@pytest.fixture
def editor(gospect, release, tmp_path):
    """editor(argv, **environment) -> what the driver printed; .folder is the program's.  Nothing may outlive the editor."""
    folder, home = tmp_path / "folder", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    (folder / "main.go").write_text(SOURCE)
    (folder / "go.mod").write_text("module dap\n\ngo 1.18\n")
    env = gobuild.go_env(release)
    path = f"{pathlib.Path(gospect.path).parent}:{env['PATH']}"
    # VS Code takes PATH from a login shell
    (home / ".profile").write_text(f"export PATH='{path}'\n")
    mark = uuid.uuid4().hex
    env.update(PATH=path, HOME=str(home), SHELL="/bin/bash", DAP_LINE=str(LINE), DAP_MARK=mark, LC_ALL="C.UTF-8")

    def run(argv, **more):
        done = subprocess.run([str(word) for word in argv], env={**env, **more}, cwd=folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=280)
        assert done.returncode == 0, done.stdout + done.stderr
        end = time.monotonic() + 100  # the helpers of VS Code look for it now and then
        while left(mark.encode()) and time.monotonic() < end:
            time.sleep(0.05)
        assert not left(mark.encode())
        return json.loads(done.stdout)

    run.folder, run.home = folder, home
    return run


def judge(seen, folder, end):
    """Two steps from the breakpoint at n == 3, then the breakpoint again at n == 4."""
    assert [stop["line"] for stop in seen["stops"]] == [LINE, LINE + 1, LINE + 2, LINE]
    for stop, n in zip(seen["stops"], (3, 3, 3, 4)):
        assert stop["name"] == "main.look" and stop["file"] == str(folder / "main.go") and stop["cursor"] == stop["line"]
        values = stop["locals"]
        assert (values["n"], values["text"]) == (str(n), r'"héllo \"world\""')
        assert f"X: {n}, Y: 2" in values["p"] and '"bob": 44' in values["ages"] and "len: 250" in values["list"]
        assert stop["sum"] == str(n + 2)
    assert [stop["locals"].get("result") for stop in seen["stops"]] == [None, "5", "5", None]
    # a program that was asked to end may still print
    assert PRINTED in seen["output"] and ("look 6 8" in seen["output"] or end == "terminate")
    assert not seen["problems"]


@pytest.mark.releases("1.27")
@pytest.mark.parametrize("end", ["continue", "terminate"])
def test_emacs(editor, end):
    """Debian's Emacs and dap-mode."""
    config = editor.home / "init.el"
    config.write_text(settings("Emacs", "(require 'dap-mode)"))
    judge(editor(["emacs", "--batch", "-l", config, "-l", DRIVERS / "emacs.el", "-f", "gospect-session", editor.folder / "main.go"],
                 DAP_END=end), editor.folder, end)


def nvim_dap():
    """Where nvim-dap lies: no package of Debian, npm or PyPI has it, so only who uses it can run this."""
    data = pathlib.Path.home() / ".local" / "share" / "nvim"
    places = [os.environ.get("GOSPECT_NVIM_DAP"), *data.glob("site/pack/*/*/nvim-dap"), *data.glob("*/nvim-dap")]
    found = next((place for place in places if place and (pathlib.Path(place) / "lua" / "dap.lua").exists()), None)
    if not found or not shutil.which("nvim"):
        pytest.skip("needs nvim, and nvim-dap among its plugins or where GOSPECT_NVIM_DAP says")
    return found


@pytest.mark.releases("1.27")
@pytest.mark.parametrize("end", ["continue", "terminate"])
def test_neovim(editor, end):
    plugin = nvim_dap()
    config = editor.home / "dap.lua"
    config.write_text(settings("Neovim", "local dap"))
    seen = editor(["nvim", "--headless", "--clean", "--cmd", f"set rtp+={plugin}", "-c", f"luafile {config}",
                   "-c", f"luafile {DRIVERS / 'neovim.lua'}", editor.folder / "main.go"], DAP_END=end)
    judge(seen, editor.folder, end)
    assert [stop["reason"] for stop in seen["stops"]] == ["breakpoint", "step", "step", "breakpoint"]
    assert seen["threads"] >= 4 and (end == "terminate" or seen["code"] == 0)


@pytest.mark.slow
@pytest.mark.releases("1.27")
def test_vscode(editor, tmp_path):
    """VS Code with editors/vscode, in chromium: what its views show."""
    tools = ROOT / "tools"
    place = {name: subprocess.run([tools / name, *more], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
             for name, *more in (["vscode"], ["node-modules", ROOT / "tests" / "page"])}
    state = tmp_path / "state"
    shutil.copytree(ROOT / "editors" / "vscode", state / "extensions" / "gospect.gospect-0.1.0")
    (editor.folder / ".vscode").mkdir()
    (editor.folder / ".vscode" / "launch.json").write_text(settings("VS Code", "{"))
    seen = editor(["node", DRIVERS / "vscode.mjs", place["vscode"], editor.folder, state, LINE],
                  GOSPECT_NODE_MODULES=place["node-modules"])
    for stop, line, reason, n, caller in zip(seen["stops"], (LINE, LINE + 1, LINE), ("BREAKPOINT", "STEP", "BREAKPOINT"),
                                             (3, 3, 4), (1, 1, 2)):
        main = [i for i, text in enumerate(SOURCE.splitlines(), 1) if "\t\tlook(number" in text][caller - 1]
        assert stop["call_stack"][:3] == [f"[1 running] main.look PAUSED ON {reason}", f"main.look main.go {line}",
                                          f"main.main main.go {main}"]
        assert any(re.match(r"\[\d+ force gc \(idle\)\] runtime.forcegchelper PAUSED", row) for row in stop["call_stack"])
        assert f"n = {n}" in stop["variables"] and r'text = "héllo \"world\""' in stop["variables"]
        assert ("result = 5" in stop["variables"]) == (reason == "STEP")
        assert stop["status"] == f"Ln {line}, Col 1"
    assert len(seen["stops"]) == 3 and seen["sum"] == "5"
    assert re.match(r"\d+ goroutines; ", seen["goroutines"][0]) and "[1 running] main.main" in seen["goroutines"]
    assert PRINTED in seen["output"]
