"""A small client of the Debug Adapter Protocol.

    with dap(program) as c:          # fixture of test_dap.py: gospect dap on its standard files
        c.start("launch", mode="exec", program=p)
        c.set_breakpoints("main.go", [12])
        stop = c.configured()        # the body of the first stopped event
        c.ask("continue", threadId=stop["threadId"])

Every message, in both directions, is validated against the protocol's public JSON schema
(lib/dapschema.py).
"""
import collections
import contextlib
import json
import os
import select
import socket
import time

from lib import dapschema

PATIENCE = 60  # seconds until a message counts as missing


class Refused(AssertionError):
    """A request was answered with success: false."""

    def __init__(self, response):
        super().__init__(f"{response['command']}: {response.get('message')}")
        self.response = response
        self.message = response.get("message", "")


def framed(message):
    body = json.dumps(message).encode()
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


class Client:
    """One client on a pair of descriptors (or a socket)."""

    def __init__(self, reader, writer, schema=True):
        self.reader, self.writer, self.schema = reader, writer, schema
        self.buffer = bytearray()
        self.kept = None  # what together() has not sent yet
        self.needed = 0  # bytes until the next message is whole
        self.seq = self.their_seq = 0
        self.events = collections.deque()
        self.responses = {}
        self.requests = collections.deque()  # of the adapter
        self.pieces = collections.defaultdict(list)  # the output of each category, in pieces
        self.arrived = 0  # when the message that was taken last was whole
        self.closed = False
        self.capabilities = None

    # ---- bytes ----

    def send_raw(self, data):
        if self.kept is not None:
            self.kept += data
            return
        while data:
            data = data[os.write(self.writer, data):]

    @contextlib.contextmanager
    def together(self):
        """What is sent in this block arrives in one piece, its end not later than its beginning (up to what a pipe takes at once)."""
        self.kept = b""
        yield
        data, self.kept = self.kept, None
        assert len(data) <= select.PIPE_BUF
        self.send_raw(data)

    def send(self, command, /, **arguments):
        """Sends a request, returns its seq."""
        self.seq += 1
        message = {"seq": self.seq, "type": "request", "command": command, "arguments": arguments}
        if self.schema:
            dapschema.check_request(message)
        self.send_raw(framed(message))
        return self.seq

    def respond(self, request, success=True, **body):
        self.seq += 1
        self.send_raw(framed({"seq": self.seq, "type": "response", "request_seq": request["seq"],
                              "success": success, "command": request["command"], "body": body}))

    def read_some(self, timeout):
        """Reads once; False when nothing came in time, or the peer closed."""
        if not select.select([self.reader], [], [], timeout)[0]:
            return False
        try:
            data = os.read(self.reader, 1 << 20)
        except ConnectionResetError:
            data = b""
        if not data:
            self.closed = True
            return False
        self.buffer += data
        if len(self.buffer) >= self.needed:
            self.take_messages()
        return True

    def take_messages(self):
        self.needed = 0
        arrived = time.monotonic()
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = dict(line.split(b": ") for line in bytes(self.buffer[:end]).split(b"\r\n"))
            stop = end + 4 + int(head[b"Content-Length"])
            if len(self.buffer) < stop:
                self.needed = stop
                return
            body = self.buffer[end + 4:stop]
            del self.buffer[:stop]
            self.arrived = arrived
            self.take(json.loads(body.decode()))

    def take(self, message):
        self.their_seq += 1
        assert not self.schema or message["seq"] == self.their_seq, f"seq {message['seq']}, expected {self.their_seq}"
        if self.schema:
            dapschema.check_from_adapter(message)
        if message["type"] == "response":
            self.responses[message["request_seq"]] = message
        elif message["type"] == "request":
            self.requests.append(message)
        else:
            if message["event"] == "output":
                self.pieces[message["body"].get("category", "console")].append(message["body"]["output"])
            self.events.append(message)

    @property
    def output(self):
        """The text of each category so far; put together when it is asked for: there may be 100,000 pieces."""
        for category, pieces in self.pieces.items():
            self.pieces[category] = ["".join(pieces)]
        return collections.defaultdict(str, {category: text for category, (text,) in self.pieces.items()})

    # ---- waiting ----

    def until(self, found, what, timeout=PATIENCE):
        end = time.monotonic() + timeout
        while True:
            got = found()
            if got is not None:
                return got
            if self.closed or time.monotonic() > end:
                raise AssertionError(f"{'connection closed' if self.closed else 'nothing'} while waiting for "
                                     f"{what}; events: {[e['event'] for e in self.events]}, output: "
                                     f"{dict(self.output)}")
            self.read_some(min(1, max(0, end - time.monotonic())))

    def wait(self, seq, timeout=PATIENCE):
        """The body of the response to a request; Refused when it failed."""
        response = self.until(lambda: self.responses.pop(seq, None), f"the answer to request {seq}", timeout)
        if not response["success"]:
            raise Refused(response)
        return response.get("body", {})

    def ask(self, command, /, **arguments):
        return self.wait(self.send(command, **arguments))

    def event(self, *names, timeout=PATIENCE, where=lambda body: True):
        """Removes and returns the first event of these names."""
        def found():
            for event in self.events:
                if event["event"] in names and where(event.get("body", {})):
                    self.events.remove(event)
                    return event
            return None
        return self.until(found, f"event {' or '.join(names)}", timeout)

    def stopped(self, timeout=PATIENCE):
        return self.event("stopped", timeout=timeout)["body"]

    def said(self, text, category="stdout"):
        """Waits until the program (or the adapter) has said this."""
        self.until(lambda: True if text in self.output[category] else None, f"{category} {text!r}")

    # ---- usual sequences ----

    def initialize(self, **more):
        arguments = {"adapterID": "gospect", "clientID": "test", "linesStartAt1": True,
                     "columnsStartAt1": True, "pathFormat": "path", "supportsVariableType": True,
                     "supportsVariablePaging": True, "supportsRunInTerminalRequest": True,
                     "supportsMemoryReferences": True, "supportsProgressReporting": True,
                     "supportsInvalidatedEvent": True, "supportsMemoryEvent": True, **more}
        self.capabilities = self.ask("initialize", **arguments)
        return self.capabilities

    def start(self, how, /, init=None, **arguments):
        """initialize, and launch or attach up to the event initialized."""
        self.initialize(**(init or {}))
        self.ask(how, **arguments)
        self.event("initialized")

    def set_breakpoints(self, path, points):
        """points: lines, or dicts."""
        points = [{"line": p} if isinstance(p, int) else p for p in points]
        return self.ask("setBreakpoints", source={"path": str(path)}, breakpoints=points)["breakpoints"]

    def configured(self):
        """configurationDone; the body of the stop that follows."""
        self.ask("configurationDone")
        return self.stopped()

    def top(self, stop):
        """The innermost frame of the goroutine that stopped."""
        return self.ask("stackTrace", threadId=stop["threadId"], startFrame=0, levels=1)["stackFrames"][0]

    def locals(self, frame):
        scopes = self.ask("scopes", frameId=frame["id"])["scopes"]
        return {v["name"]: v for v in self.variables(scopes[0]["variablesReference"])}

    def variables(self, reference, **more):
        return self.ask("variables", variablesReference=reference, **more)["variables"]

    def close(self):
        for fd in {self.reader, self.writer}:
            try:
                os.close(fd)
            except OSError:
                pass


def connect(address):
    """A client of a server at "host:port" or "unix:path"."""
    if address.startswith("unix:"):
        s = socket.socket(socket.AF_UNIX)
        s.connect(address[5:])
    else:
        host, port = address.rsplit(":", 1)
        s = socket.create_connection((host, int(port)))
    fd = s.detach()
    return Client(fd, fd)
