"""The credential of one call: made ready, put on each attempt, renewed, taken off again."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import attrs
from aiohttp import ClientRequest

from resilient.credentials import Calls, CredentialUnavailable, Keyring, Signature, place
from resilient.serving import Serving

T = TypeVar("T")


class OutOfTime(CredentialUnavailable):
    """The call's deadline came before its credential."""


@attrs.define(eq=False)
class Signing:
    """What signs one call, if anything does.

    Attributes:
        serving: The service.
        request: The request.
        name: The credential's name.
        keyring: What holds it; None: the call is not signed.
        plan: Where it goes.
        signature: What the last attempt was signed with.
    """

    serving: Serving
    request: ClientRequest
    name: str
    keyring: Keyring | None = attrs.field(default=None, init=False)
    plan: place.Plan | None = attrs.field(default=None, init=False)
    signature: Signature | None = attrs.field(default=None, init=False)

    @property
    def refreshable(self) -> bool:
        """Whether there is something to renew."""
        return self.keyring is not None and self.keyring.credential.refreshable

    async def prepare(self, now: float, deadline: float) -> None:
        """Look for the credential, and decide where it goes.

        Raises:
            CannotSign: It has no place in this request.
            CredentialRefused: There is none of this name.
            CredentialUnavailable: It could not be made now, or not in time.
        """
        self.keyring = await self._within(
            deadline, lambda _: self.serving.wallet.keyring(self.name, now)
        )
        rule = self.serving.rule
        self.plan = None if rule is None else await place.plan(self.request, rule)

    async def ready(self, deadline: float) -> Signature | None:
        """Return what signs an attempt, after any load or renewal that is under way.

        Raises:
            CredentialRefused: There is none, and asking again cannot help.
            CredentialUnavailable: It could not be had now, or not in time.
            CannotSign: It must not be fetched from where the catalog says.
        """
        ring = self.keyring
        if ring is None:
            return None
        if ring.current is not None and not ring.busy:
            return ring.current
        return await self._within(deadline, ring.ready)

    def is_stale(self, signature: Signature | None) -> bool:
        """Tell whether a signature has been overtaken while the call was queued."""
        ring = self.keyring
        if ring is None or ring.at_hand is signature:
            return False
        return ring.busy or ring.current != signature

    async def put_on(self, signature: Signature | None) -> None:
        """Put it on the request. It never suspends, so nothing overtakes it before the send.

        Raises:
            CannotSign: It cannot be sent.
        """
        if signature is not None and self.plan is not None:
            self.signature = signature
            await place.apply(self.plan, self.request, signature.values)

    async def take_off(self) -> None:
        """Take it off the request, which aiohttp may send on to where a redirect leads."""
        if self.plan is not None:
            await place.restore(self.plan, self.request)

    @property
    def is_taken(self) -> bool:
        """Whether what signs now was found, and not renewed: it may be out of date as well."""
        current = self.keyring.current if self.keyring is not None else None
        return current is not None and current.taken

    async def renew(self, deadline: float) -> bool:
        """See to a newer signature than that of the last attempt; tell, once, that there is one.

        Raises:
            CredentialRefused: There is none, and asking again cannot help.
            CredentialUnavailable: It could not be had now, or not in time.
        """
        ring, old = self.keyring, self.signature
        return ring is not None and old is not None and await self._renew(ring, old, deadline)

    def helped(self, now: float, *, renewed: bool) -> None:
        """Note that the call succeeded; `renewed` if it was refused before."""
        if self.keyring is not None and self.signature is not None:
            self.keyring.helped(self.signature.generation, now, renewed=renewed)

    def in_vain(self) -> None:
        """Note that the call was refused again after a renewal."""
        if self.keyring is not None and self.signature is not None:
            self.keyring.in_vain(self.signature.generation)

    async def _renew(self, ring: Keyring, old: Signature, deadline: float) -> bool:
        await self._within(deadline, lambda calls: ring.renew(old.generation, calls))
        new = ring.current
        if new is None or new.generation <= max(ring.told, old.generation):
            return False
        ring.told = new.generation
        return True

    async def _within(self, deadline: float, work: Callable[[Calls], Awaitable[T]]) -> T:
        """Wait for work that may be others' too: it goes on where this caller gives up."""
        limit = asyncio.timeout_at(None if deadline == float("inf") else deadline)
        try:
            async with limit:
                return await work(self._calls())
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise OutOfTime("the credential did not come in time") from error

    def _calls(self) -> Calls:
        return Calls(
            rule=self.serving.rule,
            http=self.request.session,
            origin=self.request.url.origin(),
            allowed=self.serving.may_sign,
            service=self.serving.service.name,
            name=self.name,
            lock=partial(self.serving.store.lock, self.serving.service.name, self.name),
        )
