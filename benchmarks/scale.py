"""Many credentials through one middleware: what a call costs among them, and 10,000 at once.

There is no network: a middleware behind ours answers. So the whole cost of a call is that of
aiohttp's session and of this library, and a growth would show more than on a wire.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle
from pathlib import Path
from random import Random

import aiohttp
import attrs

import resilient
from benchmarks.in_process import respond
from benchmarks.model import Figure, Part, Size, Table
from benchmarks.rounds import Block, Compared, compare, no_garbage
from resilient.config.service import Config
from resilient.testing import run

URL = "https://api.test/v1/lists"
# A day's limit remembers its calls, so that no scope is forgotten as idle meanwhile.
CATALOG = """
catalog: measured
source: {document: none, read: 2026-11-22}
endpoints: {/v1/lists: lists}
credential: {kind: api_key, fields: [{name: Authorization, in: header, prefix: 'Bearer '}]}
limits:
  calls: {rate: RATE, per: [credential]}
  machine: {rate: 1000000/s, per: [ip]}
errors: {wrong: {policy: fail_fast}}
"""
PLENTY, SEVEN = "1000000/day", "7/s"
LATENCY = 0.05
"""Seconds, virtual, that the vendor takes."""
MICRO = 1e6
MOST = 100_000
WORKING = 10_000
"""Of the credentials so many make the calls that are measured: more than any cache holds."""
SETTLED = 2
"""Calls of each before: a scope that is new is looked at more closely."""


@attrs.frozen
class Effort:
    """How much to measure.

    Attributes:
        scopes: How many credentials there are, in turn.
        calls: In a block.
        together: Calls at once.
        credentials: Theirs.
    """

    scopes: tuple[int, ...]
    calls: int
    rounds: int
    together: int
    credentials: int


FULL = Effort((1_000, MOST), 2_000, 10, 10_000, 1_000)
QUICK = Effort((100, 1_000), 300, 3, 1_000, 100)


@attrs.frozen
class AtOnce:
    """What became of calls that came at once."""

    cpu: float
    seconds: float
    failed: int


def measure(size: Size) -> Part:
    """Let there be few credentials, and many."""
    effort = size.choose(full=FULL, quick=QUICK)
    found = growth(effort)
    ours, bare = run(at_once(effort, limited=True)), run(at_once(effort, limited=False))
    return Part(
        title="At scale",
        tables=(grown(found), together(effort, ours, bare)),
        figures=tuple(figures(found, ours)),
    )


def figures(found: dict[int, Compared], ours: AtOnce) -> Iterator[Figure]:
    """Return what the budget bounds."""
    most = max(found)
    yield Figure(
        name="scale.growth",
        value=found[most].ratio,
        about=f"a call with {most:,} credentials, against one",
        unit="x",
    )
    yield Figure(name="scale.failed", value=ours.failed, about="of 10,000 calls at once, failed")


# The cost of a call, one at a time.


def growth(effort: Effort) -> dict[int, Compared]:
    """Return microseconds of processor time for a call, by the number of credentials."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        def block(count: int) -> Block:
            way = runner.run(stack.enter_async_context(session(count, PLENTY)))
            used = Random(1).sample(range(count), min(count, WORKING))
            runner.run(one_by_one(way, iter(range(count)), count))
            runner.run(one_by_one(way, cycle(used), SETTLED * len(used)))
            turn = cycle(used)
            return lambda: runner.run(one_by_one(way, turn, effort.calls))

        try:
            with no_garbage():
                ways = {str(count): block(count) for count in effort.scopes}
            found = compare(block(1), ways, effort.rounds)
        finally:
            runner.run(stack.aclose())
    return {int(name): each for name, each in found.items()}


def configured(rate: str) -> Config:
    """Return a configuration in which each credential has this limit."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "measured.yaml")
        file.write_text(CATALOG.replace("RATE", rate), "utf-8")
        service = {"catalog": str(file), "hosts": ["api.test"]}
        return resilient.load({"services": {"measured": service}})


@asynccontextmanager
async def session(
    credentials: int, rate: str, latency: float = 0.0
) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session whose only service has so many credentials."""
    keys = {f"acct-{number}": f"key-{number:08}" for number in range(credentials)}
    ours = resilient.Middleware(configured(rate), credentials={"measured": keys})
    async with bare(latency, ours) as http:
        yield http
    await ours.aclose()


@asynccontextmanager
async def bare(
    latency: float, *middlewares: aiohttp.ClientMiddlewareType
) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session in which the last middleware is the vendor."""

    async def answer(
        request: aiohttp.ClientRequest, _handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if latency:
            await asyncio.sleep(latency)
        return respond(request, 200)

    async with aiohttp.ClientSession(
        middlewares=(*middlewares, answer), timeout=aiohttp.ClientTimeout(total=None)
    ) as http:
        yield http


async def call(http: aiohttp.ClientSession, number: int) -> None:
    """Make a call with a credential."""
    with resilient.options(credential=f"acct-{number}"):
        async with http.get(URL):
            pass


async def one_by_one(http: aiohttp.ClientSession, numbers: Iterator[int], count: int) -> float:
    """Make so many calls; return the microseconds of processor time for each."""
    began = time.process_time()
    for _ in range(count):
        await call(http, next(numbers))
    return (time.process_time() - began) / count * MICRO


# All at once.


async def at_once(effort: Effort, *, limited: bool) -> AtOnce:
    """Let all calls come at the same moment, in virtual time; with ours, or without."""
    loop = asyncio.get_running_loop()
    opened = session(effort.credentials, SEVEN, LATENCY) if limited else bare(LATENCY)
    async with opened as http:
        began, spent = loop.time(), time.process_time()
        calls = [call(http, number % effort.credentials) for number in range(effort.together)]
        ended = await asyncio.gather(*calls, return_exceptions=True)
        cpu = (time.process_time() - spent) / effort.together * MICRO
        return AtOnce(cpu, loop.time() - began, sum(each is not None for each in ended))


# What is printed.


def grown(found: dict[int, Compared]) -> Table:
    """Return a line for each number of credentials."""
    one = next(iter(found.values())).base
    rows = [(f"{count:,}", each.cost, each.ratio) for count, each in found.items()]
    return Table(
        title="A call, where so many credentials are in use",
        columns=("credentials", "us", "x one"),
        rows=(("1", one, 1), *rows),
        notes=("Processor time of a session's call, without a network; two limits each.",),
    )


def together(effort: Effort, ours: AtOnce, bare: AtOnce) -> Table:
    """Return what came of all at once."""
    calls = f"{effort.together:,} calls at once, {effort.credentials:,} credentials, {SEVEN} each"
    return Table(
        title=calls,
        columns=("", "us a call", "seconds (virtual)", "failed"),
        rows=(
            ("resilient", ours.cpu, ours.seconds, ours.failed),
            ("no limits: aiohttp's session alone", bare.cpu, bare.seconds, bare.failed),
        ),
    )
