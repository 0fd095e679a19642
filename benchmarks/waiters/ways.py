"""Whom to wait with: this library's scheduler, other libraries, and asyncio with nothing else."""

import asyncio
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import attrs
from aiohttp import BaseConnector

import resilient
from benchmarks.exactness.clocks import virtual_clocks
from benchmarks.exactness.contenders import PEERS, Contender
from benchmarks.shared.model import Limit
from benchmarks.shared.peers import Acquire
from resilient.clock import Clock
from resilient.model import Block
from resilient.state.admission import Admission
from resilient.state.lane import Lane

OURS, FLOOR, USUAL = "resilient", "asyncio alone", "aiolimiter(N, T)"
LIMIT = Limit(100, 1)
"""What all wait for."""
DAY = 86400.0
LATCH = Block(scope="credential", base=None, cap=0.0)
CATALOG = """
catalog: measured
source: {{document: none, read: 2026-11-22}}
limits: {{calls: {{rate: {rate}/s, per: [{per}]}}}}
"""


@attrs.frozen(kw_only=True)
class Way:
    """One way to wait.

    Attributes:
        name: What the tables call it.
        package: What has to be installed.
        distribution: The same as pip calls it; empty: nothing.
        most: So many waiters it can be asked to bear in the time there is.
        open: Opens it, with the limit.
    """

    name: str
    package: str = "asyncio"
    distribution: str = ""
    most: int = 1_000_000
    open: Callable[[], AbstractAsyncContextManager[Acquire]]

    @property
    def is_installed(self) -> bool:
        """Whether it can take part."""
        return find_spec(self.package) is not None


@asynccontextmanager
async def alone() -> AsyncIterator[Acquire]:
    """Let one go at each tick of a timer: what tasks, futures and timers cost."""
    loop, waiting = asyncio.get_running_loop(), deque[asyncio.Future[None]]()

    def tick() -> None:
        waiting.popleft().set_result(None)
        if waiting:
            loop.call_later(LIMIT.seconds / LIMIT.calls, tick)

    async def acquire() -> None:
        if not waiting:
            loop.call_later(LIMIT.seconds / LIMIT.calls, tick)
        waiting.append(future := loop.create_future())
        await future

    yield acquire


def scheduler(
    rate: int, per: str = "credential", connector: BaseConnector | None = None
) -> tuple[Admission, Lane]:
    """Return our scheduler, and a lane of it with a limit for each kind of scope."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "measured.yaml")
        file.write_text(CATALOG.format(rate=rate, per=per), "utf-8")
        service = {"catalog": str(file), "hosts": ["api.test"], "max_queue": 10_000_000}
        config = resilient.load({"services": {"measured": service}})
    admission, now = Admission(Clock.now), Clock.now()
    way = ("acct", None, "here", "api.test", connector, False)
    return admission, admission.memory.lane_of(config["measured"], *way, now)


@asynccontextmanager
async def ours() -> AsyncIterator[Acquire]:
    """Wait in our scheduler, and be answered at once."""
    (admission, lane), now = scheduler(LIMIT.calls), asyncio.get_running_loop().time

    async def acquire() -> None:
        grant = await admission.admit(lane, 1, now() + DAY)
        grant.answered((), LATCH)

    yield acquire


@asynccontextmanager
async def peer(contender: Contender) -> AsyncIterator[Acquire]:
    """Wait with another library, whose clocks are the loop's."""
    with virtual_clocks(contender.modules):
        async with contender.open((LIMIT,)) as acquire:
            yield acquire


def _peers() -> list[Way]:
    return [
        Way(
            name=each.name,
            package=each.modules[0],
            distribution=each.distribution,
            most=100_000,
            open=partial(peer, each),
        )
        for each in PEERS
        if each.name in {USUAL, "pyrate-limiter, sliding log"}
    ]


ALL = (Way(name=OURS, open=ours), Way(name=FLOOR, open=alone), *_peers())
BY_NAME = {each.name: each for each in ALL}
