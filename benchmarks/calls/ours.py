"""Our ways to call: two limits that never hold a call up, a credential, a policy set, a listener.

The middleware stands in the very session that the others have, with aiohttp's own total timeout.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp

import resilient
from benchmarks.calls.peers import KEY, PLENTY, Call, Open, calling

# A header for the credential, and no error inside a success.
CATALOG = """
catalog: measured
source: {document: none, read: 2026-11-22}
endpoints: {'/{lang}/api/{endpoint}': '{endpoint}'}
credential: {kind: api_key, fields: [{name: Authorization, in: header, prefix: 'Bearer '}]}
limits: {calls: {rate: 1000/s, per: [credential, ip]}}
errors: {wrong: {policy: fail_fast}}
"""


def _ignore(_: resilient.Event) -> None:
    pass


def _middleware(catalog: str, port: int) -> resilient.Middleware:
    service: Mapping[str, Any] = {
        "catalog": catalog,
        "policies": "default",
        "hosts": [f"127.0.0.1:{port}"],
        "limits": {"calls": {"rate": f"{PLENTY}/s"}},
    }
    return resilient.Middleware(
        {"services": {"measured": service}}, credentials={"measured": KEY}, listeners=[_ignore]
    )


@contextmanager
def _file() -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        file = Path(folder, "measured.yaml")
        file.write_text(CATALOG, "utf-8")
        yield file


def through_middleware(catalog: str | None = None) -> Open:
    """Return how to call with the middleware in a session.

    Args:
        catalog: A shipped one; None: a plain one, with no envelope within a success.
    """

    @asynccontextmanager
    async def open_(port: int) -> AsyncIterator[Call]:
        with _file() as plain:
            middleware = _middleware(catalog or str(plain), port)
        async with aiohttp.ClientSession(middlewares=(middleware,)) as http:
            yield calling(http, port)
        await middleware.aclose()

    return open_


@asynccontextmanager
async def through_session(port: int) -> AsyncIterator[Call]:
    """Call with `resilient.session`, which keeps the time itself."""
    with _file() as plain:
        middleware = _middleware(str(plain), port)
    async with resilient.session(middleware) as http:
        yield calling(http, port)
    await middleware.aclose()
