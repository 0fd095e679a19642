"""What a token store holds: a pair, its version, and the renewal that last began."""

import math
from collections.abc import Mapping
from typing import Any, Self

import attrs

from resilient.credentials.secret import Concealed, checked


def _access(value: object) -> str:
    return checked(value, "the access token")


def _refresh(value: object) -> str | None:
    return None if value is None else checked(value, "the refresh token")


def seconds(value: object) -> float | None:
    """Return a number, or None: vendors also write them as text, or something else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


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
    expires_at: float | None = attrs.field(default=None, converter=seconds)

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
    def values(self) -> Mapping[str, str]:
        """What goes into the catalog's fields."""
        return Concealed(token=self.access_token)

    def asdict(self) -> dict[str, str | float | None]:
        """Return what a store can hold, and `load` may return."""
        return {
            "access_token": self.access_token,
            "refresh_token": self.refresh_token,
            "expires_at": self.expires_at,
        }


@attrs.frozen
class Intent:
    """A renewal that began.

    It is noted before the refresh token is sent, and stands for as long as nobody knows what
    became of it.

    Attributes:
        version: Of the pair that it spends.
        by: Which process began it.
        at: When, in seconds since the epoch.
    """

    version: int
    by: str
    at: float

    @classmethod
    def of(cls, stored: Any) -> Self | None:
        """Return what was written as a mapping; None: that is no intent."""
        try:
            return cls(int(stored["version"]), str(stored["by"]), float(stored["at"]))
        except (KeyError, TypeError, ValueError):
            return None


@attrs.frozen
class Stored:
    """A pair as a store holds it.

    Attributes:
        pair: The pair.
        version: Grows with every pair that is stored.
        intent: The renewal that was noted last, of this pair or of one before.
    """

    pair: TokenPair
    version: int
    intent: Intent | None = None

    @property
    def begun(self) -> Intent | None:
        """The renewal of this very pair that began, and of which no answer was stored."""
        found = self.intent
        return found if found is not None and found.version == self.version else None
