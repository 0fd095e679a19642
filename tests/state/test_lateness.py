"""A timer is late, by a millisecond or by twenty: that costs no rate, and no window."""

import random

import pytest
from desk import limit
from oracle import most_in_window

from resilient.core import pacing
from resilient.state.gauge import Bucket, gauge

START = 1000.0


def paced(calls: int, jitter: float = 0.1) -> Bucket:
    """Return a new bucket of calls a second."""
    found = gauge(pacing.pace(limit(calls, 1, jitter=jitter)), calls, START)
    assert isinstance(found, Bucket)
    return found


def grants(found: Bucket, seconds: float, latest: float) -> list[tuple[float, int]]:
    """Let one call after the other go, each as soon as it may, but for the lateness of a timer."""
    chance, now, sent = random.Random(1), START, list[tuple[float, int]]()
    while now < START + seconds:
        if wait := found.wait(1, now):
            due = now + wait
            now = due + chance.uniform(0, latest)
            found.woken(due, now)
        found.take(1, now)
        sent.append((now, 1))
    return sent


@pytest.mark.parametrize("calls", [7, 20, 100, 1000])
@pytest.mark.parametrize("latest", [0.0, 0.002, 0.02])
def test_lateness_costs_nothing(calls: int, latest: float) -> None:
    """The rate is reached, and the window holds at a server to which the way takes 80 ms more."""
    found = paced(calls)
    sent = grants(found, 60, latest)
    assert found.rate * 60 * 0.997 <= len(sent)
    assert most_in_window(sent, 1.0) <= calls
    chance = random.Random(2)
    there = sorted((at + chance.uniform(0, 0.08), cost) for at, cost in sent)
    assert most_in_window(there, 1.0) <= calls


def test_a_bucket_of_one_would_lose_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: without it, timers that are two milliseconds late cost one in fifty."""
    monkeypatch.setattr(Bucket, "woken", lambda *_: None)
    found = paced(20)
    assert found.rate * 60 * 0.99 > len(grants(found, 60, 0.002))


def test_no_more_than_was_refilled_meanwhile() -> None:
    """What is kept is what came while it was late, and at most twenty milliseconds of it."""
    found = paced(20)
    found.take(1, START)
    rate = found.rate
    due = START + found.wait(1, START)
    found.woken(due, due + 5)
    assert pytest.approx(0.02 * rate) == -found._level
    assert 0.0 == found.wait(1, due + 5)
    found.take(1, due + 5)
    assert pytest.approx(1 / rate - 0.02) == found.wait(1, due + 5)
    found.woken(due + 4, due + 5)
    assert pytest.approx(1 / rate - 0.02) == found.wait(1, due + 5)


def test_a_timer_that_is_early_or_in_time() -> None:
    """Woken before it is due, or by a rounding error later, nothing is given."""
    found = paced(20)
    found.take(1, START)
    found.woken(START - 1, START + 0.01)
    assert pytest.approx(1 - 0.01 * found.rate) == found._level
    found.woken(START + 0.5, START + 0.4)
    found.woken(START + 0.1, START + 0.1 + 1e-8)
    assert 0.0 == pytest.approx(found.wait(1, START + 0.1))
    assert found._level >= 0.0


def test_without_jitter_nothing_is_kept() -> None:
    """Where a limit leaves nothing for the way, every millisecond counts."""
    found = paced(20, jitter=0.0)
    found.take(1, START)
    due = START + found.wait(1, START)
    found.woken(due, due + 0.02)
    assert 0.0 <= found._level


def test_what_is_kept_is_there_until_it_is_taken() -> None:
    """What lateness has left is neither lost nor more when one looks again a moment later."""
    found = paced(20)
    found.take(1, START)
    due = START + found.wait(1, START)
    found.woken(due, due + 0.02)
    kept = found._level
    assert kept < 0.0
    assert found.has(1, due + 0.021)
    assert kept == found._level
