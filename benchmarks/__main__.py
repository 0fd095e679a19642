"""What it costs, what it holds: `python -m benchmarks`, ten minutes on two cores.

Each part has a process for itself, one after the other. The tables are printed; a full run of all
parts also writes benchmarks/RESULTS.md, the pictures and the figures of the README. It ends with
status 1 where a figure is worse than budget.toml allows.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import attrs

from benchmarks import budget, machine, publish, report
from benchmarks.model import Size
from benchmarks.parts import PARTS, timed
from benchmarks.report import Run


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute, and rough; nothing fails")
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="parts of names")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found here too")
    return parser.parse_args(words)


def run(names: Sequence[str], size: Size, bounds: Mapping[str, budget.Bound]) -> Run:
    """Measure the parts, and print each table as soon as it is there."""
    facts = machine.facts()
    print(*(f"{name}: {fact}" for name, fact in facts.items()), sep="\n")
    parts, seconds = {}, {}
    for name in names:
        parts[name], seconds[name] = timed(name, size)
        print(f"\n{parts[name].title} ({name}, {seconds[name]:.0f} s)")
        for table in parts[name].tables:
            print("", *report.terminal(table), sep="\n")
    everybody = [each for part in parts.values() for each in part.distributions]
    return Run(
        date=datetime.now(UTC).date().isoformat(),
        machine=facts,
        versions=machine.versions(["aiohttp", *everybody]),
        seconds=seconds,
        parts=parts,
        judged=budget.judge([each for part in parts.values() for each in part.figures], bounds),
    )


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, publish; return the exit status."""
    asked = arguments(words)
    size = Size.QUICK if asked.quick else Size.FULL
    names = [each for each in PARTS if not asked.only or any(word in each for word in asked.only)]
    bounds = budget.load()
    found = run(names, size, bounds)
    print("", *report.terminal(report.figures(found.judged)), sep="\n")
    print(f"\ntook part: {found.versions}")
    if found.missing:
        print("not installed:", ", ".join(found.missing))
    if asked.json is not None:
        asked.json.write_text(json.dumps(attrs.asdict(found), indent=2) + "\n", "utf-8")
    if asked.quick:
        return 0
    wrong = budget.complaints(found.judged)
    if len(names) == len(PARTS):
        publish.publish(found)
        wrong += [f"{each} was not measured" for each in budget.unmeasured(found.judged, bounds)]
    print(*wrong, sep="\n", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
