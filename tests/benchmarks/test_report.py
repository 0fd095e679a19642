"""What people read of a run."""

import pytest
from made_up_run import TABLE, run

from benchmarks import report
from benchmarks.model import Table

LINES = """What it costs
         extra us  x bare
  bare          -       1
  a | b     1,234    1.07
  * Medians."""
FIGURES = """
| figure | what it is | target | measured |  |
| --- | --- | ---: | ---: | --- |
| calls.ratio_asyncio_1 | one at a time | ≤ 1.08 | 1.05 x | held |
| calls.ratio_asyncio_64 | 64 at a time | ≤ 1.08 | 1.1 x | MISSED |

- calls.ratio_asyncio_64: a known one
"""


def test_terminal() -> None:
    """In a terminal columns of numbers stand to the right, those of words to the left."""
    assert LINES.splitlines() == list(report.terminal(TABLE))


def test_page() -> None:
    """The page names date, machine, who took part and who did not, figures with reasons, tables."""
    page = report.page(run(), "make bench")
    for each in (
        "`make bench` on 2026-11-22",
        "- processor: An Example, 2 cores",
        "- who took part: aiohttp 3.14.5",
        "- not installed: hyx",
        "- it took 1.5 minutes",
        "### What it costs",
        "| a \\| b | 1,234 | 1.07 |",
        FIGURES,
    ):
        assert each in page


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0, "0"),
        (1_000_000, "1,000,000"),
        (12345.6, "12,346"),
        (123.4, "123"),
        (1.0849, "1.08"),
        (0.00123, "0.00123"),
        (-3.21, "-3.21"),
        (None, "-"),
        ("as it is", "as it is"),
    ],
)
def test_text(value: float | str | None, text: str) -> None:
    """A number has three digits that count, and thousands are set apart."""
    assert text == report.text(value)


def test_a_row_too_short() -> None:
    """A row that does not fit the columns is a fault where it is made."""
    with pytest.raises(ValueError, match="does not fit"):
        Table(title="T", columns=("a", "b"), rows=(("1",),))
