"""The benchmark of limits counts rightly, and sees who does not hold them."""

import asyncio
import time
from collections.abc import Iterator
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.exactness import findings
from benchmarks.exactness.clocks import run, virtual_clocks
from benchmarks.exactness.contenders import BY_NAME, OURS, USUAL
from benchmarks.exactness.rates import LIMITS, Reached
from benchmarks.exactness.saturation import Effort, Held, grants, held
from benchmarks.exactness.windows import last_period, most_within
from benchmarks.model import Table
from benchmarks.shared.model import Limit

FEW = Limit(7, 1)
BRIEF = Effort(seconds=5.0, phases=3)

TIMES = st.lists(st.integers(0, 60).map(lambda eighths: eighths / 8), max_size=40).map(sorted)
PERIODS = st.integers(1, 40).map(lambda eighths: eighths / 8)


@given(times=TIMES, period=PERIODS)
def test_the_most_in_a_window(times: list[float], period: float) -> None:
    """The fullest window is found, and holds its beginning but not its end."""
    windows = [sum(start <= each < start + period for each in times) for start in times]
    assert max(windows, default=0) == most_within(times, period)


def test_a_hair() -> None:
    """What rounding moved into a window is not counted against anybody."""
    assert 1 == most_within([0.8, 0.9], 0.1)


@given(times=TIMES, period=PERIODS, at=TIMES)
def test_the_last_period(times: list[float], period: float, at: list[float]) -> None:
    """A point of a line counts the calls of the period that ends there."""
    expected = [sum(moment - period < each <= moment for each in times) for moment in at]
    assert expected == last_period(times, period, at)


def test_a_limit_is_held() -> None:
    """This library never lets more through than the limit, nor much less."""
    (found,) = held(OURS, [Limit(60, 60)], Effort(seconds=300.0, phases=4))
    assert 60 == found.most
    assert 0.99 < found.used <= 1


def test_two_limits_are_held() -> None:
    """Each of two limits is held, and the tighter one decides."""
    second, minute = held(OURS, [Limit(20, 1), Limit(60, 60)], BRIEF)
    assert second.most <= 20
    assert minute.most <= 60


def test_a_full_bucket_is_caught() -> None:
    """Negative control: a bucket of the limit's own size lets nearly twice the limit through."""
    (found,) = held(USUAL, [FEW], BRIEF)
    assert 2 * FEW.calls - 1 == found.most
    assert found.used > 1


def test_idle_callers() -> None:
    """One call goes alone before the callers come."""
    times = grants(BY_NAME["aiolimiter(1, T/N)"], [FEW], seconds=1.0, idle=30.0)
    assert [-30.0, 0.0] == pytest.approx(times[:2], abs=1e-3)


@pytest.fixture
def readings() -> Iterator[dict[str, float]]:
    """Return what this module reads from the clocks in virtual time, after an hour."""

    async def read() -> dict[str, float]:
        with virtual_clocks([__name__]):
            begun = {"time": time.time(), "monotonic": monotonic(), "ns": time.monotonic_ns()}
            await asyncio.sleep(3600)
            ended = {"time": time.time(), "monotonic": monotonic(), "ns": time.monotonic_ns()}
        return {name: ended[name] - each for name, each in begun.items()}

    found = run(read())
    yield found
    assert time.monotonic is monotonic


def test_clocks_are_virtual(readings: dict[str, float]) -> None:
    """Whoever reads a clock of `time` sees the virtual time, however it was imported."""
    assert {"time": 3600, "monotonic": 3600, "ns": 3600e9} == pytest.approx(readings)


def test_what_is_printed() -> None:
    """Each contender has its row, and each limit of a minute and each rate its figure."""
    minute, second = Limit(1200, 60), Limit(20, 1)
    one = {
        OURS.name: (Held(limit=minute, most=1199, used=0.995),),
        USUAL.name: (Held(limit=minute, most=2399, used=1.1),),
    }
    two = {OURS.name: (*one[OURS.name], Held(limit=second, most=21, used=0.9))}
    rates = {(OURS.name, limit): Reached(limit.calls * 0.9, limit.calls) for limit in LIMITS}
    holding: findings.Holding = {(minute,): one, (minute, second): two}
    usual = (USUAL.name, "2399", "1.100")
    assert [(OURS.name, "1199", "0.995"), usual] == rows(findings.alone(holding, BRIEF))
    assert [(OURS.name, "1199", "21", "0.995")] == rows(findings.together(holding))
    assert 7 == len(findings.reached(rates).rows[0])
    figures = {each.name: each.value for each in findings.figures(holding, rates)}
    assert {
        "exactness.over": 1,
        "exactness.usual_most_1200": 2399,
        "exactness.used_1200": 0.995,
        "exactness.rate_20": 0.9,
        "exactness.rate_100": 0.9,
        "exactness.rate_1000": 0.9,
    } == figures


def rows(table: Table) -> list[tuple[object, ...]]:
    """Return the rows of a table."""
    return list(table.rows)
