"""An API whose tokens run out, the authorization server that renews them, and a store for them."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, Literal

import acme
import attrs
from aiohttp import web
from server import Server

from resilient.credentials import Bearer, MemoryTokens, OAuth2, SessionId, TokenPair

Kind = Literal["Bearer", "OAuth2", "TokenStore", "SessionId"]
KINDS: tuple[Kind, ...] = ("Bearer", "OAuth2", "TokenStore", "SessionId")

_RULES = {"Bearer": "bearer", "OAuth2": "oauth2", "TokenStore": "oauth2", "SessionId": "session"}

Delay = Callable[[], float]
"""Gives seconds."""


def at_once() -> float:
    """Return no delay."""
    return 0.0


@attrs.define(eq=False)
class Store:
    """Where a pair is kept.

    Attributes:
        pair: The pair stored.
        kept: Every access token that was stored.
        takes: Seconds that storing takes.
        fault: Raised once, instead of storing.
    """

    pair: TokenPair = attrs.field(factory=lambda: TokenPair("a0", "r0"))
    kept: set[str] = attrs.field(factory=lambda: {"a0"})
    takes: float = 0.0
    fault: BaseException | None = None

    async def load(self) -> TokenPair:
        """Return the pair."""
        await asyncio.sleep(0)
        return self.pair

    async def save(self, pair: TokenPair) -> None:
        """Store a pair."""
        await asyncio.sleep(self.takes)
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault
        self.pair = pair
        self.kept.add(pair.access_token)


@attrs.define(eq=False)
class Shelf(MemoryTokens):
    """The same as a token store of the library's.

    Attributes:
        store: What notes what is stored, and fails.
    """

    store: Store = attrs.field(factory=Store, kw_only=True)

    async def save(self, pair: TokenPair, replaces: int | None = None) -> int | None:
        """Store a pair."""
        await self.store.save(pair)
        return await super().save(pair, replaces)


@attrs.define(eq=False)
class Authority:
    """Takes the access token sold last, and each refresh token once.

    A refresh token that comes twice revokes the family, as RFC 9700 section 4.14.2 wants it:
    nothing that was sold is good for anything then.

    Attributes:
        url: Where it is.
        store: Where the client keeps what it buys.
        latency: Seconds until the API answers; it has looked at the token before.
        takes: Seconds that a purchase takes, half before and half after it is made.
        expired: Whether the token sold last has run out.
        frozen: Whether the API refuses whatever was sold.
        sold: How many pairs, or sessions, were bought.
        asked: The refresh tokens and logins that came.
        revoked: How many families were.
        dead: Whether the last one is, until somebody logs in.
        first: The first pair of the last one: what is older belongs to others.
        party: Who has to have an answer before the token runs out, and they all get it at the
            same moment; nobody: it runs out when `expired` says so.
        selling: Is told who buys, before the answer goes.
        unsaved: Calls that came with a token that was not stored.
        refusal: Answers a purchase instead of a sale.
        sends: How often each call came, by its header `X-Call`.
        refused: Calls that were refused, in the order of their answers.
        late: How many of them were answered after the token had been renewed.
    """

    url: str = ""
    store: Store = attrs.field(factory=Store)
    latency: Delay = at_once
    takes: Delay = at_once
    expired: bool = False
    frozen: bool = False
    sold: int = 0
    asked: list[str] = attrs.field(factory=list)
    revoked: int = 0
    dead: bool = False
    first: int = 0
    party: set[str] = attrs.field(factory=set)
    selling: Callable[[str], object] = str
    unsaved: int = 0
    refusal: Callable[[], web.Response] | None = None
    sends: Counter[str] = attrs.field(factory=Counter)
    refused: int = 0
    late: int = 0
    _met: set[str] = attrs.field(factory=set)
    _meeting: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a call of the API, a purchase or a login."""
        if request.path == "/token":
            form = await request.post()
            return await self._sell(str(form["refresh_token"]), str(form.get("client_id")))
        if request.path == "/login":
            return await self._sell("")
        return await self._api(request)

    async def _api(self, request: web.Request) -> web.StreamResponse:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        self.sends[request.headers.get("X-Call", "")] += 1
        self.unsaved += token not in self.store.kept
        sold, good = self.sold, token == f"a{self.sold}" and not self.expired and not self.dead
        if self.latency is not at_once:
            await asyncio.sleep(self.latency())
        if good and not self.frozen:
            if self.party:
                await self._meet(request.headers["X-Call"])
            return web.json_response({})
        self.refused += 1
        self.late += self.sold > sold
        return web.Response(**acme.says("expired", status=401))

    async def _meet(self, name: str) -> None:
        """Wait for all others of the party; when they are there the token runs out."""
        self._met.add(name)
        meeting = self._meeting
        self.look_round()
        await meeting.wait()

    def look_round(self) -> None:
        """Let the party go on if all are there that are still of it."""
        if self._met >= self.party:
            self._meeting.set()
            self._met, self._meeting = set(), asyncio.Event()
            self.expired = self.expired or bool(self.party)

    def log_in(self) -> TokenPair:
        """Begin a new family, as a person does: what was sold before is good for nothing."""
        self.dead, self.expired, self.sold = False, False, self.sold + 1
        self.first = self.sold
        return TokenPair(f"a{self.sold}", f"r{self.sold}")

    async def _sell(self, refresh: str, buyer: str = "") -> web.StreamResponse:
        self.asked.append(refresh)
        takes = self.takes() / 2
        await asyncio.sleep(takes)
        if self.refusal is not None:
            return self.refusal()
        spent = refresh not in ("", f"r{self.sold}")
        if spent and int(refresh.removeprefix("r")) >= self.first:
            self.revoked += not self.dead
            self.dead = True
        if spent or self.dead:
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.sold, self.expired = self.sold + 1, False
        token = f"a{self.sold}"
        if not refresh:
            self.store.kept.add(token)  # a session's id is nobody's to store
        self.selling(buyer)
        await asyncio.sleep(takes)
        pair = {"access_token": token, "refresh_token": f"r{self.sold}"}
        return web.json_response({**pair, "session": token})

    def client(self, kind: Kind) -> dict[str, Any]:
        """Return what opens a client with a credential of a kind, as arguments of `connect`."""
        field = dict(acme.FIELD)
        credential: Any = OAuth2(
            "id", "secret", self.store.load, self.store.save, token_url="/token"
        )
        rule: dict[str, Any] = {"kind": _RULES[kind], "fields": [field]}
        if kind == "Bearer":
            credential = Bearer(self._stored, self.buy)
        elif kind == "TokenStore":
            shelf = Shelf(self.store.pair, store=self.store)
            credential = OAuth2("id", "secret", store=shelf, token_url="/token")
        elif kind == "SessionId":
            field["value"] = "session"
            rule["login"] = {"url": "/login", "session": "session"}
            credential = SessionId({}, {"user": "me"}, session="a0")
        return {"credentials": credential, "catalog": {"credential": rule}}

    async def _stored(self) -> str:
        return (await self.store.load()).access_token

    async def buy(self, http: Any) -> str:
        """Renew as users do it in code of their own."""
        pair = await self.store.load()
        form = {"refresh_token": pair.refresh_token}
        async with http.post(f"{self.url}/token", data=form) as response:
            bought = await response.json()
        await self.store.save(TokenPair(bought["access_token"], bought["refresh_token"]))
        return str(bought["access_token"])


def presiding(server: Server) -> Authority:
    """Return an authority that answers in a server's stead."""
    authority = Authority(url=server.url)
    server.default = authority.answer  # type: ignore[assignment]
    return authority
