"""Retry-After in every form there is, and in those that there are not (H4)."""

import math
from datetime import UTC, datetime
from email.utils import mktime_tz, parsedate_tz
from random import Random

import hypothesis
import pytest
from hypothesis import strategies as st
from promises.conftest import Figure, Scale

import resilient
from resilient.core.retry_after import retry_after

NOW = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC).timestamp()
DATE = "Sun, 22 Nov 2026 10:00:00 GMT"
DAY = 86400.0
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"

GOOD: dict[str, float] = {
    **{text: float(text) for text in ("0", "1", "120", "0120", "9999999999", "0000000000")},
    **dict.fromkeys([" 120", "120 ", "\t120\t"], 120.0),
    "Sun, 22 Nov 2026 10:01:30 GMT": 90.0,
    "Sunday, 22-Nov-26 10:01:30 GMT": 90.0,
    "Sun Nov 22 10:01:30 2026": 90.0,
    "Tue Dec  1 10:00:00 2026": 9 * DAY,
    "Tue, 01 Dec 2026 10:00:00 GMT": 9 * DAY,
    "Sun, 22 Nov 2026 09:00:00 GMT": 0.0,
    "Thu, 01 Jan 1970 00:00:00 GMT": 0.0,
    "Sunday, 22-Nov-76 10:00:00 GMT": 18263 * DAY,
    "Sunday, 22-Nov-77 10:00:00 GMT": 0.0,
    "Thu, 29 Feb 2028 10:00:00 GMT": 464 * DAY,
}
"""What RFC 9110 allows, in seconds after 22 November 2026, 10 o'clock."""

BAD = (
    *(
        "",
        " ",
        "-1",
        "+1",
        "1.5",
        "1.0",
        ".5",
        "1e3",
        "0x10",
        "1_000",
        "1,000",
        "12s",
        "2m",
        "PT5S",
    ),
    *("NaN", "nan", "inf", "-inf", "Infinity", "None", "null", "true", "soon", "tomorrow", '"5"'),
    *(
        "٣٠",
        "\uff13\uff10",
        "²",
        "१२",
        "5\x00",
        "5 5",
        "5;",
        "5, 7",
        "[5]",
        "99999999999",
        "9" * 5000,
    ),
    *("-0", "0-1", "--5", "5-", "5\u00a0", "\u20095", "5\n6", "0b101", "0o17", "1e400", "5%"),
    "Sun, 22 Nov 2026 10:01:30",
    "Sun, 22 Nov 2026 10:01:30 AAA",
    "Sun, 22 Nov 2026 10:01:30 MSK",
    "Sun, 22 Nov 2026 10:01:30 UTC",
    "Sun, 22 Nov 2026 10:01:30 +0000",
    "Sun, 22 Nov 2026 10:01:30 +99999999999",
    "Sun, 22 Nov 2026 10:01:30 GMT+1",
    "Sun, 22 Nov 2026 10.01.30 GMT",
    "Sun, 22 Nov 2026 10:01 GMT",
    "Sun, 22 Nov 2026 1:01:30 GMT",
    "Sun, 22 Nov 26 10:01:30 GMT",
    "Sun, 22-Nov-2026 10:01:30 GMT",
    "Sun, 22 November 2026 10:01:30 GMT",
    "Sun, 2 Nov 2026 10:01:30 GMT",
    "Sun 22 Nov 2026 10:01:30 GMT",
    "22 Nov 2026 10:01:30 GMT",
    "Sun, 00 Nov 2026 10:01:30 GMT",
    "Sun, 31 Nov 2026 10:01:30 GMT",
    "Sun, 29 Feb 2027 10:01:30 GMT",
    "Sun, 22 Foo 2026 10:01:30 GMT",
    "Sun, 22 Nov 2026 24:00:00 GMT",
    "Sun, 22 Nov 2026 10:60:00 GMT",
    "Sun, 22 Nov 0000 10:01:30 GMT",
    "Sun, 22 Nov 20026 10:01:30 GMT",
    "Sun Nov 22 10:01:30 2026 GMT",
    "Sunday, 22-Nov-26 10:01:30",
    "Sun, ٢٢ Nov 2026 10:01:30 GMT",
    "2026-11-22T10:01:30Z",
    "2026-11-22 10:01:30",
    "1763805690",
)
"""What it does not; the last looks like a date to a person, and is 55 years in seconds."""


def asked(*fields: tuple[str, str]) -> float | None:
    """Return what a server asks by its header fields."""
    return retry_after(fields, now=NOW)


@pytest.mark.parametrize("value", GOOD, ids=repr)
def test_good(value: str) -> None:
    """Digits and the three forms of a date are read to the second."""
    assert GOOD[value] == asked(("Retry-After", value))


@pytest.mark.parametrize("value", BAD[:-1], ids=repr)
def test_bad(value: str) -> None:
    """Whatever else comes is as if nothing came; a good one beside it counts."""
    assert None is asked(("Retry-After", value))
    assert 7.0 == asked(("Retry-After", value), ("Retry-After", "7"), ("Retry-After", value))


def test_time_stamps() -> None:
    """Seconds are seconds: one that was meant as a date is a wait of many years."""
    assert 1763805690.0 == asked(("Retry-After", BAD[-1]))


def naively(value: str) -> float | None:
    """Read a wait with what the standard library has."""
    try:
        return float(value)
    except ValueError:
        found = parsedate_tz(value)
    try:
        return None if found is None else mktime_tz(found) - NOW
    except (ValueError, OverflowError):
        return None


def test_naive() -> None:
    """Why that needs care: float() and email.utils take half of the bad ones for waits."""
    taken = {value: wait for value in BAD for wait in [naively(value)] if wait is not None}
    assert 40 <= len(taken)
    assert any(math.isnan(wait) for wait in taken.values())
    assert any(wait < -1e9 for wait in taken.values())


def dates(moment: float) -> tuple[str, str, str]:
    """Return a time in the three forms, with English names whatever the locale."""
    then = datetime.fromtimestamp(moment, UTC)
    day, month = DAYS[then.weekday()], MONTHS[3 * then.month - 3 : 3 * then.month]
    return (
        f"{day[:3]}, {then:%d} {month} {then:%Y %H:%M:%S} GMT",
        f"{day}, {then:%d}-{month}-{then:%y %H:%M:%S} GMT",
        f"{day[:3]} {month} {then.day:2} {then:%H:%M:%S %Y}",
    )


def test_skew(scale: Scale, figure: Figure) -> None:
    """A date is a wait from the server's own Date on, however wrong its clock is."""
    random, count = Random(10), scale(2000, 100_000)
    for _ in range(count):
        skew, wait = random.randint(-(10**9), 10**9), random.randint(-1000, 40 * 365 * 86400)
        there = NOW + skew
        form = random.randrange(3)
        told = dates(there + wait)[form], dates(there)[random.choice([0, 2])]
        found = asked(("Retry-After", told[0]), ("Date", told[1]))
        assert max(0, wait) == found, told
    figure("H4", "dates misread, with clocks up to 30 years apart", 0, of=count)


@st.composite
def header_fields(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Return fields of any values, good and bad ones among them."""
    values = st.sampled_from([*GOOD, *BAD]) | st.text(max_size=30) | st.integers().map(str)
    name = st.sampled_from(["Retry-After", "retry-after", "Date", "X-Retry-After"])
    return draw(st.lists(st.tuples(name, values), max_size=5))


def test_any(scale: Scale, figure: Figure) -> None:
    """Of any fields comes no wait, or one that is finite and not below nothing."""
    count = scale(100, 10_000)

    @hypothesis.settings(max_examples=count)
    @hypothesis.given(header_fields())
    def tried(fields: list[tuple[str, str]]) -> None:
        found = asked(*fields)
        assert found is None or 0 <= found < math.inf

    tried()
    figure("H4", "made-up headers that raise, or ask for no time at all", 0, of=count)


def test_repeats() -> None:
    """Of several good ones the longest counts, in any order and form."""
    values = ["5", "Sun, 22 Nov 2026 10:01:30 GMT", "soon", "7", "-1"]
    for seed in range(20):
        Random(seed).shuffle(values)
        assert 90.0 == asked(*(("Retry-After", each) for each in values), ("Date", DATE))


@pytest.mark.parametrize("value", [*GOOD, *BAD], ids=repr)
def test_at_the_entrance(value: str) -> None:
    """`resilient.classify` tells the wait, or that none was asked."""
    headers = {"Retry-After": value, "Date": DATE}
    failure = resilient.classify("http", status=429, headers=headers)
    assert failure is not None
    assert asked(("Retry-After", value), ("Date", DATE)) == failure.retry_after
