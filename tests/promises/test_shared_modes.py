"""Without its shared store a fleet goes on as its mode says, and comes back by itself."""

import asyncio
import math
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

import attrs
import outages
import pytest
from outages import CALLS, CAPACITY, FAULTS, FLEET, MODES, TIMEOUT, TRY, Mode, Record
from promises.conftest import Figure

import resilient
from resilient.state.redis.presence import Presence

pytestmark = pytest.mark.slow

SHORT: list[dict[str, tuple[Mode, ...]]] = [
    {
        "suspended": MODES,
        "killed": MODES,
        **dict.fromkeys(("flushed", "without scripts", "promoted", "numbers"), ("local_share",)),
    },
    {
        "never there": MODES,
        **dict.fromkeys(("slow", "reset", "cut off", "loading", "nonsense"), ("local_share",)),
        **dict.fromkeys(("a replica", "full", "another password"), ("local_share",)),
    },
]
"""What is met at the same time in every run of the tests; a soak run tries all."""

HOT = "busy indeed"
"""What keeps a core busy is met alone."""

A_MOMENT = 0.15
"""Seconds in which what was let go arrives."""

TRIES = 3
"""Pipelines of one try: a greeting, who is there, what is wrong with the server."""


class Forgetful(Presence):
    """Does not learn that a store is down: each call asks it again, as most clients do."""

    def lost(self, reason: str) -> None:
        """Go on as before."""


def forgetful(*args: Any, **kwargs: Any) -> resilient.Middleware:
    """Return a middleware that does not learn."""
    made = resilient.Middleware(*args, **kwargs)
    store: Any = made._store
    given = {
        each.name: getattr(store.presence, each.name)
        for each in attrs.fields(Presence)
        if each.init
    }
    store.presence = Forgetful(**given)
    return made


Records = Mapping[tuple[str, str], Record]


@pytest.fixture(scope="module")
def records(request: pytest.FixtureRequest) -> Records:
    """Let a fleet of each mode meet each fault, many at the same time; return what happened."""
    found: dict[tuple[str, str], Record] = {}
    for part in _parts(soak=bool(request.config.getoption("--soak"))):
        found |= asyncio.run(_meet(part))
    return found


def _parts(*, soak: bool) -> Sequence[Mapping[str, tuple[Mode, ...]]]:
    if not soak:
        return SHORT
    names = [name for name in FAULTS if name != HOT]
    parts = [dict.fromkeys(names[start : start + 5], MODES) for start in range(0, len(names), 5)]
    return [*parts, {HOT: MODES}]


async def _meet(wanted: Mapping[str, tuple[Mode, ...]]) -> dict[tuple[str, str], Record]:
    meetings: list[Awaitable[list[Record]]] = [
        outages.meet(name, modes) for name, modes in wanted.items()
    ]
    if "suspended" in wanted:
        meetings.append(outages.meet("suspended", ("local_share",), forgetful))
    met = await asyncio.gather(*meetings)
    records = [each for records in met[: len(wanted)] for each in records]
    found: dict[tuple[str, str], Record] = {(each.name, each.mode): each for each in records}
    if "suspended" in wanted:
        found["suspended", "forgetful"] = met[-1][0]
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let tests of a `record`, of an `outage` or of one that `shuts` run for each that there is."""
    parts = _parts(soak=bool(metafunc.config.getoption("--soak")))
    where = [(name, mode) for part in parts for name, modes in part.items() for mode in modes]
    outages = [each for each in where if FAULTS[each[0]].noticed]
    wanted: dict[str, list[tuple[str, Mode]]] = {
        "record": where,
        "outage": outages,
        "shut": [(name, mode) for name, mode in outages if mode == "fail_closed"],
    }
    for name, found in wanted.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, found, ids="-".join, indirect=True)


def _one_of(request: pytest.FixtureRequest, records: Records) -> Record:
    return records[request.param]


record = pytest.fixture(_one_of, name="record")
outage = pytest.fixture(_one_of, name="outage")
shut = pytest.fixture(_one_of, name="shut")


def last(told: Mapping[int, list[float]]) -> float:
    """Return when the last instance told an event."""
    return max(at for times in told.values() for at in times)


def check_errors(record: Record) -> None:
    """Check that callers see nothing of it, or, of a store that must be there, what they should."""
    errors = [made.error for made in record.calls if made.error is not None]
    if record.mode != "fail_closed":
        assert [] == errors, "an error reached a caller"
        return
    assert bool(errors) is record.fault.noticed
    assert {resilient.NotSent} >= {type(each) for each in errors}
    assert all("sends nothing while the store of its limits is down" in str(e) for e in errors)


def check_windows(record: Record) -> None:
    """Check that no window held more than the mode declares, and none more than the limit later."""
    most = {
        "local_share": CALLS + CAPACITY + FLEET,
        "fail_open": FLEET * (CALLS + CAPACITY),
        "fail_closed": CALLS + CAPACITY,
    }
    if not record.fault.noticed:
        most = dict.fromkeys(MODES, CALLS + CAPACITY * record.fault.forgets)
    assert record.most() <= most[record.mode], "more than declared"
    if record.fault.noticed:
        assert record.most(last(record.told("store_recovered"))) <= CALLS, "not one limit again"


def check_nothing_is_sent(record: Record) -> None:
    """Check that nothing is sent while a store that must be there is not."""
    since, until = last(record.told("store_degraded")) + A_MOMENT, record.ended
    assert 0 == record.most(since, until)


def check_told(record: Record) -> None:
    """Check that each instance said once that it went on alone, and once that it was over.

    A machine that is busy elsewhere may keep an answer for longer than the store may take: that
    is an outage more, and is told in the same way.
    """
    begun, ended = record.told("store_degraded"), record.told("store_recovered")
    assert begun.keys() == ended.keys()
    for instance, times in begun.items():
        both = sorted([*times, *ended[instance]])
        assert both[::2] == times, "told twice"
        assert both[1::2] == ended[instance], "told twice"
        assert times or not record.fault.noticed, "not told"


def check_waits(record: Record) -> None:
    """Check that one call waited for the store, no longer than its time limit, and no other."""
    waits = [
        made.ended - made.began
        for made in record.calls
        if made.service == "roomy" and record.began < made.ended and made.began < record.ended
    ]
    slow = [wait for wait in waits if wait > TIMEOUT / 2 + 2 * record.stall]
    assert len(slow) <= 1, "a later call waited"
    assert max(waits) <= TIMEOUT + A_MOMENT + 2 * record.stall, "it waited longer"


def check_tries(record: Record, since: float) -> None:
    """Check that a store that is down is tried once a second by each instance."""
    tries = FLEET * math.ceil((record.ended - since) / TRY)
    assert sum(since < at < record.ended for at in record.opened) <= tries, "connections"
    assert sum(since < at < record.ended for at in record.heard) <= TRIES * tries, "pipelines"


def _mended(record: Record) -> float:
    """Return when it was mended, or noticed, where that was later."""
    return max(record.ended, last(record.told("store_degraded")))


def check_recovery(record: Record) -> None:
    """Check that the limit is one again within a second after the store answers."""
    late = last(record.told("store_recovered")) - _mended(record)
    assert late <= TRY + TIMEOUT + record.stall


def test_errors(record: Record) -> None:
    """No error of the store reaches a caller; where it must be there, calls say so at once."""
    check_errors(record)


def test_windows(record: Record, figure: Figure) -> None:
    """No window holds more than the mode declares, and none after it more than the limit."""
    check_windows(record)
    what = f"{record.name}, {record.mode}: calls in a second, of {CALLS}"
    figure("E1", what, record.most(), of=len(record.arrivals))


def test_told(record: Record) -> None:
    """One event says that a store is lost, and one that it is back; of none if it never was."""
    check_told(record)


@pytest.mark.soak
def test_waits(record: Record) -> None:
    """The call that meets the fault waits for no longer than the time limit; no other waits."""
    check_waits(record)


@pytest.mark.soak
def test_tries(outage: Record) -> None:
    """A store that is down is tried once a second."""
    check_tries(outage, last(outage.told("store_degraded")))


@pytest.mark.soak
def test_recovery(outage: Record, figure: Figure) -> None:
    """Within a second after the store answers all share one limit again."""
    check_recovery(outage)
    late = last(outage.told("store_recovered")) - _mended(outage)
    figure("E1", f"{outage.name}, {outage.mode}: seconds until one limit again", late)


def test_nothing_is_sent(shut: Record) -> None:
    """Where the store must be there, nothing is sent while it is not."""
    check_nothing_is_sent(shut)


def test_naively(records: Records) -> None:
    """The checks find instances that keep whole limits, send without a store, or refuse calls."""
    whole, closed = records["killed", "fail_open"], records["killed", "fail_closed"]
    with pytest.raises(AssertionError, match="more than declared"):
        check_windows(attrs.evolve(whole, mode="local_share"))
    with pytest.raises(AssertionError):
        check_nothing_is_sent(whole)
    with pytest.raises(AssertionError, match="an error reached"):
        check_errors(attrs.evolve(closed, mode="local_share"))


@pytest.mark.soak
def test_forgetfully(records: Records) -> None:
    """The checks find an instance that asks a store again and again that does not answer."""
    forgetful = records["suspended", "forgetful"]
    with pytest.raises(AssertionError, match="waited"):
        check_waits(forgetful)
    with pytest.raises(AssertionError, match="connections"):
        check_tries(forgetful, forgetful.began)
    with pytest.raises(AssertionError, match="store_degraded"):
        check_told(forgetful)
