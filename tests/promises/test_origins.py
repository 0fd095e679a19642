"""A credential stays with the catalog's own origins, wherever a redirect leads."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import islice, product
from typing import Any

import acme
import aiohttp
import attrs
import pytest
import pytest_asyncio
from aiohttp import web
from loopback import Loopback
from promises.conftest import Figure, Scale
from server import Server

import resilient

SECRET = "canary-9f86d081884c7d65"
HOME = "api.acme.test"
STATUSES = (301, 302, 303, 307, 308)
METHODS = ("GET", "POST", "PUT")
PLACES = ("header", "authorization", "cookie", "query", "form", "json")


Where = Callable[[int, int], str]
"""Where a redirect leads, by the ports of our server and of a foreign one."""

AWAY: dict[str, Where] = {
    "another host": lambda home, away: f"http://evil.test:{away}/there",
    "another port": lambda home, away: f"http://{HOME}:{away}/there",
    "another scheme": lambda home, away: f"https://{HOME}:{away}/there",
    "subdomain": lambda home, away: f"http://sub.{HOME}:{home}/there",
    "parent": lambda home, away: f"http://acme.test:{home}/there",
    "suffix": lambda home, away: f"http://{HOME}.evil.test:{home}/there",
    "userinfo": lambda home, away: f"http://{HOME}:{home}@evil.test:{away}/there",
    "userinfo encoded": lambda home, away: f"http://{HOME}%2f@evil.test:{away}/there",
    "punycode": lambda home, away: f"http://xn--pi-5bc.acme.test:{home}/there",
    "homograph": lambda home, away: f"http://\u0430pi.acme.test:{home}/there",
    "IPv4": lambda home, away: f"http://127.0.0.1:{home}/there",
    "IPv4 decimal": lambda home, away: f"http://2130706433:{home}/there",
    "IPv4 hex": lambda home, away: f"http://0x7f000001:{home}/there",
    "IPv4 short": lambda home, away: f"http://127.1:{home}/there",
    "IPv4 other": lambda home, away: f"http://127.0.0.2:{away}/there",
    "IPv6": lambda home, away: f"http://[::1]:{away}/there",
    "IPv6 mapped": lambda home, away: f"http://[::ffff:127.0.0.1]:{home}/there",
    "no scheme": lambda home, away: f"//evil.test:{away}/there",
    "backslash": lambda home, away: f"http://{HOME}:{home}\\@evil.test:{away}/there",
    "backslashes": lambda home, away: f"\\\\evil.test:{away}/there",
    "mixed case": lambda home, away: f"HTTP://EVIL.Test:{away}/there",
    "and away again": lambda home, away: f"http://evil.test:{away}/again",
}
HERE: dict[str, Where] = {
    "path": lambda home, away: "/there",
    "whole": lambda home, away: f"http://{HOME}:{home}/there",
    "mixed case": lambda home, away: f"HTTP://API.Acme.TEST:{home}/there",
    "no scheme": lambda home, away: f"//{HOME}:{home}/there",
    "query": lambda home, away: "?page=2",
}
"""Places that look foreign and are not, or simply are not."""


@attrs.define(eq=False)
class World:
    """Our server, a foreign one, and what leads from one to the other."""

    home: Server
    away: Server

    @property
    def start(self) -> str:
        """Where calls begin."""
        return f"http://{HOME}:{self.home.port}/things"

    def redirect(self, status: int, where: Where) -> None:
        """Script the next answer."""
        self.home.hits.clear()
        self.away.hits.clear()
        self.home.then(status, headers={"Location": where(self.home.port, self.away.port)})
        self.home.default = self.away.default = self._answer  # type: ignore[assignment]

    async def _answer(self, request: web.Request) -> web.Response:
        if request.path == "/again":
            there = f"http://worse.test:{self.away.port}/there"
            return web.Response(status=307, headers={"Location": there})
        return web.Response(text="{}")

    @property
    def leaked(self) -> int:
        """How many requests carried the secret to another origin."""
        mine = f"{HOME}:{self.home.port}"
        hits = [*self.home.hits, *self.away.hits]
        return sum(SECRET in repr(hit) for hit in hits if hit.headers["Host"].lower() != mine)

    @property
    def left(self) -> int:
        """How many requests came to another origin at all."""
        mine = f"{HOME}:{self.home.port}"
        return sum(
            hit.headers["Host"].lower() != mine for hit in [*self.home.hits, *self.away.hits]
        )


@asynccontextmanager
async def _abroad() -> AsyncIterator[Server]:
    """Run a server on every loopback address there is."""
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
    await runner.setup()
    for host in ("127.0.0.1", "127.0.0.2", "::1"):
        with suppress(OSError):  # a machine without IPv6, or with one loopback address
            await web.TCPSite(runner, host, server.port).start()
            server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()


@pytest_asyncio.fixture
async def world(server: Server) -> AsyncIterator[World]:
    """Two servers."""
    async with _abroad() as away:
        yield World(server, away)


def _catalog(place: str) -> dict[str, Any]:
    name = {"authorization": "Authorization", "header": "X-Api-Key"}.get(place, "api_key")
    places = ["header"] if place in ("header", "authorization", "cookie") else [place]
    return {"credential": {"kind": "api_key", "fields": [{"name": name, "in": places}]}}


def _arguments(place: str, method: str, whose: str) -> dict[str, Any]:
    """Return a request's arguments; the caller puts the secret there, or leaves it to us."""
    value = SECRET if whose == "own" or place == "cookie" else None
    body: dict[str, Any] = {"json": {"a": 1}} if place == "json" else {"data": {"a": "1"}}
    if method == "GET" and place not in ("form", "json"):
        body = {}
    if value is None:
        return body
    there: dict[str, dict[str, Any]] = {
        "header": {"headers": {"X-Api-Key": value}},
        "authorization": {"headers": {"Authorization": f"Bearer {value}"}},
        "cookie": {"cookies": {"sid": value}},
        "query": {"params": {"api_key": value}},
        "form": {"data": {"a": "1", "api_key": value}},
        "json": {"json": {"a": 1, "api_key": value}},
    }
    return {**body, **there[place]}


async def _sent(http: aiohttp.ClientSession, world: World, method: str, **more: Any) -> None:
    """Make a call; where the redirect leads may be nowhere."""
    try:
        async with asyncio.timeout(30), http.request(method, world.start, **more) as response:
            await response.read()
    except (aiohttp.ClientError, ValueError, TimeoutError):
        pass


@asynccontextmanager
async def _opened(world: World, folder: Any, place: str, whose: str) -> AsyncIterator[Any]:
    keys = {
        "catalog": acme.write(folder, **_catalog(place)),
        "hosts": [f"{HOME}:{world.home.port}"],
        "policies": {"retry": {"action": "retry", "attempts": 1}},
    }
    credentials = {} if whose == "own" or place == "cookie" else {"acme": SECRET}
    connector = aiohttp.TCPConnector(resolver=Loopback(), force_close=True)
    async with resilient.session(
        {"services": {"acme": keys}}, credentials=credentials, connector=connector
    ) as http:
        yield http


def _check(leaked: int) -> None:
    """Hold what came to foreign origins to the promise."""
    assert 0 == leaked


@pytest.mark.parametrize("whose", ["own", "ours"])
@pytest.mark.parametrize("place", PLACES)
async def test_foreign(
    world: World, tmp_path: Any, place: str, whose: str, *, scale: Scale, figure: Figure
) -> None:
    """No credential reaches another origin, however it is spelt, and whoever put it there."""
    cells = left = 0
    every = scale(11, 1)  # a prime: each status, method and place is among the cells
    async with _opened(world, tmp_path, place, whose) as http:
        for status, where, method in islice(
            product(STATUSES, AWAY.values(), METHODS), 0, None, every
        ):
            world.redirect(status, where)
            await _sent(http, world, method, **_arguments(place, method, whose))
            assert SECRET in repr(world.home.hits[0]), "the call itself is signed"
            _check(world.leaked)
            cells, left = cells + 1, left + world.left
    # A body that holds the caller's own is not sent there at all.
    assert cells / (8 if whose == "own" and place in ("form", "json") else 2) < left
    figure("G4", f"secrets at a foreign origin ({place}, {whose})", 0, of=f"{cells} cells")


@pytest.mark.parametrize("place", ["header", "authorization", "query"])
async def test_home(world: World, tmp_path: Any, place: str) -> None:
    """A redirect to our own origin, however it is spelt, is signed again."""
    async with _opened(world, tmp_path, place, "ours") as http:
        for (name, where), status in product(HERE.items(), STATUSES):
            world.redirect(status, where)
            await _sent(http, world, "GET")
            assert 2 == sum(SECRET in repr(hit) for hit in world.home.hits), (name, status)


@pytest.mark.parametrize(
    ("place", "method"), [("header", "GET"), ("form", "POST"), ("json", "PUT")]
)
async def test_foreign_naively(world: World, place: str, method: str, figure: Figure) -> None:
    """Plain aiohttp takes along every header but its own, and the body of 307 and 308."""
    leaked = cells = 0
    connector = aiohttp.TCPConnector(resolver=Loopback(), force_close=True)
    async with aiohttp.ClientSession(connector=connector) as http:
        for where, status in product(AWAY.values(), STATUSES):
            world.redirect(status, where)
            await _sent(http, world, method, **_arguments(place, method, "own"))
            leaked, cells = leaked + world.leaked, cells + 1
    with pytest.raises(AssertionError):
        _check(leaked)
    figure("G4", f"secrets sent abroad by plain aiohttp ({place})", leaked, of=f"{cells} cells")
