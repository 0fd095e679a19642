"""This library, as a user has it: a session with the middleware, and a vendor that answers at once.

The vendor is one middleware more, behind ours: what reaches it has been sent.
"""

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

import resilient
from benchmarks.in_process import respond
from benchmarks.shared.model import Limit
from benchmarks.shared.peers import Acquire
from resilient.config.service import Config

URL = "https://api.test/v1/lists"
CATALOG = """
catalog: measured
source: {{document: none, read: 2026-11-22}}
limits: {{{limits}}}
"""


def configured(limits: Sequence[Limit]) -> Config:
    """Return a configuration in which each call is under these limits."""
    said = ", ".join(
        f"calls_{number}: {{rate: {limit.calls}/{limit.seconds}s, per: [credential]}}"
        for number, limit in enumerate(limits)
    )
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "measured.yaml")
        file.write_text(CATALOG.format(limits=said), "utf-8")
        service = {"catalog": str(file), "hosts": ["api.test"], "timeout": "1h"}
        return resilient.load({"services": {"measured": service}})


async def answer(
    request: aiohttp.ClientRequest, _handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Answer at once, with nothing."""
    return respond(request, 200)


@asynccontextmanager
async def middleware(limits: Sequence[Limit]) -> AsyncIterator[Acquire]:
    """Open a session with the middleware."""
    ours = resilient.Middleware(configured(limits))
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(middlewares=(ours, answer), timeout=timeout) as http:

        async def acquire() -> None:
            async with http.get(URL):
                pass

        yield acquire
    await ours.aclose()
