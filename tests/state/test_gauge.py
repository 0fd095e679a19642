"""The arithmetic of one limit: the bucket that paces and the quota that counts."""

import inspect
import math
import random
from fractions import Fraction

import pytest
from aiolimiter import AsyncLimiter
from desk import limit
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Spent, most_in_window

from resilient.core import pacing
from resilient.state.gauge import Bucket, Quota, gauge

START = 1_000_000.0


def bucket(calls: int, period: float, now: float = START) -> Bucket:
    """Return a new bucket for a limit."""
    found = gauge(pacing.pace(limit(calls, period)), calls, now)
    assert isinstance(found, Bucket)
    return found


def quota(calls: int, period: float, now: float = START) -> Quota:
    """Return a new quota for a limit."""
    found = gauge(pacing.pace(limit(calls, period, jitter=0.0)), calls, now)
    assert isinstance(found, Quota)
    return found


def test_the_formula_is_the_documented_one() -> None:
    """The module says by which formula it paces, in the words that this test calculates."""
    said = inspect.getdoc(pacing) or ""
    assert "capacity C = max(1, N // 200, ceil(0.02 * N / T)), at most N" in said
    assert "rate     r = (N - C + 1) / (T + J)" in said


@given(
    n=st.integers(1, 5000),
    t=st.floats(0.1, 60.0, allow_nan=False),
    j=st.sampled_from([0.0, 0.1, 1.0]),
    share=st.sampled_from(["1", "1/4", "2/3"]),
)
def test_the_formula(n: int, t: float, j: float, share: str) -> None:
    """Burst and rate are what the formula gives, and the bound that they make is N + 1."""
    part = math.floor(n * Fraction(share))
    if part == 0:
        return
    c = min(max(1, part // 200, math.ceil(0.02 * part / t)), part)
    found = pacing.pace(limit(n, t, jitter=j), Fraction(share))
    rate = (part - c + 1) / (t + j)
    assert pacing.Bucket(capacity=c, rate=rate, calls=part, period=t, jitter=j) == found
    assert part + 1 == pytest.approx(c + found.rate * (t + j))


@pytest.mark.parametrize(
    ("calls", "period", "share", "expected"),
    [
        (1200, 60, "1", (6, 1195 / 60.1)),
        (60, 60, "1", (1, 60 / 60.1)),
        (7, 1, "1", (1, 7 / 1.1)),
        (1000, 1, "1", (20, 981 / 1.1)),
        (1200, 60, "1/4", (1, 300 / 60.1)),
        (1, 10, "1/4", (1, 1 / 40.1)),
        (3, 10, "1/4", (1, 1 / (10 / 0.75 + 0.1))),
    ],
)
def test_paces(calls: int, period: float, share: str, expected: tuple[int, float]) -> None:
    """Documented limits, their part for one process of four, and a part of less than a call."""
    found = pacing.pace(limit(calls, period), Fraction(share))
    assert isinstance(found, pacing.Bucket)
    assert expected[0] == found.capacity
    assert pytest.approx(expected[1]) == found.rate


@pytest.mark.parametrize(
    ("calls", "period", "share", "expected"),
    [(1600, 3600, "1", (1600, 3600)), (1600, 3600, "1/3", (533, 3600)), (1, 30, "1/4", (1, 120))],
)
def test_quotas(calls: int, period: float, share: str, expected: tuple[int, float]) -> None:
    """Windows above a minute are counted, also those that a small share makes so long."""
    found = pacing.pace(limit(calls, period), Fraction(share))
    assert isinstance(found, pacing.Quota)
    assert expected == (found.calls, found.period)


def test_a_burst_above_the_limit() -> None:
    """A burst that would break the limit is an error."""
    with pytest.raises(ValueError, match="8 is above the limit's 7 calls"):
        pacing.pace(limit(7, 1, burst=8))


@pytest.mark.parametrize("start", [0.0, 5.0, START, 1e9])
def test_a_new_bucket_holds_one_call(start: float) -> None:
    """Whatever the loop's clock shows, a new bucket lets one call go, and then its rate."""
    new = bucket(1200, 60, start)
    assert 0.0 == new.wait(1, start)
    new.take(1, start)
    assert pytest.approx(60.1 / 1195, rel=1e-4) == new.wait(1, start)


def test_aiolimiters_own_start_is_full() -> None:
    """What is set right here: aiolimiter begins full wherever the clock shows much."""
    new = bucket(1200, 60)
    new._last_check = 0.0
    assert 0.0 == new.wait(6, START)


def test_a_bucket_emptied_holds_one_call() -> None:
    """After a pause there is one call again, and a debt is not forgiven."""
    one, owing = bucket(1200, 60), bucket(1200, 60)
    one.empty(START + 60)
    assert 0.0 == one.wait(1, START + 60) < one.wait(2, START + 60)
    owing.take(100, START)
    before = owing.wait(1, START)
    owing.empty(START)
    assert before == owing.wait(1, START) > 4


@pytest.mark.parametrize("cost", [7, 60, 1200])
def test_a_cost_above_the_burst(cost: int) -> None:
    """It goes once the bucket was full for (k - C)/r untouched, and leaves the debt."""
    found, rate = bucket(1200, 60), 1195 / 60.1
    now = START + 60
    untouched = (cost - 6) / rate
    full = START + 5 / rate
    assert pytest.approx(max(0.0, full + untouched - now)) == found.wait(cost, now)
    found.take(1, now)
    assert pytest.approx(1 / rate + untouched) == found.wait(cost, now)
    now += 1 / rate + untouched
    assert 0.0 == found.wait(cost, now + 1e-6)
    found.take(cost, now)
    assert pytest.approx((cost - 5) / rate, rel=1e-6) == found.wait(1, now)


def test_a_call_given_back_in_time() -> None:
    """What was taken and given back at once is as if it had not been."""
    one, other = bucket(1200, 60), bucket(1200, 60)
    for now in (START + 1, START + 1.02, START + 1.5):
        one.take(3, now)
        other.take(3, now)
        one.take(2, now)
        one.give_back(2, now, now)
        assert other.wait(6, now) == pytest.approx(one.wait(6, now))


def test_a_call_given_back_late() -> None:
    """What was refilled since is no more than what a bucket that was full has lost."""
    found, rate = bucket(1200, 60), 1195 / 60.1
    taken, now = START + 1, START + 1 + 1 / rate
    found.take(1, taken)
    found.take(1, now)
    found.give_back(1, taken, now)
    assert pytest.approx(1 / rate) == found.wait(6, now)


@given(seed=st.integers(0, 10**6))
def test_giving_back_late_mints_nothing(seed: int) -> None:
    """However late a call is given back, no window holds more than the limit."""
    chance, found, now = random.Random(seed), bucket(60, 3), START
    held, spent = list[tuple[float, int]](), list[Spent]()
    for _ in range(300):
        now += chance.choice([0.0, 0.0, 0.01, 0.05, 1.0])
        cost = chance.choice([1, 1, 2, 5])
        if found.wait(cost, now) == 0.0:
            found.take(cost, now)
            held.append((now, cost))
        if held and chance.random() < 0.7:
            taken, cost = held.pop(chance.randrange(len(held)))
            if chance.random() < 0.5:
                found.give_back(cost, taken, now)
            else:
                spent.append((taken, cost))
    spent += held
    assert most_in_window(spent, 3 + 0.1 - 1e-6) <= 60


@pytest.mark.parametrize("period", [61.0, 3600.0, 86400.0])
@settings(max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_a_quota_is_exact(period: float, seed: int) -> None:
    """64 slices never let more than N through, and their wait is true to one slice."""
    chance, found, now = random.Random(seed), quota(50, period), START
    spent = list[Spent]()
    for _ in range(200):
        now += chance.choice([0.0, chance.expovariate(60 / period), chance.uniform(0, period)])
        cost = chance.choice([1, 1, 3, 50])
        wait = found.wait(cost, now)
        assert 0 <= wait <= period * 65 / 64 + 1e-6
        taken = sum(cost for time, cost in spent if time > now - period)
        if wait > 0:
            older = sum(c for time, c in spent if time > now - period * 65 / 64)
            assert older + cost > 50
            continue
        assert taken + cost <= 50
        found.take(cost, now)
        if chance.random() < 0.2:
            late = now + chance.choice([0.0, period / 50, period * 2])
            found.give_back(cost, now, late)
            now = late
        else:
            spent.append((now, cost))
    assert most_in_window(spent, period) <= 50


@given(seed=st.integers(0, 10**6))
def test_a_quotas_wait_is_enough(seed: int) -> None:
    """After the wait that a quota tells there is room, and not a slice earlier."""
    chance, found, now = random.Random(seed), quota(20, 640), START
    for _ in range(60):
        cost = chance.choice([1, 5, 20])
        wait = found.wait(cost, now)
        if wait > 1e-6:
            assert found.wait(cost, now + wait - 1e-3) > 0
        now += wait + 1e-6
        assert 0.0 == found.wait(cost, now)
        found.take(cost, now)
        now += chance.uniform(0, 30)


def test_a_quota_gives_back_what_was_taken_then() -> None:
    """A call given back is taken off its own slice: the others count as long as they would."""
    found, later = quota(2, 640), START + 320
    found.take(1, START)
    found.take(1, later)
    found.give_back(1, START, later)
    assert 640 < found.wait(2, later) <= 650
    found.give_back(1, later, later + 700)
    assert 0.0 == found.wait(2, later + 700)


@pytest.mark.parametrize("calls", [1, 5, 64, 1000])
@pytest.mark.parametrize("taken", [0, 1])
def test_a_quota_in_doubt(calls: int, taken: int) -> None:
    """What others took is unknown: it counts as used up, and comes back evenly over the window."""
    found = quota(calls, 640)
    found.take(taken, START)
    found.doubt(START)
    assert calls == found.level(START)
    assert 0 < found.wait(1, START) <= 640 / min(calls, 64) + 20
    for gone in range(0, 650, 5):
        back = calls - found.level(START + gone)
        assert -1e-6 <= gone * calls / 640 - back <= 1 + calls / 32  # a call, two slices
    assert 0.0 == found.wait(calls, START + 650)


@pytest.mark.parametrize(
    ("level", "left"), [(6, [1, 2, 3]), (5, [0, 2, 3]), (3, [0, 0, 3]), (0, [])]
)
def test_a_quota_that_learns_of_less(level: int, left: list[int]) -> None:
    """The latest of the calls that it knows are kept: they hold others up the longest."""
    found = quota(10, 640)
    for count in (1, 2, 3):
        found.take(count, START + 100 * count)
    found.learn(level, START + 300)
    expected = [sum(left[at:]) for at in range(4)]
    assert expected == [found.level(START + 300 + at) for at in (0, 460, 560, 660)]


def test_a_quota_that_learns_of_more() -> None:
    """Calls of others that it hears of count as if they went just now."""
    found = quota(10, 640)
    found.take(2, START)
    found.learn(7, START + 320)
    assert [7, 5, 0] == [found.level(START + at) for at in (320, 660, 980)]


@pytest.mark.parametrize(("cost", "expected"), [(1, 0), (10, 0), (11, 640), (20, 640), (21, 1280)])
def test_a_quota_foresees_a_queue(cost: int, expected: float) -> None:
    """So long at least does a queue of so many calls take."""
    assert expected == quota(10, 640).foresee(cost, START)


@pytest.mark.parametrize("step", [1.0, 3600.0, 31_536_000.0])
@pytest.mark.parametrize("found", [bucket(60, 60), quota(60, 3600)])
def test_a_clock_that_steps_back(found: Bucket | Quota, step: float) -> None:
    """A step back of the loop's clock gives no negative wait, none beyond T, and no call more."""
    now = START + 7200
    while found.wait(1, now) == 0.0:
        found.take(1, now)
    wait = found.wait(1, now)
    for cost in (1, 10, 60):
        before = found.wait(cost, now)
        assert 0 < wait <= found.wait(cost, now - step) <= before + 1e-6
    found.give_back(1, now, now - step)
    assert 0.0 == found.wait(1, now)


def test_jitter_widens_a_quotas_window() -> None:
    """Calls that left a jitter apart may arrive closer: the count is kept for as much longer."""
    found = gauge(pacing.pace(limit(1, 64, jitter=0.64)), 1, 0.0)
    found.take(1, 0.0)
    assert pytest.approx(65 * 1.01) == found.wait(1, 0.0)


def test_idle_is_full() -> None:
    """A gauge is idle when a new one would know no less."""
    paced, counted = bucket(60, 60), quota(60, 3600)
    for each in (paced, counted):
        assert each.idle(START)
        each.take(1, START)
        assert not each.idle(START + 0.5)
        assert each.idle(START + 3700)
    assert isinstance(paced, AsyncLimiter)
