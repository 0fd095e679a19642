import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.core.backoff import exponential, full_jitter, half_jitter, upwards
from resilient.policy import Backoff

SECONDS = st.floats(0.001, 86400.0)
CHANCE = st.floats(0.0, 1.0, exclude_max=True)
ATTEMPT = st.integers(1, 10_000)


@st.composite
def delays(draw: st.DrawFn) -> Backoff:
    """Return a delay with its base at most its cap."""
    base, cap = sorted((draw(SECONDS), draw(SECONDS)))
    return Backoff(base=base, cap=cap)


@pytest.mark.parametrize(
    ("attempt", "expected"),
    [(1, 0.2), (2, 0.4), (3, 0.8), (7, 12.8), (8, 20.0), (10_000, 20.0)],
)
def test_doubles_up_to_its_cap(attempt: int, expected: float) -> None:
    """Each attempt doubles the delay, and no attempt is too many for it."""
    assert expected == pytest.approx(exponential(Backoff(base=0.2, cap=20.0), attempt))


@given(delays(), ATTEMPT, CHANCE)
def test_full_jitter_is_within_bounds(delay: Backoff, attempt: int, u: float) -> None:
    """A retry's delay is at least nothing and at most the exponential one."""
    assert 0.0 <= full_jitter(delay, attempt, u) <= exponential(delay, attempt) <= delay.cap


@given(delays(), ATTEMPT, CHANCE)
def test_half_jitter_is_never_next_to_nothing(delay: Backoff, attempt: int, u: float) -> None:
    """A pause is at least half of the exponential delay."""
    whole = exponential(delay, attempt)
    assert whole / 2 <= half_jitter(delay, attempt, u) <= whole


@given(delays(), ATTEMPT)
def test_jitter_spreads(delay: Backoff, attempt: int) -> None:
    """The number drawn moves the delay over its whole range."""
    whole = exponential(delay, attempt)
    assert (0.0, whole) == (full_jitter(delay, attempt, 0.0), full_jitter(delay, attempt, 1.0))
    assert (whole / 2, whole) == (
        half_jitter(delay, attempt, 0.0),
        half_jitter(delay, attempt, 1.0),
    )


@given(st.floats(0.0, 1e9), CHANCE)
def test_what_is_asked_is_never_undercut(asked: float, u: float) -> None:
    """A server's wait is kept, and at most a tenth longer."""
    assert asked <= upwards(asked, u) <= asked * 1.1


@pytest.mark.parametrize(("base", "cap"), [(0.0, 1.0), (1.0, 0.0), (2.0, 1.0), (-1.0, 1.0)])
def test_impossible_delays(base: float, cap: float) -> None:
    """A delay is above nothing, and its base at most its cap."""
    with pytest.raises(ValueError, match=r"base|cap"):
        Backoff(base=base, cap=cap)
