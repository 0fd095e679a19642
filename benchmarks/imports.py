"""What it costs to import a library after aiohttp, and what a middleware with six services keeps.

Each import has an interpreter of its own, and the libraries take turns.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from random import Random
from statistics import median

import attrs

from benchmarks.model import Cell, Figure, Part, Size, Table

OURS = "resilient"
PEERS = {
    "aiohttp-retry": ("aiohttp_retry",),
    "aiolimiter": ("aiolimiter",),
    "hyx": ("hyx.retry", "hyx.ratelimit"),
    "limits": ("limits.aio",),
    "pyrate-limiter": ("pyrate_limiter",),
    "pyresilience": ("pyresilience",),
    "stamina": ("stamina",),
    "tenacity": ("tenacity",),
    "throttled-py": ("throttled.asyncio",),
}
SIX = ("amocrm", "dellin", "hh", "http", "radist", "unisender")
"""Shipped catalogs."""

KIB = 1024
"""In a MiB."""

SCRIPT = """
import importlib, json, os, sys, time

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024

def spent(do):
    modules, kib, began = len(sys.modules), resident(), time.process_time()
    kept = do()
    ms = (time.process_time() - began) * 1000
    return kept, {"ms": ms, "modules": len(sys.modules) - modules, "kib": resident() - kib}

def load(names):
    return [importlib.import_module(each) for each in names if each not in sys.modules]

def configure(names):
    import resilient
    services = {each: {"catalog": each, "hosts": [each + ".test"]} for each in names}
    return resilient.Middleware({"services": services})

steps = (load, ["aiohttp"]), (load, sys.argv[1].split()), (configure, sys.argv[2].split())
found = [spent(lambda: do(names)) for do, names in steps if names]
print(json.dumps({"spent": [each for _, each in found], "modules": list(sys.modules)}))
"""


@attrs.frozen
class Spent:
    """What a step took: processor time, modules, resident memory."""

    ms: float
    modules: int
    kib: float


@attrs.frozen
class Steps:
    """What the steps took in one interpreter, and all the modules it then had."""

    spent: tuple[Spent, ...]
    modules: tuple[str, ...]


def measure(size: Size) -> Part:
    """Import all who are installed, and configure ours."""
    present = {each: names for each, names in PEERS.items() if find_spec(names[0].split(".")[0])}
    ours = {OURS: ("resilient",), f"{OURS}, in use": ("resilient", "resilient.middleware")}
    found = turns(ours | present, rounds=size.choose(full=11, quick=1))
    needed = steps(("resilient",), SIX).modules
    repeats = range(size.choose(full=5, quick=1))
    cold = middle([steps(("resilient",), SIX).spent[2] for _ in repeats])
    warm = middle([steps(needed, SIX).spent[2] for _ in repeats])
    return Part(
        title="Import and memory",
        tables=(imports(found), memory(cold, warm)),
        figures=tuple(figures(found[OURS], warm)),
        distributions=tuple(present),
        missing=tuple(each for each in PEERS if each not in present),
    )


def figures(ours: Sequence[Steps], warm: Spent) -> Iterator[Figure]:
    """Return what the budget bounds."""
    ms = middle([each.spent[1] for each in ours]).ms
    share = median(library.ms / aiohttp.ms for aiohttp, library, *_ in (s.spent for s in ours))
    yield Figure(name="imports.ms", value=ms, about="import resilient, after aiohttp", unit="ms")
    yield Figure(name="imports.of_aiohttp", value=share, about="against import aiohttp", unit="x")
    yield Figure(
        name="imports.six_mib",
        value=warm.kib / KIB,
        about="memory of a middleware with six services",
        unit="MiB",
    )


def turns(libraries: Mapping[str, Sequence[str]], rounds: int) -> dict[str, list[Steps]]:
    """Import each in every round, in an order drawn anew, after one that compiles the modules."""
    chance = Random(1)
    found: dict[str, list[Steps]] = {name: [] for name in libraries}
    for names in libraries.values():
        steps(names)
    for _ in range(rounds):
        for name in chance.sample(list(libraries), len(libraries)):
            found[name].append(steps(libraries[name]))
    return found


def steps(names: Sequence[str], services: Sequence[str] = ()) -> Steps:
    """Import aiohttp, then these, then perhaps configure a middleware, in a new interpreter."""
    words = [sys.executable, "-c", SCRIPT, " ".join(names), " ".join(services)]
    # What is installed is compiled, and so has to be what is compared with it.
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run(words, capture_output=True, check=True, text=True, env=environment)
    found = json.loads(done.stdout)
    return Steps(tuple(Spent(**each) for each in found["spent"]), tuple(found["modules"]))


def middle(spent: Sequence[Spent]) -> Spent:
    """Return the median of each."""
    return Spent(
        median(each.ms for each in spent),
        round(median(each.modules for each in spent)),
        median(each.kib for each in spent),
    )


def imports(found: Mapping[str, Sequence[Steps]]) -> Table:
    """Return what the imports took."""
    aiohttp = middle([each.spent[0] for each in found[OURS]])
    after = {name: middle([each.spent[1] for each in many]) for name, many in found.items()}
    return Table(
        title="Import after aiohttp",
        columns=("", "ms", "modules", "KiB"),
        rows=(row("(aiohttp itself)", aiohttp), *(row(name, each) for name, each in after.items())),
        notes=(
            "Processor time and resident memory, each in an interpreter of its own.",
            f"{OURS} loads most of itself when it is first used: 'in use' is without configuring.",
        ),
    )


def memory(cold: Spent, warm: Spent) -> Table:
    """Return what a configured middleware takes."""
    return Table(
        title="A middleware with six services",
        columns=("", "ms", "modules", "KiB"),
        rows=(
            row("with the modules that read a configuration", cold),
            row("these imported before", warm),
        ),
    )


def row(name: str, spent: Spent) -> tuple[Cell, ...]:
    """Return a row of a table."""
    return (name, round(spent.ms, 1), spent.modules, round(spent.kib))
