"""Help, man pages and completions: all from one table, right for the tools that read them."""
import os
import re
import shutil
import subprocess

import pytest

from lib.paths import ROOT, build_dir
from lib.terminal import Terminal
from lib.tool import default_preset

COMMANDS = ("doctor", "ps", "goroutines", "heap", "mem", "sql", "watch", "dap", "info", "snapshot", "core", "profile",
            "sections", "completion", "help", "version")
DOCS = build_dir(default_preset()) / "docs"


def tool(name):
    """A program that ./dev test installs; without it the test can prove nothing."""
    path = shutil.which(name)
    assert path, f"{name} is not installed (tools/debian-packages.txt names it)"
    return path


def run(*argv, **options):
    return subprocess.run([str(word) for word in argv], stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, check=False, **options)


def test_help_without_anything_lists_the_commands(gospect):
    for args in (("--help",), ("help",), ("-h",)):
        seen = gospect(*args, check=0)
        for name in COMMANDS:
            assert re.search(rf"^  {name}\b", seen.out, re.M), name
    assert gospect(check=2).out == seen.out  # nothing asked for: the same, but not a success


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(gospect, command):
    short = gospect(command, "--help", check=0)
    assert short.out.startswith(f"gospect {command} ")
    page = gospect("help", command, check=0)
    assert "Synopsis" in page.out and "Exit status" in page.out and "Examples" in page.out
    assert not short.err and not page.err


@pytest.mark.parametrize("page", ["gospect"] + [f"gospect-{c}" for c in COMMANDS])
def test_man_pages_have_no_flaws(page):
    path = DOCS / f"{page}.1"
    lint = run(tool("mandoc"), "-T", "lint", "-W", "style", path)
    assert not [line for line in lint.stdout.splitlines() if "STYLE: referenced manual not found"
                not in line]
    warnings = run(tool("man"), "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", path,
                   env={**os.environ, "LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80"})
    assert "warning" not in warnings.stdout


def test_man_page_says_what_help_says(gospect):
    rendered = run(tool("mandoc"), "-T", "utf8", DOCS / "gospect-watch.1").stdout
    rendered = re.sub(".\x08", "", rendered)  # bold is printed twice
    words = gospect("help", "watch", "--width", "10000", check=0).out.split()
    have = " ".join(rendered.split())
    for option in (word for word in words if word.startswith("--")):
        assert option.rstrip(".,;:").split("=")[0] in have


def test_version_is_that_of_the_build(gospect):
    version = re.search(r"project\(gospect VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())
    assert gospect("version", check=0).out.startswith(f"gospect {version.group(1)} ")
    assert gospect("--version", check=0).out == gospect("version").out
    assert gospect("version", "--json", check=0).json["gospect"] == version.group(1)


# ---- completions, asked for in the shells themselves ----

def bash_completes(gospect, line):
    """What bash would offer at the end of the line."""
    words = line.split(" ")
    script = f"""
        source {DOCS}/gospect.bash
        gospect() {{ {gospect.path} "$@"; }}
        COMP_WORDS=({' '.join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1}
        COMP_LINE={line!r}; COMP_POINT=${{#COMP_LINE}}
        _gospect; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    return run(tool("bash"), "--norc", "-c", script,
               env=gospect.environment({"PATH": f"{gospect.path.parent}:{os.environ['PATH']}"})
               ).stdout.split()


def fish_completes(gospect, line):
    script = f"source {DOCS}/gospect.fish; complete -C {line!r}"
    env = gospect.environment({"PATH": f"{gospect.path.parent}:{os.environ['PATH']}"})
    done = run(tool("fish"), "--no-config", "-c", script, env=env)
    return [row.split("\t")[0] for row in done.stdout.splitlines()]


def zsh_completes(gospect, line, wanted):
    """Types the line and Tab twice into a zsh and reads what it lists."""
    env = gospect.environment({"PATH": f"{gospect.path.parent}:{os.environ['PATH']}",
                               "TERM": "xterm"})
    shell = Terminal([tool("zsh"), "-f", "-i"], rows=60, columns=200, env=env)
    try:
        shell.press("PS1='R''EADY '; setopt no_list_beep; autoload -Uz compinit; compinit -u -D; "
                    f"source {DOCS}/_gospect\r")
        shell.wait(r"READY ")
        shell.press(line + "\t\t")
        shell.wait(wanted)
    finally:
        shell.close()
    return shell.text()


@pytest.mark.parametrize("complete", [bash_completes, fish_completes])
def test_completion_of_commands_options_and_words(gospect, complete):
    assert complete(gospect, "gospect gor") == ["goroutines"]
    assert "--filter" in complete(gospect, "gospect goroutines --fi")
    assert "--threshold" not in complete(gospect, "gospect goroutines --th")
    assert {"bash", "zsh", "fish"} <= set(complete(gospect, "gospect completion "))
    assert "watch" in complete(gospect, "gospect help wa")


def test_bash_completes_words_of_an_option(gospect):
    assert bash_completes(gospect, "gospect goroutines --group-by st") == ["stack", "state"]
    assert bash_completes(gospect, "gospect goroutines --group-by = st") == ["stack", "state"]
    assert bash_completes(gospect, "gospect ps --sort = up") == ["uptime"]


def test_fish_completes_words_of_an_option(gospect):
    assert fish_completes(gospect, "gospect goroutines --group-by=st") == ["--group-by=stack",
                                                                          "--group-by=state"]


def test_zsh_completes_commands_and_options(gospect):
    zsh_completes(gospect, "gospect gor", r"gospect goroutines")
    zsh_completes(gospect, "gospect goroutines --group-by=st", r"state")
    zsh_completes(gospect, "gospect watch --th", r"--threshold")


def test_completion_offers_go_processes_and_files(gospect, go_build, run_go, tmp_path):
    target = run_go(go_build("1.26", "stripped", "hello"))
    for complete in (bash_completes, fish_completes):
        assert str(target.pid) in complete(gospect, f"gospect doctor {str(target.pid)[:-1]}")
        assert str(target.pid) in complete(gospect, f"gospect watch {str(target.pid)[:-1]}")
        (tmp_path / "evidence.gsnap").touch()
        offered = complete(gospect, f"gospect doctor {tmp_path}/evi")
        assert [word for word in offered if word.endswith("evidence.gsnap")]


def test_completion_scripts_are_what_the_program_prints(gospect):
    for shell, name in (("bash", "gospect.bash"), ("zsh", "_gospect"), ("fish", "gospect.fish")):
        assert gospect("completion", shell, check=0).out == (DOCS / name).read_text()
        assert run(tool(shell), "-n", DOCS / name).returncode == 0
    assert "bash, zsh and fish" in gospect("completion", "tcsh", check=2).err
