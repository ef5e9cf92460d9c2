"""Reads goroutine dumps as the runtime writes them (pprof debug=2, runtime.Stack, a crash)."""
import re

HEADER = re.compile(r"^goroutine (?P<id>\d+)(?: gp=(?P<gp>0x[0-9a-f]+))?(?: m=(?P<m>\w+))?(?: mp=\S+)? "
                    r"\[(?P<state>[^\]]*)\](?: \{(?P<labels>.*)\})?:$")
CREATED = re.compile(r"^created by (?P<func>.*?)(?: in goroutine (?P<parent>\d+))?$")
PLACE = re.compile(r"^\t(?P<file>.*):(?P<line>\d+)(?: \+0x[0-9a-f]+)?"
                   r"(?: fp=0x[0-9a-f]+ sp=(?P<sp>0x[0-9a-f]+) pc=(?P<pc>0x[0-9a-f]+))?$")
ELIDED = re.compile(r"^\.\.\.(?:(\d+)|additional) frames elided\.\.\.$")


class Frame:
    """A line pair of a dump; inlined calls have no arguments there."""

    def __init__(self, func, args, place):
        self.func, self.inlined = func, args == "..."
        self.file, self.line = place["file"], int(place["line"])
        self.pc = int(place["pc"], 16) if place["pc"] else None

    def __repr__(self):
        return f"{self.func}{' (inlined)' if self.inlined else ''} {self.file}:{self.line}"


class Goroutine:
    """One block of a dump."""

    def __init__(self, header):
        match = HEADER.match(header)
        assert match, f"not the first line of a goroutine: {header!r}"
        self.id = int(match["id"])
        self.gp = int(match["gp"], 16) if match["gp"] else None
        words = match["state"].split(", ")
        self.state, self.notes = words[0], words[1:]
        self.labels = match["labels"]
        self.frames, self.elided, self.creator, self.parent, self.unavailable = [], None, None, None, False

    @property
    def minutes(self):
        return next((int(w.split()[0]) for w in self.notes if w.endswith(" minutes")), 0)

    @property
    def locked(self):
        return "locked to thread" in self.notes

    @property
    def bubble(self):
        return next((int(w.rsplit(" ", 1)[1]) for w in self.notes if w.startswith("synctest bubble ")), 0)


def split_call(line):
    """The function and the arguments of a line like main.(*T).f(0x1, {0x2, 0x3})."""
    depth = 0
    for i in range(len(line) - 1, -1, -1):
        depth += (line[i] == ")") - (line[i] == "(")
        if depth == 0:
            return line[:i], line[i + 1:-1]
    raise AssertionError(f"not a call: {line!r}")


def parse_block(block):
    lines = [line for line in block.split("\n") if line]
    goroutine, i = Goroutine(lines[0]), 1
    while i < len(lines):
        created = CREATED.match(lines[i])
        if ELIDED.match(lines[i]):
            goroutine.elided = "outer" if "additional" in lines[i] else "middle"
            i += 1
            continue
        if lines[i].startswith("\tgoroutine running on other thread"):
            goroutine.unavailable, i = True, i + 1
            continue
        place = PLACE.match(lines[i + 1])
        assert place, f"not a place: {lines[i + 1]!r} after {lines[i]!r}"
        if created:
            goroutine.creator = Frame(created["func"], "", place)
            goroutine.parent = int(created["parent"]) if created["parent"] else None
        else:
            goroutine.frames.append(Frame(*split_call(lines[i]), place))
        i += 2
    return goroutine


def parse(text):
    """The goroutines of a dump, by id."""
    blocks = [block for block in text.split("\n\n") if HEADER.match(block.strip("\n").split("\n")[0])]
    return {g.id: g for g in map(parse_block, blocks) if g.id > 0}  # 0: a thread's own, in a crash


def printed_name(name):
    """A function's name as a dump prints it (Go: runtime/traceback.go funcNameForPrint)."""
    if name == "runtime.gopanic":
        return "panic"
    first, last = name.find("["), name.rfind("]")
    return name if first < 0 or last <= first else name[:first] + "[...]" + name[last + 1:]


def is_exported_runtime(name):
    """Go: runtime/traceback.go isExportedRuntime."""
    name = name[len("runtime."):]
    receiver, _, name = name.rpartition(".")
    match = re.match(r"^\(\*(.*)\)$", receiver)
    receiver = match.group(1) if match else receiver
    return name[:1].isascii() and name[:1].isupper() and (not receiver or receiver[0].isupper())
