import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.catalog import Envelope
from resilient.core.envelope import MOST_ERRORS, Reported, read, wants_body
from resilient.core.text import LONGEST_CODE, LONGEST_MESSAGE

FLAT = Envelope(
    format="json", statuses=("2xx", "4xx"), when="error", code=("code",), message=("error",)
)
MANY = Envelope(format="json", code=("errors[].type", "errors[].value"), message=("description",))
XML = Envelope(format="xml", code=("errors[].code",), message=("errors[].title", "errors[].detail"))
HTML = Envelope(format="html", statuses=("403", "5xx"))
TEXT = Envelope(format="text")
ALL = (FLAT, MANY, XML, HTML, TEXT)


def codes(envelope: Envelope, body: str | bytes, status: int = 400) -> list[str | None]:
    """Return what codes a body reports."""
    data = body.encode() if isinstance(body, str) else body
    return [each.code for each in read((envelope,), status=status, body=data).errors]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"error": "AK1", "code": "invalid_api_key"}', ["invalid_api_key"]),
        ('\ufeff{"error": "AK1", "code": "x"}', ["x"]),
        (' \n{"error": "AK1", "code": "x"}', ["x"]),
        ('{"error": "AK1", "code": 110}', ["110"]),
        ('{"error": "AK1", "code": 1.50}', ["1.50"]),
        ('{"error": "AK1", "code": 1e400}', ["1e400"]),
        ('{"error": "AK1", "code": " x "}', ["x"]),
        ('{"error": "AK1", "code": "0"}', ["0"]),
        ('{"error": "AK1"}', [None]),
        ('{"error": "AK1", "code": null}', [None]),
        ('{"error": "AK1", "code": true}', [None]),
        ('{"error": "AK1", "code": {"a": 1}}', [None]),
        ('{"error": {"a": 1}, "code": "x"}', ["x"]),
        ('{"error": "", "code": "x"}', []),
        ('{"error": null, "code": "x"}', []),
        ('{"error": false, "code": "x"}', []),
        ('{"error": 0, "code": "x"}', []),
        ('{"error": [], "code": "x"}', []),
        ('{"code": "x"}', []),
        ('{"result": {"error": "x", "code": "x"}}', []),
        ('["error"]', []),
        ('"error"', []),
        ('{"error": "AK1", "code": "x"', []),
        ("null", []),
        ("", []),
        ("   ", []),
    ],
)
def test_flat_json(body: str, expected: list[str | None]) -> None:
    """A code is a name whatever its type; only what `when` names, and holds, is an error."""
    assert expected == codes(FLAT, body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"errors": [{"type": "oauth", "value": "token_expired"}]}', ["oauth/token_expired"]),
        ('{"errors": [{"type": "oauth"}]}', ["oauth"]),
        ('{"errors": [{"type": "oauth", "value": ""}]}', ["oauth"]),
        ('{"errors": [{"type": "oauth", "value": null}]}', ["oauth"]),
        ('{"errors": [{"value": "token_expired"}]}', []),
        ('{"errors": {"type": "a", "value": "b"}}', ["a/b"]),
        ('{"errors": [{"type": "a"}, {"type": "b"}]}', ["a", "b"]),
        ('{"errors": [{"type": "a"}, 5, null, [], {"type": "b"}]}', ["a", "b"]),
        ('{"errors": [[{"type": "a"}]]}', []),
        ('{"errors": []}', []),
        ('{"errors": "text"}', []),
        ('{"errors": [{"type": "0"}]}', []),
    ],
)
def test_codes_of_several_parts(body: str, expected: list[str]) -> None:
    """The parts of a code are joined; absent last parts are left out; a single object is a list."""
    assert expected == codes(MANY, body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<r><errors><code>1</code></errors></r>", ["1"]),
        ("<r><errors><code> 1 </code></errors><errors><code>2</code></errors></r>", ["1", "2"]),
        ('<?xml version="1.0" encoding="UTF-8"?><r><errors><code>1</code></errors></r>', ["1"]),
        ('<?xml version="1.0" encoding="utf-99"?><r><errors><code>1</code></errors></r>', ["1"]),
        ('<r xmlns="urn:x"><errors><code>1</code></errors></r>', ["1"]),
        ("<r><errors><code/></errors></r>", []),
        ("<r><errors/></r>", []),
        ("<r><errors><code>1</code></errors>", []),
        ("<errors><code>1</code></errors>", []),
        ("<r>text</r>", []),
        ("<", []),
        ("<r/><r/>", []),
        ('<!DOCTYPE r [<!ENTITY a "1">]><r><errors><code>&a;</code></errors></r>', []),
        ('<!DOCTYPE r SYSTEM "file:///etc/passwd"><r><errors><code>1</code></errors></r>', []),
        ("<r><errors><code>&lt;b&gt;</code></errors></r>", ["<b>"]),
        ("<r><errors><code><![CDATA[1]]></code></errors></r>", ["1"]),
    ],
)
def test_xml(body: str, expected: list[str]) -> None:
    """Repeated elements are a list, the declaration is not trusted, a DTD is no answer at all."""
    assert expected == codes(XML, body)


def test_xml_in_other_charsets() -> None:
    """The charset of the content type counts, whatever the declaration says."""
    body = '<?xml version="1.0" encoding="utf-8"?><r><errors><code>ж</code></errors></r>'
    found = read((XML,), status=400, body=body.encode("cp1251"), charset="windows-1251")
    assert ["ж"] == [each.code for each in found.errors]


@pytest.mark.parametrize("depth", [100, 5000])
def test_deep_xml(depth: int) -> None:
    """A body nested without end is read as far as it may matter, and costs nothing more."""
    body = "<r>" + "<a>" * depth + "</a>" * depth + "<errors><code>1</code></errors></r>"
    assert codes(XML, body) in (["1"], [])


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"error": ' + "9" * 100_000 + ', "code": "x"',
        b"\x00" * 1000,
        b"\xff\xfe{",
        b'{"error": "\xff", "code": "\xed\xa0\x80"',
        "<a>" * 100_000,
        "<!DOCTYPE r [" + '<!ENTITY a "aaaaaaaaaa">' * 100 + "]><r>&a;</r>",
        '{"error": "\ud800"'.encode("utf-8", "surrogatepass"),
    ],
)
def test_hostile_bodies(body: str | bytes) -> None:
    """What cannot be read reports no code."""
    data = body.encode() if isinstance(body, str) else body
    found = read(ALL, status=400, body=data)
    assert all(each.code is None for each in found.errors)


@given(st.binary(max_size=300), st.sampled_from([200, 400, 403, 500]), st.none() | st.text())
def test_any_bytes(body: bytes, status: int, charset: str | None) -> None:
    """No bytes make reading fail."""
    found = read(ALL, status=status, body=body, charset=charset)
    assert found.matched == bool(found.errors)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "errors", "code", "type", "value"]), inner)
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json(document: Any) -> None:
    """A document of any shape reports codes that are short, printable texts, or none."""
    for each in read(ALL, status=400, body=json.dumps(document).encode()).errors:
        assert each.code is None or (each.code and LONGEST_CODE >= len(each.code))


def test_first_envelope_that_fits_wins() -> None:
    """Envelopes are tried in the order of the catalog."""
    body = b'{"error": "e", "code": "flat", "errors": [{"type": "many"}]}'
    assert "flat" == read((FLAT, MANY), status=400, body=body).errors[0].code
    assert "many" == read((MANY, FLAT), status=400, body=body).errors[0].code


@pytest.mark.parametrize(
    ("status", "expected"), [(200, ["x"]), (299, ["x"]), (400, ["x"]), (500, [])]
)
def test_statuses(status: int, expected: list[str]) -> None:
    """An envelope fits only the statuses that it comes with."""
    assert expected == codes(FLAT, '{"error": "e", "code": "x"}', status)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (403, "<html><title>403 Forbidden</title></html>", "403 Forbidden"),
        (502, "<!DOCTYPE html><p>Bad <b>Gateway</b>", "Bad Gateway"),
        (502, "<!-- x --><html>Bad Gateway</html>", "Bad Gateway"),
    ],
)
def test_pages(status: int, body: str, expected: str) -> None:
    """An HTML page is one error without a code; its words are the message."""
    assert (Reported(None, expected),) == read(ALL, status=status, body=body.encode()).errors


def test_plain_text() -> None:
    """A body that is no markup is one error, if the catalog has an envelope of text."""
    assert (Reported(None, "over capacity"),) == read(ALL, status=400, body=b"over capacity").errors
    assert () == read((FLAT,), status=400, body=b"over capacity").errors


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (500, b'{"message": "m"}', '{"message": "m"}'),
        (500, b"<p>PHP</p>", "<p>PHP</p>"),
        (404, b"<html><b>gone</b></html>", "gone"),
        (404, b"gone", "gone"),
        (200, b"Fatal error", "Fatal error"),
        (200, b"<br /><b>Fatal error</b>: boom", "<br /><b>Fatal error</b>: boom"),
        (200, b"<html>Fatal</html>", "Fatal"),
        (200, b'{"result": "Fatal error"}', ""),
        (200, b'{"result": "Fatal err', ""),
        (200, b"<r><a>Fatal error</a></r>", ""),
    ],
)
def test_loose_words(status: int, body: bytes, expected: str) -> None:
    """Where no envelope fits the whole body is text; a success in the API's format is data."""
    assert expected == read((FLAT, XML), status=status, body=body).text


def test_messages() -> None:
    """What is written beside an error is its message, else what is said of the whole response."""
    body = "<r><errors><code>1</code><title>a</title><detail>b</detail></errors></r>"
    assert "a; b" == read((XML,), status=400, body=body.encode()).errors[0].message
    whole = '{"description": "d", "errors": [{"type": "a"}, {"type": "b"}]}'
    assert ["d", "d"] == [
        each.message for each in read((MANY,), status=400, body=whole.encode()).errors
    ]


def test_nobody_elses_message() -> None:
    """An error without words of its own is not given another error's."""
    body = "<r><errors><code>1</code></errors><errors><code>2</code><title>b</title></errors></r>"
    assert ["", "b"] == [
        each.message for each in read((XML,), status=400, body=body.encode()).errors
    ]


def test_bounds() -> None:
    """Codes, messages and the number of errors are bounded, whatever the server writes."""
    long = json.dumps({"error": "e" * 10_000, "code": "c" * 10_000}).encode()
    (found,) = read((FLAT,), status=400, body=long).errors
    assert LONGEST_CODE + 1 == len(found.code or "")
    assert LONGEST_MESSAGE + 1 == len(found.message)
    many = json.dumps({"errors": [{"type": "a"}] * 1000}).encode()
    assert MOST_ERRORS == len(read((MANY,), status=400, body=many).errors)


def test_codes_forge_no_line() -> None:
    """A code that holds a line break is escaped."""
    assert [r"a\u000aresilient.started"] == codes(
        FLAT, r'{"error": "e", "code": "a\nresilient.started"}'
    )


@pytest.mark.parametrize(
    ("method", "status", "content_type", "expected"),
    [
        ("GET", 400, "image/png", True),
        ("GET", 599, "", True),
        ("GET", 400, "text/event-stream", False),
        ("HEAD", 400, "application/json", False),
        ("GET", 101, "application/json", False),
        ("GET", 199, "application/json", False),
        ("GET", 204, "application/json", False),
        ("GET", 205, "application/json", False),
        ("GET", 304, "application/json", False),
        ("GET", 399, "application/json", False),
        ("GET", 200, "application/json", True),
        ("POST", 299, "application/vnd.api+json", True),
        ("GET", 200, "text/html", True),
        ("GET", 200, "", True),
        ("GET", 200, "image/png", False),
        ("GET", 200, "application/xml", False),
        ("GET", 200, "text/event-stream", False),
    ],
)
def test_which_bodies_are_read(method: str, status: int, content_type: str, expected: bool) -> None:
    """Every error's body is, a success's only where an envelope may come in that format."""
    said: Any = {"method": method, "status": status, "content_type": content_type}
    assert expected == wants_body(ALL, **said)
    assert (status >= 400 and expected) == wants_body((MANY, HTML), **said)


@pytest.mark.parametrize(
    ("written", "content_types"),
    [
        ("json", ("application/json", "text/javascript", "text/plain", "text/html")),
        ("xml", ("application/xml", "application/problem+xml", "text/plain")),
        ("text", ("text/plain",)),
        ("html", ("text/html",)),
    ],
)
def test_content_types_that_fit(written: Any, content_types: tuple[str, ...]) -> None:
    """An API's own format is often sent as text, JSON even as HTML; nothing else is read."""
    every = ("application/json", "text/javascript", "application/xml", "application/problem+xml")
    fitting = [
        each
        for each in (*every, "text/plain", "text/html", "text/css")
        if wants_body(
            (Envelope(format=written, statuses=("200",)),),
            method="GET",
            status=200,
            content_type=each,
        )
    ]
    assert sorted(content_types) == sorted(fitting)
