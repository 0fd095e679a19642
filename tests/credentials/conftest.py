"""A vendor on loopback that counts what it hears, and the way to it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import attrs
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from resilient.catalog import CredentialRule, Field, Login, TokenEndpoint
from resilient.credentials import Calls

CANARY = "canary-5d41402abc4b2a76"
"""A secret that must never be seen where people look."""

Reply = Callable[[web.Request], Awaitable[web.StreamResponse] | web.StreamResponse]

BEARER = Field(name="Authorization", places=("header",), prefix="Bearer ")


@attrs.define(eq=False)
class Vendor:
    """A server that answers what the test says, and keeps what it heard."""

    server: TestServer = attrs.field(init=False)
    reply: Reply = attrs.field(default=lambda _: web.json_response({}))
    heard: list[tuple[str, str, dict[str, str], bytes]] = attrs.field(factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Note the request and answer."""
        body = await request.read()
        self.heard.append((request.method, request.raw_path, dict(request.headers), body))
        answer = self.reply(request)
        return answer if isinstance(answer, web.StreamResponse) else await answer

    def says(self, body: Any, status: int = 200) -> None:
        """Answer from now on with this: bytes as they are, anything else as JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.reply = lambda _: web.Response(body=raw, status=status)

    @property
    def hits(self) -> int:
        """How many requests came."""
        return len(self.heard)

    @property
    def body(self) -> bytes:
        """The last body that came."""
        return self.heard[-1][3]

    @property
    def path(self) -> str:
        """The last path that came, as it was written."""
        return self.heard[-1][1]

    @property
    def headers(self) -> dict[str, str]:
        """The last headers that came."""
        return self.heard[-1][2]

    @property
    def origin(self) -> URL:
        """Where it is."""
        return self.server.make_url("/").origin()

    def url(self, path: str = "/") -> URL:
        """Return a URL at this server, the path as written."""
        return URL(f"{self.origin}{path}", encoded=True)


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    """A vendor."""
    vendor = Vendor()
    app = web.Application(client_max_size=8 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", vendor.answer)
    vendor.server = TestServer(app)
    await vendor.server.start_server()
    yield vendor
    await vendor.server.close()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A plain session."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def calls(vendor: Vendor, http: aiohttp.ClientSession) -> Calls:
    """The way to the vendor: its token endpoint is at /token, its login at /login."""
    rule = CredentialRule(
        kind="oauth2",
        fields=(BEARER,),
        token=TokenEndpoint(url="/token"),
        login=Login(url="/login", session="data.sessionID"),
    )
    origin = vendor.origin
    return Calls(rule=rule, http=http, origin=origin, allowed=lambda url: url.origin() == origin)
