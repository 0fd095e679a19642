"""Links to one Redis: by its address or socket, or as the master that Sentinels name."""

from collections.abc import Sequence
from typing import Any

import attrs
from redis.asyncio.sentinel import Sentinel

from resilient.state.redis.connection import Connected
from resilient.state.redis.link import Address, Command, Link, Unreachable


@attrs.define(eq=False, repr=False)
class Single(Link):
    """A link to one Redis."""

    async def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        connected = await self._connected(None)
        self._sent = True
        await connected.send(commands)
        return await connected.receive()

    async def _connect(self, to: Address | None) -> Connected:
        hosts = self._opener.url.hosts
        return await self._opener.open(hosts[0] if hosts else to)


@attrs.define(eq=False, repr=False)
class Named(Single):
    """A link to the master that Sentinels name, asked whenever it connects."""

    async def _connect(self, to: Address | None) -> Connected:  # noqa: ARG002
        master = await self._opener.ask(self._master)
        if master is None:
            raise Unreachable("no Sentinel names a master")
        return await self._opener.open(master, "ROLE")

    async def _master(self, host: Address) -> Address:
        url = self._opener.url
        who = url.options.get("sentinel_username"), url.options.get("sentinel_password")
        options = self._opener.options(*who)
        sentinel = Sentinel([host], sentinel_kwargs=options)  # type: ignore[no-untyped-call]
        async with sentinel.sentinels[0]:
            host, port = await sentinel.discover_master(url.master or "")
        return str(host), int(port)
