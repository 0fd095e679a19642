"""A run that was never made, for the tests of what is printed, written and drawn."""

from benchmarks.budget import Bound, judge
from benchmarks.model import Figure, Part, Series, Table
from benchmarks.report import Run

BOUNDS = {
    "calls.ratio_asyncio_1": Bound(value=1.08),
    "calls.ratio_asyncio_64": Bound(value=1.2, target=1.08, reason="a known one"),
}
TABLE = Table(
    title="What it costs",
    columns=("", "extra us", "x bare"),
    rows=(("bare", None, 1), ("a | b", 1234.5, 1.0667)),
    notes=("Medians.",),
)


def part(first: float = 1.05) -> Part:
    """A part that found this, and a little more."""
    return Part(
        title="Cost",
        tables=(TABLE,),
        figures=(
            Figure(name="calls.ratio_asyncio_1", value=first, about="one at a time", unit="x"),
            Figure(name="calls.ratio_asyncio_64", value=1.1, about="64 at a time", unit="x"),
        ),
        series=(
            Series(picture="cost", name="ours <here>", points=((0, 12.5), (1, -3.0)), ours=True),
            Series(picture="cost", name="theirs", points=((0, 80.0), (1, 112.0))),
            Series(picture="grants", name="theirs", points=((0, 1200.0), (60.5, 2399.0))),
            Series(picture="grants", name="ours", points=((0, 6.0), (60.5, 1199.0)), ours=True),
        ),
        distributions=("aiohttp",),
        missing=("hyx",),
    )


def run() -> Run:
    """That run."""
    found = part()
    return Run(
        date="2026-11-22",
        machine={"processor": "An Example, 2 cores", "Python": "3.11.7"},
        versions="aiohttp 3.14.5",
        seconds={"calls": 90.0},
        parts={"calls": found},
        judged=judge(found.figures, BOUNDS),
    )
