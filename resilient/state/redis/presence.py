"""Contact with the store: the first one, going without it, and coming back.

While it is down it is tried once a second, beside the calls; the first reply to a script that
writes ends that, for a store that only answers a PING may still be read-only or full.
"""

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context
from typing import Any, Final

import attrs

from resilient.clock import Clock, new_id
from resilient.config.service import SharedStore
from resilient.events import Event
from resilient.state.redis import keys, wire
from resilient.state.redis.checks import check
from resilient.state.redis.errands import Sign
from resilient.state.redis.link import Command, Link, Unreachable
from resilient.state.redis.outage import Outage
from resilient.state.redis.pump import Pump

TRY: Final = 1.0
"""Seconds between two tries while the store is down, begin to begin."""

LASTING: Final = 10.0
"""Seconds for which the store has to be back; else the next tries come twice as far apart."""

LONGEST: Final = 60.0
"""Seconds that tries come apart at most."""

BUSY: Final = 1.0
"""Seconds between two signs of life of a service while it is asked for."""

SIGN: Final = 20.0
"""Seconds between two signs of life while nobody asks: an idle instance counts all the same."""

KEPT: Final = 400 * 86400
"""Seconds that a salt is kept after the last start that asked for it."""


@attrs.define(eq=False, kw_only=True)
class Presence:
    """That one instance is in contact with the store.

    Attributes:
        services: Those who share something.
        tell: Is told when contact is lost, or had again.
        back: Is told when it is had again, and who rules has changed.
        instance: What this one is called; made at the first contact, so never before a fork.
        salts: By service.
    """

    rules: SharedStore
    services: tuple[str, ...]
    link: Link
    pump: Pump
    outage: Outage
    clock: Clock
    tell: Callable[[Event], None]
    back: Callable[[], None]
    instance: str = attrs.field(default="", init=False)
    salts: dict[str, bytes] = attrs.field(factory=dict, init=False)
    _signed: dict[str, float] = attrs.field(factory=dict, init=False)
    _task: "asyncio.Task[None] | None" = attrs.field(default=None, init=False)
    _known: bool = attrs.field(default=False, init=False)
    _closed: bool = attrs.field(default=False, init=False)
    _checked: bool = attrs.field(default=False, init=False)
    _down_since: float = attrs.field(default=0.0, init=False)
    _back_at: float = attrs.field(default=float("-inf"), init=False)
    _apart: float = attrs.field(default=TRY, init=False)
    _signs: asyncio.TimerHandle | None = attrs.field(default=None, init=False)

    async def ready(self) -> None:
        """Wait until it is known whether the store answers."""
        if self._known:
            return
        if self._task is None:
            self.instance = new_id()[:8]
            self._task = _apart(self._first())
        task = self._task
        await asyncio.wait((task,))

    async def _first(self) -> None:
        failed = await self._meet()
        self._known, self._task = True, None
        self._wait_to_sign()
        if failed is not None:
            self.lost(failed)

    def sign(self, service: str, now: float) -> None:
        """Say that this instance is there, unless it was said a short while ago."""
        if now - self._signed.get(service, float("-inf")) >= BUSY:
            self._signed[service] = now
            command = wire.see(self.rules.prefix, service, self.instance)
            self.pump.post(Sign(command, service, self.outage.instances))

    def _wait_to_sign(self) -> None:
        loop = asyncio.get_running_loop()
        self._signs = loop.call_later(SIGN, self._sign_all, context=Context())

    def _sign_all(self) -> None:
        if self.outage.up:
            for service in self.services:
                self.sign(service, self.clock.now())
        self._wait_to_sign()

    def lost(self, reason: str) -> None:
        """Go on without the store, and try it now and then."""
        if not self.outage.up or self._closed:
            return
        now = self.clock.now()
        self._apart = min(LONGEST, self._apart * 2) if now - self._back_at < LASTING else TRY
        self.outage.up = False
        self._down_since = now
        self._say("resilient.store_degraded", reason=reason, mode=self.rules.mode)
        self._task = _apart(self._come_back())

    async def _come_back(self) -> None:
        failed: str | None = ""
        began = self._down_since
        while failed is not None:
            await self.clock.sleep(max(0.0, began + self._apart - self.clock.now()))
            began = self.clock.now()
            failed = await self._meet(TRY)
        self._task = None
        self.outage.up, self._back_at = True, self.clock.now()
        self._say("resilient.store_recovered", elapsed=self.clock.now() - self._down_since)
        self.back()

    async def _meet(self, patience: float = 0.0) -> str | None:
        """Say hello to the store; return why that failed, or None.

        Args:
            patience: Seconds that connecting may take, if more than a pipeline may.
        """
        try:
            async with asyncio.timeout(max(patience, self.pump.limit)):
                await self.link.open()
            await self._greet()
            await self._check()
        except TimeoutError:
            return f"no connection within {max(patience, self.pump.limit):g} s"
        except (Unreachable, wire.Nonsense) as error:
            return str(error)
        return None

    async def _greet(self) -> None:
        """Agree on the salts, and see who is there."""
        commands: list[Command] = []
        for each in self.services:
            salt = keys.salt(self.rules.prefix, each)
            commands += [
                ("SET", salt, secrets.token_bytes(16), "NX", "EX", KEPT),
                ("EXPIRE", salt, KEPT),
                ("GET", salt),
                wire.see(self.rules.prefix, each, self.instance),
            ]
        replies = await self.pump.run(commands)
        for index, service in enumerate(self.services):
            _, _, salt, count = replies[4 * index : 4 * index + 4]
            self.salts[service] = wire.salt(salt)
            self.outage.instances[service] = wire.saw(count)

    async def _check(self) -> None:
        """Warn of what is wrong with the server, once."""
        if self._checked:
            return
        self._checked = True
        with suppress(Unreachable):  # what it cannot say is no finding
            for finding in await self.pump.within(check(self.link, self.clock.wall)):
                self.tell(Event(name="resilient.config_warning", reason=finding))

    def _say(self, name: str, **found: Any) -> None:
        detail = {"instances": dict(self.outage.instances)}
        self.tell(Event(name=name, detail=detail, **found))

    def forget(self) -> None:
        """Let go of what belongs to a loop that has ended, or to the parent of a fork."""
        self._task, self._known, self._signs = None, False, None
        self.outage.up = True

    async def aclose(self) -> None:
        """Stop trying."""
        self._closed = self._known = True
        if self._signs is not None:
            self._signs.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))


def _apart(work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    """Run in a context of its own: it is for all calls, not for the one that came first."""
    return asyncio.get_running_loop().create_task(work, context=Context())
