"""The library never lowers what TLS gives: nothing goes unchecked, and no secret in the clear."""

import datetime as dt
import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import acme
import aiohttp
import pytest
import raw_server
import trustme
from loopback import Loopback
from promises.conftest import Figure
from raw_server import RawServer
from server import Server, serving

import resilient
from resilient.credentials import OAuth2, SessionId, TokenPair

SECRET = "canary-9f86d081884c7d65"
HOME = "api.acme.test"
RULE = {"credential": {"kind": "api_key", "fields": [{"name": "X-Api-Key", "in": ["header"]}]}}

pytestmark = pytest.mark.real_time


def _past() -> dt.datetime:
    return dt.datetime.now(dt.UTC) - dt.timedelta(days=1)


@pytest.fixture(scope="module")
def authorities() -> tuple[trustme.CA, trustme.CA]:
    """Two authorities: one that the client trusts, and another."""
    return trustme.CA(), trustme.CA()


def _certificate(kind: str, authorities: tuple[trustme.CA, trustme.CA]) -> trustme.LeafCert:
    trusted, other = authorities
    match kind:
        case "self-signed":
            return other.issue_cert(HOME)
        case "expired":
            return trusted.issue_cert(HOME, not_after=_past())
        case "wrong host":
            return trusted.issue_cert("other.test")
        case _:
            return trusted.issue_cert(HOME)


def _encrypted(certificate: trustme.LeafCert) -> AbstractAsyncContextManager[Server]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return serving(context)


@asynccontextmanager
async def _client(
    folder: Path, port: int, trusted: trustme.CA, signs: Any = SECRET, **changes: Any
) -> AsyncIterator[aiohttp.ClientSession]:
    context = ssl.create_default_context()
    trusted.configure_trust(context)
    keys = {"catalog": acme.write(folder, **{**RULE, **changes}), "hosts": [f"{HOME}:{port}"]}
    connector = aiohttp.TCPConnector(resolver=Loopback(), ssl=context)
    async with resilient.session(
        {"services": {"acme": keys}}, credentials={"acme": signs}, connector=connector
    ) as http:
        yield http


@pytest.mark.parametrize("kind", ["self-signed", "expired", "wrong host"])
async def test_bad_certificate(
    tmp_path: Path, authorities: tuple[trustme.CA, trustme.CA], kind: str, figure: Figure
) -> None:
    """A server that cannot say who it is gets nothing, and is asked once."""
    async with (
        _encrypted(_certificate(kind, authorities)) as server,
        _client(tmp_path, server.port, authorities[0]) as http,
    ):
        with pytest.raises(resilient.TransportError) as caught:
            await http.post(f"https://{HOME}:{server.port}/things", data=b"x")
    assert [] == server.hits
    assert (False, 1) == (caught.value.sent, caught.value.attempts)
    figure("J3", f"sends to a server that is {kind}", len(server.hits), of="1 call")


async def test_good_certificate(tmp_path: Path, authorities: tuple[trustme.CA, trustme.CA]) -> None:
    """The same call of a server that can is sent, signed."""
    async with (
        _encrypted(_certificate("good", authorities)) as server,
        _client(tmp_path, server.port, authorities[0]) as http,
        http.get(f"https://{HOME}:{server.port}/things") as response,
    ):
        assert 200 == response.status
    assert [SECRET] == [hit.headers["X-Api-Key"] for hit in server.hits]


@pytest.mark.parametrize("kind", ["self-signed", "expired", "wrong host"])
async def test_naive(tmp_path: Path, authorities: tuple[trustme.CA, trustme.CA], kind: str) -> None:
    """A client that turns checks off on a certificate error hands its key to whoever is there."""
    async with (
        _encrypted(_certificate(kind, authorities)) as server,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=Loopback())) as http,
    ):
        url = f"https://{HOME}:{server.port}/things"
        await http.get(url, headers={"X-Api-Key": SECRET}, ssl=False)
    with pytest.raises(AssertionError):
        assert [] == server.hits


async def test_downgrade(
    tmp_path: Path,
    raw: RawServer,
    authorities: tuple[trustme.CA, trustme.CA],
    figure: Figure,
) -> None:
    """A redirect from https to http is followed without the credential, even to the same host."""
    async with _encrypted(_certificate("good", authorities)) as server:
        for status in (301, 302, 303, 307, 308):
            server.then(status, headers={"Location": f"http://{HOME}:{raw.port}/there"})
            async with _client(tmp_path, server.port, authorities[0]) as http:
                url = f"https://{HOME}:{server.port}/things"
                async with http.get(url, headers={"X-Api-Key": SECRET}) as response:
                    assert 200 == response.status
    assert 5 == len(raw.hits)
    assert 0 == sum(SECRET in str(hit.headers) for hit in raw.hits)
    figure("J3", "secrets after https → http", 0, of=f"{len(raw.hits)} redirects")


@pytest.mark.parametrize("kind", ["OAuth2", "SessionId"])
@pytest.mark.parametrize("host", [HOME, "sub.api.acme.test", "evil.test"])
async def test_token_endpoint_in_the_clear(
    tmp_path: Path,
    raw: RawServer,
    authorities: tuple[trustme.CA, trustme.CA],
    kind: str,
    host: str,
) -> None:
    """No refresh token or password is sent over http, even where the catalog says so."""
    field = {"name": "Authorization", "in": "header", "value": "token"}
    url = f"http://{host}:{raw.port}/token"
    pair = TokenPair("a", SECRET)
    credential: Any = OAuth2("id", SECRET, lambda: pair, lambda _: None, token_url=url)
    rule: dict[str, Any] = {"kind": "oauth2", "fields": [field]}
    if kind == "SessionId":
        credential = SessionId({}, {"password": SECRET}, session="s")
        rule = {"kind": "session", "fields": [{**field, "value": "session"}]}
        rule["login"] = {"url": url, "session": "session"}
    raw.default = raw_server.reply(raw_server.whole("200 OK", b'{"access_token": "b"}'))
    async with _encrypted(_certificate("good", authorities)) as server:
        server.default = {"status": 401}
        async with _client(
            tmp_path, server.port, authorities[0], credential, credential=rule
        ) as http:
            with pytest.raises(resilient.ResilientError):
                await http.get(f"https://{HOME}:{server.port}/things")
    assert [] == raw.hits
    assert 0 == sum(SECRET in str(hit) for hit in server.hits if hit.path != "/token")
