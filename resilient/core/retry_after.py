"""Retry-After in all its forms (RFC 9110 section 10.2.3) to seconds.

A server's clock may differ from ours, so a date is read against the response's own Date.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

_SPACE = " \t"  # RFC 9110 section 5.6.3; str.strip() alone takes all that Unicode has
_SECONDS = re.compile(r"[0-9]{1,10}", re.ASCII)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_DATES = tuple(
    re.compile(form, re.ASCII | re.IGNORECASE)
    for form in (
        rf"[a-z]{{3}}, (?P<day>\d\d) (?P<month>[a-z]{{3}}) (?P<year>\d{{4}}) {_TIME} GMT",
        rf"[a-z]{{6,9}}, (?P<day>\d\d)-(?P<month>[a-z]{{3}})-(?P<year>\d\d) {_TIME} GMT",
        rf"[a-z]{{3}} (?P<month>[a-z]{{3}}) (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})",
    )
)


def http_date(text: str, *, now: float) -> float | None:
    """Return an HTTP-date (RFC 9110 section 5.6.7) as seconds since the epoch, else None.

    All three forms are read. A two-digit year is the one nearest to `now` that is at most
    50 years ahead, as the RFC demands.
    """
    for form in _DATES:
        if match := form.fullmatch(text.strip(_SPACE)):
            return _timestamp(match.groupdict(), now)
    return None


def _timestamp(parts: dict[str, str], now: float) -> float | None:
    try:
        year, month = int(parts["year"]), _MONTHS.index(parts["month"].lower()) + 1
        if len(parts["year"]) == 2:  # noqa: PLR2004 - the RFC 850 form
            this = datetime.fromtimestamp(now, UTC).year
            year += this - this % 100
            year += 100 * ((year <= this - 50) - (year > this + 50))
        day, hour, minute = (int(parts[key]) for key in ("day", "hour", "minute"))
        second = min(int(parts["second"]), 59)  # :60 is a leap second, and datetime has none
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return None


def retry_after(headers: Iterable[tuple[str, str]], *, now: float) -> float | None:
    """Return the seconds that the server asks to wait, or None.

    Args:
        headers: The response's headers. Of several valid values the largest counts; what is
            malformed is ignored.
        now: Seconds since the epoch, for a date without a Date to compare it with.
    """
    fields = [(name.lower(), value) for name, value in headers]
    asked = [value.strip(_SPACE) for name, value in fields if name == "retry-after"]
    if not asked:
        return None
    sent = [http_date(value, now=now) for name, value in fields if name == "date"]
    here = next((stamp for stamp in sent if stamp is not None), now)
    return max(_waits(asked, here), default=None)


def _waits(asked: Sequence[str], here: float) -> Iterable[float]:
    for value in asked:
        if _SECONDS.fullmatch(value):
            yield float(value)
        elif (date := http_date(value, now=here)) is not None:
            yield max(0.0, date - here)
