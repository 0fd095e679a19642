"""Is the time of a regular expression linear in the text? Told from its structure.

A backtracking matcher takes polynomial time where two loops can share a stretch of text in
several ways, and exponential time where one loop can go over a stretch in two ways. Both are
found in products of the expression's automaton with itself (Weideman et al., "Analyzing
Matching Time Behavior of Backtracking Regular Expression Matchers", 2016).
Bounded repeats count as a few copies: they cost a constant.
"""

import re
import re._constants as sre  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import cached_property
from typing import Any, TypeVar

import attrs

Node = TypeVar("Node", bound=Hashable)

_COPIES = 2
_SAMPLES = frozenset("azAZ059_- \t\n\r/.:;<>\"'é٣\u2028\x00\x1f\x7f")


@attrs.define
class Automaton:
    """The automaton of one expression: letters on some edges, nothing on others.

    Attributes:
        letters: Edges that read a letter: from, which letters, to.
        free: Edges that read nothing, by their start.
        apart: What is matched for itself, without a way back into it.
    """

    search: bool
    alphabet: frozenset[str]
    letters: list[tuple[int, frozenset[Any], int]] = attrs.field(factory=list)
    free: dict[int, list[int]] = attrs.field(factory=dict)
    apart: list[Any] = attrs.field(factory=list)
    states: int = 1

    def state(self) -> int:
        """Return a new state."""
        self.states += 1
        return self.states - 1

    def link(self, start: int, end: int) -> None:
        """Add an edge that reads nothing."""
        self.free.setdefault(start, []).append(end)

    def read(self, start: int, letters: frozenset[Any]) -> int:
        """Add an edge that reads a letter; return where it leads."""
        end = self.state()
        self.letters.append((start, letters, end))
        return end

    def follow(self, items: Iterable[Any], at: int) -> int:
        """Add a sequence from a state on; return where it ends."""
        for kind, value in items:
            at = self.add(kind, value, at)
        return at

    def add(self, kind: Any, value: Any, at: int) -> int:
        """Add one item of a parsed expression."""
        if kind in (sre.LITERAL, sre.NOT_LITERAL, sre.IN, sre.ANY):
            return self.read(at, self._class(kind, value))
        if kind is sre.SUBPATTERN:
            return self.follow(value[-1], at)
        if kind is sre.BRANCH:
            return self._branch(value[1], at)
        if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            return self._repeat(value, at)
        if kind in (sre.POSSESSIVE_REPEAT, sre.ATOMIC_GROUP):
            self.apart.append(value[-1] if kind is sre.POSSESSIVE_REPEAT else value)
            return self.read(at, frozenset({object()}))
        if kind in (sre.ASSERT, sre.ASSERT_NOT):
            self.apart.append(value[1])
        else:
            assert kind is sre.AT, f"{kind} is not known here"
        return at

    def _branch(self, ways: Iterable[Any], at: int) -> int:
        end = self.state()
        for each in ways:
            self.link(self.follow(each, at), end)
        return end

    def _repeat(self, value: Any, at: int) -> int:
        least, most, items = value
        for _ in range(min(least, _COPIES)):
            at = self.follow(items, at)
        if most is sre.MAXREPEAT:
            # A state of its own before and after: what comes next must not enter the loop.
            loop, end = self.state(), self.state()
            self.link(at, loop)
            self.link(self.follow(items, loop), loop)
            self.link(loop, end)
            return end
        end = self.state()
        for _ in range(min(most - least, _COPIES)):
            self.link(at, end)
            at = self.follow(items, at)
        self.link(at, end)
        return end

    def _class(self, kind: Any, value: Any) -> frozenset[Any]:
        return frozenset(each for each in self.alphabet if _is_in(kind, value, each))

    @cached_property
    def edges(self) -> list[dict[int, int]]:
        """Return from each letter's edge to the next: in how many ways."""
        return [self._next(end) for _, _, end in self.letters]

    def _next(self, state: int) -> dict[int, int]:
        found: dict[int, int] = {}
        for end in self._reached(state, frozenset()):
            for i, (start, _, _) in enumerate(self.letters):
                if start == end:
                    found[i] = found.get(i, 0) + 1
        return found

    def _reached(self, state: int, passed: frozenset[tuple[int, int]]) -> Iterator[int]:
        yield state
        for end in self.free.get(state, ()):
            if (state, end) not in passed:
                yield from self._reached(end, passed | {(state, end)})

    def meets(self, *edges: int) -> bool:
        """Tell whether one letter fits several edges."""
        return bool(frozenset.intersection(*(self.letters[each][1] for each in edges)))


def _is_in(kind: Any, value: Any, letter: str) -> bool:
    if kind is sre.ANY:
        return True
    if kind in (sre.LITERAL, sre.NOT_LITERAL):
        return (letter.lower() == chr(value).lower()) is (kind is sre.LITERAL)
    negated = value[0][0] is sre.NEGATE
    return negated is not any(_is_item(each, letter) for each in value[negated:])


def _is_item(item: Any, letter: str) -> bool:
    kind, value = item
    if kind is sre.LITERAL:
        return letter.lower() == chr(value).lower()
    if kind is sre.RANGE:
        cases = {letter, letter.lower(), letter.upper()}
        return any(value[0] <= ord(each) <= value[1] for each in cases if len(each) == 1)
    assert kind is sre.CATEGORY
    name = {"DIGIT": r"\d", "SPACE": r"\s", "WORD": r"\w"}[str(value).rpartition("_")[2]]
    return (re.fullmatch(name, letter) is None) is ("NOT" in str(value))


def _alphabet(items: Any) -> Iterator[str]:
    """Yield the letters that an expression tells apart."""
    for each in items if isinstance(items, list | tuple | parser.SubPattern) else ():
        if isinstance(each, tuple) and len(each) == 2 and each[0] in (sre.LITERAL, sre.NOT_LITERAL):
            yield chr(each[1])
        elif isinstance(each, tuple) and len(each) == 2 and each[0] is sre.RANGE:
            low, high = each[1]
            yield from (chr(code) for code in {low, high, max(low - 1, 0), min(high + 1, 0x10FFFF)})
        else:
            yield from _alphabet(each)


def automata(pattern: str | bytes, *, search: bool) -> Iterator[Automaton]:
    """Yield the automaton of an expression, and of each part that is matched for itself."""
    text = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
    parts = [parser.parse(text)]
    alphabet = _SAMPLES | frozenset(_alphabet(parts[0]))
    while parts:
        made = Automaton(search, alphabet)
        start = made.state()
        if search:  # it is tried from every letter on
            made.letters.append((start, alphabet, start))
        made.follow(parts.pop(), start)
        parts.extend(made.apart)
        yield made


def _reaches(start: Node, goal: Node, steps: Callable[[Node], Iterator[Node]]) -> bool:
    seen, waiting = {start}, deque([start])
    while waiting:
        for each in steps(waiting.popleft()):
            if each == goal:
                return True
            if each not in seen:
                seen.add(each)
                waiting.append(each)
    return False


def _loops(made: Automaton) -> list[int]:
    def steps(edge: int) -> Iterator[int]:
        yield from made.edges[edge]

    return [each for each in range(len(made.letters)) if _reaches(each, each, steps)]


def _product(made: Automaton) -> Callable[[tuple[int, ...]], Iterator[tuple[int, ...]]]:
    def steps(at: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        ways: list[tuple[int, ...]] = [()]
        for each in at:
            ways = [(*way, to) for way in ways for to in made.edges[each] if made.meets(*way, to)]
        yield from ways

    return steps


def is_exponential(made: Automaton) -> bool:
    """Tell whether some loop can go over the same text in two ways."""
    steps = _product(made)
    for each in _loops(made):
        for to, ways in made.edges[each].items():
            if ways > 1 and _reaches(to, each, lambda edge: iter(made.edges[edge])):
                return True
        apart = [pair for pair in steps((each, each)) if pair[0] != pair[1]]
        if any(_reaches(pair, (each, each), steps) for pair in apart):
            return True
    return False


def is_polynomial(made: Automaton) -> bool:
    """Tell whether two loops, one after the other, can share the same text in many ways."""
    steps: Callable[[Any], Iterator[Any]] = _product(made)
    loops = _loops(made)
    return any(
        _reaches((one, one, other), (one, other, other), steps)
        for one in loops
        for other in loops
        if one != other
    )


def is_linear(pattern: str | bytes, *, search: bool = False) -> bool:
    """Tell whether matching takes time in proportion to the text, whatever the text."""
    return not any(
        is_exponential(made) or is_polynomial(made) for made in automata(pattern, search=search)
    )
