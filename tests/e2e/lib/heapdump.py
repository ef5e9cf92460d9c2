"""The objects of the runtime's own heap dump (debug.WriteHeapDump; runtime/heapdump.go): where each is,
and what stands in each of its words that are pointers."""
import struct

PARAMS, ITAB, TYPE, OBJECT = 6, 8, 3, 1
# What the records before the objects consist of: n a number, s bytes.
BEFORE = {PARAMS: "nnnnssn", ITAB: "nn", TYPE: "nnsn"}


class Reader:
    def __init__(self, path):
        with open(path, "rb") as handle:
            self.bytes = handle.read()
        self.at = self.bytes.index(b"\n") + 1

    def number(self):
        value = shift = 0
        while True:
            byte = self.bytes[self.at]
            value |= (byte & 127) << shift
            self.at, shift = self.at + 1, shift + 7
            if byte < 128:
                return value

    def text(self):
        n = self.number()
        self.at += n
        return self.bytes[self.at - n:self.at]

    def pointers(self, content):
        """The list of pointer fields that ends a record: word -> what stands there."""
        found = {}
        while self.number():
            offset = self.number()
            found[offset // 8] = struct.unpack_from("<Q", content, offset)[0]
        return found


def objects(path):
    """(address, bytes, {word: pointer}) of every object."""
    dump, found = Reader(path), []
    while True:
        tag = dump.number()
        if tag == OBJECT:
            address, content = dump.number(), dump.text()
            found.append((address, len(content), dump.pointers(content)))
        elif found:
            return found
        else:
            for kind in BEFORE[tag]:
                dump.number() if kind == "n" else dump.text()  # pylint: disable=expression-not-assigned
