"""A bucket that follows the server: what it counts, how it slows down, how it comes back."""

import random
from itertools import accumulate

import pytest
from desk import limit
from oracle import most_in_window

from resilient.core import pacing
from resilient.model import Pause
from resilient.state.adaptive import Adaptive, gauge
from resilient.state.gauge import Bucket
from resilient.state.tally import Tally

START = 1000.0


def bucket(calls: int = 1200, period: float = 60.0) -> Adaptive:
    """Return a new bucket of a limit."""
    found = gauge(pacing.pace(limit(calls, period)), calls, START, adaptive=True)
    assert isinstance(found, Adaptive)
    return found


def busy(found: Adaptive, since: float, until: float) -> float:
    """Take whatever there is between two times; return when the last went."""
    now = since
    while (then := now + found.wait(1, now)) < until:
        found.take(1, then)
        now = then
    return now


def refusal(asked: float | None = None) -> Pause:
    """Return what a refusal leaves behind."""
    return Pause(scope="credential", seconds=asked or 1.0, asked=asked)


def refused(found: Adaptive, at: float, asked: float | None = None, *, alone: bool = True) -> bool:
    """Refuse a call that was sent at a time, and is answered a moment later."""
    return found.refused(1, at, refusal(asked), at + 0.05, alone=alone)


def test_only_where_it_is_wanted() -> None:
    """`adaptive: false` is an ordinary bucket, and a quota is a count in any case."""
    steady = gauge(pacing.pace(limit(9, 60)), 9, START, adaptive=False)
    assert type(steady) is Bucket
    assert (False, None) == (steady.restore(START), steady.lowered)
    assert steady.rate == steady.rate_at(START)
    counted = gauge(pacing.pace(limit(9, 3600)), 9, START, adaptive=True)
    assert not isinstance(counted, Bucket)


def test_it_slows_down_to_what_went_through() -> None:
    """Of a server that lets 594 through in 30 seconds and has 30 to wait, 600 a minute are left."""
    found = bucket()
    last = busy(found, START, START + 300)
    assert refused(found, last, asked=30)
    assert found.lowered is not None
    assert 596 == pytest.approx(found.lowered.observed, abs=2)
    assert 580 < found.rate * 60 < 596
    assert found.max_rate == 2


def test_calls_under_way_together_count_once() -> None:
    """Neither the refusal of another call that was sent before it was heard, nor of the probe."""
    found = bucket()
    last = busy(found, START, START + 100)
    assert refused(found, last)
    rate = found.rate
    assert not refused(found, last)
    assert not refused(found, last + 0.04)
    found.note(last + 10)
    assert not refused(found, last + 9)
    assert rate == found.rate
    assert refused(found, last + 20)


def test_what_was_before_us_is_not_known() -> None:
    """A refusal that may be about calls before our first one says nothing of the rate."""
    found = bucket()
    last = busy(found, START, START + 30)
    assert not refused(found, last)
    assert not refused(found, last, asked=29)
    assert refused(found, last, asked=31)


def test_with_other_processes() -> None:
    """Where others share the limit, what went here is not what was let through: a fifth less."""
    found = bucket()
    assert refused(found, busy(found, START, START + 100), asked=30, alone=False)
    assert pytest.approx(0.8 * found.documented.rate) == found.rate
    assert found.lowered is not None
    assert found.lowered.observed is None


def test_it_comes_back() -> None:
    """It creeps up while calls go, is told once, and then is idle when full."""
    found = bucket()
    last = busy(found, START, START + 100)
    refused(found, last, asked=30)
    slow = found.rate
    busy(found, last + 400, last + 1000)
    assert slow < found.rate < found.documented.rate
    assert not found.has_recovered(last + 1000)
    assert not found.idle(last + 1200)
    assert found.idle(last + 5000)
    assert [True, False] == [found.has_recovered(last + 5000) for _ in range(2)]
    assert (found.documented.rate, 6) == (found.rate, found.max_rate)


def test_an_operator_restores_it() -> None:
    """By hand it is as fast as documented at once; where it is, nothing was done."""
    found = bucket()
    assert not found.restore(START)
    last = busy(found, START, START + 100)
    refused(found, last, asked=30)
    assert found.restore(last + 1)
    assert found.documented.rate == found.rate
    assert not found.restore(last + 2)
    assert found.has_recovered(last + 2)


def test_a_cap_ends() -> None:
    """A cap holds over what was learned, and beneath it nothing is forgotten."""
    found = bucket()
    found.cap(1.0, START)
    assert (1.0, 1) == (found.rate_at(START + 9), found.max_rate)
    found.cap(float("inf"), START + 10)
    assert (found.documented.rate, 6) == (found.rate, found.max_rate)


@pytest.mark.parametrize("seed", range(5))
def test_the_documented_window_holds(seed: int) -> None:
    """However often it is refused, capped and restored: no window holds more than documented."""
    chance, found = random.Random(seed), bucket(600, 10.0)
    now, sent = START, list[tuple[float, int]]()
    for _ in range(4000):
        now += chance.choice([0.0, 0.0, 0.0, 0.02])
        fate = chance.random()
        if fate < 0.002:
            refused(found, now, asked=chance.choice([None, 1, 4]))
        elif fate < 0.004:
            found.cap(chance.choice([5.0, float("inf"), float("inf")]), now)
        elif fate < 0.05:
            found.restore(now)
        cost = chance.choice([1, 1, 1, 2])
        now += found.wait(cost, now)
        found.take(cost, now)
        if chance.random() < 0.1:
            found.give_back(cost, now, now)
        else:
            sent.append((now, cost))
    assert most_in_window(sent, 10.0) <= 600


def test_the_window_is_seen_to_break(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a bucket that is refilled whenever its rate turns overfills a window."""

    def refill(self: Adaptive, now: float) -> None:
        self._level, self._last_check, self._full_at = 0.0, now, now

    monkeypatch.setattr(Adaptive, "_pace", refill)
    with pytest.raises(AssertionError):
        test_the_documented_window_holds(0)


def test_a_tally() -> None:
    """Between two samples calls are taken to have gone evenly, and a silence is one."""
    found = Tally(64.0, 0.0)
    times = list(accumulate([0.25] * 240, initial=0.0))
    for total, now in enumerate(times):
        if now >= found.due:
            found.note(float(total), now)
    assert 160 == pytest.approx(found.at(40.0, 241.0, 60.0), abs=1)
    found.note(241.0, 100.0)
    assert 241 == pytest.approx(found.at(70.0, 241.0, 100.0), abs=1)
    assert 245 == pytest.approx(found.at(100.5, 250.0, 101.0), abs=1)
    assert found.covers(0.0)


def test_a_tally_forgets() -> None:
    """It goes back for a period and a quarter at least, and no further than it has room."""
    found = Tally(64.0, 0.0)
    for second in range(1000):
        found.note(float(second), float(second))
    assert (True, False) == (found.covers(1000.0 - 80), found.covers(1000.0 - 200))
    forgetful = bucket(60)
    for second in range(1000):
        forgetful.take(1, START + second)
    assert None is forgetful.went(START, START + 1, START + 1000)
    assert 0.0 == forgetful.used(START, START + 1000)
