"""Links to Redis that are closed in the end."""

from collections.abc import AsyncIterator, Callable
from typing import TypeAlias

import pytest_asyncio

from resilient.config.service import SharedStore
from resilient.state.redis.link import Link, make_link

LinkTo: TypeAlias = Callable[[str], Link]


@pytest_asyncio.fixture
async def link_to() -> AsyncIterator[LinkTo]:
    """Return what makes a link to a URL."""
    made: list[Link] = []

    def make(url: str) -> Link:
        made.append(make_link(SharedStore(url=url)))
        return made[-1]

    yield make
    for link in made:
        await link.aclose()
