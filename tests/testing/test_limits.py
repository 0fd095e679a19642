from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from resilient.catalog import Limit
from resilient.testing.emulator.asked import Asked
from resilient.testing.emulator.limits import Limits

GAPS = st.lists(st.integers(0, 8), min_size=1, max_size=120)
CALLS, PERIODS = st.integers(1, 6), st.integers(1, 20)


def _limit(calls: int, period: float, **keys: object) -> Limit:
    values = {"name": "calls", "per": (("ip",),), **keys}
    return Limit(calls=calls, period=period, **values)  # type: ignore[arg-type]


def _times(gaps: Sequence[int]) -> list[float]:
    # Whole numbers and quarters: exact as floats, so that the oracle has no rounding of its own.
    return [1_000_000.0 + sum(gaps[: i + 1]) / 4 for i in range(len(gaps))]


def _in_window(times: Sequence[float], now: float, period: float) -> int:
    return sum(now - period < each <= now for each in times)


@given(gaps=GAPS, calls=CALLS, period=PERIODS)
def test_the_log_agrees_with_brute_force(gaps: list[int], calls: int, period: int) -> None:
    """Refusals and the most in any window are what counting every window gives."""
    limits, most, refused = Limits([_limit(calls, period)]), 0, 0
    arrived, admitted = list[float](), list[float]()
    for now in _times(gaps):
        arrived.append(now)
        most = max(most, _in_window(arrived, now, period))
        full = _in_window(admitted, now, period) >= calls
        asked = Asked(method="GET", path="/", time=now)
        tally = limits.take(limits.arrive(asked), now)
        assert full == (tally is not None)
        refused += full
        if not full:
            admitted.append(now)
    (tally,) = limits.tallies
    assert (most, refused) == (tally.most, tally.refused)
    assert all(_in_window(admitted, now, period) <= calls for now in admitted)


@given(gaps=GAPS, calls=CALLS, period=PERIODS)
def test_refused_calls_can_count(gaps: list[int], calls: int, period: int) -> None:
    """With `count_refused` each arrival fills the window, refused or not."""
    limits, arrived = Limits([_limit(calls, period)], count_refused=True), list[float]()
    for now in _times(gaps):
        full = _in_window(arrived, now, period) >= calls
        arrived.append(now)
        asked = Asked(method="GET", path="/", time=now)
        assert full == (limits.take(limits.arrive(asked), now) is not None)


@given(gaps=GAPS, calls=CALLS, period=PERIODS)
def test_a_refused_call_knows_its_wait(gaps: list[int], calls: int, period: int) -> None:
    """After the wait that a refusal tells there is room, and not a moment earlier."""
    limits = Limits([_limit(calls, period)])
    for now in _times(gaps):
        asked = Asked(method="GET", path="/", time=now)
        full = limits.take(limits.arrive(asked), now)
        if full is not None:
            then = now + full.wait(now)
            assert then > now
            admitted = list(full._counted.times)
            assert _in_window(admitted, then, period) < calls
            assert _in_window(admitted, then - 0.25, period) >= calls


def test_measuring_refuses_nothing() -> None:
    """Limits that are not enforced let all calls pass and still tell the most."""
    limits = Limits([_limit(2, 60)], enforced=False)
    for _ in range(5):
        assert limits.take(limits.arrive(Asked(method="GET", path="/")), 0.0) is None
    (tally,) = limits.tallies
    assert (5, 0, False) == (tally.most, tally.refused, tally.holds)


def test_a_call_with_room_does_not_wait() -> None:
    """Below the limit the wait is none."""
    limits = Limits([_limit(1, 60)])
    (tally,) = limits.arrive(Asked(method="GET", path="/"))
    assert 0.0 == tally.wait(0.0)


def test_all_limits_or_none_are_charged() -> None:
    """A call that one limit refuses does not count towards another."""
    limits = Limits([_limit(5, 60), _limit(1, 60, name="one", endpoint="one")])
    for _ in range(5):
        limits.take(limits.arrive(Asked(method="GET", path="/", endpoint="one")), 0.0)
    for _ in range(4):
        asked = Asked(method="GET", path="/", endpoint="two")
        assert limits.take(limits.arrive(asked), 0.0) is None
    assert limits.take(limits.arrive(Asked(method="GET", path="/")), 0.0) is not None


def test_scopes_do_not_share() -> None:
    """Each scope has a window of its own, compound scopes too."""
    limits = Limits([_limit(1, 60, per=(("ip", "host"),))])
    for peer, host in (("1.1.1.1", "a"), ("1.1.1.1", "b"), ("2.2.2.2", "a")):
        asked = Asked(method="GET", path="/", peer=peer, headers={"Host": host})
        assert limits.take(limits.arrive(asked), 0.0) is None
    assert ["ip:1.1.1.1+host:a", "ip:1.1.1.1+host:b", "ip:2.2.2.2+host:a"] == [
        tally.scope for tally in limits.tallies
    ]
