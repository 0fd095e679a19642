"""From a catalog's keys to a `Catalog`, with the checks that need more than one value."""

import re
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path as FilePath
from typing import Any, cast

from resilient.catalog import (
    Ban,
    Catalog,
    CredentialRule,
    Endpoint,
    Envelope,
    Field,
    Limit,
    Login,
    ScopeKind,
    Source,
    TokenEndpoint,
)
from resilient.config import schema
from resilient.config.build_entries import code_entries, status_entries, text_entries
from resilient.config.build_hints import hint_rules
from resilient.config.faults import Faults
from resilient.config.files import is_path, read_file, shipped_document
from resilient.config.references import check_references
from resilient.config.structure import structure
from resilient.config.yaml_source import Document, Path, from_dict, read
from resilient.core.pacing import pace
from resilient.errors import ConfigError

GENERIC = "http"
"""The catalog that stands behind every other."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}", re.ASCII)
_HOLE = re.compile(r"\{([A-Za-z_]\w*)\}", re.ASCII)


@cache
def shipped(name: str) -> Catalog:
    """Return a shipped catalog.

    Raises:
        ConfigError: There is no such catalog; it says which there are.
    """
    return loaded(shipped_document("catalogs", name))


def load_catalog(source: str | FilePath | Mapping[str, Any]) -> Catalog:
    """Return a catalog: a shipped one by name, a file by path, or a dict of the same shape.

    Raises:
        ConfigError: It is not there, or has faults.
    """
    if isinstance(source, Mapping):
        return loaded(from_dict(source))
    if isinstance(source, str) and not is_path(source):
        return shipped(source)
    return loaded(read(read_file(FilePath(source)), str(source)))


def loaded(document: Document) -> Catalog:
    """Return the catalog that a document holds.

    Raises:
        ConfigError: With every fault.
    """
    keys, faults = structure(document, schema.CatalogKeys)
    collected = Faults(document, list(faults))
    catalog = None if keys is None else build(keys, collected)
    if collected.found or catalog is None:
        raise ConfigError(collected.found)
    return catalog


def build(keys: schema.CatalogKeys, faults: Faults) -> Catalog:
    """Return the catalog that the keys describe; what is wrong goes to `faults`."""
    if not _NAME.fullmatch(keys.catalog):
        faults.add(("catalog",), f"{keys.catalog!r} is no name: lower case letters, digits, _ -")
    if keys.revision < 1:
        faults.add(("revision",), f"found {keys.revision}, expected at least 1")
    catalog = Catalog(
        name=keys.catalog,
        title=keys.title,
        revision=keys.revision,
        source=Source(
            document=keys.source.document,
            url=keys.source.url,
            read=keys.source.read,
            elsewhere=keys.source.elsewhere,
        ),
        hosts=tuple(keys.hosts),
        endpoints=tuple(_endpoints(keys.endpoints, faults)),
        credential=_credential(keys.credential, faults),
        envelopes=tuple(_envelopes(keys.envelopes, faults)),
        limits=tuple(_limits(keys.limits, faults)),
        hints=tuple(hint_rules(keys.hints, keys.limits, faults)),
        ban=ban(keys.ban, ("ban",), faults),
        errors={
            code: code_entries(code, variants, ("errors", code), faults)
            for code, variants in keys.errors.items()
        },
        statuses={
            status: status_entries(status, variants, ("statuses", str(status)), faults)
            for status, variants in keys.statuses.items()
        },
        texts=tuple(text_entries(keys.texts, faults)),
    )
    check_references(catalog, keys, faults)
    return catalog


def _endpoints(found: Mapping[str, schema.EndpointKeys], faults: Faults) -> Iterator[Endpoint]:
    for key, value in found.items():
        path = ("endpoints", key)
        method, _, template = key.strip().rpartition(" ")
        if not template.startswith("/") or (method and not method.isupper()):
            faults.add(path, f"{key!r} is no template: '/path/{{name}}' or 'POST /path'", of="key")
            continue
        unbound = set(_HOLE.findall(value.name)) - set(_HOLE.findall(template))
        if unbound:
            faults.add(
                path,
                f"the name uses {', '.join(sorted(unbound))}, which the template does not bind",
            )
            continue
        yield Endpoint(
            method=method or None,
            template=template,
            name=value.name,
            idempotent=value.idempotent,
        )


def _credential(found: schema.CredentialKeys | None, faults: Faults) -> CredentialRule | None:
    if found is None:
        return None
    if not found.fields:
        faults.add(("credential", "fields"), "a credential needs a field to be put in")
    for key, kind in (("token", "oauth2"), ("login", "session")):
        known = faults.document.is_sound(("credential", "kind"))
        if known and getattr(found, key) is not None and found.kind != kind:
            faults.add(
                ("credential", key), f"{key!r} goes with kind {kind}, not {found.kind}", of="key"
            )
    for i, field in enumerate(found.fields):
        if not field.in_:
            faults.add(("credential", "fields", i, "in"), "expected at least one place")
    fields = tuple(
        Field(name=f.name, places=f.in_, value=f.value, prefix=f.prefix) for f in found.fields
    )
    token, login = found.token, found.login
    return CredentialRule(
        kind=found.kind,
        fields=fields,
        token=None
        if token is None
        else TokenEndpoint(url=token.url, encoding=token.encoding, send=token.send),
        login=None if login is None else Login(url=login.url, session=login.session),
    )


def _envelopes(found: Iterable[schema.EnvelopeKeys], faults: Faults) -> Iterator[Envelope]:
    for i, each in enumerate(found):
        path: Path = ("envelopes", i)
        if not each.status:
            faults.add((*path, "status"), "expected at least one status that it comes with")
        structured = each.format in ("json", "xml")
        if structured and not (each.when or each.code):
            faults.add(
                path,
                f"a {each.format} envelope needs 'code' or 'when', "
                "else every body would be an error",
            )
        if not structured and (each.code or each.when or each.message):
            faults.add(path, f"a {each.format} envelope has no paths: its text is the message")
        yield Envelope(
            name=each.name,
            format=each.format,
            statuses=tuple(each.status),
            when=each.when,
            code=tuple(each.code),
            message=tuple(each.message),
            sample=each.sample,
        )


def _limits(found: Mapping[str, schema.LimitKeys], faults: Faults) -> Iterator[Limit]:
    for name, each in found.items():
        limit = Limit(
            name=name,
            calls=each.rate.calls,
            period=each.rate.period,
            per=scopes(each.per),
            endpoint=each.endpoint,
            burst=each.burst,
            jitter=each.jitter,
        )
        yield limit
        check_limit(limit, ("limits", name), faults)


def scopes(per: Iterable[str]) -> tuple[tuple[ScopeKind, ...], ...]:
    """Return `credential+ip` as its kinds."""
    return tuple(cast("tuple[ScopeKind, ...]", tuple(each.split("+"))) for each in per)


def check_limit(limit: Limit, path: Path, faults: Faults) -> None:
    """Note a limit of nobody, and a burst that breaks the limit."""
    if not limit.per:
        faults.add((*path, "per"), "expected at least one scope that it holds for")
    if limit.burst is not None and limit.burst < 1:
        faults.add((*path, "burst"), f"a burst of {limit.burst}: at least one call must go")
        return
    try:
        pace(limit, Fraction(1))
    except ValueError as error:
        faults.add((*path, "burst"), str(error))


def ban(found: schema.BanKeys | None, path: Path, faults: Faults) -> Ban | None:
    """Return a ban rule."""
    if found is None:
        return None
    if found.after < 2:  # noqa: PLR2004 - of a ban after the first refusal nothing can be foreseen
        faults.add((*path, "after"), f"found {found.after}, expected at least 2 refusals")
    if found.within <= 0:
        faults.add((*path, "within"), "found 0, expected a time in which refusals count")
    return Ban(after=found.after, within=found.within, strict=found.in_flight == "strict")
