import pytest

from resilient.core.counts import LONGEST, count, count_of_total, moment

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("1m30s", 90.0),
        ("6m0s", 360.0),
        ("1h", 3600.0),
        ("2m59.56s", 179.56),
        ("12ms", 0.012),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30.0),
        ("2027-01-15T08:00:30Z", 30.0),
        ("2027-01-15T11:00:30+03:00", 30.0),
        ("2027-01-15T07:00:00Z", 0.0),
        ("2027-01-15T08:00:30", None),  # where?
        ("2678400", LONGEST),
        ("2678401", None),
        ("0001-01-01T00:00:00+23:59", 0.0),
        ("9999-12-31T23:59:59-23:59", None),
        ("1e3", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("\u0663\u0660", None),
        ("", None),
        ("1m 30s", None),
        ("9" * 16, None),
        ("2027-01-15T08:00:30.000000000000000000000000000000Z", None),
    ],
)
def test_moments(text: str, wait: float | None) -> None:
    """A moment is read in all forms in use, and nothing else is a moment."""
    assert wait == moment(text, lambda: NOW)


def test_a_number_of_milliseconds() -> None:
    """Where a vendor counts milliseconds, a number is that, and a time of day, too."""
    assert 1.5 == moment("1500", lambda: NOW, milliseconds=True)
    assert 1.5 == moment(f"{NOW:.0f}500", lambda: NOW - 1, milliseconds=True)
    assert 90.0 == moment("1m30s", lambda: NOW, milliseconds=True)


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("100", 100),
        ("99.9", 99),
        ("0", 0),
        ("007", 7),
        ("100, 100;w=60", 100),
        ("100;w=60", 100),
        ("1000000000", 10**9),
        ("1000000001", None),
        ("-1", None),
        ("+1", None),
        ("1e3", None),
        ("0x10", None),
        ("1_000", None),
        ("100 calls", None),
        ("\u0663", None),
        ("", None),
        ("9" * 16, None),
    ],
)
def test_counts(text: str, calls: int | None) -> None:
    """A count is a plain number, or the first of the list that older drafts send."""
    assert calls == count(text)
    assert (calls, None) == count_of_total(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("32/40", (32, 40)),
        ("32 / 40", (32, 40)),
        ("0/0", (0, 0)),
        ("32/", (None, None)),
        ("32/40/50", (None, None)),
        ("32/4000000000", (32, None)),
    ],
)
def test_counts_of_a_total(text: str, found: tuple[int | None, int | None]) -> None:
    """A part of a total is both of its numbers."""
    assert found == count_of_total(text)
