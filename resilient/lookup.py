"""Entries by what a response reports, found in a time that does not grow with their number."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, TypeVar

import attrs

FEW = 16
"""Texts that are sooner tried one after the other than chosen by their words."""

T = TypeVar("T")


def pieces_of(pattern: str) -> tuple[str, ...]:
    """Return what a pattern wants to see, in order: what stands between its `*`, case folded."""
    return tuple(pattern.casefold().split("*"))


def occur(pieces: Iterable[str], folded: str) -> bool:
    """Tell whether pieces occur in a text, one after the other.

    The leftmost place of each will do, so the text is gone over once, whatever the pieces.
    """
    at = 0
    for piece in pieces:
        found = folded.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return True


@attrs.frozen
class _Text(Generic[T]):
    place: int
    pieces: tuple[str, ...]
    of: T

    def word(self) -> str:
        """Return the longest word that a text must hold as a whole to match, or nothing."""
        whole = (each for piece in self.pieces for each in _whole_words(piece))
        return max(whole, key=len, default="")


def _whole_words(piece: str) -> list[str]:
    words = piece.split()
    if words and not piece[-1].isspace():
        words.pop()
    return words if piece[:1].isspace() else words[1:]


@attrs.frozen(eq=False)
class Texts(Generic[T]):
    """Patterns, to find which of them occur in a text: `Texts.of((pattern, what it is of), …)`.

    Where there are many, one with a whole word in it is tried only on texts with that word.
    """

    _always: tuple[_Text[T], ...]
    _by_word: Mapping[str, tuple[_Text[T], ...]]

    @classmethod
    def of(cls, patterns: Sequence[tuple[str, T]]) -> "Texts[T]":
        """Make patterns ready."""
        texts = [_Text(i, pieces_of(pattern), of) for i, (pattern, of) in enumerate(patterns)]
        if len(texts) <= FEW:
            return cls(tuple(texts), {})
        by_word: dict[str, list[_Text[T]]] = {}
        for each in texts:
            by_word.setdefault(each.word(), []).append(each)
        always = tuple(by_word.pop("", ()))
        return cls(always, {word: tuple(each) for word, each in by_word.items()})

    def found_in(self, text: str) -> list[T]:
        """Return what the patterns that occur in a text are of, in order."""
        folded = text.casefold()
        tried = list(self._always)
        if self._by_word:
            for word in self._by_word.keys() & set(folded.split()):
                tried += self._by_word[word]
            tried.sort(key=lambda each: each.place)
        return [each.of for each in tried if occur(each.pieces, folded)]


@attrs.frozen(eq=False)
class Wildcards(Generic[T]):
    """Codes with parts that may be anything: `Wildcards.of(((type, value), entry), …)`.

    They are filed by which of their parts are spelt out, and by these.
    """

    _filed: Mapping[tuple[int, tuple[int, ...]], Mapping[tuple[str, ...], list[tuple[int, T]]]]

    @classmethod
    def of(cls, codes: Iterable[tuple[Sequence[str], T]]) -> "Wildcards[T]":
        """Make codes ready."""
        filed: dict[tuple[int, tuple[int, ...]], dict[tuple[str, ...], list[tuple[int, T]]]] = {}
        for place, (parts, of) in enumerate(codes):
            # A last `*` also stands for no part at all.
            least = len(parts) - (parts[-1] == "*")
            spelt = tuple(i for i, part in enumerate(parts) if part != "*")
            same = filed.setdefault((least, spelt), {})
            same.setdefault(tuple(parts[i] for i in spelt), []).append((place, of))
        return cls(filed)

    def matching(self, parts: Sequence[str]) -> list[T]:
        """Return what the codes are of that a reported one matches, in order."""
        found: list[tuple[int, T]] = []
        for (least, spelt), same in self._filed.items():
            if least <= len(parts):
                found += same.get(tuple(parts[i] for i in spelt), ())
        return [of for _, of in sorted(found, key=lambda each: each[0])]
