"""Processes that may not be looked into: every refusal names the right, or the setting, that is missing."""
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from lib import harm, spaces

pytestmark = [pytest.mark.releases(harm.NEWEST),
              pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can start others' programs")]

NOBODY = 65534
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
COMMANDS = (["goroutines"], ["goroutines", "--consistency", "goroutine"], ["info"], ["doctor"],
            ["core", "-o", "/dev/null"])


@pytest.fixture
def public(gospect, go_build, release):
    """A directory that everybody may enter, with gospect and a program that nobody but root may read."""
    folder = pathlib.Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    shutil.copy(gospect.path, folder / "gospect")
    shutil.copy(go_build(release, "default", "hello"), folder / "hello")
    (folder / "gospect").chmod(0o755)
    (folder / "hello").chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def as_nobody():
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def refused(gospect, prefix, program, pid):
    """What all commands say alike, in one line."""
    texts = []
    for command, *options in COMMANDS:
        done = subprocess.run([*prefix, program, command, str(pid), *options], check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=gospect.environment())
        assert done.returncode == 3 and not done.stdout, done
        texts.append(" ".join(done.stderr.split()))
    assert all(f"process {pid}" in text and "not permitted" in text for text in texts), texts
    return texts[0]


def test_not_dumpable(gospect, public, run_go):
    target = run_go(public / "hello", preexec=as_nobody)
    text = refused(gospect, AS_NOBODY, public / "gospect", target.pid)
    assert "not dumpable" in text and "CAP_SYS_PTRACE" in text


@pytest.mark.parametrize("scope, words", ((1, "only ancestors"), (2, "only CAP_SYS_PTRACE"), (3, "nobody")))
def test_yama(gospect, public, run_go, scope, words):
    """The setting is put where the kernel would have it; that it refuses is brought about otherwise."""
    spaces.need("--mount")
    target = run_go(public / "hello", preexec=as_nobody)
    script = ("mount -t tmpfs none /proc/sys/kernel && mkdir /proc/sys/kernel/yama && "
              f"echo {scope} > /proc/sys/kernel/yama/ptrace_scope && chmod -R a+rX /proc/sys/kernel && exec \"$@\"")
    prefix = ["unshare", "--mount", "sh", "-c", script, "sh", *AS_NOBODY]
    text = refused(gospect, prefix, public / "gospect", target.pid)
    assert f"ptrace_scope is {scope}" in text and words in text
    assert ("kernel.yama.ptrace_scope=0" in text) == (scope != 3)


def test_root_without_the_capability(gospect, public, run_go, go_build, release):
    target = run_go(go_build(release, "default", "hello"))
    prefix = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"]
    text = refused(gospect, prefix, public / "gospect", target.pid)
    assert "CAP_SYS_PTRACE" in text


def test_from_inside_a_user_namespace(gospect, public, run_go, go_build, release):
    """Root of a user namespace may not look out of it."""
    spaces.need("--user", "--map-root-user")
    target = run_go(go_build(release, "default", "hello"))
    text = refused(gospect, ["unshare", "--user", "--map-root-user"], public / "gospect", target.pid)
    assert "user namespace" in text


@pytest.mark.parametrize("others", (False, True))
def test_what_the_refusal_says_is_enough(gospect, public, run_go, go_build, release, others):
    """A user with the two capabilities may; with CAP_SYS_PTRACE alone the other one is named."""
    target = run_go(go_build(release, "default", "hello")) if others else run_go(public / "hello", preexec=as_nobody)
    def with_caps(caps):
        return [*AS_NOBODY, f"--inh-caps={caps}", f"--ambient-caps={caps}"]
    text = refused(gospect, with_caps("+sys_ptrace"), public / "gospect", target.pid)
    assert "CAP_DAC_OVERRIDE" in text
    for options in ([], ["--consistency", "goroutine"]):
        done = subprocess.run([*with_caps("+sys_ptrace,+dac_override"), public / "gospect", "goroutines",
                               str(target.pid), *options], check=False, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=gospect.environment())
        assert done.returncode == 0 and "main.wait" in done.stdout, done
