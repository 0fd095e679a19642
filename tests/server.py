"""A real aiohttp server on loopback that answers what a test tells it, and remembers."""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import attrs
from aiohttp import web


@attrs.frozen
class Hit:
    """One request as it arrived."""

    at: float
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@attrs.define(eq=False)
class Server:
    """Answers from `script` in order, then with `default`.

    An item of the script is a response's arguments, or an async callable
    `(web.Request) -> web.StreamResponse` for anything else.
    """

    port: int = 0
    hits: list[Hit] = attrs.field(factory=list)
    script: deque = attrs.field(factory=deque)  # type: ignore[type-arg]
    default: dict = attrs.field(  # type: ignore[type-arg]
        factory=lambda: {"status": 200, "text": "{}", "content_type": "application/json"}
    )

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def host(self) -> str:
        """What to write under `hosts`."""
        return f"127.0.0.1:{self.port}"

    def then(self, status: int = 200, text: str = "{}", times: int = 1, **kwargs: object) -> None:
        """Script an answer; JSON unless told otherwise."""
        answer = {"status": status, "text": text, "content_type": "application/json", **kwargs}
        self.script.extend([answer] * times)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer."""
        now = asyncio.get_running_loop().time()
        body = await request.read()
        hit = Hit(now, request.method, request.path_qs, dict(request.headers), body)
        self.hits.append(hit)
        answer = self.script.popleft() if self.script else self.default
        if callable(answer):
            found: web.StreamResponse = await answer(request)
            return found
        return web.Response(**answer)


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Run a server for the length of a block, over TLS if told how."""
    server = Server()
    app = web.Application(client_max_size=128 * 1024 * 1024)
    app.router.add_route("*", "/{rest:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()
