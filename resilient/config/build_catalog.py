"""From a catalog's keys to a `Catalog`, with the checks that need more than one value."""

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from fractions import Fraction
from functools import cache
from itertools import combinations
from pathlib import Path as FilePath
from stat import S_ISREG
from typing import Any, cast

import attrs

from resilient.catalog import (
    Ban,
    Catalog,
    CredentialRule,
    Endpoint,
    Entry,
    Envelope,
    Field,
    Limit,
    Login,
    ScopeKind,
    Source,
    TokenEndpoint,
)
from resilient.config import resources, schema
from resilient.config.spelling import did_you_mean
from resilient.config.structure import structure
from resilient.config.yaml_source import (
    LARGEST,
    Document,
    Path,
    fault,
    from_dict,
    read,
    too_large,
)
from resilient.core.pacing import pace
from resilient.errors import ConfigError, Fault

POLICY_NAMES = ("retry", "back_off", "reauth", "fail_fast", "block_warning", "none")
"""The policies that every set has, and `none`."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}", re.ASCII)
_HOLE = re.compile(r"\{([A-Za-z_]\w*)\}", re.ASCII)
_BOUND_BY = ("status", "method", "endpoint")


@attrs.define
class Faults:
    """Collects faults, each at the place of a path."""

    document: Document
    found: list[Fault] = attrs.field(factory=list)

    def add(self, path: Path, problem: str, *, of: str = "value") -> None:
        """Note a fault, unless what it is about was faulty already."""
        if self.document.is_sound(path):
            self.found.append(fault(self.document.place(path, of=of), problem))


@cache
def shipped(name: str) -> Catalog:
    """Return a shipped catalog.

    Raises:
        ConfigError: There is no such catalog; it says which there are.
    """
    known = resources.names("catalogs")
    if name not in known:
        hint = did_you_mean(name, known) or f"; shipped are {', '.join(known)}"
        raise ConfigError(f"there is no catalog {name!r}{hint}")
    file = resources.builtin("catalogs").joinpath(f"{name}.yaml")
    return loaded(read(file.read_bytes(), f"catalogs/{name}.yaml"))


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


def is_path(text: str) -> bool:
    """Tell a path from the name of something shipped."""
    return "/" in text or "\\" in text or text.endswith((".yaml", ".yml"))


def read_file(path: FilePath) -> bytes:
    """Return a file's bytes.

    Raises:
        ConfigError: It cannot be read, or is no ordinary file.
    """
    try:
        found = path.stat()
        fits = S_ISREG(found.st_mode) and found.st_size <= LARGEST
        data = path.read_bytes() if fits else None
    except (OSError, ValueError) as error:  # a path with a NUL in it is no OSError
        raise ConfigError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if data is None and S_ISREG(found.st_mode):
        raise ConfigError([too_large(str(path), found.st_size)])
    if data is None:
        raise ConfigError(f"{path}: not an ordinary file")
    return data


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
        ban=ban(keys.ban, ("ban",), faults),
        errors={
            code: code_entries(code, variants, ("errors", code), faults)
            for code, variants in keys.errors.items()
        },
        statuses={
            status: status_entries(status, variants, ("statuses", str(status)), faults)
            for status, variants in keys.statuses.items()
        },
        texts=tuple(_texts(keys.texts, faults)),
    )
    _check_references(catalog, keys, faults)
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


def code_entries(
    code: str, variants: Iterable[schema.EntryKeys], path: Path, faults: Faults
) -> tuple[Entry, ...]:
    """Return the entries of one reported code."""
    _check_some(variants, path, faults)
    entries = tuple(
        entry
        for keys in variants
        for status in keys.status or (None,)
        for entry in [_entry(keys, kind="code", code=code, status=status, name=keys.name or code)]
    )
    _check_ties(entries, path, faults)
    return entries


def status_entries(
    status: int, variants: Iterable[schema.EntryKeys], path: Path, faults: Faults
) -> tuple[Entry, ...]:
    """Return the entries of one HTTP status."""
    _check_some(variants, path, faults)
    found = []
    for i, keys in enumerate(variants):
        if keys.status:
            faults.add((*path, i, "status"), "an entry under 'statuses' has its status already")
        name = keys.name or f"status_{status}"
        found.append(_entry(keys, kind="status", status=status, name=name))
    _check_ties(found, path, faults)
    return tuple(found)


def _check_some(variants: Iterable[schema.EntryKeys], path: Path, faults: Faults) -> None:
    if not tuple(variants):
        faults.add(path, "expected a policy, or an entry with its keys")


def _texts(found: Iterable[schema.TextKeys], faults: Faults) -> Iterator[Entry]:
    for i, keys in enumerate(found):
        if not keys.match.replace("*", "").strip():
            faults.add(("texts", i, "match"), f"{keys.match!r} fits every text")
        for status in keys.status or (None,):
            name = keys.name or keys.match
            yield _entry(
                keys, kind="text", match=keys.match, code=keys.code, status=status, name=name
            )


def _entry(keys: schema.EntryKeys, **identity: Any) -> Entry:
    return Entry(
        **identity,
        method=keys.method,
        endpoint=keys.endpoint,
        policy=keys.policy,
        scope=keys.scope,
        processed=keys.processed,
        http_status=keys.http_status,
        wait=keys.wait,
        support=keys.support,
        envelope=keys.envelope,
        meaning=keys.meaning,
        advice=keys.advice,
    )


def _check_ties(entries: Iterable[Entry], path: Path, faults: Faults) -> None:
    """Note variants that fit the same response: as many bindings, and none that differs.

    Those seen are filed by what they share with each set of bindings: comparing each with
    each would let a long file take hours.
    """
    seen: dict[Hashable, Mapping[str, object]] = {}
    for mine in (dict(entry.bindings) for entry in entries):
        keys = tuple(mine)
        kin = [
            (others, tuple(mine[key] for key in others if key in mine))
            for others in combinations(_BOUND_BY, len(mine))
        ]
        found = (seen.get((others, keys, shared)) for others, shared in kin)
        if (its := next((each for each in found if each is not None), None)) is not None:
            faults.add(
                path,
                f"two variants fit the same response: {_bound(its)} and "
                f"{_bound(mine)}; bind one of them further",
                of="key",
            )
        for others, shared in kin:
            seen.setdefault((keys, others, shared), mine)


def _bound(bindings: Mapping[str, object]) -> str:
    return ", ".join(f"{k} {v}" for k, v in bindings.items()) or "one without bindings"


def _check_references(catalog: Catalog, keys: schema.CatalogKeys, faults: Faults) -> None:
    envelopes = [each.name for each in catalog.envelopes if each.name]
    for path, entry in _entries(keys):
        check_policy(entry.policy, path, POLICY_NAMES, faults, cutoff=0.75)
        unknown = entry.envelope is not None and entry.envelope not in envelopes
        if entry.envelope and unknown and faults.document.is_sound(("envelopes",)):
            faults.add(
                (*path, "envelope"),
                f"there is no envelope {entry.envelope!r}{did_you_mean(entry.envelope, envelopes)}",
            )
        check_endpoint(entry.endpoint, catalog, (*path, "endpoint"), faults)
    for name, limit in keys.limits.items():
        check_endpoint(limit.endpoint, catalog, ("limits", name, "endpoint"), faults)


def check_policy(
    name: str, path: Path, known: tuple[str, ...], faults: Faults, *, cutoff: float
) -> None:
    """Note a policy that is not there.

    A catalog alone cannot know what a user's set defines: there only what looks like a slip
    of the pen is a fault, and `cutoff` says how alike it must be.
    """
    hint = did_you_mean(name, known, cutoff or 0.6)
    if name not in known and (hint or not cutoff):
        place = (*path, "policy") if faults.document.place((*path, "policy")) else path
        choice = hint or f"; there are {', '.join(known)}"
        faults.add(place, f"there is no policy {name!r}{choice}")


def check_endpoint(name: str | None, catalog: Catalog, path: Path, faults: Faults) -> None:
    """Note an endpoint that no template can be called."""
    names = catalog.endpoint_names
    if name is None or name in names or any("{" in each for each in names):
        return
    if faults.document.is_sound(("endpoints",)):  # else it may be the one that is faulty
        faults.add(path, f"no endpoint is called {name!r}{did_you_mean(name, names)}")


def _entries(keys: schema.CatalogKeys) -> Iterator[tuple[Path, schema.EntryKeys]]:
    for group in ("errors", "statuses"):
        for key, variants in getattr(keys, group).items():
            for i, entry in enumerate(variants):
                yield (group, str(key), i) if len(variants) > 1 else (group, str(key)), entry
    for i, entry in enumerate(keys.texts):
        yield ("texts", i), entry
