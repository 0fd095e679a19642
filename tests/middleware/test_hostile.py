"""Servers that break, lie or attack, over the wire: only the documented errors, in bounds."""

import gzip
import json
from collections.abc import Callable
from typing import Any

import acme
import aiohttp
import pytest
import raw_server
from acme import Connect
from raw_server import RawServer

import resilient

ENVELOPES = [
    *acme.CATALOG["envelopes"],
    {"format": "xml", "status": ["2xx", "4xx", "5xx"], "code": "error.code"},
    {"format": "xml", "status": ["2xx", "4xx", "5xx"], "code": "code"},
]
WRONG = b'{"errors": [{"code": "wrong"}]}'
XML = "<r><error><code>wrong</code></error></r>"
ENTITY = f'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY e "wrong">]>{XML.replace("wrong", "&e;")}'
OUTSIDE = ENTITY.replace('"wrong"', 'SYSTEM "file:///etc/passwd"')
LAUGHS = (
    "<!DOCTYPE r [<!ENTITY a 'ha'>"
    + "".join(
        f"<!ENTITY {b} '{f'&{a};' * 10}'>" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]><r>&i;</r>"
)
UNREADABLE: dict[str, bytes] = {
    "deep": b"[" * 60_000,
    "deep objects": b'{"errors":' * 6000,
    "truncated": WRONG[:-3],
    "two documents": WRONG * 2,
    "a text": b'"errors"',
    "a number": b"1e400",
    "null": b"null",
    "of other types": b'{"errors": {"code": {"a": []}}}',
    "of other types in a list": b'{"errors": [null, 1, "x", [], {"code": null}, {"code": [1]}]}',
    "zeros": b"\0" * 1000,
    "white space": b" \n" * 1000,
    "bytes": bytes(range(256)) * 10,
    "HTML": b"<!DOCTYPE html><html><h1>502 Bad Gateway</h1></html>",
    "open tags": b"<" * 60_000,
    "open scripts": b"<script " * 8000,
    "deep XML": b"<r>" * 20_000,
    "deep XML, closed": b"<r>" * 8000 + b"</r>" * 8000,
    "a DTD": f"<!DOCTYPE r>{XML}".encode(),
    "an entity": ENTITY.encode(),
    "an entity from outside": OUTSIDE.encode(),
    "a billion laughs": LAUGHS.encode(),
    "an unknown encoding": b'<?xml version="1.0" encoding="utf-99"?><r',
    "too long": b'{"errors": [{"code": "' + b"x" * 70_000 + b'"}]}',
}
READABLE: dict[str, tuple[bytes, str]] = {
    "a huge number": (b'{"errors": [{"code": %s}]}' % (b"9" * 5000), "9" * 200 + "…"),
    "NaN": (b'{"errors": [{"code": NaN}]}', "NaN"),
    "infinite": (b'{"errors": [{"code": 1e400}]}', "1e400"),
    "a key twice": (b'{"errors": [{"code": "x", "code": "wrong"}]}', "wrong"),
    "half a character": (b'{"errors": [{"code": "\\ud800"}]}', "\\ud800"),
    "UTF-8 with a mark": (b"\xef\xbb\xbf" + WRONG, "wrong"),
    "UTF-16": (WRONG.decode().encode("utf-16"), "wrong"),
    "UTF-32": (WRONG.decode().encode("utf-32"), "wrong"),
    "Latin-1": (b'{"errors": [{"code": "wrong", "text": "\xe9"}]}', "wrong"),
    "very many": (b'{"errors": [' + b'{"code": "wrong"},' * 3000 + b"{}]}", "wrong"),
    "one that is none": (b'{"errors": [{"code": ""}, {"code": "wrong"}]}', "wrong"),
    "XML": (XML.encode(), "wrong"),
    "XML that lies": (b'<?xml version="1.0" encoding="utf-16"?>' + XML.encode(), "wrong"),
}
STATUSES = ("200 OK", "400 Bad Request", "503 Unavailable")
ONCE = {
    name: {"action": name, "attempts": 1, "delay": {"base": "1s", "cap": "1s"}}
    for name in ("retry", "back_off")
}
Open = Callable[..., Any]


@pytest.fixture
def opened(reach: Connect) -> Open:
    """Open a client that is handed every response, failure or not."""

    def once(**keys: Any) -> Any:
        catalog = {"envelopes": ENVELOPES}
        return reach(**{"catalog": catalog, "policies": ONCE, "on_error": "return", **keys})

    return once


@pytest.mark.parametrize("kind", ["application/json", "text/xml; charset=utf-16", "text/html"])
@pytest.mark.parametrize("body", UNREADABLE)
async def test_unreadable(raw: RawServer, opened: Open, body: str, kind: str) -> None:
    """What cannot be read reports nothing: the status decides, and the caller has it all."""
    async with opened() as api:
        for status in STATUSES:
            answer = raw_server.whole(status, UNREADABLE[body], f"Content-Type: {kind}")
            raw.then(raw_server.reply(answer))
            async with api.http.get(api.url) as response:
                assert UNREADABLE[body] == await response.read()
            failure = resilient.failure(response)
            assert (status == "200 OK") is (failure is None)
            assert failure is None or failure.code is None


@pytest.mark.parametrize("body", READABLE)
async def test_readable(raw: RawServer, opened: Open, body: str) -> None:
    """What is odd, and can be read all the same, is."""
    content, code = READABLE[body]
    kind = "application/xml" if content.startswith(b"<") else "application/json"
    async with opened() as api:
        for status in STATUSES:
            answer = raw_server.whole(status, content, f"Content-Type: {kind}")
            raw.then(raw_server.reply(answer))
            async with api.http.get(api.url) as response:
                assert content == await response.read()
            failure = resilient.failure(response)
            assert failure is not None
            assert code == failure.code


HEADERS = (
    "Content-Type: application/json; charset=utf-99",
    "Content-Type: application/json; charset=zip",
    "Content-Type: application/json; charset*=utf-8''x%FF",
    "Content-Type: application/json; charset*0=u; charset*1=tf-8",
    'Content-Type: application/json; charset="utf-8',
    "Retry-After: -1",
    "Retry-After: NaN",
    "Retry-After: 1e9",
    "Retry-After: 1_000",
    "Retry-After: \xd9\xa3",
    "Retry-After: 1, 2",
    "Retry-After: Fri, 00 Foo 2026 99:99:99 GMT",
    "Retry-After: Fri, 31 Dec 0000 23:59:59 GMT",
    "Date: nonsense\r\nRetry-After: x",
    "Set-Cookie: =;;;==\xff",
    "Link: <<<<",
    "X: " + "x" * 8000,
    "\r\n".join(f"X-{n}: x" for n in range(100)),
)


@pytest.mark.parametrize("header", HEADERS)
async def test_header(raw: RawServer, opened: Open, header: str) -> None:
    """A malformed header is nothing that was said: the body and the status count as ever."""
    slow = b'{"errors": [{"code": "slow_down"}]}'
    raw.then(
        raw_server.reply(raw_server.whole("400 Bad", WRONG, header)),
        raw_server.reply(raw_server.whole("429 Slow", slow, header)),
    )
    async with opened(max_queue=5) as api:
        failures = [resilient.failure(await api.get()) for _ in range(2)]
        said = [(each.code, each.retry_after) for each in failures if each]
        assert [("wrong", None), ("slow_down", None)] == said
        pauses = [event["delay"] for event in api.told("scope_paused")]
    assert [0.5] == pauses


@pytest.mark.parametrize("coding", ["gzip", "deflate", "bogus"])
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("cut", [True, False], ids=["cut off", "not encoded"])
async def test_coding(raw: RawServer, opened: Open, status: str, coding: str, cut: bool) -> None:
    """A body that cannot be unpacked is the caller's to meet, as with aiohttp."""
    body = gzip.compress(WRONG * 100)[:-20] if cut else WRONG
    answer = raw_server.whole(status, body, f"Content-Encoding: {coding}")
    raw.then(raw_server.reply(answer, keep=False))
    async with opened() as api:
        async with api.http.get(api.url) as response:
            try:
                await response.read()
            except aiohttp.ClientPayloadError:
                assert coding != "bogus"
        assert {0} == {each.in_flight for each in api.middleware.state().values()}


@pytest.mark.parametrize("status", STATUSES)
async def test_truncated(raw: RawServer, opened: Open, status: str) -> None:
    """Of a body that is cut off the status is known, and the rest is the caller's to meet."""
    answer = raw_server.head(status, "Content-Length: 100") + WRONG
    raw.then(raw_server.reply(answer, keep=False))
    async with opened() as api, api.http.get(api.url) as response:
        assert int(status[:3]) == response.status
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


def test_many_errors_of_one_response() -> None:
    """A response of thousands of errors is read up to a bound."""
    body = json.dumps({"errors": [{"code": "oauth", "value": "x"}] * 3000}).encode()
    failure = resilient.classify("hh", status=400, headers={}, body=body, url="/", method="GET")
    assert failure is not None
    assert 100 >= len(failure.found)
