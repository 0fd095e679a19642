"""A lock for credentials that have no store of the library's: one renews at a time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
from aiohttp import web

from resilient.credentials import (
    Bearer,
    Calls,
    Credential,
    CredentialUnavailable,
    MemoryTokens,
    OAuth2,
    SessionId,
    TokenPair,
)

from .conftest import Vendor

STALE = {"token": "access-1"}
FIRST, SECOND = (TokenPair(f"access-{n}", f"refresh-{n}") for n in (1, 2))


def _sells(vendor: Vendor) -> None:
    """Let a vendor sell pair after pair, each in a second."""

    async def sell(_: web.Request) -> web.Response:
        await asyncio.sleep(1)
        number = vendor.hits + 1
        return web.json_response(TokenPair(f"access-{number}", f"refresh-{number}").asdict())

    vendor.reply = sell


@asynccontextmanager
async def _held() -> AsyncIterator[int | None]:
    yield None


@attrs.define(eq=False)
class OneAtATime:
    """A lock for credentials that have none; it notes how many hold it at most."""

    tokens: MemoryTokens = attrs.field(factory=MemoryTokens)
    inside: int = 0
    most: int = 0

    @asynccontextmanager
    async def lock(self) -> AsyncIterator[int | None]:
        """Hold it."""
        async with self.tokens.lock() as number:
            yield number

    async def work(self) -> str:
        """Take a second."""
        self.inside += 1
        self.most = max(self.most, self.inside)
        await asyncio.sleep(1)
        self.inside -= 1
        return "token"


def _bearer(one: OneAtATime) -> Credential:
    return Bearer(lambda: "access-1", one.work)


def _session_id(one: OneAtATime) -> Credential:
    return SessionId({}, one.work, session="old")


@pytest.mark.parametrize("make", [_bearer, _session_id])
async def test_lock_for_those_without(calls: Calls, make: Callable[[OneAtATime], Any]) -> None:
    """Credentials without a store of the library's renew one at a time where there is a lock."""
    one = OneAtATime()
    calls = attrs.evolve(calls, lock=one.lock)
    stale = {"token": "access-1", "session": "old"}
    await asyncio.gather(*[make(one).renew(calls, stale) for _ in range(4)])
    assert 1 == one.most


async def test_lock_for_callables(vendor: Vendor, calls: Calls) -> None:
    """Under a lock `load` and `save` send one refresh token once, as a store does."""
    calls = attrs.evolve(calls, lock=OneAtATime().lock)
    pairs = [FIRST]
    _sells(vendor)
    oauths = [OAuth2("id", "secret", lambda: pairs[-1], pairs.append) for _ in range(4)]
    found = await asyncio.gather(*[each.renew(calls, STALE) for each in oauths])
    assert [{"token": "access-2"}] * 4 == found
    assert (1, [FIRST, SECOND]) == (vendor.hits, pairs)


async def test_callables_without_a_lock(vendor: Vendor, calls: Calls) -> None:
    """Without it they send it as often as there are processes."""
    pairs = [FIRST]
    _sells(vendor)
    oauths = [OAuth2("id", "secret", lambda: pairs[-1], pairs.append) for _ in range(4)]
    await asyncio.gather(*[each.renew(calls, STALE) for each in oauths])
    assert 4 == vendor.hits


@pytest.mark.parametrize("make", [_bearer, _session_id])
async def test_lock_that_others_keep(calls: Calls, make: Callable[[OneAtATime], Any]) -> None:
    """Nobody waits for ever for a lock that somebody else holds."""
    calls = attrs.evolve(calls, lock=_held)
    with pytest.raises(CredentialUnavailable, match="for 60 s"):
        await make(OneAtATime()).renew(calls, {"token": "access-1", "session": "old"})
