"""Redirects: a credential stays with the catalog's own origins, and the hops are one call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import acme
import aiohttp
import attrs
import pytest
import pytest_asyncio
from acme import KEY, Connect
from server import Server, serving
from yarl import URL

import resilient
from resilient import hops
from resilient.credentials import Bearer

STATUSES = (301, 302, 303, 307, 308)
OURS = "another-canary-9f86d081884c"


@pytest_asyncio.fixture
async def foreign() -> AsyncIterator[Server]:
    """A server that is none of the catalog's."""
    async with serving() as found:
        yield found


def _catalog(place: str) -> dict[str, Any]:
    """Return a catalog whose credential goes to one place of a request only."""
    name = "X-Api-Key" if place == "header" else "api_key"
    return {"credential": {"kind": "api_key", "fields": [{"name": name, "in": [place]}]}}


def _everything(server: Server) -> str:
    return repr(server.hits)


async def test_foreign_by_its_own_signature(server: Server, foreign: Server, tmp_path: Any) -> None:
    """What leads from one service to another is signed for that one, and for that one only."""
    rule = {"credential": {"kind": "api_key", "fields": [{"name": "X-Api-Key", "in": ["header"]}]}}
    other = {"credential": {"kind": "api_key", "fields": [{"name": "X-Other", "in": ["header"]}]}}
    services = {
        "acme": {"catalog": acme.write(tmp_path, **rule), "hosts": [server.host]},
        "other": {
            "catalog": acme.write(tmp_path, catalog="other", **other),
            "hosts": [foreign.host],
        },
    }
    server.then(302, headers={"Location": foreign.url})
    foreign.then(302, headers={"Location": f"http://localhost:{foreign.port}/"})
    config = {"services": services}
    async with resilient.session(config, credentials={"acme": KEY, "other": OURS}) as http:
        await http.get(server.url, headers={"X-Api-Key": KEY})
    seen = [(hit.headers.get("X-Api-Key"), hit.headers.get("X-Other")) for hit in foreign.hits]
    assert [(None, OURS), (None, None)] == seen


@pytest.mark.parametrize("where", ["/there", "/there#part", "there", "http://user:pass@{}/there"])
@pytest.mark.parametrize("status", STATUSES)
async def test_home(server: Server, connect: Connect, status: int, where: str) -> None:
    """On the way to the same origin each hop is signed, once."""
    server.then(status, headers={"Location": where.format(server.host)})
    rule = {"credential": {"kind": "api_key", "fields": [{"name": "X-Api-Key", "in": ["header"]}]}}
    async with connect(catalog=rule) as api:
        await api.call("POST", "/things", data=b"x")
    assert [KEY, KEY] == [hit.headers["X-Api-Key"] for hit in server.hits]
    assert ["/things", "/there"] == [hit.path for hit in server.hits]


@pytest.mark.parametrize("where", ["/there", "/there#part", "//{}/there?a=%20b"])
async def test_one_call(server: Server, connect: Connect, where: str) -> None:
    """Hops share the call's identifier, its attempts and its deadline."""
    server.then(503)
    server.then(302, headers={"Location": where.format(server.host)})
    server.then(503, times=9)
    policy = {"action": "retry", "attempts": 4, "delay": {"base": "1s", "cap": "9s"}}
    async with connect(policies={"retry": policy}) as api:
        with pytest.raises(resilient.Unavailable) as caught:
            await api.get()
        told = api.told("attempt_failed", "retry_scheduled", "call_failed")
    assert 1 == len({event["call"] for event in told})
    assert [1, 3, 4, 5] == [e["attempt"] for e in told if e["event"].endswith("attempt_failed")]
    assert (5, 5) == (caught.value.attempts, len(server.hits))


async def test_one_deadline(server: Server, connect: Connect) -> None:
    """A hop does not begin the call's time anew."""
    server.script.append(acme.slowly(4, {"status": 302, "headers": {"Location": "/there"}}))
    server.script.append(acme.slowly(4))
    async with connect(timeout="6s") as api:
        with pytest.raises(resilient.TransportTimeout):
            await api.get()
    hits = [hit.at - server.hits[0].at for hit in server.hits]
    assert [0, 4] == [round(at, 3) for at in hits]
    assert 6 == round(asyncio.get_running_loop().time() - server.hits[0].at, 3)


async def test_home_by_way_of_elsewhere(server: Server, foreign: Server, connect: Connect) -> None:
    """A redirect that comes back is the same call still, and is signed again."""
    server.then(302, headers={"Location": foreign.url})
    foreign.then(302, headers={"Location": f"{server.url}/back"})
    server.then(404)
    async with connect(catalog=_catalog("header")) as api:
        with pytest.raises(resilient.ApiError) as caught:
            await api.get()
    assert ["/things", "/back"] == [hit.path for hit in server.hits]
    assert 2 == caught.value.attempts
    assert KEY not in _everything(foreign)


async def test_home_with_what_is_ours(server: Server, connect: Connect) -> None:
    """A redirect that repeats our own credential is the same credential's call, signed once."""
    server.then(302, headers={"Location": f"/there?api_key={KEY}"})
    async with connect(catalog=_catalog("query")) as api:
        await api.get()
        assert {"acme/credential:default"} == {
            scope for scope in api.middleware.state() if "credential:" in scope
        }
    assert ["/things", "/there"] == [hit.path.partition("?")[0] for hit in server.hits]
    assert [f"api_key={KEY}"] * 2 == [hit.path.partition("?")[2] for hit in server.hits]


async def test_renewed_and_then_led_away(server: Server, foreign: Server, connect: Connect) -> None:
    """A refusal where the credential does not go says nothing against the one just renewed."""
    tokens = iter(["t0", "t1", "t2"])
    bearer = Bearer(lambda: next(tokens), lambda: next(tokens))
    away = {"Location": f"http://0.0.0.0:{foreign.port}/"}
    foreign.default = acme.says("expired", status=401)
    # Hosts of the catalog, of which all but loopback's own names are called encrypted only.
    catalog = {"hosts": ["127.0.0.1", "0.0.0.0"]}
    async with connect(credentials=bearer, catalog=catalog, hosts=[]) as api:
        server.then(**acme.says("expired", status=401))
        server.then(302, headers=away)
        with pytest.raises(resilient.AuthenticationFailed):
            await api.get()
        assert 200 == (await api.get()).status
    signed = [hit.headers.get("Authorization") for hit in [*server.hits, *foreign.hits]]
    assert ["Bearer t0", "Bearer t1", "Bearer t1", None] == signed


async def test_followed_by_hand(server: Server, foreign: Server, connect: Connect) -> None:
    """A caller who follows a redirect himself makes a call of his own, and may sign it."""
    server.then(302, headers={"Location": foreign.url})
    async with connect(catalog=_catalog("header"), credentials=None) as api:
        await api.get(allow_redirects=False)
        await api.http.get(foreign.url, headers={"X-Api-Key": KEY})
        server.then(302, headers={"Location": "/there"})
        await api.get(allow_redirects=False)
        server.then(404)
        with pytest.raises(resilient.ApiError) as caught:
            await api.get("/there")
    assert KEY == foreign.hits[0].headers["X-Api-Key"]
    assert 1 == caught.value.attempts


async def test_too_many(server: Server, connect: Connect) -> None:
    """A redirect to itself ends as aiohttp ends it."""
    server.default = {"status": 302, "headers": {"Location": "/things"}}
    async with connect() as api:
        with pytest.raises(aiohttp.TooManyRedirects):
            await api.get()
        assert 0 == api.state().in_flight
    assert 10 == len(server.hits)


@pytest.mark.parametrize("where", ["http://[::1", "ftp://127.0.0.1/", "//", "http://", "\\\\x"])
async def test_nonsense(server: Server, connect: Connect, where: str) -> None:
    """A redirect to no address is aiohttp's to explain, and holds nothing."""
    server.then(302, headers={"Location": where})
    async with connect() as api:
        with suppress(aiohttp.ClientError):
            await api.get()
        assert 0 == api.state().in_flight


@pytest.mark.parametrize(
    ("hosts", "url", "expected"),
    [
        ([], "https://api.acme.test/", True),
        ([], "https://api.acme.test:8443/", True),
        ([], "https://API.acme.TEST/", True),
        ([], "http://api.acme.test/", False),
        ([], "https://api.acme.test.evil.test/", False),
        ([], "https://evil.test/", False),
        ([], "https://api.acme.test@evil.test/", False),
        ([], "https://evil.test/api.acme.test", False),
        ([], "https://sub.api.acme.test/", False),
        ([], "https://shop.many.test/", True),
        ([], "https://many.test/", False),
        ([], "https://evilmany.test/", False),
        ([], "http://localhost/", True),
        (["proxy.test:8080"], "http://proxy.test:8080/", True),
        (["proxy.test:8080"], "http://proxy.test/", False),
        (["proxy.test:8080"], "https://api.acme.test/", False),
    ],
)
def test_may_sign(tmp_path: Any, hosts: list[str], url: str, expected: bool) -> None:
    """A credential goes to the catalog's hosts, encrypted, or to where the user said."""
    catalog = acme.write(tmp_path, hosts=["api.acme.test", "*.many.test", "localhost"])
    config = resilient.load({"services": {"acme": {"catalog": catalog, "hosts": hosts}}})
    middleware = resilient.Middleware(config, credentials={"acme": KEY})
    serving = middleware._directory.servings["acme"]
    assert expected is serving.may_sign(URL(url))


@pytest.mark.parametrize(("url", "expected"), [("http://127.0.0.1/", True), ("https://a/", False)])
async def test_downgrade(server: Server, connect: Connect, url: str, expected: bool) -> None:
    """A call that began encrypted is not signed where it is not, not even at home."""
    server.then(302, headers={"Location": "/there"})
    async with connect(hosts=["127.0.0.1", "a"]) as api:
        await api.get()
        hop = hops._last.get()
        assert hop is not None
        secure = attrs.evolve(hop, was_secure=True)
        request = SimpleNamespace(url=URL(url))
        assert expected is secure.leaves(request)  # type: ignore[arg-type]
        assert not hop.leaves(request)  # type: ignore[arg-type]


async def test_hops_are_seen(server: Server, connect: Connect) -> None:
    """This aiohttp lets us tell a hop from a request of the caller's own."""
    server.then(302, headers={"Location": "/there"})
    async with connect() as api:
        await api.get()
    hop = hops._last.get()
    assert hop is not None
    assert hop.run is not None


async def test_foreign_unseen(
    server: Server, foreign: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it does not, what follows at once to where the redirect leads counts as a hop."""
    monkeypatch.setattr(hops, "timer_of", lambda request: None)
    server.then(302, headers={"Location": foreign.url})
    async with connect(catalog=_catalog("header"), credentials=None) as api:
        await api.get(headers={"X-Api-Key": KEY})
        await api.http.get(foreign.url, headers={"X-Api-Key": KEY})
    assert [True, False] == ["X-Api-Key" not in hit.headers for hit in foreign.hits]
