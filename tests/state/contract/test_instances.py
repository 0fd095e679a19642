"""Several instances of one store: they are one for the vendor, and none waits for a dead one."""

import asyncio
from itertools import pairwise

import pytest
from desk import LATCH, finish, limit
from oracle import most_in_window
from redis_server import RedisServer
from shared_desk import Counter, Desks, when

from resilient.catalog import Ban, Limit
from resilient.model import Block, Pause
from resilient.state.grant import Grant
from resilient.state.redis import store
from resilient.state.waiting import Refused

pytestmark = [pytest.mark.real_time, pytest.mark.asyncio(loop_factories=["redis"])]

FAST = limit(1000, 1, jitter=0)
PACED = limit(20, 0.4, jitter=0)
"""One at once, 50 a second."""

LEASE = 0.4


@pytest.fixture
def short_lease(monkeypatch: pytest.MonkeyPatch) -> float:
    """Let a call count as lost this many seconds after its grant, if nobody says how it ended."""
    monkeypatch.setattr(store, "LATE", LEASE - 1)
    return LEASE


async def two(desks: Desks, *limits: Limit, **keys: object) -> tuple[Counter, Counter]:
    """Return two instances, of whose scope an answer has been heard."""
    one, other = await desks.open(*limits, **keys), await desks.open(*limits, **keys)
    await ended(await one.admit())
    one.grants.clear()
    return one, other


async def ended(grant: Grant, *marks: Pause | Block) -> list[str]:
    """Let an answer come, and return what has become of the scopes for all."""
    return [each.change for each in await grant.agreed(grant.answered(marks, LATCH))]


async def test_a_probe_holds_all(desks: Desks) -> None:
    """While one instance's first call is under way, nobody else's goes; after its answer, all."""
    one, other = await desks.open(FAST), await desks.open(FAST)
    probe = await one.admit()
    waiting = other.start(3)
    await other.until_told(3)
    assert ["probe"] * 3 == [each.reason for each in other.delays]
    await ended(probe)
    await finish(*waiting)
    assert min(other.times()) - when(probe) < 1


async def test_a_dead_probe(desks: Desks, short_lease: float) -> None:
    """The probe of an instance that is gone counts as lost when its lease is over."""
    one, other = await two(desks, FAST, attempt_timeout=1.0)
    await ended(await one.admit(), Pause(scope="credential", seconds=0.05))
    probe = await one.admit()
    other_probe = await other.admit()
    # Lost as any other: the pause of the refusal, or a back-off of 0.4 s, comes on top.
    assert when(other_probe) - when(probe) >= short_lease + 0.4 - 1e-5
    assert ["released"] == await ended(other_probe)


async def test_a_late_answer_of_a_dead_probe(desks: Desks, short_lease: float) -> None:
    """An answer that comes when somebody else goes first already releases nothing."""
    one, other = await two(desks, FAST, attempt_timeout=1.0)
    await ended(await one.admit(), Pause(scope="credential", seconds=0.05))
    probe = await one.admit()
    later = await other.admit()
    assert [] == await ended(probe)
    waiting = asyncio.create_task(one.admit())
    await one.until_told(1)
    assert ["released"] == await ended(later)
    await waiting


async def test_strictly_few_in_flight(desks: Desks) -> None:
    """`in_flight: strict` counts what all instances have under way."""
    one, other = await two(desks, FAST, ban=Ban(after=3, within=60, strict=True))
    first, second = await one.admit(), await other.admit()
    waiting = [asyncio.create_task(each.admit()) for each in (one, other)]
    await asyncio.sleep(0.2)
    assert not any(task.done() for task in waiting)
    await ended(first)
    await one.until(lambda: any(task.done() for task in waiting))
    await ended(second)
    await finish(*waiting)


async def test_in_flight_of_a_dead_instance(desks: Desks, short_lease: float) -> None:
    """What a dead instance had under way counts no longer than its lease."""
    ban = Ban(after=3, within=60, strict=True)
    one, other = await two(desks, FAST, ban=ban, attempt_timeout=1.0)
    dead = [await one.admit(), await one.admit()]
    grant = await other.admit()
    assert when(grant) - when(dead[1]) >= short_lease - 1e-5


async def test_refusals_of_several_are_one_row(desks: Desks) -> None:
    """Three refusals, each of another instance, are a full row: the third one shuts the scope."""
    one, other = await two(desks, FAST, ban=Ban(after=3, within=30))
    third = await desks.open(FAST, ban=Ban(after=3, within=30))
    grants = [await each.admit() for each in (one, other, third)]
    changes = [await ended(each, Pause(scope="credential", seconds=0.1)) for each in grants]
    assert [["paused"], ["foreseen"], ["blocked"]] == changes
    for each in (one, other, third):
        with pytest.raises(Refused, match="blocked"):
            await each.admit()


async def test_a_cool_down_doubles_whoever_probes(desks: Desks) -> None:
    """A block's probe of another instance that is banned doubles the cool-down for all."""
    one, other = await two(desks, FAST)
    shut = Block(scope="credential", base=0.2, cap=9.0, reason="banned")
    assert ["blocked"] == await ended(await one.admit(), shut)
    await asyncio.sleep(0.21)
    assert ["blocked"] == await ended(await other.admit(), shut)
    with pytest.raises(Refused, match="blocked") as caught:
        await one.admit()
    assert 0.2 < caught.value.wait <= 0.4  # type: ignore[operator]


async def test_called_off_for_all(desks: Desks) -> None:
    """What one instance gives back another may take."""
    one, other = await two(desks, limit(2, 3600))
    grant = await one.admit()
    grant.cancel()
    await asyncio.sleep(0.05)
    await other.admit(within=5)


async def test_taking_turns(desks: Desks) -> None:
    """One that has much to do and one that has little get a call each in turn."""
    one, other = await two(desks, PACED)
    crowd = one.start(200)
    await one.until_told(100)
    await finish(*other.start(10))
    between = [at for at in one.times() if other.times()[0] <= at <= other.times()[-1]]
    assert 5 <= len(between) <= 15
    for task in crowd:
        task.cancel()


async def test_a_heavy_call_is_not_starved(desks: Desks) -> None:
    """A cost above the burst goes in its turn, however many light calls another one has."""
    one, other = await two(desks, PACED)
    crowd = one.start(200)
    await one.until_told(100)
    heavy = await other.admit(cost=10)
    before = [at for at in one.times() if at < when(heavy)]
    assert len(before) <= 15
    spent = [(when(each), each.cost) for each in (*one.grants, *other.grants)]
    assert 20 >= most_in_window(spent, 0.4)
    for task in crowd:
        task.cancel()


async def test_a_dead_instance_in_line(desks: Desks) -> None:
    """One that does not come when its turn is holds the others up for about a second at most."""
    one, other = await two(desks, PACED)
    crowd = one.start(30)
    await one.until_told(20)
    task = asyncio.create_task(other.admit())
    await other.until_told(1)
    task.cancel()
    await finish(*crowd)
    gaps = [later - sooner for sooner, later in pairwise(one.times())]
    assert max(gaps) < 1.5


@pytest.mark.parametrize("name", ["127.0.0.1:8080", "ключ"])
async def test_released_elsewhere(desks: Desks, name: str) -> None:
    """What is released in one process goes on in all, whatever it is called there."""
    one, other = await two(desks, FAST)
    await ended(await one.admit(credential=name), Pause(scope="credential", seconds=60))
    (lifted,) = await other.admission.store.release("api", lambda _: True)
    assert "credential" == lifted.kind
    await finish(one.admit(credential=name, within=90))


async def test_released_among_much_else(desks: Desks, redis_server: RedisServer) -> None:
    """What another process left is found however much else the store holds."""
    one, other = await two(desks, FAST)
    for number in range(3):
        grant = await one.admit(credential=f"c{number}")
        await ended(grant, Pause(scope="credential", seconds=60))
    redis_server.command("EVAL", "for i = 1, 20000 do redis.call('SET', 'else:' .. i, i) end", 0)
    lifted = await other.admission.store.release("api", lambda _: True)
    assert ["c0", "c1", "c2"] == sorted(str(scope.name) for scope in lifted)
