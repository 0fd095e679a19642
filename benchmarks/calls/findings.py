"""What the comparison says: tables, figures for the budget, bars for a picture."""

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.calls.contenders import BARE, ENVELOPE, OURS, SESSION, USUAL
from benchmarks.calls.measures import Found, Pace
from benchmarks.calls.server import BODY
from benchmarks.model import Cell, Figure, Series, Table
from benchmarks.rounds import Compared

NOTES = (
    "The server is another process. Everybody makes a GET over a kept connection, sends a key,"
    f" and reads the answer, {len(BODY)} bytes, as JSON.\n"
    "Medians over rounds in which each block stands next to one of bare aiohttp.\n"
    "Bare aiohttp and the others have the key in the session's headers, and a limit that holds"
    " nobody up where they limit.\n"
    "resilient: a service found by its host, two limits in two scopes, the key put on by it, the"
    " policy set `default` and a listener, in the same session as bare aiohttp.\n"
    "resilient.session: the same, but it keeps the time itself, in place of aiohttp's total.\n"
    "The last line is the catalog of UniSender: the key goes into the URL, and errors come"
    " within HTTP 200."
).splitlines()


def table(loop: str, found: Found, paces: Sequence[Pace]) -> Table:
    """Return what the ways cost on a kind of loop."""
    columns = [
        f"{'one' if pace.tasks == 1 else pace.tasks} at a time, {what}"
        for pace in paces
        for what in ("extra us", "x bare")
    ]
    bases = [next(iter(each.values())).base for each in found]
    bare = [cell for base in bases for cell in (f"(bare: {base:.0f})", 1.0)]
    return Table(
        title=f"Client processor time of a call, {loop}",
        columns=("", *columns),
        rows=((BARE, *bare), *(_row(name, found) for name in found[0])),
        notes=tuple(NOTES) if loop == "asyncio" else (),
    )


def _row(name: str, found: Found) -> tuple[Cell, ...]:
    cells = [cell for each in found for cell in (each[name].extra, each[name].ratio)]
    return (name, *(round(each, 2) for each in cells))


def figures(by_loop: Mapping[str, Found], paces: Sequence[Pace]) -> Iterator[Figure]:
    """Yield what the budget bounds. The usual pair is compared with only where it took part."""
    for loop, found in by_loop.items():
        for pace, each in zip(paces, found, strict=True):
            yield from _figures(f"{loop}_{pace.tasks}", f"{loop}, {pace.tasks} at a time", each)


def _figures(key: str, where: str, found: Mapping[str, Compared]) -> Iterator[Figure]:
    def figure(name: str, about: str, value: float) -> Figure:
        return Figure(name=f"calls.{name}_{key}", about=f"{about}, {where}", value=value, unit="x")

    yield figure("ratio", "a call against bare aiohttp", found[OURS].ratio)
    yield figure("session", "the same with resilient.session", found[SESSION].ratio)
    yield figure("envelope", "the same with errors within HTTP 200", found[ENVELOPE].ratio)
    if usual := found.get(USUAL):
        share = found[OURS].extra / usual.extra
        yield figure("usual", f"a call with {USUAL} against bare aiohttp", usual.ratio)
        yield figure("share", f"our extra against that of {USUAL}", share)


def series(found: Found) -> Iterator[Series]:
    """Yield a group of bars for each pace, of microseconds over bare aiohttp."""
    for name in found[0]:
        points = tuple((float(group), each[name].extra) for group, each in enumerate(found))
        yield Series(picture="cost", name=name, points=points, ours=name.startswith(OURS))
