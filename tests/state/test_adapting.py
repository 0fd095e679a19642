"""How a rate follows what a server lets through: the rule, told everything."""

import pytest
from desk import limit
from hypothesis import given
from hypothesis import strategies as st

from resilient.core import adapting, pacing
from resilient.core.adapting import Lowered, capacity_at, lowered, pace_of, risen, span, told


def bucket_of(calls: int, period: float) -> pacing.Bucket:
    """Return the pace of a limit."""
    found = pacing.pace(limit(calls, period))
    assert isinstance(found, pacing.Bucket)
    return found


DOCUMENTED = bucket_of(1200, 60)
RATE = DOCUMENTED.rate
PAUSE = 1.0


@pytest.mark.parametrize(
    ("asked", "expected"), [(None, 60), (0.0, 60), (6, 54), (59, 1), (60, 60), (3600, 60)]
)
def test_of_what_span_the_calls_are_allowed(asked: float | None, expected: float) -> None:
    """What is free after R seconds is what went before the last T - R; a penalty tells nothing."""
    assert expected == span(DOCUMENTED, asked)


@pytest.mark.parametrize("calls", [1080, 900, 700])
def test_what_was_let_through_is_aimed_at(calls: int) -> None:
    """The new rate holds, as a limit, a little less than what the server let through."""
    found = lowered(DOCUMENTED, RATE, calls, PAUSE, 5.0)
    assert pytest.approx(pace_of(DOCUMENTED, calls) * 0.99) == found.rate
    assert (5.0, float(calls)) == (found.at, found.observed)
    assert 0.97 * calls < found.rate * 60 < calls


@pytest.mark.parametrize(("known", "left"), [(None, 0.8), (0, 0.4), (10, 0.4), (5000, 1.0)])
def test_how_far_it_falls(known: int | None, left: float) -> None:
    """By a fifth where nothing is known, to two fifths at most, and never up."""
    assert pytest.approx(RATE * left) == lowered(DOCUMENTED, RATE, known, PAUSE, 0.0).rate


@pytest.mark.parametrize(("pause", "rests"), [(0.0, 60), (1.0, 70), (120, 1260), (9e9, 3600)])
def test_how_long_it_rests(pause: float, rests: float) -> None:
    """A period and ten times the pause, an hour at most: to ask for more costs such a pause."""
    found = lowered(DOCUMENTED, RATE, 600, pause, 100.0)
    assert rests == found.rests
    assert found.rate == risen(DOCUMENTED, found, 100.0 + rests)
    assert found.rate < risen(DOCUMENTED, found, 101.0 + rests)


def test_it_creeps_by_a_constant_amount() -> None:
    """The whole of the documented rate takes an hour, and that is where it ends."""
    found = Lowered(rate=RATE / 2, at=0.0, rests=60.0)
    assert pytest.approx(RATE * 0.75) == risen(DOCUMENTED, found, 60.0 + 900)
    assert RATE == risen(DOCUMENTED, found, 60.0 + 1800)
    assert RATE == risen(DOCUMENTED, found, 1e9)
    assert RATE == risen(DOCUMENTED, None, 0.0)


@pytest.mark.parametrize(
    ("part", "capacity"), [(1.0, 6), (2.0, 6), (0.99, 5), (0.5, 3), (0.1, 1), (0.0, 1)]
)
def test_the_burst_comes_down_with_the_rate(part: float, capacity: int) -> None:
    """As much less may go at once, and one call at least."""
    assert capacity == capacity_at(DOCUMENTED, RATE * part)


def test_what_a_server_says() -> None:
    """A limit that is less than ours is paced for as if it were documented; more is nothing."""
    found = told(DOCUMENTED, RATE, 600, 60.0, 7.0)
    half = bucket_of(600, 60)
    assert Lowered(rate=half.rate, at=7.0, rests=60.0, observed=600.0) == found
    assert None is told(DOCUMENTED, RATE, 1300, 60.0, 7.0)
    assert None is told(DOCUMENTED, RATE, 60, 3600.0, 7.0)
    assert None is told(DOCUMENTED, half.rate / 2, 600, 60.0, 7.0)


@given(
    st.integers(1, 10_000),
    st.floats(0.01, 60.0),
    st.lists(st.tuples(st.none() | st.floats(0, 1e5), st.floats(0, 1e4)), max_size=20),
)
def test_it_stays_between(
    calls: int, period: float, refusals: list[tuple[float | None, float]]
) -> None:
    """Whatever is heard, a rate stays above nothing and never exceeds the documented one."""
    documented = bucket_of(calls, period)
    rate, now = documented.rate, 0.0
    for through, later in refusals:
        found = lowered(documented, rate, through, later, now)
        assert 0.4 * rate * (1 - 1e-9) <= found.rate <= rate
        now += later
        rate = risen(documented, found, now)
        assert found.rate <= rate <= documented.rate
        assert 1 <= capacity_at(documented, rate) <= documented.capacity
    assert adapting.as_documented(documented, now).rate == documented.rate
