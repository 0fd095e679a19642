"""How far a process grows that meets bombs: as a program it prints the bytes.

Its arguments: the server, and `ours` or `naive`. The server has a small bomb at `/small/STATUS`
and a large one at `/large/STATUS`.
"""

import asyncio
import re
import sys
import tempfile
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path

import acme
import aiohttp
from yarl import URL

import resilient

STATUSES = (200, 404, 503)
ONCE = {"retry": {"action": "retry", "attempts": 2, "delay": {"base": "10ms", "cap": "10ms"}}}


def memory(what: str) -> int:
    """Return bytes: `VmRSS`, what is resident, or `VmHWM`, the most that it has been."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    assert found is not None
    return int(found[1]) * 1024


async def meet(http: aiohttp.ClientSession, url: URL) -> None:
    """Make a call that may fail, and one that is handed back and read in part."""
    try:
        async with http.get(url) as response:
            assert b" " * 70_000 == await response.content.readexactly(70_000)
            response.close()
    except resilient.ApiError as error:
        assert len(error.body) == 65_536  # noqa: PT017 - a program, not a test
    with resilient.options(on_error="return"):
        async with http.get(url) as response:
            await response.content.readexactly(70_000)
            response.close()


async def meet_naively(http: aiohttp.ClientSession, url: URL) -> None:
    """Make a call whose response is read."""
    with suppress(aiohttp.ClientPayloadError):  # the checksum
        async with http.get(url) as response:
            await response.read()


def ours(url: URL) -> AbstractAsyncContextManager[aiohttp.ClientSession]:
    """Open a client of the library."""
    with tempfile.TemporaryDirectory() as folder:
        keys = {"catalog": acme.write(Path(folder)), "hosts": [url.authority], "policies": ONCE}
        return resilient.session(resilient.load({"services": {"acme": keys}}))


async def growth(url: URL, *, naive: bool) -> int:
    """Return how many bytes the process grew by while it met large bombs, after small ones."""
    met = meet_naively if naive else meet
    async with aiohttp.ClientSession() if naive else ours(url) as http:
        for status in STATUSES:
            await met(http, url / "small" / str(status))
        before = memory("VmRSS")
        Path("/proc/self/clear_refs").write_text("5", "ascii")  # noqa: ASYNC240 - no disk
        for status in STATUSES:
            await met(http, url / "large" / str(status))
        return memory("VmHWM") - before


if __name__ == "__main__":
    print(asyncio.run(growth(URL(sys.argv[1]), naive=sys.argv[2] == "naive")))  # noqa: T201
