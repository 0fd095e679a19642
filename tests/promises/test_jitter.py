"""Clients that were told the same time do not come back together, and none comes early."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable

from promises.conftest import Figure, Scale
from server import Server

import resilient
from resilient.clock import Clock

ASKED = 30.0
"""Seconds that the server asks for."""

MOST_ADDED = 3.0
"""Seconds that are added at most: a tenth."""


async def come_back(server: Server, clients: int, chance: Callable[[], float]) -> list[float]:
    """Return how long each of many clients, told to wait at its first request, has waited."""

    async def once(number: int) -> None:
        keys = {"catalog": "http", "hosts": [server.host]}
        middleware = resilient.Middleware({"services": {"api": keys}}, clock=Clock(chance=chance))
        await asyncio.sleep(number / 1000)  # a listening socket has room for 128 at a time
        async with (
            resilient.session(middleware) as http,
            http.get(f"{server.url}/{number}") as response,
        ):
            assert 200 == response.status

    server.then(status=429, headers={"Retry-After": f"{ASKED:g}"}, times=clients)
    await asyncio.gather(*[once(number) for number in range(clients)])
    told = {hit.path: hit.at for hit in server.hits[:clients]}
    return [hit.at - told[hit.path] for hit in server.hits[clients:]]


def spread(waits: list[float]) -> tuple[float, float]:
    """Return how uneven waits are: the distance from an even spread, the peak over the mean.

    The first is the statistic of Kolmogorov and Smirnov times the root of the number: at a
    level of 1 % it is below 1.63. The second counts tenths of a second.
    """
    number, ordered = len(waits), sorted((wait - ASKED) / MOST_ADDED for wait in waits)
    ranks = enumerate(ordered)
    distance = max(max((rank + 1) / number - x, x - rank / number) for rank, x in ranks)
    peak = max(Counter(int(10 * wait) for wait in waits).values())
    return distance * number**0.5, peak / (number / (10 * MOST_ADDED))


async def test_nobody_is_early(server: Server, scale: Scale, figure: Figure) -> None:
    """Of many clients told to wait 30 s none sends before that, and they come back spread out."""
    waits = await come_back(server, scale(150, 1000), random.Random(3).random)
    uneven, peak = spread(waits)
    figure("F3", "clients back early", sum(wait < ASKED for wait in waits), of=len(waits))
    figure("F3", "fullest tenth of a second over the mean", peak)
    assert ASKED <= min(waits)
    assert max(waits) <= ASKED + MOST_ADDED + 0.1
    assert 1.63 > uneven
    assert 3 >= peak


async def test_without_jitter(server: Server) -> None:
    """Clients that wait just as long as they were told do come back together."""
    uneven, peak = spread(await come_back(server, 50, lambda: 0.0))
    assert uneven > 1.63
    assert peak > 3
