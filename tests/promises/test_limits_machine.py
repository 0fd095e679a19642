"""Whatever is done to the desk, in whatever order: found by search, not by luck."""

import pytest
from hypothesis import Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from promises.conftest import Figure, Scale
from promises.machine import Limits

from resilient.state.admission import Admission
from resilient.state.gauge import Bucket, Quota
from resilient.state.lane import Lane, Waiter


def search(examples: int, *phases: Phase) -> None:
    """Look for steps after which a promise does not hold."""
    found = settings(
        max_examples=examples,
        stateful_step_count=50,
        phases=phases or tuple(Phase),
        report_multiple_bugs=False,
    )
    # Without a seed of its own a word in the machine's source would draw other steps.
    run_state_machine_as_test(seed(2)(Limits), settings=found)


def test_the_machine(scale: Scale, figure: Figure) -> None:
    """No steps overfill a window, debit in part, turn the order round or forget anybody."""
    examples = scale(12, 300)
    search(examples)
    figure("A1", "broken promises of limits found by search", 0, of=f"{examples * 50:,} steps")


def last_first(lane: Lane) -> Waiter | None:
    """Return who came last, as a stack does."""
    waiting = [each for each in lane.waiters if not each.done()]
    return waiting[-1] if waiting else None


def mint(bucket: Bucket, cost: int, taken: float, now: float) -> None:
    """Give back what has been refilled meanwhile once more."""
    bucket._change(-cost, now)


def nothing(*_: object) -> None:
    """Do nothing."""


CONTROLS = {
    "a stack": (Lane, "head", last_first),
    "a bucket that mints": (Bucket, "give_back", mint),
    "a quota that keeps what was not sent": (Quota, "give_back", nothing),
    "a wake-up that is lost": (Admission, "serve", nothing),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_what_the_machine_finds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a limiter with one of the usual faults is found out."""
    monkeypatch.setattr(*CONTROLS[name])
    with pytest.raises(AssertionError):
        search(500, Phase.generate)
