"""What one scope remembers, told the time: no queue, no loop."""

from typing import Any

import pytest

from resilient.catalog import Ban
from resilient.model import Scope
from resilient.state.scope import Change, Hold, ScopeState

NAME = Scope(service="api", kind="credential", name="one")
BAN = Ban(after=3, within=10.0)


def scope(*, guarded: bool = False, ban: Ban | None = None) -> ScopeState:
    """Return a scope of which nothing is known."""
    return ScopeState(NAME, guarded, ban)


def paused(seconds: float = 10.0, **keys: Any) -> ScopeState:
    """Return a scope that was told at 0 that it is too fast."""
    found = scope(**keys)
    found.pause(seconds, 0.0, refusal=True)
    return found


def test_a_new_scope_lets_one_go() -> None:
    """Where a limit hangs on a scope, the first call goes alone, for a second at most."""
    found = scope(guarded=True)
    assert found.hold(5.0) is None
    assert not found.enter("a", 5.0)
    assert Hold("probe", 0.75) == found.hold(5.25)
    assert Hold("probe", 0.25) == found.hold(5.75)
    assert found.hold(6.0) is None
    found.enter("b", 6.0)
    assert found.hold(6.0) is None
    assert 2 == found.in_flight


def test_the_second_counts_from_the_first_call() -> None:
    """A probe that was called off leaves the second as it began."""
    found = scope(guarded=True)
    found.enter("old", 0.0)
    found.enter("old", 0.0)
    found.enter("a", 0.0)
    found.leave("a")
    assert 2 == found.in_flight
    assert found.hold(0.25) is None
    found.enter("b", 0.5)
    assert Hold("probe", 0.25) == found.hold(0.75)
    assert found.hold(1.0) is None


def test_an_unguarded_scope_is_free() -> None:
    """Where nothing hangs on a scope, no call goes alone."""
    found = scope()
    found.enter("a", 0.0)
    assert found.hold(0.0) is None


@pytest.mark.parametrize("who", ["a", "b"])
def test_any_answer_opens_a_new_scope(who: str) -> None:
    """An answer that is no refusal lets everybody go, whoever got it; nothing was shut."""
    found = scope(guarded=True)
    found.enter("b", 0.0)
    found.enter("a", 0.0)
    assert found.answered(who, 0.0, marked=False) is None
    assert 1 == found.in_flight
    assert found.hold(0.0) is None
    found.enter("c", 0.0)
    assert found.hold(0.0) is None


def test_a_pause_ends_with_a_probe() -> None:
    """Nobody goes before its end; then one, until an answer comes; then all."""
    found = paused()
    assert Hold("pause", 6.0) == found.hold(4.0)
    assert found.hold(10.0 - 1e-10) is None
    assert found.enter("a", 10.0)
    found.leave("a")
    assert found.hold(10.0) is None
    assert not found.enter("p", 10.0)  # the buckets were emptied for the one before
    assert Hold("probe", None) == found.hold(99.0)
    assert "released" == found.answered("p", 10.0, marked=False)
    assert found.hold(10.0) is None
    assert 0 == found.row(10.0)


@pytest.mark.parametrize("refusal", [True, False])
def test_only_the_probe_releases(refusal: bool) -> None:
    """An answer to a call that was sent before the pause lifts nothing."""
    found = scope()
    found.enter("old", 0.0)
    found.pause(10.0, 0.0, refusal=refusal)
    found.enter("p", 10.0)
    assert found.answered("old", -1.0, marked=False) is None
    assert Hold("probe", None) == found.hold(10.0)
    assert refusal == found.row(10.0)


def test_after_the_first_answer_many_may_go() -> None:
    """Under a ban rule few are in flight only until an answer came that is no refusal."""
    found = scope(ban=BAN)
    for name in "abc":
        found.enter(name, 0.0)
    assert Hold("in_flight", None) == found.hold(0.0)
    found.answered("a", 0.0, marked=False)
    assert found.hold(0.0) is None


def test_a_probe_that_is_refused_lifts_nothing() -> None:
    """A marked answer to the probe leaves the right to the next in line."""
    found = paused()
    found.enter("p", 10.0)
    assert found.answered("p", 10.0, marked=True) is None
    assert found.hold(10.0) is None
    found.enter("q", 10.0)
    assert Hold("probe", None) == found.hold(10.0)
    assert 1 == found.in_flight


def test_a_success_ends_a_row_that_came_before_it() -> None:
    """Refusals in a row are forgotten by what was sent at or after the last of them."""
    found = paused(ban=BAN)
    found.pause(1.0, 2.0, refusal=True)
    found.in_flight = 2
    found.answered("old", 1.9, marked=False)
    assert 2 == found.row(2.0)
    found.answered("new", 2.0, marked=False)
    assert 0 == found.row(2.0)


@pytest.mark.parametrize(("ban", "seconds"), [(BAN, 10.0), (None, 60.0)])
def test_a_refusal_is_forgotten(ban: Ban | None, seconds: float) -> None:
    """A refusal counts for as long as the vendor says, or for a minute."""
    found = paused(ban=ban)
    assert 1 == found.row(seconds - 0.01)
    assert 0 == found.row(seconds)


def test_refusals_are_forgotten_one_by_one() -> None:
    """Each counts from when it was heard."""
    found = paused(1.0, ban=BAN)
    found.pause(1.0, 2.0, refusal=True)
    assert (2, 1, 0) == (found.row(9.9), found.row(10.0), found.row(12.0))


def test_a_lost_probe_waits_longer_each_time() -> None:
    """Without an answer the next probe waits 0.4 s, doubling up to 20 s."""
    found, now, waits = scope(guarded=True), 0.0, []
    for number in range(9):
        found.enter(number, now)
        found.lost(number, now)
        held = found.hold(now)
        assert held is not None
        waits.append(held.wait)
        now = found.paused_until
    assert pytest.approx([0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 20, 20, 20]) == waits
    assert 0 == found.in_flight


def test_an_answer_ends_the_row_of_lost_probes() -> None:
    """After an answer to a probe, the first that is lost waits as little as the very first."""
    found = scope(guarded=True)
    for number in range(3):
        found.enter(number, 10.0 * number)
        found.lost(number, 10.0 * number)
    found.enter("p", 30.0)
    found.answered("p", 30.0, marked=True)
    found.enter("q", 40.0)
    found.lost("q", 40.0)
    assert pytest.approx(40.4) == found.paused_until


def test_a_call_lost_beside_the_probe_changes_nothing() -> None:
    """Only the probe's fate is the scope's."""
    found = scope(guarded=True)
    found.enter("a", 0.0)
    found.enter("p", 0.0)
    found.lost("a", 0.0)
    assert (0.0, 1) == (found.paused_until, found.in_flight)
    assert Hold("probe", 1.0) == found.hold(0.0)


@pytest.mark.parametrize(
    ("seconds", "refusal", "expected"),
    [(7.0, True, 17.0), (0.1, True, 10.4), (7.0, False, 10.4)],
)
def test_a_lost_probe_after_a_pause(seconds: float, refusal: bool, expected: float) -> None:
    """It renews the pause of a refusal, or backs off where that is longer."""
    found = scope()
    found.pause(seconds, 0.0, refusal=refusal)
    found.enter("p", 10.0)
    found.lost("p", 10.0)
    assert pytest.approx(expected) == found.paused_until
    assert found.hold(found.paused_until) is None


def test_a_lost_probe_moves_no_pause_back() -> None:
    """A pause that ends later stays."""
    found = scope(guarded=True)
    found.enter("p", 0.0)
    found.paused_until = 50.0
    found.lost("p", 0.0)
    assert 50.0 == found.paused_until


@pytest.mark.parametrize(
    ("seconds", "expected", "until"),
    [(10.5, "paused", 11.0), (9.5, "held", 10.0), (1.0, "held", 10.0)],
)
def test_a_pause_only_moves_later(seconds: float, expected: Change, until: float) -> None:
    """A second pause counts where it ends later, and else says that it changed nothing."""
    found = paused()
    assert expected == found.pause(seconds, 0.5, refusal=True)
    assert until == found.paused_until


def test_what_was_under_way_together_is_one_step() -> None:
    """A back-off goes on with each refusal of a probe, not of what was sent with it."""
    found = paused()
    assert (1, 1) == (found.steps, found.step("other"))
    found.pause(10.0, 0.0, refusal=True, by="other")
    assert 1 == found.steps
    found.enter("p", 10.0)
    assert (2, 1) == (found.step("p"), found.step("other"))
    found.pause(10.0, 10.0, refusal=True, by="p")
    assert 2 == found.steps
    found.pause(10.0, 10.0, refusal=True, by="other")
    assert 2 == found.steps
    found.enter("q", 20.0)
    found.answered("q", 20.0, marked=False)
    found.pause(10.0, 20.0, refusal=True)
    assert 1 == found.steps


def test_a_row_of_refusals_comes_to_a_ban() -> None:
    """One refusal before the ban the scope waits until the row is over; at the ban it is shut."""
    found = paused(1.0, ban=BAN)
    assert 1.0 == found.paused_until
    assert "foreseen" == found.pause(1.0, 2.0, refusal=True)
    assert 10.0 == found.paused_until
    assert "blocked" == found.pause(1.0, 3.0, refusal=True)
    assert 10.0 == found.paused_until
    assert "blocked" == found.pause(20.0, 4.0, refusal=True)
    assert 24.0 == found.paused_until


def test_a_pause_that_is_no_refusal_is_not_in_the_row() -> None:
    """Only what the vendor counts comes to a ban."""
    found = paused(1.0, ban=BAN)
    assert "paused" == found.pause(5.0, 0.0, refusal=False)
    assert (1, 5.0) == (found.row(0.0), found.paused_until)


@pytest.mark.parametrize(
    ("strict", "heard", "refused", "in_flight", "expected"),
    [
        (False, False, 0, 1, None),
        (False, False, 0, 2, Hold("in_flight", None)),
        (False, True, 0, 9, None),
        (True, True, 0, 1, None),
        (True, True, 0, 2, Hold("in_flight", None)),
        (False, True, 1, 0, None),
        (False, True, 1, 1, Hold("in_flight", 8.0)),
        (False, True, 2, 0, None),
        (False, True, 2, 1, Hold("in_flight", 8.0)),
    ],
)
def test_so_few_in_flight_that_a_row_cannot_ban(
    strict: bool, heard: bool, refused: int, in_flight: int, expected: Hold | None
) -> None:
    """With what is under way a row stays one short of the ban; one call may always go."""
    found = scope(ban=Ban(after=3, within=10.0, strict=strict))
    found.refusals = tuple(map(float, range(refused)))
    found.heard, found.in_flight = heard, in_flight
    assert expected == found.hold(2.0)
