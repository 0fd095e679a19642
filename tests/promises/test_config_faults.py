"""Every fault of a file is told at its line, all at once, with what was meant (I1)."""

import re
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import yaml
from faulty_files import KINDS, Fault, apply, lines, rename
from good_files import Good, Pair, good_files, pairs
from manual import named
from promises.conftest import Figure, Scale

import resilient

GOOD = good_files()
MANY = 4
"""How many faults at once."""

_NAME = re.compile(r"# (\S+\.yaml)\n")
_LINE = re.compile(r":(\d+):\d+$")
Reported = list[tuple[int, str]]
Loads = Callable[[Good, str], Reported]


@pytest.fixture
def loads(tmp_path: Path) -> Loads:
    """Load a text as a good file was; return the line and the words of each fault."""
    for block in named("yaml"):
        if name := _NAME.match(block.text):
            (tmp_path / name[1]).write_text(block.text, "utf-8")

    def reported(good: Good, text: str) -> Reported:
        try:
            good.load(tmp_path / "mutated.yaml", text)
        except resilient.ConfigError as error:
            return [(_line(each.place), each.problem) for each in error.faults]
        return []

    return reported


def _line(place: str) -> int:
    found = _LINE.search(place)
    return int(found[1]) if found else 0


def some(random: Random, count: int) -> list[tuple[Good, list[Fault]]]:
    """Return faults in good files, each kind as often as the others."""
    found: list[tuple[Good, list[Fault]]] = []
    while len(found) < count:
        good, kind = random.choice(GOOD), KINDS[len(found) % len(KINDS)]
        fault = kind(random.choice(pairs(good)), good.text, random)
        if fault is not None:
            found.append((good, [fault]))
    return found


def several(random: Random, count: int) -> list[tuple[Good, list[Fault]]]:
    """Return several faults in each of many good files, far enough from each other."""
    return [(good, _apart(good, random)) for good in random.choices(GOOD, k=count)]


def _apart(good: Good, random: Random) -> list[Fault]:
    found: list[tuple[Fault, Pair]] = []
    for _ in range(20 * MANY):
        pair = random.choice(pairs(good))
        fault = random.choice(KINDS)(pair, good.text, random)
        if fault is not None and all(
            pair.parent is not other.parent and not _meet(fault, each) for each, other in found
        ):
            found.append((fault, pair))
        if len(found) == MANY:
            break
    return [fault for fault, _ in found]


def _meet(one: Fault, other: Fault) -> bool:
    return one.start <= other.end and other.start <= one.end


def wrong(cases: list[tuple[Good, list[Fault]]], loads: Loads) -> list[str]:
    """Return those that are not reported each at its line, and nothing else."""
    found = []
    for good, faults in cases:
        reported = loads(good, apply(good.text, faults))
        if lines(faults) != sorted(line for line, _ in reported):
            found.append(f"{good.name}: {faults}: {reported}")
    return found


def unmeant(cases: list[tuple[Good, list[Fault]]], loads: Loads) -> list[str]:
    """Return the slips of which is not said what was meant."""
    return [
        f"{good.name}: {fault.text} for {fault.meant}: {reported}"
        for good, (fault,) in cases
        if fault.meant is not None
        for reported in [loads(good, apply(good.text, [fault]))]
        if not any(f"did you mean {fault.meant!r}?" in problem for _, problem in reported)
    ]


@pytest.mark.parametrize("good", GOOD, ids=lambda good: good.name)
def test_good(good: Good, loads: Loads) -> None:
    """The files that are mutated are right as they are."""
    assert [] == loads(good, good.text)
    assert pairs(good)


def test_one(loads: Loads, scale: Scale, figure: Figure) -> None:
    """One fault anywhere is reported once, at its line."""
    cases = some(Random(1), scale(210, 5000))
    assert len(KINDS) == len({fault.kind for _, (fault,) in cases})
    assert [] == wrong(cases, loads)
    figure("I1", "faults at a wrong line, or not told", 0, of=len(cases))


def test_several(loads: Loads, scale: Scale, figure: Figure) -> None:
    """Several faults are reported all at once, each at its line, and none beside them."""
    cases = several(Random(2), scale(40, 600))
    assert [] == wrong(cases, loads)
    made = sum(len(faults) for _, faults in cases)
    figure("I1", "of several faults in one file, not told at once", 0, of=made)


def test_suggestions(loads: Loads, scale: Scale, figure: Figure) -> None:
    """What is misspelt by one letter is told as it was meant."""
    cases = [case for case in some(Random(3), scale(210, 3000)) if case[1][0].meant]
    right = 1 - len(unmeant(cases, loads)) / len(cases)
    assert 0.9 <= right
    figure("I1", "slips of one letter with the right suggestion", right, of=len(cases))


def naively(good: Good, text: str) -> Reported:
    """Report what PyYAML reports."""
    try:
        yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        return [(mark.line + 1 if mark else 0, str(error.problem))]
    return []


def test_naive() -> None:
    """Why that needs care: PyYAML alone finds next to nothing wrong with them."""
    cases = some(Random(1), 210)
    assert 200 < len(wrong(cases, naively))
    assert 60 == sum(f.meant is not None for _, (f,) in cases) == len(unmeant(cases, naively))


def test_rename_changes() -> None:
    """A misspelt key is no other key of the schema."""
    for good in GOOD:
        for pair in pairs(good):
            fault = rename(pair, good.text, Random(4))
            assert fault is not None
            assert fault.text != fault.meant
