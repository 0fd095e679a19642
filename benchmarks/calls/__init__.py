"""What a successful call costs: processor time of the client, against bare aiohttp.

Everybody makes a GET and reads the answer as JSON, over connections that are kept. The server is
a process of its own, and so is the client on each kind of loop. No limit holds anybody up.
"""

from collections.abc import Sequence
from importlib.util import find_spec

from benchmarks.calls.contenders import ALL, Contender
from benchmarks.calls.findings import figures, series, table
from benchmarks.calls.measures import Pace, on_loop
from benchmarks.calls.server import serving
from benchmarks.model import Part, Size
from benchmarks.parts import apart

LOOPS = ("asyncio", "uvloop")


def paces(size: Size) -> tuple[Pace, Pace]:
    """Return how many call at a time, how often, in how many rounds."""
    return size.choose(
        full=(Pace(1, 100, 60, 35.0), Pace(64, 3, 45, 35.0)),
        quick=(Pace(1, 50, 3, 4.0), Pace(64, 2, 3, 4.0)),
    )


def measure(size: Size) -> Part:
    """Compare all who are installed."""
    present = [each for each in ALL if each.is_installed]
    absent = [each for each in ALL if each not in present]
    wanted = size.choose(full=LOOPS, quick=LOOPS[:1])
    loops = [each for each in wanted if each == "asyncio" or find_spec(each)]
    with serving() as port:
        names = [each.name for each in present]
        found = {loop: apart(on_loop, loop, port, names, paces(size)) for loop in loops}
    return Part(
        title="Cost of a successful call",
        tables=tuple(table(loop, found[loop], paces(size)) for loop in loops),
        figures=tuple(figures(found, paces(size))),
        series=tuple(series(found["asyncio"])),
        distributions=("aiohttp", *loops[1:], *_distributions(present)),
        missing=(*(each for each in wanted if each not in loops), *_distributions(absent)),
    )


def _distributions(contenders: Sequence[Contender]) -> list[str]:
    return list(dict.fromkeys(name for each in contenders for name in each.distributions))
