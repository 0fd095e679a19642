"""The way to Redis: what shared state and shared tokens send their commands by."""

import asyncio
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from resilient.config.extras import need_redis
from resilient.config.service import SharedStore

if TYPE_CHECKING:
    from resilient.state.redis.connection import Connected, Opener
    from resilient.state.redis.scripts import Script

Command: TypeAlias = "tuple[str | bytes | int | Script, ...]"
"""A command's name and arguments; in `("EVALSHA", script, keys, …)` a script stands for its sum."""

Run: TypeAlias = Callable[[Sequence[Command]], Awaitable[list[Any]]]
"""Runs commands within its own time limit, and returns their replies in order."""

Address: TypeAlias = tuple[str, int]
"""A host and a port."""

_ELSEWHERE = frozenset({"CLUSTERDOWN", "LOADING", "MASTERDOWN", "NOAUTH", "READONLY"})
"""Errors after which Redis had better be looked for anew."""

_INHERITED: Final[list["Connected"]] = []
"""Connections of a parent process, kept for good: to close one here would end it there."""

_LONGEST_TEXT = 200
_ARGUMENTS = ", with args"

_WITHIN_SCRIPT = re.compile(r"ERR Error running script .{,200}?: -([A-Z]+ .*)")
"""How Redis before 7 words what a command within a script answered."""


class ErrorReply(Exception):
    """An error that Redis answered with: a value, never raised here.

    Attributes:
        code: Its first word, such as `OOM` or `READONLY`.
        text: The rest, without the arguments of the command.
    """

    def __init__(self, line: str) -> None:
        inner = _WITHIN_SCRIPT.match(line)
        line = line if inner is None else inner[1]
        super().__init__(line.partition(_ARGUMENTS)[0][:_LONGEST_TEXT])
        self.code, _, self.text = str(self).partition(" ")


class Unreachable(Exception):
    """Redis gave no answer.

    Attributes:
        sent: Whether the commands may have been carried out.
    """

    def __init__(self, reason: str, *, sent: bool = True) -> None:
        super().__init__(reason)
        self.sent = sent


@attrs.define(eq=False, repr=False)
class Link(ABC):
    """A way to Redis: one pipeline at a time, or nothing.

    It has no limit of time of its own. When a pipeline fails or is cancelled, its connections are
    dropped: what arrives late is read by nobody. Nothing is sent twice, but for a script that
    Redis has forgotten. In a process that was forked, and on another loop, it begins anew.
    """

    _opener: "Opener"
    _open: dict[Address | None, "Connected"] = attrs.field(factory=dict, init=False)
    _busy: asyncio.Lock = attrs.field(factory=asyncio.Lock, init=False)
    _home: tuple[int, object] | None = attrs.field(default=None, init=False)
    _sent: bool = attrs.field(default=False, init=False)

    async def open(self) -> None:
        """Connect, unless it is connected.

        Raises:
            Unreachable: It cannot.
        """
        await self.run(())

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies to a pipeline, in order; an error among them is an ErrorReply.

        Raises:
            Unreachable: There was no answer.
        """
        await self._come_home()
        async with self._busy:
            self._sent = False
            try:
                replies = await self._exchange(commands)
            except BaseException as error:
                await self._drop()
                if (why := self._opener.reason(error)) is None:
                    raise
            else:
                if any(getattr(each, "code", None) in _ELSEWHERE for each in replies):
                    await self._drop()
                return replies
            raise Unreachable(why, sent=self._sent)  # not within `except`: the other names hosts

    async def aclose(self) -> None:
        """Close it; it can be used again."""
        await self._come_home()
        async with self._busy:
            await self._drop(wait=True)

    async def _come_home(self) -> None:
        """Let go of what belongs to another loop, or to the parent of a fork."""
        home, old = (os.getpid(), asyncio.get_running_loop()), self._home
        if home == old:
            return
        self._home, self._busy = home, asyncio.Lock()
        if old is not None and home[0] != old[0]:
            _INHERITED.extend(self._open.values())
            self._open = {}
        await self._drop()

    async def _drop(self, *, wait: bool = False) -> None:
        dropped, self._open = self._open, {}
        for each in dropped.values():
            await each.close(wait=wait)

    async def _connected(self, to: Address | None) -> "Connected":
        """Return the connection to an address, made anew where it was closed meanwhile."""
        found = self._open.get(to)
        if found is not None and not await found.is_usable():
            del self._open[to]
            await found.close()
            found = None
        if found is None:
            found = self._open[to] = await self._connect(to)
        return found

    @abstractmethod
    async def _connect(self, to: Address | None) -> "Connected":
        """Connect to an address; None stands for the only one there is."""

    @abstractmethod
    async def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies to commands, connected where it was not; note in `_sent` when."""


def make_link(store: SharedStore) -> Link:
    """Return a link to a store's Redis; it is not connected yet.

    Raises:
        ConfigError: The URL is wrong or not there, or the extra `redis` is not installed.
    """
    url = store.read()
    need_redis()
    # They need the extra.
    from resilient.state.redis.cluster import Cluster  # noqa: PLC0415
    from resilient.state.redis.connection import Opener  # noqa: PLC0415
    from resilient.state.redis.single import Named, Single  # noqa: PLC0415

    kinds: dict[str, type[Link]] = {"sentinel": Named, "cluster": Cluster}
    return kinds.get(url.form, Single)(Opener.of(url))
