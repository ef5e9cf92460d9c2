"""Core files: getting one of the kernel or of gdb, and reading ELF cores without the program under test."""
import os
import pathlib
import re
import resource
import struct
import subprocess
import warnings

import pytest

from lib import evidence, godump

PT_LOAD, PT_NOTE, PN_XNUM = 1, 4, 0xffff
NT_PRSTATUS = 1


def of_core(path):
    """What rt/ captures of a core."""
    return evidence.Snapshot(evidence.rt_dump("core", path))


# ---- cores of others ----

def core_pattern():
    return pathlib.Path("/proc/sys/kernel/core_pattern").read_text(encoding="ascii").strip()


def need_kernel_cores():
    """Skips, loudly, where the kernel gives its cores to somebody else, or may write none."""
    pattern = core_pattern()
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    why = f"the kernel pipes cores elsewhere ({pattern!r})" if pattern.startswith("|") else \
        "cores are switched off" if not pattern or hard == 0 else None
    if why:
        warnings.warn(f"NOT TESTED: cores of the kernel: {why}")
        pytest.skip(f"no core of the kernel: {why}")


def allow_cores():
    """For preexec: the kernel may write a core."""
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def core_of_death(target, cwd, number):
    """Ends the target by a signal and returns the core that the kernel wrote."""
    pattern = pathlib.Path(cwd) / re.sub(r"%[a-zA-Z]", "*", core_pattern())
    target.signal(number)
    target.popen.wait()
    found = [path for path in pattern.parent.glob(pattern.name + "*") if is_core_of(path, target.pid)]
    target.close()
    assert len(found) == 1, f"the kernel left {found} for {pattern}; {target.stderr[-2000:]}"
    return found[0]


def said_at_death(target):
    """The goroutines of a crash that went through all threads (GOTRACEBACK=crash), by id."""
    register = re.compile(r"^(r[a-z0-9]+|rflags|[cfg]s) +0x[0-9a-f]+$")
    text = "\n".join(line for line in target.stderr.split("\n") if not register.match(line))
    return godump.parse(text)


def gcore(pid, prefix):
    """The core that gdb writes."""
    subprocess.run(["gcore", "-o", prefix, str(pid)], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return pathlib.Path(f"{prefix}.{pid}")


# ---- reading ----

class Elf:
    """A core, as its headers say it."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        with open(path, "rb") as file:
            head = file.read(64)
            if head[:5] != b"\x7fELF\x02" or struct.unpack_from("<H", head, 16)[0] != 4:
                raise ValueError(f"{path}: not an ELF64 core")
            phoff, shoff = struct.unpack_from("<QQ", head, 32)
            count = struct.unpack_from("<H", head, 56)[0]
            if count == PN_XNUM:
                file.seek(shoff)
                count = struct.unpack_from("<IIQQQQII", file.read(64))[7]
            file.seek(phoff)
            table = file.read(56 * count)
            rows = [struct.unpack_from("<IIQQQQQQ", table, 56 * i) for i in range(count)]
            self.loads = [(vaddr, offset, filesz, memsz) for kind, _, offset, vaddr, _, filesz, memsz, _ in rows
                          if kind == PT_LOAD]
            self.notes = []
            for kind, _, offset, _, _, filesz, *_ in rows:
                if kind == PT_NOTE:
                    file.seek(offset)
                    self.notes += parse_notes(file.read(filesz))

    def threads(self):
        return [struct.unpack_from("<i", desc, 32)[0] for _, kind, desc in self.notes if kind == NT_PRSTATUS]

    def own(self):
        """The note of gospect as a dict."""
        text, = (desc for owner, _, desc in self.notes if owner == b"gospect")
        return {match[1]: match[2] for match in
                re.finditer(r"^(thread \d+|\w+) (.*)$", text.rstrip(b"\0").decode(), re.M)}

    def read(self, addr, n):
        """Memory that the core has; None where it does not."""
        for vaddr, offset, filesz, _ in self.loads:
            if vaddr <= addr and addr + n <= vaddr + filesz:
                with open(self.path, "rb") as file:
                    file.seek(offset + addr - vaddr)
                    return file.read(n)
        return None

    def blocks_bytes(self):
        """What it takes on the disk."""
        return os.stat(self.path).st_blocks * 512


def parse_notes(data):
    at, found = 0, []
    while at + 12 <= len(data):
        name_n, desc_n, kind = struct.unpack_from("<III", data, at)
        name_at, desc_at = at + 12, at + 12 + (name_n + 3 & ~3)
        found.append((data[name_at:name_at + name_n].rstrip(b"\0"), kind, data[desc_at:desc_at + desc_n]))
        at = desc_at + (desc_n + 3 & ~3)
    return found


def is_core_of(path, pid):
    try:
        return pid in Elf(path).threads()
    except (ValueError, OSError, struct.error):
        return False
