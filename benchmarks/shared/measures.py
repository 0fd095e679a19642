"""What a grant costs the client and Redis, and what becomes of a limit that is used up."""

from collections.abc import Sequence
from random import Random
from statistics import median

import attrs

from benchmarks.shared.contenders import PING, Contender
from benchmarks.shared.model import PLENTY, Done, Job, Limit, Pace
from benchmarks.shared.server import Server, by_process, most_within
from benchmarks.shared.workers import Workers

MICRO = 1e6
PACES = (Pace(1, 1), Pace(1, 64), Pace(4, 16))
BUSY = Pace(4, 8)

NOTED = 0.05
"""Seconds after which a grant is noted at the latest: so much shorter is the window in which
grants are counted."""

PERIODS = 2.6
"""How long a limit is used up, in periods of it."""


@attrs.frozen
class Rate:
    """What a contender did at a pace: medians of the rounds.

    Attributes:
        per_second: Grants a second.
        of_ping: The same against PING's in the same round.
        cpu: Microseconds of the client's processor for a grant.
        cpu_of_ping: The same against PING's in the same round.
    """

    per_second: float
    of_ping: float
    cpu: float
    cpu_of_ping: float


@attrs.frozen
class Inside:
    """What a grant is for Redis.

    Attributes:
        one: Microseconds in scripts for a grant with one limit: the median; None: no script.
        two: The same with two limits.
        bytes: What it keeps of a scope with a limit of 500 calls, after a single grant.
    """

    one: float | None
    two: float | None
    bytes: int


@attrs.frozen
class Shared:
    """What became of a limit that was used up.

    Attributes:
        most: The most grants in any window, by Redis's log, against those allowed.
        used: The share of the limit that was granted, past the first burst.
        requests: Requests that Redis read for a grant.
        cpu: Microseconds of the client's processor for a grant.
        fewest: Grants of the process that had the fewest.
        greatest: Grants of the process that had the most.
        bytes: What Redis keeps of the limit.
    """

    most: float
    used: float
    requests: float
    cpu: float
    fewest: int
    greatest: int
    bytes: int


def rates(
    server: Server,
    workers: Workers,
    contenders: Sequence[Contender],
    rounds: int,
    seconds: float,
) -> dict[str, dict[str, Rate]]:
    """Let all contenders take turns, in random order, at every pace."""
    chance = Random(1)
    found: dict[tuple[str, Pace], list[tuple[float, float]]] = {}
    for _ in range(rounds):
        for pace in PACES:
            for each in sorted(contenders, key=lambda _: chance.random()):
                server.clear()
                job = Job(each.name, (PLENTY,), pace.tasks, seconds)
                done = workers.run(job, pace.processes)
                found.setdefault((each.name, pace), []).append(_pair(done))
    return {
        each.name: {str(pace): _rate(found[each.name, pace], found[PING, pace]) for pace in PACES}
        for each in contenders
    }


def _pair(done: Sequence[Done]) -> tuple[float, float]:
    """Return grants a second, and microseconds for each."""
    grants = sum(each.grants for each in done)
    per_second = sum(each.grants / each.seconds for each in done)
    return per_second, sum(each.cpu for each in done) / max(grants, 1) * MICRO


def _rate(mine: Sequence[tuple[float, float]], pings: Sequence[tuple[float, float]]) -> Rate:
    pairs = list(zip(mine, pings, strict=True))
    return Rate(
        per_second=median(each for each, _ in mine),
        of_ping=median(one[0] / other[0] for one, other in pairs),
        cpu=median(cpu for _, cpu in mine),
        cpu_of_ping=median(one[1] / other[1] for one, other in pairs),
    )


def inside(server: Server, workers: Workers, contender: Contender, seconds: float) -> Inside:
    """Look at what Redis does for one task."""

    def script_time(limits: tuple[Limit, ...]) -> float | None:
        server.clear()
        before = server.work()
        done = workers.run(Job(contender.name, limits, 1, seconds), 1)
        after = server.work()
        if after.median is None:
            return None
        return after.median * round((after.calls - before.calls) / done[0].grants)

    def kept(limits: tuple[Limit, ...]) -> int:
        server.clear()
        workers.run(Job(contender.name, limits, 1, 0.0, logged=True), 1)
        return server.bytes()

    one, two, some = (PLENTY,), (PLENTY, PLENTY), Limit(500, 60)
    # The second limit's: what is kept once for all of them does not count.
    return Inside(script_time(one), script_time(two), kept((some, some)) - kept((some,)))


def shared(server: Server, workers: Workers, contender: Contender, limit: Limit) -> Shared:
    """Let four processes of eight tasks use a limit up."""
    server.clear()
    before = server.work()
    job = Job(contender.name, (limit,), BUSY.tasks, PERIODS * limit.seconds, logged=True)
    done = workers.run(job, BUSY.processes)
    after, log = server.work(), server.log()
    granted = [*by_process(log), *[0] * BUSY.processes][: BUSY.processes]
    return Shared(
        most=most_within(log, limit.seconds - NOTED) / limit.calls,
        used=_used([at for at, _ in log], limit),
        requests=(after.reads - before.reads - 1 - len(log)) / len(log),
        cpu=sum(each.cpu for each in done) / len(log) * MICRO,
        fewest=min(granted),
        greatest=max(granted),
        bytes=server.bytes(),
    )


def _used(times: Sequence[float], limit: Limit) -> float:
    """Return the share of two whole periods' calls that was granted.

    They begin half a period after the first grant: a burst at the start is not in them, and one
    at each full period stands in their middle.
    """
    first = times[0] + limit.seconds / 2
    last = first + 2 * limit.seconds
    return sum(first <= at < last for at in times) / (2 * limit.calls)
