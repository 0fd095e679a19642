"""Other libraries at the punishing vendor: limiters, retries, and both, as they are usually joined.

A retry passes the limiter again. Statuses 429 and 5xx are tried again, others are not.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from random import Random

import attrs

from benchmarks.exactness.clocks import run, virtual_clocks
from benchmarks.exactness.contenders import BY_NAME, Contender
from benchmarks.goodput.outcome import Call, Outcome, Refused, sender, work
from benchmarks.goodput.situations import TASKS, Situation
from benchmarks.goodput.vendor import TOO_MANY, Rules, Vendor
from benchmarks.shared.model import Limit

ATTEMPTS = 5
LONGEST = 60.0
"""Seconds: the longest pause between two attempts."""

FIRST = "a"
"""Where those without a limiter take part: they are shut out in the first minute of any."""

SEED = 5
SERVER_ERROR = 500

Retry = Callable[[Call], Awaitable[object]]
"""Makes a call until it succeeds, or it is given up."""


@attrs.frozen(kw_only=True)
class Peer:
    """A limiter, a retry library, or both.

    Attributes:
        name: What the tables call it.
        retry: How calls are repeated.
        limiter: What holds each attempt up.
        modules: Those of the retry library that read clocks; the first is the package.
        distribution: The retry library, as pip calls it.
        only: The keys of the situations in which it takes part; none: all.
    """

    name: str
    retry: Retry
    limiter: Contender | None = None
    modules: tuple[str, ...] = ()
    distribution: str | None = None
    only: str = ""

    @property
    def clocks(self) -> tuple[str, ...]:
        """All modules that read clocks."""
        return (*self.modules, *(self.limiter.modules if self.limiter else ()))

    @property
    def distributions(self) -> list[str]:
        """All that has to be installed, as pip calls it."""
        found = [self.distribution, self.limiter and self.limiter.distribution]
        return [each for each in found if each]

    @property
    def is_installed(self) -> bool:
        """Whether it can take part."""
        return all(is_installed(each) for each in self.distributions)


def is_installed(distribution: str) -> bool:
    """Tell whether pip has installed something."""
    try:
        return bool(version(distribution))
    except PackageNotFoundError:
        return False


def is_passing(error: BaseException) -> bool:
    """Tell whether a call may be tried again."""
    return isinstance(error, Refused) and (error.status == TOO_MANY or error.status >= SERVER_ERROR)


async def once(call: Call) -> object:
    """Never repeat."""
    return await call()


async def tenacity(call: Call) -> object:
    """Repeat by tenacity: exponential pauses with jitter."""
    package = import_module("tenacity")
    retrying = package.AsyncRetrying(
        stop=package.stop_after_attempt(ATTEMPTS),
        wait=package.wait_exponential_jitter(initial=1, max=LONGEST),
        retry=package.retry_if_exception(is_passing),
        reraise=True,
    )
    return await retrying(call)


async def stamina(call: Call) -> object:
    """Repeat by stamina, and wait as long as the vendor asks."""
    package = import_module("stamina")
    package.instrumentation.set_on_retry_hooks([])  # they would log each of them

    def hook(error: Exception) -> float | bool:
        asked = error.retry_after if isinstance(error, Refused) else None
        return float(asked) if asked is not None else is_passing(error)

    async for attempt in package.retry_context(on=hook, attempts=ATTEMPTS, timeout=None):
        with attempt:
            await call()
    return None


async def aiohttp_retry(call: Call) -> object:
    """Repeat as aiohttp-retry's client does, with its own pauses."""
    package = import_module("aiohttp_retry")
    options = package.ExponentialRetry(attempts=ATTEMPTS, statuses={TOO_MANY})
    for attempt in range(1, ATTEMPTS):
        try:
            return await call()
        except Refused as error:
            if not is_passing(error):
                raise
        await asyncio.sleep(options.get_timeout(attempt))
    return await call()


def with_tenacity(limiter: str) -> Peer:
    """Return a limiter before each attempt of tenacity."""
    return Peer(
        name=f"{limiter} + tenacity",
        retry=tenacity,
        limiter=BY_NAME[limiter],
        modules=("tenacity",),
        distribution="tenacity",
    )


PEERS = (
    Peer(name="no limiter, no retry", retry=once, only=FIRST),
    Peer(
        name="aiohttp-retry",
        retry=aiohttp_retry,
        modules=("aiohttp_retry",),
        distribution="aiohttp-retry",
        only=FIRST,
    ),
    Peer(
        name="tenacity",
        retry=tenacity,
        modules=("tenacity",),
        distribution="tenacity",
        only=f"{FIRST}c",
    ),
    Peer(
        name="stamina, Retry-After",
        retry=stamina,
        modules=("stamina", "tenacity"),
        distribution="stamina",
        only=FIRST,
    ),
    with_tenacity("aiolimiter(N, T)"),
    with_tenacity("aiolimiter(1, T/N)"),
    with_tenacity("pyrate-limiter, sliding log"),
)


def distributions() -> list[str]:
    """Return what the peers need, as pip calls it."""
    return list(dict.fromkeys(name for each in PEERS for name in each.distributions))


def outcomes(situation: Situation, calls: int) -> dict[str, Outcome]:
    """Return what comes of the work of all who take part, by their names."""
    return {
        each.name: outcome(each, situation, calls)
        for each in PEERS
        if each.is_installed and situation.key in (each.only or situation.key)
    }


def outcome(peer: Peer, situation: Situation, calls: int) -> Outcome:
    """Return what comes of a peer's work."""
    return run(_outcome(peer, situation, calls))


async def _outcome(peer: Peer, situation: Situation, calls: int) -> Outcome:
    vendor, chance = Vendor(situation.rules), Random(SEED)
    vendor.open(asyncio.get_running_loop().time())
    random.seed(SEED)  # the peers' own jitter
    send = sender(vendor, situation.latency, chance)
    with virtual_clocks(peer.clocks):
        async with limited(peer, situation.rules) as acquire:

            async def attempt() -> None:
                await acquire()
                await send()

            return await work(partial(peer.retry, attempt), vendor, calls=calls, tasks=TASKS)


def limited(peer: Peer, rules: Rules) -> AbstractAsyncContextManager[Call]:
    """Open the limiter of a peer with what the vendor documents."""
    if peer.limiter is None:
        return nullcontext(partial(asyncio.sleep, 0))
    return peer.limiter.open([Limit(rules.limit, round(rules.period))])
