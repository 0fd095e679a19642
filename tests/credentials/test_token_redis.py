"""Tokens in Redis: nothing of them is read by others, and a Redis in trouble is said to be."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import redis
from redis_cluster import redis_cluster
from redis_server import RedisServer

from resilient.config.service import Secret
from resilient.credentials import (
    Calls,
    CredentialRefused,
    CredentialUnavailable,
    Intent,
    OAuth2,
    RedisTokens,
    Stored,
    TokenPair,
)
from resilient.errors import ConfigError

from .conftest import CANARY

pytestmark = pytest.mark.real_time

PAIR = TokenPair("access-1", "refresh-1", 100.0)
SECRET = TokenPair(f"{CANARY}-access", f"{CANARY}-refresh")


def _cipher(data: bytes) -> bytes:
    return bytes(each ^ 0x5A for each in data)


@pytest.fixture
def tokens(redis_server: RedisServer) -> RedisTokens:
    """A store."""
    return RedisTokens(redis_server.url, name="acct-7")


async def _use(tokens: RedisTokens, pair: TokenPair) -> None:
    """Do with a store whatever there is to do."""
    await tokens.save(pair)
    async with tokens.lock() as number:
        await tokens.note(Intent(1, "web-1", 1.0), number or 0)
        await tokens.save(pair, 1)
    assert Stored(pair, 2, Intent(1, "web-1", 1.0)) == await tokens.load()


def _overheard(server: RedisServer, use: Callable[[], object]) -> bytes:
    """Return all that Redis hears, and all that it holds in the end."""
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.connect(str(server.path))
        monitor.sendall(b"MONITOR\r\n")
        assert b"+OK\r\n" == monitor.recv(5)
        use()
        keys = server.command("KEYS", "*")
        held = [_content(server, key) for key in keys]
        server.command("PING", "last")
        heard = b""
        while b'"PING" "last"\r\n' not in heard:
            heard += monitor.recv(65536)
    return heard + repr((keys, held)).encode()


def _content(server: RedisServer, key: str) -> object:
    if server.command("TYPE", key) == "string":
        return server.command("GET", key)
    assert "hash" == server.command("TYPE", key)
    fields = [field for field in server.command("HKEYS", key) if field != "pair"]
    raw = redis.Redis(unix_socket_path=str(server.path))
    with raw:
        return fields, server.command("HMGET", key, *fields), raw.hget(key, "pair")


@pytest.mark.parametrize("encrypted", [True, False])
def test_overheard(redis_server: RedisServer, encrypted: bool) -> None:
    """With a cipher no token is in any key, value or command; without one they are."""
    hooks: dict[str, Any] = {"encrypt": _cipher, "decrypt": _cipher} if encrypted else {}
    tokens = RedisTokens(redis_server.url, name="acct-7", **hooks)
    heard = _overheard(redis_server, lambda: asyncio.run(_use(tokens, SECRET)))
    assert b"acct-7" in heard
    assert b"HSET" in heard or b"EVALSHA" in heard
    assert (CANARY.encode() in heard) is not encrypted


@pytest.mark.parametrize("hooks", [{"encrypt": _cipher}, {"decrypt": _cipher}])
def test_half_a_cipher(hooks: dict[str, Any]) -> None:
    """Who encrypts has to decrypt."""
    with pytest.raises(TypeError, match="`encrypt` and `decrypt`"):
        RedisTokens("redis://localhost", name="acct-7", **hooks)


async def test_other_cipher(redis_server: RedisServer, calls: Calls) -> None:
    """What cannot be decrypted is refused, and shown to nobody."""
    await RedisTokens(redis_server.url, name="acct-7").save(SECRET)

    def decrypt(data: bytes) -> bytes:
        raise LookupError(data)

    tokens = RedisTokens(redis_server.url, name="acct-7", encrypt=_cipher, decrypt=decrypt)
    with pytest.raises(CredentialRefused, match=r"cannot be read \(LookupError\)") as error:
        await OAuth2("id", "secret", store=tokens).load(calls)
    assert CANARY not in str(error.value)
    assert error.value.__cause__ is None


@pytest.mark.parametrize("content", ["", "7", "[1]", "{}", "half a", '{"access_token": 1}'])
async def test_no_pair(tokens: RedisTokens, redis_server: RedisServer, content: str) -> None:
    """What is no pair is refused."""
    await tokens.save(PAIR)
    (key,) = redis_server.command("KEYS", "*:pair")
    redis_server.command("HSET", key, "pair", content)
    with pytest.raises(ValueError):  # noqa: PT011 - many texts
        await tokens.load()


async def test_wrong_password() -> None:
    """Why Redis does not let us in is said without the URL or anything in it."""
    with RedisServer(password="right") as server:
        url = server.url.replace(":right@", f":{CANARY}@")
        tokens = RedisTokens(url, name="acct-7")
        with pytest.raises(CredentialUnavailable, match="password is wrong") as error:
            await tokens.load()
        shown = f"{error.value!r} {tokens!r} {error.value.__context__!r}"
        assert CANARY not in shown
        assert str(server.path) not in shown
        await RedisTokens(server.url, name="acct-7").save(PAIR)


def test_wrong_url() -> None:
    """A URL that is none is said to be, and not repeated."""
    with pytest.raises(ConfigError) as error:
        RedisTokens(f"redis://:{CANARY}", name="acct-7")
    assert CANARY not in str(error.value)


async def test_url_elsewhere(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL may stand in the environment."""
    monkeypatch.setenv("TOKENS_URL", redis_server.url)
    await _use(RedisTokens(Secret(env="TOKENS_URL"), name="acct-7"), PAIR)


async def _lock(tokens: RedisTokens) -> None:
    async with tokens.lock():
        pass


USES: dict[str, Callable[[RedisTokens], Awaitable[Any]]] = {
    "load": lambda tokens: tokens.load(),
    "save": lambda tokens: tokens.save(PAIR),
    "lock": _lock,
    "note": lambda tokens: tokens.note(None, 1),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
async def test_redis_that_hangs(
    redis_server: RedisServer, use: Callable[[RedisTokens], Awaitable[Any]]
) -> None:
    """A Redis that does not answer is not waited for, and used again as soon as it does."""
    tokens = RedisTokens(redis_server.url, name="acct-7", timeout=0.1)
    redis_server.suspend()
    with pytest.raises(CredentialUnavailable, match="token store"):
        await use(tokens)
    redis_server.resume()
    await tokens.save(PAIR)
    assert PAIR == (await tokens.load() or Stored(SECRET, 0)).pair


@pytest.mark.parametrize("use", USES.values(), ids=USES)
async def test_redis_that_is_gone(
    redis_server: RedisServer, use: Callable[[RedisTokens], Awaitable[Any]]
) -> None:
    """Nor is one that is not there."""
    tokens = RedisTokens(redis_server.url, name="acct-7")
    redis_server.kill()
    with pytest.raises(CredentialUnavailable, match="token store"):
        await use(tokens)


@pytest.mark.parametrize("use", ["save", "lock"])
async def test_redis_without_memory(
    tokens: RedisTokens, redis_server: RedisServer, use: str
) -> None:
    """A Redis that stores nothing more is an error, not a success."""
    redis_server.command("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(CredentialUnavailable, match=r"OOM|lock it"):
        await USES[use](tokens)


async def test_scripts_that_are_forgotten(tokens: RedisTokens, redis_server: RedisServer) -> None:
    """SCRIPT FLUSH at any time goes unseen."""
    for _ in range(3):
        redis_server.flush()
        await _use(tokens, PAIR)


async def test_time_to_live(tokens: RedisTokens, redis_server: RedisServer) -> None:
    """A pair stays until it is replaced; everything else ends by itself."""
    await tokens.save(PAIR)
    async with tokens.lock() as number:
        assert number is not None
        left = {key: redis_server.command("PTTL", key) for key in redis_server.command("KEYS", "*")}
    lives = {key.rpartition("}")[2]: seconds / 1000 for key, seconds in left.items()}
    assert {":pair", ":lease", ":lease:number"} == lives.keys()
    assert -0.001 == lives[":pair"]
    assert 0 < lives[":lease"] <= 10
    assert 24 * 3600 < lives[":lease:number"]
    assert 2 == redis_server.command("DBSIZE")


async def test_no_connection_is_kept(tokens: RedisTokens, redis_server: RedisServer) -> None:
    """Between two uses there is no connection: a thousand accounts need none."""
    await _use(tokens, PAIR)
    redis_server.wait_until(
        lambda: 1 == len(redis_server.command("CLIENT", "LIST").splitlines()), "still connected"
    )


def test_loop_after_loop(tokens: RedisTokens) -> None:
    """One object serves one event loop after the other."""
    asyncio.run(tokens.save(PAIR))
    assert Stored(PAIR, 1) == asyncio.run(tokens.load())


async def test_names(redis_server: RedisServer) -> None:
    """Each name has a pair of its own, whatever characters it has."""
    names = ["a", "b", "a b", "{a}", "a}b", "a:pair", "ключ", "x" * 1000, "a\nb"]
    stores = [RedisTokens(redis_server.url, name=name) for name in names]
    for number, store in enumerate(stores):
        await store.save(TokenPair(f"access-{number}"))
    pairs = [await store.load() for store in stores]
    expected = [Stored(TokenPair(f"access-{number}"), 1) for number in range(len(names))]
    assert expected == pairs
    assert all(1 == key.count("}") for key in redis_server.command("KEYS", "*"))


@pytest.mark.soak
async def test_cluster() -> None:
    """A cluster is a store like any: what belongs together is in one slot."""
    with redis_cluster() as nodes:
        url = f"redis+cluster://127.0.0.1:{nodes[0].port}"
        for number in range(9):
            await _use(RedisTokens(url, name=f"acct-{number}"), PAIR)
