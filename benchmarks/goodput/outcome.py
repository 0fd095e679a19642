"""Work that many tasks share, and what came of it."""

import asyncio
from bisect import bisect_right
from collections.abc import Awaitable, Callable
from random import Random

import attrs

from benchmarks.goodput.vendor import OK, Answer, Vendor

Call = Callable[[], Awaitable[object]]
"""Does a piece of work, or raises."""


@attrs.frozen(kw_only=True)
class Outcome:
    """What came of the work. Times are seconds since its start.

    Attributes:
        done: When each call that succeeded had its answer, in order.
        failed: Calls that were given up.
        refused: Refusals that the vendor gave.
        bans: How often he shut the key out.
        seconds: When the last call had ended.
    """

    done: tuple[float, ...]
    failed: int
    refused: int
    bans: int
    seconds: float

    @property
    def minutes(self) -> float:
        """When the last call had ended."""
        return self.seconds / 60

    def until(self, time: float) -> int:
        """Return how many calls were done by a time."""
        return bisect_right(self.done, time)

    def rate(self, since: float, until: float) -> float:
        """Return the calls a second that were done after `since`, at the latest at `until`."""
        return (self.until(until) - self.until(since)) / (until - since)


class Refused(Exception):
    """The vendor said no."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.status, self.retry_after = answer.status, answer.retry_after


def sender(vendor: Vendor, latency: tuple[float, float], chance: Random) -> Call:
    """Return what sends a call to a vendor, and raises `Refused`; it is on its way both ways."""
    now = asyncio.get_running_loop().time

    async def send() -> None:
        await asyncio.sleep(chance.uniform(*latency))
        answer = vendor.arrive(now())
        await asyncio.sleep(chance.uniform(*latency))
        if answer.status != OK:
            raise Refused(answer)

    return send


async def work(call: Call, vendor: Vendor, *, calls: int, tasks: int) -> Outcome:
    """Let tasks make calls, each one after the other, until all have been made."""
    now = asyncio.get_running_loop().time
    began, left = now(), iter(range(calls))
    done, failed = list[float](), list[float]()

    async def task() -> None:
        for _ in left:
            try:
                await call()
            except Exception:  # noqa: BLE001 - however it says so, it is given up
                failed.append(now() - began)
            else:
                done.append(now() - began)

    await asyncio.gather(*[task() for _ in range(tasks)])
    return Outcome(
        done=tuple(done),
        failed=len(failed),
        refused=len(vendor.refused),
        bans=len(vendor.bans),
        seconds=now() - began,
    )
