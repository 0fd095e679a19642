import subprocess
import sys
from email.utils import formatdate
from fractions import Fraction

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from resilient.catalog import Catalog, HintRule, Limit, Source
from resilient.config.build_catalog import shipped
from resilient.core.counts import LONGEST, MOST
from resilient.core.hints import Hearing
from resilient.model import Hint

NOW = 1_800_000_000.0
EPOCH = int(NOW)
PLAIN = Catalog(
    name="plain",
    source=Source(document="d", read="r"),
    limits=(
        Limit(name="calls", calls=300, period=60.0, per=(("credential",),)),
        Limit(name="search", calls=5, period=1.0, per=(("credential",),)),
        Limit(name="daily", calls=8000, period=86400.0, per=(("credential",),)),
    ),
)
DECLARED = attrs.evolve(
    PLAIN,
    hints=(
        HintRule(limit="calls", calls="X-Limit", remaining="X-Left", reset="X-Reset"),
        HintRule(limit="search", used="X-Used"),
        HintRule(limit="gone", remaining="X-Gone", reset="X-Reset"),
        HintRule(remaining="X-All-Left", reset="X-All-Reset", milliseconds=True),
    ),
)
GENERIC = shipped("http")


def heard(
    *headers: tuple[str, str], catalog: Catalog = PLAIN, now: float = NOW
) -> tuple[Hint, ...]:
    """Return what headers say."""
    return Hearing.of(catalog, GENERIC).hints(CIMultiDict(headers), now=now)


def only(**said: object) -> tuple[Hint, ...]:
    """Return a single hint."""
    return (Hint(**said),)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ('"calls";r=50;t=30', only(limit="calls", remaining=50, reset=30.0)),
        ('"calls";r=0;t=1', only(limit="calls", remaining=0, reset=1.0)),
        ('"calls";t=30;x;r=1;pk=:cHJl:', only(limit="calls", remaining=1, reset=30.0)),
        ('"default";r=50;t=30', only(remaining=50, reset=30.0)),
        (
            '"a";r=1;t=2, "search";r=3;t=4',
            (Hint(remaining=1, reset=2.0), Hint(limit="search", remaining=3, reset=4.0)),
        ),
        ('"calls";r=50', ()),  # until when?
        ('"calls";r=50;t=0', ()),
        ('"calls";t=30', ()),
        ("", ()),
    ],
)
def test_what_is_left(field: str, found: tuple[Hint, ...]) -> None:
    """An item of RateLimit says what is left of the limit with its name, else of all."""
    assert found == heard(("ratelimit", field))


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ('"calls";q=100;w=60', only(limit="calls", calls=100, period=60.0)),
        ('"calls";q=2;w=1', only(limit="calls", calls=2, period=1.0)),
        ('"burst";q=4;w=10', only(calls=4, period=10.0)),
        ('"minute";q=200;w=60', only(limit="calls", calls=200, period=60.0)),
        ('"quota";q=5000;w=86400', only(limit="daily", calls=5000, period=86400.0)),
        ('"daily";q=500;w=3600', only(limit="daily", calls=500, period=3600.0)),
        ('"hour";q=1000;w=3600', ()),
        ('"calls";q=1000;w=3600', ()),
        ('"calls";q=100', ()),
        ('"calls";w=60', ()),
        ('"calls";q=0;w=60', ()),
        ('"calls";q=100;w=0', ()),
        ('"calls";q=100;w=60;qu="requests"', only(limit="calls", calls=100, period=60.0)),
        ('"calls";q=100;w=60;qu="content-bytes"', ()),
        ('"calls";q=100;w=60;qu="concurrent-requests"', ()),
    ],
)
def test_policies(field: str, found: tuple[Hint, ...]) -> None:
    """A policy is of the limit with its name or window; a long one sets no pace for a minute."""
    assert found == heard(("RateLimit-Policy", field))


def test_both_fields() -> None:
    """RateLimit takes its window, its limit and its unit from the policy of the same name."""
    policy = '"short";q=50;w=60, "bytes";q=1000000;w=60;qu="content-bytes", "day";q=800;w=86400'
    state = '"short";r=3, "bytes";r=0;t=60, "day";r=0;t=7'
    assert (
        Hint(limit="calls", calls=50, period=60.0),
        Hint(limit="daily", calls=800, period=86400.0),
        Hint(limit="calls", remaining=3, reset=60.0),
        Hint(limit="daily", remaining=0, reset=7.0),
    ) == heard(("RateLimit-Policy", policy), ("RateLimit", state))


def test_fields_in_several_lines() -> None:
    """A list that is split over several lines is one list (RFC 9651 section 3.1)."""
    lines = (("RateLimit", '"calls";r=1;t=2'), ("Date", "x"), ("ratelimit", '"search";r=3;t=4'))
    assert ["calls", "search"] == [hint.limit for hint in heard(*lines)]


@pytest.mark.parametrize(
    "field",
    [
        "calls;r=0;t=9",  # a token, as drafts before 08 had it
        "limit=100, remaining=0, reset=9",  # draft 07
        "100;r=0;t=9",
        '("calls");r=0;t=9',
        '"calls";r=0;t=9,',
        '"calls";r=0;t=9 x',
        '"calls";r=-1;t=9',
        '"calls";r=0;t=-9',
        '"calls";r=0.0;t=9',
        '"calls";r=0;t=9.5',
        '"calls";r="0";t=9',
        '"calls";r=?0;t=9',
        '"calls";r;t=9',
        '"calls";r=1000000001;t=9',
        '"calls";r=0;t=2678401',
        '"calls";r=0;t=9999999999999999',
        "'calls';r=0;t=9",
        '"c\u00e4lls";r=0;t=9',
        '"calls;r=0;t=9',
        "\ud800",
        '"' + "a" * 1100 + '";r=0;t=9',
        ", ".join(['"calls";r=0;t=9'] * 100),
    ],
)
def test_malformed(field: str) -> None:
    """What is not written as the draft has it, or is beyond all sense, is no hint."""
    assert () == heard(("RateLimit", field))
    assert () == heard(("RateLimit-Policy", field.replace(";r=", ";q=").replace(";t=", ";w=")))


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"X-Left": "5", "X-Reset": "30"}, {"remaining": 5, "reset": 30.0}),
        ({"x-left": "5", "x-RESET": "30"}, {"remaining": 5, "reset": 30.0}),
        ({"X-Left": "5"}, {"remaining": 5, "reset": 60.0}),
        ({"X-Left": "5", "X-Reset": "soon"}, {"remaining": 5, "reset": 60.0}),
        ({"X-Left": "599.5", "X-Reset": "1.5"}, {"remaining": 599, "reset": 1.5}),
        ({"X-Left": "5", "X-Reset": f"{EPOCH + 30}"}, {"remaining": 5, "reset": 30.0}),
        (
            {"X-Left": "5", "X-Limit": "100, 100;w=60"},
            {"calls": 100, "period": 60.0, "remaining": 5, "reset": 60.0},
        ),
        ({"X-Limit": "100"}, {"calls": 100, "period": 60.0}),
        ({"X-Used": "3"}, {"limit": "search", "remaining": 2, "reset": 1.0}),
        ({"X-Used": "32/40"}, {"limit": "search", "remaining": 8, "reset": 1.0}),
        ({"X-Used": "41 / 40"}, {"limit": "search", "remaining": 0, "reset": 1.0}),
        (
            {"X-All-Left": "0", "X-All-Reset": "1500"},
            {"limit": None, "remaining": 0, "reset": 1.5},
        ),
        (
            {"X-All-Left": "0", "X-All-Reset": f"{EPOCH}500"},
            {"limit": None, "remaining": 0, "reset": 0.5},
        ),
        ({"X-Left": "5", "X-Reset": f"{EPOCH - 1}"}, None),
        ({"X-Left": "5", "X-Reset": "0"}, None),
        ({"X-All-Left": "0"}, None),
        ({"X-Reset": "30"}, None),
        ({"X-Left": "-1", "X-Reset": "30"}, None),
        ({"X-Left": "many", "X-Reset": "30"}, None),
        ({"X-Left": "1000000001", "X-Reset": "30"}, None),
        ({"X-Limit": "0"}, None),
        ({"X-Used": "3/"}, None),
        ({"X-Used": "/40"}, None),
        ({"X-Gone": "0", "X-Reset": "30"}, None),  # the user has switched that limit off
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30"}, None),
    ],
)
def test_declared(headers: dict[str, str], found: dict[str, object] | None) -> None:
    """The headers of a catalog's own are read in the forms that vendors use."""
    wanted = () if found is None else only(**{"limit": "calls"} | found)
    assert wanted == heard(*headers.items(), catalog=DECLARED)


@pytest.mark.parametrize("prefix", ["X-RateLimit", "RateLimit", "x-ratelimit"])
def test_what_most_send(prefix: str) -> None:
    """Where a catalog declares nothing, what most servers send is of all limits of a call."""
    headers = ((f"{prefix}-Remaining", "7"), (f"{prefix}-Reset", f"{EPOCH + 9}"))
    assert only(remaining=7, reset=9.0) == heard(*headers)


def test_the_tightest_of_several() -> None:
    """Of a header that comes twice what tightens more counts."""
    headers = (("X-Left", "7"), ("X-Left", "4"), ("X-Left", "x"), ("X-Reset", "3"))
    assert only(limit="calls", remaining=4, reset=9.0) == heard(
        *headers, ("X-Reset", "9"), catalog=DECLARED
    )


def test_against_the_servers_clock() -> None:
    """A time of day is read against the response's own Date, so that a wrong clock harms none."""
    headers = (
        ("X-Left", "5"),
        ("X-Reset", f"{EPOCH + 5030}"),
        ("Date", formatdate(NOW + 5000, usegmt=True)),
    )
    assert only(limit="calls", remaining=5, reset=30.0) == heard(*headers, catalog=DECLARED)


@pytest.mark.parametrize(
    ("asked", "reset"), [("7", 7.0), ("90", 90.0), ("x", 30.0), ("0", None), ("9999999999", None)]
)
def test_retry_after_goes_first(asked: str, reset: float | None) -> None:
    """Where nothing is left, Retry-After says when to come again (section 7 of the draft)."""
    found = heard(("RateLimit", '"calls";r=0;t=30'), ("Retry-After", asked))
    assert (() if reset is None else only(limit="calls", remaining=0, reset=reset)) == found
    some = heard(("RateLimit", '"calls";r=1;t=30'), ("Retry-After", asked))
    assert only(limit="calls", remaining=1, reset=30.0) == some


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ('"calls";r=7;q=90;w=60', Hint(limit="calls", calls=22, period=60.0, remaining=1)),
        ('"calls";r=4;q=3;w=60', Hint(limit="calls", calls=1, period=80.0, remaining=1)),
        ('"calls";r=3;q=4;w=60', Hint(limit="calls", calls=1, period=60.0, remaining=0)),
    ],
)
def test_a_share(field: str, found: Hint) -> None:
    """Of what a server allows to all processes one takes its share, rounded down."""
    hearing = Hearing.of(PLAIN, GENERIC, Fraction(1, 4))
    headers = CIMultiDict({"RateLimit": f"{field};t=9", "RateLimit-Policy": field})
    policy, state = hearing.hints(headers, now=NOW)
    assert found == attrs.evolve(policy, remaining=state.remaining)


@pytest.mark.parametrize(("age", "is_heard"), [("0", True), ("1", False), ("x", True)])
def test_out_of_a_cache(age: str, is_heard: bool) -> None:
    """What a cache has kept tells of the past (section 7.3 of the draft)."""
    assert is_heard == bool(heard(("RateLimit", '"calls";r=0;t=30'), ("Age", age)))


NAMES = (
    *("RateLimit", "RateLimit-Policy", "X-Left", "X-Limit", "X-Used", "X-Reset", "X-Gone"),
    *("X-All-Left", "X-All-Reset", "Age", "Date", "Retry-After", "X-RateLimit-Remaining"),
)
PIECES = st.sampled_from(
    [
        *('"calls"', '"x"', ";r=", ";t=", ";q=", ";w=", ";qu=", ";pk=:", "0", "7", "-", ".", "/"),
        *(",", "9" * 15, "1e9", " ", "s", "ms", "m", "Z", "T", ":", "(", ")", "\\", '"', "\x00"),
        *("\ud800", "@", "%", "?"),
    ]
)
VALUES = st.one_of(
    st.text(max_size=80), st.lists(PIECES, max_size=12).map("".join), st.integers().map(str)
)


@given(st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=8))
@example([("RateLimit", '"calls";r=0;t=9'), ("X-Left", "0"), ("X-Used", "5/5")])
def test_any_headers(headers: list[tuple[str, str]]) -> None:
    """Whatever a server sends, reading it raises nothing and says only what can be kept."""
    for hint in heard(*headers, catalog=DECLARED):
        assert hint.limit in (None, "calls", "search", "daily")
        assert (hint.calls is None) == (hint.period is None)
        assert (hint.remaining is None) == (hint.reset is None)
        assert hint.calls is None or 1 <= hint.calls <= MOST
        assert hint.remaining is None or 0 <= hint.remaining <= MOST
        for seconds in (hint.period, hint.reset):
            assert seconds is None or 0 < seconds <= LONGEST


def test_what_is_listened_for() -> None:
    """A response without one of the headers named holds no hint; with one of them it may."""
    hearing = Hearing.of(DECLARED, GENERIC)
    declared = {"X-Limit", "X-Left", "X-Used", "X-All-Left"}
    assert {"RateLimit", "RateLimit-Policy"} | declared == set(hearing.names)
    assert hearing.concerns(CIMultiDict({"Date": "x", "x-left": "1"}))
    assert not hearing.concerns(CIMultiDict({"Date": "x", "X-Reset": "1"}))
    assert not Hearing.of(DECLARED, GENERIC).concerns(CIMultiDict({"X-RateLimit-Remaining": "1"}))
    assert Hearing.of(PLAIN, GENERIC).concerns(CIMultiDict({"X-RateLimit-Remaining": "1"}))


def test_loaded_when_it_is_sent() -> None:
    """What parses the fields is not loaded before a server sends them."""
    code = "import sys, resilient; sys.exit('http_sf' in sys.modules)"
    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode
