import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.core.retry_after import http_date, retry_after

NOW = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC).timestamp()
IMF = "Sun, 22 Nov 2026 10:01:30 GMT"
RFC850 = "Sunday, 22-Nov-26 10:01:30 GMT"
ASCTIME = "Sun Nov 22 10:01:30 2026"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 120 ", 120.0),
        ("0120", 120.0),
        ("9999999999", 9999999999.0),
        (IMF, 90.0),
        (RFC850, 90.0),
        (ASCTIME, 90.0),
        (IMF.lower(), 90.0),
        ("Sun, 22 Nov 2026 09:59:00 GMT", 0.0),
        ("Tue Dec  1 10:00:00 2026", 9 * 86400.0),
        ("Sun, 22 Nov 2026 10:00:60 GMT", 59.0),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1.5", None),
        ("1e3", None),
        ("12s", None),
        ("soon", None),
        ("NaN", None),
        ("inf", None),
        ("٣", None),
        ("99999999999", None),
        ("9" * 5000, None),
        ("1, 2", None),
        ("Sun, 32 Nov 2026 10:01:30 GMT", None),
        ("Sun, 22 Nix 2026 10:01:30 GMT", None),
        ("Sun, 22 Nov 2026 25:01:30 GMT", None),
        ("Sun, 22 Nov 2026 10:01:30 MSK", None),
        ("Sun, 22 Nov 0000 10:01:30 GMT", None),
        ("2026-11-22T10:01:30Z", None),
    ],
)
def test_one_value(value: str, expected: float | None) -> None:
    """Digits and the three forms of a date are read; whatever else is ignored."""
    assert expected == retry_after([("Retry-After", value)], now=NOW)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], None),
        ([("X-Retry-After", "5")], None),
        ([("retry-AFTER", "5")], 5.0),
        ([("Retry-After", "5"), ("Retry-After", "7")], 7.0),
        ([("Retry-After", "soon"), ("Retry-After", "7")], 7.0),
        ([("Retry-After", IMF), ("Retry-After", "7")], 90.0),
        ([("Retry-After", IMF), ("Date", "Sun, 22 Nov 2026 10:01:00 GMT")], 30.0),
        ([("Date", "Sun, 22 Nov 2026 10:01:00 GMT"), ("Retry-After", "7")], 7.0),
        ([("Retry-After", IMF), ("Date", "yesterday")], 90.0),
        ([("Retry-After", IMF), ("Date", "junk"), ("Date", RFC850)], 0.0),
    ],
)
def test_headers(headers: list[tuple[str, str]], expected: float | None) -> None:
    """The longest valid wait counts, and a date is read against the server's own clock."""
    assert expected == retry_after(headers, now=NOW)


@pytest.mark.parametrize(
    ("year", "century"), [("26", 2026), ("76", 2076), ("77", 1977), ("00", 2000)]
)
def test_two_digit_years(year: str, century: int) -> None:
    """A year of two digits is at most 50 years ahead, as RFC 9110 demands."""
    found = http_date(f"Sunday, 22-Nov-{year} 10:00:00 GMT", now=NOW)
    assert datetime(century, 11, 22, 10, tzinfo=UTC).timestamp() == found


@pytest.mark.parametrize(
    ("now", "year", "century"), [(1999, "05", 2005), (2099, "00", 2100), (2101, "99", 2099)]
)
def test_two_digit_years_at_a_turn(now: int, year: str, century: int) -> None:
    """At the turn of a century the nearest one is meant, ahead as well as back."""
    then = datetime(now, 11, 22, 10, tzinfo=UTC).timestamp()
    found = http_date(f"Sunday, 22-Nov-{year} 10:00:00 GMT", now=then)
    assert datetime(century, 11, 22, 10, tzinfo=UTC).timestamp() == found


@given(st.integers(-(10**6), 10**9))
def test_dates_round_trip(seconds: int) -> None:
    """Any date that a server writes is read to the second."""
    then = datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=seconds)
    written = format_datetime(then, usegmt=True)
    assert max(0.0, float(seconds)) == retry_after([("Retry-After", written)], now=NOW)


@given(st.lists(st.tuples(st.sampled_from(["Retry-After", "Date"]), st.text(max_size=40))))
def test_any_headers(headers: list[tuple[str, str]]) -> None:
    """Whatever is sent, the result is nothing or a time that can be waited for."""
    found = retry_after(headers, now=NOW)
    assert found is None or (found >= 0 and math.isfinite(found))
