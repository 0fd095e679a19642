"""What the page on operations says of adaptive pacing is what the rule comes to."""

import ast
import re

import pytest
from manual import ROOT

from resilient.catalog import Limit
from resilient.core import adapting
from resilient.core.pacing import Bucket, pace

PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
SECTION = PAGE.partition("## Adaptive pacing\n")[2].partition("\n## ")[0]


def bucket() -> Bucket:
    """Return the pace of the example: 1200 a minute."""
    found = pace(Limit(name="calls", calls=1200, period=60, per=(), jitter=0.1))
    assert isinstance(found, Bucket)
    return found


def test_the_example() -> None:
    """The event that is shown is that of a server that lets `observed` calls through."""
    shown = re.search(r"detail=(\{.+\})", SECTION)
    assert shown
    detail, documented = ast.literal_eval(shown[1]), bucket()
    found = adapting.lowered(documented, documented.rate, detail["observed"], 30, 0)
    assert detail["documented"] == pytest.approx(documented.rate, abs=0.05)
    assert detail["before"] == pytest.approx(documented.rate, abs=0.05)
    assert detail["rate"] == pytest.approx(found.rate, abs=0.05)
    assert f"rate: {detail['observed']:g}/min" in SECTION


def test_the_words() -> None:
    """The fractions that are told in words are those of the rule."""
    documented = bucket()
    assert "less one in a hundred" in SECTION
    assert pytest.approx(1 / 100) == 1 - adapting.MARGIN
    assert "two fifths of a rate, and four fifths where nothing is known" in SECTION
    assert (2 / 5, 4 / 5) == (adapting.LEAST, adapting.FACTOR)
    assert "ten times the pause that the refusal cost, an hour at most" in SECTION
    assert (10, 3600) == (adapting.PRICE, adapting.LONGEST_REST)
    assert (
        "a sixtieth of the documented rate each minute: from half of it in half an hour" in SECTION
    )
    half = adapting.Lowered(rate=documented.rate / 2, at=0, rests=0)
    assert documented.rate == pytest.approx(adapting.risen(documented, half, 1800))
    assert documented.rate / 60 == pytest.approx(adapting.risen(documented, half, 60) - half.rate)
