"""How fast work gets done at a vendor who punishes whoever sends too much.

12,000 calls from 200 tasks, in virtual time. Nobody gives a call to the vendor twice: what a
library gives up has failed.
"""

from benchmarks.goodput import findings, ours, peers
from benchmarks.goodput.situations import CALLS, SITUATIONS, TASKS
from benchmarks.model import Part, Size

DRAWN = "c"
"""The situation that is drawn, and the only one when there is little time."""

FEW = 2400
"""Calls, then."""


def measure(size: Size) -> Part:
    """Let all who are installed work."""
    calls = size.choose(full=CALLS, quick=FEW)
    situations = [each for each in SITUATIONS if size is Size.FULL or each.key == DRAWN]
    runs = {each.key: ours.outcome(each, calls) for each in situations}
    needed = peers.distributions()
    others = {each.key: peers.outcomes(each, calls) for each in situations}
    return Part(
        title=f"Goodput: {calls:,} calls of {TASKS} tasks, at a vendor who bans",
        tables=tuple(findings.table(each, runs[each.key], others[each.key]) for each in situations),
        figures=tuple(
            figure
            for each in situations
            for figure in (
                *findings.figures(each, runs[each.key].outcome),
                *findings.usual(each, others[each.key]),
            )
        ),
        series=tuple(findings.lines(runs[DRAWN].outcome, others[DRAWN])),
        distributions=tuple(each for each in needed if peers.is_installed(each)),
        missing=tuple(each for each in needed if not peers.is_installed(each)),
    )
