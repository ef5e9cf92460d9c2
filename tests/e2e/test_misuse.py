"""Misuse of channels and of package sync: in processes that died of it, and locks that were copied."""
import signal

import pytest

from lib import cores, schema

# What the runtime says when it ends the process -> what the finding says.
DEATHS = {
    "unlock": ("sync: unlock of unlocked mutex", "unlocked a sync.Mutex that was not locked"),
    "unlockWriter": ("sync: Unlock of unlocked RWMutex", "unlocked a sync.RWMutex that was not locked"),
    "unlockReader": ("sync: RUnlock of unlocked RWMutex", "unlocked a sync.RWMutex, for reading, that was not locked"),
    "negative": ("sync: negative WaitGroup counter", "called Done of a WaitGroup more often than Add"),
    "misuse": ("sync: WaitGroup misuse", "called Add of a WaitGroup while another called Wait"),
    "reuse": ("sync: WaitGroup is reused", "used a WaitGroup again before Wait had returned"),
    "closeNil": ("close of nil channel", "closed a nil channel"),
    "closeTwice": ("close of closed channel", "closed a channel that was closed already"),
    "sendClosed": ("send on closed channel", "sent on a closed channel"),
    "copiedCond": ("sync.Cond is copied", "used a copy of a Cond"),
}
PLACE = {"reuse": "waiter"}  # where it is noticed


def findings(gospect, target, key, check):
    seen = schema.check("doctor", gospect("doctor", target, "--json", "--for", "0", check=check).json)
    return [f for f in seen["findings"] if f["key"] == key]


@pytest.mark.modes("stripped-pie")
@pytest.mark.parametrize("kind", DEATHS)
def test_what_a_process_died_of(gospect, go_build, run_go, release, mode, kind, tmp_path):
    cores.need_kernel_cores()
    target = run_go(go_build(release, mode, "deaths"), kind, env={"GOTRACEBACK": "crash"}, unharmed=False,
                    preexec=cores.allow_cores, cwd=tmp_path)
    core = cores.core_of_death(target, tmp_path, signal.SIGUSR1)
    said, title = DEATHS[kind]
    assert said in target.stderr
    found = findings(gospect, core, "misuse", 1)
    assert [f["title"].split(" ", 2)[2] for f in found] == [title]
    text = " ".join(found[0]["evidence"])
    assert f"main.{PLACE.get(kind, kind)}" in text, text
    if kind in ("closeTwice", "sendClosed"):
        values = found[0]["values"]
        assert (values["closer"] == values["goroutine"]) == (kind == "closeTwice"), values
        assert values["closer_sure"] == "strong", values


def said(target, word):
    return {int(line.split()[1]) for line in target.lines if line.startswith(word + " ")}


@pytest.mark.modes("default", "noopt-pie")
@pytest.mark.sanitized
def test_a_copied_lock_is_told_when_somebody_waits(gospect, go_build, run_go, release, mode):
    path = go_build(release, mode, "copies")
    group = run_go(path, "group")
    (found,) = findings(gospect, group.pid, "copies", 1)
    assert found["sure"] == "inferred" and found["values"]["waiter"] in said(group, "WAITS")
    assert found["values"]["function"] == "main.worker" and found["values"]["copies"] == len(said(group, "COPY"))
    second = run_go(path, "second")
    (found,) = findings(gospect, second.pid, "copies", 1)
    assert found["sure"] == "inferred" and found["values"]["waiter"] in said(second, "WAITS")
    assert found["values"]["function"] == "main.onShift" and found["values"]["copies"] == len(said(second, "COPY"))
    mutex = run_go(path, "mutex")
    (found,) = findings(gospect, mutex.pid, "copies", 1)
    assert found["sure"] == "inferred" and {found["values"]["waiter"]} == said(mutex, "WAITS")
    assert found["values"]["function"] == "main.account.sum"
    ended = run_go(path, "ended")
    (found,) = findings(gospect, ended.pid, "copies", None)
    assert found["sure"] == "suspected" and {found["values"]["waiter"]} == said(ended, "WAITS")
    assert any("main.short" in line for line in found["evidence"])


@pytest.mark.modes("default")
def test_locks_that_look_copied_and_are_not(gospect, go_build, run_go, release, mode):
    for name, args in (("copies", ("healthy",)), ("waits", ())):
        target = run_go(go_build(release, mode, name), *args)
        assert not findings(gospect, target.pid, "copies", None), name
