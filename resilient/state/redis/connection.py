"""Connections of redis-py, which is an extra: pipelines out, replies in, and words for what fails.

No address, user name or password is in what is raised here, or shown.
"""

import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, ClassVar, Final, TypeVar

import attrs
import redis
from redis._parsers import _AsyncHiredisParser, _AsyncRESP2Parser
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import InvalidResponse, RedisError, ResponseError
from redis.utils import HIREDIS_AVAILABLE

from resilient.config.store_url import StoreURL
from resilient.errors import ConfigError
from resilient.state.redis.link import Address, Command, ErrorReply, Unreachable
from resilient.state.redis.scripts import Script

hiredis: Any = import_module("hiredis") if HIREDIS_AVAILABLE else None

T = TypeVar("T")


def _pack(commands: Sequence[Command]) -> list[bytes]:
    return [hiredis.pack_command(each) for each in commands]


_FAILURES: Final = (OSError, RedisError, LookupError, TypeError, ValueError, Unreachable)
"""What redis-py raises, the built-in ones where it stumbles over nonsense; and our own."""

_REASONS: dict[type[Exception], str] = {
    ssl.SSLCertVerificationError: "its certificate is not trusted",
    ssl.SSLError: "TLS failed",
    socket.gaierror: "its name is not known",
    UnicodeError: "its name is not known",
    ConnectionRefusedError: "the connection was refused",
    ConnectionError: "the connection broke",
    FileNotFoundError: "there is no such socket",
    PermissionError: "its socket may not be opened",
    OSError: "the connection failed",
    InvalidResponse: "this is not the protocol of Redis",
    ValueError: "this is not the protocol of Redis",
}

_REFUSALS = {
    "DENIED": "it admits its own machine only, unless it has a password (protected mode)",
    "LOADING": "it is loading its data",
    "MASTERDOWN": "it is a replica, and its master is down",
    "NOAUTH": "it wants a password",
    "WRONGPASS": "the user name or the password is wrong",
}

_SILENT: dict[str, Any] = (
    {"driver_info": None}
    if hasattr(redis, "DriverInfo")
    else {"lib_name": None, "lib_version": None}
)
_PLAIN: Final = {"protocol": 2, "socket_timeout": None, "socket_connect_timeout": None} | _SILENT
"""No limits of time; AUTH and SELECT are all that is said first."""

_CAN_READ = "can_read" if hasattr(AbstractConnection, "can_read") else "can_read_destructive"


# Without hiredis, redis-py's default may be a parser that RESP 2 is not read by.
class _Parser(_AsyncHiredisParser if HIREDIS_AVAILABLE else _AsyncRESP2Parser):  # type: ignore[misc]
    """Leaves every error as Redis words it, for whoever sent the command."""

    EXCEPTION_CLASSES: ClassVar[dict[str, Any]] = {}


@attrs.define(eq=False, repr=False)
class Connected:
    """A connection to one Redis."""

    _connection: AbstractConnection
    _scripts: set[str] = attrs.field(factory=set, init=False)
    _awaited: Sequence[Command] = attrs.field(default=(), init=False)

    async def greet(self, last: str) -> None:
        """Connect, log in, and send a command that shows whether Redis lets us in."""
        await self._connection.connect()  # type: ignore[no-untyped-call]
        await self.send([(last,)])
        (reply,) = await self.receive()
        if isinstance(reply, ErrorReply) and (why := _refusal(reply)):
            raise Unreachable(why)
        if last == "ROLE" and isinstance(reply, list) and reply[:1] != [b"master"]:
            raise Unreachable("it is a master no more")

    async def is_usable(self) -> bool:
        """Whether it is open, and nothing has arrived that nobody asked for."""
        try:
            return not await getattr(self._connection, _CAN_READ)()
        except _FAILURES:  # pragma: no cover - an older redis-py raises where the other end closed
            return False

    async def send(self, commands: Sequence[Command]) -> None:
        """Send a pipeline."""
        self._awaited = commands
        await self._write(self._worded(commands))

    async def receive(self) -> list[Any]:
        """Return the replies to it."""
        commands, self._awaited = self._awaited, ()
        replies = [await self._reply() for _ in commands]
        forgotten = [i for i, each in enumerate(replies) if _is_forgotten(each)]
        if forgotten:
            # In order. One behind them was carried out before only if somebody else loaded just
            # that one since all were dropped that this connection had sent.
            await self._write([_whole(commands[i]) for i in forgotten])
            for i in forgotten:
                replies[i] = await self._reply()
        return replies

    async def close(self, *, wait: bool = False) -> None:
        """Close it: nobody shall read what is still on its way."""
        with suppress(OSError, RedisError, RuntimeError):  # its loop may have ended
            await self._connection.disconnect(nowait=not wait)

    async def _write(self, commands: Sequence[Command]) -> None:
        # In asyncio redis-py packs in Python also where hiredis is there, in seven times the time.
        pack: Any = self._connection.pack_commands if hiredis is None else _pack
        await self._connection.send_packed_command(pack(commands))

    async def _reply(self) -> Any:
        try:
            return await self._connection.read_response(disable_decoding=True)
        except ResponseError as error:
            return ErrorReply(str(error))

    def _worded(self, commands: Sequence[Command]) -> list[Command]:
        """Return commands with each script by its sum, but whole where it is new.

        Where one of a pipeline is new to this connection, all are sent whole once: else Redis
        could have forgotten one, and carry out first what stands behind it.
        """
        used = {each.sha for each in map(_script, commands) if each is not None}
        sent = self._scripts if used <= self._scripts else set[str]()
        worded = [_worded(each, sent) for each in commands]
        self._scripts |= used
        return worded


@attrs.define(eq=False, repr=False)
class Opener:
    """Opens connections to the Redis of one URL."""

    url: StoreURL
    _hosts: deque[Address]
    _files: dict[str, Any]
    _tls: Any

    @classmethod
    def of(cls, url: StoreURL) -> "Opener":
        """Return the opener for a URL, with what certificates are checked with.

        Raises:
            ConfigError: That cannot be read.
        """
        files: dict[str, Any] = {k: v for k, v in url.options.items() if k.startswith("ssl_")}
        if url.tls:
            files["ssl_check_hostname"] = True
        return cls(url, deque(url.hosts), files, _certificates(files) if url.tls else None)

    async def open(self, address: Address | None, last: str = "PING") -> Connected:
        """Return a connection to an address, or to the socket, on which `last` was answered."""
        connected = Connected(self._made(address))
        try:
            await connected.greet(last)
        except BaseException:
            await connected.close()
            raise
        return connected

    async def ask(self, question: Callable[[Address], Awaitable[T]]) -> T | None:
        """Ask the hosts in turn; one that keeps us waiting is the last the next time."""
        for _ in self.url.hosts:
            host = self._hosts[0]
            self._hosts.rotate(-1)
            with suppress(*_FAILURES):
                if found := await question(host):
                    self._hosts.rotate(1)
                    return found
        return None

    def options(self, username: str | None, password: str | None) -> dict[str, Any]:
        """Return how clients of redis-py that ask one question are made."""
        who = {"username": username, "password": password, "retry": Retry(NoBackoff(), 0)}
        return {**_PLAIN, **who, "ssl": self.url.tls, **self._files}

    def reason(self, error: BaseException) -> str | None:
        """Return why there was no answer, or None: something else is wrong.

        Nothing is repeated of an error's text: it may name hosts.
        """
        if not isinstance(error, _FAILURES):
            return None
        found: BaseException | None = error
        while found is not None:
            if isinstance(found, Unreachable):
                return str(found)
            if isinstance(found, ResponseError):
                return _not_let_in(ErrorReply(str(found)))
            for kind, words in _REASONS.items():
                if isinstance(found, kind):
                    return words
            found = found.__cause__ or found.__context__
        return "the connection broke"

    def _made(self, address: Address | None) -> AbstractConnection:
        url = self.url
        plain = {**_PLAIN, "username": url.username, "password": url.password, "db": url.db}
        plain["parser_class"] = _Parser
        if address is None:
            # It greets as soon as it is connected, and would once more.
            return UnixDomainSocketConnection(
                path=url.path or "", redis_connect_func=lambda _: None, **plain
            )
        plain |= {"host": address[0], "port": address[1]}
        if not url.tls:
            return Connection(**plain)
        made = SSLConnection(**plain)
        made.ssl_context = self._tls
        return made


def _certificates(files: dict[str, Any]) -> Any:
    fault = None
    context = SSLConnection(**files).ssl_context
    try:
        context.get()
    except OSError as error:  # ssl.SSLError is one
        fault = type(error).__name__
    if fault is not None:
        raise ConfigError(f"the files that ssl_… name in the store's URL are no use: {fault}")
    return context


def _not_let_in(reply: ErrorReply) -> str:
    """Return why Redis refuses AUTH or SELECT."""
    other = (
        "it has no such database" if "DB index" in reply.text else "it does not take the password"
    )
    return _refusal(reply) or other


def _refusal(reply: ErrorReply) -> str | None:
    if reply.text.startswith("max number of clients"):
        return "it has too many clients"
    return _REFUSALS.get(reply.code)


def _is_forgotten(reply: Any) -> bool:
    return isinstance(reply, ErrorReply) and reply.code == "NOSCRIPT"


def _script(command: Command) -> Script | None:
    script = command[1] if command[0] == "EVALSHA" else None
    return script if isinstance(script, Script) else None


def _worded(command: Command, sent: set[str]) -> Command:
    script = _script(command)
    if script is None:
        return command
    if script.sha in sent:
        return ("EVALSHA", script.sha, *command[2:])
    sent.add(script.sha)
    return _whole(command)


def _whole(command: Command) -> Command:
    script = _script(command)
    return command if script is None else ("EVAL", script.text, *command[2:])
