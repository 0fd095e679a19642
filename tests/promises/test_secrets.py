"""Where people look, no credential is to be seen: events, logs, exceptions, reprs, tracebacks."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import cycle, islice, product
from typing import Any
from urllib.parse import quote

import aiohttp
import attrs
import pytest
import raw_server
from acme import Client, Connect
from canary import Canary, Sinks, debugging, look_at, overhearing, token, word
from promises.conftest import Figure, Scale
from raw_server import RawServer

import resilient


def _whole(status: str, *headers: str, body: bytes = b"{}") -> raw_server.Answer:
    return raw_server.reply(raw_server.whole(status, body, *headers))


def _says(code: str) -> bytes:
    return b'{"errors": [{"code": "%s", "text": "?"}]}' % code.encode()


COOKIE = token("Set-Cookie")
FAULTS: dict[str, raw_server.Answer] = {
    "fail_fast": _whole("404 Not Found"),
    "retry": _whole("503 Unavailable"),
    "back_off": _whole("429 Slow", "Retry-After: 1"),
    "too long": _whole("429 Slow", "Retry-After: 10000"),
    "reauth": _whole("401 Unauthorized", "WWW-Authenticate: Bearer"),
    "block_warning": _whole("403 No", body=_says("shut_out")),
    "unmapped": _whole("400 Bad", body=_says("unheard_of")),
    "cookie": _whole("404 Not Found", f"Set-Cookie: sid={COOKIE.text}"),
    "redirect home": _whole("307 There", "Location: /things"),
    "redirect away": _whole("307 There", "Location: http://127.0.0.1:9/there"),
    "reset": raw_server.reset(),
    "end in the head": raw_server.reply(
        f"HTTP/1.1 200 OK\r\nSet-Cookie: sid={COOKIE.text}\r\nX: ".encode(), keep=False
    ),
    "garbage": raw_server.reply(b"garbage\r\n\r\n", keep=False),
    "long header": raw_server.reply(
        raw_server.whole("200 OK", b"{}", "X: " + "x" * 20_000), keep=False
    ),
    "cut off": raw_server.reply(raw_server.head("404 No", "Content-Length: 9"), keep=False),
    "stall": raw_server.stall,
    "success": raw_server.reply(),
}
SHORT = {
    name: {"action": name, "attempts": 2, "delay": {"base": "1s", "cap": "1s"}}
    for name in ("retry", "back_off")
}


@attrs.frozen
class Place:
    """Where a secret stands in a request, and whose it is.

    Attributes:
        rule: Where the catalog puts the credential; None: the caller puts it there himself.
    """

    canary: Canary
    arguments: dict[str, Any] = attrs.field(factory=dict)
    path: str = "/things"
    user: str = ""
    rule: dict[str, Any] | None = None


def _ours(place: str) -> Place:
    body: dict[str, Any] = {"json": {"a": 1}} if place == "json" else {"data": {"a": "1"}}
    rule = {"kind": "api_key", "fields": [{"name": "x-field", "in": [place]}]}
    return Place(word("ours" + place), body, rule=rule)


def _theirs() -> Iterator[tuple[str, Place]]:
    def at(place: str, make: Callable[[str], dict[str, Any]]) -> tuple[str, Place]:
        canary = word(place)
        return place, Place(canary, make(canary.text))

    def multipart(text: str) -> dict[str, Any]:
        form = aiohttp.FormData({"file": io.BytesIO(b"x")})
        form.add_field("password", text, content_type="text/plain")
        return {"data": form}

    yield at("query", lambda text: {"params": {"api_key": text}})
    yield at("query pair", lambda text: {"params": {"to": f"https://x.test/?token={text}"}})
    yield at("header", lambda text: {"headers": {"X-Key": text, "Authorization": f"Bearer {text}"}})
    yield at(
        "basic", lambda text: {"headers": {"Authorization": aiohttp.encode_basic_auth("u", text)}}
    )
    yield at("cookie", lambda text: {"cookies": {"sid": text}})
    yield at("form", lambda text: {"data": {"password": text}})
    yield at("json", lambda text: {"json": {"password": text}})
    yield at("multipart", multipart)
    named = token("query of another name")
    yield "query of another name", Place(named, {"params": {"q": named.text}})
    bare = token("bare query")
    yield "bare query", Place(bare, path=f"/things?{bare.text}")
    path = token("path")
    yield "path", Place(path, path=f"/bot{path.text}/things")
    session = word("path parameter")
    yield "path parameter", Place(session, path=f"/things;sid={quote(session.text, safe='')}")
    user = word("userinfo")
    yield "userinfo", Place(user, user=f"user:{quote(user.text, safe='')}@")
    part = word("fragment")
    yield "fragment", Place(part, path=f"/things#access_token={quote(part.text, safe='')}")


PLACES = {f"ours in {place}": _ours(place) for place in ("header", "query", "form", "json")}
PLACES |= dict(_theirs())
MODES = ("enforce", "observe", "return")


@asynccontextmanager
async def _client(reach: Connect, place: Place, mode: str) -> AsyncIterator[Client]:
    keys: dict[str, Any] = {"mode": "observe"} if mode == "observe" else {}
    keys |= {"on_error": "return"} if mode == "return" else {}
    catalog = {"credential": place.rule} if place.rule else {}
    credentials = place.canary.text if place.rule else None
    async with reach(catalog=catalog, credentials=credentials, policies=SHORT, **keys) as api:
        api.url = api.url.replace("//", f"//{place.user}")
        yield api


async def _call(sinks: Sinks, api: Client, place: Place) -> None:
    """Make calls, the second in a scope that the first may have shut, and look at all of it."""
    for _ in range(2):
        try:
            with resilient.options(timeout=30):
                async with asyncio.timeout(60):  # merely observed, it would wait for ever
                    response = await api.call("PUT", place.path, **place.arguments)
        except resilient.ResilientError as error:
            sinks.catch(error)
        except (aiohttp.ClientError, TimeoutError):
            pass  # aiohttp's own: when only observed, and where it follows redirects
        else:
            sinks.add("failure", resilient.failure(response))
    look_at(sinks, api.middleware)
    sinks.add("events", *api.events, [event.asdict() for event in api.events])


@pytest.mark.parametrize("name", PLACES)
async def test_every_fault(
    raw: RawServer, reach: Connect, name: str, *, scale: Scale, figure: Figure
) -> None:
    """No secret is shown, whoever put it on a request, wherever, and whatever happens to it."""
    place, sinks, runs = PLACES[name], Sinks(), 0
    # Each run takes the next of the six, so that all of them come with each fault.
    ways = islice(cycle(product(FAULTS, MODES, (False, True))), len(name), None, scale(7, 1))
    for fault, mode, structured in islice(ways, scale(8, 6 * len(FAULTS))):
        raw.default = FAULTS[fault]
        with overhearing(sinks, structured=structured):
            async with _client(reach, place, mode) as api:
                await _call(sinks, api, place)
        runs += 1
    assert [] == sinks.hits(place.canary, COOKIE)
    assert _is_sent(raw, place)
    assert 200 < len(sinks.seen)
    figure("J1", f"hits ({name})", 0, of=f"{runs} ways to fail, {len(sinks.seen):,} texts")


def _is_sent(raw: RawServer, place: Place) -> bool:
    """Tell whether the search would have found it, had it been looked for on the wire."""
    sent = [f"{hit.target} {hit.headers} {hit.body!r}" for hit in raw.hits]
    return bool(place.path.count("#")) or any(place.canary.is_in(text) for text in sent)


async def test_debug_of_asyncio(raw: RawServer, reach: Connect) -> None:
    """In asyncio's debug mode, too, what the library gives the loop shows no secret."""
    place, sinks = PLACES["ours in query"], Sinks()
    raw.default = FAULTS["back_off"]
    with overhearing(sinks), debugging():
        async with _client(reach, place, "enforce") as api:
            await _call(sinks, api, place)
    assert any("log asyncio" == sink for sink, _ in sinks.seen)
    assert [] == sinks.hits(place.canary)


@pytest.mark.parametrize("name", ["query", "header", "path", "userinfo"])
async def test_naive(raw: RawServer, name: str) -> None:
    """What aiohttp raises by itself does not stand the same search."""
    place, sinks = PLACES[name], Sinks()
    raw.default = FAULTS["fail_fast"]
    url = raw.url.replace("//", f"//{place.user}") + place.path
    async with aiohttp.ClientSession(raise_for_status=True) as http:
        with pytest.raises(aiohttp.ClientResponseError) as caught:
            await http.put(url, **place.arguments)
    sinks.catch(caught.value)
    assert [] != sinks.hits(place.canary)


async def test_exception_of_aiohttp(raw: RawServer, reach: Connect) -> None:
    """An answer is aiohttp's to raise, if the caller wants it so, and that shows the URL."""
    place, sinks = PLACES["ours in query"], Sinks()
    raw.default = FAULTS["fail_fast"]
    catalog = {"credential": place.rule}
    async with reach(catalog=catalog, credentials=place.canary.text, statuses={404: "none"}) as api:
        with pytest.raises(aiohttp.ClientResponseError) as caught:
            await api.get(raise_for_status=True)
    assert not isinstance(caught.value, resilient.ResilientError)
    sinks.catch(caught.value)
    assert [] != sinks.hits(place.canary)
