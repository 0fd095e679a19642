"""A token that the user's own code fetches, and perhaps refreshes."""

from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from resilient.credentials.protocol import Calls, CredentialRefused, Values
from resilient.credentials.supply import Supply

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
        get: Returns the token to begin with, and is asked again after it was refused for good.
        refresh: Returns a new token when the vendor refuses the old one; None: it cannot be
            renewed. May raise `CredentialRefused` when asking again cannot help.
    """

    get: Supply = attrs.field(repr=False, converter=_get)
    refresh: Supply | None = attrs.field(default=None, repr=False, converter=_refresh)
    _renewed: str | None = attrs.field(default=None, init=False, repr=False)

    @property
    def refreshable(self) -> bool:
        """Whether there is a `refresh`."""
        return self.refresh is not None

    async def load(self, calls: Calls) -> Values:
        """Return the renewed token, else what `get` returns."""
        return {"token": self._renewed or await self.get.text(calls)}

    async def renew(self, calls: Calls, stale: Values) -> Values:
        """Return what `refresh` returns."""
        if self._renewed and self._renewed != stale.get("token"):
            return {"token": self._renewed}
        if self.refresh is None:
            raise CredentialRefused("The token is refused, and there is no `refresh` to renew it.")
        # If that is refused, `get` may know a token that a person has put there.
        self._renewed, last = None, self._renewed
        try:
            self._renewed = await self.refresh.text(calls)
        except CredentialRefused:
            raise
        except BaseException:
            self._renewed = last
            raise
        return {"token": self._renewed}
