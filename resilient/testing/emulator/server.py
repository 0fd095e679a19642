"""A vendor's API on the loopback: speaks as the catalog says, and keeps what it was asked."""

from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs
from aiohttp import web

from resilient.catalog import Catalog, Entry
from resilient.clock import Clock
from resilient.config.build_catalog import load_catalog
from resilient.core.endpoints import Endpoints, match_endpoint
from resilient.testing.emulator.asked import Asked
from resilient.testing.emulator.bans import LENGTH, Banned
from resilient.testing.emulator.limits import Tally
from resilient.testing.emulator.render import Answer
from resilient.testing.emulator.tokens import LIFETIME
from resilient.testing.emulator.vendor import Rules, Vendor

KEPT = 10_000
"""How many requests are kept unless told."""


@attrs.frozen(kw_only=True)
class Received:
    """One request, and what it was answered.

    Attributes:
        path: Percent-encoded as sent, without the query.
        query: Percent-encoded as sent.
        time: When it came, on the loop's clock.
        endpoint: The catalog's name for it, or None.
        presented: The values of the credential, by the field's name.
        status: Of the answer.
        entry: What the answer said, None for a success.
        why: `success`, `limit`, `ban`, `script`, `expired`, `token`, `login`, `spent`, `emulate`.
    """

    method: str
    path: str
    query: str = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    time: float
    endpoint: str | None
    presented: Mapping[str, str] = attrs.field(repr=False)
    status: int
    entry: Entry | None
    why: str


class Emulator:
    """An HTTP server that behaves as a catalog says: `async with Emulator("hh") as hh: …`.

    Every success is a small neutral body. A request with the header `X-Emulate: KEY` is
    answered with the entry of that key (see `entry_key`; `KEY#envelope` chooses the envelope),
    whatever the limits say. Else, in this order: a ban, a documented limit, what was ordered
    by `script`, the token endpoint or the login, an expired credential, success.

    Args:
        catalog: A shipped one by name, a path, a mapping of the same shape, or a catalog.
        limits: Whether calls over a documented limit are refused; they are measured anyway.
        count_refused: Whether a refused call counts towards the limit.
        retry_after: Whether a refusal says in Retry-After when there will be room.
        ban_length: Seconds that a ban lasts.
        token_lifetime: Seconds that an access token or a session lives.
        host: An address of this machine.
        port: 0 for a free one.
        keep: How many requests `requests` holds; `total` counts on.
        now: The clock; None for the loop's, which may be virtual.

    Attributes:
        requests: The latest requests, oldest first.
        total: How many requests came.
    """

    def __init__(
        self,
        catalog: str | Path | Mapping[str, Any] | Catalog,
        *,
        limits: bool = True,
        count_refused: bool = False,
        retry_after: bool = False,
        ban_length: float = LENGTH,
        token_lifetime: float = LIFETIME,
        host: str = "127.0.0.1",
        port: int = 0,
        keep: int = KEPT,
        now: Callable[[], float] | None = None,
    ) -> None:
        self.catalog = catalog if isinstance(catalog, Catalog) else load_catalog(catalog)
        self.requests: deque[Received] = deque(maxlen=keep)
        self.total = 0
        rules = Rules(
            limits=limits,
            count_refused=count_refused,
            retry_after=retry_after,
            ban_length=ban_length,
            token_lifetime=token_lifetime,
        )
        self._vendor = Vendor(self.catalog, rules)
        self._endpoints = Endpoints(self.catalog.endpoints)
        self._host, self._port = host, port
        self._now = now or Clock.now
        self._runner: web.ServerRunner | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen."""
        runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except BaseException:
            await runner.cleanup()
            raise
        self._port, self._runner = runner.addresses[0][1], runner

    async def stop(self) -> None:
        """Close every connection and the port."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()
            # The sockets close in the loop's next rounds: leave none behind.
            await Clock.sleep(0)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    @property
    def url(self) -> str:
        """Where it listens: `http://127.0.0.1:PORT`, without a slash at the end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def host(self) -> str:
        """Where it listens, as a service's `hosts` wants it: `127.0.0.1:PORT`."""
        return self.url.removeprefix("http://")

    @property
    def tallies(self) -> tuple[Tally, ...]:
        """What each limit saw of each scope: the most in any window, and refusals."""
        return self._vendor.limits.tallies

    @property
    def bans(self) -> tuple[Banned, ...]:
        """The bans that were pronounced."""
        return tuple(self._vendor.bans.pronounced)

    @property
    def refreshes(self) -> int:
        """How many refresh tokens were exchanged."""
        return self._vendor.tokens.exchanged

    def lift_bans(self) -> None:
        """End all bans, as a vendor's support would."""
        self._vendor.bans.lift()

    def script(
        self,
        what: Entry | str | int,
        *,
        endpoint: str | None = None,
        method: str | None = None,
        times: int = 1,
        retry_after: float | str | None = None,
    ) -> None:
        """Answer the next matching requests with an error; scripts are used in order.

        Args:
            what: An entry, its key, a reported code, a name, or an HTTP status.
            endpoint: Only requests of this endpoint.
            method: Only requests with this method.
            times: How many requests.
            retry_after: Seconds, or the header's text.

        Raises:
            ValueError: The catalog has no such entry.
        """
        header = f"{retry_after:g}" if isinstance(retry_after, int | float) else retry_after
        self._vendor.script(what, endpoint=endpoint, method=method, left=times, retry_after=header)

    def issue_tokens(self) -> dict[str, Any]:
        """Return a first pair of tokens, as the token endpoint gives it."""
        return self._vendor.tokens.issue(self._now())

    def expire_credential(self, value: str) -> None:
        """Refuse an access token or session from now on: requests with it are to renew it."""
        self._vendor.tokens.expire(value)

    def clear(self) -> None:
        """Forget the requests that were kept."""
        self.requests.clear()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = self._asked(request, await request.read())
        answer = self._vendor.answer(asked)
        self._keep(asked, answer)
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    def _asked(self, request: web.BaseRequest, body: bytes) -> Asked:
        path, query = request.rel_url.raw_path, request.rel_url.raw_query_string
        endpoint = match_endpoint(self._endpoints, request.method, path)
        return Asked(
            method=request.method,
            path=path,
            query=query,
            headers=request.headers,
            body=body,
            peer=request.remote or "",
            endpoint=endpoint.name if endpoint else None,
            time=self._now(),
            rule=self.catalog.credential,
        )

    def _keep(self, asked: Asked, answer: Answer) -> None:
        self.total += 1
        self.requests.append(
            Received(
                method=asked.method,
                path=asked.path,
                query=asked.query,
                headers=asked.headers,
                body=asked.body,
                time=asked.time,
                endpoint=asked.endpoint,
                presented=asked.presented,
                status=answer.status,
                entry=answer.entry,
                why=answer.why,
            )
        )
