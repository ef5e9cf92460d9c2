"""gospect dap as a process, and the program that its tests debug (tests/targets/dap).  The fixtures `dap` and `server` start it."""
import os
import time

from lib import dapclient
from lib.paths import TARGETS

SOURCE = TARGETS / "dap" / "main.go"


def line(mark):
    """The line of the program that has this remark."""
    return next(i for i, text in enumerate(SOURCE.read_text().splitlines(), 1) if f"// {mark}" in text)


def alive(pid):
    return os.path.exists(f"/proc/{pid}") and "State:\tZ" not in open(f"/proc/{pid}/status", encoding="utf-8").read()


def gone(pid, patience=20):
    end = time.monotonic() + patience
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not alive(pid)


def ends(client, code=0):
    """The adapter ends by itself; the exit code is that of ASan's findings, too."""
    assert client.popen.wait(60) == code, client.popen.stderr.read().decode()


def on_stdio(process):
    """A client of an adapter that talks on its standard files."""
    client = dapclient.Client(os.dup(process.stdout.fileno()), os.dup(process.stdin.fileno()))
    process.stdin.close()
    process.stdin = None
    client.popen = process
    return client


def address_of(process):
    """Where a server says that it listens."""
    text = b""
    while b"listening at " not in text or not text.endswith(b"\n"):
        piece = os.read(process.stderr.fileno(), 4096)
        assert piece, f"no server: {text}"
        text += piece
    return text.decode().split("listening at ")[1].strip().rstrip(".")
