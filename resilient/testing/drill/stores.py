"""The store of a drill: that it answers, what it did, and that nothing is left in it."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import attrs

from resilient.config.service import SharedStore
from resilient.state.redis import keys, wire
from resilient.state.redis.link import Link, Unreachable, make_link
from resilient.state.redis.scripts import NAMES

PATIENCE = 2.0
"""Seconds at least that the store has: on a busy machine 50 ms are soon over without an outage."""

CONNECT = 5.0
"""Seconds until a store that does not answer is taken to be out of reach."""

_SCRIPTS = ("cmdstat_eval:", "cmdstat_evalsha:")


@attrs.frozen(eq=False)
class Desk:
    """The store of one drill, under a prefix of its own.

    Attributes:
        rules: What a configuration says of it.
    """

    rules: SharedStore
    _services: Sequence[str]
    _link: Link

    async def scripts(self) -> int | None:
        """Return how many scripts it has run for anybody; None: it does not tell."""
        if self.rules.read().form == "cluster":
            return None
        told = None
        with suppress(Unreachable, TimeoutError):
            async with asyncio.timeout(CONNECT):
                (told,) = await self._link.run([("INFO", "commandstats")])
        if not isinstance(told, bytes):
            return None
        lines = told.decode("utf-8", "replace").splitlines()
        counts = (each.partition("calls=")[2] for each in lines if each.startswith(_SCRIPTS))
        return sum(int(each.partition(",")[0]) for each in counts)

    async def clear(self) -> None:
        """Remove every key of this drill."""
        for service in self._services:
            any_key = keys.seen(self.rules.prefix, service)
            pattern, cursor = f"{any_key.removesuffix('seen')}*", b""
            while cursor != b"0":
                page = ("EVALSHA", NAMES, 1, any_key, cursor or b"0", pattern)
                cursor, found = wire.named((await self._link.run([page]))[0])
                await self._link.run([("DEL", each) for each in found])


@asynccontextmanager
async def opened(store: SharedStore, services: Sequence[str]) -> AsyncIterator[Desk]:
    """Make sure that a store answers, and leave nothing in it.

    Raises:
        ConfigError: Its URL is wrong, or the extra `redis` is missing.
        Unreachable: It does not answer.
    """
    rules = attrs.evolve(
        store,
        # Below the usual one, which is all that Redis may let this user touch.
        prefix=f"{store.prefix}:drill-{secrets.token_hex(4)}",
        timeout=max(store.timeout, PATIENCE),
    )
    link = make_link(rules)
    try:
        await _reach(link)
        desk = Desk(rules, services, link)
        try:
            yield desk
        finally:
            with suppress(Unreachable, wire.Nonsense, TimeoutError):
                async with asyncio.timeout(CONNECT):
                    await desk.clear()
    finally:
        await link.aclose()


async def _reach(link: Link) -> None:
    try:
        async with asyncio.timeout(CONNECT):
            await link.open()
    except TimeoutError:
        raise Unreachable(f"no connection within {CONNECT:g} s") from None
