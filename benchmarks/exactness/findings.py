"""What was found, as tables, figures and lines of a picture."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from benchmarks.exactness.contenders import OURS, USUAL
from benchmarks.exactness.rates import LIMITS, Rates
from benchmarks.exactness.saturation import CALLERS, Effort, Held
from benchmarks.exactness.windows import last_period
from benchmarks.model import Cell, Figure, Series, Table
from benchmarks.shared.model import Limit

Case = tuple[Limit, ...]
"""Limits that each call is under."""

Holding = Mapping[Case, Mapping[str, tuple[Held, ...]]]
"""What became of the limits of a case, by the contender's name."""

MINUTE = 60
STEP = 1.0
"""Seconds between two points of a line."""


def shown(limit: Limit) -> str:
    """Return a limit in words."""
    return f"{limit.calls}/{limit.seconds} s"


def alone(found: Holding, effort: Effort) -> Table:
    """Return what became of single limits."""
    cases = [case for case in found if len(case) == 1]
    return Table(
        title="One limit: the most calls in any window, and the share of the limit that was used",
        columns=("", *chain.from_iterable((shown(case[0]), "used") for case in cases)),
        rows=tuple(
            (name, *chain.from_iterable(_cells(found[case][name]) for case in cases))
            for name in found[cases[0]]
        ),
        notes=(
            f"Virtual time: {CALLERS} callers ask for all they can get for {effort.seconds:g} s.",
            f"Then one calls, and all come back after each 1/{effort.phases} of a window.",
            "The others have half as many of these pauses.",
            "A window is half-open. A share above one is the burst at the start.",
            "limits and hyx do not wait: one caller at a time asks them every 20 ms.",
        ),
    )


def together(found: Holding) -> Table:
    """Return what became of two limits at once."""
    cases = [case for case in found if len(case) > 1]
    columns = [(shown(case[0]), f"and {shown(case[1])}", "used") for case in cases]
    return Table(
        title="Two limits on each call: the most in any window of each, and the use of the tighter",
        columns=("", *chain.from_iterable(columns)),
        rows=tuple(
            (name, *chain.from_iterable(_cells(found[case][name]) for case in cases))
            for name in found[cases[0]]
        ),
        notes=("Who knows one limit at a time is asked for each, one after another.",),
    )


def _cells(held: Sequence[Held]) -> Iterator[Cell]:
    yield from (str(each.most) for each in held)
    yield f"{max(each.used for each in held):.3f}"


def reached(found: Rates) -> Table:
    """Return the rates of real time."""
    names = dict.fromkeys(name for name, _ in found)
    return Table(
        title="Real time: calls a second, and the share of what its arithmetic allows",
        columns=("", *chain.from_iterable((shown(each), "reached") for each in LIMITS)),
        rows=tuple(
            (
                name,
                *chain.from_iterable(
                    (f"{found[name, limit].rate:.1f}", f"{found[name, limit].share:.3f}")
                    for limit in LIMITS
                ),
            )
            for name in names
        ),
        notes=(
            "Measured once it is steady: without the burst of a bucket that begins full.",
            "By the second this library allows itself a tenth less: calls do not arrive evenly.",
        ),
    )


def figures(holding: Holding, rates: Rates) -> Iterator[Figure]:
    """Return what the budget bounds: figures of this library."""
    ours = [each[OURS.name] for each in holding.values()]
    over = max(each.most - each.limit.calls for case in ours for each in case)
    yield Figure(name="exactness.over", value=over, about="calls above a limit, in any window")
    for case, found in holding.items():
        if len(case) == 1 and case[0].seconds == MINUTE:
            if USUAL.name in found:
                yield Figure(
                    name=f"exactness.usual_most_{case[0].calls}",
                    value=found[USUAL.name][0].most,
                    about=f"most calls in any window of {shown(case[0])}, {USUAL.name}",
                )
            yield Figure(
                name=f"exactness.used_{case[0].calls}",
                value=found[OURS.name][0].used,
                about=f"share of {shown(case[0])} that is used",
            )
    for limit in LIMITS:
        yield Figure(
            name=f"exactness.rate_{limit.calls}",
            value=rates[OURS.name, limit].share,
            about=f"real time: rate reached at {shown(limit)}, of what the arithmetic allows",
        )


def line(name: str, times: Sequence[float], seconds: float) -> Series:
    """Return the calls in the last minute over time."""
    moments = [step * STEP for step in range(round(seconds / STEP) + 1)]
    counts = last_period(times, MINUTE, moments)
    points = tuple((at, float(count)) for at, count in zip(moments, counts, strict=True))
    return Series(picture="grants", name=name, points=points, ours=name == OURS.name)
