"""Adaptive pacing as a user sees it: the event, `state()`, `release()` and `adaptive: false`."""

import asyncio

import acme
import pytest
from acme import Client, Connect
from server import Server

LIMITS = {"calls": {"rate": "60/10s", "per": ["credential"]}}
REFUSED = acme.says("slow_down", status=429, after=5)


async def busy(api: Client, server: Server) -> None:
    """Use the limit up for two of its periods, then have a call refused."""
    await asyncio.gather(*(api.get() for _ in range(120)))
    server.then(**REFUSED)
    await api.get()


def rate(api: Client) -> float:
    """Return the rate of the limit."""
    return api.middleware.state()["acme/credential:default"].rates["calls"]


async def test_the_event(server: Server, connect: Connect) -> None:
    """A refusal slows the limit down, and one event says which, from what to what, and why."""
    async with connect(catalog={"limits": LIMITS}) as api:
        await busy(api, server)
        (event,) = api.told("rate_adapted")
    expected = ("acme", "default", "credential:default", "calls", "refused")
    assert expected == tuple(
        event[key] for key in ("service", "credential", "scope", "limit", "reason")
    )
    detail = event["detail"]
    assert {"rate", "before", "documented", "observed"} == set(detail)
    assert detail["rate"] < detail["before"] == detail["documented"]
    assert 30 == pytest.approx(detail["observed"], abs=3)


async def test_state_and_recovery(server: Server, connect: Connect) -> None:
    """`state()` shows the rate as it creeps up, and an event says that it is as documented."""
    async with connect(catalog={"limits": LIMITS}) as api:
        await busy(api, server)
        rates = []
        for seconds in (0, 600, 7200):
            await asyncio.sleep(seconds)
            rates.append(rate(api))
        await api.get()
        told = api.told("rate_adapted")
    assert rates == sorted(rates)
    assert rates[0] < rates[1] < rates[2] == pytest.approx(60 / 10.1)
    assert ["refused", "recovered"] == [event["reason"] for event in told]
    assert told[1]["detail"]["before"] == told[0]["detail"]["rate"] < told[1]["detail"]["rate"]


async def test_by_hand(server: Server, connect: Connect) -> None:
    """`release()` lifts it, also where nothing is paused."""
    async with connect(catalog={"limits": LIMITS}) as api:
        await busy(api, server)
        assert ["credential:default"] == await api.middleware.release("acme")
        await api.get()
        assert ["refused", "recovered"] == [e["reason"] for e in api.told("rate_adapted")]
        assert [] == await api.middleware.release("acme")


async def test_turned_off(server: Server, connect: Connect) -> None:
    """`adaptive: false` leaves the rate as it is documented."""
    async with connect(catalog={"limits": LIMITS}, adaptive=False) as api:
        await busy(api, server)
        assert [] == api.told("rate_adapted")
        assert pytest.approx(60 / 10.1) == rate(api)


async def test_only_the_limit_that_was_used(server: Server, connect: Connect) -> None:
    """Of several limits the one that was used up slows down, not those with room."""
    limits = {**LIMITS, "many": {"rate": "600/10s", "per": ["credential"]}}
    async with connect(catalog={"limits": limits}) as api:
        await busy(api, server)
        assert ["calls"] == [event["limit"] for event in api.told("rate_adapted")]


async def test_a_quota_that_is_spent(server: Server, connect: Connect) -> None:
    """To be told to come back in an hour is about the hour's limit: the minute's stays."""
    limits = {**LIMITS, "hourly": {"rate": "9000/h", "per": ["credential"]}}
    async with connect(catalog={"limits": limits}, on_error="return") as api:
        await asyncio.gather(*(api.get() for _ in range(120)))
        server.then(**acme.says("slow_down", status=429, after=3600))
        await api.get()
        assert [] == api.told("rate_adapted")


async def test_the_first_call(server: Server, connect: Connect) -> None:
    """A first call that is refused says nothing of the rate: others may have used it before."""
    server.then(**REFUSED)
    async with connect(catalog={"limits": LIMITS}) as api:
        await api.get()
        assert [] == api.told("rate_adapted")
