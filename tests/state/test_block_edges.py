"""How one scope is shut and opened again, told the time: no queue, no loop."""

from collections.abc import Callable
from math import inf
from typing import Any

import pytest

from resilient.model import Scope
from resilient.state.scope import Change, Hold, ScopeState


def scope(*, guarded: bool = False) -> ScopeState:
    """Return a scope of which nothing is known."""
    return ScopeState(Scope(service="api", kind="credential", name="one"), guarded)


def paused() -> ScopeState:
    """Return a scope that was told at 0 that it is too fast."""
    found = scope()
    found.pause(10.0, 0.0, refusal=True)
    return found


def blocked(base: float | None = 300.0, cap: float = 1000.0, asked: float | None = None) -> Any:
    """Return a scope that was blocked at 0."""
    found = scope()
    assert "blocked" == found.block(base, cap, 0.0, asked=asked, reason="7")
    return found


def test_a_lost_probe_of_a_block_renews_it() -> None:
    """A block lasts its cool-down again, and no pause is added."""
    found = blocked()
    found.enter("p", 300.0)
    found.lost("p", 310.0)
    assert Hold("blocked", 300.0) == found.hold(310.0)
    assert 0.0 == found.paused_until


@pytest.mark.parametrize(
    ("base", "asked", "expected"),
    [
        (300.0, None, 300.0),
        (0.5, None, 0.5),
        (300.0, 50.0, 300.0),
        (300.0, 500.0, 500.0),
        (None, 50.0, inf),
    ],
)
def test_a_block(base: float | None, asked: float | None, expected: float) -> None:
    """It lasts its cool-down or what was asked, whichever is longer, or until it is released."""
    found = blocked(base, 1000.0, asked)
    assert Hold("blocked", expected - 0.25) == found.hold(0.25)
    assert (0.0, "7", 1000.0) == (found.blocked.since, found.blocked.reason, found.blocked.cap)
    if expected < inf:
        assert found.hold(expected) is None
        assert found.enter("p", expected)
        assert Hold("probe", None) == found.hold(expected)
        assert "released" == found.answered("p", expected, marked=False)
        assert found.blocked is None


def test_a_probe_that_is_blocked_doubles_the_cool_down() -> None:
    """Each failed probe doubles it up to its cap, and what is asked counts beyond."""
    found, now, lengths = blocked(), 300.0, []
    for asked in (None, None, None, 2000.0, None):
        found.enter("p", now)
        assert "blocked" == found.block(300.0, 1000.0, now, asked=asked, reason="7", by="p")
        lengths.append(found.blocked.until - now)
        now = found.blocked.until
    assert [600.0, 1000.0, 1000.0, 2000.0, 2000.0] == lengths


@pytest.mark.parametrize(
    ("asked", "by", "expected", "until"),
    [
        (None, None, "held", 300.0),
        (100.0, "other", "held", 300.0),
        (290.0, "other", "held", 300.0),
        (400.0, "other", "blocked", 410.0),
    ],
)
def test_what_was_under_way_prolongs_a_block_by_what_is_asked(
    asked: float | None, by: str | None, expected: Change, until: float
) -> None:
    """A refusal of what was sent before the block doubles nothing."""
    found = blocked()
    assert expected == found.block(300.0, 1000.0, 10.0, asked=asked, reason="7", by=by)
    assert (until, 300.0) == (found.blocked.until, found.blocked.cool_down)


@pytest.mark.parametrize("shut", [paused, blocked, lambda: blocked(None)])
def test_release_by_hand(shut: Callable[[], ScopeState]) -> None:
    """It lifts a pause and a block, and what led to them; a probe still goes first."""
    found = shut()
    assert found.release(1.0)
    assert found.hold(1.0) is None
    assert (0, 0) == (found.row(1.0), found.steps)
    assert (0.0, 0.0) == (found.paused_until, found.pause_length)
    found.enter("p", 1.0)
    assert Hold("probe", None) == found.hold(1.0)
    assert not found.release(1.0)


def test_nothing_to_release() -> None:
    """A pause that is over is none."""
    assert not scope().release(0.0)
    assert not paused().release(10.0)


def test_idle() -> None:
    """A scope can be forgotten where a new one would hold up no less."""
    assert scope().idle(0.0)
    assert scope(guarded=True).idle(0.0)
    for found in (paused(), blocked()):
        assert not found.idle(1e6)  # a probe is due
        found.enter("p", 1e6)
        found.answered("p", 1e6, marked=False)
        assert found.idle(1e6)
    busy = scope()
    busy.in_flight = 1
    assert not busy.idle(0.0)
    busy.in_flight, busy.waiting = 0, 1
    assert not busy.idle(0.0)
    busy.waiting, busy.paused_until = 0, 5.0
    assert not busy.idle(4.9)
    assert busy.idle(5.0)
    refused = scope()
    refused.refusals = (0.0,)
    assert not refused.idle(59.0)
    assert refused.idle(60.0)


def test_the_cool_down_is_exact() -> None:
    """Where nothing is asked, nothing is added."""
    found = blocked(base=0.25)
    found.block(0.25, 1000.0, 0.125, asked=None, reason="7", by="other")
    assert 0.25 == found.blocked.until
    found.enter("p", 0.25)
    found.block(0.25, 1000.0, 0.25, asked=None, reason="7", by="p")
    assert 0.75 == found.blocked.until
