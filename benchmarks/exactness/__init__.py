"""Is the limit held, and how much of it used? In virtual time; and how fast is it in real time?"""

import asyncio

import attrs

from benchmarks.exactness import findings
from benchmarks.exactness.contenders import BY_NAME, OURS, USUAL, Contender, installed, missing
from benchmarks.exactness.rates import WHO, rates
from benchmarks.exactness.saturation import Effort, grants, held
from benchmarks.model import Part, Series, Size
from benchmarks.shared.model import Limit

ALONE = ((Limit(1200, 60),), (Limit(60, 60),), (Limit(7, 1),))
TOGETHER = ((Limit(1200, 60), Limit(60, 60)), (Limit(20, 1), Limit(1200, 60)))

DRAWN = (OURS.name, USUAL.name)
"""Who is in the picture."""

QUICK = (*DRAWN, "pyrate-limiter, sliding log")
"""Who takes part when there is little time."""

IDLE, SHOWN = 60.0, 240.0
"""Seconds: the pause before a picture, and what it shows."""


def measure(size: Size) -> Part:
    """Compare all who are installed."""
    present = [each for each in installed() if size is Size.FULL or each.name in QUICK]
    effort = size.choose(full=Effort(600.0, 12), quick=Effort(60.0, 2))
    less = size.choose(full=Effort(180.0, 3), quick=Effort(60.0, 1))

    def effort_of(contender: Contender) -> Effort:
        return effort if contender is OURS else attrs.evolve(effort, phases=effort.phases // 2)

    holding: findings.Holding = {
        **{
            case: {each.name: held(each, case, effort_of(each)) for each in present}
            for case in ALONE
        },
        **{case: {each.name: held(each, case, less) for each in present} for case in TOGETHER},
    }
    paced = [each for each in present if each.name in size.choose(full=WHO, quick=WHO[:1])]
    reached = asyncio.run(rates(paced, size.choose(full=1.0, quick=0.25)))
    return Part(
        title="Exactness",
        tables=(
            findings.alone(holding, effort),
            findings.together(holding),
            findings.reached(reached),
        ),
        figures=tuple(findings.figures(holding, reached)),
        series=tuple(_drawn(BY_NAME[name]) for name in size.choose(full=DRAWN, quick=())),
        distributions=tuple(dict.fromkeys(each.distribution for each in present)),
        missing=tuple(missing()),
    )


def _drawn(contender: Contender) -> Series:
    times = grants(contender, [Limit(1200, 60)], seconds=SHOWN, idle=IDLE)
    return findings.line(contender.name, times, SHOWN)
