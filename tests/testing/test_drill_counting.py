"""What a drill of several processes makes of a log, in virtual time and in one process."""

import asyncio
from collections.abc import Sequence

import pytest

from resilient.config.build import one_service
from resilient.config.service import Config
from resilient.testing import Emulator
from resilient.testing.drill.counting import Count
from resilient.testing.drill.hindrance import wait_of
from resilient.testing.drill.shared import SharedResult
from resilient.testing.drill.subject import served, tokens
from resilient.testing.drill.task import Done, Task
from resilient.testing.drill.worker import Worker

SECONDS = 12.0


async def worked(emulator: Emulator, *numbers: int, seconds: float = SECONDS) -> list[Done]:
    """Let workers call in this process, each with its limits to itself; return what they did."""
    catalog = emulator.catalog
    service = served(one_service(catalog.name), emulator)
    pair = tokens(catalog, emulator)
    workers = [
        Worker(
            Task(
                number=number,
                config=Config(services=(service,)),
                tokens={service.name: pair},
                seconds=seconds,
                callers=2,
            )
        )
        for number in numbers
    ]
    await asyncio.gather(*(each.run() for each in workers))
    return [each.done for each in workers]


def counted(emulator: Emulator, dones: Sequence[Done], start: float) -> SharedResult:
    """Return what it comes to."""
    service = one_service(emulator.catalog.name)
    return Count(service=service, emulator=emulator, dones=dones, start=start, wait=2.0).result()


def now() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()


async def test_one_process_passes() -> None:
    """One process keeps the limit, and has all of it."""
    async with Emulator("hh") as emulator:
        start = now()
        result = counted(emulator, await worked(emulator, 1), start)
    (use,), (limit,) = result.processes, result.limits
    assert result.passed
    assert (1, 1.0, 0, 0) == (use.number, use.share, use.refused, result.bans)
    assert (9, 1.0) == (limit.calls, limit.period)
    assert limit.used == pytest.approx(1.0, abs=0.05)
    assert use.waited > 0


async def test_processes_by_themselves_are_refused_and_banned() -> None:
    """Each with the limit to itself, they break it; the log says who was refused, and the ban."""
    async with Emulator("amocrm") as emulator:
        start = now()
        result = counted(emulator, await worked(emulator, 1, 2, 3), start)
    assert not result.passed
    assert 1 == result.bans
    assert result.refused == sum(each.refused for each in result.processes) > 0
    (fault,) = result.faults
    assert " calls failed, with 0 errors ordered: amocrm" in fault


async def test_errors_that_a_policy_gives_up_on() -> None:
    """A call that failed by an error that was ordered is counted, and no fault."""
    async with Emulator("hh") as emulator:
        emulator.script("bad_argument")
        start = now()
        result = counted(emulator, await worked(emulator, 1), start)
    assert [1] == [each.failed for each in result.processes]
    assert () == result.faults
    assert result.passed


async def test_a_process_that_never_had_its_turn() -> None:
    """A process that sent nothing is a fault."""
    async with Emulator("hh") as emulator:
        start = now()
        dones = await worked(emulator, 1)
        result = counted(emulator, [*dones, Done(work={"hh": dones[0].work["hh"]})], start)
    assert ("process 2 never had its turn",) == result.faults
    assert not result.passed


async def test_a_limit_with_a_window_longer_than_the_drill() -> None:
    """Of a minute's limit a shorter drill may have what one pace lets go; an hour's is a count."""
    async with Emulator("dellin") as emulator:
        start = now()
        result = counted(emulator, await worked(emulator, 1), start)
    minute, hour = result.limits
    assert minute.period < SECONDS
    assert minute.most <= minute.calls < 45
    assert (1600, 3600.0, None) == (hour.calls, hour.period, hour.used)
    assert result.passed


@pytest.mark.parametrize(("numbers", "kept"), [((1,), True), ((1, 2), False)])
async def test_a_wait_is_for_all(numbers: tuple[int, ...], kept: bool) -> None:
    """What is sent after one was told to wait counts against all, but for what was on its way."""
    async with Emulator("unisender") as emulator:
        start = now()
        emulator.script(wait_of(one_service("unisender")), retry_after=2.0, after=20)
        result = counted(emulator, await worked(emulator, *numbers), start)
    (pause,) = result.pauses
    assert kept == (pause.late == 0)
    assert kept == result.passed
    assert (pause.silent or 0.0) >= 2.0


async def test_nobody_called() -> None:
    """An empty log is no success."""
    async with Emulator("hh") as emulator:
        result = counted(emulator, [Done(work=one.work) for one in await worked(emulator)], now())
    assert (0, ()) == (result.sent, result.limits)


async def test_what_a_worker_hears() -> None:
    """A worker counts the retries of each service, and why it went without the store."""
    async with Emulator("hh") as emulator:
        emulator.script("service_unavailable", times=2)
        (done,) = await worked(emulator, 1)
    assert 2 == done.work["hh"].retried
    assert [] == done.without_store
