"""Control characters, wherever they come from, reach no header and no URL."""

import json
from typing import Any

import acme
import pytest
import raw_server
from acme import Connect
from promises.conftest import Figure
from raw_server import RawServer

import resilient
from resilient import credentials

BAD = ("\r\nX-Evil: 1", "\n", "\r", "\x00", "\x1b[2J", "\x7f", "\x85", "\ud800")


def _is_clean(raw: RawServer) -> bool:
    """Tell whether nothing of it came; in a query percent signs have made it harmless."""
    heads = [f"{hit.method} {hit.target} {'|'.join(hit.headers.values())}" for hit in raw.hits]
    forged = any("x-evil" in hit.headers for hit in raw.hits)
    return not forged and all(head.isprintable() for head in heads)


def _in_catalog(bad: str) -> dict[str, dict[str, Any]]:
    """Return catalogs with a control character somewhere in what is sent."""

    def rule(**changes: Any) -> dict[str, Any]:
        return {"credential": {"kind": "api_key", "fields": [{**acme.FIELD, **changes}]}}

    return {
        "field name": rule(name=f"X-Key{bad}"),
        "prefix": rule(prefix=f"Bearer {bad}"),
        "query name": rule(name=f"key{bad}", **{"in": "query"}),
        "token url": {
            "credential": {
                "kind": "oauth2",
                "fields": [acme.FIELD],
                "token": {"url": f"/token{bad}"},
            }
        },
    }


@pytest.mark.parametrize("where", _in_catalog(""))
async def test_catalog(raw: RawServer, reach: Connect, where: str, figure: Figure) -> None:
    """A catalog with such a field is refused, or its calls are, before anything is sent."""
    for bad in BAD:
        raw.default = raw_server.reply(raw_server.whole("401 No", b"{}"))
        try:
            async with reach(catalog=_in_catalog(bad)[where], credentials=_of(where)) as api:
                await api.get()
        except (resilient.ResilientError, ValueError):
            pass
        assert _is_clean(raw)
        raw.hits.clear()
    figure("H5", f"sent from a catalog ({where})", 0, of=f"{len(BAD)} characters")


def _of(where: str) -> Any:
    pair = credentials.TokenPair("a", "r")
    return "key" if where != "token url" else credentials.OAuth2("i", "s", lambda: pair, print)


@pytest.mark.parametrize("where", ["hosts", "egress", "key", "name"])
async def test_configuration(raw: RawServer, reach: Connect, where: str) -> None:
    """So is a configuration, and a credential that is given in Python."""
    for bad in BAD:
        ways: dict[str, dict[str, Any]] = {
            "hosts": {"hosts": [f"{raw.host}{bad}"]},
            "egress": {"egress": f"office{bad}"},
            "key": {"credentials": f"key{bad}x"},
            "name": {"credentials": {f"name{bad}": "key"}},
        }
        try:
            async with reach(**ways[where]) as api:
                await api.get()
        except (resilient.ResilientError, ValueError):
            pass
        assert _is_clean(raw)
    if where in ("hosts", "key"):
        assert [] == raw.hits


@pytest.mark.parametrize("place", ["header", "query", "form", "json"])
@pytest.mark.parametrize("kind", ["OAuth2", "SessionId", "Bearer", "own"])
async def test_values(
    raw: RawServer, reach: Connect, kind: str, place: str, figure: Figure
) -> None:
    """What a token endpoint, a login or a user's own code gives is refused before the send."""
    for bad in BAD:
        raw.hits.clear()
        credential, rule = _credential(kind, f"token{bad}x", place)
        reply = json.dumps({"access_token": f"token{bad}x", "session": f"token{bad}x"})
        raw.then(raw_server.reply(raw_server.whole("200 OK", reply.encode())))
        body: dict[str, Any] = {"json": {"a": 1}} if place == "json" else {"data": {"a": "1"}}
        async with reach(catalog={"credential": rule}, credentials=credential) as api:
            with pytest.raises(resilient.ResilientError):
                await api.call("POST", "/things", **body)
        assert _is_clean(raw)
        assert [] == [hit.target for hit in raw.hits if hit.target != "/token"]
        raw.script.clear()
    figure("H5", f"sent with a value of {kind} in {place}", 0, of=f"{len(BAD)} characters")


class _Own:
    refreshable = False

    def __init__(self, token: str) -> None:
        self.token = token

    async def load(self, calls: credentials.Calls) -> dict[str, str]:
        return {"token": self.token}

    async def renew(self, calls: credentials.Calls, stale: Any) -> dict[str, str]:
        return {"token": self.token}


def _credential(kind: str, token: str, place: str) -> tuple[Any, dict[str, Any]]:
    field = {"name": "key", "in": [place]}
    if kind == "SessionId":
        made = credentials.SessionId({}, {"user": "me"})
        login = {"url": "/token", "session": "session"}
        return made, {
            "kind": "session",
            "fields": [{**field, "value": "session"}],
            "login": login,
        }
    if kind == "OAuth2":
        # Bought at once: the pair that is stored is spent already.
        return _Bought(), {"kind": "oauth2", "fields": [field], "token": {"url": "/token"}}
    given: Any = credentials.Bearer(lambda: token) if kind == "Bearer" else _Own(token)
    return given, {"kind": "bearer", "fields": [field]}


class _Bought(credentials.OAuth2):
    def __init__(self) -> None:
        pair = credentials.TokenPair("a", "r")
        super().__init__("id", "secret", lambda: pair, lambda _: None)

    async def load(self, calls: credentials.Calls) -> Any:
        return await self.renew(calls, {"token": "a"})


def test_the_search_finds() -> None:
    """The check is one that a forged header does not pass."""
    raw = RawServer()
    raw.hits.append(
        raw_server.Request(at=0, method="GET", target="/", headers={"x-evil": "1"}, connection=1)
    )
    assert not _is_clean(raw)
