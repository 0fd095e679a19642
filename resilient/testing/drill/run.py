"""The drill of one service: each error once, then as much load as the limits allow."""

import asyncio
from collections.abc import Callable

import aiohttp
import attrs

from resilient.catalog import Entry
from resilient.config.service import Config, Service
from resilient.credentials import Credential
from resilient.errors import ResilientError
from resilient.explain import explain
from resilient.middleware import Middleware
from resilient.options import options
from resilient.session import session
from resilient.testing.drill.result import LimitUse, Result, Tale
from resilient.testing.drill.subject import Ask, ask, credential, hiccups, loads, served
from resilient.testing.emulator import Emulator, NotRenderable, Rendering, Tally
from resilient.testing.emulator.render import Renderer

WORKERS = 32
"""Tasks of each load."""

LOAD = 120.0
"""Virtual seconds of saturation where a limit counts by the minute."""

SHORT_LOAD = 60.0
"""Virtual seconds of saturation where limits count by the second."""

UNLIMITED = 300
"""Calls of the load where no limit is documented: as fast as they go."""

FAULTS = 10
"""Faults mixed into the load."""

Progress = Callable[[int, int, str], None]
"""Is told how much is done, of how much, and of what."""


def _quietly(_done: int, _whole: int, _phase: str) -> None:
    """Report to nobody."""


async def drill(service: Service, progress: Progress = _quietly) -> Result:
    """Drill one service against an emulator of its catalog.

    Meant for a virtual-time loop: it takes many minutes of the loop's time.
    """
    async with Emulator(service.catalog, keep=100_000) as emulator:
        run = _Run(served(service, emulator), emulator, progress)
        return await run.all()


@attrs.frozen
class _Expected:
    """The reaction that an entry's policy asks for. No exception: an answer."""

    exception: str | None
    sends: int


@attrs.define(eq=False)
class _Run:
    service: Service
    emulator: Emulator
    progress: Progress
    tale: Tale = attrs.field(factory=Tale)
    calls: int = 0
    policies: dict[str, int] = attrs.field(factory=dict)
    exercised: set[Entry] = attrs.field(factory=set)
    faults: list[str] = attrs.field(factory=list)
    began: float = 0.0
    load: tuple[float, float] = (0.0, 0.0)

    async def all(self) -> Result:
        loop = asyncio.get_running_loop()
        self.began = loop.time()
        found = credential(self.service.catalog, self.emulator)
        middleware = Middleware(
            Config(services=(self.service,)),
            credentials={} if found is None else {self.service.name: found},
            listeners=[self.tale],
        )
        try:
            async with session(middleware, connector=aiohttp.TCPConnector(limit=0)) as http:
                await self._every_entry(http, middleware)
                await self._saturate(http, found)
        finally:
            await middleware.aclose()
        return self._result(loop.time() - self.began)

    # Every documented error.

    async def _every_entry(self, http: aiohttp.ClientSession, middleware: Middleware) -> None:
        renderer = Renderer(self.service.catalog)
        asked = [each for e in self.service.catalog.entries for each in self._said(renderer, e)]
        for done, rendering in enumerate(asked, 1):
            await self._exercise(http, rendering)
            await middleware.release(self.service.name)
            self.progress(done, len(asked), "errors")

    def _said(self, renderer: Renderer, entry: Entry) -> tuple[Rendering, ...]:
        try:
            return renderer.renderings(entry)
        except NotRenderable as error:
            self.faults.append(str(error))
            return ()

    async def _exercise(self, http: aiohttp.ClientSession, rendering: Rendering) -> None:
        entry, request = rendering.entry, ask(self.service.catalog, rendering)
        policy = entry.policy
        self.policies[policy] = self.policies.get(policy, 0) + (entry not in self.exercised)
        self.exercised.add(entry)
        expected = self._expected(rendering, request)
        before = self._sends(rendering.key)
        error = await self._call(http, request)
        sends = self._sends(rendering.key) - before
        got = None if error is None else type(error).__name__
        if (got, sends) != (expected.exception, expected.sends):
            self.faults.append(
                f"{rendering.key}: policy {policy} asks for {expected.exception or 'an answer'} "
                f"after {expected.sends} sends, got {got or 'an answer'} after {sends}"
            )

    def _sends(self, key: str) -> int:
        return sum(each.headers.get("X-Emulate") == key for each in self.emulator.requests)

    def _expected(self, rendering: Rendering, request: Ask) -> _Expected:
        answer = rendering.answer
        told = explain(
            self.service,
            status=answer.status,
            method=request.method,
            url=request.path,
            headers=answer.headers,
            body=answer.body,
            now=0.0,
        )
        sends = (told.attempts or 2) if told.resend else 1
        if told.action == "reauth":
            rule = self.service.catalog.credential
            sends = sends if rule is not None and rule.kind in ("oauth2", "session") else 1
        exception = None if told.exception is None else told.exception.__name__
        return _Expected(exception, sends)

    async def _call(self, http: aiohttp.ClientSession, request: Ask) -> ResilientError | None:
        self.calls += 1
        url = f"{self.emulator.url}{request.path}"
        try:
            async with http.request(
                request.method, url, data=request.body, headers=request.headers
            ) as response:
                await response.read()
        except ResilientError as error:
            return error
        return None

    # As much as the limits allow.

    async def _saturate(self, http: aiohttp.ClientSession, found: Credential | None) -> None:
        limits = self.service.catalog.limits
        paced = [limit.period for limit in limits if limit.period <= 60]  # noqa: PLR2004
        length = (LOAD if max(paced) > 1 else SHORT_LOAD) if paced else 0.0
        requests = loads(self.service.catalog)
        # What the first part sent must have left every window that the load is measured by.
        # Then one call, and silence again: a burst after silence is where naive limiters break.
        for _ in range(2):
            await asyncio.sleep(2 * max(paced, default=0.0))  # noqa: TID251
            await self._call(http, requests[0])
        await asyncio.sleep(2 * max(paced, default=0.0))  # noqa: TID251
        start = asyncio.get_running_loop().time()
        self.load = start, start + length
        workers = [
            self._work(http, request, start + length)
            for request in requests
            for _ in range(WORKERS)
        ]
        self._sabotage(found)
        with options(idempotent=True):
            failed = [each for each in await asyncio.gather(*workers) if each is not None]
        self.faults += [f"under load: {each}" for each in failed[:5]]

    async def _work(
        self, http: aiohttp.ClientSession, request: Ask, end: float
    ) -> ResilientError | None:
        loop = asyncio.get_running_loop()
        left = 0 if end > loop.time() else UNLIMITED // WORKERS
        while left > 0 or loop.time() < end:
            left -= 1
            error = await self._call(http, request)
            if error is not None:
                return error
            self._tell_load(end)
        return None

    def _tell_load(self, end: float) -> None:
        if end > self.load[0]:
            now = asyncio.get_running_loop().time()
            self.progress(int(min(now, end) - self.load[0]), int(end - self.load[0]), "load")

    def _sabotage(self, found: Credential | None) -> None:
        """Order faults of the server, and let the credential expire once."""
        worst = hiccups(self.service.catalog)
        for i in range(FAULTS):
            if worst:
                self.emulator.script(worst[i % len(worst)])
        if found is not None and found.refreshable:
            latest = next(each for each in reversed(self.emulator.requests) if each.presented)
            for value in latest.presented.values():
                if value != "drill":
                    self.emulator.expire_credential(value)

    def _result(self, seconds: float) -> Result:
        counts = self.tale.counts
        return Result(
            service=self.service.name,
            catalog=self.service.catalog.name,
            entries=len(self.service.catalog.entries),
            exercised=len(self.exercised),
            policies=self.policies,
            calls=self.calls,
            attempts=self.emulator.total,
            retries=counts["resilient.retry_scheduled"],
            reauths=counts["resilient.reauthenticated"],
            pauses=counts["resilient.scope_paused"],
            blocks=counts["resilient.scope_blocked"],
            blocks_avoided=counts["foreseen"],
            bans=len(self.emulator.bans),
            virtual_seconds=seconds,
            limits=tuple(self._use(tally) for tally in self.emulator.tallies),
            faults=tuple(self.faults),
        )

    def _use(self, tally: Tally) -> LimitUse:
        limit, (start, end) = tally.limit, self.load
        windows = int((end - start) / limit.period)
        used = None
        if windows:
            until = start + windows * limit.period
            came = sum(
                start <= each.time < until and limit.endpoint in (None, each.endpoint)
                for each in self.emulator.requests
            )
            used = came / (limit.calls * windows)
        return LimitUse(
            name=limit.name,
            scope=tally.scope,
            calls=limit.calls,
            period=limit.period,
            most=tally.most,
            refused=tally.refused,
            used=used,
        )
