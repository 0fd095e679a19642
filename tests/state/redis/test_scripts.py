"""What the scripts decide, at times that the test gives."""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from random import Random
from types import MappingProxyType

import pytest
from driven_scripts import Driven
from redis_server import RedisServer
from shared_model import LATCH
from shared_world import INSTANCES, TICK, bucket, lane, limit, quota, scope

from resilient.catalog import Ban
from resilient.core.pacing import Bucket, Pace
from resilient.model import Block, Pause
from resilient.state.redis import wire

SECOND = 1_000_000
HOUR = 3600 * SECOND
ONE, TWO, THREE = INSTANCES


@pytest.fixture
def driven(redis_server: RedisServer) -> Iterator[Driven]:
    """The scripts, with a clock of the test's own."""
    with Driven(redis_server) as found:
        yield found


def passage(*paces: Pace, most: int = 30, ban: Ban | None = None) -> wire.Passage:
    """Return the way past some limits of one scope."""
    within = scope("credential", "main", guarded=bool(ban), ban=ban)
    limits = [limit(f"limit-{i}", pace, most, 0.0, within) for i, pace in enumerate(paces)]
    return wire.Passage.of("resilient", lane((within,), limits), 30.0)


def saturate(
    driven: Driven,
    ways: Mapping[str, wire.Passage],
    seconds: int,
    costs: Mapping[str, int] = MappingProxyType({}),
) -> list[tuple[int, str]]:
    """Let instances ask for ever, each when it was told to; return who was granted when.

    Each is a millisecond further from the store than the one before.
    """
    granted, due, number = [], dict.fromkeys(ways, driven.now), 0
    late = {instance: 1_000 * i for i, instance in enumerate(ways)}
    end = driven.now + seconds * SECOND
    while (instance := min(due, key=due.__getitem__)) and due[instance] < end:
        driven.now = max(driven.now, due[instance])
        number += 1
        asked = driven.ask(ways[instance], instance, number, [costs.get(instance, 1)])
        if asked.granted:
            granted.append((driven.now, instance))
        due[instance] = driven.now + round((asked.wait or 0) * 1e6) + late[instance]
    return granted


def assert_fair(granted: list[tuple[int, str]], instances: int) -> None:
    """Check that each was granted as much as every other, but for how they began and ended."""
    counts = Counter(instance for _, instance in granted)
    assert instances == len(counts)
    assert max(counts.values()) - min(counts.values()) <= 2, counts


def test_instances_take_turns(driven: Driven) -> None:
    """Instances that always want more are granted one call each, in turn, and waste nothing."""
    granted = saturate(driven, dict.fromkeys(INSTANCES, passage(bucket(1, 64))), 60)
    assert len(granted) >= 59
    assert_fair(granted, 3)


def test_without_a_line_somebody_starves(redis_server: RedisServer) -> None:
    """Where nobody waits behind others, the same check finds who is left out."""
    with Driven(redis_server, ("sum = sum + needs", "")) as driven:
        way = passage(bucket(1, 64))
        granted = saturate(driven, dict.fromkeys(INSTANCES, way), 60)
        with pytest.raises(AssertionError):
            assert_fair(granted, 3)


def test_quota_in_turns(driven: Driven) -> None:
    """Where a count makes room for many at once, each has one before the first has the rest."""
    granted = saturate(driven, dict.fromkeys(INSTANCES, passage(quota(6, 8.0))), 60)
    windows = [granted[i : i + 6] for i in range(6, len(granted), 6)]
    assert [3] * len(windows) == [len({who for _, who in window}) for window in windows]
    times = [at for at, _ in granted]
    assert all(b - a > 8 * SECOND for a, b in zip(times, times[6:], strict=False))


def test_a_heavy_call_is_not_starved(driven: Driven) -> None:
    """A call that costs much takes its turn among light ones of other instances."""
    granted = saturate(driven, dict.fromkeys(INSTANCES, passage(bucket(1, 64))), 240, {THREE: 20})
    assert_fair(granted, 3)


def crossing() -> dict[str, wire.Passage]:
    """Return the ways of those who want one of two limits each, and of one who wants both."""
    within = scope("credential", "main", guarded=False)
    one, other = (limit(name, bucket(1, 64), 30, 0.0, within) for name in ("one", "other"))
    lanes = (lane((within,), limits) for limits in ((one, other), (one,), (other,)))
    ways = [wire.Passage.of("resilient", each, 30.0) for each in lanes]
    return dict(zip(INSTANCES, ways, strict=True))


def test_who_needs_two_limits_is_not_starved(driven: Driven) -> None:
    """A call that needs two limits takes its turn among those that need one, and wastes neither."""
    granted = saturate(driven, crossing(), 60)
    assert_fair(granted, 3)
    assert len(granted) >= 88


def test_in_one_line_only_it_starves(redis_server: RedisServer) -> None:
    """Where a call lines up only where it waits longest, the same check finds it left out."""
    fault = (
        "ipairs(limits) do\n    limit.line",
        "ipairs({ limits[gate - many_scopes] }) do\n    limit.line",
    )
    with Driven(redis_server, fault) as driven:
        granted = saturate(driven, crossing(), 60)
        with pytest.raises(AssertionError):
            assert_fair(granted, 3)


def test_a_dead_instance_costs_a_second(driven: Driven) -> None:
    """Who does not come when its turn is holds the others up for a second, once."""
    way = passage(bucket(1, 64))
    driven.ask(way, ONE, 1, [1, 1])  # the second call waits, and then nobody asks for it
    granted = saturate(driven, dict.fromkeys((TWO, THREE), way), 60)
    gaps = [b - a for (a, _), (b, _) in pairwise(granted)]
    assert max(gaps) <= 2 * SECOND
    assert len(granted) >= 58
    assert_fair(granted, 2)


def test_the_first_call_of_a_new_bucket(driven: Driven) -> None:
    """Nothing holds it up, whatever the rate is and the time."""
    chance, within, held = Random(11), scope("credential", "main", guarded=False), []
    for number in range(300):
        driven.now = chance.randrange(10**15, 2 * 10**15)
        pace = Bucket(capacity=chance.randrange(1, 50), rate=chance.randrange(1, 10**6) / 997)
        new = limit(f"limit-{number}", pace, 64, 0.0, within)
        way = wire.Passage.of("resilient", lane((within,), [new]), 30.0)
        asked = driven.ask(way, ONE, number)
        held += [] if asked.granted else [(pace, asked.wait)]
    assert [] == held


def test_one_ask_grants_all_that_fit(driven: Driven) -> None:
    """Calls that wait together go together, as many as fit, and the next one's wait is told."""
    way = passage(bucket(4, 64))
    driven.ask(way, ONE, 1)
    driven.now += 60 * SECOND
    asked = driven.ask(way, ONE, 2, [1, 1, 1, 1, 1, 1])
    assert (4, "limit", 1, 1.0) == (asked.granted, asked.reason, asked.index, asked.wait)


@pytest.mark.parametrize(
    ("pace", "longest"), [(bucket(4, 16), 8.0), (quota(30, 8.0), 8.2)], ids=["bucket", "quota"]
)
@pytest.mark.parametrize("step", [TICK, SECOND, HOUR, 365 * 24 * HOUR])
def test_clock_steps_back(driven: Driven, pace: Pace, longest: float, step: int) -> None:
    """After a clock that steps back nobody waits longer than the window, and no room appears."""
    way = passage(pace)
    while not driven.ask(way, ONE, 1, [30]).granted:
        driven.now += SECOND
    before = driven.ask(way, ONE, 2, [1]).wait or 0.0
    driven.now += HOUR + 365 * 24 * HOUR - step
    granted = driven.ask(way, ONE, 2, [30]).granted
    driven.now -= step
    asked = driven.ask(way, ONE, 2, [1])
    assert (1, 0) == (granted, asked.granted)
    assert min(before, 8.0) <= (asked.wait or 0.0) <= longest


@pytest.mark.parametrize("kind", ["pause", "block", "probe"])
def test_clock_steps_back_in_a_scope(driven: Driven, kind: str) -> None:
    """A pause, a block and a probe last no longer for a clock that steps back."""
    way = passage(ban=Ban(after=3, within=10.0))
    driven.now += HOUR
    asked = driven.ask(way, ONE, 1)
    marks = {
        "pause": [Pause(scope="credential", seconds=5.0)],
        "block": [Block(scope="credential", base=5.0, cap=60.0)],
        "probe": [],
    }
    if kind != "probe":
        driven.end(way, ONE, 1, granted=asked.now, marks=marks[kind], latch=LATCH)
    waits = []
    for step in (0, HOUR, -SECOND // 4):
        driven.now -= step
        waits.append(driven.ask(way, TWO, 1).wait or 0.0)
    assert waits[0] == waits[1]
    assert pytest.approx(waits[0] - 0.25) == waits[2]


@pytest.mark.parametrize(
    ("pace", "most"), [(bucket(4, 16), 4), (quota(30, 8.0), 30)], ids=["bucket", "quota"]
)
def test_clock_steps_forward(driven: Driven, pace: Pace, most: int) -> None:
    """A clock that jumps ahead lets one burst through, and no more."""
    way = passage(pace)
    driven.ask(way, ONE, 1, [1] * 50)
    driven.now += HOUR
    assert most == driven.ask(way, ONE, 1, [1] * 50).granted


def test_a_slower_pace_holds_at_once(driven: Driven) -> None:
    """A bucket's new pace holds from the next call on, whoever took the last one."""
    driven.now += SECOND
    fast, slow = passage(bucket(1, 4)), passage(bucket(1, 64))
    assert 1 == driven.ask(fast, ONE, 1).granted
    driven.now += 4 * TICK
    assert 1 == driven.ask(slow, TWO, 1).granted
    assert 1.0 == driven.ask(fast, ONE, 2).wait


def test_a_lower_count_holds_at_once(driven: Driven) -> None:
    """A quota's new size holds from the next call on: what was counted is counted."""
    many, few = passage(quota(30, 8.0)), passage(quota(10, 8.0), most=10)
    assert 10 == driven.ask(many, ONE, 1, [1] * 10).granted
    assert ("limit", 0) == (driven.ask(few, TWO, 1).reason, driven.ask(few, TWO, 1).granted)


def test_a_new_period_keeps_the_count(driven: Driven) -> None:
    """Two programs that differ about a quota's period count the same calls, back and forth."""
    short, long = passage(quota(30, 8.0)), passage(quota(30, 20.0))
    for _ in range(5):
        assert 1 == driven.ask(short, ONE, 1).granted
        driven.now += SECOND
        assert 1 == driven.ask(long, TWO, 1).granted
    assert (10,) == driven.ask(long, ONE, 1, [30]).levels
    driven.now += 19 * SECOND
    assert 0 < driven.ask(long, ONE, 1, [30]).levels[0] <= 10
    driven.now += 2 * SECOND
    assert (0,) == driven.ask(long, ONE, 1, []).levels


def test_all_or_none(driven: Driven) -> None:
    """A call that one limit holds up takes nothing from the others."""
    way = passage(bucket(4, 1), quota(30, 8.0), bucket(1, 640))
    driven.ask(way, ONE, 1)
    driven.now += SECOND
    refused = [driven.ask(way, ONE, 1, [1, 1]) for _ in range(100)]
    assert {0} == {asked.granted for asked in refused}
    assert {(0.0, 1, 9.0)} == {asked.levels for asked in refused}


def test_what_others_took_while_it_was_away_counts(driven: Driven) -> None:
    """Of a bucket the emptiest that anybody knows of counts, of a quota what each has taken."""
    way = passage(bucket(4, 64), quota(100, 8.0))
    driven.ask(way, ONE, 1)
    driven.now += SECOND
    for taken, count in (([3.5, 29], 30), ([1.0, 2], 32)):
        reply = driven.run(wire.ask(way, TWO, 1, [0], [1], taken=taken))
        asked = wire.asked(way, reply, 1)
        assert (0, 0.5, (3.5, count)) == (asked.granted, asked.wait, asked.levels)


def test_given_back_no_lower_than_the_end_of_a_pause(driven: Driven) -> None:
    """What a call took before a pause is given back, but not the room that the pause took."""
    way = passage(bucket(4, 64), ban=Ban(after=9, within=10.0))
    first = driven.ask(way, ONE, 1)
    driven.end(way, ONE, 1, granted=first.now)
    driven.now += 60 * SECOND
    old = driven.ask(way, ONE, 2, [1, 1])
    pause = [Pause(scope="credential", seconds=0.25)]
    driven.end(way, ONE, 3, granted=old.now, marks=pause, latch=LATCH)
    driven.now += SECOND // 4
    probe = driven.ask(way, TWO, 1)
    assert 1 == probe.granted
    driven.end(way, ONE, 2, how="cancel", granted=old.now, cost=2)
    assert (3.0,) == driven.ask(way, TWO, 2, []).levels
