"""An invented vendor: its catalog, what its server says, and a client of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import yaml
from aiohttp import web
from raw_server import RawServer
from server import Server
from toxic import Proxy

import resilient
from resilient.clock import Clock

FIELD = {"name": "Authorization", "in": "header", "prefix": "Bearer "}
"""Where the vendor wants its credential."""

CATALOG: dict[str, Any] = {
    "catalog": "acme",
    "source": {"document": "An invented page", "read": "2026-11-21"},
    "endpoints": {
        "/things": {"name": "things"},
        "POST /search": {"name": "search", "idempotent": True},
    },
    "credential": {"kind": "bearer", "fields": [FIELD]},
    "envelopes": [
        {
            "format": "json",
            "status": ["2xx", "4xx", "5xx"],
            "code": "errors[].code",
            "message": "errors[].text",
        }
    ],
    "errors": {
        "broken": {"policy": "retry", "name": "Broken", "meaning": "It broke.", "advice": "Wait."},
        "lost": {"policy": "retry", "processed": False},
        "slow_down": {"policy": "back_off", "processed": False},
        "slow_down_ip": {"policy": "back_off", "scope": "ip", "processed": False},
        "expired": {"policy": "reauth", "processed": False},
        "wrong": {
            "policy": "fail_fast",
            "name": "Wrong",
            "meaning": "No such colour.",
            "advice": "Choose another colour.",
        },
        "shut_out": {"policy": "block_warning", "name": "Shut out", "meaning": "No more calls."},
        "shut_out_ip": {"policy": "block_warning", "scope": "ip"},
        "nothing": {"policy": "none"},
    },
}
"""One entry for each policy; the scope of a pause is the credential unless it says `ip`."""

KEY = "canary-5d41402abc4b2a76"
"""The credential; it must never be seen where people look."""

SENT_ONCE = ("POST", "PATCH")
"""Methods that are not idempotent."""

METHODS = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", *SENT_ONCE)
"""Methods that a call may have."""


def body_of(method: str) -> dict[str, Any]:
    """Return what a request with this method carries."""
    return {"data": b"x=1"} if method in ("PUT", *SENT_ONCE) else {}


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def says(*codes: str, status: int = 400, after: object = None, **kwargs: Any) -> dict[str, Any]:
    """Return an answer that reports errors; `after` is its Retry-After."""
    body = {"errors": [{"code": code, "text": f"It is {code}."} for code in codes]}
    headers = {} if after is None else {"Retry-After": str(after)}
    return {"status": status, "text": json.dumps(body), "headers": headers, **kwargs}


def slowly(seconds: float, answer: Mapping[str, Any] | None = None) -> Answer:
    """Return an answer that takes its time; without `answer` it is a success."""
    arguments = {"text": "{}", "content_type": "application/json", **(answer or {})}

    async def respond(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return web.Response(**arguments)

    return respond


async def drop(request: web.Request) -> web.StreamResponse:
    """Close the connection instead of answering."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def times(server: Server) -> list[float]:
    """Return when each request arrived, in seconds since the first."""
    return [round(hit.at - server.hits[0].at, 3) for hit in server.hits]


def write(folder: Path, **changes: Any) -> str:
    """Write the catalog with some keys changed, and return where."""
    catalog = {**CATALOG, **changes}
    file = folder / f"{catalog['catalog']}.yaml"
    kept = {key: value for key, value in catalog.items() if value is not None}
    file.write_text(yaml.safe_dump(kept, sort_keys=False), "utf-8")
    return str(file)


@attrs.define(eq=False)
class Client:
    """A session of the library, and what it told."""

    url: str
    http: aiohttp.ClientSession
    middleware: resilient.Middleware
    events: list[resilient.Event]

    async def get(self, path: str = "/things", **kwargs: Any) -> aiohttp.ClientResponse:
        """Make a call and return the answer, read."""
        return await self.call("GET", path, **kwargs)

    async def call(self, method: str, path: str, **kwargs: Any) -> aiohttp.ClientResponse:
        """Make a call and return the answer, read."""
        async with self.http.request(method, self.url + path, **kwargs) as response:
            await response.read()
            return response

    def told(self, *names: str) -> list[dict[str, Any]]:
        """Return the events with one of these names (without `resilient.`), as dicts."""
        full = {f"resilient.{name}" for name in names}
        return [event.asdict() for event in self.events if event.name in full]

    def names(self) -> list[str]:
        """Return the names of all events, without `resilient.`."""
        return [event.name.removeprefix("resilient.") for event in self.events]

    def state(self, scope: str = "credential:default") -> Any:
        """Return what a scope is doing."""
        return self.middleware.state()[f"acme/{scope}"]


Connect = Callable[..., AbstractAsyncContextManager[Client]]


def connecting(server: Server | RawServer | Proxy, folder: Path) -> Connect:
    """Return what opens a client of `server`.

    Its arguments: `catalog` changes keys of the catalog; `credentials` and `chance` are the
    middleware's; everything else are keys of the service.
    """

    @asynccontextmanager
    async def connect(
        *,
        catalog: Mapping[str, Any] | None = None,
        credentials: Any = KEY,
        chance: float = 0.0,
        **service: Any,
    ) -> AsyncIterator[Client]:
        keys = {"catalog": write(folder, **(catalog or {})), "hosts": [server.host], **service}
        events: list[resilient.Event] = []
        middleware = resilient.Middleware(
            {"services": {"acme": keys}},
            credentials={"acme": credentials},
            listeners=[events.append],
            clock=Clock(chance=lambda: chance),
        )
        async with resilient.session(middleware) as http:
            yield Client(server.url, http, middleware, events)
        await middleware.aclose()

    return connect


def now() -> datetime:
    """Return the wall clock's time: aware UTC."""
    return datetime.now(UTC)


def seconds(start: datetime, end: datetime | None) -> float:
    """Return the seconds between two times on the wall clock."""
    assert end is not None
    return (end - start).total_seconds()
