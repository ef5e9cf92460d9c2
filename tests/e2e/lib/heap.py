"""The heap of a snapshot, read with nothing but docs/formats/snapshot.md: objects and their edges."""
import bisect

from lib import evidence

NO_POINTERS, LARGE, HEADER, TINY, USER_ARENA, INLINE_MARKS = 1, 2, 4, 8, 16, 32
WORDS, TYPED, INTERIOR, LEAF = 31, 32, 64, 128


class Edge:
    def __init__(self, word, target, flags, kind):
        self.word, self.target, self.flags, self.type = word, target, flags, kind


class Heap:
    """tables: everything rt_dump prints with the heap captured."""

    def __init__(self, tables):
        self.tables = tables
        self.span, self.edge = tables["span"], bytes(tables["edge"]["byte"])
        self.counters = dict(zip(tables["counter"]["name"], tables["counter"]["value"]))
        self.missing = {(w, y): n for w, n, y in zip(*(tables["missing"][c]
                                                       for c in ("what", "count", "why")))}
        self.by_address = sorted(range(len(self.span["addr"])), key=lambda i: self.span["addr"][i])
        self.addresses = [self.span["addr"][i] for i in self.by_address]

        self.pages = [0]
        for n in self.span["pages"]:
            self.pages.append(self.pages[-1] + n)

    def word(self, addr):
        """What stands at an address in a span, when the memory was taken, too."""
        i = self.by_address[bisect.bisect_right(self.addresses, addr) - 1]
        return self.tables["memory"]["word"][self.pages[i] * 1024 + (addr - self.span["addr"][i]) // 8]

    def bit(self, column, slot):
        return self.tables["slots64"][column][slot // 64] >> slot % 64 & 1

    def allocated(self, slot):
        return self.bit("allocated", slot)

    def survived(self, slot):
        return self.bit("survived", slot)

    def objects(self):
        """(slot, address of the slot, bytes, span) of every object."""
        span = self.span
        for i, first in enumerate(span["slot"]):
            for k in range(span["elems"][i]):
                if self.allocated(first + k):
                    size = span["elem_size"][i]
                    yield first + k, span["addr"][i] + k * size, size, i

    def span_of(self, slot):
        return bisect.bisect_right(self.span["slot"], slot) - 1

    def address(self, slot):
        """Where the slot begins."""
        i = self.span_of(slot)
        return self.span["addr"][i] + (slot - self.span["slot"][i]) * self.span["elem_size"][i]

    def data(self, slot):
        """Where the data of its object begins."""
        return self.address(slot) + (8 if self.span["flags"][self.span_of(slot)] & HEADER else 0)

    def slot_at(self, addr):
        """The slot an address lies in; None: no slot."""
        k = bisect.bisect_right(self.addresses, addr) - 1
        if k < 0:
            return None
        i = self.by_address[k]
        at = (addr - self.span["addr"][i]) // self.span["elem_size"][i]
        return self.span["slot"][i] + at if at < self.span["elems"][i] else None

    def number(self, at):
        value = shift = 0
        while True:
            byte = self.edge[at]
            value |= (byte & 127) << shift
            at, shift = at + 1, shift + 7
            if byte < 128:
                return value, at

    def edges(self, slot):
        scan = self.tables["scanslot"]["edges"]
        if slot >= len(scan) or not scan[slot]:
            return []
        count, at = self.number(scan[slot] - 1)
        word, target, found = -1, slot, []
        for _ in range(count):
            flags, kind = self.edge[at], None
            step, at = flags & WORDS, at + 1
            if step == WORDS:
                step, at = self.number(at)
            if flags & TYPED:
                kind, at = self.number(at)
            ahead, at = self.number(at)
            word += step
            target += ahead >> 1 if not ahead & 1 else -(ahead + 1 >> 1)
            found.append(Edge(word, target, flags, kind))
        return found


def capture(target, how="process", **env):
    return Heap(evidence.rt_dump(how, target, env={"RT_DUMP_HEAP": "1", **env}))
