"""Retry-After in every form that RFC 9110 section 10.2.3 allows: the inverse of reading it."""

import math
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, TypeAlias, get_args

import attrs

from resilient.testing.emulator.arguments import checked, seconds
from resilient.testing.emulator.one_of import one_of

Form: TypeAlias = Literal["seconds", "imf-fixdate", "rfc850", "asctime"]
"""Seconds, or one of the three forms of an HTTP-date (RFC 9110 section 5.6.7)."""

FORMS: tuple[Form, ...] = get_args(Form)

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_SECONDS = checked(seconds)


def form_of(name: str) -> Form:
    """Return the form of a name.

    Raises:
        ValueError: There is none; it says which there are.
    """
    return one_of(FORMS, name, "form of Retry-After")


@attrs.frozen
class RetryAfter:
    """How long a client is asked to wait, and in which form it is written."""

    seconds: float = attrs.field(validator=_SECONDS)
    form: Form = attrs.field(default="seconds", converter=form_of)

    def written(self, wall: float) -> str:
        """Return the header's value in an answer of that time, rounded up to the whole second.

        Args:
            wall: Seconds since the epoch.
        """
        if self.form == "seconds":
            return f"{math.ceil(self.seconds)}"
        return http_date(math.ceil(wall + self.seconds), self.form)


def http_date(wall: float, form: Form = "imf-fixdate") -> str:
    """Return a time as an HTTP-date, cut to the whole second."""
    return _date(math.floor(wall), form)


@lru_cache(maxsize=64)
def _date(second: int, form: Form) -> str:
    at = datetime.fromtimestamp(second, UTC)
    day, month = _DAYS[at.weekday()], _MONTHS[at.month - 1]
    if form == "rfc850":
        return f"{day}, {at:%d}-{month}-{at:%y} {at:%H:%M:%S} GMT"
    if form == "asctime":
        return f"{day[:3]} {month} {at.day:2} {at:%H:%M:%S} {at.year}"
    return f"{day[:3]}, {at:%d} {month} {at.year} {at:%H:%M:%S} GMT"
