"""Asking the store: who goes is for others to agree on, in which order they ask is ours.

For each lane one ask is under way at a time, for its oldest. Those who come meanwhile learn with
the answer whether they have to wait.
"""

from abc import abstractmethod
from collections.abc import Iterable, Sequence

import attrs

from resilient.model import Scope
from resilient.state.foresight import Foresight
from resilient.state.gate import A_MOMENT, Gate, Wait
from resilient.state.grant import Grant
from resilient.state.lane import Lane, Waiter
from resilient.state.memory import Memory
from resilient.state.store import ASKED, Ticket
from resilient.state.waiting import Refused


@attrs.define(eq=False, repr=False)
class Asking(Foresight):
    """Asks a store, and lets those go of whom it agrees."""

    memory: Memory = attrs.field(init=False)

    @abstractmethod
    def _watch(self, lane: Lane, deadline: float) -> None:
        """See to it that waits end at their deadlines, this one the next."""

    def lanes(self) -> Iterable[Lane]:
        """Return all lanes."""
        return list(self.memory.lanes.values())

    def ask(self, lane: Lane) -> None:
        """Ask the store for the oldest of a lane that does not ask yet."""
        lane.unfile()
        lane.asks = True
        self.store.ask(lane)

    def gather(self, lane: Lane) -> tuple[Waiter, ...]:
        """Return for whom a lane asks, now that it is sent: nobody who came after others."""
        heads = [first.arrival for gate in lane.gates if (first := gate.first()) is not None]
        room = min((pool.room - pool.used for pool in lane.pools), default=ASKED)
        before = min(heads, default=float("inf"))
        lane.asked = lane.first(max(0, min(room, ASKED)), before)
        lane.reserve(len(lane.asked))
        return lane.asked

    def granted(self, lane: Lane, tickets: Sequence[Ticket]) -> list[Grant]:
        """Let the oldest of those go for whom a lane asked, one for each ticket."""
        asked = lane.asked
        lane.stop_asking()
        now = self.now()
        grants = []
        for waiter, ticket in zip(asked, tickets, strict=False):
            grant = self._grant(lane, waiter.cost, now, ticket)
            if waiter.done():  # it left meanwhile
                grant.cancel()
            else:
                lane.leave(waiter)
                waiter.set_result(grant)
                grants.append(grant)
        return grants

    def heard(self, lane: Lane) -> None:
        """Look at who waits at the scopes of a lane: an answer has changed them."""
        self.moved(lane.scopes)
        self.serve(lane.scopes)

    def go_on(self, lane: Lane) -> None:
        """Look at who is left after an answer of the store."""
        now = self.now()
        self.moved(lane.scopes)
        head = lane.head()
        wait = None if head is None else self._held(lane, head.arrival, head.cost, now)
        if wait is not None and wait.seconds is not None:
            # Nobody goes before the head does.
            for waiter in lane.ending(now + wait.seconds + A_MOMENT):
                self._refuse(lane, waiter, Refused("deadline", wait.seconds))
        if wait is not None:
            self._tell(lane, wait)
        else:  # they are asked for at once, and wait for that answer
            lane.untold = [each for each in lane.untold if not each[0].done()]
        self._file(lane, None, now)
        self.serve(lane.gates)

    def _tell(self, lane: Lane, wait: Wait) -> None:
        """Tell those who came while the store was asked of their wait, or refuse them."""
        untold, lane.untold = dict(lane.untold), ()
        for waiter, behind, later in lane.places(untold):
            if (refusal := self._late(lane, waiter, behind, later)) is not None:
                self._refuse(lane, waiter, refusal)
                continue
            self._watch(lane, waiter.deadline)
            if (on_delay := untold[waiter]) is not None:
                on_delay(self._delay(lane, waiter.cost, wait, behind, later))

    def _late(self, lane: Lane, waiter: Waiter, behind: int, later: int) -> Refused | None:
        """Return why one who came while the store was asked may not wait after all, or None."""
        seconds = self.foresee(lane, waiter.cost, later)
        if self.now() + seconds > waiter.deadline - A_MOMENT:
            return Refused("deadline", seconds)
        return self._beyond(lane, waiter.cost, others=behind)

    def gates(self) -> Iterable[Gate]:
        """Return everything that can hold calls up."""
        return list(self.memory.gates())

    def scopes(self) -> Iterable[Scope]:
        """Return the scopes in use."""
        return list(self.memory.scopes)

    def reconsider(self) -> None:
        """Look at everybody: who rules has changed."""
        for lane in [each for each in self.lanes() if each.shared and each.live]:
            if self.store.rule(lane) == "nobody":
                for waiter in lane.ending(None):
                    self._refuse(lane, waiter, Refused("store", None))
            self.go_on(lane)
