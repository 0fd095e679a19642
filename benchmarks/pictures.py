"""Draws the pictures as SVG: lines over time, and bars.

By hand, since a plain chart is a page of code, a plotting library is 50 MB of dependencies and
draws text as outlines: this is small, the same for the same figures, and can be read as text.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape

import attrs

from benchmarks.model import Series

WIDTH, TOP, LEFT, RIGHT = 860, 56, 64, 20
PLOT = 300
"""Height of what lines are drawn in."""
BAR, GAP, NAMES = 13, 9, 290
LINE = 18
GREYS = ("#7a8ba8", "#b07d48", "#6f9a63", "#a3699c", "#4f9aa8", "#9a8f3c", "#8c6d5a", "#6b6bb0")
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600 }
  .card { fill: #ffffff; stroke: #d1d9e0 } .axis { stroke: #d1d9e0 } .end { text-anchor: end }
  .middle { text-anchor: middle }
  .ours { stroke: #d1242f; stroke-width: 3 } .ours-fill { fill: #d1242f } .faint { opacity: .55 }
  .limit { stroke: #1f2328; stroke-dasharray: 6 4 } polyline { fill: none; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .card { fill: #0d1117; stroke: #3d444d } .axis { stroke: #3d444d }
    .limit { stroke: #f0f6fc } .ours { stroke: #ff7b72 } .ours-fill { fill: #ff7b72 }
  }"""


@attrs.frozen
class Lines:
    """What a picture of lines is called, and its axes; at a limit there is a dashed line."""

    title: str
    x: str
    y: str
    limit: float | None = None


@attrs.frozen
class Bars:
    """What a picture of bars is called, and its groups."""

    title: str
    groups: tuple[str, ...]
    unit: str


PICTURES: dict[str, Lines | Bars] = {
    "grants": Lines(
        "Calls in the last 60 seconds, set to 1200 per minute", "seconds", "calls", 1200
    ),
    "goodput": Lines(
        "Calls done, with a neighbour on the same key and a vendor who bans", "minutes", "calls"
    ),
    "cost": Bars(
        "What a successful call costs more than bare aiohttp", ("one at a time", "64 at a time"),
        "us of processor time",
    ),
}  # fmt: skip


def draw(picture: Lines | Bars, series: Sequence[Series]) -> str:
    """Return the SVG. What is ours is drawn last, above the others."""
    ordered = sorted(series, key=lambda each: each.ours)
    if isinstance(picture, Bars):
        height = TOP + len(series) * (len(picture.groups) * BAR + GAP) + LINE // 2
        return _svg(picture.title, height, _bars(picture, series))
    height = TOP + PLOT + LINE * (3 + (len(series) + 1) // 2)
    return _svg(picture.title, height, _lines(picture, ordered))


def _svg(title: str, height: int, shapes: Iterator[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">'
        f"\n<title>{escape(title)}</title>\n<style>{STYLE}\n</style>"
        f'\n<rect class="card" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="6"/>'
    )
    return "\n".join([head, _text(LEFT / 2, 26, title, "title"), *shapes, "</svg>\n"])


def _text(x: float, y: float, words: str, kind: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'


def _lines(picture: Lines, series: Sequence[Series]) -> Iterator[str]:
    points = [point for each in series for point in each.points]
    most_x = max(x for x, _ in points)
    most_y = max([y for _, y in points] + [picture.limit or 0]) * 1.05
    across = _scale(most_x, LEFT, WIDTH - RIGHT)
    up = _scale(most_y, TOP + PLOT, TOP)
    for each in _steps(most_y):
        yield f'<path class="axis" d="M{LEFT} {up(each):.1f}H{WIDTH - RIGHT}"/>'
        yield _text(LEFT - 8, up(each) + 4, f"{each:,g}", "end")
    for each in _steps(most_x):
        yield _text(across(each), TOP + PLOT + LINE, f"{each:,g}", "middle")
    yield _text(LEFT / 2, TOP - 12, picture.y)
    yield _text(WIDTH - RIGHT, TOP + PLOT + 2 * LINE - 4, picture.x, "end")
    for number, line in enumerate(series):
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in line.points)
        yield f'<polyline {_stroke(number, line)} points="{path}"/>'
        yield from _label(number, line)
    if picture.limit is not None:
        yield f'<path class="limit" d="M{LEFT} {up(picture.limit):.1f}H{WIDTH - RIGHT}"/>'
        yield _text(WIDTH - RIGHT, up(picture.limit) - 6, "the limit", "end")


def _label(number: int, line: Series) -> Iterator[str]:
    x = LEFT + number % 2 * (WIDTH - LEFT) / 2
    y = TOP + PLOT + LINE * (3 + number // 2)
    yield f'<path {_stroke(number, line)} stroke-width="2" d="M{x:.1f} {y - 4}h24"/>'
    yield _text(x + 32, y, line.name)


def _stroke(number: int, line: Series) -> str:
    return 'class="ours"' if line.ours else f'stroke="{GREYS[number % len(GREYS)]}"'


def _bars(picture: Bars, series: Sequence[Series]) -> Iterator[str]:
    most = max(max(value, 0) for each in series for _, value in each.points)
    across = _scale(most, NAMES, WIDTH - RIGHT - 60)
    for number, each in enumerate(series):
        top = TOP + number * (len(picture.groups) * BAR + GAP)
        yield _text(NAMES - 10, top + BAR * len(each.points) / 2 + 5, each.name, "end")
        for group, value in each.points:
            y, width = top + group * BAR, max(across(max(value, 0)) - NAMES, 1)
            kind = f'class="{"ours-fill" if each.ours else ""}{" faint" if group else ""}"'
            fill = "" if each.ours else f' fill="{GREYS[0]}"'
            place = f'x="{NAMES}" y="{y:.1f}" width="{width:.1f}" height="{BAR - 1}"'
            yield f"<rect {kind}{fill} {place}/>"
            yield _text(NAMES + width + 6, y + BAR - 2, f"{value:+.0f}")
    words = f"{picture.unit}; above: {picture.groups[0]}, below, paler: {picture.groups[1]}"
    yield _text(LEFT / 2, TOP - 10, words)


def _scale(most: float, start: float, end: float) -> Callable[[float], float]:
    return lambda value: start + (end - start) * value / (most or 1)


def _steps(most: float) -> list[float]:
    """Return about five round numbers up to the greatest."""
    rough = most / 5 or 1
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(each * power for each in (1, 2, 2.5, 5, 10) if each * power >= rough)
    return [number * step for number in range(int(most / step) + 1)]
