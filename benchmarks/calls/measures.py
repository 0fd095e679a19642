"""Compares the ways to call, each next to bare aiohttp, on one kind of loop."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from importlib import import_module

import attrs

from benchmarks.calls.contenders import BY_NAME
from benchmarks.calls.peers import Call, Open, bare
from benchmarks.rounds import Block, Compared, compare

MICRO = 1e6


@attrs.frozen
class Pace:
    """What a block does: so many tasks make so many calls each; how many rounds, how long."""

    tasks: int
    each: int
    rounds: int
    seconds: float


Found = list[dict[str, Compared]]
"""For each pace, by the names of the ways: microseconds of processor time a call."""


def on_loop(loop: str, port: int, names: Sequence[str], paces: Sequence[Pace]) -> Found:
    """Compare these ways at each pace, on a loop of this process.

    Args:
        loop: `asyncio` or `uvloop`.
        port: Where the server is.
        names: The contenders.
        paces: What a block does.
    """
    factory = asyncio.new_event_loop if loop == "asyncio" else import_module(loop).new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        stack = AsyncExitStack()
        ways = {name: BY_NAME[name].open for name in names}
        base = runner.run(_opened(stack, bare, port))
        calls = {name: runner.run(_opened(stack, each, port)) for name, each in ways.items()}
        try:
            return [_compared(runner, base, calls, pace) for pace in paces]
        finally:
            runner.run(stack.aclose())


async def _opened(stack: AsyncExitStack, way: Open, port: int) -> Call:
    return await stack.enter_async_context(way(port))


def _compared(
    runner: asyncio.Runner, base: Call, calls: dict[str, Call], pace: Pace
) -> dict[str, Compared]:
    def block(call: Call) -> Block:
        return lambda: runner.run(spent(call, pace))

    ways = {name: block(each) for name, each in calls.items()}
    return compare(block(base), ways, pace.rounds, seconds=pace.seconds)


async def spent(call: Call, pace: Pace) -> float:
    """Return the microseconds of processor time for a call of this process."""
    began = time.process_time()
    await asyncio.gather(*[_in_turn(call, pace.each) for _ in range(pace.tasks)])
    return (time.process_time() - began) / (pace.tasks * pace.each) * MICRO


async def _in_turn(call: Call, count: int) -> None:
    for _ in range(count):
        await call()
