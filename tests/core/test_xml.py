import gc
from typing import Any
from xml.etree.ElementTree import Element, ParseError, fromstring

import pytest
import strategies
from hypothesis import given

from resilient.core import xml


def plainly(element: Element) -> Any:
    """Return an element as JSON would have it, the plain way."""
    if not len(element):
        return (element.text or "").strip()
    named: dict[str, list[Any]] = {}
    for child in element:
        named.setdefault(child.tag.rpartition("}")[2], []).append(plainly(child))
    return {name: each if len(each) > 1 else each[0] for name, each in named.items()}


@given(strategies.xml_bodies)
def test_as_the_standard_library(body: bytes) -> None:
    """A document is what the standard library's tree has, repeated elements a list."""
    text = body.decode("utf-8", "replace")
    try:
        expected = plainly(fromstring(text))
    except (ParseError, ValueError):
        expected = None
    assert expected == xml.parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<r/>", ""),
        ("<r> a <b/> c </r>", {"b": ""}),
        ("<r>a<!-- x -->b<![CDATA[<c>]]>&lt;</r>", "ab<c><"),
        ('<x:r xmlns:x="urn:x" x:a="1"><x:b>1</x:b><b>2</b></x:r>', {"b": ["1", "2"]}),
        ('<?xml version="1.0" encoding="utf-16"?><r>ж</r>', "ж"),
        ("<r>&nbsp;</r>", None),
        ("<r><a></r>", None),
        ("<r/><r/>", None),
        ("<r>\x00</r>", None),
        ("<r>\ud800</r>", None),
        ("<!DOCTYPE r><r/>", None),
        ("", None),
    ],
)
def test_shapes(text: str, expected: Any) -> None:
    """Text and children are kept, attributes, comments and prefixes left out; a DTD is refused."""
    assert expected == xml.parse(text)


def nested(depth: int) -> str:
    """Return elements, one in the other, the innermost with a text."""
    return "<a>" * depth + "1" + "</a>" * depth


def test_deep() -> None:
    """What is nested deeper than the bound is no longer told apart, and the rest is as ever."""
    found = xml.parse(f"<r>{nested(xml.DEEPEST + 50)}<b>2</b></r>")
    assert "2" == found["b"]
    for _ in range(xml.DEEPEST - 1):
        found = found["a"]
    assert {"a": "1"} == found


def test_many() -> None:
    """Elements beyond the bound are left out; what is open by then has what it has."""
    rest = "<e/>" * (2 * xml.MOST_ELEMENTS)
    found = xml.parse(f"<r><b>1</b><c><d>2</d>{rest}</c><f/></r>")
    assert ("1", "2") == (found["b"], found["c"]["d"])
    assert xml.MOST_ELEMENTS == 4 + len(found["c"]["e"])
    assert "f" not in found


def test_many_and_malformed() -> None:
    """Beyond the bound, too, a document has to be well formed, or it is none."""
    assert xml.parse("<r>" + "<e/>" * (2 * xml.MOST_ELEMENTS)) is None


@pytest.mark.parametrize("text", ["<r><a>1</a></r>", "<r>", "<!DOCTYPE r><r/>"])
def test_nothing_is_left(text: str) -> None:
    """Reading leaves nothing to the garbage collector, whatever comes of it."""
    xml.parse(text)
    gc.collect()
    gc.disable()
    try:
        xml.parse(text)
        assert 0 == gc.collect()
    finally:
        gc.enable()
