"""What is remembered of scopes, and when it is forgotten."""

import asyncio
import gc
import random
import tracemalloc

import aiohttp
import pytest
from desk import LATCH, Desk, finish, limit, service
from oracle import Spent, most_in_window

from resilient.catalog import Ban
from resilient.model import Block, Pause
from resilient.state import memory
from resilient.state.memory import FEW

BOTH = service(limit(60, 60, "credential", "ip"), limit(600, 3600, name="hour"))


@pytest.fixture
def _swept_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for idle scopes and unused lanes with every new one, however few there are."""
    monkeypatch.setattr(memory, "FEW", 1)


def sweep(desk: Desk) -> None:
    """Look at all there is: each time at a part."""
    found = desk.admission.memory
    for _ in range(len(found.ways) + len(found.scopes)):
        found.sweep(desk.now)


def credentials(desk: Desk) -> set[str]:
    """Return the credentials that are remembered."""
    return {s.name for s in desk.admission.memory.scopes if s.kind == "credential"}


async def test_the_same_gates_for_the_same_names() -> None:
    """Lanes share the gates of the scopes that they share, and nothing else."""
    desk = Desk(BOTH)
    one, two, again = desk.lane("one"), desk.lane("two"), desk.lane("one")
    assert one is again
    assert ["credential", "ip", "host"] == [gate.state.scope.kind for gate in one.scopes]
    assert [False, True, True] == [a is b for a, b in zip(one.scopes, two.scopes, strict=True)]
    assert 1 == len(set(one.limits) & set(two.limits))


@pytest.mark.usefixtures("_swept_often")
async def test_idle_scopes_are_forgotten() -> None:
    """A scope whose buckets are full and whose quota is whole is forgotten, with its limits."""
    desk = Desk(BOTH)
    for number in range(100):
        await desk.call(credential=f"c{number}")
    assert len(credentials(desk)) > 90
    await asyncio.sleep(7200)
    sweep(desk)
    desk.lane("last")
    assert {"last"} == credentials(desk)
    assert [2, 1] == [len(limits) for limits in desk.admission.memory.limits.values()]
    assert 1 == len(desk.admission.memory.lanes)


@pytest.mark.usefixtures("_swept_often")
@pytest.mark.parametrize(
    "mark",
    [
        Pause(scope="credential", seconds=1e6),
        Pause(scope="credential", seconds=1e6, refusal=False),
        Block(scope="credential", base=1e6, cap=1e6),
        Block(scope="credential", base=None, cap=0),
    ],
)
async def test_what_is_not_forgotten(mark: Pause | Block) -> None:
    """A pause or a block stays, however long nobody asks."""
    desk = Desk(BOTH)
    await desk.call(credential="kept", marks=[mark])
    await asyncio.sleep(9e5)
    for number in range(10):
        desk.lane(f"c{number}")
    assert "kept" in credentials(desk)


@pytest.mark.usefixtures("_swept_often")
async def test_who_is_about_is_not_forgotten() -> None:
    """A scope with a call under way, or one that waits, stays; so do its unanswered refusals."""
    desk = Desk(service(limit(60, 60), ban=Ban(after=3, within=1e5)))
    flying = await desk.admit(credential="flying")
    await desk.call(credential="refused", marks=[Pause(scope="credential", seconds=1)])
    await desk.call(credential="probed", marks=[Pause(scope="credential", seconds=1)])
    probe = await desk.admit(credential="probed")
    waiting = asyncio.create_task(desk.call(credential="probed"))
    await asyncio.sleep(7200)
    for number in range(10):
        desk.lane(f"c{number}")
    assert {"flying", "refused", "probed"} <= credentials(desk)
    flying.answered((), LATCH)
    probe.answered((), LATCH)
    await waiting


@pytest.mark.usefixtures("_swept_often")
@pytest.mark.parametrize("seed", range(3))
async def test_forgetting_grants_nothing(seed: int) -> None:
    """With a sweep at every new scope no limit is broken, of a key or of the address."""
    chance = random.Random(seed)
    desk = Desk(service(limit(20, 10, "credential", "ip"), limit(40, 120, "credential", name="m")))
    sent = dict[str, list[Spent]]()

    async def one(credential: str) -> None:
        time = await desk.call(credential=credential, takes=chance.choice([0, 0.1, 3]))
        sent.setdefault(credential, []).append((time, 1))

    async with asyncio.TaskGroup() as group:
        for _ in range(1500):
            group.create_task(one(f"c{chance.choice([0, 0, 0, 1, 2, chance.randrange(300)])}"))
            await asyncio.sleep(chance.choice([0, 0, 0.01, 0.5, 15]))
            sweep(desk)
    assert most_in_window([each for mine in sent.values() for each in mine], 10) <= 20
    assert all(most_in_window(mine, 10) <= 20 for mine in sent.values())
    assert all(most_in_window(mine, 120) <= 40 for mine in sent.values())


async def test_lanes_are_forgotten_with_their_scopes() -> None:
    """A lane that outlived its scopes would grant a limit a second time, and hide a pause."""
    desk = Desk(service(limit(10, 1)))
    await desk.warm(host="first")
    for number in range(600):
        desk.lane(credential=f"c{number}")
    await desk.warm(host="second")
    await finish(*(desk.call(host=host) for host in ("first", "second") * 10))
    assert most_in_window(desk.sent, 1) <= 10
    await desk.call(host="first", marks=[Pause(scope="credential", seconds=60)])
    assert ["credential:one"] == [str(each.scope) for each in desk.admission.release(bool)]


async def test_the_size_of_a_scope() -> None:
    """A credential that is in use, its limit, its lane and the way there take 1.5 KiB at most."""
    desk, many = Desk(service(limit(60, 60))), 2500
    gc.collect()
    tracemalloc.start()
    for number in range(many):
        grant = await desk.admit(credential=f"account-{number}")
        grant.answered((), LATCH)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert many < len(desk.admission.memory.scopes)
    assert many <= len(desk.admission.memory.lanes)
    assert size < 1536 * many


async def test_many_scopes() -> None:
    """However many names come and go, only those in use are remembered."""
    desk, most = Desk(service(limit(60, 60))), 0
    for number in range(20_000):
        grant = await desk.admit(credential=f"account-{number}")
        grant.answered((), LATCH)
        if number % 500 == 0:
            await asyncio.sleep(1.5)
            most = max(most, len(desk.admission.memory.scopes))
    assert most < 2000
    assert len(desk.admission.memory.lanes) <= 2 * FEW


async def test_many_hosts() -> None:
    """However many hosts a connector meets, only those with a connection are remembered."""
    desk, most = Desk(service(limit(6000, 60))), 0
    connector = aiohttp.TCPConnector(limit=10, limit_per_host=2)
    held = await desk.admit(host="held", connector=connector)
    for number in range(4 * FEW):
        grant = await desk.admit(host=f"h{number}", connector=connector)
        assert grant.lane.pools[1] is desk.admission.memory.pools[connector][f"h{number}"]
        grant.answered((), LATCH)
        grant.disconnected()
        most = max(most, len(desk.admission.memory.pools[connector]))
    assert most <= 2 * FEW + 2
    assert held.lane.pools == desk.lane(host="held", connector=connector).pools
    await connector.close()
