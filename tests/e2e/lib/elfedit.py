"""Cuts the section headers off an ELF64 file, as some packers and size-savers do."""
import struct

E_SHOFF, E_SHENTSIZE, E_SHNUM, E_SHSTRNDX = 0x28, 0x3A, 0x3C, 0x3E


def drop_section_headers(path):
    """Overwrites the section header table with zeros and forgets that there was one."""
    with open(path, "r+b") as file:
        ident = file.read(64)
        if ident[:5] != b"\x7fELF\x02":
            raise ValueError(f"{path}: not an ELF64 file")
        offset, = struct.unpack_from("<Q", ident, E_SHOFF)
        size, count = struct.unpack_from("<HH", ident, E_SHENTSIZE)
        file.seek(offset)
        file.write(b"\0" * (size * count))
        for at, width in ((E_SHOFF, 8), (E_SHNUM, 2), (E_SHSTRNDX, 2)):
            file.seek(at)
            file.write(b"\0" * width)
