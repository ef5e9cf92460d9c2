"""Snapshot files, read and written by what docs/formats/snapshot.md says and nothing else.

So the document is proved complete, and tests can make files that gospect would never write: with wrong
sizes under right checksums."""
import ctypes
import dataclasses
import struct
import zlib

MAGIC, END = b"\x89GSNAP\r\n", b"GSNAPEND"
TYPES = {0: "B", 1: "H", 2: "I", 3: "Q", 4: "q", 5: "I", 6: "I"}
STR, IDX, TEXT = 5, 6, 16
PLAIN, DELTA, LEFT, DICT = range(4)
MASK = (1 << 64) - 1


def unpack(data, size):
    """size bytes out of a zstd frame."""
    zstd = ctypes.CDLL("libzstd.so.1")
    zstd.ZSTD_decompress.restype = ctypes.c_size_t
    zstd.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    room = ctypes.create_string_buffer(max(size, 1))
    assert zstd.ZSTD_decompress(room, size, bytes(data), len(data)) == size
    return room.raw[:size]


def uleb(v):
    out = bytearray()
    while v > 0x7f:
        out.append(v & 0x7f | 0x80)
        v >>= 7
    return bytes(out) + bytes([v])


class Reader:
    def __init__(self, data):
        self.data, self.at = bytes(data), 0

    def take(self, n):
        assert self.at + n <= len(self.data)
        self.at += n
        return self.data[self.at - n:self.at]

    def u8(self):
        return self.take(1)[0]

    def u32(self):
        return struct.unpack("<I", self.take(4))[0]

    def uleb(self):
        v = shift = 0
        while True:
            byte = self.u8()
            v |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return v

    def name(self):
        return self.take(self.uleb()).decode()


@dataclasses.dataclass
class Column:
    name: str
    type: int
    blocks: list  # bytes of each


@dataclasses.dataclass
class Table:
    name: str
    rows: int
    block_rows: int
    columns: list


@dataclasses.dataclass
class File:
    """The parts of a file.  bytes() puts them together again, with the checksums that fit."""
    major: int
    minor: int
    writer: bytes
    tables: list

    def bytes(self, directory=None, pack=lambda plain: plain, plain_size=None):
        """directory: instead of the right one; pack: how it stands in the file; plain_size: what it claims."""
        head = MAGIC + struct.pack("<HH16s", self.major, self.minor, self.writer)
        head += struct.pack("<I", zlib.crc32(head))
        blocks = b"".join(b for t in self.tables for c in t.columns for b in c.blocks)
        plain = self.directory() if directory is None else directory
        stored = pack(plain)
        tail = struct.pack("<QIII", len(head + blocks), len(stored),
                           len(plain) if plain_size is None else plain_size, zlib.crc32(stored))
        return head + blocks + stored + tail + struct.pack("<I", zlib.crc32(tail)) + END

    def directory(self):
        out = uleb(len(self.tables))
        for t in self.tables:
            out += uleb(len(t.name)) + t.name.encode() + uleb(t.rows) + uleb(t.block_rows) + uleb(len(t.columns))
            for c in t.columns:
                out += uleb(len(c.name)) + c.name.encode() + bytes([c.type])
                out += b"".join(uleb(len(b)) + struct.pack("<I", zlib.crc32(b)) for b in c.blocks)
        return out


def parse(data):
    """The parts of a file, every checksum checked."""
    magic, major, minor, writer, crc = struct.unpack_from("<8sHH16sI", data)
    assert magic == MAGIC and crc == zlib.crc32(data[:28])
    at, size, plain, dir_crc, crc, end = struct.unpack("<QIIII8s", data[-32:])
    stored = data[at:at + size]
    assert end == END and crc == zlib.crc32(data[-32:-12]) and at + size + 32 == len(data)
    assert dir_crc == zlib.crc32(stored)
    r, tables, block_at = Reader(stored if plain == size else unpack(stored, plain)), [], 32
    for _ in range(r.uleb()):
        table = Table(r.name(), r.uleb(), r.uleb(), [])
        for _ in range(r.uleb()):
            column = Column(r.name(), r.u8(), [])
            for _ in range(-(-table.rows // table.block_rows)):
                n, crc = r.uleb(), r.u32()
                column.blocks.append(data[block_at:block_at + n])
                assert crc == zlib.crc32(column.blocks[-1])
                block_at += n
            table.columns.append(column)
        tables.append(table)
    assert r.at == len(r.data) and block_at == at
    return File(major, minor, writer, tables)


def unzigzag(v):
    return v // 2 if v % 2 == 0 else -(v + 1) // 2


def numbers(r, layout, packing, n):
    plain, size = r.uleb(), r.uleb()
    data = r.take(size)
    data = unpack(data, plain) if packing else data
    assert len(data) == plain
    if layout == 1:
        each = Reader(data)
        return [each.uleb() for _ in range(n)]
    return [sum(data[k * n + i] << 8 * k for k in range(plain // n)) for i in range(n)]


def cells(block, n, left):
    """The n cells of a block; left: those of the column to the left."""
    r = Reader(block)
    transform, layout, packing, shift = r.u8(), r.u8(), r.u8(), r.u8()
    first = r.uleb() if transform == DELTA else 0
    entries = []
    for _ in range(r.uleb() if transform == DICT else 0):
        entries.append(r.uleb() + (entries[-1] if entries else 0))
    base = r.uleb()
    values = [(base + (v << shift)) & MASK for v in numbers(r, layout, packing, n)]
    assert not any(r.data[r.at:]) and len(block) * 256 >= n
    if transform == DICT:
        return [entries[v] for v in values]
    if transform == LEFT:
        return [(left[i] + unzigzag(v)) & MASK for i, v in enumerate(values)]
    if transform == DELTA:
        out = [first]
        for v in values[1:]:
            out.append((out[-1] + unzigzag(v)) & MASK)
        return out
    assert transform == PLAIN
    return values


def column_cells(table, number, left):
    column, out = table.columns[number], []
    for i, block in enumerate(column.blocks):
        begin = i * table.block_rows
        n = min(table.block_rows, table.rows - begin)
        if column.type == TEXT:
            r = Reader(block)
            packing, size = r.u8(), r.uleb()
            out.append(unpack(r.take(size), n) if packing else r.take(size)[:n])
        else:
            out += cells(block, n, left[begin:begin + n] if left is not None else None)
    return b"".join(out) if column.type == TEXT else out


def tables(data):
    """Every table as columns of values: texts as text, row numbers from 0, -1 for none."""
    file, raw = parse(data), {}
    for t in file.tables:
        left = None
        for i, c in enumerate(t.columns):
            left = raw[t.name, c.name] = column_cells(t, i, left)
    strings, at = [], 0
    for length in raw["string", "length"]:
        strings.append(raw["text", "byte"][at:at + length].decode(errors="replace"))
        assert raw["text", "byte"][at + length] == 0
        at += length + 1
    out = {}
    for t in file.tables[2:]:
        out[t.name] = {}
        for c in t.columns:
            values = raw[t.name, c.name]
            out[t.name][c.name] = ([strings[v] for v in values] if c.type == STR else
                                   [v - 1 for v in values] if c.type == IDX else
                                   [v - (v >> 63 << 64) for v in values] if c.type == 4 else values)
    return out
