"""What the library costs: `python benchmarks/cost.py` prints two tables in less than a minute.

The first one compares processor time of the client for a successful call, with the library and
without it. The server is another process, and the ways to call take turns, in random order, so
that whatever else the machine does meets all of them; what counts is the median of the rounds'
ratios. No way has a total timeout of aiohttp's: `resilient.session` keeps the time itself.

The second one queues calls before a limit, in virtual time: nothing is waited for in earnest, so
all that is measured is the scheduler, with the tasks and timers that it needs.
"""

import asyncio
import gc
import platform
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from importlib.metadata import version
from pathlib import Path
from random import Random
from statistics import median

import aiohttp

import resilient
from resilient.clock import Clock
from resilient.model import Block
from resilient.state.admission import Admission
from resilient.state.memory import Names
from resilient.testing import run

ROUNDS = 40
CALLS = 100
TOGETHER = 20
WARM_UP = 3
MICRO = 1e6
DAY = 86400.0
REPEATS = 3
QUEUES = [(100, 1), (10_000, 1), (10_000, 500)]

BODY = b'{"result": [%s]}' % b", ".join([b'{"id": 12345678, "title": "A list"}'] * 8)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(BODY),
    BODY,
)
# Limits that never hold a call up: to keep count of them is what is measured.
CATALOG = """
catalog: measured
source: {document: none, read: 2026-11-22}
endpoints: {/v1/lists: lists, '/v1/lists/{id}': list}
credential: {kind: api_key, fields: [{name: Authorization, in: header, prefix: 'Bearer '}]}
limits: {calls: {rate: 1000000/s, per: [credential, ip]}}
errors: {wrong: {policy: fail_fast}}
"""
ENVELOPES = "envelopes: [{format: json, status: [2xx, 4xx, 5xx], when: error, code: code}]"


class Server(asyncio.Protocol):
    """Answers each request with the same bytes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer what came: a GET is a head and no more."""
        self.transport.write(ANSWER * data.count(b"\r\n\r\n"))


async def serve() -> None:
    """Listen, and say where."""
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


# A call.


def session(catalog: str, host: str) -> AbstractAsyncContextManager[aiohttp.ClientSession]:
    """Return a resilient session whose only service is on a host."""
    file = Path(tempfile.mkdtemp(), "measured.yaml")
    file.write_text(catalog, "utf-8")
    config = {"services": {"measured": {"catalog": str(file), "hosts": [host]}}}
    return resilient.session(config, credentials={"measured": "a-key-that-is-long-enough"})


def ways(port: int) -> dict[str, AbstractAsyncContextManager[aiohttp.ClientSession]]:
    """Return the sessions to compare, the bare one first."""
    here = f"127.0.0.1:{port}"
    return {
        "bare aiohttp": aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(sock_connect=30)),
        "resilient, a host of no service": session(CATALOG, "elsewhere.test"),
        "resilient, two limits and a credential": session(CATALOG, here),
        "the same, errors looked for in HTTP 200": session(CATALOG + ENVELOPES, here),
    }


async def call(http: aiohttp.ClientSession, url: str) -> None:
    """Make one call."""
    async with http.get(url) as response:
        await response.read()


async def one_by_one(http: aiohttp.ClientSession, url: str) -> None:
    """Make calls, each after the other."""
    for _ in range(CALLS):
        await call(http, url)


async def together(http: aiohttp.ClientSession, url: str) -> None:
    """Make calls, some at a time."""
    for _ in range(CALLS // TOGETHER):
        await asyncio.gather(*[call(http, url) for _ in range(TOGETHER)])


async def spent(work: Callable[[], Awaitable[None]], count: int) -> float:
    """Return the microseconds of processor time for each of `count`, without others' garbage."""
    gc.collect()
    gc.disable()
    try:
        began = time.process_time()
        await work()
        return (time.process_time() - began) / count * MICRO
    finally:
        gc.enable()


async def calls() -> None:
    """Print what a call costs."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, __file__, "--serve", stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    port = int(await child.stdout.readline())
    try:
        async with AsyncExitStack() as stack:
            opened = {
                name: await stack.enter_async_context(each) for name, each in ways(port).items()
            }
            for pace in (one_by_one, together):
                await compare(opened, pace, f"http://127.0.0.1:{port}/v1/lists?format=json")
    finally:
        child.terminate()
        await child.wait()


async def compare(
    opened: dict[str, aiohttp.ClientSession],
    pace: Callable[[aiohttp.ClientSession, str], Awaitable[None]],
    url: str,
) -> None:
    """Let the ways to call take turns, and print a table."""
    chance = Random(1)
    found: dict[str, list[float]] = {name: [] for name in opened}
    for count in range(-WARM_UP, ROUNDS):
        for name in sorted(opened, key=lambda _: chance.random()):
            took = await spent(partial(pace, opened[name], url), CALLS)
            if count >= 0:
                found[name].append(took)
    bare = next(iter(found.values()))
    title = f"{TOGETHER} at a time" if pace is together else "one by one"
    print(f"\nprocessor time of a call, {title:17}      median    added   ratio")
    for name, each in found.items():
        ratio = median(one / other for one, other in zip(each, bare, strict=True))
        added = median(one - other for one, other in zip(each, bare, strict=True))
        print(f"  {name:42} {median(each):6.0f} us {added:6.0f} us {ratio:7.2f}")


# A grant.


async def grants(waiters: int, credentials: int) -> float:
    """Queue calls of so many credentials before their limits; return microseconds a grant."""
    service = resilient.load({"services": {"crm": {"catalog": "amocrm"}}})["crm"]
    clock, block = Clock(), Block(scope="credential", base=None, cap=0.0)
    admission = Admission(clock.now)

    async def wait(number: int) -> None:
        name = f"acct{number % credentials}"
        names = Names(credential=name, ip="here", host=name, endpoint="leads")
        lane = admission.memory.lane(service, names, None, urgent=False, now=clock.now())
        grant = await admission.admit(lane, 1, clock.now() + DAY)
        grant.answered((), block)

    return await spent(lambda: gathered(wait, waiters), waiters)


async def futures(waiters: int) -> float:
    """Let tasks wait for a future each, with a timer, and do nothing else: what asyncio costs."""
    loop = asyncio.get_running_loop()

    async def wait(number: int) -> None:
        future = loop.create_future()
        timer = loop.call_later(DAY, future.cancel)
        loop.call_later(number / 7, future.set_result, None)
        await future
        timer.cancel()

    return await spent(lambda: gathered(wait, waiters), waiters)


async def gathered(wait: Callable[[int], Awaitable[None]], waiters: int) -> None:
    """Let so many wait at once."""
    await asyncio.gather(*map(wait, range(waiters)))


def queue() -> None:
    """Print what a grant costs."""
    print("\nprocessor time of a grant, where all wait at once, 7/s to a credential")
    print(f"  {'waiters':>10} {'credentials':>12} {'resilient':>13} {'only asyncio':>16}")
    for waiters, credentials in QUEUES:
        mine = median(run(grants(waiters, credentials)) for _ in range(REPEATS))
        bare = median(run(futures(waiters)) for _ in range(REPEATS))
        print(f"  {waiters:10} {credentials:12} {mine:10.0f} us {bare:13.0f} us")


def main() -> None:
    """Print both tables."""
    if "--serve" in sys.argv:
        asyncio.run(serve())
        return
    print(f"Python {platform.python_version()}, aiohttp {version('aiohttp')}, {platform.machine()}")
    asyncio.run(calls())
    queue()


if __name__ == "__main__":
    main()
