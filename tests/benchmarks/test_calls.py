"""The cost of a call is measured; what is found is for people to read."""

from contextlib import nullcontext

import pytest

from benchmarks import calls
from benchmarks.calls.contenders import ALL, ENVELOPE, OURS, USUAL
from benchmarks.calls.measures import Pace
from benchmarks.model import Size
from benchmarks.rounds import Compared


def test_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way has its line and its bars, and ours their figures at each pace."""
    ways = [each for each in ALL if not each.distributions]
    monkeypatch.setattr(calls, "ALL", tuple(ways))
    monkeypatch.setattr(calls, "LOOPS", ("asyncio",))
    monkeypatch.setattr(calls, "paces", lambda size: (Pace(1, 2, 1, 9.0), Pace(3, 2, 1, 9.0)))
    monkeypatch.setattr(calls, "apart", lambda do, *args: do(*args))
    found = calls.measure(Size.QUICK)
    (table,) = found.tables
    assert ["bare aiohttp", *(each.name for each in ways)] == [row[0] for row in table.rows]
    assert {OURS, ENVELOPE} <= {each.name for each in found.series}
    assert {
        "calls.ratio_asyncio_1",
        "calls.session_asyncio_1",
        "calls.envelope_asyncio_1",
        "calls.ratio_asyncio_3",
        "calls.session_asyncio_3",
        "calls.envelope_asyncio_3",
    } == {each.name for each in found.figures}
    assert all(0 < each.value for each in found.figures)
    assert () == found.missing


def test_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is not installed is left out, and named."""
    monkeypatch.setattr(calls, "find_spec", lambda name: None)
    monkeypatch.setattr("benchmarks.calls.contenders.find_spec", lambda name: None)
    monkeypatch.setattr(calls, "serving", lambda: nullcontext(0))
    monkeypatch.setattr(calls, "apart", pretend)
    found = calls.measure(Size.FULL)
    assert {"uvloop", "tenacity", "aiolimiter", "aiohttp-retry"} <= set(found.missing)
    assert ("aiohttp",) == found.distributions
    assert not any("tenacity" in str(row[0]) for table in found.tables for row in table.rows)
    assert not any("share" in each.name for each in found.figures)


def test_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our extra is set against that of the usual pair where that is there."""
    monkeypatch.setattr("benchmarks.calls.contenders.find_spec", lambda name: name)
    monkeypatch.setattr(calls, "LOOPS", ("asyncio",))
    monkeypatch.setattr(calls, "serving", lambda: nullcontext(0))
    monkeypatch.setattr(calls, "apart", pretend)
    shares = [each for each in calls.measure(Size.QUICK).figures if "share" in each.name]
    assert [("calls.share_asyncio_1", 0.5), ("calls.share_asyncio_64", 0.5)] == [
        (each.name, each.value) for each in shares
    ]


def pretend(
    _: object, loop: str, port: int, names: list[str], paces: list[Pace]
) -> list[dict[str, Compared]]:
    """Find that each costs twice as much as bare aiohttp, and the usual pair thrice."""
    costs = {name: Compared((3.0 if name == USUAL else 2.0,), (1.0,)) for name in names}
    return [costs for _ in paces]
