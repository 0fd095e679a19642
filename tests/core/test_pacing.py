import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.catalog import Limit
from resilient.core.pacing import Bucket, Quota, pace, time_for

PERIODS = st.sampled_from([0.5, 1.0, 10.0, 30.0, 60.0])


def limit(calls: int, period: float, burst: int | None = None, jitter: float = 0.1) -> Limit:
    """Return a limit of nobody in particular."""
    return Limit(
        name="x", calls=calls, period=period, per=(("credential",),), burst=burst, jitter=jitter
    )


@pytest.mark.parametrize(
    ("calls", "period", "capacity", "rate"),
    [
        (1200, 60.0, 6, 1195 / 60.1),
        (1300, 60.0, 6, 1295 / 60.1),
        (60, 60.0, 1, 60 / 60.1),
        (7, 1.0, 1, 7 / 1.1),
        (9, 1.0, 1, 9 / 1.1),
        (50, 1.0, 1, 50 / 1.1),
        (100, 1.0, 2, 99 / 1.1),
        (1000, 1.0, 20, 981 / 1.1),
        (45, 60.0, 1, 45 / 60.1),
        (1, 1.0, 1, 1 / 1.1),
        (1, 0.001, 1, 1 / 0.101),
    ],
)
def test_buckets(calls: int, period: float, capacity: int, rate: float) -> None:
    """C = max(1, N // 200, ceil(0.02 N / T)), r = (N - C + 1) / (T + J)."""
    found = pace(limit(calls, period))
    assert isinstance(found, Bucket)
    assert capacity == found.capacity
    assert rate == pytest.approx(found.rate)


@given(st.integers(1, 100_000), PERIODS, st.floats(0.0, 5.0), st.data())
def test_no_window_holds_more(
    calls: int, period: float, jitter: float, data: st.DataObject
) -> None:
    """A full bucket and what refills within a window and its jitter stay below N + 1."""
    burst = data.draw(st.none() | st.integers(1, calls))
    found = pace(limit(calls, period, burst, jitter))
    assert isinstance(found, Bucket)
    assert 1 <= found.capacity <= calls
    assert found.capacity + found.rate * (period + jitter) <= calls + 1 + 1e-6


def test_most_of_the_limit_is_used() -> None:
    """At 1200 a minute more than 99 % of the limit can be used; a full bucket would break it."""
    found = pace(limit(1200, 60.0))
    assert isinstance(found, Bucket)
    assert 0.99 * 1200 <= found.rate * 60
    naive = 1200 + 1200 / 60 * 60
    assert 2400 == naive


@pytest.mark.parametrize(("calls", "period"), [(1600, 3600.0), (8000, 86400.0), (1, 60.001)])
def test_long_windows_are_counted(calls: int, period: float) -> None:
    """Above a minute a limit is a count, not a pace, and its jitter widens the window."""
    assert Quota(calls=calls, period=period, jitter=0.1) == pace(limit(calls, period))


@pytest.mark.parametrize(
    ("calls", "period", "share", "expected"),
    [
        (1200, 60.0, "1/4", (300, 60.0)),
        (7, 1.0, "1/2", (3, 1.0)),
        (7, 1.0, "1/7", (1, 1.0)),
        (7, 1.0, "1/14", (1, 2.0)),
        (1600, 3600.0, "1/3", (533, 3600.0)),
        (1, 60.0, "1/4", (1, 240.0)),
    ],
)
def test_shares(calls: int, period: float, share: str, expected: tuple[int, float]) -> None:
    """A share is rounded down, and less than one call is one call in a longer window."""
    found = pace(limit(calls, period, jitter=0.0), Fraction(share))
    part, window = expected
    if isinstance(found, Bucket):
        assert part / window == pytest.approx(found.rate + (found.capacity - 1) / window)
    else:
        assert expected == (found.calls, found.period)


@given(st.integers(1, 5000), PERIODS, st.integers(1, 50))
def test_shares_add_up_to_no_more(calls: int, period: float, processes: int) -> None:
    """So many processes with their shares keep the limit together."""
    found = pace(limit(calls, period), Fraction(1, processes))
    if isinstance(found, Bucket):
        most = found.capacity + found.rate * period
        assert processes * (math.ceil(most) - 1) <= max(calls, processes)
    else:
        assert processes * found.calls / found.period <= calls / period + 1e-9


@pytest.mark.parametrize("share", ["1", "1/4"])
def test_a_burst_above_the_limit(share: str) -> None:
    """A burst that breaks the limit is an error; a share makes it smaller, as the limit is."""
    with pytest.raises(ValueError, match="a burst of 11 is above the limit's 10 calls"):
        pace(limit(10, 1.0, burst=11), Fraction(share))
    found = pace(limit(10, 1.0, burst=10), Fraction(1, 5))
    assert isinstance(found, Bucket)
    assert 2 == found.capacity


@pytest.mark.parametrize(
    ("calls", "period", "first", "expected"),
    [
        (1200, 60.0, 1, 0.0),
        (1200, 60.0, 100, 99 / (1195 / 60.1)),
        (1600, 3600.0, 1600, 0.0),
        (1600, 3600.0, 1601, 3600.0),
    ],
)
def test_time_for(calls: int, period: float, first: int, expected: float) -> None:
    """From a cold start the first call goes at once and the rest at the rate."""
    assert expected == pytest.approx(time_for(pace(limit(calls, period)), first))
