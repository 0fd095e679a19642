"""The README's figures and pictures are those of the last full run of the benchmarks."""

from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import parse
from manual import README, ROOT, links, tables

from benchmarks import publish
from benchmarks.budget import load

RESULTS = ROOT / "benchmarks" / "RESULTS.md"
PICTURES = sorted({link for _, link in links(README) if link.endswith(".svg")})


def measured() -> dict[str, str]:
    """The figures of the last run, by their names."""
    (figures,) = (each.rows for each in tables(RESULTS) if "figure" in each.rows[0])
    return {row["figure"]: row["measured"] for row in figures}


def test_figures() -> None:
    """The README's table is what the figures of that run make of it."""
    readme = README.read_text("utf-8")
    assert publish.with_front(readme, measured()) == readme
    assert 2 + len(publish.FRONT) == len(list(publish.front(measured())))


def test_other_figures_would_be_noticed() -> None:
    """Another figure would make another table."""
    readme = README.read_text("utf-8")
    others = measured() | {"calls.ratio_asyncio_1": "7.77 x"}
    assert "7.77 x" in publish.with_front(readme, others) != readme


def test_every_bound_was_measured() -> None:
    """Each figure that the budget bounds is among those of that run."""
    assert set() == load().keys() - measured().keys()


def test_three_pictures() -> None:
    """The README shows what is granted, what gets done, and what a call costs."""
    assert [f"docs/pictures/{name}.svg" for name in ("cost", "goodput", "grants")] == PICTURES


@pytest.mark.parametrize("picture", PICTURES)
def test_pictures(picture: str) -> None:
    """Each picture that the README shows is there, and is one."""
    root = parse(ROOT / picture).getroot()
    assert isinstance(root, Element)
    assert "{http://www.w3.org/2000/svg}svg" == root.tag
