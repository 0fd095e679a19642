"""OAuth 2 with refresh tokens, as RFC 6749 section 6 has it, rotation included.

A vendor that rotates takes each refresh token once, and may revoke everything when one comes
twice. So a new pair is stored before it is used, and the store is read before anything is sent.
"""

import asyncio
import inspect
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

import attrs

from resilient.catalog import TokenEndpoint
from resilient.clock import Clock
from resilient.credentials.exchange import post
from resilient.credentials.protocol import Calls, CannotSign, CredentialRefused, Taken, Values
from resilient.credentials.secret import Concealed, checked

_WHAT = "the token's renewal"


def _access(value: object) -> str:
    return checked(value, "the access token")


def _refresh(value: object) -> str | None:
    return None if value is None else checked(value, "the refresh token")


def _seconds(value: object) -> float | None:
    """Return a number, or None: vendors also write them as text, or something else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) else None


@attrs.frozen
class TokenPair:
    """What the vendor gave.

    Attributes:
        access_token: Signs calls.
        refresh_token: Buys the next pair; None: there will be no next.
        expires_at: Seconds since the epoch when the access token runs out, where it is known.
    """

    access_token: str = attrs.field(repr=False, converter=_access)
    refresh_token: str | None = attrs.field(default=None, repr=False, converter=_refresh)
    expires_at: float | None = attrs.field(default=None, converter=_seconds)

    @classmethod
    def of(cls, stored: object) -> Self:
        """Return what a store held: a pair, or a mapping with the same names.

        Raises:
            ValueError: It is neither.
        """
        if isinstance(stored, cls):
            return stored
        if stored is None:
            raise ValueError("`load` returned None: there is no token yet")
        if not isinstance(stored, Mapping):
            raise ValueError(f"`load` returned {type(stored).__name__}, expected a TokenPair")  # noqa: TRY004
        names = ("access_token", "refresh_token", "expires_at")
        return cls(*(stored.get(name) for name in names))

    @property
    def values(self) -> Values:
        """What goes into the catalog's fields."""
        return Concealed(token=self.access_token)

    def asdict(self) -> dict[str, str | float | None]:
        """Return what a store can hold, and `load` may return."""
        return {
            "access_token": self.access_token,
            "refresh_token": self.refresh_token,
            "expires_at": self.expires_at,
        }


@attrs.define(eq=False)
class OAuth2:
    """An access token and the refresh token that renews it, kept in the user's store.

    Attributes:
        client_id: Of the application.
        client_secret: Of the application.
        load: Returns the stored pair, or a mapping with the same names.
        save: Stores a pair. It is awaited before the pair is used.
        token_url: Instead of the catalog's.
        redirect_uri: The application's, for vendors who want it.
        clock: Tells when a pair has run out.
    """

    client_id: str = attrs.field(repr=False)
    client_secret: str = attrs.field(repr=False)
    _load: Callable[[], Awaitable[Any] | Any] = attrs.field(repr=False)
    _save: Callable[[TokenPair], Awaitable[None] | None] = attrs.field(repr=False)
    token_url: str | None = attrs.field(default=None, kw_only=True)
    redirect_uri: str | None = attrs.field(default=None, kw_only=True)
    clock: Clock = attrs.field(factory=Clock, kw_only=True, repr=False)
    _unsaved: tuple[str, TokenPair] | None = attrs.field(default=None, init=False, repr=False)

    @property
    def refreshable(self) -> bool:
        """Always: a pair without a refresh token is refused when it comes to it."""
        return True

    async def load(self, calls: Calls) -> Values:  # noqa: ARG002 - the store is not the vendor
        """Return the stored access token."""
        return (await self._stored()).values

    async def renew(self, calls: Calls, stale: Values) -> Values:
        """Return the token that somebody else has stored meanwhile, else buy a new pair.

        One that has run out since is renewed at once.
        """
        pair = await self._stored()
        if pair.access_token != stale.get("token") and not self._is_over(pair):
            return Taken(pair.values)
        try:
            bought = await self._buy(calls, pair)
        except CredentialRefused:
            # Another process may have been quicker: then the refresh token was spent by it.
            other = await self._stored_meanwhile()
            if other is None or other.access_token in (stale.get("token"), pair.access_token):
                raise
            return other.values
        await self._keep(pair, bought)
        return bought.values

    def _is_over(self, pair: TokenPair) -> bool:
        """Tell whether a pair has run out, and there is something to renew it with."""
        if pair.refresh_token is None or pair.expires_at is None:
            return False
        return pair.expires_at <= self.clock.wall()

    async def _stored(self) -> TokenPair:
        try:
            pair = TokenPair.of(await _awaited(self._load()))
        except ValueError as error:
            raise CredentialRefused(f"No usable token is stored: {error}.") from None
        if self._unsaved is not None:
            replaced, bought = self._unsaved
            # Its refresh token is spent. Unless somebody has stored another pair, only the one
            # that could not be saved is any good.
            if pair.access_token == replaced:
                await self._keep(pair, bought)
                return bought
            self._unsaved = None
        return pair

    async def _stored_meanwhile(self) -> TokenPair | None:
        """Return what is stored; a store that fails now must not hide that the vendor refused."""
        try:
            return await self._stored()
        except Exception:  # noqa: BLE001 - the user's store raises what it likes
            return None

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
        lifetime = _seconds(reply.get("expires_in"))
        expires_at = None if lifetime is None else self.clock.wall() + lifetime
        try:
            return TokenPair(
                reply.get("access_token"),
                reply.get("refresh_token") or old.refresh_token,
                expires_at,
            )
        except ValueError as error:
            raise CredentialRefused(f"The vendor's reply to {_WHAT}: {error}.") from None

    async def _keep(self, old: TokenPair, bought: TokenPair) -> None:
        """Store a pair, whatever happens: the vendor takes the old one no more."""
        self._unsaved = (old.access_token, bought)
        saving = asyncio.ensure_future(_awaited_call(self._save, bought))
        try:
            await asyncio.wait((saving,))
        except asyncio.CancelledError:
            await asyncio.wait((saving,))
            raise
        saving.result()
        self._unsaved = None


async def _awaited(found: Any) -> Any:
    return await found if inspect.isawaitable(found) else found


async def _awaited_call(save: Callable[[TokenPair], Any], pair: TokenPair) -> None:
    await _awaited(save(pair))
