"""Tokens and sessions: issued, expired, exchanged (RFC 6749 section 6), revoked (RFC 9700)."""

from collections.abc import Iterable
from itertools import count
from typing import Any, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from resilient.catalog import CredentialRule, Format
from resilient.testing.emulator.answer import Answer
from resilient.testing.emulator.asked import Asked
from resilient.testing.emulator.document import put, written
from resilient.testing.emulator.one_of import one_of

LIFETIME = 86400.0
"""Seconds that an access token or a session lives unless told."""

Rotation: TypeAlias = Literal["none", "single_use", "family"]
"""What becomes of a refresh token that was exchanged.

`none`: it stays good.
`single_use`: it is spent, and the reply holds the next one.
`family`: as before; and one that is used again revokes every token that descends from the same
login (RFC 9700 section 4.14.2), since nobody knows which of the two users is the thief.
"""

ROTATIONS: tuple[Rotation, ...] = get_args(Rotation)

_LOGINS = ("authorization_code", "password", "client_credentials")


def rotation_of(name: str) -> Rotation:
    """Return the rotation of a name.

    Raises:
        ValueError: There is none; it says which there are.
    """
    return one_of(ROTATIONS, name, "rotation")


class Tokens:
    """What the emulator has issued. A credential that it did not issue is taken as good.

    Args:
        rule: The catalog's.
        lifetime: Seconds that an access token or a session lives.
        rotation: What becomes of a refresh token that was exchanged.

    Attributes:
        exchanged: How many refresh tokens were exchanged.
        refused: How many were refused.
        families_revoked: How many logins were undone because a spent token came again.
    """

    def __init__(
        self,
        rule: CredentialRule | None,
        *,
        lifetime: float = LIFETIME,
        rotation: Rotation = "single_use",
    ) -> None:
        self._login = rule.login if rule else None
        self._token_path = urlsplit(rule.token.url).path if rule and rule.token else None
        self._login_path = urlsplit(self._login.url).path if self._login else None
        self._lifetime = lifetime
        self._rotation = rotation_of(rotation)
        self._numbers = count(1)
        self._ends: dict[str, float] = {}
        self._usable: set[str] = set()
        self._families: dict[str, list[str]] = {}
        self.exchanged = 0
        self.refused = 0
        self.families_revoked = 0

    def issue(self, now: float) -> dict[str, Any]:
        """Return the first pair of a login, as the token endpoint gives it."""
        return self._pair(now, family=[])

    def expire(self, value: str) -> None:
        """Let a credential be refused from now on, whoever issued it."""
        self._ends[value] = float("-inf")

    def has_expired(self, asked: Asked) -> bool:
        """Tell whether a request presents a credential whose time is over."""
        if not self._ends:
            return False
        never = float("inf")
        return any(self._ends.get(v, never) <= asked.time for v in asked.presented.values())

    def is_for_tokens(self, asked: Asked) -> bool:
        """Tell whether a request asks for a token or a session, not for data."""
        return asked.method == "POST" and asked.path in (self._token_path, self._login_path)

    def answer(self, asked: Asked) -> Answer | None:
        """Return a token or a session, or None: the refresh token is spent, or none of ours."""
        if self._login is not None and asked.path == self._login_path:
            return self._session(self._login.session, asked)
        if asked.fields.get("grant_type") in _LOGINS:
            return _token(self.issue(asked.time))
        refresh = asked.fields.get("refresh_token", "")
        if refresh not in self._usable:
            self.refused += 1
            self._notice(refresh)
            return None
        self.exchanged += 1
        return _token(self._exchanged(refresh, asked.time))

    def _exchanged(self, refresh: str, now: float) -> dict[str, Any]:
        family = self._families[refresh]
        if self._rotation == "none":
            return self._pair(now, family, refresh)
        self._usable.discard(refresh)
        return self._pair(now, family)

    def _notice(self, refresh: str) -> None:
        """Undo the login that a spent token descends from."""
        family = self._families.get(refresh, [])
        if self._rotation == "family" and family:
            self.families_revoked += 1
            self._revoke(family)
            family.clear()

    def _revoke(self, family: Iterable[str]) -> None:
        for value in family:
            self._usable.discard(value)
            self.expire(value)

    def _pair(self, now: float, family: list[str], refresh: str | None = None) -> dict[str, Any]:
        number = next(self._numbers)
        access = f"access-{number}"
        refresh = refresh or f"refresh-{number}"
        self._ends[access] = now + self._lifetime
        self._usable.add(refresh)
        self._families[refresh] = family
        family += [access, refresh]
        return {
            "token_type": "Bearer",
            "access_token": access,
            "refresh_token": refresh,
            "expires_in": int(self._lifetime),
        }

    def _session(self, path: str, asked: Asked) -> Answer:
        session = f"session-{next(self._numbers)}"
        self._ends[session] = asked.time + self._lifetime
        document: dict[str, Any] = {}
        put(document, path, session)
        form: Format = "xml" if asked.path.endswith(".xml") else "json"
        return Answer(status=200, form=form, body=written(document, form), why="login")


def _token(pair: dict[str, Any]) -> Answer:
    return Answer(status=200, form="json", body=written(pair, "json"), why="token")
