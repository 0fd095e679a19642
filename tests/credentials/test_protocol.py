from collections.abc import Mapping

import aiohttp
import attrs
import pytest
from yarl import URL

from resilient.credentials import (
    ApiKey,
    Bearer,
    Calls,
    CannotSign,
    Credential,
    CredentialRefused,
    CredentialUnavailable,
    OAuth2,
    SessionId,
    TokenPair,
    as_credential,
)

from .conftest import CANARY


def _calls(http: aiohttp.ClientSession, origin: str, *hosts: str) -> Calls:
    return Calls(rule=None, http=http, origin=URL(origin), allowed=lambda url: url.host in hosts)


async def test_path(http: aiohttp.ClientSession) -> None:
    """A path is on the host of the call, whatever the path of the call."""
    calls = _calls(http, "https://acct.amocrm.ru/api", "acct.amocrm.ru")
    assert URL("https://acct.amocrm.ru/oauth2/access_token") == calls.url("/oauth2/access_token")


async def test_absolute(http: aiohttp.ClientSession) -> None:
    """An absolute URL that is allowed stays as it is."""
    calls = _calls(http, "https://api.hh.ru", "api.hh.ru", "hh.ru")
    assert URL("https://hh.ru/oauth/token") == calls.url("https://hh.ru/oauth/token")


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/token",
        "//evil.example/token",
        "https://api.hh.ru@evil.example/token",
        "https://api.hh.ru.evil.example/token",
        "http://api.hh.ru/token",
        "http://192.0.2.1/token",
        "ftp://api.hh.ru/token",
        "file:///etc/passwd",
        "token",
        "",
        "https://[broken/token",
    ],
)
async def test_foreign(http: aiohttp.ClientSession, url: str) -> None:
    """A secret goes to no host that is not allowed, and not in the clear."""
    calls = _calls(http, "https://api.hh.ru", "api.hh.ru")
    with pytest.raises(CannotSign):
        calls.url(url)


async def test_loopback(http: aiohttp.ClientSession) -> None:
    """Plain http to this machine is good enough, if it is allowed."""
    calls = _calls(http, "https://api.hh.ru", "127.0.0.1", "localhost")
    assert "127.0.0.1" == calls.url("http://127.0.0.1:8099/token").host
    assert "localhost" == calls.url("http://localhost:8099/token").host


async def test_plain_service(http: aiohttp.ClientSession) -> None:
    """Where the service itself is plain http, so may its token endpoint be."""
    calls = _calls(http, "http://staging.internal", "staging.internal")
    assert "staging.internal" == calls.url("/token").host


def _kinds() -> tuple[Credential, ...]:
    return (
        ApiKey(CANARY),
        Bearer(lambda: CANARY, lambda: CANARY),
        OAuth2(CANARY, CANARY, lambda: {"access_token": CANARY}, lambda _: None),
        SessionId({"appkey": CANARY}, {"login": CANARY}, session=CANARY),
        SessionId({"appkey": CANARY}, lambda: CANARY),
    )


@pytest.mark.parametrize("kind", _kinds(), ids=lambda kind: type(kind).__name__)
def test_repr(kind: Credential) -> None:
    """No repr of a credential shows what it holds."""
    assert CANARY not in repr(kind)
    assert CANARY not in str(kind)


def test_repr_of_pair() -> None:
    """No repr of a pair of tokens shows them."""
    assert CANARY not in repr(TokenPair(CANARY, CANARY, 1.0))


@pytest.mark.parametrize("kind", _kinds(), ids=lambda kind: type(kind).__name__)
def test_as_credential(kind: Credential) -> None:
    """A credential is taken as it is."""
    assert kind is as_credential(kind)


async def test_text_as_credential(calls: Calls) -> None:
    """A text is an API key."""
    assert {"token": "k"} == await as_credential("k").load(calls)


def test_own_kind() -> None:
    """Any object with the three members is a credential."""

    @attrs.frozen
    class Own:
        refreshable: bool = False

        async def load(self, calls: Calls) -> Mapping[str, str]:
            return {}

        async def renew(self, calls: Calls, stale: Mapping[str, str]) -> Mapping[str, str]:
            return {}

    own = Own()
    assert own is as_credential(own)


@pytest.mark.parametrize("value", [None, 1, b"key", {"token": CANARY}, ApiKey, object()])
def test_not_a_credential(value: object) -> None:
    """Anything else is refused, with what is expected and without the value."""
    with pytest.raises(TypeError, match="ApiKey, Bearer, OAuth2, SessionId") as error:
        as_credential(value)
    assert CANARY not in str(error.value)


@pytest.mark.parametrize(
    "value", ["", " ", f"{CANARY}\n", f"{CANARY}\r\nX: 1", f"{CANARY}\0", "\ud800"]
)
def test_bad_key(value: str) -> None:
    """A key that could end a header is refused before anything is sent."""
    with pytest.raises(ValueError, match="the API key") as error:
        ApiKey(value)
    assert CANARY not in str(error.value)


async def test_key_is_not_renewed(calls: Calls) -> None:
    """An API key cannot be renewed, and says so."""
    key = ApiKey("k")
    assert not key.refreshable
    with pytest.raises(CredentialRefused, match="cannot be renewed"):
        await key.renew(calls, {})


def test_again() -> None:
    """A refusal raised again is another exception with the same cause."""
    cause = ValueError()
    first = CredentialRefused("no", cause)
    assert first is not first.again()
    assert ("no", cause, cause) == (
        str(first.again()),
        first.again().cause,
        first.again().__cause__,
    )


class Gone(CredentialRefused):
    """A user's own refusal, made of other arguments."""

    def __init__(self, *, account: int) -> None:
        super().__init__(f"account {account} is gone")
        self.account = account


class Later(CredentialUnavailable):
    """The same of a passing failure."""

    def __init__(self, wait: float, account: int) -> None:
        super().__init__(f"account {account} is not there yet")
        self.wait, self.account = wait, account


@pytest.mark.parametrize("own", [Gone(account=7), Later(2.5, 7)])
def test_own_kind_again(own: Gone | Later) -> None:
    """A user's own kind raised again is of that kind, whatever it is made of."""
    cause = ValueError()
    own.__cause__ = cause
    again = own.again()
    assert own is not again
    assert type(own) is type(again)
    assert (str(own), 7, own.wait, cause) == (str(again), again.account, again.wait, cause)
    assert cause is again.__cause__
