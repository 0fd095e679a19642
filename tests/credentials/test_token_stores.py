"""What every token store does: one suite, three stores."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis_server import RedisServer

from resilient.credentials import (
    FileTokens,
    Intent,
    MemoryTokens,
    OAuth2,
    RedisTokens,
    Stored,
    TokenPair,
    TokenStore,
)

from .conftest import CANARY

pytestmark = pytest.mark.real_time

FIRST, SECOND, THIRD = (TokenPair(f"access-{n}", f"refresh-{n}", 100.5 * n) for n in (1, 2, 3))

Another = Callable[[], TokenStore]
"""Opens the store once more, as another process would."""


@pytest.fixture(params=["memory", "file", "redis"])
def another(request: pytest.FixtureRequest, tmp_path: Path) -> Another:
    """The same store, each time anew."""
    memory = MemoryTokens()
    if request.param == "memory":
        return lambda: memory
    if request.param == "file":
        return lambda: FileTokens(tmp_path / "tokens.json")
    return _in_redis(request.getfixturevalue("redis_server"))


def _in_redis(server: RedisServer) -> Another:
    return lambda: RedisTokens(server.url, name="acct-7")


@pytest.fixture
def store(another: Another) -> TokenStore:
    """A store."""
    return another()


async def test_nothing(store: TokenStore) -> None:
    """Where nothing was stored, nothing is there."""
    assert await store.load() is None
    assert isinstance(store, TokenStore)


@pytest.mark.parametrize("pair", [FIRST, TokenPair("only access"), TokenPair("a", "r", 0.0)])
async def test_stored(another: Another, pair: TokenPair) -> None:
    """What one stores, all read, to the last digit."""
    assert 1 == await another().save(pair)
    assert Stored(pair, 1) == await another().load()


async def test_versions_grow(store: TokenStore) -> None:
    """Each pair has a version greater than the one before."""
    assert [1, 2, 3] == [await store.save(FIRST), await store.save(SECOND), await store.save(FIRST)]


async def test_replaced_by_the_newer(another: Another) -> None:
    """A pair is not stored where another has been stored since the one that it replaces."""
    await another().save(FIRST)
    assert 2 == await another().save(SECOND, 1)
    assert await another().save(THIRD, 1) is None
    assert Stored(SECOND, 2) == await another().load()


async def test_by_hand(another: Another) -> None:
    """A pair that replaces whatever is there makes those refused that were bought before it."""
    await another().save(FIRST)
    assert 2 == await another().save(SECOND)
    assert await another().save(THIRD, 1) is None


async def test_store_that_was_emptied(store: TokenStore) -> None:
    """Where the pair that was replaced is lost, the new one is stored all the same."""
    assert 4 == await store.save(FIRST, 3)
    assert Stored(FIRST, 4) == await store.load()


async def test_one_of_many(another: Another) -> None:
    """Of many that replace the same pair at the same time one is stored."""
    await another().save(FIRST)
    pairs = [TokenPair(f"bought-{n}") for n in range(10)]
    versions = await asyncio.gather(*[another().save(pair, 1) for pair in pairs])
    assert [2] == [version for version in versions if version is not None]
    stored = await another().load()
    assert stored is not None
    assert versions[pairs.index(stored.pair)] == 2


async def test_one_at_a_time(another: Another) -> None:
    """A lock is one's at a time, is not waited for, and its numbers grow."""
    async with another().lock() as first:
        async with another().lock() as other:
            assert other is None
        async with another().lock() as other:
            assert other is None
    async with another().lock() as second:
        assert first is not None
        assert second is not None
        assert first < second


async def test_one_of_many_locks(another: Another) -> None:
    """Of many that come at the same moment one gets the lock."""
    everybody = asyncio.Barrier(8)

    async def come() -> int | None:
        async with another().lock() as number:
            await everybody.wait()
            return number

    numbers = await asyncio.gather(*[come() for _ in range(8)])
    assert 1 == sum(number is not None for number in numbers)


@pytest.mark.parametrize("error", [RuntimeError, asyncio.CancelledError])
async def test_let_go(another: Another, error: type[BaseException]) -> None:
    """However the block ends, the lock is free then."""
    with pytest.raises(error):
        async with another().lock():
            raise error
    async with another().lock() as number:
        assert number is not None


async def test_intent(another: Another) -> None:
    """What the holder of the lock notes, all read, until he takes it away."""
    await another().save(FIRST)
    intent = Intent(1, "web-1, process 7", 1000.25)
    async with another().lock() as number:
        assert number is not None
        assert await another().note(intent, number)
        assert Stored(FIRST, 1, intent) == await another().load()
        assert await another().note(None, number)
        assert Stored(FIRST, 1) == await another().load()


async def test_intent_outlives_the_lock(another: Another) -> None:
    """What was noted stays when the lock is let go, and is about that pair only."""
    await another().save(FIRST)
    async with another().lock() as number:
        assert number is not None
        await another().note(Intent(1, "web-1", 1000.0), number)
    async with another().lock():
        stored = await another().load()
        assert stored is not None
        assert stored.begun == Intent(1, "web-1", 1000.0)
        await another().save(SECOND, 1)
    stored = await another().load()
    assert stored is not None
    assert stored.begun is None


async def test_intent_of_a_former_holder(another: Another) -> None:
    """Who had the lock once, and believes that he still does, notes nothing."""
    await another().save(FIRST)
    async with another().lock() as former:
        assert former is not None
    async with another().lock() as number:
        assert number is not None
        assert not await another().note(Intent(1, "late", 1.0), former)
        assert await another().note(Intent(1, "web-2", 2.0), number)
        assert not await another().note(None, former)
    stored = await another().load()
    assert stored is not None
    assert stored.begun == Intent(1, "web-2", 2.0)


async def test_not_shown(store: TokenStore) -> None:
    """Neither a store nor what it holds shows a token."""
    await store.save(TokenPair(CANARY, CANARY))
    assert CANARY not in repr(store)
    assert CANARY not in repr(await store.load())


@pytest.mark.parametrize(
    "given",
    [
        (),
        (lambda: None,),
        (None, lambda pair: None),
        (lambda: None, lambda pair: None, MemoryTokens()),
        (lambda: None, None, MemoryTokens()),
        (None, None, "tokens.json"),
    ],
)
def test_one_place(given: tuple[Any, ...]) -> None:
    """A pair is kept by two callables, or by a store."""
    load, save, store = (*given, None, None, None)[:3]
    with pytest.raises(TypeError, match="`load` and `save`, or a `store`"):
        OAuth2("id", "secret", load, save, store=store)


def test_no_such_name() -> None:
    """Names that are loaded late are those that there are."""
    with pytest.raises(ImportError, match="MongoTokens"):
        from resilient.credentials import MongoTokens  # noqa: F401
