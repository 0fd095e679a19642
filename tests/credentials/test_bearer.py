import functools
from typing import Any

import aiohttp
import pytest

from resilient.credentials import Bearer, Calls, CredentialRefused
from resilient.errors import ApiError, AuthenticationFailed, RateLimited, Unavailable

from .conftest import CANARY


class _Tokens:
    """Hands out what it was given, one after the other, and counts."""

    def __init__(self, *tokens: Any) -> None:
        self.tokens, self.asked = list(tokens), 0

    def __call__(self) -> Any:
        self.asked += 1
        token = self.tokens.pop(0)
        if isinstance(token, BaseException):
            raise token
        return token


async def test_forms(calls: Calls) -> None:
    """A callable may be plain or async, and take the session or nothing."""
    seen: list[aiohttp.ClientSession] = []

    async def asynchronous() -> str:
        return "t"

    async def with_session(http: aiohttp.ClientSession) -> str:
        seen.append(http)
        return "t"

    def optional(path: str = "p") -> str:
        return {"p": "t"}[path]

    forms: list[Any] = [
        lambda: "t",
        asynchronous,
        with_session,
        lambda http: "t" if http is calls.http else "",
        optional,
        functools.partial(lambda a, http: "t", 1),
        lambda *args: "t" if not args else "",
    ]
    for get in forms:
        assert {"token": "t"} == await Bearer(get).load(calls)
    assert [calls.http] == seen


async def test_builtin(calls: Calls) -> None:
    """A callable without a readable signature is called with nothing."""
    with pytest.raises(CredentialRefused, match="empty"):
        await Bearer(str).load(calls)


@pytest.mark.parametrize("get", [lambda a, b: "t", lambda *, key: "t", "text", None])
def test_wrong_callable(get: Any) -> None:
    """What cannot be called with a session or nothing is a fault at once."""
    with pytest.raises(TypeError, match="`get`"):
        Bearer(get)


async def test_renewed_is_kept(calls: Calls) -> None:
    """After a renewal the new token is used, and `get` is not asked again."""
    get, refresh = _Tokens("old"), _Tokens("new")
    bearer = Bearer(get, refresh)
    assert bearer.refreshable
    assert {"token": "old"} == await bearer.load(calls)
    assert {"token": "new"} == await bearer.renew(calls, {"token": "old"})
    assert {"token": "new"} == await bearer.load(calls)
    assert {"token": "new"} == await bearer.renew(calls, {"token": "old"})
    assert (1, 1) == (get.asked, refresh.asked)


async def test_no_refresh(calls: Calls) -> None:
    """Without `refresh` it is `get` that is asked, and the same token again is none."""
    bearer = Bearer(_Tokens("a", "b", "b"))
    await bearer.load(calls)
    assert {"token": "b"} == await bearer.renew(calls, {"token": "a"})
    with pytest.raises(CredentialRefused, match="`get` returns the token that is refused") as error:
        await bearer.renew(calls, {"token": "b"})
    assert 0 == error.value.wait


async def test_get_after_refusal(calls: Calls) -> None:
    """When the renewal is refused for good, `get` is asked: a person may have put a token."""
    get = _Tokens("a", "by hand")
    bearer = Bearer(get, _Tokens("b", CredentialRefused("no")))
    await bearer.load(calls)
    await bearer.renew(calls, {"token": "a"})
    with pytest.raises(CredentialRefused):
        await bearer.renew(calls, {"token": "b"})
    assert {"token": "by hand"} == await bearer.load(calls)


async def test_token_after_failure(calls: Calls) -> None:
    """When a renewal fails in passing, the token that was renewed last stays."""
    get = _Tokens("a")
    bearer = Bearer(get, _Tokens("b", OSError("down"), "c"))
    await bearer.load(calls)
    await bearer.renew(calls, {"token": "a"})
    with pytest.raises(OSError, match="down"):
        await bearer.renew(calls, {"token": "b"})
    assert {"token": "b"} == await bearer.load(calls)
    assert {"token": "c"} == await bearer.renew(calls, {"token": "b"})


@pytest.mark.parametrize(
    "token", ["", None, 7, f"{CANARY}\n", f"{CANARY}\r\nX: 1", CANARY.encode()]
)
async def test_bad_token(calls: Calls, token: Any) -> None:
    """What is no text that can be sent is refused, and not shown."""
    with pytest.raises(CredentialRefused, match="`get`") as error:
        await Bearer(lambda: token).load(calls)
    assert CANARY not in str(error.value)


def _answer(kind: type[ApiError], status: int) -> ApiError:
    return kind("said", url="https://api.hh.ru/token", method="POST", status=status)


@pytest.mark.parametrize(
    ("kind", "status"), [(ApiError, 400), (ApiError, 200), (AuthenticationFailed, 401)]
)
async def test_refusal_by_answer(calls: Calls, kind: type[ApiError], status: int) -> None:
    """An answer of the vendor that says no is a refusal, also out of the user's own code."""
    answer = _answer(kind, status)
    with pytest.raises(CredentialRefused) as error:
        await Bearer(lambda: "t", _Tokens(answer)).renew(calls, {"token": "t"})
    assert answer is error.value.cause


@pytest.mark.parametrize(
    ("kind", "status"), [(RateLimited, 403), (Unavailable, 401), (ApiError, 500), (ApiError, 429)]
)
async def test_later_by_answer(calls: Calls, kind: type[ApiError], status: int) -> None:
    """An answer that says later is no refusal: it comes out as it is."""
    answer = _answer(kind, status)
    with pytest.raises(ApiError) as error:
        await Bearer(lambda: "t", _Tokens(answer)).renew(calls, {"token": "t"})
    assert answer is error.value
