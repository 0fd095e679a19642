"""How ways are compared."""

import gc

from benchmarks.rounds import FEW, Block, compare


def recorded(log: list[str], name: str, cost: float) -> Block:
    """A block that notes its turn, and whether garbage is collected in it."""

    def block() -> float:
        log.append(name if not gc.isenabled() else f"{name} with garbage")
        return cost * (1 + len(log) // 6)  # the machine grows slower and slower

    return block


def test_compare() -> None:
    """Each way stands next to the base in each round, whoever is first, and garbage waits."""
    log: list[str] = []
    ways = {"one": recorded(log, "one", 2), "two": recorded(log, "two", 3)}
    found = compare(recorded(log, "base", 1), ways, 9, warm_up=1)
    pairs = list(zip(log[::2], log[1::2], strict=True))
    assert 2 * (9 + 1) == len(pairs)
    assert {("base", "one"), ("one", "base"), ("base", "two"), ("two", "base")} == set(pairs)
    assert 9 == len(found["one"].costs) == len(found["two"].bases)
    assert gc.isenabled()


def test_seconds() -> None:
    """When the time is over there are no more rounds than give a median."""
    found = compare(lambda: 1, {"way": lambda: 2}, 100, seconds=0)
    assert FEW == len(found["way"].costs)


def test_median() -> None:
    """A machine that grows slower moves the costs, and hardly the ratio."""
    log: list[str] = []
    found = compare(recorded(log, "base", 1), {"way": recorded(log, "way", 2)}, 30)["way"]
    assert found.base > 4
    assert 2 == found.ratio
    assert found.extra == found.base


def test_same_order_again() -> None:
    """The order is drawn, and the same with the same seed."""
    logs: list[list[str]] = [[], [], []]
    for log, seed in zip(logs, (1, 1, 2), strict=True):
        ways = {name: recorded(log, name, 1) for name in "abcd"}
        compare(recorded(log, "base", 1), ways, 5, seed=seed)
    assert logs[0] == logs[1]
    assert logs[0] != logs[2]
