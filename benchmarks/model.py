"""What a part of the benchmarks gives back: plain values, which others print, check and draw."""

import enum
from typing import TypeVar

import attrs

Chosen = TypeVar("Chosen")

Cell = str | int | float | None
"""A number is printed with three significant digits, what is None as a dash, a text as it is."""


class Size(enum.Enum):
    """How long to measure: for the record, or for a look."""

    FULL = "full"
    QUICK = "quick"

    def choose(self, full: Chosen, quick: Chosen) -> Chosen:
        """Return the one that fits."""
        return full if self is Size.FULL else quick


@attrs.frozen(kw_only=True)
class Table:
    """A table as a person reads it.

    Attributes:
        columns: The first one names the row.
        rows: Each as long as `columns`.
        notes: Sentences that stand below.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...] = attrs.field()
    notes: tuple[str, ...] = ()

    @rows.validator
    def _fits(self, _: object, rows: tuple[tuple[Cell, ...], ...]) -> None:
        for row in rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.title}: {row} does not fit {self.columns}")


@attrs.frozen(kw_only=True)
class Figure:
    """A number that budget.toml bounds by its name.

    Attributes:
        name: The part and what is measured, as `calls.asyncio_1`.
        about: The same for a person, as `cost of a call, one at a time, against bare aiohttp`.
        unit: As `x`, `us`, `minutes`; empty for a count.
    """

    name: str
    value: float
    about: str
    unit: str = ""


@attrs.frozen(kw_only=True)
class Series:
    """A line or a row of bars in one of the pictures.

    Attributes:
        picture: `grants`, `goodput` or `cost`: several parts may add to one.
        name: What its label says.
        points: x and y; of bars, x is the number of the group.
        ours: Whether it is to stand out.
    """

    picture: str
    name: str
    points: tuple[tuple[float, float], ...]
    ours: bool = False


@attrs.frozen(kw_only=True)
class Part:
    """What a part found.

    Attributes:
        title: Its heading.
        distributions: Whom it measured, as pip calls them: their versions are printed.
        missing: Who would have taken part, but is not installed.
    """

    title: str
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    series: tuple[Series, ...] = ()
    distributions: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
