"""The pump: what gathers in one turn of the loop goes as one pipeline, one at a time.

A reply that does not come in time is ambiguous: the connection is dropped with all that was
sent on it, so that nobody reads what was meant for another.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Any, Final, Protocol, TypeVar

import attrs

from resilient.state.redis.link import Command, Link, Unreachable
from resilient.state.redis.wire import Nonsense

T = TypeVar("T")

MOST: Final = 256
"""Commands in one pipeline: more wait for the next."""


def complaint(reply: Exception) -> str:
    """Return what an error reply says, as far as it is Redis's own word: OOM, READONLY, NOAUTH."""
    word = str(reply).partition(" ")[0]
    return f"Redis answers {word}" if word.isupper() else f"Redis answers {type(reply).__name__}"


class Errand(Protocol):
    """A command, and who waits for its reply."""

    def prepare(self, told: set[object]) -> Command:
        """Return what to send, as things stand when it is sent.

        Args:
            told: What the errands before it in the pipeline have told of.
        """

    def told(self, reply: Any) -> None:
        """Hear the reply.

        Raises:
            Nonsense: It is none that this command can have.
        """

    def lost(self, *, sent: bool) -> None:
        """Hear that there is none; `sent`: the command may have been carried out."""


@attrs.define(eq=False)
class Pump:
    """Sends errands, in order.

    Attributes:
        link: The connection.
        limit: Seconds that a pipeline may take.
        failed: Is told why the store gives no replies, before the errands are.
        lost: Is told when errands were, afterwards.
    """

    link: Link
    limit: float
    failed: Callable[[str], None]
    lost: Callable[[], None]
    _errands: list[Errand] = attrs.field(factory=list, init=False)
    _running: "asyncio.Task[None] | None" = attrs.field(default=None, init=False)
    _finished: bool = attrs.field(default=False, init=False)

    def post(self, errand: Errand) -> None:
        """Let an errand go with the next pipeline; after the end nothing goes any more."""
        if self._finished:  # a call that was in flight would open a connection that nobody closes
            errand.lost(sent=False)
            return
        self._errands.append(errand)
        if self._running is None:
            # A task and a context of its own: it runs for all, not for the call that came first,
            # and that one's end is not the pipeline's.
            loop = asyncio.get_running_loop()
            self._running = loop.create_task(self._run(), context=Context())

    async def run(self, commands: Sequence[Command]) -> list[Any]:
        """Run a pipeline by itself, while no errands go.

        Raises:
            Unreachable: There is no reply in time, or a command was refused.
        """
        replies = await self.within(self.link.run(commands))
        for reply in replies:
            if isinstance(reply, Exception):
                raise Unreachable(complaint(reply))
        return replies

    async def within(self, work: Awaitable[T]) -> T:
        """Return what comes of work within the limit of a pipeline.

        Raises:
            Unreachable: It takes longer.
        """
        try:
            async with asyncio.timeout(self.limit):
                return await work
        except TimeoutError:
            raise Unreachable(f"no reply within {self.limit:g} s") from None

    async def _run(self) -> None:
        try:
            while self._errands:
                await self._next()
        finally:
            self._running = None

    async def _next(self) -> None:
        """Send a pipeline, and hand its replies out."""
        errands, self._errands = self._errands[:MOST], self._errands[MOST:]
        left = list(reversed(errands))
        try:
            told = set[object]()
            commands = [each.prepare(told) for each in errands]
            replies = await self.within(self.link.run(commands))
            self._hand_out(left, replies)
        except Unreachable as error:
            self._fail(str(error), errands, sent=error.sent)
        except BaseException:
            # The loop ends, or something is wrong here, and not with the store.
            waiting, self._errands = self._errands, []
            self._lose(left, sent=True)
            self._lose(waiting, sent=False)
            raise

    def _hand_out(self, left: list[Errand], replies: Sequence[Any]) -> None:
        """Take each errand off those left, the last first, and give it its reply."""
        unanswered, reason = [], ""
        for reply in replies:
            errand = left[-1]
            if (wrong := _wrong(errand, reply)) is not None:
                unanswered.append(errand)
                reason = wrong
            left.pop()
        if unanswered:
            self._fail(reason, unanswered)

    def _fail(self, reason: str, errands: Sequence[Errand], *, sent: bool = True) -> None:
        waiting, self._errands = self._errands, []
        self.failed(reason)
        self._lose(errands, sent=sent)
        self._lose(waiting, sent=False)

    def _lose(self, errands: Sequence[Errand], *, sent: bool) -> None:
        for each in errands:
            each.lost(sent=sent)
        self.lost()

    def forget(self) -> None:
        """Let go of what belongs to a loop that has ended, or to the parent of a fork."""
        self._errands.clear()
        self._running, self._finished = None, False

    async def finish(self) -> None:
        """Wait until what is under way has ended, then take no more."""
        while self._running is not None:
            await asyncio.wait((self._running,))
        self._finished = True


def _wrong(errand: Errand, reply: Any) -> str | None:
    """Hand out a reply; return what is wrong with it, or None."""
    if isinstance(reply, Exception):
        return complaint(reply)
    try:
        errand.told(reply)
    except Nonsense as error:
        return str(error)
    return None
