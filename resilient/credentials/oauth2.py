"""OAuth 2 with refresh tokens, as RFC 6749 section 6 has it, rotation included.

A vendor that rotates takes each refresh token once, and may revoke everything when one comes
twice. So one process renews at a time, the store is read before anything is sent, and a new pair
is stored before it is used.
"""

import os
import socket
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, suppress
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from resilient.catalog import TokenEndpoint
from resilient.clock import Clock
from resilient.credentials.exchange import post
from resilient.credentials.protocol import Calls, CannotSign, CredentialRefused, Taken, Values
from resilient.credentials.secret import Concealed
from resilient.credentials.tokens.callables import Callables, Load, Save
from resilient.credentials.tokens.finish import finished
from resilient.credentials.tokens.pair import Intent, Stored, TokenPair, seconds
from resilient.credentials.tokens.store import TokenStore
from resilient.credentials.tokens.turn import LONGEST, Patience
from resilient.errors import Blocked, NotSent, RateLimited, TransportError

SAVING: Final = 10.0
"""Seconds for which a token store that fails is asked again to keep a pair that was bought."""

_WHAT = "the token's renewal"


@attrs.define(eq=False)
class OAuth2:
    """An access token and the refresh token that renews it, kept where all processes find them.

    Attributes:
        client_id: Of the application.
        client_secret: Of the application.
        load: Returns the stored pair, or a mapping with the same names.
        save: Stores a pair. It is awaited before the pair is used.
        store: Keeps the pair, instead of `load` and `save`, and lets one process renew it at a
            time.
        token_url: Instead of the catalog's.
        redirect_uri: The application's, for vendors who want it.
        clock: Tells when a pair has run out.
    """

    client_id: str = attrs.field(repr=False)
    client_secret: str = attrs.field(repr=False)
    _load: Load | None = attrs.field(default=None, repr=False)
    _save: Save | None = attrs.field(default=None, repr=False)
    store: TokenStore | None = attrs.field(default=None, kw_only=True, repr=False)
    token_url: str | None = attrs.field(default=None, kw_only=True)
    redirect_uri: str | None = attrs.field(default=None, kw_only=True)
    clock: Clock = attrs.field(factory=Clock, kw_only=True, repr=False)
    _tokens: TokenStore | Callables = attrs.field(init=False, repr=False)
    _unsaved: tuple[int, TokenPair] | None = attrs.field(default=None, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._tokens = _tokens(self._load, self._save, self.store)

    @property
    def refreshable(self) -> bool:
        """Always: a pair without a refresh token is refused when it comes to it."""
        return True

    async def load(self, calls: Calls) -> Values:  # noqa: ARG002 - the store is not the vendor
        """Return the stored access token."""
        return (await self._stored()).pair.values

    async def renew(self, calls: Calls, stale: Values) -> Values:
        """Return the token that somebody else has stored meanwhile, else buy a new pair.

        One that has run out since is renewed at once.
        """
        patience = Patience()
        while True:
            async with self._lock(calls) as number:
                values = None if number is None else await self._renew(calls, stale, number)
            if values is not None:
                return values
            await patience.pause()
            if self._is_news(stored := await self._stored(), stale):
                return Taken(stored.pair.values)

    def _lock(self, calls: Calls) -> AbstractAsyncContextManager[int | None]:
        return calls.lock() if self.store is None else self.store.lock()

    def _is_news(self, stored: Stored, stale: Values) -> bool:
        """Tell whether a pair is another than the one refused, and good as far as is known."""
        return stored.pair.access_token != stale.get("token") and not self._is_over(stored.pair)

    def _is_over(self, pair: TokenPair) -> bool:
        """Tell whether a pair has run out, and there is something to renew it with."""
        if pair.refresh_token is None or pair.expires_at is None:
            return False
        return pair.expires_at <= self.clock.wall()

    async def _stored(self) -> Stored:
        try:
            stored = await self._tokens.load()
        except ValueError as error:
            raise CredentialRefused(f"No usable token is stored: {error}.") from None
        if self._unsaved is not None:
            replaced, bought = self._unsaved
            # Its refresh token is spent. Unless somebody has stored another pair, only the one
            # that could not be saved is any good.
            if stored is None or stored.version == replaced:
                return await self._keep(replaced, bought)
            self._unsaved = None
        if stored is None:
            raise CredentialRefused("No token is stored yet.")
        return stored

    async def _stored_meanwhile(self) -> Stored | None:
        """Return what is stored; a store that fails now must not hide that the vendor refused."""
        try:
            return await self._stored()
        except Exception:  # noqa: BLE001 - the user's store raises what it likes
            return None

    async def _renew(self, calls: Calls, stale: Values, number: int) -> Values | None:
        """Renew while nobody else does; None: the lock has been lost meanwhile."""
        stored = await self._stored()
        if self._is_news(stored, stale):
            return Taken(stored.pair.values)
        if not await self._tokens.note(stored.begun or self._intent(stored), number):
            return None
        try:
            bought = await self._buy_noted(calls, stored, number)
        except CredentialRefused:
            # Another process may have been quicker: then the refresh token was spent by it.
            other = await self._stored_meanwhile()
            known = (stale.get("token"), stored.pair.access_token)
            if other is None or other.pair.access_token in known:
                raise
            return other.pair.values
        return (await self._keep(stored.version, bought)).pair.values

    def _intent(self, stored: Stored) -> Intent:
        by = f"{socket.gethostname()}, process {os.getpid()}"
        return Intent(stored.version, by, self.clock.wall())

    async def _buy_noted(self, calls: Calls, stored: Stored, number: int) -> TokenPair:
        """Buy, after it was noted; the note goes where the refresh token is known to be unspent.

        That of a process which never told how its renewal ended stays: it is the reason why this
        one is refused.
        """
        try:
            return await self._buy(calls, stored.pair)
        except Exception as error:
            if stored.begun is None and _is_heard(error):
                with suppress(Exception):  # what failed first is told
                    await self._tokens.note(None, number)
            if stored.begun is not None and isinstance(error, CredentialRefused):
                raise _lost(stored.begun, error) from error.cause
            raise

    async def _buy(self, calls: Calls, pair: TokenPair) -> TokenPair:
        if pair.refresh_token is None:
            raise CredentialRefused("No refresh token is stored.")
        endpoint = self._endpoint(calls)
        known = Concealed(
            client_id=self.client_id,
            client_secret=self.client_secret,
            refresh_token=pair.refresh_token,
            redirect_uri=self.redirect_uri,
        )
        sent = Concealed(grant_type="refresh_token")
        for name in endpoint.send:
            if known.get(name) is None:
                raise CannotSign(f"The token endpoint wants {name!r}: give it to OAuth2.")
            sent[name] = known[name]
        reply = await post(calls, endpoint.url, sent, endpoint.encoding, _WHAT)
        return self._pair(reply, pair)

    def _endpoint(self, calls: Calls) -> TokenEndpoint:
        known = calls.rule.token if calls.rule else None
        if known is None and self.token_url is None:
            raise CannotSign("The catalog knows no token endpoint: give OAuth2 a `token_url`.")
        if known is None:
            return TokenEndpoint(url=self.token_url or "")
        return attrs.evolve(known, url=self.token_url or known.url)

    def _pair(self, reply: Mapping[str, Any], old: TokenPair) -> TokenPair:
        lifetime = seconds(reply.get("expires_in"))
        expires_at = None if lifetime is None else self.clock.wall() + lifetime
        try:
            return TokenPair(
                reply.get("access_token"),
                reply.get("refresh_token") or old.refresh_token,
                expires_at,
            )
        except ValueError as error:
            raise CredentialRefused(f"The vendor's reply to {_WHAT}: {error}.") from None

    async def _keep(self, replaced: int, bought: TokenPair) -> Stored:
        """Store a pair, whatever happens: the vendor takes the old one no more."""
        self._unsaved = (replaced, bought)
        version = await self._saved(replaced, bought)
        self._unsaved = None
        if version is None:  # somebody has stored another: that one is in use
            return await self._stored()
        return Stored(bought, version)

    async def _saved(self, replaced: int, bought: TokenPair) -> int | None:
        """Store a pair; a token store that fails is asked again for a while, lock in hand."""
        until = Clock.now() + (0.0 if self.store is None else SAVING)
        while True:
            try:
                return await finished(self._tokens.save(bought, replaced))
            except Exception:
                if Clock.now() >= until:
                    raise
            await Clock.sleep(LONGEST)


def _tokens(
    load: Load | None, save: Save | None, store: TokenStore | None
) -> TokenStore | Callables:
    if load is None and save is None and isinstance(store, TokenStore):
        return store
    if load is None or save is None or store is not None:
        raise TypeError("OAuth2 takes `load` and `save`, or a `store` (a TokenStore)")
    return Callables(load, save)


def _is_heard(error: Exception) -> bool:
    """Tell whether it is known that a purchase spent nothing: refused, or not sent."""
    unsent = isinstance(error, TransportError) and error.sent is False
    return unsent or isinstance(
        error, (CredentialRefused, CannotSign, RateLimited, Blocked, NotSent)
    )


def _lost(begun: Intent, refused: CredentialRefused) -> CredentialRefused:
    """Return a refusal that says why: an answer of the vendor's was lost with a process."""
    at = datetime.fromtimestamp(begun.at, UTC).isoformat(timespec="seconds")
    return CredentialRefused(
        f"{refused} Before, {begun.by}, began one at {at} that never ended: it died between the "
        "vendor's answer and the store, or never had the answer. Log in once more, and store "
        "the new pair.",
        refused.cause,
    )
