"""A client of the invented vendor."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from acme import Connect, connecting
from raw_server import RawServer, raw_serving
from server import Server


@pytest.fixture
def connect(server: Server, tmp_path: Path) -> Connect:
    """Open a client of the scripted server; its arguments are those of `acme.connecting`."""
    return connecting(server, tmp_path)


@pytest_asyncio.fixture
async def raw() -> AsyncIterator[RawServer]:
    """A server that answers with bytes."""
    async with raw_serving() as found:
        yield found


@pytest.fixture
def reach(raw: RawServer, tmp_path: Path) -> Connect:
    """Open a client of the server of bytes, as `connect` does of the scripted one."""
    return connecting(raw, tmp_path)
