"""This library at the punishing vendor: a session with the middleware, and nothing else to it."""

import asyncio
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

import aiohttp
import attrs

import resilient
from benchmarks.exactness.clocks import run, virtual_clocks
from benchmarks.goodput.outcome import Outcome, work
from benchmarks.goodput.situations import TASKS, Situation
from benchmarks.goodput.vendor import Rules, Vendor
from benchmarks.in_process import respond
from resilient.config.service import Config
from resilient.events import Event

SEED = 5
URL = "https://api.test/v1/lists"
CATALOG = """
catalog: punishing
source: {{document: none, read: 2026-11-22}}
limits: {{calls: {{rate: {limit}/{period:g}s, per: [credential]}}}}
ban: {{after: {after}, within: {within:g}s, in_flight: {in_flight}}}
statuses:
  403: {{policy: block_warning, scope: credential, meaning: shut out for five minutes}}
  429: {{policy: back_off, scope: credential, processed: false, meaning: too many calls}}
"""


@attrs.frozen
class Run:
    """What came of the work, and what was said meanwhile."""

    outcome: Outcome
    events: Sequence[Event] = attrs.field(repr=False)


def configured(rules: Rules, *, strict: bool) -> Config:
    """Return a configuration with what the vendor documents."""
    text = CATALOG.format(
        limit=rules.limit,
        period=rules.period,
        after=rules.ban_after,
        within=rules.ban_within,
        in_flight="strict" if strict else "normal",
    )
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "punishing.yaml")
        file.write_text(text, "utf-8")
        service = {"catalog": str(file), "hosts": ["api.test"]}
        return resilient.load({"services": {"punishing": service}})


def sending(
    vendor: Vendor, latency: tuple[float, float], chance: Random
) -> aiohttp.ClientMiddlewareType:
    """Return a middleware that sends to a vendor in this process; it takes time both ways."""
    now = asyncio.get_running_loop().time

    async def send(
        request: aiohttp.ClientRequest, _handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        await asyncio.sleep(chance.uniform(*latency))
        answer = vendor.arrive(now())
        await asyncio.sleep(chance.uniform(*latency))
        return respond(request, answer.status, answer.retry_after)

    return send


def outcome(situation: Situation, calls: int) -> Run:
    """Return what comes of our work."""
    logging.getLogger("resilient").addHandler(logging.NullHandler())
    return run(_outcome(situation, calls))


async def _outcome(situation: Situation, calls: int) -> Run:
    vendor, chance, events = Vendor(situation.rules), Random(SEED), list[Event]()
    vendor.open(asyncio.get_running_loop().time())
    config = configured(situation.rules, strict=situation.strict)
    with virtual_clocks(["resilient"]):
        ours = resilient.Middleware(config, listeners=[events.append])
        send = sending(vendor, situation.latency, chance)
        untimed = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(middlewares=(ours, send), timeout=untimed) as http:

            async def call() -> None:
                async with http.get(URL):
                    pass

            found = await work(call, vendor, calls=calls, tasks=TASKS)
        await ours.aclose()
    return Run(found, events)
