"""Every key of the schema, each in a small file that is right but for what stands there.

The classes of `resilient.config.schema` are walked, so a key that is new is tested by itself.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs

import resilient
from resilient.config import schema
from resilient.config.build_catalog import load_catalog
from resilient.config.build_policies import load_policies

GOOD: dict[Any, str] = {
    str: "words",
    int: "3",
    float: "0.5",
    bool: "false",
    schema.Text: "words",
    schema.PolicyName: "retry",
    schema.Seconds: "5s",
    schema.Status: "404",
    schema.StatusClass: "4xx",
    schema.Share: "1/2",
    schema.Host: "a.example",
    schema.PerScope: "credential",
    schema.Word: "words",
    schema.Method: "GET",
    schema.HeaderName: "X-Left",
    schema.Rate: "600/min",
}
"""What is right for a type, as it is written."""

_GOOD_HERE: dict[tuple[type, str], str] = {
    (schema.CatalogKeys, "catalog"): "mine",
    (schema.ServiceKeys, "catalog"): "unisender",
    (schema.ServiceKeys, "policies"): "default",
    (schema.ConfigKeys, "store"): "memory",
    (schema.StoreKeys, "url"): "memory",
}
_KEYS: dict[tuple[type, str], str] = {
    (schema.CatalogKeys, "endpoints"): "/words",
    (schema.CatalogKeys, "statuses"): "404",
    (schema.CatalogKeys, "hints"): "any",
    (schema.ServiceKeys, "statuses"): "404",
    (schema.ServiceKeys, "endpoints"): "getLists",
    (schema.ServiceKeys, "limits"): "calls",
}
_ALWAYS: dict[type, dict[str, str]] = {
    schema.HintKeys: {"remaining": "X-Left", "reset": "X-Reset"},
    schema.EnvelopeKeys: {"name": "words", "code": "words"},
    schema.CatalogKeys: {
        "endpoints": "{/words: words}",
        "envelopes": "[{format: json, name: words, code: words}]",
    },
}
_KINDS = {"token": "oauth2", "login": "session"}

Trail = tuple[tuple[type, str], ...]
"""The keys that lead to a field, each with the class that it belongs to."""


@attrs.frozen
class Place:
    """A key of the schema.

    Attributes:
        trail: How it is reached from the root.
        kinds: What its value may be: scalars, literals and classes.
        many: Whether a list is right.
        required: Whether it must be there.
    """

    trail: Trail
    kinds: tuple[Any, ...]
    many: bool
    required: bool

    def __str__(self) -> str:
        return ".".join((self.trail[0][0].__name__, *(key for _, key in self.trail)))

    def file(self, value: str) -> str:
        """Return a file in which `value` stands here, on the last line."""
        return _written(self.trail, value)


def members(kind: Any) -> tuple[tuple[Any, ...], bool]:
    """Return what a value may be, and whether a list is right."""
    if get_origin(kind) in (Union, UnionType):
        parts = [members(each) for each in get_args(kind) if each is not type(None)]
        return tuple(k for kinds, _ in parts for k in kinds), any(many for _, many in parts)
    if get_origin(kind) is tuple:
        return members(get_args(kind)[0])[0], True
    return (kind,), False


def places(root: type, trail: Trail = ()) -> Iterator[Place]:
    """Yield every key below a class."""
    hints = get_type_hints(root)
    for field in attrs.fields(root):
        key = field.name.rstrip("_")
        kinds, many = members(hints[field.name])
        here = (*trail, (root, key))
        required = field.default is attrs.NOTHING
        yield Place(here, kinds, many, required)
        for kind in kinds:
            below = members(get_args(kind)[1])[0] if get_origin(kind) is Mapping else (kind,)
            for each in filter(attrs.has, below):
                if each is not schema.Rate:
                    yield from places(each, here)


ROOTS: dict[type, Callable[[Path], object]] = {
    schema.ConfigKeys: resilient.load,
    schema.CatalogKeys: load_catalog,
    schema.PolicySetKeys: load_policies,
}
"""The three kinds of files, and what loads them."""

PLACES = [place for root in ROOTS for place in places(root)]


def good(owner: type, key: str, kind: Any) -> str:
    """Return a value that is right at a key."""
    if (owner, key) in _GOOD_HERE:
        return _GOOD_HERE[owner, key]
    if get_origin(kind) is Literal:
        return str(get_args(kind)[0])
    if get_origin(kind) is Mapping:
        item = members(get_args(kind)[1])[0][0]
        return f"{{{_KEYS.get((owner, key), 'words')}: {good(owner, key, item)}}}"
    if attrs.has(kind) and kind is not schema.Rate:
        hints = get_type_hints(kind)
        needed = [f for f in attrs.fields(kind) if f.default is attrs.NOTHING]
        names = [each.name.rstrip("_") for each in needed]
        pairs = dict.fromkeys(names, "") | _ALWAYS.get(kind, {})
        for name, each in zip(names, needed, strict=True):
            pairs[name] = good(kind, name, members(hints[each.name])[0][0])
        return "{" + ", ".join(f"{k}: {v}" for k, v in pairs.items()) + "}"
    return GOOD[kind]


def _written(trail: Trail, value: str) -> str:
    (owner, key), *rest = trail
    hints = get_type_hints(owner)
    pairs: dict[str, str] = {}
    for field in attrs.fields(owner):
        name = field.name.rstrip("_")
        if field.default is attrs.NOTHING and name != key:
            pairs[name] = good(owner, name, members(hints[field.name])[0][0])
    pairs |= {k: v for k, v in _ALWAYS.get(owner, {}).items() if k != key}
    if key in _KINDS and owner is schema.CredentialKeys:
        pairs["kind"] = _KINDS[key]
    if owner is schema.LimitOverrideKeys and key != "rate":
        pairs["rate"] = "600/min"
    lines = [f"{k}: {v}" for k, v in pairs.items()]
    (kinds, many) = members(hints["in_" if key == "in" else key])
    inner = f" {value}" if not rest else _inside((kinds, many), (owner, key), tuple(rest), value)
    return "\n".join([*lines, f"{key}:{inner}"]) + "\n"


def _inside(
    may_be: tuple[tuple[Any, ...], bool], at: tuple[type, str], rest: Trail, value: str
) -> str:
    (kinds, many), text = may_be, _written(rest, value).rstrip("\n")
    if any(get_origin(kind) is Mapping for kind in kinds) and rest[0][0] not in kinds:
        return "\n" + _indented(f"{_KEYS.get(at, 'words')}:\n" + _indented(text))
    return "\n" + _indented("-\n" + _indented(text) if many else text)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))
