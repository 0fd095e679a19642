"""The pages for people, taken apart: their blocks of code, their tables, their links."""

import re
from collections.abc import Iterator
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))

_FENCE = re.compile(r"^\s*```(.*)$")
_HEADING = re.compile(r"^#{1,6} (.+)$")
_LINK = re.compile(r"\[[^\]]*\]\(([^()\s]+)\)")
_MARKER = re.compile(r"^<!-- (.+) -->$")
_CELL = re.compile(r"(?<!\\)\|")


@attrs.frozen
class Block:
    """A fenced block: `words` are those of its first line, the language first."""

    page: Path
    line: int
    words: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


@attrs.frozen
class Table:
    """A table, by the heading above it and the comment before it."""

    page: Path
    heading: str
    marker: str
    rows: tuple[dict[str, str], ...]

    def __str__(self) -> str:
        return f"{self.page.name}:{self.marker or self.heading}"


def numbered(page: Path) -> Iterator[tuple[int, str, bool]]:
    """Yield each line with its number, and whether it is code."""
    code = False
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        fence = _FENCE.match(line) is not None
        yield number, line, code or fence
        code ^= fence


def prose(page: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that are no code."""
    return ((number, line) for number, line, code in numbered(page) if not code)


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks."""
    inside: list[str] = []
    start, words = 0, ()
    for number, line, code in numbered(page):
        fence = _FENCE.match(line)
        if fence is None:
            inside += [line] if code else []
        elif start:
            yield Block(page, start, words, "\n".join(inside) + "\n")
            start = 0
        else:
            start, words, inside = number, tuple(fence[1].split()), []


def named(language: str) -> list[Block]:
    """Return the blocks of a language on all pages."""
    return [each for page in PAGES for each in blocks(page) if each.words[:1] == (language,)]


def tables(page: Path) -> Iterator[Table]:
    """Yield the tables, each row by the titles of its columns."""
    heading = marker = ""
    lines: list[list[str]] = []
    for _, line in (*prose(page), (0, "")):
        if line.startswith("|"):
            lines.append([each.strip() for each in _CELL.split(line)[1:-1]])
            continue
        if lines:
            rows = tuple(dict(zip(lines[0], row, strict=True)) for row in lines[2:])
            yield Table(page, heading, marker, rows)
            lines, marker = [], ""
        if found := _HEADING.match(line):
            heading = found[1]
        if found := _MARKER.match(line):
            marker = found[1]


def table(page: str, *titles: str) -> Table:
    """Return the one table of a page that has these columns."""
    (found,) = (each for each in tables(ROOT / "docs" / page) if tuple(each.rows[0]) == titles)
    return found


def plain(cell: str) -> str:
    """Return a cell without its backticks."""
    return cell.strip("`").replace("\\|", "|")


def listed(cell: str) -> set[str]:
    """Return what stands in backticks in a cell."""
    return set(re.findall(r"`([^`]+)`", cell))


def links(page: Path) -> Iterator[tuple[int, str]]:
    """Yield the links of a page that lead to files of the project."""
    for number, line in prose(page):
        for target in _LINK.findall(line):
            if not target.startswith(("http://", "https://")):
                yield number, target


def anchors(page: Path) -> set[str]:
    """Return what the headings of a page can be linked by."""
    found = (_HEADING.match(line) for _, line in prose(page))
    titles = (each[1].lower() for each in found if each)
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}
