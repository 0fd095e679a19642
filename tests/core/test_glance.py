import json

import attrs
import pytest
import strategies
from hypothesis import example, given
from hypothesis import strategies as st

from resilient.catalog import Catalog, Entry, Envelope, Source
from resilient.config.build_catalog import shipped
from resilient.config.resources import names
from resilient.core.classify import recognise
from resilient.core.envelope import read, wants_body
from resilient.core.glance import ASCII_LIKE, Glance
from resilient.model import Exchange

SHIPPED = {name: shipped(name) for name in names("catalogs")}
GENERIC = SHIPPED["http"]
BARE = Catalog(name="acme", source=Source(document="ours", read="2026-11-21"))
FLAT = Envelope(format="json", statuses=("2xx",), when="error", code=("code",))
A_1 = attrs.evolve(FLAT, when="A-1")

steps = st.sampled_from([*strategies.KEYS, "[]", "é", "a/b", 'a"b', " ", "A-1"])
paths = st.lists(steps, max_size=3).map(".".join)
envelopes = st.builds(
    Envelope,
    format=st.sampled_from(["json", "json", "xml", "text", "html"]),
    statuses=st.lists(st.sampled_from(["200", "2xx", "3xx", "4xx"]), min_size=1).map(tuple),
    when=st.none() | paths,
    code=st.lists(paths, max_size=2).map(tuple),
)


def escaped(pair: tuple[object, str]) -> bytes:
    """Return a document in which a letter of ASCII is written as an escape wherever it stands."""
    document, letter = pair
    return json.dumps(document).replace(letter, f"\\u{ord(letter):04X}").encode()


flat_errors = st.dictionaries(st.sampled_from(["error", "code", "A-1"]), st.just("x"))
spelt = st.tuples(flat_errors, st.sampled_from("eodA")).map(escaped)


def glance(*of: Envelope) -> Glance:
    """Return what can be told at once of a catalog with these envelopes."""
    return Glance.of(attrs.evolve(BARE, envelopes=of), GENERIC)


def test_status() -> None:
    """Below 400 a status is quiet unless an entry of either catalog makes it an error."""
    entry = Entry(kind="status", name="moved", status=302, endpoint="login", policy="reauth")
    answer = attrs.evolve(entry, status=404, policy="none")
    odd = attrs.evolve(BARE, statuses={302: (entry,), 201: (answer,), 404: (answer,)})
    expected = set(range(100, 400)) - {302}
    assert expected == Glance.of(odd, BARE).quiet == Glance.of(BARE, odd).quiet


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped(name: str) -> None:
    """Of what is shipped the usual successes are quiet."""
    assert {200, 201, 202, 204, 301, 304} <= Glance.of(SHIPPED[name], GENERIC).quiet


def test_unread() -> None:
    """Where no envelope comes with a status, the status alone tells; so where no body comes."""
    assert {101, 204, 302, 304} <= glance(FLAT).unread
    assert 200 in glance().unread
    assert 200 not in glance(FLAT).unread


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", True),
        (b'{"result": {"code": "error"}}', False),
        (b'{"result": "an error"}', True),
        (b' \r\n\t{"result": []}', True),
        (b'[{"result": []}]', True),
        (b'{"error" : "x", "code": 1}', False),
        (rb'{"\u0065rror": "x"}', False),
        (rb'{"name": "\u0418\u0432\u0430\u043d"}', True),
        (b"error", False),
        (b"<html>", False),
        ("\ufeff{}".encode(), False),
        ('{"error": "x"}'.encode("utf-16-le"), True),
    ],
)
def test_json(body: bytes, expected: bool) -> None:
    """A JSON body without the key that an envelope looks for is silent, all else is read."""
    assert expected == glance(FLAT).is_silent(200, body)


def test_all_keys() -> None:
    """Each envelope needs all the keys of its path; one that has them is enough."""
    deep = attrs.evolve(FLAT, when="response.error_code")
    assert glance(deep).is_silent(200, b'{"response": {}}')
    assert not glance(deep).is_silent(200, b'{"response": {"error_code": 1}}')
    assert not glance(deep, FLAT).is_silent(200, b'{"error": 1}')


@pytest.mark.parametrize("charset", ["utf-16", "utf-7", "cp037", "utf-99", "zip", ""])
def test_other_charsets(charset: str) -> None:
    """In a charset where a byte may mean another character nothing is certain."""
    assert not glance(FLAT).is_silent(200, b"{}", charset)


@pytest.mark.parametrize("charset", sorted(ASCII_LIKE))
def test_ascii_like(charset: str) -> None:
    """What counts as ASCII-like has ASCII where ASCII has it, and nowhere else."""
    high = bytes(range(128, 256)).decode(charset, "replace")
    assert bytes(range(128)).decode() == bytes(range(128)).decode(charset)
    assert not any(each.isascii() for each in high)
    assert glance(FLAT).is_silent(200, b"{}", charset.upper())


@given(
    of=st.lists(envelopes, max_size=3),
    status=st.sampled_from([100, 200, 204, 302, 304, 400, 500]),
    body=strategies.bodies | spelt | flat_errors.map(lambda each: json.dumps(each).encode()),
    charset=st.sampled_from([None, "utf-8", "UTF8", "utf-16", "cp037", "windows-1251", "zip"]),
)
@example(of=[FLAT, A_1], status=200, body=b'{"error": 1}', charset=None)
@example(of=[FLAT], status=200, body=rb'{"\u0065rror": 1}', charset=None)
def test_never_wrong(of: list[Envelope], status: int, body: bytes, charset: str | None) -> None:
    """What is silent at a glance reports no error, and no text to search, when it is read."""
    if glance(*of).is_silent(status, body, charset):
        reading = read(of, status=status, body=body, charset=charset)
        assert ((), "") == (reading.errors, reading.text.strip())


@given(strategies.responses())
def test_never_wrong_of_shipped(response: strategies.Response) -> None:
    """No response that a shipped catalog recognises is silent at a glance."""
    catalog = SHIPPED[response.catalog]
    seen = Exchange(method=response.method, status=response.status, body=response.body)
    if Glance.of(catalog, GENERIC).is_silent(response.status, response.body):
        assert all(each.entry.policy == "none" for each in recognise(seen, catalog, GENERIC))


@given(
    of=st.lists(envelopes, max_size=3),
    status=st.integers(100, 599),
    content_type=st.sampled_from(
        ["", "application/json", "text/html", "text/plain", "text/event-stream", "image/png"]
    ),
)
def test_wants_body(of: list[Envelope], status: int, content_type: str) -> None:
    """A body is wanted at a glance where it is wanted."""
    expected = wants_body(of, method="GET", status=status, content_type=content_type)
    assert expected == glance(*of).wants_body(status, content_type)
