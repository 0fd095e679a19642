"""What is known of a response besides its body is as without us, and so is letting go of it."""

import acme
import aiohttp
import pytest
import raw_server
from acme import Connect
from aiohttp import ClientResponse
from promises.conftest import Figure
from raw_server import RawServer
from server import Server

import resilient

HEADERS = (
    "Content-Type: application/json; charset=utf-8",
    "X-CaSe: Kept",
    "X-Twice: 1",
    "X-Twice: 2",
    "Set-Cookie: sid=1; Path=/; HttpOnly",
    'Set-Cookie: other="2"; Max-Age=60',
    'Link: </next>; rel="next"',
)
STATUSES = ("200 OK", "201 Made", "204 Nothing", "404 Not Here", "503 Soon", "299 Odd")
ONCE = {name: {"action": name, "attempts": 1} for name in ("retry", "back_off")}


def known(response: ClientResponse) -> dict[str, object]:
    """Return what a response tells of itself."""
    return {
        "status": (response.status, response.reason, response.version, response.ok),
        "raw_headers": response.raw_headers,
        "headers": list(response.headers.items()),
        "cookies": response.cookies.output(),
        "url": (response.url, response.real_url, response.method, response.host),
        "type": (response.content_type, response.charset, response.get_encoding()),
        "history": [(each.status, str(each.url)) for each in response.history],
        "links": list(response.links),
        "ended": (response.content.at_eof(), response.closed),
    }


async def seen(raw: RawServer, http: aiohttp.ClientSession) -> list[dict[str, object]]:
    """Return what responses of every status tell, those at the end of redirects, too."""
    found = []
    hops = [raw_server.whole(f"{n} Elsewhere", b"", f"Location: /{n}") for n in (301, 302, 307)]
    for status in STATUSES:
        body = b"" if status.startswith("204") else b"{}" + b" " * 100_000
        raw.then(*(raw_server.reply(each) for each in hops))
        raw.then(raw_server.reply(raw_server.whole(status, body, *HEADERS)))
        async with http.get(raw.url + "/things") as response:
            await response.read()
            found.append(known(response))
    return found


async def test_what_is_known(raw: RawServer, reach: Connect, figure: Figure) -> None:
    """Status, headers, cookies, history and all that is what plain aiohttp says of it."""
    async with aiohttp.ClientSession() as http:
        expected = await seen(raw, http)
    async with reach(on_error="return", policies=ONCE) as api:
        assert expected == await seen(raw, api.http)
    figure("B5", "attributes that differ from plain aiohttp's", 0, of=sum(map(len, expected)))


async def test_what_is_known_naively(raw: RawServer) -> None:
    """The comparison finds a middleware that spoils the history by looking at it."""

    async def raising(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> ClientResponse:
        response = await handler(request)
        assert not response.history
        return response

    async with aiohttp.ClientSession() as http:
        expected = await seen(raw, http)
    async with aiohttp.ClientSession(middlewares=(raising,)) as http:
        assert expected != await seen(raw, http)


@pytest.mark.parametrize("size", [0, 100, 60_000])
@pytest.mark.parametrize("status", ["200 OK", "404 Not Found"])
async def test_reuse(raw: RawServer, reach: Connect, status: str, size: int) -> None:
    """After a response that was looked at, its connection serves the next call."""
    raw.default = raw_server.reply(raw_server.whole(status, b" " * size))
    async with reach(on_error="return") as api:
        for _ in range(20):
            async with api.http.get(api.url) as response:
                assert size == len(await response.read())
    assert (20, 1) == (len(raw.hits), raw.connections)


@pytest.mark.parametrize("status", [200, 204, 304, 404])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_no_body(raw: RawServer, reach: Connect, method: str, status: int) -> None:
    """An answer without a body is recognised by its status, and waits for nothing."""
    length = ["Content-Length: 1000"] if method == "HEAD" else []
    length = ["Content-Length: 0"] if status in (200, 404) and not length else length
    raw.then(raw_server.reply(raw_server.head(f"{status} Some", *length)))
    async with reach(on_error="return") as api, api.http.request(method, api.url) as response:
        assert (status, b"") == (response.status, await response.read())
    assert (status == 404) is (resilient.failure(response) is not None)


@pytest.mark.parametrize("size", [2, 100_000])
async def test_raise_for_status(server: Server, connect: Connect, size: int) -> None:
    """A response that was handed back can be asked to raise, and read."""
    server.then(404, " " * size)
    async with connect(on_error="return") as api, api.http.get(api.url) as response:
        with pytest.raises(aiohttp.ClientResponseError) as caught:
            response.raise_for_status()
        assert size == len(await response.read())
    assert (404, False) == (caught.value.status, isinstance(caught.value, resilient.ApiError))


async def test_raise_for_status_of_the_session(server: Server, connect: Connect) -> None:
    """A session that raises for a status raises ours first, and its own for what is no error."""
    async with connect(statuses={"404": "none"}) as api:
        http = aiohttp.ClientSession(middlewares=(api.middleware,), raise_for_status=True)
        server.then(**acme.says("wrong"))
        with pytest.raises(resilient.ApiError):
            await http.get(api.url)
        server.then(404)
        with pytest.raises(aiohttp.ClientResponseError) as caught:
            await http.get(api.url)
        await http.close()
    assert not isinstance(caught.value, resilient.ApiError)


@pytest.mark.parametrize("size", [2, 100_000])
@pytest.mark.parametrize("status", ["200 OK", "404 Not Found"])
async def test_release(raw: RawServer, reach: Connect, status: str, size: int) -> None:
    """A caller who does not read may let go of a response: nothing is held."""
    raw.default = raw_server.reply(raw_server.whole(status, b" " * size))
    async with reach(on_error="return") as api:
        connector = aiohttp.TCPConnector(limit=1)
        http = aiohttp.ClientSession(middlewares=(api.middleware,), connector=connector)
        for let_go in (ClientResponse.release, ClientResponse.close):
            for _ in range(2):
                let_go(await http.get(api.url))
        await http.close()
        assert 0 == api.state().in_flight
    assert 4 == len(raw.hits)
