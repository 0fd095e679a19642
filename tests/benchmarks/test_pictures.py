"""The pictures, taken apart as XML."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring
from made_up_run import part

from benchmarks.model import Series
from benchmarks.pictures import PICTURES, WIDTH, draw

SVG = "{http://www.w3.org/2000/svg}"


def drawn(name: str) -> Element:
    """The picture of the made-up figures."""
    return fromstring(draw(PICTURES[name], of(name)))


def of(name: str) -> list[Series]:
    """The series of a picture."""
    return [each for each in part().series if name == each.picture]


def spots(picture: Element) -> Iterator[tuple[float, float]]:
    """Yield where the lines go."""
    for line in picture.iter(f"{SVG}polyline"):
        for pair in line.attrib["points"].split():
            x, y = map(float, pair.split(","))
            yield x, y


@pytest.mark.parametrize("name", ["cost", "grants"])
def test_text(name: str) -> None:
    """A picture has its title, the name of each line or bar, and colours for the dark."""
    picture = drawn(name)
    words = [each.text for each in picture.iter(f"{SVG}text")]
    assert {PICTURES[name].title, *(each.name for each in of(name))} <= set(words)
    style = picture.find(f"{SVG}style")
    assert style is not None
    assert "prefers-color-scheme: dark" in (style.text or "")


def test_lines() -> None:
    """Lines stay within the picture, to scale: what is twice as much stands twice as high."""
    picture = drawn("grants")
    (_, _, width, height) = map(float, picture.attrib["viewBox"].split())
    places = list(spots(picture))
    assert WIDTH == width
    assert all(0 < x < width and 0 < y < height for x, y in places)
    (_, start), (_, end) = places[:2]  # 1200, 2399
    (_, low), (_, limit) = places[2:]  # 6, 1199
    per_call = (start - end) / (2399 - 1200)
    assert pytest.approx(1199 - 6, rel=1e-3) == (low - limit) / per_call


def test_bars() -> None:
    """Bars are as long as their figures say; less than nothing is no bar."""
    bars = [each for each in drawn("cost").iter(f"{SVG}rect") if "fill" in str(each.attrib)]
    ours, less, theirs, more = (float(each.attrib["width"]) for each in bars)
    assert pytest.approx(80 / 112, rel=1e-2) == theirs / more
    assert pytest.approx(12.5 / 112, rel=1e-2) == ours / more
    assert 1 == less


def test_same_again() -> None:
    """The same figures give the same picture, to the byte."""
    assert draw(PICTURES["cost"], of("cost")) == draw(PICTURES["cost"], of("cost"))
