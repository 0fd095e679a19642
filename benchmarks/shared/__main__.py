"""One limit for many processes: `python -m benchmarks.shared` prints what it costs, in 3 minutes.

It starts a redis-server of its own on the loopback, and stops it. All who take part use it in
turn, from the same processes. The least that a question to it can cost, PING by redis-py, is
measured beside them in every round; what counts is the median of the rounds' ratios, so that
whatever else the machine does meets all of them. The other libraries are used where they are
installed: `pip install --group peers`.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import attrs

from benchmarks.shared import measures, report
from benchmarks.shared.contenders import PING, Contender, installed
from benchmarks.shared.model import Limit
from benchmarks.shared.server import serving
from benchmarks.shared.workers import working

Found = TypeVar("Found")


@attrs.frozen
class Size:
    """How long to measure."""

    rounds: int
    seconds: float
    limit: Limit


FULL = Size(7, 0.25, Limit(500, 5))
QUICK = Size(2, 0.1, Limit(100, 1))


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser("python -m benchmarks.shared", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="half a minute, and rough")
    parser.add_argument("--rounds", type=int, help="how often each takes its turn")
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="parts of names")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    asked = arguments(words)
    size = QUICK if asked.quick else FULL
    if asked.rounds is not None:
        size = attrs.evolve(size, rounds=asked.rounds)
    contenders, missing = installed(asked.only)
    processes = max(pace.processes for pace in (*measures.PACES, measures.BUSY))
    with serving() as server, working(processes, server.port) as workers:
        machine = report.machine(server, contenders)
        print(machine)
        if missing:
            print("not installed:", ", ".join(each.name for each in missing))
        limiting = [each for each in contenders if each.name != PING]
        rates = measures.rates(server, workers, contenders, size.rounds, size.seconds)
        report.print_rates(rates)
        inside = _each(limiting, partial(measures.inside, server, workers, seconds=size.seconds))
        report.print_inside(inside)
        shared = _each(limiting, partial(measures.shared, server, workers, limit=size.limit))
        report.print_shared(shared, size.limit)
    if asked.json is not None:
        found = {"rates": rates, "inside": inside, "shared": shared}
        text = json.dumps({"machine": machine, **found}, default=attrs.asdict, indent=2)
        asked.json.write_text(text + "\n", "utf-8")


def _each(
    contenders: Sequence[Contender], measure: Callable[[Contender], Found]
) -> dict[str, Found]:
    return {each.name: measure(each) for each in contenders}


if __name__ == "__main__":
    main()
