"""What comes from token endpoints, logins and users' own code is shown by nobody."""

import json
from collections.abc import Callable
from typing import Any

import acme
import pytest
import raw_server
from acme import Connect
from canary import Sinks, look_at, overhearing, token, word
from promises.conftest import Figure
from raw_server import RawServer

import resilient
from resilient import credentials
from resilient.credentials import CredentialRefused

OLD, NEW, APP = word("stored"), word("bought"), word("application")


def _json(**values: Any) -> bytes:
    return raw_server.whole("200 OK", json.dumps(values).encode())


def _error(status: str, body: bytes = b"") -> bytes:
    return raw_server.whole(status, body or NEW.text.encode(), "Set-Cookie: s=" + token("s").text)


REPLIES: dict[str, bytes] = {
    "good": _json(access_token=NEW.text, refresh_token=NEW.text, session=NEW.text),
    "control characters": _json(access_token=NEW.text + "\r\n", session=NEW.text + "\0"),
    "no token": _json(token=NEW.text),
    "another type": _json(access_token={"value": NEW.text}, session=[NEW.text]),
    "no JSON": raw_server.whole("200 OK", NEW.text.encode()),
    "cut off": raw_server.head("200 OK", "Content-Length: 9999") + NEW.text.encode(),
    "echo": _error("400 Bad", json.dumps({"error": NEW.text, "hint": NEW.text}).encode()),
    "invalid_grant": _error("400 Bad", b'{"error": "invalid_grant"}'),
    "redirect": raw_server.whole("302 Found", b"", f"Location: http://x.test/?t={NEW.core}"),
    "failed": _error("503 Failed"),
    "nothing": b"",
}


def _oauth() -> tuple[Any, dict[str, Any]]:
    pair = credentials.TokenPair(OLD.text, OLD.text)
    made = credentials.OAuth2(APP.text, APP.text, lambda: pair, lambda _: None)
    return made, {"kind": "oauth2", "fields": [acme.FIELD], "token": {"url": "/token"}}


def _session() -> tuple[Any, dict[str, Any]]:
    made = credentials.SessionId({"app": APP.text}, {"password": APP.text}, session=OLD.text)
    rule = {"kind": "session", "fields": [{**acme.FIELD, "value": "session"}]}
    return made, {**rule, "login": {"url": "/token", "session": "session"}}


KINDS: dict[str, Callable[[], tuple[Any, dict[str, Any]]]] = {
    "OAuth2": _oauth,
    "SessionId": _session,
}
REFUSED = raw_server.reply(raw_server.whole("401 Unauthorized", b"{}"))


@pytest.mark.parametrize("structured", [False, True], ids=["logging", "structlog"])
@pytest.mark.parametrize("kind", KINDS)
async def test_replies(
    raw: RawServer, reach: Connect, kind: str, *, structured: bool, figure: Figure
) -> None:
    """Neither what is sent to a token endpoint or login is shown, nor what comes back."""
    sinks = Sinks()
    for reply in REPLIES.values():
        credential, rule = KINDS[kind]()
        raw.then(REFUSED, raw_server.reply(reply, keep=False), REFUSED)
        with overhearing(sinks, structured=structured):
            async with reach(catalog={"credential": rule}, credentials=credential) as api:
                for _ in range(2):
                    try:
                        await api.get()
                    except resilient.ApiError as error:
                        error.body = b""  # the server's own words: for the user to look at
                        sinks.catch(error)
                    except resilient.ResilientError as error:
                        sinks.catch(error)
                look_at(sinks, api.middleware, credential)
                sinks.add("events", *api.events)
        raw.script.clear()
    assert any(APP.core in repr(hit.body) for hit in raw.hits)
    assert any(OLD.core in repr(hit.headers) for hit in raw.hits)
    assert [] == sinks.hits(OLD, NEW, APP)
    figure("J1", f"hits (replies to {kind})", 0, of=f"{len(REPLIES)} replies")


WRONG: dict[str, Callable[[str], Any]] = {
    "key": lambda text: text,
    "ApiKey": credentials.ApiKey,
    "Bearer": lambda text: credentials.Bearer(lambda: text),
    "TokenPair": lambda text: credentials.TokenPair(text, text),
    "OAuth2": lambda text: credentials.OAuth2("i", "s", lambda: {"access_token": text}, print),
    "fields": lambda text: credentials.SessionId({"app": text}, lambda: "s"),
    "login": lambda text: credentials.SessionId({}, {"password": text}),
    "session": lambda text: credentials.SessionId({}, lambda: text),
    "mapping": lambda text: {"one": text},
    "type": lambda text: [text],
    "number": lambda text: {"one": {"two": text}},
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_wrong_values(raw: RawServer, reach: Connect, wrong: str) -> None:
    """A credential that cannot be sent is refused without a word of it, before anything is sent."""
    canary, sinks = word("wrong"), Sinks()
    with overhearing(sinks), pytest.raises((ValueError, TypeError, resilient.ResilientError)) as e:
        async with reach(credentials=WRONG[wrong](canary.text + "\r\nX-Evil: 1")) as api:
            await api.get()
    # Whoever gives it has it among his own variables.
    sinks.catch(e.value, variables=False)
    assert [] == sinks.hits(canary)
    assert [] == raw.hits


async def test_refusal_of_the_users_own(raw: RawServer, reach: Connect) -> None:
    """A library error about a user's own code shows what that says, and no credential."""

    async def refresh() -> str:
        raise CredentialRefused("The account is closed.")

    sinks = Sinks()
    raw.default = REFUSED
    with overhearing(sinks):
        async with reach(credentials=credentials.Bearer(lambda: OLD.text, refresh)) as api:
            for _ in range(3):
                with pytest.raises(resilient.AuthenticationFailed) as caught:
                    await api.get()
                sinks.catch(caught.value)
                sinks.add("said", caught.value)
    assert any("The account is closed." in text for _, text in sinks.seen)
    assert [] == sinks.hits(OLD)
