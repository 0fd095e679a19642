"""Events: their names, keys and levels; one outcome a call; listeners."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import acme
import aiohttp
import pytest
from acme import KEY, Connect
from server import Server

import resilient
from resilient.credentials import Bearer
from resilient.events import LEVELS

CONTRACT = {
    "info": {
        "started",
        "retry_scheduled",
        "reauthenticated",
        "call_recovered",
        "call_delayed",
        "scope_released",
        "rate_adapted",
        "store_recovered",
    },
    "warning": {
        "attempt_failed",
        "scope_paused",
        "code_unmapped",
        "block_warning",
        "store_degraded",
        "config_warning",
    },
    "error": {"call_failed", "scope_blocked"},
}
KEYS = {
    *("service", "catalog", "credential", "call", "attempt", "method", "url", "endpoint"),
    *("status", "code", "name", "policy", "scope", "limit", "delay", "waited", "retry_at"),
    *("retry_skipped", "reason", "suppressed", "elapsed"),
}
MORE = {"event", "mode", "position", "detail"}
OUTCOMES = {"resilient.call_failed", "resilient.call_recovered"}


def test_levels() -> None:
    """Every event of the contract has its level, and there are no others."""
    found = {level: {n[10:] for n, its in LEVELS.items() if its == level} for level in CONTRACT}
    assert CONTRACT == found


async def test_silent_success(server: Server, connect: Connect) -> None:
    """A first attempt that succeeds without waiting emits nothing; the start is told once."""
    async with connect() as api:
        for _ in range(3):
            await api.get()
        assert ["started"] == api.names()


async def test_started(server: Server, connect: Connect) -> None:
    """The start tells the store, the share and the limits in effect."""
    limits = {"calls": {"rate": "1200/min"}, "daily": {"rate": "8000/day"}}
    async with connect(limits=limits, share="1/4") as api:
        await api.get()
        (started,) = api.told("started")
    assert ("acme", "acme") == (started["service"], started["catalog"])
    assert {
        "store": "memory",
        "share": "1/4",
        "limits": {"calls": "1 at once, 4.99168/s", "daily": "2000 in 86400s"},
    } == started["detail"]
    assert "unknown" in started["reason"]


async def test_story_of_a_call(server: Server, connect: Connect) -> None:
    """A call that fails twice and recovers tells it in order, with all that is known."""
    server.then(**acme.says("broken", status=500))
    server.then(**acme.says("slow_down", status=429, after=7))
    async with connect(chance=0.5) as api:
        await api.get("/things?page=2")
        told = [event.asdict() for event in api.events[1:]]
    assert [
        ("attempt_failed", 1),
        ("retry_scheduled", 1),
        ("attempt_failed", 2),
        ("scope_paused", 2),
        ("retry_scheduled", 2),
        ("call_delayed", 3),
        ("scope_released", 3),
        ("call_recovered", 3),
    ] == [(each["event"][10:], each["attempt"]) for each in told]
    assert 1 == len({each["call"] for each in told})
    first, scheduled, _, paused, _, delayed, _, recovered = told
    assert {
        "service": "acme",
        "catalog": "acme",
        "credential": "default",
        "method": "GET",
        "url": f"{server.url}/things?page=2",
        "endpoint": "things",
        "status": 500,
        "code": "broken",
        "name": "Broken",
        "policy": "retry",
    }.items() <= first.items()
    assert 0.1 == pytest.approx(scheduled["delay"])
    assert ("credential:default", "slow_down") == (paused["scope"], paused["reason"])
    assert 7.35 == pytest.approx(paused["delay"]) == delayed["delay"]
    assert ("pause", 1) == (delayed["reason"], delayed["position"])
    assert 7.45 == pytest.approx(recovered["waited"]) == recovered["elapsed"]


async def script(server: Server, connect: Connect) -> tuple[list[dict[str, Any]], int]:
    """Return the events of calls that meet everything there is, and how many calls raised."""
    codes = ("broken", "lost", "slow_down", "expired", "wrong", "unheard", "nothing")
    for times in (1, 2, 9):
        for code in codes:
            server.then(**acme.says(code, status=429), times=times)
    server.script.append(acme.slowly(1000))
    policies = {"back_off": {"action": "back_off", "attempts": 3}}
    bearer = Bearer(lambda: KEY, lambda: KEY + "-2")
    limits = {"calls": {"rate": "20/min"}}
    raised = 0
    async with connect(credentials=bearer, policies=policies, limits=limits, chance=0.5) as api:
        for method in ("GET", "POST") * 30:
            try:
                await api.call(method, f"/things?api_key={KEY}")
            except resilient.ResilientError:
                raised += 1
                await asyncio.sleep(60)  # a renewal that does not help is not repeated at once
        server.then(**acme.says("shut_out"))
        results = await asyncio.gather(*[api.get() for _ in range(5)], return_exceptions=True)
        raised += sum(isinstance(each, resilient.ResilientError) for each in results)
        await api.middleware.release("acme")
        return [event.asdict() for event in api.events], raised


async def test_keys(server: Server, connect: Connect) -> None:
    """No event has another key, durations are floats, times are ISO 8601 in UTC, all is JSON."""
    told, _ = await script(server, connect)
    # No store is shared, and nothing was misconfigured.
    assert set(LEVELS) - {
        "resilient.store_degraded",
        "resilient.store_recovered",
        "resilient.config_warning",
    } == {each["event"] for each in told}
    for each in told:
        assert each.keys() <= KEYS | MORE, each
        assert each["event"] == json.loads(json.dumps(each))["event"]
        assert all(type(each[key]) is float for key in ("delay", "waited", "elapsed") & each.keys())
        if "retry_at" in each:
            assert UTC == datetime.fromisoformat(str(each["retry_at"])).tzinfo


async def test_one_outcome(server: Server, connect: Connect) -> None:
    """Each call that was told of has one outcome, and its attempts are numbered without gaps."""
    told, raised = await script(server, connect)
    assert raised == [each["event"] for each in told].count("resilient.call_failed") > 20
    calls: dict[str, list[dict[str, Any]]] = {}
    for each in told:
        if "call" in each:
            calls.setdefault(each["call"], []).append(each)
    for events in calls.values():
        outcomes = [each for each in events if each["event"] in OUTCOMES]
        failed = [e["attempt"] for e in events if e["event"] == "resilient.attempt_failed"]
        assert list(range(1, len(failed) + 1)) == failed
        # Who only waited, and then succeeded, has nothing more to tell.
        assert 1 == len(outcomes) or not (outcomes or failed)
        assert all(e.get("attempt", 0) in (len(failed), len(failed) + 1) for e in outcomes)


async def test_no_secret(server: Server, connect: Connect) -> None:
    """No event shows a credential, though it stands in the URL."""
    told, _ = await script(server, connect)
    assert [] == [each for each in told if KEY in repr(each)]
    assert any("api_key=REDACTED" in str(each.get("url")) for each in told)


async def test_calls_are_told_apart(server: Server, connect: Connect) -> None:
    """Each call has an identifier of its own."""
    server.then(**acme.says("wrong"), times=3)
    async with connect(on_error="return") as api:
        for _ in range(3):
            await api.get()
        assert 3 == len({each["call"] for each in api.told("call_failed")})


async def test_call_delayed(server: Server, connect: Connect) -> None:
    """A wait for a limit is told from `report_wait` on, with the limit and the place in line."""
    async with connect(limits={"calls": {"rate": "1/s"}}, report_wait="2s") as api:
        await asyncio.gather(*[api.get() for _ in range(4)])
        told = api.told("call_delayed")
    assert [("calls", "limit", 2), ("calls", "limit", 3)] == [
        (each["limit"], each["reason"], each["position"]) for each in told
    ]
    assert [2.2, 3.3] == [pytest.approx(each["delay"]) for each in told]


async def test_delayed_by_a_probe(server: Server, connect: Connect) -> None:
    """A wait of which nobody knows how long it takes is told once it has taken that long."""
    server.then(**acme.says("slow_down", after=5))
    server.script.append(acme.slowly(3))
    async with connect() as api, asyncio.TaskGroup() as group:
        group.create_task(api.get())
        await asyncio.sleep(6)
        group.create_task(api.get())
        await asyncio.sleep(0.99)
        assert 1 == len(api.told("call_delayed"))
        await asyncio.sleep(0.02)
        assert "probe" == api.told("call_delayed")[1]["reason"]


async def test_listener_that_raises(server: Server, connect: Connect) -> None:
    """A listener that raises changes nothing, neither for the call nor for other listeners."""
    heard: list[resilient.Event] = []

    def broken(event: resilient.Event) -> None:
        raise RuntimeError("listener")

    config = {"services": {"web": {"catalog": "http", "hosts": [server.host]}}}
    server.then(503)
    listeners = [broken, heard.append]
    async with (
        resilient.session(config, listeners=listeners) as http,
        http.get(server.url) as response,
    ):
        assert 200 == response.status
    assert "resilient.call_recovered" in [event.name for event in heard]


async def test_total_that_is_spent(server: Server, connect: Connect) -> None:
    """Where aiohttp's own total ends a call, that is an outcome, too."""
    server.script.append(acme.slowly(1000))
    async with connect() as api:
        timeout = aiohttp.ClientTimeout(total=3)
        with pytest.raises(TimeoutError):
            await api.get(timeout=timeout)
        assert ["started", "attempt_failed", "call_failed"] == api.names()
        assert {(1, "TimeoutError")} == {
            (each["attempt"], each["reason"]) for each in api.told("attempt_failed", "call_failed")
        }


async def test_warns_of_a_total(server: Server, connect: Connect) -> None:
    """A session whose total ends a call before a policy's `max_wait` is warned of, once."""
    async with (
        connect() as api,
        aiohttp.ClientSession(
            middlewares=(api.middleware,), timeout=aiohttp.ClientTimeout(total=60)
        ) as http,
    ):
        for _ in range(2):
            async with http.get(server.url):
                pass
        (warning,) = api.told("config_warning")
        assert "60s" in warning["reason"]
        assert "back_off, retry" in warning["reason"]


async def test_unmapped_codes_are_told_up_to_a_bound(server: Server, connect: Connect) -> None:
    """Each unknown code is told once, and a server that invents them without end is not."""
    async with connect() as api:
        for start in range(0, 1200, 100):
            server.then(**acme.says(*(f"new{start + n}" for n in range(100))))
            with pytest.raises(resilient.ApiError):
                await api.get()
        assert [f"new{n}" for n in range(1000)] == [
            each["code"] for each in api.told("code_unmapped")
        ]
