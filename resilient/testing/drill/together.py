"""The drill of several processes: do they keep each limit together, in real time?"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack

import attrs

from resilient.clock import Clock
from resilient.config.service import Config, Service, SharedStore
from resilient.state.redis.link import Unreachable
from resilient.testing.drill.counting import Count
from resilient.testing.drill.crew import Crew, CrewFailed, crew
from resilient.testing.drill.hindrance import Hindrance
from resilient.testing.drill.shared import SharedDrill
from resilient.testing.drill.stores import Desk, opened
from resilient.testing.drill.subject import served, tokens
from resilient.testing.drill.task import Done, Task
from resilient.testing.emulator import Emulator

CALLERS = 4
"""Calls that each process makes at a time, of each kind."""

_KEPT = 100_000
_TICK = 0.05

Progress = Callable[[int, int, str], None]
"""Is told how much is done, of how much, and of what."""


async def drill_together(
    services: Sequence[Service],
    *,
    store: SharedStore | None,
    processes: int,
    seconds: float,
    progress: Progress = lambda *_: None,
) -> SharedDrill:
    """Let processes call emulators of some services for a while, as often as they are let.

    Args:
        services: Whose catalogs are emulated, all at the same time.
        store: Where the processes keep their limits together; None: each keeps its own.
        processes: How many there are.
        seconds: How long they call.
        progress: Is told of it.

    Raises:
        ConfigError: The store's URL is wrong, or the extra `redis` is missing.
    """
    shown = None if store is None else store.read().shown
    drill = SharedDrill(store=shown, processes=processes, seconds=seconds)
    try:
        async with AsyncExitStack() as stack:
            emulators = {
                each.name: await stack.enter_async_context(Emulator(each.catalog, keep=_KEPT))
                for each in services
            }
            desk = None
            if store is not None:
                names = [each.name for each in services]
                desk = await stack.enter_async_context(opened(store, names))
            progress(0, round(seconds), "starting")
            sent = [served(each, emulators[each.name]) for each in services]
            run = _Run(drill, sent, emulators, desk, progress)
            return await run.all(await stack.enter_async_context(crew(run.tasks())))
    except Unreachable as error:
        return attrs.evolve(drill, faults=(f"the store {shown} cannot be used: {error}",))
    except CrewFailed as error:
        return attrs.evolve(drill, faults=(str(error),))


@attrs.define(eq=False)
class _Run:
    drill: SharedDrill
    services: Sequence[Service]
    emulators: Mapping[str, Emulator]
    desk: Desk | None
    progress: Progress
    late: float = 0.0

    def tasks(self) -> list[Task]:
        rules = None if self.desk is None else self.desk.rules
        config = Config(services=tuple(self.services), store=rules)
        pairs = {x.name: tokens(x.catalog, self.emulators[x.name]) for x in self.services}
        return [
            Task(
                number=number,
                config=config,
                tokens=pairs,
                seconds=self.drill.seconds,
                callers=CALLERS,
            )
            for number in range(1, self.drill.processes + 1)
        ]

    async def all(self, crew: Crew) -> SharedDrill:
        before, start = await self._scripts(), asyncio.get_running_loop().time()
        hindrance = Hindrance.of(self.drill.seconds)
        dones = await self._work(crew, hindrance, start)
        results = tuple(
            Count(
                service=each,
                emulator=self.emulators[each.name],
                dones=dones,
                start=start,
                wait=hindrance.length,
            ).result()
            for each in self.services
        )
        return attrs.evolve(
            self.drill,
            services=results,
            scripts=_for_each(before, await self._scripts(), sum(each.sent for each in results)),
            late=self.late,
            faults=tuple(_without_store(dones)),
        )

    async def _work(self, crew: Crew, hindrance: Hindrance, start: float) -> list[Done]:
        beside = [asyncio.ensure_future(self._watch(start))]
        beside += [
            asyncio.ensure_future(hindrance.happen(each, self.emulators[each.name]))
            for each in self.services
        ]
        try:
            dones = await crew.work(self.drill.seconds)
        finally:
            for each in beside:
                each.cancel()
            await asyncio.wait(beside)
        for each in beside:
            if not each.cancelled():
                each.result()
        return dones

    async def _watch(self, start: float) -> None:
        """Tell how far it is, and note by how much this process is late."""
        now, whole = asyncio.get_running_loop().time, self.drill.seconds
        while True:
            expected = now() + _TICK
            await Clock.sleep(_TICK)
            self.late = max(self.late, now() - expected)
            self.progress(round(min(now() - start, whole)), round(whole), "calling")

    async def _scripts(self) -> int | None:
        return None if self.desk is None else await self.desk.scripts()


def _without_store(dones: Sequence[Done]) -> Iterator[str]:
    for number, done in enumerate(dones, 1):
        for reason, times in Counter(done.without_store).items():
            yield f"process {number} went on without the store, {times} times: {reason}"


def _for_each(before: int | None, after: int | None, requests: int) -> float | None:
    if before is None or after is None or not requests:
        return None
    return (after - before) / requests
