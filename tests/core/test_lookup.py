from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.core.text import contains
from resilient.lookup import FEW, Texts, Wildcards

words = st.sampled_from(["a", "b", "no", "letters", "Straße", "STRASSE", "*", "İ"])
gaps = st.sampled_from([" ", "  ", "", "\n", "\u00a0", "*"])
patterns = st.lists(st.tuples(gaps, words, gaps).map("".join), min_size=1, max_size=5).map("".join)
texts = st.lists(st.tuples(gaps, words).map("".join), max_size=30).map("".join)


@given(st.lists(patterns, max_size=2 * FEW), texts)
def test_texts(of: list[str], text: str) -> None:
    """However many patterns there are, those are found that occur, in their order."""
    expected = [pattern for pattern in of if contains(text, pattern)]
    assert expected == Texts.of([(each, each) for each in of]).found_in(text)
    many = [*of, *(["x"] * FEW)]
    assert expected == Texts.of([(each, each) for each in many]).found_in(text)


OTHERS = [f"some other text{i} here" for i in range(FEW)]


@pytest.mark.parametrize("pattern", ["over a now", "over", "over a", "a* past "])
def test_parts_of_words(pattern: str) -> None:
    """Also among many, what a pattern begins or ends with may be a part of a word."""
    filed = Texts.of([(each, each) for each in [*OTHERS, pattern]])
    assert [pattern] == filed.found_in("a rollover a nowhere past it")


def test_order() -> None:
    """Of many, too, those that occur come in the order in which they are given."""
    mine = [f"the {word} one" for word in ("b", "cc", "a", "dd", "e")]
    filed = Texts.of([(each, each) for each in [*mine, *OTHERS, "one"]])
    assert [*mine, "one"] == filed.found_in(" ".join(reversed(mine)))


class Counted(str):
    """A text that counts how often it is searched."""

    __slots__ = ("searches",)
    searches: list[str]

    def casefold(self) -> "Counted":
        """Return itself, with small letters."""
        return self

    def find(self, *args: Any) -> int:
        """Search, and count it."""
        self.searches.append(args[0])
        return str.find(self, *args)


@pytest.mark.parametrize("count", [10 * FEW, 1000 * FEW])
def test_texts_by_their_words(count: int) -> None:
    """Of many phrases a text is searched only for those of which it has a word."""
    phrases = Texts.of([(f"the account{i} is gone", i) for i in range(count)])
    text = Counted("sorry, the account7 is gone for ever, and account8 too")
    text.searches = []
    assert [7] == phrases.found_in(text)
    assert {"the account7 is gone", "the account8 is gone"} >= {*text.searches}


codes = st.lists(st.sampled_from(["*", "a", "b", "c"]), min_size=1, max_size=4)


def matches(pattern: list[str], parts: list[str]) -> bool:
    """Tell whether a reported code matches: what an entry leaves out may be anything."""
    if len(pattern) == len(parts) + 1 and pattern[-1] == "*":
        pattern = pattern[:-1]
    pairs = zip(pattern, parts, strict=False)
    return len(pattern) <= len(parts) and all(mine in ("*", its) for mine, its in pairs)


@given(st.lists(codes, max_size=12), st.lists(st.sampled_from("abcd"), min_size=1, max_size=5))
def test_wildcards(of: list[list[str]], parts: list[str]) -> None:
    """Those codes are found that match part by part, in their order."""
    filed = Wildcards.of((each, i) for i, each in enumerate(of))
    assert [i for i, each in enumerate(of) if matches(each, parts)] == filed.matching(parts)
