"""Mutation testing of what must not be wrong: `make mutate`.

mutmut changes one thing at a time in the functions of the modules that `[tool.mutmut]` in
pyproject.toml names, and runs the tests that call them: a mutant that no test fails on has
survived. Prints how many each module's tests have killed, and every survivor; the reasons of
those that nothing can kill stand in survivors.toml. Exit status 1 if a module is below 90 %.
"""

import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from pathlib import Path

import attrs

ENOUGH = 0.9
"""The part of a module's mutants that its tests have to kill."""

REASONS = Path(__file__).with_name("survivors.toml")
_ALIVE = {"survived", "no tests", "suspicious", "not checked"}


@attrs.frozen(order=True)
class Mutant:
    """One change, by what it does: mutmut's own numbers move with every edit.

    Attributes:
        where: The function, as `resilient.core.decide.marks`.
        was: The lines that it takes away.
        now: The lines that it puts there.
    """

    where: str
    was: str
    now: str


def mutmut(*args: str) -> str:
    """Return what mutmut prints."""
    command = [sys.executable, "-m", "mutmut", *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def fates() -> dict[str, str]:
    """Return what became of each mutant, by mutmut's name."""
    lines = mutmut("results", "--all", "true").splitlines()
    return dict(line.strip().split(": ", 1) for line in lines if ": " in line)


def module(name: str) -> str:
    """Return the module of a mutant: `resilient.core.decide.x__delay__mutmut_2` is one's name."""
    return name.rpartition(".")[0]


def function(name: str) -> str:
    """Return the function of a mutant, or the class and its method."""
    mangled = name.rpartition(".")[2].rpartition("__mutmut_")[0]
    plain = mangled.removeprefix("xǁ").replace("ǁ", ".") if "ǁ" in mangled else mangled[2:]
    return f"{module(name)}.{plain}"


def shown(name: str) -> Mutant:
    """Return a mutant as its difference."""
    lines = mutmut("show", name).splitlines()
    was, now = (
        " ".join(line[1:].strip() for line in lines if line[:1] == sign and line[:3] != sign * 3)
        for sign in "-+"
    )
    return Mutant(function(name), was, now)


def reasons() -> dict[Mutant, str]:
    """Return why some cannot be killed."""
    rows = tomllib.loads(REASONS.read_text("utf-8"))["survivor"]
    return {Mutant(row["where"], row["was"], row["now"]): row["why"] for row in rows}


def tell_scores(found: dict[str, str]) -> bool:
    """Print how many of each module are dead; tell whether that is enough everywhere."""
    count: dict[str, Counter[bool]] = defaultdict(Counter)
    for name, fate in found.items():
        count[module(name)][fate in _ALIVE] += 1
    enough = bool(count)
    for name, alive in count.items():
        part = alive[False] / alive.total()
        print(f"{name:28} {alive[False]:4} of {alive.total():4} killed  {part:6.1%}")
        enough = enough and part >= ENOUGH
    return enough


def tell_survivors(found: dict[str, str], known: dict[Mutant, str]) -> None:
    """Print what is alive, and why; and which reasons are out of date."""
    alive = sorted(shown(name) for name, fate in found.items() if fate in _ALIVE)
    for mutant in alive:
        why = known.get(mutant, "NEW: kill it, or give a reason in survivors.toml")
        print(f"\n{mutant.where}\n  - {mutant.was}\n  + {mutant.now}\n  {why}")
    for mutant in sorted(known.keys() - set(alive)):
        print(f"\nNo survivor, but in survivors.toml: {mutant.where}\n  + {mutant.now}")


def main() -> int:
    """Run mutmut, then tell."""
    ran = subprocess.run([sys.executable, "-m", "mutmut", "run", *sys.argv[1:]], check=False)
    if ran.returncode:
        return ran.returncode
    found = fates()
    enough = tell_scores(found)
    tell_survivors(found, reasons())
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
