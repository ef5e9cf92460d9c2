"""Whatever `gospect leaks` called proved must never run again: looked at again and again.

What proves it wrong comes from outside: the program's own goroutine dump, where it serves one, and its scheduler's
data (another part of gospect, itself tested against such dumps), which say whether a goroutine is still there and
still where it waited.  A goroutine that ran, even if it waits at the same place again, gives itself away by the time
since when it waits: the runtime forgets that when it lets a goroutine run (runtime/proc.go execute).
"""
import collections
import time

from lib import evidence, godump

TABLES = "meta counter missing goroutine stack pc frame label thread wait"


class Look:
    """One instant: the goroutines and the verdicts."""

    def __init__(self, gospect, pid, file):
        gospect("snapshot", pid, "--heap", "-o", file, check=0)
        self.verdict = gospect("leaks", file, "--json", check=(0, 1)).json
        dumped = evidence.rt_dump("snapshot", file, env={"RT_DUMP_TABLES": TABLES})
        self.goroutines = evidence.Snapshot(dumped).by_id
        file.unlink()

    @property
    def proved(self):
        return {leak["goroutine"] for leak in self.verdict["leaks"] if leak["class"].startswith("proved")}


def place(g):
    return (g.addr, g.sp, g.reason, tuple((f.func, f.line) for f in g.frames))


class Soak:
    """Looks at one program; told: {goroutine: what was seen of it when it was first called proved}."""

    def __init__(self, gospect, pid, folder, dump=None):
        self.gospect, self.pid, self.folder, self.dump = gospect, pid, folder, dump
        self.looks, self.goroutines, self.told, self.classes = 0, 0, {}, collections.Counter()
        self.violations, self.unread, self.hidden = [], 0, 0

    def look(self):
        """One more look; returns it."""
        seen = Look(self.gospect, self.pid, self.folder / "soak.gsnap")
        self.looks += 1
        self.goroutines += len(seen.goroutines)
        self.unread += bool(seen.verdict["unread"])
        self.classes.update(leak["class"] for leak in seen.verdict["leaks"])
        self.check(seen)
        for goroutine in seen.proved - self.told.keys():
            self.told[goroutine] = seen.goroutines[goroutine]
        if self.dump:
            self.check_dump(self.dump())
        return seen

    def check(self, seen):
        for goroutine, first in self.told.items():
            now = seen.goroutines.get(goroutine)
            if now is None or now.state not in ("waiting", "leaked") or place(now) != place(first):
                self.violations.append(f"look {self.looks}: {goroutine} was {first!r}, is {now!r}")
            elif first.since and now.since != first.since:
                self.violations.append(f"look {self.looks}: {goroutine} ran: {first!r}")
            elif now.since:
                self.told[goroutine] = now
            self.hidden += goroutine not in seen.proved  # the collector holds its address just then

    def check_dump(self, goroutines):
        """The program's own dump, taken later than the look."""
        for goroutine, first in self.told.items():
            now = goroutines.get(goroutine)
            lines = now and [(godump.printed_name(f.func), f.line) for f in first.frames
                             if f.func.startswith("main.") or "/" in f.func]
            theirs = now and {(f.func, f.line) for f in now.frames}
            if not now or not set(lines) <= theirs:
                self.violations.append(f"after look {self.looks}: {goroutine} was {first!r}, its dump says {now}")

    def run(self, seconds, pause):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.monotonic()
            self.look()
            time.sleep(max(0, pause - (time.monotonic() - began)))
        return self

    def __str__(self):
        return f"{self.looks} looks, {self.goroutines} goroutines seen, {len(self.told)} different ones proved, " \
               f"classes {dict(self.classes)}, {self.unread} looks with unread memory, {self.hidden} times one was not told again, " \
               f"{len(self.violations)} violations"
