"""Strict YAML to plain data, with the place of every value.

Nothing is guessed: a plain scalar stays `Plain` text until the schema gives it a type, a
quoted one is text for good, and plain `~`, `null` or nothing is None. Aliases, tags, doubled
and non-scalar keys, and several documents are faults; so are files that are too large or
too deep. The parser's events are read one by one, so hostile input meets no recursion.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import yaml

from resilient.errors import Fault

LARGEST = 2 * 1024 * 1024
"""Bytes of a file that are read; a larger one is refused."""

MOST = 20_000
"""How many keys and values a file may hold: ten times what the largest shipped has."""

LONGEST = 500
"""Characters of what is said of one fault."""

DEEPEST = 20
"""How deep collections may be nested."""

_HOPELESS = 100
"""How deep what is too deep is skipped: the C parser's time is quadratic in the depth."""

FROM_DICT = "<dict>"
"""The label of what was no file: places in it are given as paths."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = ("", "~", "null", "Null", "NULL")

Path = tuple[str | int, ...]
"""Keys and list indexes from the root to a value."""


class Plain(str):
    """A plain (unquoted) scalar: text until the schema says otherwise."""

    __slots__ = ()


class Endless(yaml.MarkedYAMLError):
    """More than can be wanted: the rest is not read."""


class Misplaced:
    """What stands where a fault was found already: never reported twice."""


@attrs.frozen(kw_only=True)
class Document:
    """What a source holds.

    Attributes:
        label: The file's name, or what stands for it.
        data: Mappings, lists, `Plain`, str and None.
        marks: Line and column, 1-based, of values and (under `KEY`) of keys.
        faults: What was wrong already.
    """

    label: str
    data: Any = attrs.field(repr=False)
    marks: dict[tuple[str, Path], tuple[int, int]] = attrs.field(factory=dict, repr=False)
    faults: tuple[Fault, ...] = ()
    _respelt: dict[Path, Path] = attrs.field(factory=dict)
    _unread: set[Path] = attrs.field(factory=set)
    _around: set[Path] = attrs.field(factory=set)

    def place(self, path: Path, *, of: str = "value") -> str:
        """Return where a value, or a key, stands: `file:line:column`, else its path."""
        if self.label == FROM_DICT:
            return "$" + "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in path)
        for n in range(len(path), 0, -1):
            path = (*self._respelt.get(path[:n], path[:n]), *path[n:])
        while path and (of, path) not in self.marks:
            path, of = path[:-1], "value"
        if (of, path) in self.marks:
            line, column = self.marks[of, path]
            return f"{self.label}:{line}:{column}"
        return f"{self.label}:1:1"

    def respell(self, path: Path, key: str) -> None:
        """Let the places below a misspelt key be found under the right one, too."""
        right = (*path[:-1], key)
        if ("key", right) not in self.marks:  # else the right one stands there as well
            self._respelt.setdefault(right, path)

    def leave_out(self, path: Path) -> None:
        """Note that what stands at a path is faulty or missing."""
        self._unread.add(path)
        self._around.update(path[:n] for n in range(len(path)))

    def is_sound(self, path: Path) -> bool:
        """Tell whether nothing was left out at a path, above it, or below it."""
        above = (path[:n] for n in range(len(path) + 1))
        return path not in self._around and self._unread.isdisjoint(above)


def fault(place: str, problem: str) -> Fault:
    """Return a fault whose words are bounded: it may quote a key of a megabyte."""
    return Fault(place, problem if len(problem) <= LONGEST else problem[:LONGEST] + "…")


@attrs.define
class _Composer:
    label: str
    marks: dict[tuple[str, Path], tuple[int, int]] = attrs.field(factory=dict)
    faults: list[Fault] = attrs.field(factory=list)
    read: int = 0

    def count(self, event: Any) -> None:
        self.read += 1
        if self.read > MOST:
            problem = f"more than {MOST} keys and values: the rest is not read"
            raise Endless(problem=problem, problem_mark=event.start_mark)

    def fault(self, mark: Any, problem: str) -> None:
        self.faults.append(fault(f"{self.label}:{mark.line + 1}:{mark.column + 1}", problem))

    def compose(self, events: Iterator[Any], event: Any, path: Path) -> Any:
        """Return the value that begins with `event`."""
        self.count(event)
        self.marks["value", path] = (event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, yaml.AliasEvent):
            self.fault(event.start_mark, f"an alias (*{event.anchor}): write the value out")
            return Misplaced()
        if event.anchor is not None:
            self.fault(event.start_mark, f"an anchor (&{event.anchor}): there are no aliases here")
        if event.tag is not None:
            self.fault(event.start_mark, f"a tag ({event.tag}): the schema gives the types")
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event)
        if len(path) >= DEEPEST:
            self.fault(event.start_mark, f"nested deeper than {DEEPEST} levels")
            self.skip(events)
            return Misplaced()
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(events, path)
        return self.mapping(events, path)

    @staticmethod
    def scalar(event: Any) -> str | None:
        if event.style:  # empty from the C parser, None from the other
            return str(event.value)
        return None if event.value in _NULLS else Plain(event.value)

    def sequence(self, events: Iterator[Any], path: Path) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            found.append(self.compose(events, event, (*path, len(found))))
        return found

    def mapping(self, events: Iterator[Any], path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self.key(events, event)
            value_event = next(events)
            if key is None:
                self.compose(events, value_event, (*path, "?"))
            elif key in found:
                self.fault(event.start_mark, f"the key {key!r} stands twice")
                self.compose(events, value_event, (*path, "?"))
            else:
                place = (event.start_mark.line + 1, event.start_mark.column + 1)
                self.marks["key", (*path, key)] = place
                found[key] = self.compose(events, value_event, (*path, key))
        return found

    def key(self, events: Iterator[Any], event: Any) -> str | None:
        self.count(event)
        if isinstance(event, yaml.ScalarEvent) and event.tag is None and event.anchor is None:
            return str(event.value)
        self.fault(event.start_mark, "a key must be plain text")
        if isinstance(event, yaml.CollectionStartEvent):
            self.skip(events)
        return None

    def skip(self, events: Iterator[Any]) -> None:
        depth = 1
        while depth:
            event = next(events)
            self.count(event)
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _HOPELESS:
                problem = "nested too deep for the rest to be read"
                raise Endless(problem=problem, problem_mark=event.start_mark)


def read(text: str | bytes, label: str) -> Document:
    """Return what a YAML text holds; what is wrong with it is in `faults`."""
    composer = _Composer(label)
    data: Any = Misplaced()
    try:
        data = _document(composer, text)
    except (yaml.YAMLError, UnicodeError) as error:
        composer.faults.append(_unreadable(label, text, error))
    return Document(label=label, data=data, marks=composer.marks, faults=tuple(composer.faults))


def _document(composer: _Composer, text: str | bytes) -> Any:
    data: Any = None
    documents = 0
    events = yaml.parse(text, Loader=_LOADER)
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                composer.fault(event.start_mark, "a second document: one file, one document")
                break
        elif isinstance(event, yaml.NodeEvent):
            data = composer.compose(events, event, ())
    return data


def _unreadable(label: str, text: str | bytes, error: Exception) -> Fault:
    mark = getattr(error, "problem_mark", None)
    line, column = (mark.line + 1, mark.column + 1) if mark else _offset(text, error)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    if not isinstance(error, Endless):
        problem = f"not YAML: {_plainly(problem, _line(text, line)[column - 1 : column])}"
    return Fault(f"{label}:{line}:{column}", problem)


def _plainly(problem: str, found: str) -> str:
    """Return what the parser says in the words of those who write files."""
    if found == "\t":
        return "a tab: indent with spaces"
    if "cannot start any token" in problem:
        return f"a value cannot begin with {found!r}: put it in quotes"
    return problem


def _line(text: str | bytes, number: int) -> str:
    lines = _bytes(text).splitlines()[number - 1 : number]
    return lines[0].decode("utf-8", "replace") if lines else ""


def _bytes(text: str | bytes) -> bytes:
    return text.encode("utf-8", "replace") if isinstance(text, str) else text


def _offset(text: str | bytes, error: Exception) -> tuple[int, int]:
    """Return line and column of a byte that is no text: such errors count bytes alone."""
    data = _bytes(text)
    before = data[: getattr(error, "position", 0)]
    last = before.rpartition(b"\n")[2].decode("utf-8", "replace")
    return before.count(b"\n") + 1, len(last) + 1


def from_dict(data: Any) -> Document:
    """Return a document for data that is typed already: whole-number keys become text."""
    document = Document(label=FROM_DICT, data=None)
    faults: list[Fault] = []
    plain = _text_keys(document, data, (), faults)
    return attrs.evolve(document, data=plain, faults=tuple(faults))


def _text_keys(document: Document, data: Any, path: Path, faults: list[Fault]) -> Any:
    if not isinstance(data, Mapping | list | tuple):
        return data
    if len(path) >= DEEPEST:
        faults.append(Fault(document.place(path), f"nested deeper than {DEEPEST} levels"))
        return Misplaced()
    if not isinstance(data, Mapping):
        return [_text_keys(document, each, (*path, i), faults) for i, each in enumerate(data)]
    found: dict[str, Any] = {}
    for key, value in data.items():
        name = str(key) if type(key) is int else key
        if not isinstance(name, str):
            faults.append(Fault(document.place(path), f"the key {key!r}: keys are text"))
            continue
        if name in found:
            faults.append(Fault(document.place((*path, name)), f"the key {name!r} stands twice"))
        found[name] = _text_keys(document, value, (*path, name), faults)
    return found
