"""Callables of the user's that supply a secret: what they take, and what they may return."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import attrs

from resilient.credentials.exchange import refusal
from resilient.credentials.protocol import Calls, CredentialRefused
from resilient.credentials.secret import checked

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@attrs.frozen
class Supply:
    """A callable, async or not, with one required argument (the aiohttp session) or none."""

    function: Callable[..., Awaitable[object] | object] = attrs.field(repr=False)
    what: str
    takes_session: bool = attrs.field(init=False, repr=False)

    @takes_session.default
    def _takes_session(self) -> bool:
        return _required(self.function, self.what) == 1

    async def text(self, calls: Calls) -> str:
        """Ask, and return the text that came.

        Raises:
            CredentialRefused: What came is no secret that can be sent, or the vendor refused.
        """
        try:
            found = await self._ask(calls)
        except Exception as error:
            if refused := refusal(error, self.what):
                raise refused from error
            raise
        try:
            return checked(found, f"what {self.what} returned")
        except ValueError as error:
            raise CredentialRefused(f"No credential: {error}.") from None

    async def _ask(self, calls: Calls) -> object:
        found: Any = self.function(calls.http) if self.takes_session else self.function()
        return await found if inspect.isawaitable(found) else found


def _required(function: Callable[..., object], what: str) -> int:
    """Return how many arguments it needs: optional ones are the user's own business."""
    if not callable(function):
        raise TypeError(f"{what} is {type(function).__name__}, expected a callable")
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return 0
    needed = [p for p in parameters if p.default is p.empty and p.kind not in _VARIADIC]
    if len(needed) > 1 or any(p.kind not in _POSITIONAL for p in needed):
        raise TypeError(f"{what} takes one argument (the aiohttp session) or none")
    return len(needed)
