"""A link to Redis as clients were that handed one caller's reply to another."""

from typing import Any

import pytest
from redis.asyncio.connection import AbstractConnection

from resilient.state.redis.connection import Connected
from resilient.state.redis.link import Link


def keep_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let links use a connection again after a cancellation, whatever is still to arrive on it."""

    async def yes(*_: Any, **__: Any) -> bool:
        return True

    monkeypatch.setattr(AbstractConnection, "disconnect", yes)
    monkeypatch.setattr(Connected, "is_usable", yes)
    monkeypatch.setattr(Link, "_drop", yes)
