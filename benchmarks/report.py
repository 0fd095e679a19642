"""Renders what was found: as text for a terminal, and as RESULTS.md."""

import re
from collections.abc import Iterator, Mapping, Sequence

import attrs

from benchmarks.budget import Judged
from benchmarks.model import Cell, Part, Table

ABSENT = "-"
THOUSAND = 1000
SHARED = (
    "Limits that many processes share have a run of their own, `make bench-shared`;"
    " its figures are in [the design](../docs/design.md#the-shared-store)."
)


_NUMBER = re.compile(r"[-+(≤≥ ]*[\d.]")


@attrs.frozen(kw_only=True)
class Run:
    """One run of the benchmarks.

    Attributes:
        date: As ISO 8601 writes it.
        machine: What it is, by the name of each fact.
        seconds: How long each part took, by its name.
        versions: The distributions that took part.
        parts: What each part found, by its name.
    """

    date: str
    machine: Mapping[str, str]
    versions: str
    seconds: Mapping[str, float]
    parts: Mapping[str, Part]
    judged: Sequence[Judged]

    @property
    def missing(self) -> list[str]:
        """Those who are not installed."""
        return list(dict.fromkeys(each for part in self.parts.values() for each in part.missing))


def number(value: float) -> str:
    """Write a number with three digits that count; whole ones with all."""
    if float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:,.0f}" if abs(value) >= THOUSAND else f"{value:#.3g}".rstrip(".")


def text(cell: Cell) -> str:
    """Write a cell."""
    if cell is None:
        return ABSENT
    return cell if isinstance(cell, str) else number(cell)


def measured(judged: Judged) -> str:
    """Write a figure with a digit more than a cell, so that a narrow miss shows."""
    value, unit = judged.figure.value, judged.figure.unit
    digits = number(value) if float(value).is_integer() else f"{value:.4g}"
    return f"{digits} {unit}".rstrip()


def figures(judged: Sequence[Judged]) -> Table:
    """Return a table of all figures, each beside its bound."""
    notes = tuple(
        f"{each.figure.name}: {each.bound.reason}"
        for each in judged
        if each.bound is not None and each.bound.reason is not None
    )
    return Table(
        title="Figures and what was to be reached",
        columns=("figure", "what it is", "target", "measured", ""),
        rows=tuple(_row(each) for each in judged),
        notes=notes,
    )


def _row(judged: Judged) -> tuple[str, ...]:
    target = ABSENT if judged.bound is None else str(judged.bound)
    return (
        judged.figure.name,
        judged.figure.about,
        target,
        measured(judged),
        judged.verdict,
    )


# In a terminal.


def terminal(table: Table) -> Iterator[str]:
    """Yield the lines of a table, columns of numbers to the right."""
    grid = [table.columns, *(tuple(map(text, row)) for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    signs = [">" if number else "<" for number in _numbers(table)]
    yield table.title
    for row in grid:
        cells = zip(row, signs, widths, strict=True)
        yield ("  " + "  ".join(f"{cell:{sign}{width}}" for cell, sign, width in cells)).rstrip()
    for note in table.notes:
        yield f"  * {note}"


def _numbers(table: Table) -> list[bool]:
    """Tell of each column whether it is one of numbers."""
    columns = range(1, len(table.columns))
    return [False, *(_are_numbers([text(row[each]) for row in table.rows]) for each in columns)]


def _are_numbers(cells: Sequence[str]) -> bool:
    told = [each for each in cells if each != ABSENT]
    return 2 * sum(_NUMBER.match(each) is not None for each in told) > len(told)


# As a page.


def page(run: Run, command: str) -> str:
    """Return RESULTS.md."""
    lines = [
        "# What it costs, what it holds",
        "",
        f"Written by `{command}` on {run.date}: change nothing by hand.",
        "",
        *(f"- {name}: {fact}" for name, fact in run.machine.items()),
        f"- who took part: {run.versions}",
        *([f"- not installed: {', '.join(run.missing)}"] if run.missing else []),
        f"- it took {sum(run.seconds.values()) / 60:.1f} minutes",
        "",
        SHARED,
        "",
        *markdown(figures(run.judged), level=2),
    ]
    for part in run.parts.values():
        lines += [f"## {part.title}", ""]
        for table in part.tables:
            lines += markdown(table, level=3)
    return "\n".join(lines).rstrip() + "\n"


def markdown(table: Table, level: int) -> Iterator[str]:
    """Yield the lines of a table, with its title and notes."""
    yield from (f"{'#' * level} {table.title}", "")
    rules = ["---:" if number else "---" for number in _numbers(table)]
    for row in (table.columns, rules, *table.rows):
        yield "| " + " | ".join(text(cell).replace("|", "\\|") for cell in row) + " |"
    yield ""
    if table.notes:
        yield from (*(f"- {note}" for note in table.notes), "")
