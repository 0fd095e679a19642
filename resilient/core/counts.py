"""Numbers and times as servers write them in headers: hostile until they are read.

All forms are bounded in length and read in linear time; what is negative, beyond all sense or
not a number at all is None.
"""

import re
from collections.abc import Callable
from datetime import datetime

from resilient.core.decide import MOST_ASKED
from resilient.core.retry_after import http_date

MOST = 10**9
"""Calls: the most that anybody allows."""

LONGEST = MOST_ASKED
"""Seconds: the longest window that is heeded."""

_EPOCH = 10**9
"""Seconds: no window is that long (30 years), so it is a time of day."""

_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{0,9})?"
_COUNT = re.compile(rf"({_NUMBER})\s{{0,9}}(?:[,;].{{0,1000}})?", re.ASCII)
_OF_TOTAL = re.compile(rf"({_NUMBER})\s?/\s?({_NUMBER})", re.ASCII)
_DECIMAL = re.compile(_NUMBER, re.ASCII)
_SPAN = re.compile(
    r"(?:(\d{1,4})h)?(?:(\d{1,6})m)?(?:(\d{1,9}(?:\.\d{1,9})?)s)?(?:(\d{1,9})ms)?", re.ASCII
)
_LONGEST_DATE = 40


def count(text: str) -> int | None:
    """Return `100`, `99.5` (rounded down) or the first of `100, 100;w=60` as calls."""
    match = _COUNT.fullmatch(text)
    return _bounded(match[1]) if match else None


def count_of_total(text: str) -> tuple[int | None, int | None]:
    """Return `32/40` as both of its numbers, and `32` as itself and None."""
    match = _OF_TOTAL.fullmatch(text)
    return (_bounded(match[1]), _bounded(match[2])) if match else (count(text), None)


def _bounded(text: str) -> int | None:
    number = int(text.partition(".")[0])
    return number if number <= MOST else None


def moment(text: str, here: Callable[[], float], *, milliseconds: bool = False) -> float | None:
    """Return a moment in any of the forms in use as the seconds until then.

    They are a number of seconds, or of milliseconds; a time of day as such a number since the
    epoch; `1m30.5s`; an HTTP-date; a date of ISO 8601 with its offset.

    Args:
        text: As sent.
        here: Says what time it is there, in seconds since the epoch.
        milliseconds: What a number counts.
    """
    wait = _span(text, here, 1000.0 if milliseconds else 1.0)
    if wait is None and (date := _date(text, here())) is not None:
        wait = max(0.0, date - here())
    return wait if wait is not None and wait <= LONGEST else None


def _span(text: str, here: Callable[[], float], unit: float) -> float | None:
    if _DECIMAL.fullmatch(text):
        number = float(text) / unit
        return number if number < _EPOCH else max(0.0, number - here())
    match = _SPAN.fullmatch(text)
    if match is None or not text:
        return None
    hours, minutes, seconds, thousandths = (float(each or 0) for each in match.groups())
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000


def _date(text: str, here: float) -> float | None:
    if (date := http_date(text, now=here)) is not None or len(text) > _LONGEST_DATE:
        return date
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if found.tzinfo is None else found.timestamp()
