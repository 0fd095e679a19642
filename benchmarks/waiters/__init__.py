"""What it costs to wait, and not to: at a limit of 100 calls a second, in virtual time."""

from collections.abc import Iterator

from benchmarks.model import Figure, Part, Size, Table
from benchmarks.parts import apart
from benchmarks.waiters.measures import Drained, Left, Unheld, drained, left, unheld
from benchmarks.waiters.ways import ALL, FLOOR, OURS

FULL = (1_000, 10_000, 100_000, 1_000_000)
QUICK = (1_000, 1_500)

Found = dict[str, dict[int, Drained]]
"""By who lets them wait, and how many waited."""


def measure(size: Size) -> Part:
    """Let ever more wait, with us, with others, and with asyncio alone."""
    wanted = size.choose(full=ALL, quick=[each for each in ALL if each.name in (OURS, FLOOR)])
    present = [each for each in wanted if each.is_installed]
    counts = size.choose(full=FULL, quick=QUICK)
    found = {
        each.name: {
            count: apart(drained, each.name, count) for count in counts if count <= each.most
        }
        for each in present
    }
    gone, free = apart(left), apart(unheld)
    return Part(
        title="Waiters",
        tables=(table(found, counts), others(gone, free)),
        figures=tuple(figures(found, gone, free)),
        distributions=tuple(each.distribution for each in present if each.distribution),
        missing=tuple(each.distribution for each in ALL if not each.is_installed),
    )


def figures(found: Found, gone: Left, free: Unheld) -> Iterator[Figure]:
    """Return what the budget bounds."""
    ours, floor = found[OURS], found[FLOOR]
    few, most = min(ours), max(ours)
    about = f"a grant with {few:,} waiting, task, timer and answer included"
    yield Figure(name="waiters.us_1k", value=ours[few].cpu, about=about, unit="us")
    about = f"a grant with {few:,} waiting, against asyncio alone"
    yield Figure(
        name="waiters.of_floor", value=ours[few].cpu / floor[few].cpu, about=about, unit="x"
    )
    about = f"a grant with {most:,} waiting, against {few:,}"
    yield Figure(name="waiters.growth", value=ours[most].cpu / ours[few].cpu, about=about, unit="x")
    about = f"one of {most:,} waiters, its task included"
    yield Figure(name="waiters.bytes", value=ours[most].bytes, about=about, unit="bytes")
    wrong = sum(each.inversions for each in ours.values())
    yield Figure(name="waiters.inversions", value=wrong, about="went before one who came earlier")
    yield Figure(name="waiters.lost", value=gone.lost, about="turns lost by those who gave up")
    about = "an admission that nothing holds up"
    yield Figure(name="waiters.uncontended_us", value=free.admitted, about=about, unit="us")
    about = "the same with two limits and a pool, answered"
    yield Figure(name="waiters.whole_us", value=free.whole, about=about, unit="us")


def table(found: Found, counts: tuple[int, ...]) -> Table:
    """Return a line for each who lets calls wait."""
    rows = []
    for name, each in found.items():
        costs = (each[count].cpu if count in each else None for count in counts)
        largest = each[max(each)]
        rows.append((name, *costs, largest.bytes, largest.inversions))
    return Table(
        title="Microseconds of processor time a grant, where so many wait at once",
        columns=("", *(f"{count:,}" for count in counts), "bytes a waiter", "out of order"),
        rows=tuple(rows),
        notes=(
            "From the task that is made to the task that has ended; ours hears of an answer, too.",
            "Bytes are resident memory with the most waiters, tasks included.",
            "asyncio alone: a task and a future for each, and a timer that lets one go.",
        ),
    )


def others(gone: Left, free: Unheld) -> Table:
    """Return what else there is to say."""
    return Table(
        title="Giving up, and not waiting at all",
        columns=("", "us", "turns lost"),
        rows=(
            ("half of 10,000 waiters give up, for each", gone.cpu, round(gone.lost, 3)),
            ("an admission that nothing holds up: a scope, a limit", free.admitted, None),
            ("the same with two limits and a pool, and its answer", free.whole, None),
        ),
    )
