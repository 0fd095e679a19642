"""Tokens and sessions: issued, expired, exchanged once (RFC 6749 section 6)."""

from itertools import count
from typing import Any
from urllib.parse import urlsplit

from resilient.catalog import CredentialRule, Format
from resilient.testing.emulator.asked import Asked
from resilient.testing.emulator.document import put, written
from resilient.testing.emulator.render import Answer

LIFETIME = 86400.0
"""Seconds that an access token or a session lives unless told."""


class Tokens:
    """What the emulator has issued. A credential that it did not issue is taken as good.

    Args:
        rule: The catalog's.
        lifetime: Seconds that an access token or a session lives.
    """

    def __init__(self, rule: CredentialRule | None, *, lifetime: float = LIFETIME) -> None:
        self._login = rule.login if rule else None
        self._token_path = urlsplit(rule.token.url).path if rule and rule.token else None
        self._login_path = urlsplit(self._login.url).path if self._login else None
        self._lifetime = lifetime
        self._numbers = count(1)
        self._ends: dict[str, float] = {}
        self._usable: set[str] = set()
        self.exchanged = 0
        self.refused = 0

    def issue(self, now: float) -> dict[str, Any]:
        """Return a new pair, as the token endpoint gives it."""
        number = next(self._numbers)
        access, refresh = f"access-{number}", f"refresh-{number}"
        self._ends[access] = now + self._lifetime
        self._usable.add(refresh)
        return {
            "token_type": "Bearer",
            "access_token": access,
            "refresh_token": refresh,
            "expires_in": int(self._lifetime),
        }

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
        """Return a token or a session, or None: the refresh token has been used, or is none."""
        if self._login is not None and asked.path == self._login_path:
            return self._session(self._login.session, asked)
        refresh = asked.fields.get("refresh_token", "")
        if refresh not in self._usable:
            self.refused += 1
            return None
        self._usable.discard(refresh)
        self.exchanged += 1
        return Answer(
            status=200, form="json", body=written(self.issue(asked.time), "json"), why="token"
        )

    def _session(self, path: str, asked: Asked) -> Answer:
        session = f"session-{next(self._numbers)}"
        self._ends[session] = asked.time + self._lifetime
        document: dict[str, Any] = {}
        put(document, path, session)
        form: Format = "xml" if asked.path.endswith(".xml") else "json"
        return Answer(status=200, form=form, body=written(document, form), why="login")
