"""A machine that does anything to the admission desk, and knows what must hold after each step.

It runs in virtual time, step by step: no task is left ready between two of them.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from desk import LATCH, Desk, audited, limit, service
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from oracle import inversions, most_in_window

from resilient.catalog import Ban
from resilient.model import Block, Mark, Pause
from resilient.state.grant import Grant
from resilient.state.waiting import Refused
from resilient.testing.loop import VirtualTimeLoop

SERVED = service(
    limit(20, 10, "credential", "ip", name="burst", burst=5),
    limit(30, 60, "credential+ip", name="minute"),
    limit(4, 10, "ip", name="send", endpoint="send"),
    limit(40, 600, "credential", name="long"),
    ban=Ban(after=4, within=30),
)
CREDENTIALS = st.sampled_from(["a", "b"])
ENDPOINTS = st.sampled_from(["send", "other"])
SCOPES = st.sampled_from(["credential", "ip", "endpoint"])
SECONDS = st.one_of(st.sampled_from([0.001, 0.5, 1.0, 2.0, 10.0, 60.0]), st.floats(0, 10))
WHICH = st.integers(0, 9)
MARKS: st.SearchStrategy[tuple[Mark, ...]] = st.one_of(
    st.just(()),
    st.just(()),
    st.tuples(st.builds(Pause, scope=SCOPES, seconds=SECONDS, refusal=st.booleans())),
    st.tuples(st.builds(Block, scope=SCOPES, base=st.just(60.0), cap=st.just(600.0))),
)
"""What an answer leaves behind: nothing, a pause with its Retry-After, or a block."""

LONG = st.sampled_from([600.0, 3600.0, 86_400.0])


@attrs.define(eq=False)
class Made:
    """A call that was made.

    Attributes:
        called_off: Whether it was granted, and cancelled before it was sent.
    """

    number: int
    cost: int
    credential: str
    endpoint: str
    task: "asyncio.Task[Grant]"
    called_off: bool = False

    @property
    def grant(self) -> Grant | None:
        """The right to send, if it has one."""
        ended = self.task.done() and not self.task.cancelled() and not self.task.exception()
        return self.task.result() if ended else None


class Limits(RuleBasedStateMachine):
    """Calls, their answers, and time."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualTimeLoop()
        self.desk: Desk = audited(SERVED)
        self.made: list[Made] = []
        self.sent: list[Made] = []
        self.ended: set[int] = set()

    def run(self, seconds: float = 0.0) -> None:
        """Let time pass, and all that is due happen."""
        self.loop.run_until_complete(asyncio.sleep(seconds))
        for _ in range(3):
            self.loop.run_until_complete(asyncio.sleep(0))
        granted = [each for each in self.made if each.grant and not each.called_off]
        self.sent += [each for each in granted if each not in self.sent]

    def do(self, act: Any) -> None:
        """Act within the loop."""

        async def within() -> None:
            act()

        self.loop.run_until_complete(within())
        self.run()

    @property
    def open(self) -> list[Made]:
        """Those that were granted, and neither answered nor called off."""
        return [call for call in self.made if call.grant and call.number not in self.ended]

    @property
    def waiting(self) -> list[Made]:
        """Those that wait."""
        return [call for call in self.made if not call.task.done()]

    @rule(
        costs=st.lists(st.sampled_from([1, 1, 1, 2, 4]), min_size=1, max_size=4),
        credential=CREDENTIALS,
        endpoint=ENDPOINTS,
        within=st.sampled_from([1e9, 1e9, 30.0]),
    )
    def arrive(self, costs: list[int], credential: str, endpoint: str, within: float) -> None:
        """Calls arrive."""
        for cost in costs:
            admitted = self.desk.admit(cost, within, credential=credential, endpoint=endpoint)
            task = self.loop.create_task(admitted)
            self.made.append(Made(len(self.made), cost, credential, endpoint, task))
        self.run()

    @precondition(lambda self: self.waiting)
    @rule(which=WHICH)
    def give_up(self, which: int) -> None:
        """Whoever waits gives up."""
        self.waiting[which % len(self.waiting)].task.cancel()
        self.run()

    @precondition(lambda self: self.open)
    @rule(which=WHICH)
    def call_off(self, which: int) -> None:
        """A call that was granted is called off before it is sent."""
        call = self.open[which % len(self.open)]
        self.ended.add(call.number)
        self.sent.remove(call)
        call.called_off = True
        self.settle(call, self.desk.call_off)

    @precondition(lambda self: self.open)
    @rule(which=WHICH, marks=MARKS)
    def answer(self, which: int, marks: tuple[Mark, ...]) -> None:
        """One is answered, well or not."""
        call = self.open[which % len(self.open)]
        self.settle(call, lambda grant: grant.answered(marks, LATCH))

    @precondition(lambda self: self.open)
    @rule()
    def answer_all(self) -> None:
        """All are answered well."""
        for call in self.open:
            self.settle(call, lambda grant: grant.answered((), LATCH))

    @precondition(lambda self: self.open)
    @rule(which=WHICH)
    def lose(self, which: int) -> None:
        """No answer comes."""
        self.settle(self.open[which % len(self.open)], Grant.lost)

    def settle(self, call: Made, end: Callable[[Grant], object]) -> None:
        """Let a call that was granted end."""
        grant = call.grant
        assert grant is not None
        self.ended.add(call.number)
        self.do(lambda: self.turning(lambda: end(grant)))

    def turning(self, act: Callable[[], object]) -> None:
        """Act, and note in the books where that has turned a rate, before anybody goes by it."""
        act()
        books = self.desk.admission.ledger  # type: ignore[attr-defined]
        books.follow(list(books.books), self.loop.time())

    @rule()
    def release(self) -> None:
        """An operator lifts every pause and block."""
        self.do(lambda: self.turning(lambda: self.desk.admission.release(lambda _: True)))

    @rule(seconds=SECONDS)
    def passes(self, seconds: float) -> None:
        """Time passes."""
        self.run(seconds)

    @rule(seconds=LONG)
    def is_forgotten(self, seconds: float) -> None:
        """So much time passes that what is idle is forgotten, and that costs nobody anything."""
        self.run(seconds)
        memory = self.desk.admission.memory
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("resilient.state.memory.FEW", 1)
            for _ in range(len(memory.ways) + len(memory.scopes)):  # each time a part of them
                memory.sweep(self.loop.time())
        kept = {gate for limits in memory.limits.values() for gate in limits.values()}
        books = self.desk.admission.ledger.books  # type: ignore[attr-defined]
        gone = [gate for gate in books if gate not in kept]
        assert {0.0} >= {books.pop(gate).held(self.loop.time()) for gate in gone}

    @invariant()
    def no_window_is_overfull(self) -> None:
        """At most N in any window, of each limit and whom it holds for."""
        for each in SERVED.catalog.limits:
            for per in each.per:
                groups: dict[str, list[tuple[float, int]]] = {}
                for call in self.sent:
                    if each.endpoint in (None, call.endpoint) and call.grant is not None:
                        key = call.credential if "credential" in per else ""
                        groups.setdefault(key, []).append((call.grant.at, call.cost))
                for sent in groups.values():
                    assert most_in_window(sent, each.period) <= each.calls, each.name

    @invariant()
    def every_limit_holds_what_was_sent(self) -> None:
        """All limits of a call are debited, or none, and by what it cost."""
        ledger = self.desk.admission.ledger  # type: ignore[attr-defined]
        assert [] == ledger.differences(self.loop.time())

    @invariant()
    def first_come_first_served(self) -> None:
        """Those who need the same go in the order in which they came."""
        lanes: dict[tuple[str, str], list[int]] = {}
        for call in self.sent:
            lanes.setdefault((call.credential, call.endpoint), []).append(call.number)
        assert 0 == sum(map(inversions, lanes.values()))

    def teardown(self) -> None:
        """When all is answered and lifted, everybody goes within what the limits need."""
        try:
            self._everybody_goes()
        finally:
            for call in self.made:
                call.task.cancel()
            self.run()
            self.loop.close()

    def _everybody_goes(self) -> None:
        costs = sum(call.cost for call in self.made)
        # Each limit alone, one after the other, and the longest cool-down before.
        needed = sum(costs / each.calls * each.period for each in SERVED.catalog.limits)
        end = self.loop.time() + 4000.0 + 2 * needed
        while not all(call.task.done() for call in self.made):
            assert self.loop.time() < end, "somebody was forgotten"
            if self.open:
                self.answer_all()
            self.run(1.0)
        self.no_window_is_overfull()
        self.every_limit_holds_what_was_sent()
        self.first_come_first_served()
        ends = {type(call.task.exception()) for call in self.made if not call.task.cancelled()}
        assert ends <= {type(None), Refused}
