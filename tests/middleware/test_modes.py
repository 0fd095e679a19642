"""Modes: off and observe beside enforce, RESILIENT_MODE, and on_error: return."""

import asyncio
from collections.abc import AsyncIterator

import acme
import aiohttp
import pytest
from acme import Connect
from server import Server

import resilient

LIMITED = {"limits": {"calls": {"rate": "1/10s"}}}
REASONS = {"limit", "pause", "probe", "connection"}


async def test_off(server: Server, connect: Connect) -> None:
    """`off` leaves calls alone: no credential, no limit, no reaction, no event."""
    server.then(**acme.says("slow_down", status=429, after=10), times=2)
    async with connect(mode="off", **LIMITED) as api:
        answers = [await api.get() for _ in range(3)]
        assert [] == api.events
    assert [429, 429, 200] == [answer.status for answer in answers]
    assert [0, 0, 0] == acme.times(server)
    assert not any("Authorization" in hit.headers for hit in server.hits)


@pytest.mark.parametrize(
    ("code", "status", "event"),
    [
        ("broken", 503, "retry_scheduled"),
        ("slow_down", 429, "scope_paused"),
        ("wrong", 400, "call_failed"),
        ("shut_out", 403, "scope_blocked"),
        ("unheard", 400, "code_unmapped"),
    ],
)
async def test_observe_changes_nothing(
    server: Server, connect: Connect, code: str, status: int, event: str
) -> None:
    """`observe` sends each call once, as it is, and says what it would have done."""
    server.then(**acme.says(code, status=status))
    async with connect(mode="observe") as api:
        async with api.http.get(api.url + "/things") as response:
            assert status == response.status
            assert code in await response.text()
        assert event in api.names()
        assert {"observe"} == {each["mode"] for each in map(resilient.Event.asdict, api.events)}
        assert 200 == (await api.get()).status
    assert [0, 0] == acme.times(server)
    assert not any("Authorization" in hit.headers for hit in server.hits)


async def test_observe_goes_at_once(server: Server, connect: Connect) -> None:
    """`observe` holds no call up, and says how long it would have waited."""
    async with connect(mode="observe", **LIMITED) as api:
        for _ in range(3):
            await api.get()
        assert [10.1, 20.2] == [round(each["delay"], 3) for each in api.told("call_delayed")]
        assert {"calls"} == {each["limit"] for each in api.told("call_delayed")}
    assert [0, 0, 0] == acme.times(server)


async def test_observe_in_a_block(server: Server, connect: Connect) -> None:
    """In a scope that would be blocked, `observe` still sends, and says that it would not."""
    server.then(**acme.says("shut_out", status=403))
    async with connect(mode="observe") as api:
        await api.get()
        await api.get()
        assert ["Blocked", "ScopeBlocked"] == [each["reason"] for each in api.told("call_failed")]
        assert {each["reason"] for each in api.told("call_delayed")} <= REASONS
    assert 2 == len(server.hits)


async def test_observe_raises_what_aiohttp_raises(server: Server, connect: Connect) -> None:
    """`observe` lets aiohttp's own exceptions through."""
    server.script.extend([acme.drop] * 2)
    async with connect(mode="observe") as api:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await api.call("POST", "/things")
        assert 1 == len(api.told("attempt_failed"))


async def test_observe_an_attempt_without_an_answer(server: Server, connect: Connect) -> None:
    """Of a call that enforcing would send again, `observe` says so, and not that it failed."""
    server.script.append(acme.drop)
    async with connect(mode="observe") as api:
        with resilient.options(idempotent=True), pytest.raises(aiohttp.ServerDisconnectedError):
            await api.call("POST", "/things")
        assert ["attempt_failed", "retry_scheduled"] == api.names()[1:]


async def test_observe_cancelled(server: Server, connect: Connect) -> None:
    """A call that is cancelled under `observe` is in flight no longer."""
    server.script.append(acme.slowly(10))
    async with connect(mode="observe") as api:
        call = asyncio.ensure_future(api.get())
        await asyncio.sleep(1)
        assert 1 == api.state().in_flight
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert 0 == api.state().in_flight


@pytest.mark.parametrize(("mode", "hits"), [("off", 1), ("observe", 1), ("enforce", 2), ("", 1)])
async def test_environment(
    server: Server,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    hits: int,
) -> None:
    """RESILIENT_MODE overrides the mode of every service; empty, it says nothing."""
    monkeypatch.setenv("RESILIENT_MODE", mode)
    server.then(503)
    async with connect(mode="off" if mode != "off" else "enforce") as api:
        await api.get()
    assert hits == len(server.hits)


def test_environment_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mode that does not exist is a ConfigError that says which there are."""
    monkeypatch.setenv("RESILIENT_MODE", "on")
    with pytest.raises(resilient.ConfigError, match="'on', expected enforce, observe, off"):
        resilient.Middleware({"services": {"web": {"catalog": "http", "hosts": ["h"]}}})


@pytest.mark.parametrize(
    ("code", "hits"), [("wrong", 1), ("broken", 4), ("expired", 1), ("shut_out", 1)]
)
async def test_return(server: Server, connect: Connect, code: str, hits: int) -> None:
    """`on_error: return` hands back the last answer, readable, after the policy has acted."""
    server.then(**acme.says(code), times=9)
    async with connect(on_error="return") as api:
        async with api.http.get(api.url + "/things") as response:
            body = [chunk async for chunk in response.content.iter_any()]
        assert f"It is {code}.".encode() in b"".join(body)
        failure = resilient.failure(response)
        assert failure is not None
        assert (code, 400) == (failure.code, failure.status)
        assert 1 == len(api.told("call_failed"))
    assert hits == len(server.hits)


async def test_return_after_success(server: Server, connect: Connect) -> None:
    """An answer that is no error has no failure, also after a retry."""
    server.then(503)
    async with connect(on_error="return") as api:
        assert resilient.failure(await api.get()) is None


async def test_return_by_options(server: Server, connect: Connect) -> None:
    """The options of a call go before the service's `on_error`, both ways."""
    server.then(**acme.says("wrong"), times=4)
    async with connect() as api:
        with resilient.options(on_error="return"):
            assert 400 == (await api.get()).status
        with pytest.raises(resilient.ApiError):
            await api.get()
    async with connect(on_error="return") as api:
        with resilient.options(on_error="raise"), pytest.raises(resilient.ApiError):
            await api.get()
        assert 400 == (await api.get()).status


async def test_return_without_an_answer(server: Server, connect: Connect) -> None:
    """Where there is no response, `on_error: return` raises all the same."""
    server.then(**acme.says("shut_out"))
    async with connect(on_error="return") as api:
        assert 400 == (await api.get()).status
        with pytest.raises(resilient.ScopeBlocked):
            await api.get()


async def test_return_in_a_pause_that_does_not_fit(server: Server, connect: Connect) -> None:
    """Where the scope's pause does not fit the deadline, the answer is handed back at once."""
    server.then(**acme.says("slow_down"))
    async with connect(catalog={"ban": {"after": 2, "within": "1m"}}, on_error="return") as api:
        with resilient.options(timeout=10):
            assert "It is slow_down." in await (await api.get()).text()
        assert ["deadline"] == [each.get("retry_skipped") for each in api.told("attempt_failed")]
    assert 1 == len(server.hits)


async def test_return_of_an_empty_body(server: Server, connect: Connect) -> None:
    """An answer without a body is handed back, too, when its resend does not fit."""
    server.then(503, "", headers={"Retry-After": "60"})
    async with connect(on_error="return", timeout="5s") as api:
        assert 503 == (await api.get()).status
    assert 1 == len(server.hits)


async def test_return_after_a_refused_resend(server: Server, connect: Connect) -> None:
    """A resend that is not admitted leaves the last answer to hand back."""
    server.script.append(acme.slowly(1, acme.says("shut_out")))
    server.then(**acme.says("lost", after=5))
    async with connect(on_error="return") as api:
        answers = await asyncio.gather(api.get(), api.get())
        assert "It is lost." in await answers[1].text()
    assert 2 == len(server.hits)


async def test_return_after_a_failed_refresh(server: Server, connect: Connect) -> None:
    """Where the credential cannot be renewed, the answer that refused it is handed back."""

    async def refresh() -> str:
        raise resilient.credentials.CredentialRefused("Revoked.")

    server.then(**acme.says("expired", status=401))
    credential = resilient.credentials.Bearer(lambda: "token", refresh)
    async with connect(on_error="return", credentials=credential) as api:
        assert 401 == (await api.get()).status


async def test_return_after_a_refresh_for_others(server: Server, connect: Connect) -> None:
    """A call that cannot be sent again renews the credential, and its answer is handed back."""

    async def refresh() -> str:
        return "new"

    async def stream() -> AsyncIterator[bytes]:
        yield b"once"

    server.then(**acme.says("expired", status=401))
    credential = resilient.credentials.Bearer(lambda: "old", refresh)
    async with connect(on_error="return", credentials=credential) as api:
        async with api.http.post(api.url + "/things", data=stream()) as response:
            assert 401 == response.status
            assert "It is expired." in await response.text()
        assert 200 == (await api.get()).status
    assert ["Bearer old", "Bearer new"] == [hit.headers["Authorization"] for hit in server.hits]
