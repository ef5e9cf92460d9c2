"""Heaps of which something is not there or not right: a core or a snapshot cut short, bytes that changed, a process
that cannot be copied.  Either the answer is that of the whole, or it is said what is missing, or refused."""
import json
import random
import struct

import pytest

from lib import harm, schema

pytestmark = [pytest.mark.releases("1.18", "1.27"), pytest.mark.sanitized]

FORK, VFORK, CLONE3 = 57, 58, 435
SAME = ("objects", "bytes", "live_objects", "live_bytes", "types")


@pytest.fixture
def shop(go_build, run_go, release):
    return run_go(go_build(release, "default", "shop"))


def look(gospect, path):
    """What heap says of a file; None: it refuses it, and says why."""
    done = gospect("heap", path, "--json")
    assert done.code in (0, 3), done
    if done.code:
        assert json.loads(done.err.splitlines()[-1])["error"]["message"] and not done.out, done
        return None
    return schema.check("heap", done.json)


def judge(seen, whole, what):
    """True when it is that of the whole.  Less must be accounted for, and more is never true."""
    if seen is None:
        return False
    same = all(seen[key] == whole[key] for key in SAME)
    assert same or len(seen["missing"]) > len(whole["missing"]), (what, seen["missing"])
    assert seen["objects"] <= whole["objects"] and seen["live_bytes"] <= whole["live_bytes"], what
    return same


def test_a_core_cut_short(gospect, shop, tmp_path):
    gospect("core", shop.pid, "-o", tmp_path / "core", check=0)
    data, whole = (tmp_path / "core").read_bytes(), look(gospect, tmp_path / "core")
    assert whole["live_objects"] > 1000
    ends, dice = [], random.Random(1)
    for size in [len(data) * i // 12 for i in range(12)] + [dice.randrange(len(data)) for _ in range(6)] + [len(data)]:
        (tmp_path / "cut").write_bytes(data[:size])
        ends.append(judge(look(gospect, tmp_path / "cut"), whole, size))
    assert ends[-1] and not ends[0]


def without(data, addr, left):
    """The core without what lies behind the first bytes of the segment that an address is in."""
    data, (offset,), (count,) = bytearray(data), struct.unpack_from("<Q", data, 32), struct.unpack_from("<H", data, 56)
    for at in range(offset, offset + 56 * count, 56):
        kind, _, _, vaddr, _, size, memory, _ = struct.unpack_from("<IIQQQQQQ", data, at)
        if kind == 1 and vaddr <= addr < vaddr + memory:
            struct.pack_into("<Q", data, at + 32, min(size, int(memory * left) & ~4095))
            return bytes(data)
    raise AssertionError(f"nothing is at {addr:#x}")


def test_a_core_without_some_of_the_heap(gospect, shop, tmp_path):
    """Everything about the objects is there, and they are not."""
    gospect("core", shop.pid, "-o", tmp_path / "core", check=0)
    data, whole = (tmp_path / "core").read_bytes(), look(gospect, tmp_path / "core")
    for left in (0, 0.01, 0.1, 0.2, 0.5):
        (tmp_path / "cut").write_bytes(without(data, int(shop.ready["user"], 16), left))
        judge(look(gospect, tmp_path / "cut"), whole, left)


def test_a_snapshot_cut_short_or_changed(gospect, shop, tmp_path):
    path = tmp_path / "a.gsnap"
    gospect("snapshot", shop.pid, "--heap", "-o", path, check=0)
    data, whole, dice = path.read_bytes(), look(gospect, path), random.Random(2)
    for size in [0, 8, 31, len(data) // 2, len(data) - 1] + [dice.randrange(len(data)) for _ in range(6)]:
        path.write_bytes(data[:size])
        assert look(gospect, path) is None, size
    for _ in range(24):
        at, changed = dice.randrange(len(data)), bytearray(data)
        changed[at] ^= 1 << dice.randrange(8)
        path.write_bytes(changed)
        judge(look(gospect, path), whole, at)


def test_a_process_that_cannot_be_copied(gospect, go_build, run_go, release):
    """Its threads stand still instead, while it is busy with its heap: nothing dangles."""
    target = run_go(go_build(release, "default", "harm"))
    target.ask("fill 20000")
    target.ask("start heap")
    target.ask(f"seccomp fork {FORK} {VFORK} {CLONE3}")
    for _ in range(3):
        seen = schema.check("heap", gospect("heap", target.pid, "--json", check=0).json)
        types = {row["type"]: row["count"] for row in seen["types"]}
        assert types["main.item"] == 20000
        assert not seen["missing"], seen["missing"]
    harm.assert_work_goes_on(target)
    target.ask("stop heap")


def test_a_process_that_runs_is_refused(gospect, shop):
    for command in (("heap",), ("snapshot", "--heap", "-o", "/dev/null")):
        done = gospect(command[0], shop.pid, *command[1:], "--consistency", "goroutine", check=2)
        assert "one instant" in done.err or "consistency" in done.err, done
