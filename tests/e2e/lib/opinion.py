"""A second opinion: the same program under gospect and under Delve, both driven by the Debug Adapter Protocol.

    with Peer("gospect", [program], ["arg"]) as ours, Peer("dlv", …) as theirs: …

What each says is brought to one form and compared; see compare() and steps_apart().
"""
import contextlib
import difflib
import os
import pathlib
import re
import socket
import subprocess
import threading

from lib import dapclient, gobuild, real
from lib.paths import cache_dir
from lib.releases import goroot

# The Delve for a release of Go: the newest one that says to support it, except where none does (1.18).  Delve 1.27 has to be
# built with Go 1.25 or later to read DWARF 5; so all are built with that of the other tests.
DELVES = {"1.18": "v1.20.2", "1.19": "v1.21.2", "1.20": "v1.21.2", "1.21": "v1.21.2", "1.22": "v1.25.0", "1.23": "v1.25.0",
          "1.24": "v1.25.0", "1.25": "v1.27.2", "1.26": "v1.27.2", "1.27": "v1.27.2"}
PATIENCE = 120


def delve(release):
    """The program dlv for targets of a release."""
    return real.go_install("dlv", "1.26", "default", f"github.com/go-delve/delve/cmd/dlv@{DELVES[release]}")


def fixtures(release):
    """Delve's own test programs, of its version for a release: they lie beside its sources in the module cache."""
    delve(release)
    return cache_dir() / "gopath" / "pkg" / "mod" / "github.com" / "go-delve" / f"delve@{DELVES[release]}" / "_fixtures"


def build_fixture(release, mode_name, name):
    """The path of one of Delve's test programs."""
    mode = gobuild.Mode(mode_name)
    source = fixtures(release) / f"{name}.go"
    folder = cache_dir() / "targets" / f"delve-{DELVES[release]}-{name}-{pathlib.Path(goroot(release)).name}-{mode_name}"

    def make(scratch):
        command = [f"{goroot(release)}/bin/go", "build", "-buildvcs=false", *mode.flags(), "-o", str(scratch / name), str(source)]
        done = subprocess.run(command, cwd=source.parent.parent, env=gobuild.go_env(release, mode.cgo), check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise gobuild.BuildError(f"{' '.join(command)}:\n{done.stdout}")
        return scratch / name
    return gobuild.once(folder / name, make)


class Peer:
    """One debugger that has launched a program."""

    def __init__(self, who, command, program, args=()):
        self.who, self.program = who, program
        self.options = {"hideSystemGoroutines": True, "showGlobalVariables": True, "stackTraceDepth": 200}
        listener = None
        if who == "dlv":
            listener = socket.create_server(("127.0.0.1", 0))
            command = [*command, f"--client-addr=127.0.0.1:{listener.getsockname()[1]}"]
        self.popen = subprocess.Popen(  # pylint: disable=consider-using-with
            [str(word) for word in command], stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL if listener else subprocess.PIPE, stdout=subprocess.DEVNULL if listener else subprocess.PIPE)
        if listener:
            with listener:
                listener.settimeout(PATIENCE)
                fd = listener.accept()[0].detach()
            self.client = dapclient.Client(fd, fd, schema=False)
        else:
            self.client = dapclient.Client(os.dup(self.popen.stdout.fileno()), os.dup(self.popen.stdin.fileno()), schema=False)
            self.popen.stdin.close()
            self.popen.stdout.close()
        self.client.start("launch", mode="exec", program=str(program), args=list(map(str, args)), **self.options)
        self.thread = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        with contextlib.suppress(Exception):
            self.client.ask("disconnect", terminateDebuggee=True)
        self.client.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(10)
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()

    def ask(self, command, /, **arguments):
        return self.client.ask(command, **arguments)

    def configured(self):
        self.ask("configurationDone")

    def stop(self):
        """Waits for the next stop: its body, None at the end of the program."""
        event = self.client.event("stopped", "terminated", timeout=PATIENCE)
        if event["event"] == "terminated":
            return None
        self.thread = event["body"].get("threadId") or 1
        return event["body"]

    def run(self, command, **more):
        """continue, next, stepIn, stepOut; the stop that follows."""
        self.ask(command, threadId=self.thread or 1, **more)
        return self.stop()

    def frames(self, levels=50, thread=None):
        return self.ask("stackTrace", threadId=thread or self.thread, startFrame=0, levels=levels)["stackFrames"]

    def functions(self, *names):
        """Breakpoints at functions, in the place of those before."""
        self.ask("setFunctionBreakpoints", breakpoints=[{"name": n} for n in names])


def ours(gospect, program, args=()):
    """A session of gospect."""
    return Peer("gospect", [gospect.path, "dap"], program, args)


def theirs(release, program, args=()):
    """A session of Delve."""
    return Peer("dlv", [delve(release), "dap", "--check-go-version=false"], program, args)


def both(gospect, release, program, args, work):
    """work(peer) with each debugger, at the same time: (what ours yields, what theirs yields)."""
    results, failures = {}, []

    def run(who):
        try:
            with (ours(gospect, program, args) if who == "ours" else theirs(release, program, args)) as peer:
                results[who] = work(peer)
        except BaseException as e:  # pylint: disable=broad-exception-caught
            failures.append((who, e))

    threads = [threading.Thread(target=run, args=(who,)) for who in ("ours", "theirs")]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failures:
        raise AssertionError(f"{failures[0][0]} of {program.name}: {failures[0][1]}") from failures[0][1]
    return results["ours"], results["theirs"]


# ---- stacks ----

def bare_func(name):
    """A function's name without the instance of a generic one, which both tell in words of their own."""
    return re.sub(r"\[.*?\](?=$|[.()])", "[...]", name)


def place(frame):
    """(function, file, line) of a frame."""
    return bare_func(frame["name"]), os.path.basename((frame.get("source") or {}).get("path", "")), frame["line"]


# ---- values ----

class Node:
    """A variable with its children."""

    def __init__(self, row, children):
        self.name, self.type, self.value = row["name"], tight(row.get("type", "")), row["value"]
        self.children = children


def tight(text):
    """Type arguments and parameters without the spaces that one writes and the other does not."""
    return re.sub(r", ", ",", text)


def tree(peer, reference, depth, inside="", limit=40):
    """The variables behind a reference, and theirs, as deep as asked."""
    rows = [row for row in peer.client.variables(reference) if not row["name"].endswith("()")]  # Delve's len(), string()
    if inside.startswith("chan "):  # ours are what is queued, Delve's the runtime's own structure
        rows = []
    entries = map_entries(rows)
    if len(entries) > limit and entries is not rows or inside.startswith("map[") and len(rows) > limit:
        entries = []  # where entries lie is chance: of large maps none are compared
    nodes = []
    for row in entries[:limit]:
        below = []
        if depth and row["variablesReference"]:
            below = tree(peer, row["variablesReference"], depth - 1, inside=row.get("type", ""))
        nodes.append(Node(row, below))
    return nodes


def map_entries(rows):
    """Both have [key] as name and the value's type: Delve tells the type of the key as well, in front of both, and of two
    structs each is a row.  Rows that are no entries are left as they are."""
    if not any(re.match(r"\[key \d+\]$", row["name"]) or ": " in row.get("type", "") for row in rows):
        return rows
    entries, key = [], None
    for row in rows:
        name, kind, reference = row["name"], row.get("type", ""), row["variablesReference"]
        if re.match(r"\[key \d+\]$", name):
            before = kind.split(": ")[0]
            key = row["value"][len(before):].lstrip() if row["value"].startswith(before) else row["value"]
            continue
        if re.match(r"\[val \d+\]$", name):
            name = key
        else:
            before, _, kind = kind.partition(": ")
            name = name[len(before):].lstrip() if name.startswith(before) else name
            if not re.search(r"[{[]", row["value"]):
                reference = 0  # the parts would be those of the key
        name = re.sub(r"^\S+ (?=\{)", "", name)  # the key's type, in short
        entries.append({**row, "name": f"[{name}]", "type": kind, "variablesReference": reference})
    return entries


def scopes(peer, frame, depth, globals_too=False):
    """Arguments and locals of a frame as nodes; package variables when they are wanted."""
    answer = peer.ask("scopes", frameId=frame["id"])["scopes"]
    nodes = tree(peer, next(s for s in answer if s["name"].startswith("Locals"))["variablesReference"], depth, limit=1000)
    if globals_too:
        nodes += tree(peer, next(s for s in answer if s["name"].startswith("Globals"))["variablesReference"], depth, limit=1000)
    return nodes


def bare_value(node, kind):
    """What a value's text says beyond its type and its parts, which are compared one by one.

    - the type in front is left out; so is what a struct, array, slice, map or pointer has in it, when it can be opened;
    - addresses differ from process to process: all of them are 0x…;
    - Delve shows what it did not load as (*T)(0x…), and unsigned numbers in base 16 as well (" = 0x…").
    """
    text = tight(node.value)
    text = re.sub(r"^\(loaded \d+/\d+\) ", "", text)
    text = re.sub(r"^(\d+(?: \(\d+\))?|\w+ \(\d+\)) = 0x[0-9a-f]+$", r"\1", text)
    if kind and text.startswith(kind):
        text = text[len(kind):].lstrip(" ") or "empty"
    text = re.sub(r"0x[0-9a-f]{5,}", "0x…", text)
    lengths = re.match(r"len: \d+,cap: \d+(,nil)?", text)
    if lengths:
        return lengths[0]
    held = re.match(r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)(?= )", text)  # an interface: what it holds
    if held and (node.children or is_parts(text[held.end():].lstrip())):
        return held[0]
    return "parts" if is_parts(text) else text


def is_parts(text):
    """Whether a text, without its type, is parts that can be opened, or what stands where they were not loaded."""
    return re.match(r"\**\{|\**\[|\**\.\.\.$", text) or re.fullmatch(r'[*&]*\("?\**[^"]+"?\)\(0x…\)', text)


def compare(mine, other, path=""):
    """What differs between two lists of nodes: (what, path, type, ours, theirs)."""
    ours_by, theirs_by = by_name(mine), by_name(other)
    for name in [*ours_by, *(n for n in theirs_by if n not in ours_by)]:
        a, b, here = ours_by.get(name), theirs_by.get(name), f"{path}.{name}" if path else name
        if a is None or b is None:
            there = a or b
            yield ("only ours" if a else "only theirs", here, there.type, a and a.value, b and b.value)
            continue
        if a.type != b.type and not b.type.startswith(a.type + "("):  # Delve adds what an interface holds; the value tells it, too
            yield ("type", here, a.type, a.type, b.type)
        same = bare_value(a, a.type) == bare_value(b, a.type)
        if not same:
            yield ("value", here, a.type, a.value, b.value)
        if a.children and b.children:
            yield from compare(a.children, b.children, here)
        elif same and bool(a.children) != bool(b.children):
            yield ("parts", here, a.type, f"{len(a.children)} parts", f"{len(b.children)} parts")


def by_name(nodes):
    """Nodes by name; of several with one name each has its number."""
    found = {}
    for node in nodes:
        name, n = re.sub(r"0x[0-9a-f]{5,}", "0x…", node.name)[:40], 1  # keys of maps are cut at different places
        while (name if n == 1 else f"{name}#{n}") in found:
            n += 1
        found[name if n == 1 else f"{name}#{n}"] = node
    return found


def count(nodes):
    """How many variables and parts of variables a tree has."""
    return sum(1 + count(n.children) for n in nodes)


# ---- lists of places ----

def short(places):
    """Places in a line of text."""
    return " ".join(f"{func}:{at}" if not rest else f"{func}:{rest[0]}" for func, at, *rest in places)


def apart(a, b):
    """Where two lists differ: [(what ours has instead, what theirs has instead, the one before)]."""
    found = []
    for op, i1, i2, j1, j2 in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if op != "equal":
            found.append((a[i1:i2], b[j1:j2], a[i1 - 1] if i1 else None))
    return found
