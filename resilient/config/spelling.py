"""What was meant by a word that is nearly one of those that there are."""

import difflib
from collections.abc import Iterable
from itertools import islice

SLIP = 0.75
"""How alike a word must be to be read as the one that was meant."""

_MOST = 1000
"""How many words are looked at: a long file of faults must not take hours."""


def nearest(word: str, words: Iterable[str], cutoff: float) -> str | None:
    """Return the word that is most alike, if one is alike enough; one slip of the pen always is."""
    lower = {each.lower(): each for each in islice(words, _MOST)}
    slips = [each for each in lower if is_a_slip(word.lower(), each)]
    close = difflib.get_close_matches(word.lower(), slips or list(lower), n=1, cutoff=cutoff)
    close = close or slips[:1]
    return lower[close[0]] if close else None


def is_a_slip(word: str, meant: str) -> bool:
    """Tell whether a word is another with one letter more, less, changed or swapped."""
    if abs(len(word) - len(meant)) > 1 or len(meant) < 2:  # noqa: PLR2004
        return word == meant
    while word and meant and word[0] == meant[0]:
        word, meant = word[1:], meant[1:]
    while word and meant and word[-1] == meant[-1]:
        word, meant = word[:-1], meant[:-1]
    return max(len(word), len(meant)) <= 1 or (len(word) == 2 and word == meant[::-1])  # noqa: PLR2004


def did_you_mean(word: str, words: Iterable[str], cutoff: float = 0.6) -> str:
    """Return `; did you mean 'rate'?`, or nothing."""
    found = nearest(word, words, cutoff)
    return f"; did you mean {found!r}?" if found else ""
