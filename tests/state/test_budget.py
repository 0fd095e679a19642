"""The retry budget, over any ten seconds."""

import random
from itertools import pairwise

import pytest

from resilient.policy import RetryBudget
from resilient.state.budget import Budget


def spent(budget: Budget, seed: int, *, failing: float) -> tuple[list[float], list[float]]:
    """Return when a random load succeeded, and when it retried."""
    chance, now = random.Random(seed), 1000.0
    successes, retries = [], []
    for _ in range(4000):
        now += chance.expovariate(chance.choice((2, 20, 200)))
        if chance.random() >= failing:
            budget.earn(now)
            successes.append(now)
        elif budget.affords(now):
            budget.spend(now)
            retries.append(now)
    return successes, retries


def overspent(allowance: RetryBudget, successes: list[float], retries: list[float]) -> int:
    """Return how often ten seconds that end with a retry held more than they may."""
    found = 0
    for end in retries:
        made = sum(end - 10 < at <= end for at in retries)
        earned = sum(end - 10 < at <= end for at in successes)
        found += made > allowance.floor + allowance.ratio * earned
    return found


@pytest.mark.parametrize("failing", [0.05, 0.5, 1.0])
def test_no_ten_seconds_hold_more(failing: float) -> None:
    """In any ten seconds there are at most the floor and the ratio of the successes in them."""
    allowance = RetryBudget(ratio=0.1, floor=10)
    successes, retries = spent(Budget(allowance), 1, failing=failing)
    assert retries
    assert 0 == overspent(allowance, successes, retries)


def test_a_larger_budget_is_caught() -> None:
    """What allows more than it says is found out."""
    found = spent(Budget(RetryBudget(ratio=0.1, floor=12)), 1, failing=1.0)
    assert overspent(RetryBudget(ratio=0.1, floor=10), *found) > 0


def test_off() -> None:
    """Without a budget every retry is allowed."""
    _, retries = spent(Budget(None), 1, failing=1.0)
    assert 4000 == len(retries)


def test_the_floor_is_used_again() -> None:
    """Where nothing succeeds the floor is there again after ten seconds, and a second at most."""
    budget, now, made = Budget(RetryBudget(ratio=0.1, floor=3)), 0.0, []
    while now < 100:
        if budget.affords(now):
            budget.spend(now)
            made.append(now)
        now += 0.25
    turns = made[::3]
    assert all(10 <= later - earlier <= 11 for earlier, later in pairwise(turns))


def test_clock_that_begins_anew() -> None:
    """What was counted in a loop that has ended neither holds retries back nor pays for them."""
    budget = Budget(RetryBudget(ratio=1.0, floor=2))
    for _ in range(5):
        budget.earn(1000.0)
        budget.spend(1000.0)
    made = 0
    while budget.affords(5.0):
        budget.spend(5.0)
        made += 1
    assert 2 == made
    assert budget.affords(16.0)
