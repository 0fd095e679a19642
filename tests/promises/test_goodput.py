"""Work gets done at a vendor who punishes: whoever is refused three times in a row is banned.

The vendor keeps an exact log, and the calls go over real sockets, late by what a way takes. In
`quick` his limit is 40 a minute, under `--soak` 1200; the work is ten minutes' in any case.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
from acme import Client, Connect
from promises.conftest import Figure, Scale
from raw_server import Answer, RawServer, Wire, whole

import resilient
from benchmarks.goodput.situations import SITUATIONS, Situation
from benchmarks.goodput.vendor import Rules, Vendor
from resilient.core import adapting

SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 4))]
FEW = 400
BY_KEY = {each.key: each for each in SITUATIONS}
MINUTES = {"a": 10.2, "b": 10.4, "b2": 10.3, "c": 12.4}
"""In how many minutes the work has to be done."""

REFUSALS = {"a": 0, "b": 1}
"""How many refusals there may be."""


@attrs.frozen
class Work:
    """What came of the work.

    Attributes:
        began: When it began.
        ended: When the last call had its answer.
        failed: Calls that raised.
        adapted: The events that say that a rate has changed.
    """

    vendor: Vendor
    began: float
    ended: float
    failed: int
    adapted: list[dict[str, Any]]

    @property
    def minutes(self) -> float:
        """How long it took."""
        return (self.ended - self.began) / 60


def vendor_of(situation: Situation, calls: int) -> Vendor:
    """Return the vendor of a situation, his figures in proportion to so many calls of work."""
    rules, part = situation.rules, calls / 12_000

    def scaled(figure: int) -> int:
        return round(figure * part)

    return Vendor(
        attrs.evolve(
            rules,
            limit=scaled(rules.limit),
            before=scaled(rules.before),
            neighbour=scaled(rules.neighbour),
            cut_to=scaled(rules.cut_to),
        )
    )


Worked = Callable[..., Awaitable[Work]]


@pytest.fixture
def worked(reach: Connect, raw: RawServer) -> Worked:
    """Return what lets tasks make calls in a situation; keywords are keys of the service."""

    async def work(situation: Situation, calls: int, seed: int = 0, **keys: Any) -> Work:
        vendor, chance = vendor_of(situation, calls), random.Random(seed)
        raw.default = answering(vendor, situation.latency, chance)
        catalog = {**documented(vendor.rules, strict=situation.strict), **keys.pop("catalog", {})}
        async with reach(catalog=catalog, chance=0.5, **keys) as api:
            return await made(api, vendor, calls)

    return work


def answering(vendor: Vendor, latency: tuple[float, float], chance: random.Random) -> Answer:
    """Return what answers for a vendor; a call and its answer are on their way for a while."""

    async def answer(wire: Wire) -> bool:
        await asyncio.sleep(chance.uniform(*latency))
        found = vendor.arrive(asyncio.get_running_loop().time())
        await asyncio.sleep(chance.uniform(*latency))
        after = [] if found.retry_after is None else [f"Retry-After: {found.retry_after}"]
        await wire.send(whole(f"{found.status} Said", b"{}", *after))
        return True

    return answer


def documented(rules: Rules, *, strict: bool) -> dict[str, Any]:
    """Return what a catalog says of a vendor's rules, as they are before any cut."""
    ban = {"after": rules.ban_after, "within": f"{rules.ban_within:g}s"}
    return {
        "limits": {"calls": {"rate": f"{rules.limit}/{rules.period:g}s", "per": ["credential"]}},
        "ban": {**ban, "in_flight": "strict"} if strict else ban,
        "statuses": {
            429: {"policy": "back_off", "processed": False},
            403: {"policy": "block_warning"},
        },
    }


async def made(api: Client, vendor: Vendor, calls: int) -> Work:
    """Let tasks make calls, each one after the other, until all have been made."""
    now = asyncio.get_running_loop().time
    left, failed, began = iter(range(calls)), list[Exception](), now()
    vendor.open(began)

    async def task() -> None:
        for _ in left:
            try:
                await api.get()
            except resilient.ResilientError as error:
                failed.append(error)

    await asyncio.gather(*(task() for _ in range(max(20, calls // 60))))
    return Work(vendor, began, now(), len(failed), api.told("rate_adapted"))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("key", MINUTES)
async def test_work_is_done(
    key: str, seed: int, worked: Worked, scale: Scale, figure: Figure
) -> None:
    """The work is done in time, with no ban and no call lost, whoever else is there."""
    work = await worked(BY_KEY[key], scale(FEW, 12_000), seed)
    assert [] == work.vendor.bans
    assert 0 == work.failed
    assert MINUTES[key] >= work.minutes
    assert REFUSALS.get(key, 9) >= len(work.vendor.refused)
    figure("A9", f"minutes of work, {key}, seed {seed}", work.minutes)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_limit_that_is_halved_without_a_word(
    seed: int, worked: Worked, scale: Scale, figure: Figure
) -> None:
    """Two minutes later nine tenths of the new limit are used, and an event says which it is."""
    work = await worked(BY_KEY["d"], scale(FEW, 12_000), seed)
    rules = work.vendor.rules
    assert [] == work.vendor.bans
    assert 0 == work.failed
    since = work.began + (rules.cut_at or 0.0) + 120
    allowed = rules.cut_to * (work.ended - since) / rules.period
    used = work.vendor.accepted_between(since, work.ended) / allowed
    assert used >= 0.9
    first = work.adapted[0]
    assert ("credential:default", "calls", "refused") == tuple(
        first[key] for key in ("scope", "limit", "reason")
    )
    assert first["detail"]["observed"] == pytest.approx(rules.cut_to, rel=0.07)
    figure("A9", f"share of the new limit used, seed {seed}", used)


async def test_a_rate_that_stays_as_it_is_is_refused(worked: Worked) -> None:
    """Negative control: with `adaptive: false` a neighbour has us refused again and again."""
    stays = await worked(BY_KEY["c"], FEW, adaptive=False)
    assert [] == stays.adapted
    assert len(stays.vendor.refused) > 10


async def test_without_the_ban_rule(worked: Worked) -> None:
    """Negative control: the vendor does ban whoever has three calls under way and no rule."""
    slow = attrs.evolve(BY_KEY["d"], latency=(2.0, 3.0), strict=False)
    work = await worked(slow, FEW, catalog={"ban": None})
    assert [] != work.vendor.bans


async def test_a_rate_that_never_creeps_up(worked: Worked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: the figure of a halved limit tells a rate that fell for good."""
    monkeypatch.setattr(adapting, "pace_of", lambda *_: 0.0)
    monkeypatch.setattr(adapting, "RECOVERY", float("inf"))
    work = await worked(BY_KEY["c"], FEW)
    assert MINUTES["c"] < work.minutes
