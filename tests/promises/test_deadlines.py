"""A call is over by its deadline, and does not sleep into it, whatever happens to it."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import acme
import aiohttp
import attrs
import pytest
import raw_server
from acme import Connect
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from promises.conftest import Figure, Scale
from raw_server import Answer, RawServer, Wire

import resilient
from resilient.clock import Clock
from resilient.credentials import Bearer

KINDS = ("ok", "busy", "busy", "slow down", "slow down", "expired", "stalled", "dripping", "reset")
CHUNKED = "Transfer-Encoding: chunked"


@attrs.frozen(kw_only=True)
class Plan:
    """What happens to one call, and how long it may take.

    Attributes:
        kinds: What the server does, each with how long it takes and what it asks for.
        timeout: The service's.
        attempt_timeout: The service's.
        within: The caller's own, or None.
        total: aiohttp's own, or None.
        renewal: How long a renewal takes.
        ahead: How many calls were sent before, and have used up the limit.
    """

    kinds: tuple[tuple[str, float, int], ...]
    timeout: float
    attempt_timeout: float
    within: float | None
    total: float | None
    renewal: float
    ahead: int

    @property
    def deadline(self) -> float:
        """Seconds that the call may take."""
        return min(self.timeout, self.within or float("inf"), self.total or float("inf"))


def drawn(chance: random.Random) -> Plan:
    """Draw a plan."""
    seconds = partial(chance.choice, (0.5, 1.0, 1.7, 3.0, 5.0, 8.2, 20.0, 61.0))
    waits = (0.0, 0.01, 0.4, 2.0, 7.0)
    return Plan(
        kinds=tuple(
            (chance.choice(KINDS), chance.choice(waits), chance.choice((0, 1, 3, 9, 30, 200)))
            for _ in range(chance.randint(1, 6))
        ),
        timeout=seconds(),
        attempt_timeout=seconds(),
        within=chance.choice((None, seconds())),
        total=chance.choice((None, None, seconds())),
        renewal=chance.choice((0.0, 0.5, 4.0, 30.0)),
        ahead=chance.choice((0, 0, 1, 3)),
    )


@attrs.define(eq=False)
class Vendor:
    """Plays a plan, and remembers when it was last busy with it."""

    plan: Plan
    busy: float = 0.0
    at: int = 0

    async def answer(self, wire: Wire) -> bool:
        """Do what is next in the plan; after its end, all is well."""
        kind, seconds, asked = self.plan.kinds[self.at] if self.at < len(self.plan.kinds) else OK
        self.at += 1
        try:
            await self._pause(wire, seconds)
            return await ANSWERS[kind](asked)(wire)
        finally:
            self.busy = asyncio.get_running_loop().time()

    async def _pause(self, wire: Wire, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await wire.reader.read(1)
                raise EOFError  # the client has gone

    async def renew(self) -> str:
        """Sell a token; nobody knows before how long it takes."""
        self.busy = float("inf")
        await asyncio.sleep(self.plan.renewal)
        self.busy = asyncio.get_running_loop().time()
        return f"token-{self.at}"


OK = ("ok", 0.0, 0)


def _says(status: str, *headers: str) -> Answer:
    return raw_server.reply(raw_server.whole(status, b"{}", *headers))


ANSWERS: dict[str, Callable[[int], Answer]] = {
    "ok": lambda _: _says("200 OK"),
    "busy": lambda asked: _says("503 Busy", *[f"Retry-After: {asked}"] * (asked > 3)),
    "slow down": lambda asked: _says("429 Slow", f"Retry-After: {asked}"),
    "expired": lambda _: _says("401 Unauthorized"),
    "stalled": lambda _: raw_server.stall,
    "dripping": lambda _: raw_server.endless(raw_server.head("503 X", CHUNKED), b" ", every=0.3),
    "reset": lambda _: raw_server.reset(),
}


@attrs.frozen
class Outcome:
    """How a call ended.

    Attributes:
        took: Seconds.
        idle: Seconds at its end in which nothing was under way: it slept, or was done.
        error: What was raised.
        told: Seconds from the beginning until another call may succeed, if it said so.
    """

    took: float
    idle: float
    error: BaseException | None
    told: float | None


def faults(plan: Plan, found: Outcome) -> list[str]:
    """Return what is wrong with an outcome."""
    refused = isinstance(found.error, resilient.DeadlineExceeded) and found.took < plan.deadline
    ended = found.error is not None and found.took >= plan.deadline - 1e-3
    wrong = {
        "late": found.took > plan.deadline + 1e-3,
        "slept": ended and found.idle > 1e-3,
        "silent": refused and (found.told is None or found.told < plan.deadline - 1e-3),
    }
    return [name for name, is_so in wrong.items() if is_so]


async def outcome(
    plan: Plan, server: RawServer, client: "Callable[[Vendor], aiohttp.ClientSession]"
) -> Outcome:
    """Make a call as planned."""
    vendor = Vendor(attrs.evolve(plan, kinds=(OK,) * plan.ahead + plan.kinds))
    server.default = vendor.answer
    loop = asyncio.get_running_loop()
    async with client(vendor) as http:
        for _ in range(plan.ahead):
            with suppress(resilient.ResilientError):
                await http.get(server.url + "/things")
        began, error = loop.time(), None
        vendor.busy = began
        try:
            with resilient.options(timeout=plan.within):
                async with http.get(server.url + "/things", timeout=_total(plan)):
                    pass
        except Exception as caught:  # noqa: BLE001 - that is what is looked at
            error = caught
        took = loop.time() - began
        # A server that is still busy is told by the end of the connection.
        await asyncio.sleep(0.001)
        idle = max(0.0, began + took - vendor.busy)
    await asyncio.sleep(40)
    when = getattr(error, "retry_at", None)
    return Outcome(took, idle, error, when and when.timestamp() - began)


def _total(plan: Plan) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=plan.total)


def ours(config: resilient.Config, plan: Plan, vendor: Vendor) -> aiohttp.ClientSession:
    """Return a client of the library."""
    service = attrs.evolve(
        config["acme"], timeout=plan.timeout, attempt_timeout=plan.attempt_timeout
    )
    middleware = resilient.Middleware(
        attrs.evolve(config, services=(service,)),
        credentials={"acme": Bearer(lambda: "stale", vendor.renew)},
        clock=Clock(wall=lambda: asyncio.get_running_loop().time(), chance=lambda: 0.5),
    )
    return aiohttp.ClientSession(middlewares=(middleware,), timeout=_total(plan))


@pytest.fixture
def configs(raw: RawServer, tmp_path: Path) -> list[resilient.Config]:
    """Services with limits and policies of several kinds."""
    found = []
    for rate, attempts, cap in (("1/s", 3, 2), ("100/s", 8, 30), ("3/10s", 5, 5)):
        limits = {"calls": {"rate": rate, "per": ["credential"]}}
        retry = {"attempts": attempts, "delay": {"base": "200ms", "cap": cap}, "max_wait": "3m"}
        policies = {name: {"action": name, **retry} for name in ("retry", "back_off")}
        keys = {"catalog": acme.write(tmp_path, limits=limits), "hosts": [raw.host]}
        service = {**keys, "policies": policies, "retry_budget": "off"}
        found.append(resilient.load({"services": {"acme": service}}))
    return found


async def test_plans(
    raw: RawServer, configs: list[resilient.Config], scale: Scale, figure: Figure
) -> None:
    """In thousands of random plans no call overruns its deadline, or sleeps until it comes."""
    chance, plans = random.Random(20), scale(100, 10_000)
    latest, failed = 0.0, 0
    for _ in range(plans):
        plan, config = drawn(chance), chance.choice(configs)
        found = await outcome(plan, raw, partial(ours, config, plan))
        assert [] == faults(plan, found), f"{plan}\n{found}"
        latest = max(latest, found.took - plan.deadline)
        failed += found.error is not None
    assert failed > plans / 5
    figure("C3", "seconds beyond a deadline", max(0.0, latest), of=plans)
    figure("C3", "calls that slept into their deadline", 0, of=plans)


async def test_plans_naively(raw: RawServer) -> None:
    """The check finds a retry that sleeps as it is told, and knows of no deadline."""

    async def obedient(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        response = await handler(request)
        for _ in range(4):
            if not response.ok:
                response.close()
                await asyncio.sleep(float(response.headers.get("Retry-After", 1)))
                response = await handler(request)
        return response

    def naive(_: Vendor) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(middlewares=(obedient,), timeout=_total(plan))

    chance = random.Random(20)
    found = set()
    for _ in range(40):
        plan = drawn(chance)
        plan = attrs.evolve(plan, total=plan.deadline)
        found |= set(faults(plan, await outcome(plan, raw, naive)))
    assert "slept" in found


async def test_a_total_that_is_too_short(reach: Connect) -> None:
    """A policy whose `max_wait` does not fit aiohttp's total is told at the start, once."""
    waits = {"retry": {"action": "retry", "max_wait": "5m"}}
    waits["back_off"] = {"action": "back_off", "max_wait": "30s"}
    async with reach(policies=waits) as api:
        for total, said in ((None, 0), (60, 1)):
            timeout: Any = aiohttp.ClientTimeout(total=total)
            middleware = resilient.Middleware(api.middleware.config, listeners=[api.events.append])
            async with aiohttp.ClientSession(middlewares=(middleware,), timeout=timeout) as http:
                for _ in range(2):
                    async with http.get(api.url):
                        pass
            assert said == len(api.told("config_warning"))
        (warning,) = api.told("config_warning")
    assert "60s" in warning["reason"]
    assert "retry" in warning["reason"]
    assert "back_off" not in warning["reason"]
