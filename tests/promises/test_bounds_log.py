"""A storm of failures: the log says few lines of it, and exactly how many were left out."""

import asyncio
import gc
import itertools
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator

import acme
import attrs
import pytest
import structlog
from acme import Connect
from oracle import most_in_window
from promises.conftest import Figure, Scale
from server import Server

import resilient
from resilient.log import Log

KINDS = ("wrong", "lost", "broken")
PER_SECOND = 10_000


@attrs.define(eq=False)
class Lines:
    """A structlog processor that keeps what it is told, and when."""

    told: list[tuple[float, structlog.typing.EventDict]] = attrs.field(factory=list)

    def __call__(self, _: object, __: str, line: structlog.typing.EventDict) -> str:
        """Keep a line."""
        self.told.append((asyncio.get_running_loop().time(), dict(line)))
        raise structlog.DropEvent

    def written(self, **keys: object) -> list[tuple[float, structlog.typing.EventDict]]:
        """Return the lines that have these keys."""
        return [each for each in self.told if keys.items() <= each[1].items()]

    def counted(self, **keys: object) -> int:
        """Return how many failures they speak of."""
        return sum(1 + line.get("suppressed", 0) for _, line in self.written(**keys))

    def most_in_a_second(self, **keys: object) -> int:
        """Return the most lines of any second."""
        return most_in_window(((when, 1) for when, _ in self.written(**keys)), 1.0)


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Configure structlog to keep lines."""
    kept = Lines()
    structlog.configure(processors=[kept])
    yield kept
    structlog.reset_defaults()


def _failed(code: str) -> resilient.Event:
    return resilient.Event(name="resilient.call_failed", service="acme", status=400, code=code)


async def storm(listener: Callable[[resilient.Event], None], seconds: int) -> Counter[str]:
    """Tell a listener of many failures a second, and return how many of each kind."""
    events = [_failed(code) for code in KINDS]
    told: Counter[str] = Counter()
    for batch in range(seconds * 100):
        for event in itertools.islice(itertools.cycle(events), PER_SECOND // 100):
            listener(event)
            told[str(event.code)] += 1
        # Not in step with the seconds, so that windows begin anywhere.
        await asyncio.sleep(0.0103 if batch % 7 else 0.0071)
    return told


def check(lines: Lines, told: Counter[str]) -> None:
    """Check that there are few lines, and that they account for everything."""
    for kind, times in told.items():
        assert 10 >= lines.most_in_a_second(code=kind), "too many lines"
        assert times == lines.counted(code=kind), "not accounted for"


async def test_storm(lines: Lines, scale: Scale, figure: Figure) -> None:
    """Of 10,000 failures a second ten lines a second and kind are written, and none is lost."""
    log, seconds = Log(asyncio.get_running_loop().time), scale(3, 10)
    told = await storm(log, seconds)
    await asyncio.sleep(1)
    log.flush()
    check(lines, told)
    most = max(lines.most_in_a_second(code=kind) for kind in KINDS)
    figure("D5", "lines in any second, of a kind", most)
    missing = told.total() - lines.counted()
    figure("D5", "failures not accounted for", missing, of=told.total())


async def test_storm_naively(lines: Lines) -> None:
    """The check finds a log that writes all it hears, and one that forgets what it left out."""

    def write(event: resilient.Event) -> None:
        structlog.get_logger().error(event.name, code=event.code)

    with pytest.raises(AssertionError, match="too many lines"):
        check(lines, await storm(write, 1))
    lines.told.clear()
    log = Log(asyncio.get_running_loop().time)
    told = await storm(log, 1)
    with pytest.raises(AssertionError, match="not accounted for"):
        check(lines, told)


async def test_storm_of_calls(server: Server, connect: Connect, lines: Lines, scale: Scale) -> None:
    """A storm of real calls is accounted for to the last one when the middleware is closed."""
    calls = scale(300, 3000)
    server.default = acme.says("wrong")
    async with connect() as api:
        for _ in range(calls // 100):
            ends = await asyncio.gather(*(api.get() for _ in range(100)), return_exceptions=True)
            assert {resilient.ApiError} == {type(end) for end in ends}
    for name in ("resilient.attempt_failed", "resilient.call_failed"):
        assert calls == len(api.told(name.removeprefix("resilient.")))
        assert calls == lines.counted(event=name)


async def test_closing_in_a_storm(server: Server, connect: Connect, lines: Lines) -> None:
    """Those who waited when it was closed are accounted for, too."""
    limits = {"calls": {"rate": "60/min", "per": ["credential"]}}
    async with connect(catalog={"limits": limits}, timeout="1h") as api:
        calls = asyncio.gather(*(api.get() for _ in range(200)), return_exceptions=True)
        await asyncio.sleep(1.5)
        await api.middleware.aclose()
        said = lines.counted(event="resilient.call_failed", reason="NotSent")
        ends = Counter(type(end) for end in await calls)
    assert 190 < ends[resilient.NotSent]
    assert ends[resilient.NotSent] == said


async def test_memory(lines: Lines, scale: Scale, figure: Figure) -> None:
    """What the log remembers does not grow with the failures, nor without end with their kinds."""
    log = Log(asyncio.get_running_loop().time)
    kinds = itertools.count()
    growth = []
    for _ in range(2):
        tracemalloc.start()
        for _ in range(scale(4, 60)):
            for _ in range(500):
                log(_failed(f"c{next(kinds)}"))
            await asyncio.sleep(1.1)
            lines.told.clear()
        gc.collect()
        growth.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
    assert growth[1] < 1 << 20
    assert 1024 >= len(log._storms)
    figure("D5", "MiB kept of failures that each have a code of their own", growth[1] / (1 << 20))
