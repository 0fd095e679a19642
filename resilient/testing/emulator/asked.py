"""A request as the emulator sees it: what it asks for, who asks, with which credential."""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from urllib.parse import parse_qsl

import attrs
from multidict import CIMultiDict, CIMultiDictProxy

from resilient.catalog import CredentialRule, Field, Place, ScopeKind

ANONYMOUS = ""
"""What the credential scope of a request without a credential is called."""


@attrs.frozen(kw_only=True, slots=False)
class Asked:
    """One request.

    Attributes:
        path: Percent-encoded as sent, without the query.
        query: Percent-encoded as sent.
        peer: The client's address.
        endpoint: The catalog's name for the request, or None.
        time: When it came, on the emulator's clock.
        wall: When it came, in seconds since the epoch.
        rule: Where the catalog wants the credential.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = attrs.field(factory=lambda: CIMultiDictProxy(CIMultiDict()))
    body: bytes = attrs.field(default=b"", repr=False)
    peer: str = ""
    endpoint: str | None = None
    time: float = 0.0
    wall: float = 0.0
    rule: CredentialRule | None = attrs.field(default=None, repr=False)

    @cached_property
    def presented(self) -> Mapping[str, str]:
        """The values of the credential that came with it, by the field's name."""
        if self.rule is None:
            return {}
        found = ((field.name, self._value(field)) for field in self.rule.fields)
        return {name: value for name, value in found if value}

    @cached_property
    def wants_xml(self) -> bool:
        """Whether it speaks XML: by its path, else by its body."""
        return self.path.endswith(".xml") or self.body.lstrip()[:1] == b"<"

    @cached_property
    def fields(self) -> Mapping[str, str]:
        """What the body holds at its top level: a form's or a JSON object's texts."""
        return dict(_from_json(self.body) or _pairs(self.body.decode("utf-8", "replace")))

    def scope(self, kinds: Iterable[ScopeKind]) -> str:
        """Return what shares a limit with it, such as `ip:127.0.0.1`."""
        return "+".join(f"{kind}:{self._named(kind)}" for kind in kinds)

    def _named(self, kind: ScopeKind) -> str:
        if kind == "credential":
            # The first field outlives a login: dellin's key stays, its session changes.
            # Who renews a token shows no other credential than what renews it.
            unsigned = self.fields.get("refresh_token", ANONYMOUS)
            return next(iter(self.presented.values()), unsigned)
        if kind == "ip":
            return self.peer
        if kind == "host":
            return self.headers.get("Host", "")
        return self.endpoint or ""

    def _value(self, field: Field) -> str:
        found = filter(None, (self._at(place, field.name) for place in field.places))
        return next(found, "").removeprefix(field.prefix)

    def _at(self, place: Place, name: str) -> str:
        if place == "header":
            return self.headers.get(name, "")
        if place == "query":
            return dict(_pairs(self.query)).get(name, "")
        if place == "form":
            return dict(_pairs(self.body.decode("utf-8", "replace"))).get(name, "")
        found = _from_json(self.body) if place == "json" else _from_xml(self.body)
        return dict(found).get(name, "")


def _pairs(text: str) -> list[tuple[str, str]]:
    return parse_qsl(text, max_num_fields=1000) if text.count("&") < 1000 else []  # noqa: PLR2004


def _from_json(body: bytes) -> list[tuple[str, str]]:
    if body.lstrip()[:1] != b"{":
        return []
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return []
    return [(key, value) for key, value in found.items() if isinstance(value, str)]


def _from_xml(body: bytes) -> Iterator[tuple[str, str]]:
    from xml.etree.ElementTree import ParseError  # noqa: PLC0415 - only for XML catalogs

    from defusedxml import DefusedXmlException  # noqa: PLC0415
    from defusedxml.ElementTree import fromstring  # noqa: PLC0415

    try:
        children = list(fromstring(body)) if body.lstrip()[:1] == b"<" else []
    except (ParseError, DefusedXmlException, ValueError):
        children = []
    return ((child.tag.rpartition("}")[2], (child.text or "").strip()) for child in children)
