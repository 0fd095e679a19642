"""What it takes to recognise an error in a body, also in one that is meant to hurt.

From the bytes to the failure, without a network: the same function that the middleware calls.
"""

import json
import time
from collections.abc import Callable, Iterator
from itertools import product
from xml.etree import ElementTree as ET

import attrs

from benchmarks import bodies
from benchmarks.model import Figure, Part, Size, Table
from benchmarks.rounds import Block, Compared, compare, undisturbed
from resilient.catalog import Catalog, Entry
from resilient.config.build import one_service
from resilient.config.service import Service
from resilient.core.classify import classify
from resilient.core.glance import Glance
from resilient.model import Exchange

CATALOGS = ("amocrm", "dellin", "hh", "http", "radist", "unisender")
ENTRIES = (10, 100, 1000, 10_000)
MICRO, MILLI = 1e6, 1e3

Grown = dict[int, Compared]
"""What the same answer takes, by the number of entries, next to the smallest catalog."""


def measure(size: Size) -> Part:
    """Measure usual bodies, hostile ones, and catalogs of any size."""
    usual = {name: _typical(size, *each) for name, each in bodies.typical().items()}
    worst = _hostile(size)
    grown = [_grown(size, *each) for each in _answers()]
    return Part(
        title="Recognition",
        tables=(_usual(usual), _worst(worst), _sizes(grown)),
        figures=tuple(_figures(usual, worst, grown)),
    )


@attrs.frozen
class Cost:
    """What a body takes.

    Attributes:
        size: Its bytes.
        us: Until the failure is known, or that there is none.
        parsing: To parse it alone, with the standard library; None: there is no parser for it.
    """

    size: int
    us: float
    parsing: float | None


def _figures(
    usual: dict[str, Cost], worst: dict[str, tuple[float, str, int]], grown: list[Grown]
) -> Iterator[Figure]:
    for name, body in (
        ("json", "JSON, an error"),
        ("xml", "XML, an error"),
        ("html", "HTML, a page of the server"),
        ("success", "JSON, a success"),
    ):
        about = f"{body}, 300 bytes"
        yield Figure(name=f"recognition.{name}_us", value=usual[body].us, about=about, unit="us")
    slowest = max(ms for ms, *_ in worst.values())
    about = "the worst hostile body of 64 KiB"
    yield Figure(name="recognition.hostile_ms", value=slowest, about=about, unit="ms")
    growth = max(each[ENTRIES[-1]].ratio for each in grown)
    about = "an error with a catalog of 10,000 entries, against one of 10"
    yield Figure(name="recognition.growth", value=growth, about=about, unit="x")


def _typical(size: Size, name: str, status: int, body: bytes) -> Cost:
    service = one_service(name)
    parse: Callable[[], object] | None = None
    if body.startswith(b"{"):
        parse = lambda: json.loads(body)  # noqa: E731
    elif not body.startswith(b"<html"):
        parse = lambda: ET.fromstring(body)  # noqa: E731
    return Cost(
        size=len(body),
        us=_quickest(size, _recognising(service, status, body)) * MICRO,
        parsing=None if parse is None else _quickest(size, parse) * MICRO,
    )


def _recognising(service: Service, status: int, body: bytes) -> Callable[[], object]:
    """Return what recognises an answer as the middleware does: at a glance, where that will do."""
    headers = (("Content-Type", "x/y"), ("Date", "Sun, 22 Nov 2026 10:00:00 GMT"))
    glance = Glance.of(service.catalog, service.generic)

    def recognise() -> object:
        if glance.is_silent(status, body):
            return None
        seen = Exchange(method="POST", status=status, headers=headers, body=body)
        return classify(seen, service.catalog, service.generic, service.policies, now=0.0)

    return recognise


def _quickest(size: Size, work: Callable[[], object]) -> float:
    """Return seconds of one run, of the quickest of some rounds: the others were disturbed."""
    block = _block(work, times=200)
    return min(undisturbed(block) for _ in range(size.choose(full=15, quick=3)))


def _block(work: Callable[[], object], times: int) -> Block:
    """Return what does some work so many times, and tells the seconds that one took."""

    def block() -> float:
        began = time.process_time()
        for _ in range(times):
            work()
        return (time.process_time() - began) / times

    work()
    return block


def _hostile(size: Size) -> dict[str, tuple[float, str, int]]:
    """Return the milliseconds of each hostile body where it takes longest, catalog and status."""
    names = size.choose(full=CATALOGS, quick=("dellin", "hh"))
    services = {name: one_service(name) for name in names}
    statuses = size.choose(full=(200, 401, 503), quick=(400,))
    found = bodies.hostile()

    def took(what: str, name: str, status: int, tries: int) -> float:
        once = _block(_recognising(services[name], status, found[what]), times=1)
        return min(once() for _ in range(tries)) * MILLI

    worst = {
        what: max(
            (took(what, name, status, 2), name, status)
            for name, status in product(services, statuses)
        )
        for what in found
    }
    # Of many measurements the largest is the one that was disturbed most: a second look at each.
    tries = size.choose(full=20, quick=4)
    return {
        what: (min(ms, took(what, name, status, tries)), name, status)
        for what, (ms, name, status) in worst.items()
    }


def _answers() -> Iterator[tuple[int, bytes]]:
    """Yield status and body of a code, of one that only an entry with `*` has, and of a page."""
    for kind in ("type1", "wild1"):
        errors = [{"type": kind, "value": "value"}]
        yield 400, json.dumps({"errors": errors, "description": "d"}).encode()
    yield 503, b"<html>" + b"the account is frozen until noon " * 8


def _grown(size: Size, status: int, body: bytes) -> Grown:
    """Return what an answer takes by the size of the catalog, next to the smallest one."""
    service = one_service("hh")
    blocks = {
        count: _block(_recognising(_with(service, count), status, body), times=100)
        for count in ENTRIES
    }
    ways = {str(count): block for count, block in blocks.items()}
    found = compare(blocks[ENTRIES[0]], ways, rounds=size.choose(full=15, quick=3))
    return {count: found[str(count)] for count in ENTRIES}


def _with(service: Service, count: int) -> Service:
    return attrs.evolve(service, catalog=_catalog(service.catalog, count))


def _catalog(model: Catalog, count: int) -> Catalog:
    """Return a catalog: half of its entries are codes, a quarter with `*`, a quarter texts."""
    quarter = count // 4
    codes = [f"type{i}/value" for i in range(2 * quarter)] + [f"wild{i}/*" for i in range(quarter)]
    code = Entry(kind="code", name="known", policy="fail_fast")
    text = attrs.evolve(code, kind="text")
    texts = (f"account number{i} is frozen" for i in range(quarter))
    return attrs.evolve(
        model,
        errors={each: (attrs.evolve(code, code=each),) for each in codes},
        texts=tuple(attrs.evolve(text, match=each) for each in texts),
    )


def _usual(usual: dict[str, Cost]) -> Table:
    return Table(
        title="Usual bodies",
        columns=("", "bytes", "us", "us to parse alone"),
        rows=tuple((name, each.size, each.us, each.parsing) for name, each in usual.items()),
        notes=(
            "From the bytes to the failure; parsing alone is `json.loads` or ElementTree.",
            "A success is told by what does not occur in its bytes: it is not parsed.",
        ),
    )


def _worst(worst: dict[str, tuple[float, str, int]]) -> Table:
    ordered = sorted(worst.items(), key=lambda each: each[1], reverse=True)[:10]
    return Table(
        title=f"Hostile bodies of 64 KiB: the worst 10 of {len(worst)}",
        columns=("much of", "ms", "catalog", "status"),
        rows=tuple((name, ms, catalog, str(status)) for name, (ms, catalog, status) in ordered),
    )


def _sizes(grown: list[Grown]) -> Table:
    return Table(
        title="An error, by the size of the catalog (us)",
        columns=("entries", "a code", "a code with `*`", "a page, searched for texts"),
        rows=tuple(
            (f"{count:,}", *(each[count].cost * MICRO for each in grown)) for count in ENTRIES
        ),
        notes=(
            "A text is looked for only where a word occurs that it must hold as a whole.",
            "Those of one or two words have none: of more than 16, each is tried.",
        ),
    )
