"""Where people look, no credential is to be seen: events, log lines, exceptions, reprs."""

import asyncio
import base64
import json
import logging
import pickle
import traceback
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import raw_server
import structlog
from acme import Client, Connect
from raw_server import RawServer

import resilient
from resilient import credentials

CANARY = "canary-5d41402abc/4b2a76=b9719d911017"
"""It looks like a token, and differs from itself once it is encoded."""

FORMS = {
    CANARY,
    quote(CANARY),
    quote(CANARY, safe=""),
    quote(CANARY, safe="="),
    CANARY.replace("/", "\\/"),
    base64.b64encode(CANARY.encode()).decode(),
    base64.b64encode(f"user:{CANARY}".encode()).decode(),
}
OURS: dict[str, Any] = {
    place: {"kind": "api_key", "fields": [{"name": "x-key", "in": [place]}]}
    for place in ("header", "query", "form", "json")
}
THEIRS: dict[str, dict[str, Any]] = {
    "query": {"params": {"api_key": CANARY}},
    "query of another name": {"params": {"q": CANARY}},
    "path": {"path": f"/bot{quote(CANARY, safe='')}/things"},
    "header": {"headers": {"X-Key": CANARY, "Authorization": f"Bearer {CANARY}"}},
    "userinfo": {"userinfo": f"user:{quote(CANARY, safe='')}@"},
    "cookie": {"cookies": {"sid": CANARY}},
    "form": {"data": {"password": CANARY}},
    "json": {"json": {"password": CANARY}},
}


def _whole(status: str, *headers: str) -> raw_server.Answer:
    return raw_server.reply(raw_server.whole(status, b"{}", *headers))


FAULTS: dict[str, raw_server.Answer] = {
    "fail_fast": _whole("404 Not Found"),
    "retry": _whole("503 Unavailable"),
    "back_off": _whole("429 Slow", "Retry-After: 1"),
    "too long": _whole("429 Slow", "Retry-After: 10000"),
    "reauth": _whole("401 Unauthorized"),
    "reset": raw_server.reset(),
    "end in the head": raw_server.reply(
        f"HTTP/1.1 200 OK\r\nSet-Cookie: sid={CANARY}\r\nX: ".encode(), keep=False
    ),
    "garbage": raw_server.reply(b"garbage\r\n\r\n", keep=False),
    "stall": raw_server.stall,
    "cookie": _whole("404 Not Found", f"Set-Cookie: sid={CANARY}"),
    "success": raw_server.reply(),
}
SHORT = {
    name: {"action": name, "attempts": 2, "delay": {"base": "1s", "cap": "1s"}}
    for name in ("retry", "back_off")
}


@pytest.fixture(params=["logging", "structlog"])
def lines(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """What is logged, by either backend."""
    found: list[str] = []
    if request.param == "structlog":

        def keep(logger: object, method: str, line: Any) -> str:
            found.append(line)
            return str(line)

        structlog.configure(processors=[structlog.processors.JSONRenderer(), keep])
        structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
        yield found
        structlog.reset_defaults()
        return
    caplog.set_level(logging.DEBUG)
    handler = logging.Handler()
    handler.emit = lambda record: found.append(  # type: ignore[method-assign]
        f"{record.getMessage()} {record.__dict__}"
    )
    logging.getLogger().addHandler(handler)
    yield found
    logging.getLogger().removeHandler(handler)


def _of(error: BaseException) -> list[str]:
    """Return all that an exception may show, and its causes where a traceback shows them.

    The server's own words are for the user to look at, and for nobody else.
    """
    if isinstance(error, resilient.ApiError):
        error.body = b""
    return [
        str(error),
        repr(error),
        repr(error.args),
        repr(error.__dict__),
        repr(getattr(error, "__notes__", "")),
        repr(pickle.dumps(error)),
        *traceback.format_exception(error),
        repr(error.__cause__),
        repr(error.__context__),
    ]


async def _call(api: Client, **arguments: Any) -> list[str]:
    """Make a call that may fail, and return what can be seen of it."""
    path = arguments.pop("path", "/things")
    api.url = api.url.replace("//", f"//{arguments.pop('userinfo', '')}")
    found: list[str] = []
    try:
        await api.call("PUT", path, **arguments)
    except resilient.ResilientError as error:
        found = _of(error)
    seen: tuple[object, ...] = (
        api.events,
        [event.asdict() for event in api.events],
        api.middleware,
        api.middleware.config,
        api.middleware.state(),
        vars(api.middleware),
        list(api.middleware._directory),
    )
    return [*found, *map(repr, seen), *map(str, seen)]


def _check(seen: list[str], raw: RawServer) -> None:
    sent = [[hit.target, str(hit.headers), hit.body.decode()] for hit in raw.hits]
    assert any(form in text for form in FORMS for hit in sent for text in hit)
    assert [] == [text for text in seen if any(form in text for form in FORMS)]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("place", OURS)
async def test_ours(
    raw: RawServer, reach: Connect, lines: list[str], place: str, fault: str
) -> None:
    """What the library puts on a request is never shown, whatever happens to it."""
    raw.default = FAULTS[fault]
    body = {"json": {"a": 1}} if place == "json" else {"data": {"a": "1"}}
    async with reach(
        catalog={"credential": OURS[place]}, credentials=CANARY, policies=SHORT
    ) as api:
        seen = await _call(api, **body)
    _check([*seen, *lines], raw)
    assert lines or fault == "success"


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("place", THEIRS)
async def test_theirs(
    raw: RawServer, reach: Connect, lines: list[str], place: str, fault: str
) -> None:
    """Nor is what the caller put there."""
    raw.default = FAULTS[fault]
    async with reach(credentials=None, policies=SHORT, limits={}) as api:
        seen = await _call(api, **THEIRS[place])
    _check([*seen, *lines], raw)


@pytest.mark.parametrize("place", OURS)
async def test_no_connection(raw: RawServer, reach: Connect, place: str) -> None:
    """Nor where there was no connection: aiohttp's exception names the URL, and is the cause."""
    raw.then(raw_server.stall)
    timeout = aiohttp.ClientTimeout(total=None, connect=1)
    connector = aiohttp.TCPConnector(limit=1)
    async with reach(
        catalog={"credential": OURS[place]}, credentials=CANARY, policies=SHORT
    ) as api:
        body = {"json": {"a": 1}} if place == "json" else {"data": {"a": "1"}}
        api.http = aiohttp.ClientSession(
            middlewares=(api.middleware,), connector=connector, timeout=timeout
        )
        holding = asyncio.ensure_future(api.http.get(raw.url, middlewares=()))
        seen = await _call(api, params={"api_key": CANARY}, **body)
        holding.cancel()
        await api.http.close()
    assert [] == [text for text in seen if any(form in text for form in FORMS)]
    assert "ConnectionTimeoutError" in str(seen)


REPLIES: dict[str, bytes] = {
    "refused": raw_server.whole("400 Bad", b'{"error": "%s"}' % CANARY.encode()),
    "refused in a success": raw_server.whole("200 OK", b'{"error": "%s"}' % CANARY.encode()),
    "of another type": raw_server.whole("200 OK", b'{"access_token": ["%s"]}' % CANARY.encode()),
    "with a line break": raw_server.whole(
        "200 OK", b'{"access_token": "%s\\n", "refresh_token": "1"}' % CANARY.encode()
    ),
    "no JSON": raw_server.whole("200 OK", CANARY.encode()),
    "redirect": raw_server.whole("302 Found", b"", f"Location: http://x.test/?t={CANARY}"),
    "failed": raw_server.whole("500 Failed", CANARY.encode(), f"Set-Cookie: {CANARY}=1"),
    "end": b"",
    "good": raw_server.whole(
        "200 OK", b'{"access_token": "%s", "refresh_token": "%s"}' % ((CANARY.encode(),) * 2)
    ),
}


@pytest.mark.parametrize("reply", REPLIES)
async def test_token_reply(raw: RawServer, reach: Connect, lines: list[str], reply: str) -> None:
    """What comes from the token endpoint is never shown, nor what was sent there."""
    rule = {
        "kind": "oauth2",
        "fields": [{"name": "Authorization", "in": "header", "prefix": "Bearer "}],
        "token": {"url": "/token"},
    }
    pair = credentials.TokenPair(CANARY, CANARY)
    oauth = credentials.OAuth2("id", CANARY, lambda: pair, lambda pair: None)
    raw.then(FAULTS["reauth"], raw_server.reply(REPLIES[reply], keep=False), FAULTS["reauth"])
    async with reach(catalog={"credential": rule}, credentials=oauth, policies=SHORT) as api:
        seen = await _call(api)
    assert ["/things", "/token"] == [hit.target for hit in raw.hits[:2]]
    _check([*seen, *lines, repr(oauth), str(oauth), repr(pair)], raw)


FORGED = 'broken\r\n2026-11-21 ERROR "forged" \x1b[2J\x00\u2028\u202e\ud800'


@pytest.mark.parametrize("status", ["200 OK", "400 Bad", "503 Unavailable"])
async def test_forged_lines(raw: RawServer, reach: Connect, lines: list[str], status: str) -> None:
    """What a server calls an error can neither break a log line nor begin another."""
    body = json.dumps({"errors": [{"code": FORGED, "text": FORGED}]}).encode()
    raw.default = raw_server.reply(raw_server.whole(status, body))
    async with reach(credentials=None, policies=SHORT) as api:
        with pytest.raises(resilient.ApiError) as caught:
            await api.get(params={"q": FORGED[:-1], FORGED[:-1]: "1"})
        values = [value for event in api.events for value in event.asdict().values()]
    texts = [str(caught.value), str(caught.value.code), *filter(_is_text, values)]
    assert [] == [text for text in texts if not text.isprintable()]
    assert lines
    assert [] == [line for line in lines if "\n" in line or "\x1b" in line]


def _is_text(value: object) -> bool:
    return isinstance(value, str)
