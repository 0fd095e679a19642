"""One credential in use: loaded once, renewed once for everybody, and dead when refused."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import MappingProxyType

import aiohttp
import attrs

from resilient.clock import Clock
from resilient.credentials.head import Head, Written
from resilient.credentials.protocol import (
    Calls,
    CannotSign,
    Credential,
    CredentialRefused,
    CredentialUnavailable,
    Taken,
    Values,
)
from resilient.credentials.renewal import run as run_renewal
from resilient.credentials.rest import Rest
from resilient.credentials.secret import Concealed, checked

PATIENCE = 5.0
"""Seconds that a renewal may take to finish when everything is closed."""

_REMEMBERED = 8

_IN_VAIN = CredentialRefused, "The vendor renews the credential and refuses it all the same."
_FAILED = CredentialUnavailable, "The credential could not be had just now, and is tried again."


@attrs.frozen
class Signature:
    """What signs a call.

    Attributes:
        generation: Counts the values that this credential has had, from 1.
        values: What goes into the catalog's fields.
        taken: Whether they were found where a renewal was asked for, and none was made.
    """

    generation: int
    values: Values = attrs.field(repr=False)
    taken: bool = False


@attrs.define(eq=False)
class Keyring:
    """The state of one credential of one service.

    Attributes:
        credential: Where values come from.
        last_used: When it was used last, kept by the middleware.
        told: The last generation that somebody reported as new.
        rest: How its renewals fared.
    """

    credential: Credential = attrs.field(repr=False)
    last_used: float = 0.0
    told: int = attrs.field(default=0, init=False)
    _current: Signature | None = attrs.field(default=None, init=False)
    _written: tuple[Signature, Written] | None = attrs.field(default=None, init=False, repr=False)
    _refused: CredentialRefused | None = attrs.field(default=None, init=False, repr=False)
    rest: Rest = attrs.field(factory=Rest, init=False, repr=False)
    _task: asyncio.Task[None] | None = attrs.field(default=None, init=False, repr=False)
    _via: aiohttp.ClientSession | None = attrs.field(default=None, init=False, repr=False)
    _spent: deque[Values] = attrs.field(
        factory=lambda: deque(maxlen=_REMEMBERED), init=False, repr=False
    )

    @property
    def current(self) -> Signature | None:
        """What signs calls now; None before the first load, and while it is refused."""
        return self._current if self._dead() is None else None

    @property
    def at_hand(self) -> Signature | None:
        """What signs calls if nothing stands in the way: no load, no renewal, no refusal."""
        if self._task is not None or self._refused is not None or self.rest.distrusted:
            return None
        return self._current

    def written(self, head: Head) -> tuple[Signature, Written] | None:
        """Return what signs calls, and how it goes on a request: made once for all calls.

        None: something stands in the way, or a value cannot be sent.
        """
        if self._task is not None or self._refused is not None or self.rest.distrusted:
            return None
        if self._written is None or self._written[0] is not self._current:
            self._write(head)
        return self._written

    def _write(self, head: Head) -> None:
        self._written = None
        with suppress(CannotSign):
            if self._current is not None:
                self._written = self._current, head.written(self._current.values)

    @property
    def busy(self) -> bool:
        """Whether a load or a renewal is under way."""
        return self._task is not None and not self._task.done()

    async def ready(self, calls: Calls) -> Signature:
        """Return what signs calls, after any load or renewal that it takes.

        Raises:
            CredentialRefused: It is dead, and its store knows nothing else.
            CredentialUnavailable: It could not be had just now.
            CannotSign: The keyring was closed meanwhile.
        """
        while self.busy or (current := self.current) is None:
            if self._current is None and self._refused is None and not self.busy:
                self._check_rest()
            try:
                await self._join(self._running or self._start(self._load, calls), calls)
            except CredentialRefused:
                if self.current is None:
                    raise
        return current

    async def renew(self, generation: int, calls: Calls) -> None:
        """See to values newer than `generation`: one renewal for all who ask at the same time.

        Values of a credential that is not refreshable are loaded again.

        Raises:
            CredentialRefused: There are none.
            CredentialUnavailable: It could not be renewed just now.
            CannotSign: The keyring was closed meanwhile.
        """
        if generation > 1 and not self.rest.is_proved(generation):
            # Renewed values that were of no use to anybody, also where no call is sent twice.
            self.in_vain(generation)
        while self._current is None or self._current.generation <= generation:
            if not self.busy:
                self._check_rest()
            await self._join(self._running or self._start(self._renew, calls), calls)

    def helped(self, generation: int, now: float, *, renewed: bool) -> None:
        """Note that a call succeeded; `renewed` if values before these were refused to it."""
        self.rest.helped(generation, now, renewed=renewed)

    def in_vain(self, generation: int) -> None:
        """Note that values were refused to a call that had been refused the ones before.

        The next renewal waits, and if no call has succeeded since the last that was in vain,
        all calls do, unless the store has other values.
        """
        self.rest.in_vain(generation, Clock.now())
        self._spend()

    def forgive(self) -> None:
        """Let the next renewal come at once, whatever became of those before.

        What the vendor has refused for good stays refused until the store has other values.
        """
        self.rest.end()

    async def aclose(self) -> None:
        """Let what is under way finish, for a while: else a new pair might be lost; then cancel.

        Whoever waits for it then raises.
        """
        if (task := self._running) is not None:
            await asyncio.wait((task,), timeout=PATIENCE)
            task.cancel()
            await asyncio.wait((task,))

    def forget_task(self) -> None:
        """Let go of a load or a renewal whose event loop has ended: it will never be done."""
        self._task = None

    @property
    def _running(self) -> asyncio.Task[None] | None:
        return self._task if self.busy else None

    def _check_rest(self) -> None:
        if (held := self._dead() or self._resting()) is not None:
            raise held

    def _dead(self) -> CredentialRefused | CredentialUnavailable | None:
        """Return why nothing is signed, if so."""
        if self._refused is not None:
            return self._refused.again()
        if self._current is None or self.rest.distrusts(self._current.generation):
            return self._resting()
        return None

    def _resting(self) -> CredentialRefused | CredentialUnavailable | None:
        """Return why nothing is renewed for the moment, if so."""
        left = self.rest.left(Clock.now())
        if not left:
            return None
        kind, why = _FAILED if self.rest.failed else _IN_VAIN
        held = kind(why)
        held.wait = left
        return held

    def _start(self, work: Callable[[Calls], Awaitable[None]], calls: Calls) -> asyncio.Task[None]:
        """Begin, in a task of its own: a call that is cancelled takes nobody along."""
        self._via = calls.http
        running = run_renewal(calls.service, calls.name, lambda: work(calls))
        self._task = asyncio.create_task(running)
        self._task.add_done_callback(self._is_done)
        return self._task

    def _is_done(self, task: asyncio.Task[None]) -> None:
        if self._task is task:
            self._task = None
        if not task.cancelled():
            task.exception()  # heard, also where nobody waits for it any more

    async def _join(self, task: asyncio.Task[None], calls: Calls) -> None:
        """Wait for a task and raise what it raised; being cancelled leaves it running."""
        via = self._via
        await asyncio.wait((task,))
        if task.cancelled():
            raise CannotSign("The client was closed while its credential was being fetched.")
        error = task.exception()
        if isinstance(error, (CredentialRefused, CredentialUnavailable)):
            # Without the frames that it comes from: there are secrets among their variables.
            raise error.again()
        # Who began it has closed his session, but we have one of our own: once more.
        if error is not None and (via is None or not via.closed or calls.http.closed):
            task.result()  # raises it with the traceback that it came with, not one that grows

    async def _load(self, calls: Calls) -> None:
        try:
            values = _frozen(await self.credential.load(calls))
        except CredentialRefused as refused:
            self._latch(refused)
            raise
        except Exception as error:
            if (dead := self._dead()) is not None:
                raise dead from None
            self._fails(error, calls)
            raise
        if values not in self._spent:
            self.rest.end()
        elif (dead := self._dead()) is not None:
            raise dead
        self._accept(values)

    async def _renew(self, calls: Calls) -> None:
        stale: Values = self._current.values if self._current else {}
        try:
            found = await self._renewed(calls, stale)
            values = _frozen(found)
        except CredentialRefused as refused:
            if refused.wait != 0:
                self._latch(refused)
            raise
        except Exception as error:
            self._fails(error, calls)
            raise
        self._accept(values, taken=isinstance(found, Taken))

    def _fails(self, error: Exception, calls: Calls) -> None:
        # What is said before anything is asked, or by a closed session, is not the vendor's word.
        if not isinstance(error, CannotSign) and not calls.http.closed:
            self.rest.fails(self._current.generation if self._current else 0, Clock.now())
            self._spend()

    async def _renewed(self, calls: Calls, stale: Values) -> Values:
        if self.credential.refreshable:
            return await self.credential.renew(calls, stale)
        values = _frozen(await self.credential.load(calls))
        if values == stale:
            raise CredentialRefused("The credential is refused, and it cannot be renewed.")
        return values

    def _accept(self, values: Values, *, taken: bool = False) -> None:
        self._spend()
        generation = self._current.generation if self._current else 0
        self._current, self._refused = Signature(generation + 1, values, taken), None

    def _latch(self, refused: CredentialRefused) -> None:
        self._spend()
        self._refused = refused.again()

    def _spend(self) -> None:
        if self._current is not None and self._current.values not in self._spent:
            self._spent.append(self._current.values)


def _frozen(values: object) -> Values:
    if not isinstance(values, Mapping):
        raise CredentialRefused(
            f"The credential gave {type(values).__name__}, expected a mapping of texts."
        )
    try:
        texts = Concealed({str(k): checked(v, f"{k!r}") for k, v in values.items()})
    except ValueError as error:
        raise CredentialRefused(f"The credential cannot be sent: {error}.") from None
    return MappingProxyType(texts)
