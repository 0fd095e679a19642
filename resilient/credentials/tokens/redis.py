"""Tokens in Redis, which the processes of many machines share.

It is used once an hour or so: a connection is opened for each step, and closed after it.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, Final

import attrs

from resilient.config.service import Secret, SharedStore
from resilient.credentials.protocol import CredentialUnavailable
from resilient.credentials.secret import ConcealedBytes
from resilient.credentials.tokens.pair import Intent, Stored, TokenPair
from resilient.state.redis import keys
from resilient.state.redis.lease import LASTS, UNGUARDED, Lease
from resilient.state.redis.link import Command, ErrorReply, Link, Unreachable, make_link
from resilient.state.redis.scripts import Script

Cipher = Callable[[bytes], bytes]
"""Encrypts, or decrypts."""


def _script(name: str) -> Script:
    place = files("resilient.credentials.tokens").joinpath("lua", f"{name}.lua")
    return Script(name, place.read_text("utf-8"))


_SAVE: Final = _script("save")
_NOTE: Final = _script("note")
_FIELDS = ("pair", "version", "intent")


def _concealed(field: bytes | None) -> ConcealedBytes:
    return ConcealedBytes(field or b"")


def _unchanged(data: bytes) -> bytes:
    return data


@attrs.frozen(eq=False)
class RedisTokens:
    """A pair in Redis, under a name: it stays until it is replaced.

    Attributes:
        url: As `store:` in YAML has it, or where that is written.
        name: What the pair is kept under: one for each account.
        encrypt: Makes of the pair's bytes what is stored; give `decrypt` too.
        decrypt: Makes the pair's bytes of what is stored.
        timeout: Seconds in which Redis must answer.
        prefix: What the names of the keys begin with.
        lasts: Seconds until the lock of a process that has died ends.
    """

    url: str | Secret = attrs.field(repr=False)
    name: str = attrs.field(kw_only=True)
    encrypt: Cipher = attrs.field(default=_unchanged, kw_only=True, repr=False)
    decrypt: Cipher = attrs.field(default=_unchanged, kw_only=True, repr=False)
    timeout: float = attrs.field(default=1.0, kw_only=True)
    prefix: str = attrs.field(default="resilient", kw_only=True)
    lasts: float = attrs.field(default=LASTS, kw_only=True)
    _link: Link = attrs.field(init=False, repr=False)
    _pair: str = attrs.field(init=False, repr=False)
    _lock: str = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if (self.encrypt is _unchanged) is not (self.decrypt is _unchanged):
            raise TypeError("RedisTokens takes `encrypt` and `decrypt`, or none of them")

    @_link.default
    def _make_link(self) -> Link:
        return make_link(SharedStore(url=self.url))

    @_pair.default
    def _pair_key(self) -> str:
        return keys.tokens(self.prefix, self.name, "pair")

    @_lock.default
    def _lock_key(self) -> str:
        return keys.tokens(self.prefix, self.name, "lease")

    async def load(self) -> Stored | None:
        """Return what is stored, or None.

        Raises:
            ValueError: It is no pair, or cannot be decrypted.
            CredentialUnavailable: Redis does not answer.
        """
        pair, version, intent = map(_concealed, await self._ask(("HMGET", self._pair, *_FIELDS)))
        if not version:
            return None
        found = TokenPair.of(self._read(pair))
        return Stored(found, int(version), Intent.of(json.loads(intent or b"{}")))

    async def save(self, pair: TokenPair, replaces: int | None = None) -> int | None:
        """Store a pair; None if another has been stored since `replaces`.

        Raises:
            CredentialUnavailable: Redis does not answer.
        """
        data = ConcealedBytes(self.encrypt(json.dumps(pair.asdict()).encode()))
        old = "" if replaces is None else replaces
        return await self._ask(("EVALSHA", _SAVE, 1, self._pair, data, old)) or None

    @asynccontextmanager
    async def lock(self) -> AsyncIterator[int | None]:
        """Let one process renew at a time.

        Raises:
            CredentialUnavailable: Redis does not answer.
        """
        async with Lease(run=self._run, key=self._lock, lasts=self.lasts).lock() as number:
            if number == UNGUARDED:
                raise CredentialUnavailable("The token store does not let anybody lock it.")
            yield number

    async def note(self, intent: Intent | None, number: int) -> bool:
        """Note that a renewal begins.

        Raises:
            CredentialUnavailable: Redis does not answer.
        """
        where = self._pair, self._lock
        text = "" if intent is None else json.dumps(attrs.asdict(intent))
        return bool(await self._ask(("EVALSHA", _NOTE, 2, *where, number, text)))

    def _read(self, data: bytes) -> Any:
        try:
            return json.loads(self.decrypt(data))
        except Exception as error:  # noqa: BLE001 - the user's own
            raise ValueError(f"it cannot be read ({type(error).__name__})") from None

    async def _ask(self, command: Command) -> Any:
        try:
            (reply,) = await self._run([command])
        except Unreachable as error:
            raise CredentialUnavailable(f"The token store does not answer: {error}.") from None
        if isinstance(reply, ErrorReply):
            raise CredentialUnavailable(f"The token store answers with an error: {reply.code}.")
        return reply

    async def _run(self, commands: Sequence[Command]) -> list[Any]:
        try:
            async with asyncio.timeout(self.timeout):
                return await self._link.run(commands)
        except TimeoutError:
            raise Unreachable(f"no answer within {self.timeout:g} s") from None
        finally:
            await self._link.aclose()
