"""A session that is opened by a login, beside keys that never change."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

import attrs

from resilient.credentials.exchange import post
from resilient.credentials.protocol import Calls, CannotSign, CredentialRefused, Taken, Values
from resilient.credentials.secret import Concealed, checked
from resilient.credentials.supply import Supply
from resilient.credentials.tokens.turn import turn

_WHAT = "the login"

Login = Callable[[], Awaitable[str] | str] | Callable[[Any], Awaitable[str] | str]
"""Logs in and returns the session's id; takes the aiohttp session, or nothing."""


def _texts(fields: Mapping[str, str], what: str) -> Mapping[str, str]:
    if not isinstance(fields, Mapping):
        raise TypeError(f"{what} is {type(fields).__name__}, expected a mapping of texts")
    texts = Concealed({name: checked(text, f"{name!r}") for name, text in fields.items()})
    return MappingProxyType(texts)


def _fields(fields: Mapping[str, str]) -> Mapping[str, str]:
    if "session" in fields:
        raise ValueError("`fields` never change: give a session's id as `session=`")
    return _texts(fields, "`fields`")


def _login(login: Login | Mapping[str, str]) -> Supply | Mapping[str, str]:
    return Supply(login, "`login`") if callable(login) else _texts(login, "`login`")


def _session(session: str | None) -> str | None:
    return None if session is None else checked(session, "`session`")


@attrs.define(eq=False)
class SessionId:
    """An id that a login returns, and further values that go with every call.

    A login is never repeated: wrong passwords in a row shut an account.

    Attributes:
        fields: What goes with every call, by the names that the catalog uses.
        login: What to send to the catalog's login, beside `fields`; or a callable, async or
            not, that logs in by itself and returns the id. It takes the aiohttp session, or
            nothing, and may raise `CredentialRefused` when asking again cannot help.
    """

    fields: Mapping[str, str] = attrs.field(repr=False, converter=_fields)
    login: Supply | Mapping[str, str] = attrs.field(repr=False, converter=_login)
    _held: str | None = attrs.field(
        default=None, kw_only=True, repr=False, alias="session", converter=_session
    )
    _refused: CredentialRefused | None = attrs.field(default=None, init=False, repr=False)

    @property
    def refreshable(self) -> bool:
        """Always: by another login."""
        return True

    async def load(self, calls: Calls) -> Values:
        """Return what is held; log in only if there is nothing."""
        return self._values(self._held or await self._log_in(calls))

    async def renew(self, calls: Calls, stale: Values) -> Values:
        """Log in, unless the session held is another one already."""
        if self._held and self._held != stale.get("session"):
            return Taken(self._values(self._held))
        return self._values(await self._log_in(calls))

    def _values(self, session: str) -> Values:
        return Concealed(self.fields, session=session)

    async def _log_in(self, calls: Calls) -> str:
        if self._refused is not None:
            raise self._refused.again()
        try:
            async with turn(calls.lock):
                self._held = await self._fetch(calls)
        except CredentialRefused as refused:
            self._refused = refused.again()
            raise
        return self._held

    async def _fetch(self, calls: Calls) -> str:
        if isinstance(self.login, Supply):
            return await self.login.text(calls)
        known = calls.rule.login if calls.rule else None
        if known is None:
            raise CannotSign("The catalog knows no login: give SessionId a callable.")
        reply = await post(calls, known.url, Concealed(self.fields, **self.login), "json", _WHAT)
        try:
            return checked(_at(reply, known.session), "the session's id")
        except ValueError as error:
            raise CredentialRefused(f"The vendor's reply to {_WHAT}: {error}.") from None


def _at(reply: Mapping[str, Any], path: str) -> Any:
    """Return what a dotted path leads to, or the last name of it at the top."""
    found: Any = reply
    for step in path.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return reply.get(path.rpartition(".")[2]) if found is None else found
