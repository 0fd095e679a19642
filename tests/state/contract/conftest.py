"""The contract runs against both stores: in process in virtual time, and on a Redis in real time.

What it claims is the same, so are its tests: only the loop tells which store it is.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
from redis_front import fronting
from redis_server import RedisServer
from shared_desk import Desks, desks_of
from shared_pair import Pairs

from resilient.state.redis import presence
from resilient.testing import VirtualTimeLoop

_LOOPS: Mapping[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "in process": VirtualTimeLoop,
    "redis": asyncio.new_event_loop,
}


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run each test on two loops."""
    return _LOOPS


@pytest.fixture
async def desks(request: pytest.FixtureRequest) -> AsyncIterator[Desks]:
    """Desks of the store that this run is about."""
    alone = isinstance(asyncio.get_running_loop(), VirtualTimeLoop)
    async with desks_of(None if alone else request.getfixturevalue("redis_server")) as found:
        yield found


@pytest.fixture
async def pairs(
    desks: Desks, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Pairs]:
    """Opens pairs whose far one tries to reach the store more often than once a second."""
    monkeypatch.setattr(presence, "TRY", 0.05)
    async with fronting(redis_server.path) as front:
        found = Pairs(front, desks)
        yield found
        await found.close()
