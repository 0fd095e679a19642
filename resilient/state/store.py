"""The store: who has to agree before a call goes, and hears how it ended.

Within one process nobody else has to. Where processes share their limits, all of them ask one
store; each keeps its own queue, and a mirror of the scopes to go on with if the store is down.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, Protocol

import attrs

from resilient.model import Block, Mark

if TYPE_CHECKING:
    import asyncio

    from resilient.model import Scope
    from resilient.state.gate import Gate
    from resilient.state.grant import Changed, Grant
    from resilient.state.lane import Lane, Waiter
    from resilient.state.memory import Maker

ASKED: Final = 64
"""Calls for which a store is asked at once, so that one script does not hold up all others."""

How = Literal["answered", "lost", "unsent", "cancel"]
"""How an attempt can end."""

Rule = Literal["here", "store", "nobody"]
"""Who lets a lane's calls go: what this process knows, the store, or at the moment nobody."""


@attrs.frozen
class Ticket:
    """What a store calls a grant of its own.

    Attributes:
        number: Among those of this process.
        at: When it was granted, in microseconds of the store's clock.
        watched: Whether the store has to hear also of an end that changes nothing.
    """

    number: int
    at: int
    watched: bool


@attrs.frozen
class End:
    """How an attempt ended.

    Attributes:
        how: Answered; lost without an answer; not sent after all; or called off before, and
            everything is given back.
        marks: What the answer leaves behind.
        latch: How a scope is blocked when the ban rule's row is full.
    """

    how: How
    marks: Sequence[Mark] = ()
    latch: Block | None = None


class Queues(Protocol):
    """What a store tells its answers to."""

    def lanes(self) -> "Iterable[Lane]":
        """Return all lanes."""

    def ask(self, lane: "Lane") -> None:
        """Ask the store for the oldest of a lane that does not ask yet."""

    def gather(self, lane: "Lane") -> "tuple[Waiter, ...]":
        """Return for whom a lane asks, now that it is sent; an answer is to follow."""

    def granted(self, lane: "Lane", tickets: Sequence[Ticket]) -> "list[Grant]":
        """Let the oldest of those go for whom a lane asked, one for each ticket."""

    def heard(self, lane: "Lane") -> None:
        """Look at who waits at the scopes of a lane: an answer has changed them."""

    def go_on(self, lane: "Lane") -> None:
        """Look at who is left after an answer."""

    def reconsider(self) -> None:
        """Look at everybody: who rules has changed."""

    def gates(self) -> "Iterable[Gate]":
        """Return everything that can hold calls up."""

    def scopes(self) -> "Iterable[Scope]":
        """Return the scopes in use."""


class Store(Protocol):
    """Where the state of scopes is kept."""

    @property
    def name(self) -> str:
        """What the start event calls it."""

    @property
    def maker(self) -> "Maker | None":
        """Makes the gates that stand for what is shared; None: nothing is."""

    @property
    def salts(self) -> Mapping[str, bytes]:
        """With what the fields of callers who sign themselves are hashed, by service.

        All processes then call the same scope the same.
        """

    def open(self, queues: Queues) -> None:
        """Take notice of who asks. Nothing is connected before the first call."""

    async def ready(self) -> None:
        """Wait until it is known whether the store answers."""

    def rule(self, lane: "Lane") -> Rule:
        """Tell who lets a lane's calls go."""

    def ask(self, lane: "Lane") -> None:
        """Ask for the oldest of a lane; the answer comes to the queues."""

    def ended(self, grant: "Grant", end: End) -> "asyncio.Future[list[Changed] | None] | None":
        """Hear how an attempt ended.

        Returns:
            What has become of the scopes for all processes, once it is known; None there: the
            store did not answer. None: this process knows all there is to know.
        """

    async def release(self, service: str, wanted: "Callable[[Scope], bool]") -> "list[Scope]":
        """Lift pauses and blocks of a service for all processes; return where there were any."""

    def lock(self, service: str, credential: str) -> AbstractAsyncContextManager[int | None]:
        """Let one process renew a credential at a time.

        Gives a number that is greater each time, or None while somebody else renews it.
        """

    def forget(self) -> None:
        """Let go of what belongs to a loop that has ended, or to the parent of a fork."""

    async def aclose(self) -> None:
        """End it."""


class InProcess:
    """The store of a process that shares nothing: its gates know everything."""

    name = "memory"
    maker = None
    salts: Mapping[str, bytes] = MappingProxyType({})

    def open(self, queues: Queues) -> None:
        """Nobody is asked."""

    async def ready(self) -> None:
        """Always."""

    def rule(self, lane: "Lane") -> Rule:  # noqa: ARG002 - of every lane
        """Tell that this process does."""
        return "here"  # pragma: no cover - only a shared lane asks, and it has none

    def ask(self, lane: "Lane") -> None:
        """Never called: this process rules."""

    def ended(self, grant: "Grant", end: End) -> None:
        """Everything is known."""

    async def release(self, service: str, wanted: "Callable[[Scope], bool]") -> "list[Scope]":  # noqa: ARG002
        """Return nothing: there are no others."""
        return []

    def lock(
        self,
        service: str,  # noqa: ARG002 - there are no others
        credential: str,  # noqa: ARG002 - there are no others
    ) -> AbstractAsyncContextManager[int | None]:
        """Give zero at once: there are no others."""
        return nullcontext(0)

    def forget(self) -> None:
        """There is nothing to let go of."""

    async def aclose(self) -> None:
        """There is nothing to end."""
