"""Effects: what a call does at the server is done once, or the caller said that twice is fine."""

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest
import raw_server
from acme import Connect, connecting, says
from naive import Retry
from promises.conftest import Figure, Scale
from raw_server import RawServer, Wire
from toxic import Ending, Proxy, Toxin, toxic
from yarl import URL

import resilient

SERVICE: dict[str, Any] = {
    "attempt_timeout": "5s",
    "retry_budget": "off",
    "policies": {
        name: {"action": name, "attempts": 3, "delay": {"base": "1s", "cap": "5s"}}
        for name in ("retry", "back_off")
    },
}
DONE = {
    "done": raw_server.whole("200 OK", b'{"id": 1}'),
    "created": raw_server.whole("201 Created", b"", "Location: /things/1", "Set-Cookie: a=b"),
    "done, in chunks": raw_server.chunked("200 OK", b'{"id": 1}', size=4),
    "done, then broken": raw_server.whole("500 Broken", b"{}"),
    "done, unless a gateway lies": raw_server.whole("503 Unavailable", b"{}"),
}
"""What a server says of a request that it has processed, or may have."""

REFUSED = {
    "too fast": raw_server.whole("429 Slow", b"{}", "Retry-After: 1"),
    "lost": raw_server.whole("400 Bad", says("lost")["text"].encode()),
}
"""What it says of one that it has not: here the catalog has `processed: false`."""


@attrs.frozen
class Case:
    """A call, what the server says to it, and where its words are cut."""

    kind: str
    method: str
    cut: int | None
    ending: Ending = "rst"
    reused: bool = True
    piece: int | None = None


ENDINGS: tuple[Ending, ...] = ("rst", "fin")
CASES = tuple(
    Case(kind, method, cut, ending, reused, piece)
    for kind, reply in {**DONE, **REFUSED}.items()
    for method, ending, reused, piece in itertools.product(
        ("POST", "PATCH"), ENDINGS, (True, False), (None, 7)
    )
    for cut in range(len(reply) + 1)
)
"""A cut before the reply, at every byte of it, and after its last one."""


@attrs.define(eq=False)
class Effects:
    """A server that counts what it does, by call: as soon as the whole request is there."""

    raw: RawServer
    kinds: dict[int, str] = attrs.field(factory=dict)
    count: Counter[int] = attrs.field(factory=Counter)

    def __attrs_post_init__(self) -> None:
        self.raw.default = self.answer

    async def answer(self, wire: Wire) -> bool:
        """Do it, or refuse once."""
        call = int(URL(wire.request.target).query["n"])
        await wire.body()
        kind = self.kinds[call]
        if kind in REFUSED:
            self.kinds[call] = "done"
            await wire.send(REFUSED[kind])
            return True
        self.count[call] += 1
        await wire.send(DONE[kind])
        return True

    async def storm(self, proxy: Proxy, http: aiohttp.ClientSession, cases: Iterable[Case]) -> None:
        """Make the calls, one after the other."""
        for call, case in enumerate(cases):
            self.kinds[call] = case.kind
            if not case.reused:
                await proxy.cut()
            proxy.down = Toxin(cut=case.cut, ending=case.ending, piece=case.piece)
            with suppress(aiohttp.ClientError):
                async with http.request(
                    case.method, f"{proxy.url}/things?n={call}", data=b"x=1"
                ) as response:
                    await response.read()
            self.raw.hits.clear()
            proxy.connections[:-1] = []

    def doubled(self) -> list[int]:
        """Return the calls that took effect more than once."""
        return [call for call, times in self.count.items() if times > 1]


async def test_no_effect_twice(
    raw: RawServer, tmp_path: Path, scale: Scale, figure: Figure
) -> None:
    """Wherever the reply is cut, a POST or PATCH takes effect once at most."""
    cases = CASES[:: scale(61, 1)]
    effects = Effects(raw)
    async with toxic(raw.port, record=0) as proxy, connecting(proxy, tmp_path)(**SERVICE) as api:
        await effects.storm(proxy, api.http, cases)
    assert [] == effects.doubled()
    done = [call for call, case in enumerate(cases) if case.kind in DONE]
    assert set(done) <= set(effects.count)
    figure("B1", "duplicate effects", len(effects.doubled()), of=len(cases))


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_refused_is_sent_again(
    raw: RawServer, tmp_path: Path, kind: str, method: str
) -> None:
    """What the catalog knows not to have been processed is sent again, and takes effect once."""
    effects = Effects(raw)
    async with toxic(raw.port) as proxy, connecting(proxy, tmp_path)(**SERVICE) as api:
        await effects.storm(proxy, api.http, [Case(kind, method, None)] * 5)
    assert dict.fromkeys(range(5), 1) == effects.count


async def test_doubled_naively(raw: RawServer) -> None:
    """A retry that looks at no method does it twice, or three times."""
    effects = Effects(raw)
    cases = [case for case in CASES[::97] if case.kind in DONE]
    async with (
        toxic(raw.port, record=0) as proxy,
        aiohttp.ClientSession(middlewares=(Retry(),)) as http,
    ):
        await effects.storm(proxy, http, cases)
    assert len(effects.doubled()) > len(cases) / 2
    assert 3 == max(effects.count.values())


SAID = (None, True, False)


@pytest.mark.parametrize("catalog", SAID)
@pytest.mark.parametrize("service", SAID)
async def test_who_says(
    raw: RawServer, reach: Connect, catalog: bool | None, service: bool | None
) -> None:
    """That a call may be processed twice is said by options, service, catalog, method: in order."""
    raw.default = raw_server.reset()
    endpoint = {"name": "things", **({} if catalog is None else {"idempotent": catalog})}
    keys: dict[str, Any] = {"catalog": {"endpoints": {"/things": endpoint}}}
    if service is not None:
        keys["endpoints"] = {"things": {"idempotent": service}}
    async with reach(**SERVICE, **keys) as api:
        for options, method in itertools.product(SAID, ["GET", "DELETE", "PUT", "POST", "PATCH"]):
            raw.hits.clear()
            with resilient.options(idempotent=options), pytest.raises(resilient.TransportError):
                await api.call(method, "/things")
            said = [each for each in (options, service, catalog) if each is not None]
            safe = said[0] if said else method in ("GET", "DELETE", "PUT")
            assert (method, options, 3 if safe else 1) == (method, options, len(raw.hits))


@pytest.mark.parametrize(("endpoint", "expected"), [("sendEmail", 1), ("getLists", 4)])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_get_that_sends(raw: RawServer, method: str, endpoint: str, expected: int) -> None:
    """At a vendor that does everything over GET and POST, the catalog says which may go again."""
    raw.default = raw_server.reset()
    services = {"mail": {"catalog": "unisender", "hosts": [raw.host], "retry_budget": "off"}}
    async with resilient.session({"services": services}, credentials={"mail": "key"}) as http:
        with pytest.raises(resilient.TransportError):
            await http.request(method, f"{raw.url}/ru/api/{endpoint}")
    assert expected == len(raw.hits)


def status(code: int) -> raw_server.Answer:
    """Return a bare status."""
    return raw_server.reply(raw_server.whole(f"{code} Status", b"{}"))


UNKNOWN, NOT_DONE, FINAL = "it may have been processed", "it was not processed", "no use"
FAULTS: Mapping[str, tuple[str, raw_server.Answer]] = {
    "reset": (UNKNOWN, raw_server.reset()),
    "cut": (UNKNOWN, raw_server.reset(b"HTTP/1.1 200 OK\r\nContent-")),
    "ended": (UNKNOWN, raw_server.reply(b"", keep=False)),
    **{str(code): (UNKNOWN, status(code)) for code in (500, 502, 503, 504)},
    **{str(code): (NOT_DONE, status(code)) for code in (408, 429)},
    **{str(code): (FINAL, status(code)) for code in (400, 403, 404, 409, 412, 501)},
}
SAFE: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "always": [("GET", {}), ("PUT", {}), ("DELETE", {}), ("OPTIONS", {})],
    "on a condition that is given": [
        ("POST", {"idempotent": True}),
        ("PATCH", {"idempotent": True}),
    ],
    "on a condition that is not": [("POST", {}), ("PATCH", {})],
    "never": [("GET", {"idempotent": False}), ("PUT", {"idempotent": False})],
}
ROWS = (
    *[(each,) for each in FAULTS],
    ("reset", "503"),
    ("503", "429"),
    ("429", "reset"),
    ("408",) * 2,
)


def expected(faults: tuple[str, ...], *, safe: bool) -> tuple[int, bool]:
    """Return how often a call is sent, and whether it succeeds."""
    for number, fault in enumerate(faults, 1):
        kind = FAULTS[fault][0]
        if kind == FINAL or (kind == UNKNOWN and not safe):
            return number, False
    return len(faults) + 1, True


@pytest.mark.parametrize("safe", SAFE)
async def test_conformance(raw: RawServer, reach: Connect, safe: str) -> None:
    """Idempotent calls, conditional ones and others x faults: each is sent again if it may be."""
    again = safe in ("always", "on a condition that is given")
    async with reach(**SERVICE) as api:
        for faults, (method, options) in itertools.product(ROWS, SAFE[safe]):
            raw.hits.clear()
            raw.then(*[FAULTS[each][1] for each in faults])
            succeeded = True
            with resilient.options(**options):
                try:
                    await api.call(method, "/things")
                except aiohttp.ClientError:
                    succeeded = False
            told = (method, faults, *expected(faults, safe=again))
            assert told == (method, faults, len(raw.hits), succeeded)
            raw.script.clear()
