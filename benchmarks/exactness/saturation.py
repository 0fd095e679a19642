"""Callers that ask for all they can get, in virtual time, and when each was let through."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import attrs

from benchmarks.exactness.clocks import run, virtual_clocks
from benchmarks.exactness.contenders import Contender
from benchmarks.exactness.windows import most_within
from benchmarks.shared.model import Limit
from benchmarks.shared.peers import Acquire

CALLERS = 32

BURST = 1.1
"""Windows for which callers ask after a pause: what comes later is as in the steady run."""


@attrs.frozen
class Effort:
    """How much is tried.

    Attributes:
        seconds: How long callers ask from a cold start.
        phases: In how many runs they come back after one call and a pause, which lasts from a
            `phases`-th of the longest window to all of it.
    """

    seconds: float
    phases: int


@attrs.frozen(kw_only=True)
class Held:
    """What became of one of the limits.

    Attributes:
        limit: Which.
        most: The most calls in any window of all runs.
        used: The calls from a cold start, as a share of those that the limit means.
    """

    limit: Limit
    most: int
    used: float


def held(contender: Contender, limits: Sequence[Limit], effort: Effort) -> tuple[Held, ...]:
    """Return what became of limits that each call is under."""
    longest = max(limit.seconds for limit in limits)
    idle = [longest * phase / effort.phases for phase in range(1, effort.phases + 1)]
    steady = grants(contender, limits, seconds=effort.seconds)
    bursts = [grants(contender, limits, seconds=BURST * longest, idle=each) for each in idle]
    return tuple(
        Held(
            limit=limit,
            most=max(most_within(times, limit.seconds) for times in (steady, *bursts)),
            used=len(steady) / (limit.calls * effort.seconds / limit.seconds),
        )
        for limit in limits
    )


def grants(
    contender: Contender, limits: Sequence[Limit], *, seconds: float, idle: float | None = None
) -> list[float]:
    """Return when calls were let through, in seconds since the callers came.

    They ask for `seconds`; before them one call goes alone, if they come after an `idle` time.
    """
    return run(_grants(contender, limits, seconds, idle))


async def _grants(
    contender: Contender, limits: Sequence[Limit], seconds: float, idle: float | None
) -> list[float]:
    times, now = list[float](), asyncio.get_running_loop().time
    with virtual_clocks(contender.modules):
        async with contender.open(limits) as acquire:
            if idle is not None:
                await acquire()
                times.append(now())
                await asyncio.sleep(idle)
            began = now()
            await saturate(acquire, times, seconds)
    return [time - began for time in times]


async def saturate(acquire: Acquire, times: list[float], seconds: float) -> None:
    """Let callers call, one call after another, until the time is over."""
    now = asyncio.get_running_loop().time

    async def caller() -> None:
        while True:
            await acquire()
            times.append(now())

    callers = [asyncio.ensure_future(caller()) for _ in range(CALLERS)]
    await asyncio.wait(callers, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    for each in callers:
        each.cancel()
    for each in callers:
        with suppress(asyncio.CancelledError):
            await each
