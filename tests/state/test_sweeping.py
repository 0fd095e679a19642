"""What is idle is forgotten a part at a time, so that no call pays for all that there is."""

import asyncio

import pytest
from aiohttp import TCPConnector
from desk import LATCH, Desk, limit, service

import resilient
from resilient.model import Pause
from resilient.state import memory
from resilient.state.gates import ScopeGate
from resilient.state.memory import FEW, PIECE, Memory


def sweep(desk: Desk) -> None:
    """Look at all there is."""
    found = desk.admission.memory
    for _ in range(len(found.ways) + len(found.scopes)):
        found.sweep(desk.now)


def scopes(desk: Desk) -> set[str]:
    """Return what is remembered."""
    return {str(scope) for scope in desk.admission.memory.scopes}


async def test_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new credential looks at a few old ones, be there thousands that could be forgotten."""
    desk, looked = Desk(service(limit(60, 60))), list[ScopeGate]()
    for number in range(3000):
        (await desk.admit(credential=f"c{number}")).answered((), LATCH)
    await asyncio.sleep(7200)
    is_idle = ScopeGate.idle

    def idle(gate: ScopeGate, now: float) -> bool:
        looked.append(gate)
        return is_idle(gate, now)

    monkeypatch.setattr(ScopeGate, "idle", idle)
    before = len(desk.admission.memory.scopes)
    desk.lane("new")
    assert 0 < len(looked) <= 4 * PIECE
    assert before - 2 * PIECE <= len(desk.admission.memory.scopes) < before
    looked.clear()
    desk.lane("new")
    assert [] == looked  # who is known costs nothing of it
    for number in range(3000 // PIECE + 1):
        desk.lane(f"n{number}")
    assert len(desk.admission.memory.scopes) < 2 * FEW


async def test_more_in_use_than_ways_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many in use some have no lane for a while; what they have taken is known all the same."""
    monkeypatch.setattr(memory, "FEW", 1)
    monkeypatch.setattr(memory, "MANY", 20)
    desk = Desk(service(limit(2, 3600)))
    for _ in range(2):
        for number in range(200):
            (await desk.admit(credential=f"c{number}")).answered((), LATCH)
    assert len(desk.admission.memory.ways) <= 22
    assert 200 == sum(scope.kind == "credential" for scope in desk.admission.memory.scopes)
    lanes = [desk.lane(f"c{number}") for number in range(200)]
    assert all(desk.admission.at_once(lane, 1, desk.now + 9, desk.now) is None for lane in lanes)


async def test_connectors_that_come_and_go() -> None:
    """A session for each call leaves no way behind, though its credential is in use throughout."""
    desk = Desk(service(limit(10_000, 1)))
    for _ in range(3 * FEW):
        connector = TCPConnector(limit=0)
        grant = await desk.admit(connector=connector)
        grant.answered((), LATCH)
        await connector.close()
        del connector, grant
    assert len(desk.admission.memory.ways) <= FEW


async def test_a_compound_limit_goes_with_its_scopes(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address does not remember limits of keys that are forgotten."""
    monkeypatch.setattr(memory, "FEW", 1)
    desk = Desk(service(limit(60, 60, "credential+ip"), limit(10_000, 86400, "ip", name="day")))
    for number in range(50):
        await desk.call(credential=f"c{number}")
    await asyncio.sleep(60)
    sweep(desk)
    (address,) = [
        gate for scope, gate in desk.admission.memory.scopes.items() if scope.kind == "ip"
    ]
    assert ["day"] == [each.name for each in address.limits]
    assert not desk.admission.memory.limits["calls"]


async def test_a_scope_outlives_its_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that is paused stays without a lane to it, and goes when the pause is over."""
    monkeypatch.setattr(memory, "FEW", 1)
    desk = Desk(service(limit(60, 60, "credential", "ip")))
    await desk.warm()
    await desk.call(marks=[Pause(scope="ip", seconds=1000, refusal=False)])
    await asyncio.sleep(900)
    sweep(desk)
    assert {} == desk.admission.memory.lanes
    assert {"ip:here"} == scopes(desk)
    began = desk.now
    await desk.call()
    assert began + 100 == pytest.approx(desk.now)
    await asyncio.sleep(7200)
    sweep(desk)
    assert set() == scopes(desk)


async def test_a_new_lane_to_a_scope_that_was_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scope that somebody comes back to is not looked at as one that nobody leads to."""
    monkeypatch.setattr(memory, "FEW", 1)
    desk = Desk(service(limit(60, 60, "credential", "ip")))
    await desk.warm()
    await desk.call(marks=[Pause(scope="ip", seconds=1000, refusal=False)])
    await asyncio.sleep(900)
    sweep(desk)
    waiting = asyncio.create_task(desk.call())
    await asyncio.sleep(0)
    sweep(desk)
    assert {"ip:here", "credential:one"} <= scopes(desk)
    await waiting


async def test_hosts_of_one_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a credential with many hosts the ways to those that are idle go, though it is in use."""
    monkeypatch.setattr(memory, "FEW", 1)
    crm = resilient.load({"services": {"crm": {"catalog": "amocrm"}}})["crm"]
    known, connector = Memory(), TCPConnector(limit_per_host=5)
    for number in range(100):
        lane = known.lane_of(crm, "acct", None, "here", f"h{number}", connector, False, 1e6)
        lane.scopes[0].state.waiting = 1  # busy throughout
    assert len(known.ways) < 20
    await connector.close()
