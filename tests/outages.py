"""What can befall a shared store, and a fleet of clients that meets it: what each call made of it.

Many faults run beside each other in one loop, each before a redis-server of its own, for what
takes time is waiting. What happened is kept, and checked afterwards.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from functools import cache, partial
from typing import Any, Literal

import aiohttp
import attrs
import redis
from oracle import most_in_window
from redis_front import Front, fronting
from redis_server import RedisServer
from server import Server, serving

import resilient
from resilient.config.service import SharedStore

Mode = Literal["local_share", "fail_open", "fail_closed"]

MODES: tuple[Mode, ...] = ("local_share", "fail_open", "fail_closed")

FLEET = 3
"""Instances that share a limit."""

CALLS = 12
"""A second, of the limit that is spent to the last call."""

CAPACITY = 1
"""How many of these may go at once."""

TIMEOUT = 0.4
"""Seconds of the store's `timeout`: more than the 50 ms of an installation, for busy machines."""

TRY = 1.0
"""Seconds between two tries, as documented."""

_TASKS = 2
_AFTER_AN_ERROR = 0.1
_PATIENCE = 15.0
_BEFORE, _DURING, _AFTER = 0.5, 1.7, 1.4


@attrs.define(eq=False)
class Place:
    """A redis-server, the ways to it, one for each fleet, and for a failover its replica."""

    redis: RedisServer
    fronts: list[Front] = attrs.field(factory=list)
    replica: RedisServer | None = None
    _busy: threading.Thread | None = None

    async def command(self, *parts: str | int) -> Any:
        """Run a command on a connection that is not the fleet's."""
        return await asyncio.to_thread(self.redis.command, *parts)


Act = Callable[[Place], Awaitable[object]]


@attrs.frozen(kw_only=True)
class Fault:
    """Something that befalls a store.

    Attributes:
        begin: Makes it so.
        end: Mends it.
        noticed: Whether the store does not answer meanwhile.
        lasts: Whether it is there until it is mended.
        forgets: Whether what the store knew is gone.
        from_the_start: Whether it begins before the fleet does.
        fails_over: Whether there is a replica.
        password: What clients say; None: nothing.
    """

    begin: Act
    end: Act
    noticed: bool = True
    lasts: bool = True
    forgets: bool = False
    from_the_start: bool = False
    fails_over: bool = False
    password: str | None = None


async def nothing(_: Place) -> None:
    """Leave it as it is."""


def on_the_way(**spoilt: Any) -> Fault:
    """Return a fault of what lies between: attributes of a Front."""

    async def begin(place: Place) -> None:
        for front in place.fronts:
            for name, value in spoilt.items():
                setattr(front, name, value)

    async def end(place: Place) -> None:
        plain = Front(place.redis.path)
        for front in place.fronts:
            for name in spoilt:
                setattr(front, name, getattr(plain, name))

    return Fault(begin=begin, end=end)


def of_commands(begin: Iterable[str], end: Iterable[str] = (), **keys: Any) -> Fault:
    """Return a fault that Redis is told to have: commands, each as one text."""

    async def run(lines: Iterable[str], place: Place) -> None:
        for line in lines:
            await place.command(*line.split())

    return Fault(begin=partial(run, tuple(begin)), end=partial(run, tuple(end)), **keys)


async def _suspend(place: Place) -> None:
    place.redis.suspend()


async def _resume(place: Place) -> None:
    place.redis.resume()


async def _kill(place: Place) -> None:
    await asyncio.to_thread(place.redis.kill)


async def _start(place: Place) -> None:
    await asyncio.to_thread(place.redis.start)


async def _restart(place: Place) -> None:
    await asyncio.to_thread(place.redis.restart)


async def _lock(place: Place) -> None:
    """Change the password, and show everybody out."""
    await place.command("CONFIG", "SET", "requirepass", "another")
    place.redis.password = "another"
    await place.command("CLIENT", "KILL", "TYPE", "normal")


def _unlock(password: str) -> Act:
    async def unlock(place: Place) -> None:
        await place.command("CONFIG", "SET", "requirepass", password)
        place.redis.password = password or None

    return unlock


async def _promote(place: Place) -> None:
    """Let the name of the store lead to the replica, which is the master from now on."""
    assert place.replica is not None
    await asyncio.to_thread(place.replica.command, "REPLICAOF", "NO", "ONE")
    for front in place.fronts:
        front.target = place.replica.path


async def _keep_busy(place: Place) -> None:
    """Run a script without an end."""
    await place.command("CONFIG", "SET", "busy-reply-threshold", "5")

    def run() -> None:
        client = redis.Redis(unix_socket_path=str(place.redis.path))
        with client, suppress(redis.ResponseError):  # it is killed
            client.eval("while true do end", 0)

    place._busy = threading.Thread(target=run)
    place._busy.start()


async def _end_script(place: Place) -> None:
    await place.command("SCRIPT", "KILL")
    assert place._busy is not None
    await asyncio.to_thread(place._busy.join)


FAULTS: Mapping[str, Fault] = {
    "suspended": Fault(begin=_suspend, end=_resume),
    "killed": Fault(begin=_kill, end=_start, forgets=True),
    "restarted": Fault(begin=_restart, end=nothing, lasts=False, forgets=True),
    "flushed": of_commands(["FLUSHALL"], noticed=False, forgets=True),
    "without scripts": of_commands(["SCRIPT FLUSH"], noticed=False),
    "promoted": Fault(begin=_kill, end=_promote, fails_over=True),
    "a replica": of_commands(["REPLICAOF 127.0.0.1 1"], ["REPLICAOF NO ONE"]),
    "full": of_commands(["CONFIG SET maxmemory 1"], ["CONFIG SET maxmemory 0"]),
    "another password": Fault(begin=_lock, end=_unlock("right"), password="right"),
    "a password": Fault(begin=_lock, end=_unlock("")),
    "slow": on_the_way(late=2.0),
    "reset": on_the_way(refuses=True),
    "cut off": on_the_way(cut=3),
    "loading": on_the_way(answer=b"-LOADING Redis is loading the dataset in memory\r\n"),
    "busy": on_the_way(answer=b"-BUSY Redis is busy running a script\r\n"),
    "nonsense": on_the_way(answer=b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "numbers": on_the_way(answer=b":7\r\n"),
    "nothing": on_the_way(answer=b"$-1\r\n"),
    "endless": on_the_way(answer=b"$999999999\r\nx"),
    "never there": attrs.evolve(on_the_way(refuses=True), from_the_start=True),
    "busy indeed": Fault(begin=_keep_busy, end=_end_script),
}


@attrs.frozen
class Made:
    """A call: who made it, when, and what came of it."""

    who: int
    service: str
    began: float
    ended: float
    error: Exception | None


@attrs.define(eq=False)
class Record:
    """What happened to a fleet.

    Attributes:
        began: When the fault did.
        ended: When it was mended.
        arrivals: When calls of the limit arrived at the API.
        events: What each instance told, and when.
        opened: When connections to the store were opened.
        heard: When something was sent to the store.
        stall: By how much the loop was late at most: the machine is busy.
    """

    name: str
    mode: Mode
    fault: Fault
    began: float = 0.0
    ended: float = 0.0
    arrivals: list[float] = attrs.field(factory=list)
    calls: list[Made] = attrs.field(factory=list)
    events: list[tuple[float, int, resilient.Event]] = attrs.field(factory=list)
    opened: list[float] = attrs.field(factory=list)
    heard: list[float] = attrs.field(factory=list)
    stall: float = 0.0

    def told(self, name: str) -> dict[int, list[float]]:
        """Return when each instance told an event."""
        found: dict[int, list[float]] = {who: [] for who in range(FLEET)}
        for at, who, event in self.events:
            if event.name == f"resilient.{name}":
                found[who].append(at)
        return found

    def most(self, since: float = 0.0, until: float = float("inf")) -> int:
        """Return the most calls that arrived within a second, between two times."""
        return most_in_window(((at, 1) for at in self.arrivals if since <= at < until), 1.0)


@cache
def _configuration() -> resilient.Config:
    """Return a configuration with two services: one that is always short of calls, one never."""

    def service(rate: str) -> dict[str, Any]:
        limits = {"calls": {"rate": rate, "per": ["ip"], "jitter": "200ms"}}
        keys = {"catalog": "http", "hosts": ["127.0.0.1"], "egress": "here", "timeout": "1m"}
        return {**keys, "limits": limits}

    services = {"tight": service(f"{CALLS}/s"), "roomy": service("300/s")}
    return resilient.load({"services": services})


def configuration(url: str, mode: Mode) -> resilient.Config:
    """Return it with a store."""
    store = SharedStore(url=url, mode=mode, timeout=TIMEOUT, prefix=mode)
    return attrs.evolve(_configuration(), store=store)


@attrs.define(eq=False)
class Fleet:
    """Instances that share a store and call as fast as they may."""

    front: Front
    server: Server
    record: Record
    make: Callable[..., resilient.Middleware] = resilient.Middleware
    is_over: bool = False
    members: list[resilient.Middleware] = attrs.field(factory=list)
    _tasks: "list[asyncio.Task[None]]" = attrs.field(factory=list)
    _stack: AsyncExitStack = attrs.field(factory=AsyncExitStack)

    async def start(self) -> None:
        """Begin to call, and wait until each knows of the others, if the store tells them."""
        for who in range(FLEET):
            http = await self._stack.enter_async_context(resilient.session(self._member(who)))
            calls = [self._call(who, http, "tight", 0.01) for _ in range(_TASKS)]
            if who == 0:
                calls.append(self._call(who, http, "roomy", 0.1))
            self._tasks += [asyncio.ensure_future(each) for each in calls]
        self._tasks.append(asyncio.ensure_future(self._watch()))
        if not self.record.fault.from_the_start:
            async with asyncio.timeout(_PATIENCE):
                while any(_instances(each) != FLEET for each in self.members):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)

    async def stop(self) -> Record:
        """Call no more."""
        self.is_over = True
        for each in self.members:
            await each.aclose()
        await asyncio.gather(*self._tasks)
        await self._stack.aclose()
        record, front = self.record, self.front
        record.opened, record.heard = list(front.opened), list(front.heard)
        record.arrivals = [hit.at for hit in self.server.hits if "tight" in hit.path]
        return record

    def _member(self, who: int) -> resilient.Middleware:
        record, loop = self.record, asyncio.get_running_loop()
        found = self.make(
            configuration(self.front.url(record.fault.password), record.mode),
            listeners=[lambda event: record.events.append((loop.time(), who, event))],
        )
        self.members.append(found)
        return found

    async def _call(
        self, who: int, http: aiohttp.ClientSession, service: str, pause: float
    ) -> None:
        loop = asyncio.get_running_loop()
        while not self.is_over:
            began, error = loop.time(), None
            try:
                with resilient.options(service=service):
                    async with http.get(f"{self.server.url}/{service}") as response:
                        await response.read()
            except Exception as found:  # noqa: BLE001 - a result
                error = found
            if not self.is_over:
                self.record.calls.append(Made(who, service, began, loop.time(), error))
                await asyncio.sleep(_AFTER_AN_ERROR if error else pause)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while not self.is_over:
            due = loop.time() + 0.02
            await asyncio.sleep(0.02)
            self.record.stall = max(self.record.stall, loop.time() - due)


def _instances(middleware: resilient.Middleware) -> int:
    """Return how many instances it knows of."""
    store: Any = middleware._store
    return int(store.outage.instances.get("tight", 0))


async def meet(
    name: str,
    modes: Iterable[Mode] = MODES,
    make: Callable[..., resilient.Middleware] = resilient.Middleware,
) -> list[Record]:
    """Let fleets, one for each mode, meet a fault, and stop them some time after it is mended."""
    fault, loop = FAULTS[name], asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        place = await _place(stack, fault)
        fleets = []
        for mode in modes:
            front = await stack.enter_async_context(fronting(place.redis.path))
            server = await stack.enter_async_context(serving())
            place.fronts.append(front)
            fleets.append(Fleet(front, server, Record(name, mode, fault), make))
        if fault.from_the_start:
            await fault.begin(place)
        await asyncio.gather(*(each.start() for each in fleets))
        began = loop.time()
        if not fault.from_the_start:
            await asyncio.sleep(_BEFORE)
            began = loop.time()
            await fault.begin(place)
        ended = loop.time()
        await asyncio.sleep(_DURING)
        await fault.end(place)
        if fault.lasts:
            ended = loop.time()
        await asyncio.sleep(TRY + _AFTER)
        for fleet in fleets:
            fleet.record.began, fleet.record.ended = began, ended
        return [await each.stop() for each in fleets]


async def _place(stack: AsyncExitStack, fault: Fault) -> Place:
    server = RedisServer(password=fault.password, tcp=fault.fails_over)
    await asyncio.to_thread(stack.enter_context, server)
    if not fault.fails_over:
        return Place(server)
    replica = RedisServer(master=server)
    await asyncio.to_thread(stack.enter_context, replica)
    await asyncio.to_thread(replica.wait_until, partial(_follows, replica), "it does not follow")
    return Place(server, replica=replica)


def _follows(replica: RedisServer) -> bool:
    return bool(replica.command("INFO", "replication")["master_link_status"] == "up")
