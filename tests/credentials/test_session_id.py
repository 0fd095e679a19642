import json
from typing import Any

import attrs
import pytest

from resilient.credentials import (
    Calls,
    CannotSign,
    CredentialRefused,
    CredentialUnavailable,
    SessionId,
)

from .conftest import CANARY, Vendor

LOGIN = {"login": "me", "password": CANARY}


def _held(session: str) -> dict[str, str]:
    return {"appkey": "k", "session": session}


async def test_login(vendor: Vendor, calls: Calls) -> None:
    """The first use logs in with the fields and what to send; the id is where the catalog says."""
    vendor.says({"data": {"sessionID": "s1"}, "sessionID": "other"})
    session = SessionId({"appkey": "k"}, LOGIN)
    assert _held("s1") == await session.load(calls)
    assert _held("s1") == await session.load(calls)
    assert 1 == vendor.hits
    assert ("/login", {"appkey": "k", **LOGIN}) == (vendor.path, json.loads(vendor.body))


async def test_at_the_top(vendor: Vendor, calls: Calls) -> None:
    """The id may also stand at the top of the reply."""
    vendor.says({"sessionID": "s1"})
    assert _held("s1") == await SessionId({"appkey": "k"}, LOGIN).load(calls)


async def test_given(vendor: Vendor, calls: Calls) -> None:
    """An id that the user has already is used without a login."""
    assert _held("s0") == await SessionId({"appkey": "k"}, LOGIN, session="s0").load(calls)
    assert 0 == vendor.hits


async def test_renew(vendor: Vendor, calls: Calls) -> None:
    """A renewal logs in once; one for an older id takes what is held."""
    vendor.says({"sessionID": "s1"})
    session = SessionId({"appkey": "k"}, LOGIN, session="s0")
    assert _held("s1") == await session.renew(calls, _held("s0"))
    assert _held("s1") == await session.renew(calls, _held("s0"))
    assert 1 == vendor.hits


async def test_callable(calls: Calls) -> None:
    """A callable logs in by itself, and may take the session."""

    async def log_in(http: object) -> str:
        return "s1" if http is calls.http else ""

    assert _held("s1") == await SessionId({"appkey": "k"}, log_in).load(calls)


async def test_refused(vendor: Vendor, calls: Calls) -> None:
    """A login that was refused is not repeated: wrong passwords in a row shut an account."""
    vendor.says({"errors": [{"detail": CANARY}]}, 401)
    session = SessionId({"appkey": "k"}, LOGIN)
    for _ in range(3):
        with pytest.raises(CredentialRefused, match="the login: HTTP 401") as error:
            await session.load(calls)
        assert CANARY not in str(error.value)
    assert 1 == vendor.hits


async def test_later(vendor: Vendor, calls: Calls) -> None:
    """A server that fails has refused nothing: the next use may log in."""
    vendor.says(b"", 503)
    session = SessionId({"appkey": "k"}, LOGIN)
    with pytest.raises(CredentialUnavailable):
        await session.load(calls)
    vendor.says({"sessionID": "s1"})
    assert _held("s1") == await session.load(calls)
    assert 2 == vendor.hits


@pytest.mark.parametrize(
    "reply",
    [{}, [], {"data": []}, {"data": {"sessionID": 7}}, {"data": {"sessionID": f"{CANARY}\n"}}],
)
async def test_hostile(vendor: Vendor, calls: Calls, reply: Any) -> None:
    """A reply without an id that can be sent is a refusal, and is not shown."""
    vendor.says(reply)
    with pytest.raises(CredentialRefused) as error:
        await SessionId({"appkey": "k"}, LOGIN).load(calls)
    assert CANARY not in str(error.value)


async def test_no_login(calls: Calls) -> None:
    """Without a login in the catalog a callable is needed."""
    with pytest.raises(CannotSign, match="callable"):
        await SessionId({"appkey": "k"}, LOGIN).load(attrs.evolve(calls, rule=None))


@pytest.mark.parametrize(
    ("fields", "login"),
    [
        ({"appkey": ""}, LOGIN),
        ({"appkey": f"{CANARY}\r\n"}, LOGIN),
        ({"appkey": "k"}, {"password": f"{CANARY}\n"}),
        ({"session": CANARY}, LOGIN),
    ],
)
def test_bad_fields(fields: dict[str, str], login: dict[str, str]) -> None:
    """Values that cannot be sent are a fault at once, and are not shown."""
    with pytest.raises(ValueError, match=r"appkey|password|fields") as error:
        SessionId(fields, login)
    assert CANARY not in str(error.value)


def test_wrong_login() -> None:
    """A login is a callable or a mapping."""
    with pytest.raises(TypeError, match="`login`"):
        SessionId({}, 7)  # type: ignore[arg-type]
