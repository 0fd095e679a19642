"""`release()` and credentials: what rests because renewals did not help is renewed at once."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import acme
import attrs
import pytest
from acme import Client, Connect
from aiohttp import web
from server import Server

import resilient
from resilient.credentials import Calls, Values


@attrs.define(eq=False)
class Account:
    """A credential whose tokens are `a1`, and with each renewal `a2`, `a3` … if it is called `a`.

    Attributes:
        store: While it is not set, the store does not answer.
    """

    name: str
    number: int = 1
    refreshable: bool = True
    store: asyncio.Event = attrs.field(factory=asyncio.Event)

    def __attrs_post_init__(self) -> None:
        self.store.set()

    async def load(self, calls: Calls) -> Values:
        """Return the present token."""
        await self.store.wait()
        return {"token": f"{self.name}{self.number}"}

    async def renew(self, calls: Calls, stale: Values) -> Values:
        """Return the next token."""
        self.number += 1
        return await self.load(calls)


def accounts() -> dict[str, Account]:
    """Return two of them."""
    return {name: Account(name) for name in ("a", "b")}


async def fourth(request: web.Request) -> web.Response:
    """Report the first three tokens of every account as expired."""
    if request.headers["Authorization"].endswith("4"):
        return web.json_response({})
    return web.Response(**acme.says("expired", status=401))


@pytest.fixture(autouse=True)
def _answer(server: Server) -> None:
    server.default = fourth  # type: ignore[assignment]


async def rest(api: Client, account: str) -> None:
    """Call until nothing is sent any more: two renewals in a row were in vain."""
    for attempts in (2, 2, 0):
        assert attempts == (await refused(api, account)).attempts


async def refused(api: Client, account: str) -> resilient.AuthenticationFailed:
    """Make a call that fails, and return how."""
    with resilient.options(credential=account), pytest.raises(resilient.AuthenticationFailed) as e:
        await api.get()
    return e.value


async def succeeds(api: Client, account: str) -> None:
    """Make a call that is answered, at once."""
    began = asyncio.get_running_loop().time()
    with resilient.options(credential=account):
        assert 200 == (await api.get()).status
    assert began == asyncio.get_running_loop().time()


def on_demand(made: dict[str, Account]) -> Callable[[str], Awaitable[Account]]:
    """Return what makes the same credentials by name."""

    async def make(name: str) -> Account:
        return made[name]

    return make


@pytest.mark.parametrize("source", [dict, on_demand])
async def test_all(connect: Connect, source: Callable[[object], Any]) -> None:
    """Every credential of the service is renewed at once when next it is needed."""
    async with connect(credentials=source(accounts())) as api:
        await rest(api, "a")
        await rest(api, "b")
        assert [] == await api.middleware.release("acme")
        await succeeds(api, "a")
        await succeeds(api, "b")


@pytest.mark.parametrize("source", [dict, on_demand])
async def test_one_credential(connect: Connect, source: Callable[[object], Any]) -> None:
    """Where one is named, the others go on resting."""
    async with connect(credentials=source(accounts())) as api:
        await rest(api, "a")
        await rest(api, "b")
        await api.middleware.release("acme", credential="a")
        await succeeds(api, "a")
        assert 0 == (await refused(api, "b")).attempts


async def test_one_service(server: Server, tmp_path: Path) -> None:
    """The credentials of another service go on resting."""
    keys = {"catalog": acme.write(tmp_path), "hosts": [server.host]}
    services = {"ours": keys, "theirs": keys}
    own = {name: accounts() for name in services}
    middleware = resilient.Middleware({"services": services}, credentials=own)
    async with resilient.session(middleware) as http:
        api = Client(server.url, http, middleware, [])
        for name in services:
            with resilient.options(service=name):
                await rest(api, "a")
        await middleware.release("ours")
        with resilient.options(service="ours"):
            await succeeds(api, "a")
        with resilient.options(service="theirs"):
            assert 0 == (await refused(api, "a")).attempts
    await middleware.aclose()


async def test_while_the_store_is_read(connect: Connect) -> None:
    """A call that asks just then whether there is another goes on with the one there is."""
    account = Account("a")
    async with connect(credentials={"a": account}) as api:
        await rest(api, "a")
        account.store.clear()
        call = asyncio.ensure_future(api.get())
        await asyncio.sleep(0.1)
        await api.middleware.release("acme")
        account.store.set()
        assert 200 == (await call).status
