"""Plain data to the classes of `resilient.config.schema`, with every fault at its place.

cattrs does the work. A fault does not end it: what is faulty is cut out and the rest is
structured again, so that all faults of a file come at once.
"""

import difflib
import operator
import types
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.errors import (
    AttributeValidationNote,
    ClassValidationError,
    ForbiddenExtraKeysError,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn, override

from resilient.config import schema, units
from resilient.config.yaml_source import Document, Misplaced, Path, Plain
from resilient.errors import Fault

T = TypeVar("T")
_MOST_ROUNDS = 50
_SLIP = 0.75
"""How alike a key must be to be read as the one that was meant."""

_SHORTHAND = {schema.EntryKeys: "policy", schema.EndpointKeys: "name"}


class Mismatch(ValueError):
    """A value that is not what the schema wants; or a key, as `of` says."""

    of = "value"

    def __init__(self, found: object, expected: str) -> None:
        super().__init__(f"found {show(found)}, expected {expected}")


class Known(Exception):
    """A value in whose place a fault was found before."""


def show(value: object) -> str:
    """Return a found value as a person would name it, never more than a line of it."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    quoted = isinstance(value, str) and not isinstance(value, Plain)
    text = str(value)
    text = text if len(text) <= 60 else text[:60] + "…"  # noqa: PLR2004
    return f"the text {text!r}" if quoted else repr(text) if isinstance(value, str) else text


def nearest(word: str, words: "list[str] | tuple[str, ...]", cutoff: float) -> str | None:
    """Return the word that is most alike, if one is alike enough."""
    lower = {each.lower(): each for each in words}
    close = difflib.get_close_matches(word.lower(), list(lower), n=1, cutoff=cutoff)
    return lower[close[0]] if close else None


def did_you_mean(word: str, words: "list[str] | tuple[str, ...]", cutoff: float = 0.6) -> str:
    """Return `; did you mean 'rate'?`, or nothing."""
    found = nearest(word, words, cutoff)
    return f"; did you mean {found!r}?" if found else ""


def structure(document: Document, kind: type[T]) -> tuple[T | None, tuple[Fault, ...]]:
    """Return what a document holds as `kind`, without what is faulty, and all faults.

    None is returned where nothing is left without its faulty parts.
    """
    faults: list[Fault] = list(document.faults)
    data = _copied(document.data)
    seen: set[Path] = set()
    for _ in range(_MOST_ROUNDS):
        try:
            return _converter().structure(data, kind), tuple(faults)
        except Exception as error:  # noqa: BLE001 - cattrs raises whatever a hook raised
            found = list(_leaves(error, ()))
        spelt = {(*each.path[:-1], each.meant) for each in found if each.meant is not None}
        for each in found:
            if each.meant is not None:
                document.respell(each.path, each.meant)
        faults.extend(
            Fault(document.place(each.path, of=each.of), each.problem)
            for each in found
            # What is missing only because it was cut out is no news.
            if each.problem
            and not any(path[: len(each.path)] == each.path for path in seen)
            and (*each.path, each.missing) not in spelt
        )
        cut = [each for each in found if (*each.path, each.missing) not in spelt]
        seen.update(each.path for each in cut if each.path and each.meant is None)
        if any(each.path == () for each in cut):
            return None, tuple(faults)
        for each in cut:
            _cut(data, each)
    return None, tuple(faults)


def _copied(data: Any) -> Any:
    """Return mappings and lists anew: what is faulty will be cut out of them."""
    if isinstance(data, dict):
        return {key: _copied(each) for key, each in data.items()}
    return [_copied(each) for each in data] if isinstance(data, list) else data


def _cut(data: Any, leaf: "_Leaf") -> None:
    """Take what is faulty out; a key that is plainly a slip of the pen is spelt right."""
    path = leaf.path
    for step in path[:-1]:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return  # gone with a larger piece
    if isinstance(data, dict):
        value = data.pop(path[-1], None)
        if leaf.meant is not None:
            data.setdefault(leaf.meant, value)
    elif isinstance(data, list):
        # A list keeps its length, so that the indexes of later faults still hold.
        data[int(path[-1])] = Misplaced()


@attrs.frozen
class _Leaf:
    path: Path
    problem: str
    of: str = "value"
    missing: str | None = None
    meant: str | None = None


def _leaves(error: BaseException, path: Path) -> Iterator[_Leaf]:
    if isinstance(error, ClassValidationError | IterableValidationError):
        with_notes, without = error.group_exceptions()
        for inner, note in with_notes:
            step = note.name if isinstance(note, AttributeValidationNote) else note.index
            step = "in" if step == "in_" else step
            if isinstance(inner, KeyError) and isinstance(note, AttributeValidationNote):
                yield _Leaf(path, f"the key {step!r} is missing", missing=str(step))
            else:
                yield from _leaves(inner, (*path, step))
        for inner in without:
            yield from _leaves(inner, path)
    elif isinstance(error, ForbiddenExtraKeysError):
        allowed = _keys(error.cl)
        for key in sorted(map(str, error.extra_fields)):
            near = nearest(key, allowed, _SLIP)
            hint = did_you_mean(key, allowed) or f"; known are {', '.join(allowed)}"
            yield _Leaf((*path, key), f"unknown key {key!r}{hint}", "key", meant=near)
    elif isinstance(error, Known):
        yield _Leaf(path, "")
    else:
        yield _Leaf(path, str(error), getattr(error, "of", "value"))


def _keys(kind: type) -> tuple[str, ...]:
    return tuple(field.name.rstrip("_") for field in attrs.fields(kind))


@cache
def _converter() -> Converter:
    converter = Converter(forbid_extra_keys=True, detailed_validation=True)
    # The last registered goes first: general factories before special hooks.
    converter.register_structure_hook_factory(attrs.has, lambda kind: _class(converter, kind))
    converter.register_structure_hook_factory(_is(tuple), lambda kind: _many(converter, kind))
    converter.register_structure_hook_factory(_is(Mapping), lambda kind: _mapping(converter, kind))
    converter.register_structure_hook_factory(_is(Literal), _literal)
    converter.register_structure_hook_factory(_is_union, lambda kind: _union(converter, kind))
    for kind, hook in _SCALARS.items():
        if isinstance(kind, type):  # cattrs has hooks of its own for these, which coerce
            converter.register_structure_hook(kind, _guarded(hook))
        else:
            converter.register_structure_hook_func(partial(operator.is_, kind), _guarded(hook))
    return converter


def _is(origin: Any) -> Callable[[Any], bool]:
    return lambda kind: get_origin(kind) is origin or kind is origin


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType)


def _guarded(hook: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    def structure(value: Any, _: Any) -> Any:
        if isinstance(value, Misplaced):
            raise Known
        return hook(value)

    return structure


def _class(converter: Converter, kind: Any) -> Callable[[Any, Any], Any]:
    renames: dict[str, Any] = {"in_": override(rename="in")} if kind is schema.FieldKeys else {}
    inner = make_dict_structure_fn(kind, converter, **renames)
    optional = {f.name.rstrip("_") for f in attrs.fields(kind) if f.default is not attrs.NOTHING}
    shorthand = next((key for cls, key in _SHORTHAND.items() if issubclass(kind, cls)), None)

    def structure(value: Any) -> Any:
        if shorthand is not None and isinstance(value, str):
            value = {shorthand: value}
        if kind is schema.SecretKeys and isinstance(value, str):
            # It may be the credential itself, so it is not shown.
            raise ValueError("expected {env: NAME} or {file: PATH}, not the credential itself")
        if not isinstance(value, Mapping):
            raise Mismatch(value, "a mapping")
        # An empty value is the same as no key, where there is a default.
        return inner({k: v for k, v in value.items() if v is not None or k not in optional}, kind)

    return _guarded(structure)


def _each(items: Any, item: Any, convert: Callable[[Any], Any]) -> Iterator[tuple[Any, Any]]:
    errors = []
    for key, value in items:
        try:
            yield key, convert(value)
        except Exception as error:  # noqa: BLE001 - gathered, as cattrs does it
            note = IterableValidationNote(f"at {key}", key, item)
            error.__notes__ = [*getattr(error, "__notes__", ()), note]
            errors.append(error)
    if errors:
        raise IterableValidationError("in a collection", errors, item)


def _many(converter: Converter, kind: Any) -> Callable[[Any, Any], Any]:
    item = get_args(kind)[0]

    def structure(value: Any) -> Any:
        if not isinstance(value, list):
            return (converter.structure(value, item),)
        found = _each(enumerate(value), item, lambda each: converter.structure(each, item))
        return tuple(each for _, each in found)

    return _guarded(structure)


def _mapping(converter: Converter, kind: Any) -> Callable[[Any, Any], Any]:
    key_kind, item = get_args(kind)

    def structure(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise Mismatch(value, "a mapping")

        def convert(pair: tuple[Any, Any]) -> Any:
            key = Plain(pair[0]) if isinstance(pair[0], str) else pair[0]
            try:
                key = converter.structure(key, key_kind)
            except Mismatch as error:
                error.of = "key"
                raise
            return key, converter.structure(pair[1], item)

        pairs = ((key, (key, each)) for key, each in value.items())
        return dict(pair for _, pair in _each(pairs, item, convert))

    return _guarded(structure)


def _literal(kind: Any) -> Callable[[Any, Any], Any]:
    allowed = {str(each): each for each in get_args(kind)}

    def structure(value: Any) -> Any:
        for text, meant in allowed.items():
            # A plain scalar is whatever it can be; one in quotes, or typed, must be of the type.
            if (isinstance(value, Plain) and value == text) or (
                type(value) is type(meant) and value == meant
            ):
                return meant
        choice = " or ".join(repr(each) for each in allowed)
        hint = did_you_mean(value, list(allowed)) if isinstance(value, str) else ""
        raise Mismatch(value, choice + hint)

    return _guarded(structure)


def _union(converter: Converter, kind: Any) -> Callable[[Any, Any], Any]:
    members = [each for each in get_args(kind) if each is not type(None)]
    nothing = type(None) in get_args(kind)
    maps = [each for each in members if attrs.has(each) or _is(Mapping)(each)]
    texts = [each for each in members if each not in maps]

    def structure(value: Any) -> Any:
        if value is None and nothing:
            return None
        fitting = maps if isinstance(value, Mapping) or not texts else texts
        return converter.structure(value, (fitting or texts)[0])

    return _guarded(structure)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Mismatch(value, "text")
    return str(value)


def _filled(value: Any) -> str:
    if not _text(value).strip():
        raise Mismatch(value, "text that is not empty")
    return str(value)


def _integer(value: Any) -> int:
    found = units.integer(value) if isinstance(value, Plain) else value
    if type(found) is not int:
        raise Mismatch(value, "a whole number")
    return found


def _float(value: Any) -> float:
    found: Any = units.number(value) if isinstance(value, Plain) else value
    if type(found) not in (int, float) or not units.is_finite(found):
        raise Mismatch(value, "a number")
    return float(found)


def _bool(value: Any) -> bool:
    words = {"true": True, "false": False}
    found = words.get(value) if isinstance(value, Plain) else value
    if type(found) is not bool:
        raise Mismatch(value, "true or false")
    return found


def _seconds(value: Any) -> float:
    if type(value) in (int, float) and units.is_finite(value) and value >= 0:
        return float(value)
    found = units.seconds(value) if isinstance(value, str) else None
    # A number in quotes is text; one with its unit can be meant in one way only.
    if found is None or (type(value) is str and units.number(value) is not None):
        raise Mismatch(value, "a duration such as 200ms, 30s, 5m, 1h, 1d or a number of seconds")
    return found


def _form(read: Callable[[str], Any], expected: str) -> Callable[[Any], Any]:
    def structure(value: Any) -> Any:
        found = read(value) if isinstance(value, str) else None
        if found is None:
            raise Mismatch(value, expected)
        return found

    return structure


def _status(value: Any) -> int:
    found = units.integer(value) if isinstance(value, Plain) else value
    if type(found) is not int or not 100 <= found <= 599:  # noqa: PLR2004 - RFC 9110 section 15
        raise Mismatch(value, "an HTTP status, 100 to 599")
    return found


def _status_class(value: Any) -> Any:
    return _form(units.status_class, "a status such as 404, or a class such as 4xx")(
        str(value) if type(value) is int else value
    )


def _share(value: Any) -> Any:
    number = type(value) in (int, float) and units.is_finite(value)
    return str(
        _form(units.share, "a share such as 1/4, above 0 and at most 1")(
            str(value) if number else value
        )
    )


_SCOPES = ("credential", "ip", "host")


def _per_scope(value: Any) -> str:
    text = _text(value)
    for part in text.split("+"):
        if part not in _SCOPES:
            hint = did_you_mean(part, _SCOPES)
            raise Mismatch(value, f"{', '.join(_SCOPES)}, or several with + between{hint}")
    return text


_SCALARS: dict[Any, Callable[[Any], Any]] = {
    str: _text,
    int: _integer,
    float: _float,
    bool: _bool,
    schema.Text: _filled,
    schema.PolicyName: _filled,
    schema.Seconds: _seconds,
    schema.Status: _status,
    schema.StatusClass: _status_class,
    schema.Share: _share,
    schema.Host: _form(units.host, "a host name, *.domain for its subdomains, maybe with :port"),
    schema.PerScope: _per_scope,
    schema.Method: _form(units.method, "an HTTP method in capitals"),
    schema.Rate: _form(units.rate, "a rate such as 7/s, 200/10s, 1200/min, 1600/h or 8000/day"),
}
