"""A token that the user's own code fetches, and perhaps refreshes."""

from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from resilient.credentials.protocol import Calls, CredentialRefused, Taken, Values
from resilient.credentials.secret import Concealed
from resilient.credentials.supply import Supply
from resilient.credentials.tokens.turn import turn

TokenSource = Callable[[], Awaitable[str] | str] | Callable[[Any], Awaitable[str] | str]
"""Returns a token; takes the aiohttp session, or nothing."""


def _get(function: TokenSource) -> Supply:
    return Supply(function, "`get`")


def _refresh(function: TokenSource | None) -> Supply | None:
    return None if function is None else Supply(function, "`refresh`")


@attrs.define(eq=False)
class Bearer:
    """A token from callables, async or not, that take the aiohttp session or nothing.

    Attributes:
        get: Returns the token to begin with, and is asked again when that is refused and there
            is no `refresh`, or `refresh` cannot help any more.
        refresh: Returns a new token when the vendor refuses the old one. May raise
            `CredentialRefused` when asking again cannot help.
    """

    get: Supply = attrs.field(repr=False, converter=_get)
    refresh: Supply | None = attrs.field(default=None, repr=False, converter=_refresh)
    _renewed: str | None = attrs.field(default=None, init=False, repr=False)

    @property
    def refreshable(self) -> bool:
        """Always: without a `refresh`, `get` may know another token."""
        return True

    async def load(self, calls: Calls) -> Values:
        """Return the renewed token, else what `get` returns."""
        return {"token": self._renewed or await self.get.text(calls)}

    async def renew(self, calls: Calls, stale: Values) -> Values:
        """Return what `refresh` returns, or another token that `get` has."""
        if self._renewed and self._renewed != stale.get("token"):
            return Taken(token=self._renewed)
        if self.refresh is None:
            return await self._got(calls, stale)
        # If that is refused, `get` may know a token that a person has put there.
        self._renewed, last = None, self._renewed
        try:
            async with turn(calls.lock):
                self._renewed = await self.refresh.text(calls)
        except CredentialRefused:
            raise
        except BaseException:
            self._renewed = last
            raise
        return {"token": self._renewed}

    async def _got(self, calls: Calls, stale: Values) -> Values:
        got = Concealed(token=await self.get.text(calls))
        if got["token"] == stale.get("token"):
            refused = CredentialRefused(
                "`get` returns the token that is refused, and there is no `refresh` to renew it."
            )
            refused.wait = 0.0  # perhaps it is one endpoint that refuses it
            raise refused
        return got
