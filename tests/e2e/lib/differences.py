"""Where gospect and Delve differ, and why: the table of test_debug_second_opinion.py.

A row explains a difference when all its patterns are found.  `seen` names tests in which the difference must occur, as
(name of the judgement, first release, last release): when it does not any more, the row has to go.
"""
import collections
import re

from lib.releases import all_releases

Row = collections.namedtuple("Row", "why what where ours theirs seen", defaults=("", "", ()))
EVER = ("1.18", "1.27")

TABLE = []


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
