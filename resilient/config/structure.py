"""Plain data to the classes of `resilient.config.schema`, with every fault at its place.

cattrs does the work. A fault does not end it: something harmless stands in for what is
faulty, and the rest is structured again, so that all faults of a file come at once.
"""

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

from resilient.config import schema
from resilient.config.scalars import SCALARS, Mismatch, show
from resilient.config.spelling import SLIP, did_you_mean, nearest
from resilient.config.yaml_source import Document, Misplaced, Path, Plain, fault
from resilient.errors import Fault

T = TypeVar("T")
_MOST_ROUNDS = 50

_SHORTHAND = {schema.EntryKeys: "policy", schema.EndpointKeys: "name"}

_EXAMPLES = {
    schema.BanKeys: "{after: 3, within: 1m}",
    schema.BudgetKeys: "{ratio: 0.1, floor: 10}",
    schema.DelayKeys: "{base: 5m, cap: 6h}",
    schema.LimitOverrideKeys: "{rate: 5/s}",
}
"""What a mapping looks like where a word may stand in its place."""


def structure(document: Document, kind: type[T]) -> tuple[T | None, tuple[Fault, ...]]:
    """Return what a document holds as `kind`, and all faults.

    Something harmless stands in for what is faulty or missing, so that the rest can be
    checked; `document.is_sound` says where not. None is returned where nothing can be read.
    """
    faults: list[Fault] = list(document.faults)
    data = _copied(document.data)
    for _ in range(_MOST_ROUNDS):  # pragma: no branch - each round mends something
        try:
            keys = _converter().structure(data, kind)
        except Exception as error:  # noqa: BLE001 - cattrs raises whatever a hook raised
            found = list(_leaves(error, ()))
        else:
            for path in _misplaced(data, ()):
                document.leave_out(path)
            return keys, tuple(faults)
        faults.extend(_mended(document, data, found))
        if any(not each.path and each.missing is None for each in found):
            break
    return None, tuple(faults)


def _mended(document: Document, data: Any, found: "list[_Leaf]") -> Iterator[Fault]:
    """Take what is faulty out of `data`, and yield the faults."""
    spelt = {(*each.path[:-1], each.meant) for each in found if each.meant is not None}
    for each in found:
        if each.meant is not None:
            document.respell(each.path, each.meant)
    for each in found:
        if each.missing is None or (*each.path, each.missing) not in spelt:
            yield fault(document.place(each.path, of=each.of), each.problem)
            _mend(data, each)


def _copied(data: Any) -> Any:
    """Return mappings and lists anew: what is faulty will be cut out of them."""
    if isinstance(data, dict):
        return {key: _copied(each) for key, each in data.items()}
    return [_copied(each) for each in data] if isinstance(data, list) else data


def _misplaced(data: Any, path: Path) -> Iterator[Path]:
    if isinstance(data, Misplaced):
        yield path
    elif isinstance(data, dict):
        for key, each in data.items():
            yield from _misplaced(each, (*path, key))
    elif isinstance(data, list):
        for i, each in enumerate(data):
            yield from _misplaced(each, (*path, i))


def _mend(data: Any, leaf: "_Leaf") -> None:
    """Let something stand in for what is faulty; a slip of the pen is spelt right."""
    path = leaf.path if leaf.missing is None else (*leaf.path, leaf.missing)
    if not path:
        return
    for i, step in enumerate(path[:-1]):
        if not isinstance(data[step], dict | list):
            path = path[: i + 1]  # a short form: it has no keys of its own
            break
        data = data[step]
    if leaf.of == "key":
        value = data.pop(path[-1], None)
        if leaf.meant is not None:
            data.setdefault(leaf.meant, value)
    else:
        data[path[-1]] = Misplaced()


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
            hint = did_you_mean(key, allowed)
            near = nearest(key, allowed, SLIP) if hint else None
            hint = hint or f"; known are {', '.join(allowed)}"
            yield _Leaf((*path, key), f"unknown key {show(Plain(key))}{hint}", "key", meant=near)
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
    for kind, (read, harmless) in SCALARS.items():
        hook = _guarded(read, partial(_given, harmless))
        if isinstance(kind, type):  # cattrs has hooks of its own for these, which coerce
            converter.register_structure_hook(kind, hook)
        else:
            converter.register_structure_hook_func(partial(operator.is_, kind), hook)
    return converter


def _is(origin: Any) -> Callable[[Any], bool]:
    return lambda kind: get_origin(kind) is origin or kind is origin


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType)


def _guarded(hook: Callable[[Any], Any], harmless: Callable[[], Any]) -> Callable[[Any, Any], Any]:
    def structure(value: Any, _: Any) -> Any:
        return harmless() if isinstance(value, Misplaced) else hook(value)

    return structure


def _given(value: T) -> T:
    return value


def _class(converter: Converter, kind: Any) -> Callable[[Any, Any], Any]:
    renames: dict[str, Any] = {"in_": override(rename="in")} if kind is schema.FieldKeys else {}
    inner = make_dict_structure_fn(kind, converter, **renames)
    fields = attrs.fields(kind)
    required = {each.name.rstrip("_") for each in fields if each.default is attrs.NOTHING}
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
        said = {k: v for k, v in value.items() if k in required or not _is_unsaid(v)}
        return inner(said, kind)

    return _guarded(structure, lambda: inner(dict.fromkeys(required, Misplaced()), kind))


def _is_unsaid(value: Any) -> bool:
    return value is None or isinstance(value, Misplaced)


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

    return _guarded(structure, tuple)


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

    return _guarded(structure, dict)


def _literal(kind: Any, mapping: str = "") -> Callable[[Any, Any], Any]:
    allowed = {str(each): each for each in get_args(kind)}

    def structure(value: Any) -> Any:
        for text, meant in allowed.items():
            # A plain scalar is whatever it can be; one in quotes, or typed, must be of the type.
            if (isinstance(value, Plain) and value == text) or (
                type(value) is type(meant) and value == meant
            ):
                return meant
        choice = (
            f"a mapping such as {mapping}, or {' or '.join(allowed)}"
            if mapping
            else " or ".join(map(repr, allowed))
        )
        hint = did_you_mean(value, list(allowed)) if isinstance(value, str) else ""
        raise Mismatch(value, choice + hint)

    return _guarded(structure, partial(_given, get_args(kind)[0]))


def _union(converter: Converter, kind: Any) -> Callable[[Any, Any], Any]:
    members = [each for each in get_args(kind) if each is not type(None)]
    nothing = type(None) in get_args(kind)
    maps = [each for each in members if attrs.has(each) or _is(Mapping)(each)]
    texts = [each for each in members if each not in maps]
    is_word = bool(maps and texts) and _is(Literal)(texts[0])
    word = _literal(texts[0], _EXAMPLES[maps[0]]) if is_word else None

    def structure(value: Any) -> Any:
        if word is not None and not isinstance(value, Mapping):
            return word(value, kind)
        fitting = maps if isinstance(value, Mapping) or not texts else texts
        return converter.structure(value, (fitting or texts)[0])

    def harmless() -> Any:
        return None if nothing else converter.structure(Misplaced(), (texts or maps)[0])

    return _guarded(structure, harmless)
