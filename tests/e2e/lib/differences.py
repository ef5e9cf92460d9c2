"""Where gospect and Delve differ, and why: the table of test_debug_second_opinion.py.

A row explains a difference when all its patterns are found.  `seen` names tests in which the difference must occur, as
(name of the judgement, first release, last release): when it does not any more, the row has to go.
"""
import collections
import re

from lib.releases import all_releases

Row = collections.namedtuple("Row", "why what where ours theirs seen", defaults=("", "", ()))
EVER = ("1.18", "1.27")
VALUES, NEXT, INTO = "values of Delve's programs", "steps next of Delve's programs", "steps stepIn of Delve's programs"

MEANINGS = (r"(time|sync|sync/atomic|internal/sync|math/big|net|net/netip|net/url|reflect|strings|bytes|errors|fmt|context|os|io/fs|"
            r"regexp|strconv|container/list|syscall)\.")

TABLE = [
    # ---- values ----
    Row("meanings of types", "value", rf": (\*?{MEANINGS}|error$|interface )", rf"(^|\) )\*?{MEANINGS}[\w.\[\]]+\(", "",
        (("values", *EVER),)),
    Row("meanings of types", "value", r": time\.Duration$", r"^-?[0-9.hmsµn]+$", r"^-?\d+$", ((VALUES, *EVER),)),
    Row("not set yet", "value", "", r"^\((not set yet|others use its place, too)\)$", "", (("values", *EVER),)),
    Row("not set yet", "only theirs", r"\.func[\d.]+:\d+ [~\w]+ : ", "", "", (("values", *EVER),)),
    Row("nil", "value", r": unsafe\.Pointer$", r"\(nil\)$", r"\(0x0\)$", (("values", *EVER),)),
    Row("fields without a name", "only theirs", r"\._(#\d+)? : ", "", "", (("values", "1.24", "1.27"),)),
    Row("parts of complex numbers", "parts", r": complex(64|128)$", r"^0 parts", r"^2 parts", (("values", *EVER),)),
    Row("the compiler's variables", "only theirs", r" \.autotmp_| ~p\d+ : ", "", "", (("values", "1.26", "1.27"),)),
    Row("unreadable", "value", "", r"\(unreadable\)", "unreadable", ((VALUES, "1.25", "1.27"),)),
    Row("names in full", "value", r"delve:(testvariables2|pkgrenames|fncall)", r"\w/\w", r"^\S*\b[a-z0-9]+\.\w+|\(\S*\b[a-z0-9]+\.\w+\)",
        ((VALUES, "1.25", "1.27"),)),
    Row("flags", "value", r": internal/abi\.TFlag$", r"\|", r"\|", ((VALUES, "1.25", "1.27"),)),
    Row("lines without code", "stops", r"delve:issue(1101|4051)", r"main\.f", r"^\[\]$", ((VALUES, "1.25", "1.27"),)),
    Row("lines without code", "stack", r"delve:issue4051", r"main\.init:14", r"main\.init:1( |$)"),
    # ---- steps ----
    Row("recovered panics", "steps", "^stepIn", "", r"^runtime\.gopanic:\d+( |$)", (("steps stepIn", *EVER), (INTO, *EVER))),
    Row("the statement go", "steps", r"^stepIn (stepping spawn|delve:(testnextprog|stepshadow))", "", "", ((INTO, "1.24", "1.27"),)),
    Row("runtime.Breakpoint", "steps", "", r"^runtime\.breakpoint:\d+( |$)", r"^(runtime\.Breakpoint:|$)", ((INTO, *EVER), (NEXT, *EVER))),
    Row("deferred calls", "steps", r"^stepIn delve:deferstack behind main\.(f1|call3)", r"main\.f2", "^$", ((INTO, "1.25", "1.27"),)),
    Row("iterators", "steps", r"^stepIn (stepping (range|nested)|delve:rangeoverfunc) behind main\.\w+-range", "^$", r"^main\.\S+\.func1:",
        (("steps stepIn", "1.23", "1.27"), (INTO, "1.25", "1.27"))),
    Row("iterators", "steps", r"^(next|stepIn) stepping nested behind main\.nested-range", "^$", r"^main\.nested-range1:\d+$",
        (("steps next", "1.23", "1.27"),)),
    Row("out of what C called", "steps", r"^stepOut corners cgo behind main\.goCallback", r"^main\.crossing:\d+", r"^_cgoexp_\w+:\d+ runtime\.",
        (("steps stepOut cgo", *EVER),)),
    # ---- watchpoints ----
    Row("writes that change nothing", "steps", r"^stepping watched", "^$", r"^main\.watched:\d+$", (("watchpoints", "1.26", "1.27"),)),
    Row("the end of a watched variable", "steps", r"^stepping watched", r"^main\.run\.func4:\d+$", "^$", (("watchpoints", "1.26", "1.27"),)),
]


def row_of(what, where, ours, theirs):
    """The first row that explains a difference; None: nobody does."""
    for row in TABLE:
        if re.fullmatch(row.what, what) and all(re.search(p, s, re.S) for p, s in
                                                ((row.where, where), (row.ours, ours), (row.theirs, theirs))):
            return row
    return None


def expected(test, release):
    """The rows that must explain something in a test."""
    order = all_releases()
    return [row for row in TABLE for name, first, last in row.seen
            if name == test and order.index(first) <= order.index(release) <= order.index(last)]
