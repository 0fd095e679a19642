"""A client of the invented vendor."""

from pathlib import Path

import pytest
from acme import Connect, connecting
from server import Server


@pytest.fixture
def connect(server: Server, tmp_path: Path) -> Connect:
    """Open a client of the scripted server: `async with connect(mode="observe") as api`."""
    return connecting(server, tmp_path)
