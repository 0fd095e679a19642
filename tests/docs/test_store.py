"""What the pages say of a shared store: its URLs, modes and keys, and the user it needs."""

import asyncio
import re
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, get_args

import aiohttp
import pytest
from manual import ROOT, blocks, listed, plain, table
from redis_server import RedisServer

import resilient
from resilient.config import store_url
from resilient.config.service import StoreMode
from resilient.config.store_url import StoreURL, parse
from resilient.model import Scope
from resilient.state.redis import keys
from resilient.testing import Emulator, EventCapture

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LUA = sorted((ROOT / "resilient").rglob("*.lua"))
OPERATIONS = ROOT / "docs" / "operations.md"
BY_LINKS = {
    *("auth", "select", "ping", "role", "cluster|slots", "asking", "eval", "evalsha"),
    *("info", "time", "expire", "hmget"),
}
"""What is called outside of scripts, beside what these call, too."""

_CALL = re.compile(r"redis\.p?call\('([A-Z]+)'")


def acl() -> list[str]:
    """Return the words of the line that makes a user, as the page has it."""
    (found,) = (each.text for each in blocks(OPERATIONS) if each.text.startswith("ACL SETUSER "))
    return found.replace("\\\n", " ").split()


def test_urls() -> None:
    """Each form of a URL is on the page, and its example is right."""
    rows = table("configuration.md", "a URL", "is").rows
    written = [each for row in rows for each in listed(row["a URL"])]
    assert set(store_url._SCHEMES) == {each.partition("://")[0] for each in written}
    whole = [parse(each) for each in written if not each.endswith("…")]
    assert [] == [each for each in whole if not isinstance(each, StoreURL)]


def test_modes() -> None:
    """Each mode of a store is explained."""
    rows = table(
        "operations.md",
        "`mode`",
        "calls go on with",
        "in any window, K processes together may send",
    ).rows
    assert set(get_args(StoreMode)) == {plain(row["`mode`"]) for row in rows}


def test_keys() -> None:
    """Each kind of key is listed as it is written."""
    scope = Scope("mail", "credential", "default")
    assert [
        keys.scope("resilient", scope),
        keys.limit("resilient", "bucket", "calls", scope),
        keys.limit("resilient", "quota", "daily", scope),
        keys.seen("resilient", "mail"),
        keys.salt("resilient", "mail"),
        keys.tokens("resilient", "acct-42", "pair"),
        keys.tokens("resilient", "acct-42", "lease"),
    ] == [plain(row["key"]) for row in table("operations.md", "key", "holds", "is kept").rows]


def test_its_rights() -> None:
    """The user on the page may call what scripts and links call, and nothing else."""
    called = {name.lower() for file in LUA for name in _CALL.findall(file.read_text("utf-8"))}
    assert called | BY_LINKS == {word[1:] for word in acl() if word.startswith("+")}


@pytest.mark.real_time
async def test_its_size(redis_server: RedisServer) -> None:
    """What a scope and a limit take in Redis is less than the page says."""
    (said,) = re.findall(r"take less than (\d+) bytes each", OPERATIONS.read_text("utf-8"))
    async with _connected(redis_server.unix_url) as (vendor, http, _):
        assert await _goes(http, f"{vendor.url}/api/v4/leads")
    kept = [
        key for key in redis_server.command("KEYS", "*") if ":scope:" in key or ":bucket:" in key
    ]
    assert kept
    assert int(said) > max(redis_server.command("MEMORY", "USAGE", key) for key in kept)


@pytest.mark.real_time
async def test_its_user(redis_server: RedisServer) -> None:
    """With the rights on the page, and no others, all goes well: Redis has nothing to deny."""
    redis_server.command(*acl())
    await _work(redis_server, acl()[2], acl()[4].removeprefix(">"))
    assert [] == redis_server.command("ACL", "LOG")


@pytest.mark.real_time
async def test_a_user_with_less(redis_server: RedisServer) -> None:
    """A user without one of the rights is noticed."""
    redis_server.command(*(each for each in acl() if each != "+time"))
    await _work(redis_server, acl()[2], acl()[4].removeprefix(">"))
    assert [] != redis_server.command("ACL", "LOG")


@pytest.mark.real_time
async def test_lifted_by_hand(redis_server: RedisServer) -> None:
    """Who deletes the key that the page names lifts a block, also in processes that know it."""
    (page,) = (each.text for each in blocks(OPERATIONS) if each.text.startswith("redis-cli "))
    pattern, key = re.findall(r"'(.+)'", page)
    async with _connected(redis_server.unix_url) as (vendor, http, _):
        vendor.script("111")
        with pytest.raises(resilient.Blocked):
            await http.get(f"{vendor.url}/api/v4/leads")
        with pytest.raises(resilient.ScopeBlocked):
            await http.get(f"{vendor.url}/api/v4/leads")
        mine = key.replace("{mail}", "{crm}").replace("default", "anonymous")
        found = redis_server.command("KEYS", pattern.replace("{mail}", "{crm}"))
        assert mine in found
        redis_server.command("DEL", mine)
        async with asyncio.timeout(5):
            while not await _goes(http, f"{vendor.url}/api/v4/leads"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)


@pytest.mark.real_time
async def test_events(redis_server: RedisServer) -> None:
    """The loss of a store is told once, its return is told once, with the keys on the page."""
    titles = ("event", "level", "when", "keys beside those of the call")
    rows = {plain(row["event"]): listed(row[titles[3]]) for row in table("events.md", *titles).rows}
    async with _connected(redis_server.unix_url) as (vendor, http, heard):
        assert await _goes(http, f"{vendor.url}/api/v4/leads")
        redis_server.stop()
        assert await _goes(http, f"{vendor.url}/api/v4/leads")
        assert await _goes(http, f"{vendor.url}/api/v4/leads")
        redis_server.start()
        async with asyncio.timeout(5):
            while not heard.named("store_recovered"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    told = [each.asdict() for each in heard.events if each.name.startswith("resilient.store_")]
    assert ["resilient.store_degraded", "resilient.store_recovered"] == [e["event"] for e in told]
    of_a_call = {"event", "mode", "elapsed"}
    assert [rows[e["event"]] for e in told] == [e.keys() - of_a_call for e in told]


@asynccontextmanager
async def _connected(
    url: str, **store: str
) -> "AsyncIterator[tuple[Emulator, aiohttp.ClientSession, EventCapture]]":
    """Give an API, a session that shares its state, and what it tells."""
    heard = EventCapture()
    async with Emulator("amocrm") as vendor:
        services = {"crm": {"catalog": "amocrm", "hosts": [vendor.host]}}
        config = {"services": services, "store": {"url": url, "timeout": "5s", **store}}
        async with resilient.session(config, listeners=[heard]) as http:
            yield vendor, http, heard


async def _goes(http: aiohttp.ClientSession, url: str) -> bool:
    """Make a call; tell whether it went."""
    with suppress(resilient.NotSent):
        async with http.get(url):
            return True
    return False


async def _work(server: RedisServer, user: str, password: str) -> None:
    """Make calls, have some refused."""
    url = f"unix://{user}:{password}@{server.path}"
    async with _connected(url, mode="fail_open") as (vendor, http, _):
        for code in (None, 502, "111", None):
            if code is not None:
                vendor.script(code)
            with suppress(resilient.ResilientError):
                await http.get(f"{vendor.url}/api/v4/leads")
