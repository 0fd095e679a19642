"""The scripts inside Redis do what the gates of one process do."""

from collections import Counter
from random import Random

import pytest
from driven_scripts import START, Driven
from redis_server import RedisServer
from shared_world import World

from .conftest import Figure, Scale

A_WORLD = 1_000
"""Operations until a world begins anew."""

EVERYTHING = {
    *("answered", "lost", "unsent", "cancel", "release", "grant"),
    *("paused", "foreseen", "blocked", "released", "held"),
    *(f"held: {each}" for each in ("limit", "pause", "probe", "in_flight", "blocked", None)),
}


def compared(server: RedisServer, steps: int, fault: tuple[str, str] | None = None) -> Counter[str]:
    """Do random things to the scripts and the model; count what was done until they differ."""
    done: Counter[str] = Counter()
    for seed in range(-(-steps // A_WORLD)):
        server.flush()
        with Driven(server, fault, START) as driven:
            world = World(driven, Random(seed), f"world-{seed}")
            for _ in range(min(steps, A_WORLD)):
                world.step()
        done.update(world.done)
    return done


def test_scripts_agree_with_the_process(
    redis_server: RedisServer, scale: Scale, figure: Figure
) -> None:
    """Whatever instances do to scopes, the scripts answer what one process's gates answer."""
    steps = scale(3_000, 100_000)
    done = compared(redis_server, steps)
    assert set() == EVERYTHING - set(done)
    figure("A7", "operations where scripts and process differ", 0, of=steps)


FAULTS = {
    "a bucket forgets its debt": (
        "self.full_at = max(self.full_at, now) + self:refill(cost)",
        "self.full_at = now + self:refill(cost)",
    ),
    "a new bucket is full": (
        "self.full_at, self.is_changed = now + self:refill(self.calls - 1), true",
        "self.full_at, self.is_changed = now, true",
    ),
    "a quota of one slice less": (
        "number >= self.latest - SLICES",
        "number > self.latest - SLICES",
    ),
    "the next one does not wait its turn": ("sum = sum + needs", ""),
    "nobody may be passed": ("if now < ready and limit", "if false and limit"),
    "a place at one limit only": (
        "ipairs(limits) do\n    limit.line",
        "ipairs({ limits[1] }) do\n    limit.line",
    ),
    "a place outlives its grant": ("limit.line:step_out(instance)", ""),
    "a pause does not empty the buckets": ("self.undrained, self.emptied_at = nil, now", ""),
    "a lost probe opens": ("self.paused_until = max(self.paused_until or 0, at + length)", ""),
    "a probe has no end": ("if scope.probe and now >= scope.lease then", "if false then"),
    "one refusal more before a ban": ("self.rule.after - 1 - #", "self.rule.after - #"),
    "an old answer clears the row": ("and sent_at >= scope.refusals[#scope.refusals]", ""),
    "a block does not double": ("min(old[3] * 2, old[4])", "min(old[3], old[4])"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_found(redis_server: RedisServer, fault: tuple[str, str]) -> None:
    """A script with one fault in it is told from the process."""
    with pytest.raises(AssertionError):
        compared(redis_server, 3_000, fault)
