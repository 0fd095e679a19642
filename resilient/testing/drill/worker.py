"""One process of a drill: calls as often as it is let, until the time is up.

It reads its task from stdin, says `ready`, begins with the next line, and writes what it did.
When stdin ends before that, the drill is gone, and it goes too.
"""

import asyncio
import logging
import pickle
import sys
from contextlib import suppress

import aiohttp
import attrs

from resilient.clock import Clock
from resilient.config.service import Service
from resilient.errors import ResilientError
from resilient.events import Event
from resilient.middleware import Middleware
from resilient.options import options
from resilient.session import session
from resilient.testing.drill.subject import Ask, loads, signer
from resilient.testing.drill.task import PROCESS, Done, Task, Work

REST = 0.1
"""Seconds after a failure: what fails at once would be called all the time."""

FAREWELL = 2.0
"""Seconds that it may take to leave when the drill is gone."""


@attrs.define(eq=False)
class Worker:
    """Makes the calls of one process."""

    task: Task
    done: Done = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.done = Done(work={each.name: Work() for each in self.task.config.services})

    async def run(self) -> None:
        """Call until the time is up; who waits then is called off."""
        task, services = self.task, self.task.config.services
        signers = {each.name: signer(each.catalog, task.tokens[each.name]) for each in services}
        middleware = Middleware(
            task.config,
            credentials={name: found for name, found in signers.items() if found is not None},
            listeners=[self.hear],
        )
        try:
            await self._call_for(task.seconds, middleware)
        finally:
            await middleware.aclose()

    async def _call_for(self, seconds: float, middleware: Middleware) -> None:
        connector, mine = aiohttp.TCPConnector(limit=0), {PROCESS: str(self.task.number)}
        with suppress(TimeoutError), options(idempotent=True):
            async with (
                session(middleware, connector=connector, headers=mine) as http,
                asyncio.timeout(seconds),
            ):
                await asyncio.gather(
                    *(
                        self._keep_calling(http, service, ask)
                        for service in self.task.config.services
                        for ask in loads(service.catalog)
                        for _ in range(self.task.callers)
                    )
                )

    async def _keep_calling(self, http: aiohttp.ClientSession, service: Service, ask: Ask) -> None:
        now, work = asyncio.get_running_loop().time, self.done.work[service.name]
        url = f"http://{service.hosts[0]}{ask.path}"
        while True:
            began = now()
            try:
                async with http.request(
                    ask.method, url, data=ask.body, headers=ask.headers
                ) as response:
                    await response.read()
            except ResilientError as error:
                work.failures.append(str(error))
                await Clock.sleep(REST)
            else:
                work.calls += 1
                work.waited += now() - began

    def hear(self, event: Event) -> None:
        """Count an event."""
        if event.name == "resilient.store_degraded":
            self.done.without_store.append(event.reason or "")
        elif event.name == "resilient.retry_scheduled" and event.service is not None:
            self.done.work[event.service].retried += 1


async def main() -> None:
    """Do what stdin says."""
    logging.getLogger("resilient").setLevel(logging.CRITICAL)  # failures are a drill's purpose
    told = await _stdin()
    task: Task = pickle.loads(await told.readexactly(int(await told.readline())))  # noqa: S301 - ours
    _say(b"ready\n")
    if not await told.readline():
        return
    worker = Worker(task)
    working = asyncio.ensure_future(worker.run())
    alone = asyncio.ensure_future(told.read())
    await asyncio.wait((working, alone), return_when=asyncio.FIRST_COMPLETED)
    if working.done():
        await working
        alone.cancel()
        _say(pickle.dumps(worker.done))
    else:
        working.cancel()
        await asyncio.wait((working,), timeout=FAREWELL)


async def _stdin() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    return reader


def _say(what: bytes) -> None:
    sys.stdout.buffer.write(what)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    asyncio.run(main())
