"""Sessions of the Debug Adapter Protocol as text files (tests/dap/*.txt).

    # a remark
    > command {"arguments": ...}     a request; $PROGRAM, $SOURCE, $LINE(mark) and $NAME are replaced
    > command -                      one that has no arguments at all
    > @NAME command ...              the same; others may be sent before its answer is asked for
    < ok a.b.0=JSON ...              its answer succeeds; members at these paths have these values
    < @NAME ok ...                   of that one
    < error text                     its answer fails, and its message contains the text
    ! event a.b=JSON ...             the next event of that name, with these values
    = NAME a.b                       keeps a member of the last answer or event as $NAME
    raw TEXT                         bytes as they are (\\r \\n \\xNN)
    closed                           the adapter ends the conversation

An expectation is a path, = and JSON without blanks; ~ in place of = means "contains this text".
"""
import json
import re

from lib import dapclient


class Script:
    """Runs the lines of one file with a client."""

    def __init__(self, client, path, names):
        self.client, self.path, self.names = client, path, dict(names)
        self.asked = self.last = None
        self.number = 0

    def run(self):
        for self.number, line in enumerate(self.path.read_text().splitlines(), 1):
            if line.strip() and not line.startswith("#"):
                try:
                    self.line(self.replaced(line))
                except AssertionError as e:
                    raise AssertionError(f"{self.path.name}:{self.number}: {line}\n{e}") from e

    def replaced(self, line):
        line = re.sub(r"\$LINE\((.*?)\)", lambda m: str(self.names["line"](m.group(1))), line)
        return re.sub(r"\$([A-Z]+)", lambda m: str(self.names[m.group(1)]), line)

    def line(self, line):
        kind, _, rest = line.partition(" ")
        if kind == ">":
            name, rest = rest.split(" ", 1) if rest.startswith("@") else ("", rest)
            command, _, arguments = rest.partition(" ")
            self.send(command, None if arguments == "-" else json.loads(arguments or "{}"))
            self.names[name] = self.asked
        elif kind == "<":
            name, rest = rest.split(" ", 1) if rest.startswith("@") else ("", rest)
            self.answer(self.names[name], rest)
        elif kind == "!":
            name, _, wanted = rest.partition(" ")
            self.last = self.client.event(name).get("body", {})
            self.compare(wanted)
        elif kind == "=":
            name, path = rest.split()
            self.names[name] = self.member(path)
        elif kind == "raw":
            self.client.send_raw(rest.encode().decode("unicode_escape").encode("latin-1"))
        elif kind == "closed":
            self.client.until(lambda: True if self.client.closed else None, "the end")
        else:
            raise AssertionError("what does that line mean?")

    def send(self, command, arguments):
        """Not validated: scripts send what is wrong, too."""
        self.client.seq += 1
        self.asked = self.client.seq
        given = {} if arguments is None else {"arguments": arguments}
        self.client.send_raw(dapclient.framed({"seq": self.asked, "type": "request", "command": command, **given}))

    def answer(self, seq, rest):
        how, _, wanted = rest.partition(" ")
        try:
            self.last = self.client.wait(seq)
        except dapclient.Refused as e:
            assert how == "error", f"refused: {e.message}"
            assert wanted in e.message, f"refused with other words: {e.message}"
            return
        assert how == "ok", f"succeeded: {self.last}"
        self.compare(wanted)

    def member(self, path):
        at = self.last
        for word in path.split("."):
            try:
                at = at[int(word)] if isinstance(at, list) else at[word]
            except (KeyError, IndexError, ValueError) as e:
                raise AssertionError(f"no {path} in {json.dumps(self.last)[:1000]}") from e
        return at

    def compare(self, wanted):
        for word in wanted.split():
            path, op, value = re.fullmatch(r"([\w.]+)([=~])(.*)", word).groups()
            got = self.member(path)
            if op == "=":
                assert got == json.loads(value), f"{path} is {got!r}"
            else:
                assert value in str(got), f"{path} is {got!r}"
