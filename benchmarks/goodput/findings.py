"""What came of the work, as tables, figures and lines of a picture."""

from collections.abc import Iterator, Mapping

from benchmarks.goodput.ours import Run
from benchmarks.goodput.outcome import Outcome
from benchmarks.goodput.situations import Situation
from benchmarks.model import Figure, Series, Table

OURS = "resilient"
USUAL = "aiolimiter(N, T) + tenacity"
CALM = 120.0
"""Seconds after a limit was halved that may be needed to find the new one."""

POINTS = 120
"""Points of a line."""

DRAWN = (
    "tenacity",
    USUAL,
    "aiolimiter(1, T/N) + tenacity",
    "pyrate-limiter, sliding log + tenacity",
)
"""Those of the peers who are in the picture."""


def table(situation: Situation, ours: Run, peers: Mapping[str, Outcome]) -> Table:
    """Return what came of a situation."""
    return Table(
        title=f"{situation.letter}: {situation.name}",
        columns=("", "done", "failed", "refused", "bans", "minutes"),
        rows=tuple(
            (
                name,
                str(len(each.done)),
                str(each.failed),
                str(each.refused),
                str(each.bans),
                f"{each.minutes:.1f}",
            )
            for name, each in {OURS: ours.outcome, **peers}.items()
        ),
        notes=tuple(_notes(situation, ours)),
    )


def _notes(situation: Situation, ours: Run) -> Iterator[str]:
    if situation.strict:
        yield f"{OURS} is told `in_flight: strict`."
    observed = [
        event.detail["observed"]
        for event in ours.events
        if event.name == "resilient.rate_adapted" and event.detail.get("observed") is not None
    ]
    if observed:
        period = situation.rules.period
        yield f"The last refusal said, as an event: {observed[-1]:.0f} calls go in {period:g} s."


def figures(situation: Situation, ours: Outcome) -> Iterator[Figure]:
    """Return what the budget bounds."""
    key, name = f"goodput.{situation.key}", situation.name
    cut = situation.rules.cut_at
    if cut is None:
        yield Figure(
            name=f"{key}_minutes", value=ours.minutes, about=f"all done: {name}", unit="minutes"
        )
    else:
        documented = situation.rules.cut_to / situation.rules.period
        yield Figure(
            name=f"{key}_used",
            value=ours.rate(cut + CALM, ours.seconds) / documented,
            about=f"share of the new limit used after {CALM:g} s: {name}",
        )
    yield Figure(name=f"{key}_failed", value=ours.failed, about=f"calls that failed: {name}")
    yield Figure(name=f"{key}_refused", value=ours.refused, about=f"refusals: {name}")
    yield Figure(name=f"{key}_bans", value=ours.bans, about=f"bans: {name}")


def usual(situation: Situation, peers: Mapping[str, Outcome]) -> Iterator[Figure]:
    """Return what becomes of who takes what most people take."""
    if (found := peers.get(USUAL)) is not None:
        key, about = f"goodput.usual_%s_{situation.key}", f"{USUAL}: {situation.name}"
        yield Figure(name=key % "done", value=len(found.done), about=f"calls done, {about}")
        yield Figure(name=key % "bans", value=found.bans, about=f"bans, {about}")


def lines(ours: Outcome, peers: Mapping[str, Outcome]) -> Iterator[Series]:
    """Return the calls done so far, over minutes."""
    found = {OURS: ours, **{name: each for name, each in peers.items() if name in DRAWN}}
    end = max(each.seconds for each in found.values())
    moments = [end * step / POINTS for step in range(POINTS + 1)]
    for name, each in found.items():
        points = tuple((at / 60, float(each.until(at))) for at in moments)
        yield Series(picture="goodput", name=name, points=points, ours=name == OURS)
