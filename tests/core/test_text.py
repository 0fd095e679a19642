import codecs
import re
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.core.text import contains, decode, printable, without_tags


@pytest.mark.parametrize(
    ("body", "charset", "expected"),
    [
        (b"plain", None, "plain"),
        ("Лимит".encode(), None, "Лимит"),
        ("Лимит".encode("cp1251"), "windows-1251", "Лимит"),
        ("Лимит".encode("cp1251"), " Windows-1251 ", "Лимит"),
        ("Лимит".encode("koi8-r"), "koi8-r", "Лимит"),
        (codecs.BOM_UTF8 + b"a", None, "a"),
        (codecs.BOM_UTF8 + b"a", "cp1251", "a"),
        (codecs.BOM_UTF16_LE + "ё".encode("utf-16-le"), None, "ё"),
        (codecs.BOM_UTF16_BE + "ё".encode("utf-16-be"), "utf-8", "ё"),
        (codecs.BOM_UTF32_LE + "ё".encode("utf-32-le"), None, "ё"),
        (codecs.BOM_UTF32_BE + "ё".encode("utf-32-be"), None, "ё"),
        ("ё".encode("utf-16-le"), "utf-16-le", "ё"),
        (b"a\xff", None, "a\ufffd"),
        (b"a", "utf-99", "a"),
        (b"a", "", "a"),
        (b"a", "zip", "a"),
        (b"abc", "rot13", "abc"),
        (b"616263", "hex", "616263"),
        (b"a", "utf-8\x00", "a"),
        (b"a", "utf-8\ud800", "a"),
        (b"", None, ""),
    ],
)
def test_decode(body: bytes, charset: str | None, expected: str) -> None:
    """A byte order mark goes before the named charset, and that before UTF-8; never a codec."""
    assert expected == decode(body, charset)


@given(st.binary(), st.none() | st.text() | st.sampled_from(["utf-16", "cp1251", "utf-7", "idna"]))
def test_decode_takes_anything(body: bytes, charset: str | None) -> None:
    """No bytes and no charset make decoding fail."""
    assert isinstance(decode(body, charset), str)


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<p>a</p><p>b</p>", "a b"),
        ("<script>var a = 1</script>b", "b"),
        ("<STYLE type='x'>p {}</STYLE>b", "b"),
        ("a\n\t b", "a b"),
        ("1 < 2", "1 < 2"),
        ("a<b", "a<b"),
        ("<<b>>", "< >"),
    ],
)
def test_without_tags(page: str, expected: str) -> None:
    """The words of a page are left, folded; scripts and styles are no words."""
    assert expected == without_tags(page)


@pytest.mark.parametrize("piece", ["<", "<a ", "<script", "<script><", "<>", "</style"])
def test_without_tags_is_linear(piece: str) -> None:
    """A page made to keep every choice open costs no more than another."""
    assert isinstance(without_tags(piece * (64 * 1024 // len(piece))), str)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb", r"a\u000ab"),
        ("a\r\nresilient.started", r"a\u000d\u000aresilient.started"),
        ("\x1b[31m", r"\u001b[31m"),
        ("a\u202eb", r"a\u202eb"),
        ("a\u2028b", r"a\u2028b"),
        ("\ud800", r"\ud800"),
        ("ё ж", "ё ж"),
    ],
)
def test_printable(text: str, expected: str) -> None:
    """What could forge a log line, or turn it round, is escaped; words are left as they are."""
    assert expected == printable(text)


@given(st.text(st.characters()), st.integers(0, 50))
def test_printable_is_one_line(text: str, longest: int) -> None:
    """The result is one line that can be written, and bounded by what was asked."""
    found = printable(text, longest)
    assert 1 >= len(found.splitlines())
    assert found.encode("utf-8").decode("utf-8") == found
    assert 6 * longest + 1 >= len(found)


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("These list ids have No Confirmation Letters", "no confirmation letters", True),
        ("ДОСТУП ограничен", "доступ", True),
        ("a b c", "a*c", True),
        ("c a", "a*c", False),
        ("ab", "a*b", True),
        ("ab", "ab*", True),
        ("a", "aa", False),
        ("aa", "a*a*a", False),
        ("x", "*", True),
        ("", "a", False),
        ("a.c", "a.c", True),
        ("abc", "a.c", False),
        ("STRASSE", "straße", True),
    ],
)
def test_contains(text: str, pattern: str, expected: bool) -> None:
    """A pattern is a piece of the text, case left aside; `*` is anything, and nothing else is."""
    assert expected == contains(text, pattern)


@given(st.text("ab"), st.text("ab*", max_size=6))
def test_contains_agrees_with_globs(text: str, pattern: str) -> None:
    """It finds what a glob between two stars finds."""
    assert fnmatchcase(text, f"*{pattern}*") == contains(text, pattern)


def test_contains_is_linear() -> None:
    """A pattern of many stars on a text that nearly fits is decided at once."""
    assert not contains("a" * 65536, "a*" * 200 + "b")
    assert re.search("b", "a" * 65536) is None
