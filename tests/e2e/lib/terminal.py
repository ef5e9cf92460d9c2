"""A program in a terminal: a pty, and a screen that understands what gospect writes.

    t = Terminal([path, "watch", pid], rows=24, columns=80)
    t.wait("goroutines"); t.press("\\x03"); t.end()
    t.screen()       lines as they stand on the screen
    t.raw            every byte it wrote
"""
import codecs
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

PATIENCE = 60
SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")


class Screen:
    """Lines of text, a cursor, and the few escape sequences a plain program uses."""

    def __init__(self, columns):
        self.columns, self.lines, self.row, self.col = columns, [""], 0, 0
        self.colours, self.unknown, self.too_wide = set(), [], []

    def _put(self, char):
        line = self.lines[self.row].ljust(self.col)
        self.lines[self.row] = line[:self.col] + char + line[self.col + 1:]
        self.col += 1
        if self.col > self.columns:
            self.too_wide.append(self.lines[self.row])

    def _sequence(self, argument, final):
        number = int(argument) if argument.isdigit() else 1
        if final == "A":
            self.row = max(0, self.row - number)
        elif final == "K":
            self.lines[self.row] = self.lines[self.row][:self.col]
        elif final == "J":
            self.lines[self.row] = self.lines[self.row][:self.col]
            del self.lines[self.row + 1:]
        elif final == "m":
            self.colours.update(argument.split(";"))
        else:
            self.unknown.append(argument + final)

    def feed(self, text):
        at = 0
        while at < len(text):
            match = SEQUENCE.match(text, at)
            if match:
                self._sequence(*match.groups())
                at = match.end()
                continue
            char = text[at]
            at += 1
            if char == "\n":
                self.row += 1
                if self.row == len(self.lines):
                    self.lines.append("")
            elif char == "\r":
                self.col = 0
            else:
                self._put(char)


class Terminal:
    """A program whose input, output and errors are a terminal (errors=False: not its errors)."""

    def __init__(self, argv, rows=24, columns=80, env=None, size=True):
        self.raw, self.columns = b"", columns
        environment = {k: v for k, v in os.environ.items()
                       if k not in ("NO_COLOR", "PAGER", "GOSPECT_PAGER", "COLUMNS", "LESS")}
        environment.update({"TERM": "xterm", "LC_ALL": "C.UTF-8", **(env or {})})
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(str(argv[0]), [str(word) for word in argv], environment)
        if size:
            self.resize(rows, columns)
        self.code = None

    def resize(self, rows, columns):
        self.columns = columns
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds):
        """Takes what comes within so many seconds; False at the end of the output."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the other side is closed
            return False
        self.raw += data
        return bool(data)

    def wait_for(self, condition, what, patience=PATIENCE):
        """Reads until condition(text)."""
        end = time.monotonic() + patience
        while not condition(self.text()):
            if not self.read(0.1) or time.monotonic() > end:
                if condition(self.text()):
                    break
                raise AssertionError(f"never wrote {what}; it wrote:\n{self.text()}")
        return self

    def wait(self, pattern, patience=PATIENCE):
        """Reads until something it wrote matches."""
        return self.wait_for(lambda text: re.search(pattern, text), repr(pattern), patience)

    def press(self, keys):
        os.write(self.fd, keys.encode())

    def end(self, patience=PATIENCE):
        """Reads to the end; returns the exit code, or minus the signal."""
        limit = time.monotonic() + patience
        while self.read(0.1):
            if time.monotonic() > limit:
                raise AssertionError(f"does not end; it wrote:\n{self.text()}")
        _, status = os.waitpid(self.pid, 0)
        self.code = os.waitstatus_to_exitcode(status)
        os.close(self.fd)
        return self.code

    def close(self):
        """Ends it, whatever it does."""
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            os.close(self.fd)
            self.code = -signal.SIGKILL

    def text(self):
        return codecs.decode(self.raw, "utf-8", "replace")

    def screen(self):
        screen = Screen(self.columns)
        screen.feed(self.text().replace("\r\n", "\n\r"))
        return screen
