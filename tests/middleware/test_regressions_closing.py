"""What once went wrong with credentials, and when things close."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import acme
import aiohttp
import pytest
from acme import Connect
from aiohttp import web
from server import Server

import resilient
from resilient.clock import Clock
from resilient.credentials import Bearer, CredentialRefused, OAuth2, TokenPair
from resilient.log import Log

PER_10S = {"calls": {"rate": "1/10s", "per": ["credential"]}}


class _Vendor:
    """Sells pairs of tokens slowly, and the store they are kept in."""

    def __init__(self, server: Server) -> None:
        self.store: dict[str, Any] = {"access_token": "a0", "refresh_token": "r0"}
        self.spent: list[Any] = []
        server.script.extend([self.answer] * 50)

    @property
    def credential(self) -> OAuth2:
        return OAuth2("id", "secret", self.load, self.save, token_url="/token")

    async def load(self) -> dict[str, Any]:
        return dict(self.store)

    async def save(self, pair: TokenPair) -> None:
        self.store.update(pair.asdict())

    async def answer(self, request: web.Request) -> web.Response:
        if request.path == "/token":
            self.spent.append((await request.post())["refresh_token"])
            await asyncio.sleep(0.5)
            number = len(self.spent)
            pair = {"access_token": f"a{number}", "refresh_token": f"r{number}"}
            return web.json_response(pair)
        if request.headers["Authorization"] == "Bearer a0":
            return web.Response(**acme.says("expired", status=401))
        return web.Response(text="{}")


def _config(server: Server, folder: Path, **changes: Any) -> dict[str, Any]:
    keys = {"catalog": acme.write(folder, **changes), "hosts": [server.host]}
    return {"services": {"acme": keys}}


async def test_one_credential_under_several_names(server: Server, connect: Connect) -> None:
    """A credential that several names share is renewed once: a refresh token is spent once."""
    vendor = _Vendor(server)
    shared = vendor.credential
    async with connect(credentials={"x": shared, "y": shared}) as api:

        async def status(name: str) -> int:
            with resilient.options(credential=name):
                return (await api.get()).status

        assert [200, 200] == list(await asyncio.gather(status("x"), status("y")))
    assert ["r0"] == vendor.spent


async def test_exit_during_refresh(server: Server, tmp_path: Path) -> None:
    """A pair that was bought is stored although the session ends meanwhile."""
    vendor = _Vendor(server)
    credentials = {"acme": vendor.credential}
    async with resilient.session(_config(server, tmp_path), credentials=credentials) as http:
        task = asyncio.ensure_future(http.get(server.url + "/things"))
        await asyncio.sleep(0.2)
        task.cancel()
        await asyncio.wait([task])
    await asyncio.sleep(2)
    assert ["r0"] == vendor.spent
    assert "r1" == vendor.store["refresh_token"]


async def test_factory_under_the_deadline(server: Server, connect: Connect) -> None:
    """A factory of credentials that hangs takes no longer than the call may."""

    async def factory(name: str) -> str:
        await asyncio.sleep(1000)
        return "key"

    async with connect(credentials=factory, timeout="5s") as api:
        began = Clock.now()
        with resilient.options(credential="x"), pytest.raises(resilient.ResilientError):
            await api.get()
        assert 6 > Clock.now() - began
    assert [] == server.hits


async def test_factory_refuses(server: Server, connect: Connect) -> None:
    """A factory's refusal becomes an exception of the library."""

    async def factory(name: str) -> str:
        raise CredentialRefused("no such account")

    async with connect(credentials=factory) as api:
        with resilient.options(credential="x"), pytest.raises(resilient.ResilientError):
            await api.get()
    assert [] == server.hits


async def test_factory_is_asked_once(server: Server, connect: Connect) -> None:
    """Many calls at once ask the factory once for one name."""
    asked = []

    async def factory(name: str) -> str:
        asked.append(name)
        await asyncio.sleep(1)
        return "key"

    async with connect(credentials=factory) as api:
        with resilient.options(credential="x"):
            await asyncio.gather(*(api.get() for _ in range(20)))
    assert ["x"] == asked


async def test_one_exception_for_many(server: Server, connect: Connect) -> None:
    """The traceback of a failed renewal does not grow with the calls that waited for it."""

    async def refresh() -> str:
        await asyncio.sleep(1)
        raise RuntimeError("store down")

    server.then(**acme.says("expired", status=401), times=50)
    async with connect(credentials=Bearer(lambda: "token", refresh)) as api:
        calls = (api.get() for _ in range(50))
        results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        assert isinstance(result, RuntimeError)
        depth, frame = 0, result.__traceback__
        while frame is not None:
            depth, frame = depth + 1, frame.tb_next
        assert 40 > depth


async def test_nothing_is_loaded_after_aclose(server: Server, connect: Connect) -> None:
    """After `aclose` the user's credential code is not run."""
    asked = []

    def get() -> str:
        asked.append("get")
        return "token"

    async with connect(credentials=Bearer(get)) as api:
        await api.middleware.aclose()
        with pytest.raises(resilient.NotSent):
            await api.get()
    assert [] == asked


async def test_aclose_while_a_factory_works(server: Server, connect: Connect) -> None:
    """A factory at work during a slow `aclose` disturbs it not: no call hangs or is sent."""

    async def slow() -> str:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await asyncio.sleep(2)
            raise
        return "token"

    async def factory(name: str) -> object:
        if name == "a":
            return Bearer(slow)
        await asyncio.sleep(2)
        return "key-b"

    async with connect(credentials=factory) as api:

        async def call(name: str) -> None:
            with resilient.options(credential=name):
                await api.get()

        tasks = [asyncio.ensure_future(call(name)) for name in "ab"]
        await asyncio.sleep(1)
        await api.middleware.aclose()
        done, _ = await asyncio.wait(tasks, timeout=10)
        assert set(tasks) == done
        for task in tasks:
            assert isinstance(task.exception(), resilient.NotSent)
    assert [] == server.hits


async def test_no_delay_after_aclose(server: Server, connect: Connect) -> None:
    """A call whose answer arrives after `aclose` does not wait for another attempt."""
    server.script.append(acme.slowly(2, acme.says("lost", after=15)))
    async with connect() as api:
        task = asyncio.ensure_future(api.get())
        await asyncio.sleep(1)
        await api.middleware.aclose()
        began = Clock.now()
        with pytest.raises(resilient.ResilientError):
            await task
        assert 3 > Clock.now() - began


@pytest.mark.parametrize("pausing", [False, True])
async def test_session_closed(server: Server, connect: Connect, pausing: bool) -> None:
    """A session closed during a call, or between its attempts, ends it with an aiohttp error."""
    if pausing:
        server.then(**acme.says("lost", after=5))
    else:
        server.script.append(acme.slowly(2))
    async with connect() as api:
        http = aiohttp.ClientSession(middlewares=(api.middleware,))
        task = asyncio.ensure_future(http.get(api.url + "/things"))
        await asyncio.sleep(1)
        await http.close()
        with pytest.raises(aiohttp.ClientError):
            await task


async def test_session_left(server: Server, tmp_path: Path) -> None:
    """A session that is left ends its calls, in flight or waiting, with the library's errors."""
    server.script.append(acme.slowly(1))
    config = _config(server, tmp_path, limits=PER_10S)
    async with resilient.session(config, credentials={"acme": "key"}) as http:
        tasks = [asyncio.ensure_future(http.get(server.url + "/things")) for _ in range(3)]
        await asyncio.sleep(0.5)
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(result, resilient.ResilientError)
        assert isinstance(result, aiohttp.ClientError)


async def test_connector_closed(server: Server, connect: Connect) -> None:
    """The same holds when only the connector was closed."""
    server.script.append(acme.slowly(5))
    async with connect(catalog={"limits": PER_10S}) as api:
        connector = aiohttp.TCPConnector()
        async with aiohttp.ClientSession(
            connector=connector, connector_owner=False, middlewares=(api.middleware,)
        ) as http:
            tasks = [asyncio.ensure_future(http.get(api.url + "/things")) for _ in range(2)]
            await asyncio.sleep(1)
            await connector.close()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                assert isinstance(result, resilient.ResilientError)


async def test_storms_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """A server that invents codes does not make the log remember them all."""
    caplog.set_level(logging.CRITICAL + 1, "resilient")
    log = Log(Clock.now)
    for number in range(4000):
        for _ in range(11):
            log(resilient.Event(name="resilient.attempt_failed", service="s", code=f"c{number}"))
        await asyncio.sleep(2)
    assert 2000 > len(log._storms)
