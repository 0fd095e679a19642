"""What the benchmark prints."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec

from benchmarks.machine import processor
from benchmarks.shared.contenders import PING, Contender
from benchmarks.shared.measures import Inside, Rate, Shared
from benchmarks.shared.model import Limit
from benchmarks.shared.server import Server

NAME = 30


def machine(server: Server, contenders: Sequence[Contender]) -> str:
    """Return what all this was measured with."""
    versions = [f"{name} {version(name)}" for name in _distributions(contenders)]
    return ", ".join(
        [
            f"{processor()} x {os.cpu_count()}",
            f"load {os.getloadavg()[0]:.1f}",
            f"Python {platform.python_version()}",
            f"redis-server {server.redis.info('server')['redis_version']}",
            *versions,
        ]
    )


def _distributions(contenders: Sequence[Contender]) -> list[str]:
    parser = ["hiredis"] if find_spec("hiredis") is not None else []
    return list(dict.fromkeys([*(each.distribution for each in contenders), *parser]))


def print_rates(found: dict[str, dict[str, Rate]]) -> None:
    """Print what a grant costs where nobody is held up."""
    paces = list(found[PING])
    print(
        "\nnobody is held up: grants a second, processor time of the client for each;"
        " both also against PING's"
    )
    print(f"  {'processes x tasks':{NAME}}" + "".join(f"{pace:>32}" for pace in paces))
    for name, rates in found.items():
        cells = [
            f"{_thousands(each.per_second):>8}/s {each.of_ping:5.2f} x"
            f" {each.cpu:6.0f} us {each.cpu_of_ping:4.2f}"
            for each in rates.values()
        ]
        print(f"  {name:{NAME}}" + "".join(f"{cell:>32}" for cell in cells))


def print_inside(found: dict[str, Inside]) -> None:
    """Print what a grant is for Redis."""
    print("\ninside Redis: script time of a grant (median), and bytes of a scope with one limit")
    print(f"  {'':{NAME}}{'one limit':>12}{'two limits':>12}{'after a grant':>16}")
    for name, each in found.items():
        print(
            f"  {name:{NAME}}{_micros(each.one):>12}{_micros(each.two):>12}"
            f"{f'{each.bytes} bytes':>16}"
        )


def print_shared(found: dict[str, Shared], limit: Limit) -> None:
    """Print what became of a limit that was used up."""
    print(
        f"\n{limit.calls} calls per {limit.seconds} s, used up by 4 processes x 8 tasks:"
        " the most in any window by Redis's log"
    )
    print(
        f"  {'':{NAME}}{'most':>8}{'used':>8}{'requests':>12}{'processor':>14}"
        f"{'per process':>16}{'bytes':>10}"
    )
    for name, each in found.items():
        print(
            f"  {name:{NAME}}{each.most * limit.calls:8.0f}{each.used:8.2f}"
            f"{f'{each.requests:.2f}':>12}{f'{each.cpu:.0f} us':>14}"
            f"{f'{each.fewest}-{each.greatest}':>16}{each.bytes:10}"
        )


def _thousands(count: float) -> str:
    return f"{count / 1000:.1f}k"


def _micros(time: float | None) -> str:
    return "-" if time is None else f"{time:.0f} us"
