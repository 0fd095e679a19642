"""Renewals over a token store: one at a time, noted before it is sent, stored before it is used."""

import asyncio
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from aiohttp import web

from resilient.clock import Clock
from resilient.credentials import (
    Calls,
    Credential,
    CredentialRefused,
    CredentialUnavailable,
    Intent,
    MemoryTokens,
    OAuth2,
    TokenPair,
)

from .conftest import Vendor

STALE = {"token": "access-1"}
FIRST, SECOND, BY_HAND = (TokenPair(f"access-{n}", f"refresh-{n}") for n in (1, 2, "by-hand"))
GIVEN_UP = Intent(1, "web-1, process 7", 0.0)


def _oauth(tokens: Any) -> OAuth2:
    return OAuth2("id", "secret", store=tokens, clock=Clock(wall=lambda: 1000.0))


def _sells(vendor: Vendor, *, takes: float = 0.0, then: Callable[[], Any] | None = None) -> None:
    """Let a vendor sell pair after pair; `then` happens between a sale and its answer."""

    async def sell(_: web.Request) -> web.Response:
        await asyncio.sleep(takes)
        number = vendor.hits + 1
        if then is not None:
            await then()
        pair = TokenPair(f"access-{number}", f"refresh-{number}")
        return web.json_response(pair.asdict())

    vendor.reply = sell


@pytest.fixture
def tokens() -> MemoryTokens:
    """A store with a pair that the vendor refuses."""
    return MemoryTokens(FIRST)


async def _begun(tokens: MemoryTokens) -> Intent | None:
    stored = await tokens.load()
    return None if stored is None else stored.begun


async def test_nothing_stored(calls: Calls) -> None:
    """Without a pair there is nothing to renew, and a later one is seen."""
    tokens = MemoryTokens()
    with pytest.raises(CredentialRefused, match="No token is stored"):
        await _oauth(tokens).load(calls)
    await tokens.save(FIRST)
    assert {"token": "access-1"} == await _oauth(tokens).load(calls)


async def test_renewed(vendor: Vendor, calls: Calls, tokens: MemoryTokens) -> None:
    """What the vendor sells is stored as the next version."""
    _sells(vendor)
    assert {"token": "access-2"} == await _oauth(tokens).renew(calls, STALE)
    stored = await tokens.load()
    assert stored is not None
    assert (SECOND, 2, None) == (stored.pair, stored.version, stored.begun)


async def test_at_the_same_time(vendor: Vendor, calls: Calls, tokens: MemoryTokens) -> None:
    """Many that need a new pair at the same time send one refresh token, once."""
    _sells(vendor, takes=1.0)
    found = await asyncio.gather(*[_oauth(tokens).renew(calls, STALE) for _ in range(9)])
    assert [{"token": "access-2"}] * 9 == found
    assert 1 == vendor.hits


async def test_stored_meanwhile(vendor: Vendor, calls: Calls, tokens: MemoryTokens) -> None:
    """Who waits for the lock uses a new pair as soon as it is stored, and takes no lock."""
    async with tokens.lock():
        waiting = asyncio.create_task(_values(_oauth(tokens), calls))
        await asyncio.sleep(1)
        await tokens.save(BY_HAND)
        async with asyncio.timeout(0.25):
            assert {"token": "access-by-hand"} == await waiting
    assert 0 == vendor.hits


async def _values(credential: Credential, calls: Calls) -> Any:
    return await credential.renew(calls, STALE)


async def test_holder_gives_up(vendor: Vendor, calls: Calls, tokens: MemoryTokens) -> None:
    """Where the lock is let go without a new pair, the next one renews."""
    _sells(vendor)
    async with tokens.lock():
        waiting = asyncio.create_task(_values(_oauth(tokens), calls))
        await asyncio.sleep(1)
        assert 0 == vendor.hits
    async with asyncio.timeout(1):
        assert {"token": "access-2"} == await waiting


async def test_lock_that_is_never_free(vendor: Vendor, calls: Calls, tokens: MemoryTokens) -> None:
    """A lock that somebody holds for a minute is waited for no longer."""
    loop = asyncio.get_running_loop()
    async with tokens.lock():
        began = loop.time()
        with pytest.raises(CredentialUnavailable, match="for 60 s"):
            await _oauth(tokens).renew(calls, STALE)
    assert 60 == pytest.approx(loop.time() - began, abs=1)
    assert 0 == vendor.hits


async def test_noted_before_it_is_sent(vendor: Vendor, calls: Calls, tokens: MemoryTokens) -> None:
    """While the vendor is asked it stands in the store who asks, for which pair, since when."""
    seen: list[Intent | None] = []

    async def look() -> None:
        seen.append(await _begun(tokens))

    _sells(vendor, then=look)
    await _oauth(tokens).renew(calls, STALE)
    (intent,) = seen
    assert intent is not None
    assert (1, 1000.0) == (intent.version, intent.at)
    assert "process" in intent.by
    assert await _begun(tokens) is None


@pytest.mark.parametrize(
    ("status", "stays"), [(400, False), (401, False), (500, True), (503, True), (302, True)]
)
async def test_no_sale(
    vendor: Vendor, calls: Calls, tokens: MemoryTokens, status: int, stays: bool
) -> None:
    """A note goes with a refusal; it stays where nobody knows whether the token was spent."""
    vendor.says({"error": "invalid_grant"}, status)
    with pytest.raises((CredentialRefused, CredentialUnavailable)) as error:
        await _oauth(tokens).renew(calls, STALE)
    assert "died" not in str(error.value)
    assert stays is (await _begun(tokens) is not None)


async def _give_up(tokens: MemoryTokens) -> None:
    """Leave the note of a process that died."""
    async with tokens.lock() as number:
        await tokens.note(GIVEN_UP, number or 0)


async def test_after_a_process_that_died(
    vendor: Vendor, calls: Calls, tokens: MemoryTokens
) -> None:
    """If the vendor refuses then, everybody says whose renewal was lost, when, and what to do."""
    await _give_up(tokens)
    vendor.says({"error": "invalid_grant"}, 400)
    for _ in range(2):
        with pytest.raises(CredentialRefused) as error:
            await _oauth(tokens).renew(calls, STALE)
        assert "HTTP 400, invalid_grant" in str(error.value)
        assert "web-1, process 7, began one at 1970-01-01T00:00:00+00:00" in str(error.value)
        assert "Log in once more" in str(error.value)
    await tokens.save(BY_HAND)
    assert {"token": "access-by-hand"} == await _oauth(tokens).renew(calls, STALE)


async def test_after_a_process_that_sent_nothing(
    vendor: Vendor, calls: Calls, tokens: MemoryTokens
) -> None:
    """If the vendor sells all the same, nothing was lost."""
    await _give_up(tokens)
    _sells(vendor)
    assert {"token": "access-2"} == await _oauth(tokens).renew(calls, STALE)
    assert await _begun(tokens) is None


@attrs.define(eq=False)
class Losing(MemoryTokens):
    """A store whose lock ends before it should, once."""

    lost: int = 0

    async def note(self, intent: Intent | None, number: int) -> bool:
        """Note nothing the first time."""
        self.lost += 1
        return self.lost > 1 and await super().note(intent, number)


async def test_lock_lost_before_it_was_sent(vendor: Vendor, calls: Calls) -> None:
    """Who has lost the lock before he noted anything sends nothing, and waits for it anew."""
    tokens = Losing(FIRST)
    _sells(vendor)
    assert {"token": "access-2"} == await _oauth(tokens).renew(calls, STALE)
    assert (2, 1) == (tokens.lost, vendor.hits)


async def test_lock_lost_while_it_was_bought(
    vendor: Vendor, calls: Calls, tokens: MemoryTokens
) -> None:
    """If another pair was stored meanwhile, that one stays, and is used."""

    async def store_another() -> None:
        await tokens.save(BY_HAND)

    _sells(vendor, then=store_another)
    assert {"token": "access-by-hand"} == await _oauth(tokens).renew(calls, STALE)
    stored = await tokens.load()
    assert stored is not None
    assert (BY_HAND, 2) == (stored.pair, stored.version)


@attrs.define(eq=False)
class Failing(MemoryTokens):
    """A store that cannot store for a while, or does and says that it could not."""

    until: float = 0.0
    silently: bool = False
    tried: int = 0

    async def save(self, pair: TokenPair, replaces: int | None = None) -> int | None:
        """Fail, or store."""
        self.tried += 1
        if asyncio.get_running_loop().time() < self.until:
            if self.silently:
                await super().save(pair, replaces)
            raise OSError("the disk is full")
        return await super().save(pair, replaces)


def _failing(seconds: float, *, silently: bool = False) -> Failing:
    until = asyncio.get_running_loop().time() + seconds
    return Failing(FIRST, until=until, silently=silently)


@pytest.mark.parametrize("silently", [False, True])
async def test_store_that_fails_for_a_while(vendor: Vendor, calls: Calls, silently: bool) -> None:
    """A pair that was bought is stored as soon as the store can, and nobody else buys meanwhile."""
    tokens = _failing(5.0, silently=silently)
    _sells(vendor)
    found = await asyncio.gather(*[_oauth(tokens).renew(calls, STALE) for _ in range(3)])
    assert [{"token": "access-2"}] * 3 == found
    assert 1 == vendor.hits
    stored = await tokens.load()
    assert stored is not None
    assert (SECOND, 2) == (stored.pair, stored.version)


@pytest.mark.parametrize("emptied", [False, True])
async def test_store_that_fails_for_long(vendor: Vendor, calls: Calls, emptied: bool) -> None:
    """Later the renewal fails, and the pair is stored when next it is asked for."""
    tokens = _failing(60.0)
    oauth = _oauth(tokens)
    _sells(vendor)
    with pytest.raises(OSError, match="full"):
        await oauth.renew(calls, STALE)
    await asyncio.sleep(60)
    if emptied:
        tokens._pair = None
    assert {"token": "access-2"} == await oauth.renew(calls, STALE)
    stored = await tokens.load()
    assert stored is not None
    assert (1, SECOND, 2) == (vendor.hits, stored.pair, stored.version)


@pytest.mark.parametrize("tenths", range(1, 40, 3))
async def test_cancelled(vendor: Vendor, calls: Calls, tenths: int) -> None:
    """Cancelled at any time, it leaves no lock, and no pair that was bought is lost."""
    tokens = _failing(3.0)
    oauth = _oauth(tokens)
    _sells(vendor, takes=1.0)
    renewing = asyncio.create_task(_values(oauth, calls))
    await asyncio.sleep(tenths / 10)
    renewing.cancel()
    await asyncio.wait([renewing])
    assert renewing.cancelled() is (tenths < 32)
    async with tokens.lock() as number:
        assert number is not None
    await asyncio.sleep(5)
    await oauth.renew(calls, STALE)
    assert (1 if tenths > 10 else 2) == vendor.hits
