import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.config import units
from resilient.config.schema import Rate


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", 5.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("200ms", 0.2),
        ("30s", 30.0),
        ("5m", 300.0),
        ("1h", 3600.0),
        ("1d", 86400.0),
        ("1.5h", 5400.0),
        ("5 m", 300.0),
        *((text, None) for text in ("", "s", "-5s", "5 min", "1h30m", "1:30", "5S", "1e3s", ".5s")),
    ],
)
def test_seconds(text: str, expected: float | None) -> None:
    """A duration is a number with its unit, or seconds."""
    assert expected == units.seconds(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7/s", (7, 1.0)),
        ("200/10s", (200, 10.0)),
        ("1200/min", (1200, 60.0)),
        ("1600/h", (1600, 3600.0)),
        ("8000/day", (8000, 86400.0)),
        ("10 / 500 ms", (10, 0.5)),
        ("5/Hour", (5, 3600.0)),
        ("5/m", (5, 60.0)),
        *(
            (text, None)
            for text in ("", "7", "7/", "/s", "0/s", "7/0s", "-7/s", "7/week", "7.5/s", "7/1.5s")
        ),
    ],
)
def test_rate(text: str, expected: tuple[int, float] | None) -> None:
    """A rate is calls per period, neither of them nothing."""
    found = units.rate(text)
    assert found == (None if expected is None else Rate(calls=expected[0], period=expected[1]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1/4", Fraction(1, 4)),
        ("0.25", Fraction(1, 4)),
        ("1", Fraction(1)),
        ("1.0", Fraction(1)),
        ("2/4", Fraction(1, 2)),
        *(
            (text, None)
            for text in (
                "0",
                "0/4",
                "1/0",
                "5/4",
                "2",
                "-1/4",
                "1e-1",
                "1_0/2_0",
                "nan",
                "",
                "1/4/2",
            )
        ),
    ],
)
def test_share(text: str, expected: Fraction | None) -> None:
    """A share is above nothing and at most all."""
    assert expected == units.share(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("api.x.com", "api.x.com"),
        ("API.X.com", "api.x.com"),
        ("api.x.com.", "api.x.com."),
        ("*.amocrm.ru", "*.amocrm.ru"),
        ("*.amocrm.ru:8443", "*.amocrm.ru:8443"),
        ("localhost:1", "localhost:1"),
        ("127.0.0.1:65535", "127.0.0.1:65535"),
        ("[::1]", "[::1]"),
        ("[::1]:80", "[::1]:80"),
        ("my_host", "my_host"),
        *(
            (text, None)
            for text in (
                "",
                "*",
                "*.",
                "a.*.b",
                "*x.ru",
                "http://x",
                "x/y",
                "x:0",
                "x:65536",
                "x:",
                "a b",
                "a..b",
                ".a",
                "-a",
                "::1",
                "user@x",
                "x?y",
                "a" * 64,
                "a." * 140,
            )
        ),
    ],
)
def test_host(text: str, expected: str | None) -> None:
    """A host is a name or an address, maybe of all subdomains, maybe with its port."""
    assert expected == units.host(text)


@pytest.mark.parametrize(
    "text", ["a" * 100_000 + "!", "a-" * 50_000 + "!", "a." * 50_000 + "!", "[" + ":" * 90_000]
)
def test_hosts_are_read_in_linear_time(text: str) -> None:
    """A name made to keep every choice open is refused at once."""
    begun = time.process_time()
    assert units.host(text) is None
    assert 1.0 > time.process_time() - begun


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("600", 600),
        ("-1", -1),
        *((t, None) for t in ("012", "1_000", "6e2", "+6", "", "1.0", "9" * 13)),
    ],
)
def test_integer(text: str, expected: int | None) -> None:
    """A whole number is written in digits."""
    assert expected == units.integer(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.5", 0.5),
        ("-1.25", -1.25),
        ("3", 3.0),
        *((t, None) for t in (".5", "1e3", "nan", "inf", "012", "1.")),
    ],
)
def test_number(text: str, expected: float | None) -> None:
    """A number is written in digits, maybe with a point between."""
    assert expected == units.number(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("404", "404"),
        ("4xx", "4xx"),
        ("5XX", "5xx"),
        ("xxx", None),
        ("6xx", None),
        ("40x", None),
        ("4040", None),
    ],
)
def test_status_class(text: str, expected: str | None) -> None:
    """A status is one, or a class of them."""
    assert expected == units.status_class(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("GET", "GET"), ("get", None), ("", None), ("A B", None)]
)
def test_method(text: str, expected: str | None) -> None:
    """A method is written in capitals."""
    assert expected == units.method(text)


@given(st.text())
def test_any_text(text: str) -> None:
    """No text makes reading fail."""
    for read in (units.seconds, units.rate, units.share, units.host, units.method, units.integer):
        read(text)
