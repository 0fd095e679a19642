"""Retries help a server that stumbles, and do not keep down one that has fallen."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import attrs
import overloaded
import pytest
from overloaded import Overloaded
from promises.conftest import Figure, Scale
from server import Server

import resilient

NAIVE: dict[str, Any] = {"retry_budget": "off"}
"""What retrying is without a budget: each call for itself."""

NONE: dict[str, Any] = {"policies": {"retry": {"action": "retry", "attempts": 1}}}
"""No retries at all."""


@asynccontextmanager
async def calling(server: Server, service: Mapping[str, Any]) -> AsyncIterator[overloaded.Call]:
    """Give what makes one call of a service at a server."""
    keys = {"catalog": "http", "hosts": [server.host], **service}
    unbound = aiohttp.TCPConnector(limit=0)
    async with resilient.session({"services": {"api": keys}}, connector=unbound) as http:

        async def call() -> int:
            async with http.get(server.url) as response:
                return response.status

        yield call


async def amplification(
    server: Server, service: Mapping[str, Any], *, rate: int, seconds: int
) -> float:
    """Return the sends for each call to a server that fails everything."""
    server.hits.clear()
    server.default = {"status": 503}
    async with calling(server, service) as call:
        made = await overloaded.load(call, rate=rate, seconds=seconds)
    return len(server.hits) / made.calls


async def test_amplification(server: Server, scale: Scale, figure: Figure) -> None:
    """A server that fails everything gets at most a tenth more than the first attempts."""
    rate, seconds = scale(40, 200), scale(15, 60)
    found = await amplification(server, {}, rate=rate, seconds=seconds)
    figure("F1", "sends for each call, all fail", found, of=rate * seconds)
    assert 1.0 <= found <= 1.1


async def test_amplification_naively(server: Server, figure: Figure) -> None:
    """Without a budget the same load is nearly four times as much."""
    found = await amplification(server, NAIVE, rate=20, seconds=10)
    figure("F1", "without a budget", found)
    assert found > 3.5


@attrs.frozen
class Outage:
    """A load of four fifths of what a server can do, and the server does nothing for a while.

    The budget's floor is what it is by default for 80 calls a second, and less for fewer.
    """

    rate: int
    seconds: int
    after: int

    async def recovery(self, server: Server, service: Mapping[str, Any]) -> float:
        """Return the seconds from its end until every call succeeds again."""
        capacity = Overloaded(1.25 * self.rate)
        server.default = capacity  # type: ignore[assignment]
        impatient = {"attempt_timeout": "1s", "timeout": "20s"}
        async with calling(server, {**service, **impatient}) as call:
            asyncio.get_running_loop().call_later(2, capacity.stall, self.seconds)
            load = await overloaded.load(
                call, rate=self.rate, seconds=2 + self.seconds + self.after
            )
        return load.recovered(2 + self.seconds, self.rate)

    @property
    def budgeted(self) -> dict[str, Any]:
        """The budget."""
        return {"retry_budget": {"ratio": 0.1, "floor": self.rate // 8}}


@pytest.fixture
def outage(scale: Scale) -> Outage:
    """An outage: a short one, or of ten seconds."""
    return Outage(rate=scale(20, 80), seconds=scale(3, 10), after=scale(15, 60))


async def test_recovery(server: Server, outage: Outage, figure: Figure) -> None:
    """After an outage goodput is back as soon as without any retries, give or take a tenth."""
    without = await outage.recovery(server, NONE)
    found = await outage.recovery(server, outage.budgeted)
    figure("F2", "seconds to recover, no retries", without, of=f"an outage of {outage.seconds} s")
    figure("F2", "seconds to recover, with the budget", found)
    assert without < outage.after
    assert found <= 1.1 * without + 1  # of a second, which is what is measured in


async def test_recovery_naively(
    server: Server, outage: Outage, scale: Scale, figure: Figure
) -> None:
    """Without a budget the retries keep the overload alive long after its cause has gone."""
    outage = attrs.evolve(outage, after=scale(16, 50))  # beyond the recovery without
    found = await outage.recovery(server, NAIVE)
    figure("F2", "seconds to recover, without a budget", found, of=outage.after)
    assert float("inf") == found


async def test_budget_in_events(server: Server) -> None:
    """A call that finds the budget spent says so, and raises what its last attempt means."""
    server.default = {"status": 503}
    events: list[resilient.Event] = []
    keys = {"catalog": "http", "hosts": [server.host], "retry_budget": {"ratio": 0.0, "floor": 1}}
    async with resilient.session({"services": {"api": keys}}, listeners=[events.append]) as http:
        with pytest.raises(resilient.Unavailable) as caught:
            await http.get(server.url)
    failed = [each for each in events if each.name == "resilient.attempt_failed"]
    assert [None, "budget"] == [each.retry_skipped for each in failed]
    assert 2 == caught.value.attempts == len(server.hits)


async def test_first_sends_are_free(server: Server) -> None:
    """Without any budget at all every call is still sent once."""
    found = await amplification(
        server, {"retry_budget": {"ratio": 0, "floor": 0}}, rate=20, seconds=2
    )
    assert 1.0 == found


async def test_successes_pay(server: Server) -> None:
    """Where one call in eleven fails once, every one of them is retried."""
    server.then(status=200, times=10)
    for _ in range(20):
        server.then(status=503)
        server.then(status=200, times=11)
    async with calling(server, {"retry_budget": {"ratio": 0.1, "floor": 0}}) as call:
        answers = [await call() for _ in range(220)]
    assert {200} == set(answers)


async def test_back_off_is_free(server: Server) -> None:
    """A refusal needs no budget: the pause and the probe hold everybody back."""
    for _ in range(4):
        server.then(status=429, headers={"Retry-After": "1"})
    async with calling(server, {"retry_budget": {"ratio": 0, "floor": 0}}) as call:
        assert [200] * 5 == await asyncio.gather(*[call() for _ in range(5)])
