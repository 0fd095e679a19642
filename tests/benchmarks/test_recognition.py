"""The bodies are what they say, and each is measured where it takes longest."""

import pytest

import resilient
from benchmarks import bodies, recognition
from benchmarks.model import Size


@pytest.mark.parametrize("what", bodies.typical())
def test_typical(what: str) -> None:
    """A usual body has about 300 bytes, and is known to its catalog; a success is none."""
    catalog, status, body = bodies.typical()[what]
    failure = resilient.classify(catalog, status=status, body=body)
    assert 300 == pytest.approx(len(body), abs=40)
    assert ("success" in what) == (failure is None)
    assert failure is None or () == failure.unmapped


def test_hostile() -> None:
    """A hostile body is as large as what is read, or of as many parts as need no more."""
    assert all(900 <= len(each) <= bodies.LARGEST for each in bodies.hostile().values())


def test_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every body has its line, the slowest hostile one is the figure, and sizes are compared."""
    few = {"brackets": b"[" * 100, "elements": b"<r>" + b"<a/>" * 5000 + b"</r>"}
    monkeypatch.setattr(bodies, "hostile", lambda: few)
    monkeypatch.setattr(recognition, "ENTRIES", (8, 64))
    found = recognition.measure(Size.QUICK)
    usual, worst, sizes = found.tables
    assert [*bodies.typical()] == [row[0] for row in usual.rows]
    assert {*few} == {row[0] for row in worst.rows}
    assert ["8", "64"] == [row[0] for row in sizes.rows]
    figures = {each.name: each.value for each in found.figures}
    assert worst.rows[0][1] == figures["recognition.hostile_ms"]
    assert {"json_us", "xml_us", "html_us", "success_us", "growth"} <= {
        name.partition(".")[2] for name in figures
    }
