"""Where gospect and Delve differ, and why: the table of test_debug_second_opinion.py.

A row explains a difference when all its patterns are found.  `seen` names tests in which the difference must occur, as
(name of the judgement, first release, last release): when it does not any more, the row has to go.
"""
import collections
import re

from lib.releases import all_releases

Row = collections.namedtuple("Row", "why what where ours theirs seen", defaults=("", "", ()))
EVER = ("1.18", "1.27")

MEANINGS = r"(time|sync|sync/atomic|internal/sync|math/big|net|net/netip|net/url|reflect|strings|bytes|errors|fmt|context|os|io/fs|regexp|strconv|container/list|syscall)\."

TABLE = [
    # ---- values ----
    Row("meaning", "value", rf": (\*?{MEANINGS}|error$|context\.Context$|interface )", rf"\*?{MEANINGS}[A-Za-z.\[\]]+\(", r"", (("values values", *EVER),)),
    Row("meaning", "value", r": time\.Duration$", r"^-?[0-9.hmsµn]+$", r"^-?\d+$"),
    Row("not set yet", "value", r"", r"^\((not set yet|others use its place, too)\)$", r"", (("values values", *EVER),)),
    Row("not set yet", "only theirs", r"adder\.func1:160 (~r0|total)", r"", r"", (("values values", *EVER),)),
    Row("nil", "value", r": unsafe\.Pointer$", r"\(nil\)$", r"\(0x0\)$", (("values values", *EVER),)),
    Row("parts", "only theirs", r"\._(#\d+)? : ", r"", r"", (("values values", "1.19", "1.27"),)),
    Row("parts", "parts", r": complex(64|128)$", r"^0 parts", r"^2 parts", (("values values", *EVER),)),
    Row("compiler's variables", "only theirs", r"\.autotmp_", r"", r"", (("values values", "1.26", "1.27"),)),
    Row("unreadable", "value|parts", r"", r"\(unreadable\)|^\d+ parts", r"unreadable"),
    Row("names in full", "value", r"", r"/", r"^\*?[a-z0-9]+\.\w+ "),
    # ---- steps ----
    Row("recovered", "steps", r"", r"", r"^runtime\.gopanic:\d+ ", (("steps stepIn", *EVER),)),
    Row("go", "steps", r"stepIn", r"", r""),
    Row("watch", "steps", r"stepping watched behind main\.watched:162", r"^$", r"^main\.watched:163$", (("watchpoints", "1.26", "1.27"),)),
    Row("watch", "steps", r"stepping watched behind main\.watched:164", r"^main\.run\.func4:\d+$", r"^$", (("watchpoints", "1.26", "1.27"),)),
    Row("C", "steps", r"stepOut corners cgo behind main\.goCallback", r"^main\.crossing:\d+", r"^_cgoexp_\w+:\d+ runtime\.", (("steps stepOut cgo", *EVER),)),
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
