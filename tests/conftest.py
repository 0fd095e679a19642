"""What every test can use: a virtual-time loop, a scripted server, and captured events."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from hypothesis import settings
from server import Server, serving

from resilient.testing.loop import VirtualTimeLoop

# The same examples on every machine, and none fails because the machine is slow.
settings.register_profile("ours", deadline=None, derandomize=True, database=None)
settings.load_profile("ours")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> "dict[str, Callable[[], asyncio.AbstractEventLoop]]":
    """Run tests in virtual time, except those marked `real_time`."""
    if item.get_closest_marker("real_time") is not None:
        return {"real": asyncio.new_event_loop}
    return {"virtual": VirtualTimeLoop}


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    """A scripted server on loopback."""
    async with serving() as found:
        yield found
