"""One credential in use: loaded once, renewed once for everybody, and dead when refused.

Time is not known here: who is idle is the middleware's to decide.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine, Mapping
from types import MappingProxyType
from typing import Any

import aiohttp
import attrs

from resilient.credentials.protocol import (
    Calls,
    CannotSign,
    Credential,
    CredentialRefused,
    Values,
)
from resilient.credentials.secret import checked

PATIENCE = 5.0
"""Seconds that a renewal may take to finish when everything is closed."""

_REMEMBERED = 8


@attrs.frozen
class Signature:
    """What signs a call.

    Attributes:
        generation: Counts the values that this credential has had, from 1.
        values: What goes into the catalog's fields.
    """

    generation: int
    values: Values = attrs.field(repr=False)


@attrs.define(eq=False)
class Keyring:
    """The state of one credential of one service.

    Attributes:
        credential: Where values come from.
        last_used: When it was used last, kept by the middleware.
        told: The last generation that somebody reported as new.
    """

    credential: Credential = attrs.field(repr=False)
    last_used: float = 0.0
    told: int = attrs.field(default=0, init=False)
    _current: Signature | None = attrs.field(default=None, init=False)
    _refused: CredentialRefused | None = attrs.field(default=None, init=False, repr=False)
    _task: asyncio.Task[None] | None = attrs.field(default=None, init=False, repr=False)
    _via: aiohttp.ClientSession | None = attrs.field(default=None, init=False, repr=False)
    _spent: deque[Values] = attrs.field(
        factory=lambda: deque(maxlen=_REMEMBERED), init=False, repr=False
    )

    @property
    def current(self) -> Signature | None:
        """What signs calls now; None before the first load, and when it is refused for good."""
        return self._current if self._refused is None else None

    @property
    def busy(self) -> bool:
        """Whether a load or a renewal is under way."""
        return self._task is not None and not self._task.done()

    async def ready(self, calls: Calls) -> Signature:
        """Return what signs calls, after any load or renewal that it takes.

        Raises:
            CredentialRefused: It is dead, and its store knows nothing else.
            CannotSign: The keyring was closed meanwhile.
        """
        while self.busy or (current := self.current) is None:
            await self._join(self._running or self._start(self._load(calls), calls), calls)
        return current

    async def renew(self, generation: int, calls: Calls) -> None:
        """See to values newer than `generation`: one renewal for all who ask at the same time.

        Values of a credential that is not refreshable are loaded again.

        Raises:
            CredentialRefused: There are none.
            CannotSign: The keyring was closed meanwhile.
        """
        while self._current is None or self._current.generation <= generation:
            if self._refused is not None and not self.busy:
                raise self._refused.again()
            await self._join(self._running or self._start(self._renew(calls), calls), calls)

    async def aclose(self) -> None:
        """Let what is under way finish, for a while: else a new pair might be lost; then cancel.

        Whoever waits for it then raises.
        """
        if self._task is not None and not self._task.done():
            await asyncio.wait((self._task,), timeout=PATIENCE)
            self._task.cancel()
            await asyncio.wait((self._task,))

    @property
    def _running(self) -> asyncio.Task[None] | None:
        return self._task if self.busy else None

    def _start(self, work: Coroutine[Any, Any, None], calls: Calls) -> asyncio.Task[None]:
        """Begin, in a task of its own: a call that is cancelled takes nobody along."""
        self._via = calls.http
        self._task = asyncio.create_task(work)
        self._task.add_done_callback(_heard)
        return self._task

    async def _join(self, task: asyncio.Task[None], calls: Calls) -> None:
        """Wait for a task and raise what it raised; being cancelled leaves it running."""
        via = self._via
        await asyncio.wait((task,))
        if task.cancelled():
            raise CannotSign("The client was closed while its credential was being fetched.")
        try:
            task.result()
        except CredentialRefused:
            raise
        except Exception:
            # Who began it has closed his session, but we have one of our own: once more.
            if via is None or not via.closed or calls.http.closed:
                raise

    async def _load(self, calls: Calls) -> None:
        try:
            values = _frozen(await self.credential.load(calls))
        except CredentialRefused as refused:
            self._latch(refused)
            raise
        except Exception:
            if self._refused is None:
                raise
            raise self._refused.again() from None
        if self._refused is not None and values in self._spent:
            raise self._refused.again()
        self._accept(values)

    async def _renew(self, calls: Calls) -> None:
        stale: Values = self._current.values if self._current else {}
        try:
            values = await self._renewed(calls, stale)
        except CredentialRefused as refused:
            self._latch(refused)
            raise
        self._accept(values)

    async def _renewed(self, calls: Calls, stale: Values) -> Values:
        if self.credential.refreshable:
            return _frozen(await self.credential.renew(calls, stale))
        values = _frozen(await self.credential.load(calls))
        if values == stale:
            raise CredentialRefused("The credential is refused, and it cannot be renewed.")
        return values

    def _accept(self, values: Values) -> None:
        self._spend()
        generation = self._current.generation if self._current else 0
        self._current, self._refused = Signature(generation + 1, values), None

    def _latch(self, refused: CredentialRefused) -> None:
        self._spend()
        self._refused = refused.again()

    def _spend(self) -> None:
        if self._current is not None and self._current.values not in self._spent:
            self._spent.append(self._current.values)


def _heard(task: asyncio.Task[None]) -> None:
    """Take note of an exception that perhaps nobody waits for any more."""
    if not task.cancelled():
        task.exception()


def _frozen(values: object) -> Values:
    if not isinstance(values, Mapping):
        raise CredentialRefused(
            f"The credential gave {type(values).__name__}, expected a mapping of texts."
        )
    try:
        return MappingProxyType({str(k): checked(v, f"{k!r}") for k, v in values.items()})
    except ValueError as error:
        raise CredentialRefused(f"The credential cannot be sent: {error}.") from None
