"""A bucket and a quota, told the time: what each says and takes, to the call."""

import pytest

from resilient.core import pacing
from resilient.state.gauge import Bucket, Quota, gauge


def bucket() -> Bucket:
    """Return a new bucket of 4 that refills 2 a second, at 0."""
    return Bucket(capacity=4, rate=2.0, most=9, now=0.0)


def spent() -> Quota:
    """Return a quota of 3 in 64 slices of a second, one taken at 0 and two at 10."""
    found = Quota(calls=3, period=64.0)
    found.take(1, 0.0)
    found.take(2, 10.0)
    return found


def test_which_gauge() -> None:
    """A pace is a bucket that starts with one call; a count a quota, its window wider by jitter."""
    paced = gauge(pacing.Bucket(capacity=4, rate=2.0), 9, 5.0)
    assert isinstance(paced, Bucket)
    assert (9, 2.0) == (paced.most, paced.rate)
    assert (0.0, 0.5) == (paced.wait(1, 5.0), paced.wait(2, 5.0))
    counted = gauge(pacing.Quota(calls=3, period=63.0, jitter=1.0), 9, 5.0)
    assert isinstance(counted, Quota)
    assert (3, 3 / 64) == (counted.most, counted.rate)
    counted.take(3, 5.0)
    assert 65.0 == counted.wait(1, 5.0)


@pytest.mark.parametrize(
    ("cost", "now", "wait", "foreseen"),
    [
        (1, 0.0, 0.0, 0.0),
        (2, 0.0, 0.5, 0.5),
        (4, 0.0, 1.5, 1.5),
        (4, 1.0, 0.5, 0.5),
        (4, 1.5, 0.0, 0.0),
        (4, 99.0, 0.0, 0.0),
        (5, 0.0, 2.0, 2.0),
        (5, 1.0, 1.0, 1.0),
        (6, 99.0, 0.0, 1.0),
    ],
)
def test_a_buckets_wait(cost: int, now: float, wait: float, foreseen: float) -> None:
    """A cost fits once as much has leaked; one above the burst once it has saved up for it."""
    assert (wait, foreseen) == (bucket().wait(cost, now), bucket().foresee(cost, now))


def test_a_bucket_takes() -> None:
    """What is taken has to leak before as much fits again."""
    found = bucket()
    found.take(1, 0.0)
    assert (0.5, 2.0) == (found.wait(1, 0.0), found.wait(4, 0.0))
    assert (2.5, 0.5) == (found.wait(5, 0.0), found.wait(2, 0.5))
    found.take(9, 99.0)
    assert (3.0, 3.0) == (found.wait(1, 99.0), found.foresee(1, 99.0))


def test_a_rounding_error_is_no_wait() -> None:
    """A wait of less than a nanosecond is none; one above is."""
    found = bucket()
    found.take(1, 0.0)
    assert 0.0 < found.wait(1, 0.5 - 5e-9)
    assert 0.0 == found.wait(1, 0.5 - 5e-10)


@pytest.mark.parametrize(
    ("taken", "now", "expected"),
    [(0.0, 0.0, 0.5), (0.0, 0.25, 0.5), (0.0, 1.0, 0.0), (5.0, 0.0, 0.5)],
)
def test_a_bucket_is_given_back(taken: float, now: float, expected: float) -> None:
    """A call that was not sent gives back what has not leaked since, and mints nothing."""
    found = bucket()
    found.take(1, 0.0)
    found.give_back(1, taken, now)
    assert pytest.approx(expected) == found.wait(2, now)


def test_giving_back_more_than_there_is() -> None:
    """A bucket is never fuller than full."""
    found = bucket()
    found.give_back(9, 0.0, 0.0)
    assert (0.0, 0.5) == (found.wait(4, 0.0), found.foresee(5, 0.0))
    assert found.idle(0.0)


def test_a_bucket_is_emptied() -> None:
    """It then holds one call, however full it was; a debt stays."""
    found = bucket()
    found.empty(99.0)
    assert (0.0, 0.5) == (found.wait(1, 99.0), found.wait(2, 99.0))
    found.take(6, 99.0)
    found.empty(99.0)
    assert 3.0 == found.wait(1, 99.0)


def test_a_full_bucket_is_idle() -> None:
    """A bucket is idle once it is full."""
    found = bucket()
    assert (False, True) == (found.idle(1.49), found.idle(1.5))
    found.take(2, 2.0)
    assert (False, True) == (found.idle(2.99), found.idle(3.0))


def test_a_bucket_when_the_clock_steps_back() -> None:
    """Time that is told twice leaks once."""
    found = bucket()
    found.take(1, 10.0)
    assert (0.0, 0.5) == (found.wait(3, 5.0), found.wait(4, 5.0))
    assert (1.0, 0.0) == (found.wait(5, 5.0), found.wait(4, 10.5))


@pytest.mark.parametrize(
    ("cost", "now", "expected"),
    [
        (1, 10.0, 55.0),
        (2, 10.0, 65.0),
        (3, 10.0, 65.0),
        (1, 64.75, 0.25),
        (1, 65.0, 0.0),
        (2, 65.0, 10.0),
        (3, 75.0, 0.0),
        (1, 5.0, 55.0),
    ],
)
def test_a_quotas_wait(cost: int, now: float, expected: float) -> None:
    """A cost fits once enough slices are out of the window; a time told later stays told."""
    assert expected == spent().wait(cost, now)


@pytest.mark.parametrize(("cost", "expected"), [(1, 55.0), (3, 65.0), (4, 119.0), (7, 183.0)])
def test_a_quota_foresees(cost: int, expected: float) -> None:
    """So many calls take as many windows as they fill, and the wait for the rest."""
    assert expected == spent().foresee(cost, 10.0)


def test_a_quota_has_room_for_what_is_left() -> None:
    """What was not taken can be, at once and in the slice of the last."""
    found = Quota(calls=3, period=64.0)
    found.take(1, 0.0)
    assert (0.0, 65.0) == (found.wait(2, 0.0), found.wait(3, 0.0))
    found.take(1, 0.5)
    assert (0.0, 64.5) == (found.wait(1, 0.5), found.wait(2, 0.5))


@pytest.mark.parametrize(
    ("taken", "now", "expected"), [(0.5, 10.0, 0.0), (10.0, 10.0, 0.0), (5.0, 10.0, 55.0)]
)
def test_a_quota_is_given_back(taken: float, now: float, expected: float) -> None:
    """A call that was not sent is taken out of the slice that it was counted in."""
    found = spent()
    found.give_back(1, taken, now)
    assert expected == found.wait(1, now)


@pytest.mark.parametrize(("cost", "expected"), [(1, 0.0), (2, 55.0), (3, 55.0), (4, 65.0)])
def test_a_quota_is_given_back_one_of_many(cost: int, expected: float) -> None:
    """The others of its slice stay where they were counted."""
    found = Quota(calls=6, period=64.0)
    found.take(3, 0.0)
    found.take(3, 10.0)
    found.give_back(1, 0.0, 10.0)
    assert expected == found.wait(cost, 10.0)


def test_a_slice_holds_all_that_is_taken_in_it() -> None:
    """What is taken in one slice leaves the window together, and is given back once."""
    found = Quota(calls=3, period=64.0)
    found.take(1, 10.0)
    found.take(1, 10.5)
    found.take(1, 20.0)
    assert (54.5, 54.5, 64.5) == tuple(found.wait(cost, 20.5) for cost in (1, 2, 3))
    found.give_back(1, 10.5, 20.5)
    assert (0.0, 54.5, 64.5) == tuple(found.wait(cost, 20.5) for cost in (1, 2, 3))


def test_a_slice_is_a_part_of_the_window() -> None:
    """The window has 64 slices, and one more until what was taken in the first is out of it."""
    found = Quota(calls=1, period=128.0)
    found.take(1, 5.0)
    assert 124.0 == found.wait(1, 10.0)


def test_a_quota_is_given_back_too_late() -> None:
    """What is out of the window counts no more, so nothing is given back."""
    found = spent()
    found.give_back(1, 0.0, 70.0)
    assert 5.0 == found.wait(2, 70.0)


def test_a_quota_when_the_clock_steps_back() -> None:
    """What is taken at a time before the last is counted with the last."""
    found = Quota(calls=2, period=64.0)
    found.take(1, 10.0)
    found.take(1, 5.0)
    assert 65.0 == found.wait(1, 5.0)
    assert (10.0, 0.0) == (found.wait(1, 65.0), found.wait(1, 75.0))


def test_an_idle_quota() -> None:
    """A quota is idle where nothing is counted; to empty it changes nothing."""
    found = Quota(calls=3, period=64.0)
    found.empty(0.0)
    assert found.idle(0.0)
    found.take(1, 0.0)
    found.empty(0.0)
    assert (False, False, True) == (found.idle(0.0), found.idle(64.9), found.idle(65.0))


def test_the_hair_of_a_slice() -> None:
    """A time that is early by a rounding error is in the slice that it belongs to."""
    found = Quota(calls=1, period=64.0)
    found.take(1, 3.0 - 1e-10)
    assert 62.0 == pytest.approx(found.wait(1, 6.0))
