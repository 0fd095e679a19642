"""Writes what a full run found: RESULTS.md, the pictures, and the table in the README."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks import pictures, report
from benchmarks.report import Run

ROOT = Path(__file__).resolve().parents[1]
COMMAND = "make bench"
MARKER = "<!-- measured -->"
FRONT = (
    (
        "processor time of a successful call, against bare aiohttp",
        "{calls.ratio_asyncio_1} one at a time, {calls.ratio_asyncio_64} 64 at a time",
        "{calls.usual_asyncio_1}, {calls.usual_asyncio_64}",
    ),
    (
        "the same, with errors looked for within HTTP 200",
        "{calls.envelope_asyncio_1}, {calls.envelope_asyncio_64}",
        "",
    ),
    (
        "most calls over a limit, in any window of 1200/min, 60/min, 7/s, or two at once",
        "{exactness.over}, and {exactness.used_1200} of 1200/min is used",
        "{exactness.usual_most_1200} in a minute of 1200",
    ),
    (
        "12,000 calls at 1200/min, at a vendor who bans",
        "done in {goodput.a_minutes}, bans: {goodput.a_bans}",
        "{goodput.usual_done_a} done, bans: {goodput.usual_bans_a}",
    ),
    (
        "the same, and a neighbour on the key takes 120/min",
        "done in {goodput.c_minutes}, bans: {goodput.c_bans}",
        "{goodput.usual_done_c} done, bans: {goodput.usual_bans_c}",
    ),
    (
        "processor time of a grant with 1,000 waiting, and against it with 1,000,000",
        "{waiters.us_1k}, {waiters.growth}",
        "",
    ),
    ("a call with 100,000 credentials in use, against one", "{scale.growth}", ""),
)
"""What the README tells, in the words of a template for each cell, with figures by their names."""

_NAME = re.compile(r"\{([\w.]+)\}")


def publish(run: Run, root: Path = ROOT) -> None:
    """Write all of it."""
    (root / "benchmarks" / "RESULTS.md").write_text(report.page(run, COMMAND), "utf-8")
    for name, svg in drawn(run).items():
        file = root / "docs" / "pictures" / f"{name}.svg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(svg, "utf-8")
    readme = root / "README.md"
    figures = {each.figure.name: report.measured(each) for each in run.judged}
    readme.write_text(with_front(readme.read_text("utf-8"), figures), "utf-8")


def drawn(run: Run) -> Mapping[str, str]:
    """Return the pictures for which there is something to draw, by their names."""
    series = [each for part in run.parts.values() for each in part.series]
    found = {name: [each for each in series if each.picture == name] for name in pictures.PICTURES}
    return {
        name: pictures.draw(pictures.PICTURES[name], each) for name, each in found.items() if each
    }


def with_front(readme: str, figures: Mapping[str, str]) -> str:
    """Return the README with these figures in its table: the lines after the marker."""
    before, marker, after = readme.partition(f"{MARKER}\n")
    if not marker:
        raise ValueError(f"no {MARKER} in the README")
    lines = after.splitlines(keepends=True)
    old = next(number for number, line in enumerate(lines) if not line.startswith("|"))
    return before + marker + "".join(f"{each}\n" for each in front(figures)) + "".join(lines[old:])


def front(figures: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of the README's table: a row whose figures are not there is left out."""
    yield from ("| what | resilient | aiolimiter(N, T) + tenacity |", "|---|---|---|")
    for row in FRONT:
        if all(name in figures for cell in row for name in _NAME.findall(cell)):
            cells = (_NAME.sub(lambda found: figures[found[1]], cell) for cell in row)
            yield f"| {' | '.join(cells)} |"
