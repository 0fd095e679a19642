"""From an entry to a response that says it: the inverse of recognition, and checked against it."""

from collections.abc import Iterator
from urllib.parse import quote, urlencode

import attrs

from resilient.catalog import Catalog, Entry, Envelope
from resilient.config.build_catalog import GENERIC, shipped
from resilient.config.build_policies import shipped_policies
from resilient.core.classify import classify
from resilient.core.endpoints import Endpoints
from resilient.core.envelope import BODILESS
from resilient.model import Exchange
from resilient.testing.emulator.answer import Answer, bare
from resilient.testing.emulator.document import Words, error_body, page
from resilient.testing.emulator.places import Place, places

_EXAMPLE = "example"
_TYPICAL = {"reauth": 401, "back_off": 429, "block_warning": 403, "retry": 500}
_MOST_KEPT = 4096


class NotRenderable(ValueError):
    """No response that the catalog describes would be recognised as this entry."""


@attrs.frozen(kw_only=True)
class Rendering:
    """One way to say an entry, and a request to which it is the answer.

    Attributes:
        key: What to write into `X-Emulate` to be answered so.
    """

    key: str
    entry: Entry
    answer: Answer
    method: str
    path: str
    endpoint: str | None


def entry_key(entry: Entry) -> str:
    """Return a stable, printable key: `code:110?status=401`, `status:429`, `text:…`."""
    own = {"code": entry.code, "status": str(entry.status), "text": entry.match}[entry.kind]
    bound = f"?{urlencode(entry.bindings)}" if entry.bindings else ""
    return f"{entry.kind}:{quote(own or '', safe='/*')}{bound}"


def renderings(catalog: Catalog, entry: Entry) -> tuple[Rendering, ...]:
    """Return every way to say an entry that is recognised as that entry.

    Raises:
        NotRenderable: There is none.
    """
    return Renderer(catalog).renderings(entry)


class Renderer:
    """Says the entries of one catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.generic = shipped(GENERIC)
        self.endpoints = Endpoints(catalog.endpoints)
        self._flat = _flattened(catalog)
        self._policies = shipped_policies("default")
        self._kept: dict[tuple[Entry, str, str | None], tuple[Answer, ...]] = {}

    def renderings(self, entry: Entry) -> tuple[Rendering, ...]:
        """Return every way to say an entry.

        Raises:
            NotRenderable: There is none.
        """
        for place in places(self.catalog, self.endpoints, entry):
            answers = self.answers(entry, place.method, place.endpoint)
            if answers:
                return tuple(_rendering(entry, answer, place) for answer in answers)
        raise NotRenderable(
            f"catalog {self.catalog.name}: no response is recognised as the entry "
            f"{entry_key(entry)} ({entry.name}): check its envelope, the envelope's sample, "
            "and what else the catalog says of the same response"
        )

    def answers(self, entry: Entry, method: str, endpoint: str | None) -> tuple[Answer, ...]:
        """Return the ways to say an entry to such a request; none if it cannot occur there."""
        key = (entry, method, endpoint)
        found = self._kept.get(key)
        if found is None:
            candidates = _candidates(self.catalog, entry)
            found = tuple(each for each in candidates if self._is_recognised(each, key))
            if len(self._kept) >= _MOST_KEPT:  # names of endpoints may come from URLs
                self._kept.clear()
            self._kept[key] = found
        return found

    def _is_recognised(self, answer: Answer, key: tuple[Entry, str, str | None]) -> bool:
        entry, method, endpoint = key
        exchange = Exchange(
            method=method,
            endpoint=endpoint,
            status=answer.status,
            headers=tuple(answer.headers.items()),
            body=answer.body,
            charset="utf-8",
        )
        failure = classify(exchange, self._flat, self.generic, self._policies, now=0.0)
        return failure is not None and failure.entry == _flat(entry) and len(failure.found) == 1


def _rendering(entry: Entry, answer: Answer, place: Place) -> Rendering:
    envelope = f"#{answer.envelope}" if answer.envelope else ""
    return Rendering(
        key=entry_key(entry) + envelope,
        entry=entry,
        answer=answer,
        method=place.method,
        path=place.path,
        endpoint=place.endpoint,
    )


def _flat(entry: Entry) -> Entry:
    # Recognition passes over what is no failure, and does not know a user's own policies:
    # here only the identity counts.
    return attrs.evolve(entry, policy="fail_fast")


def _flattened(catalog: Catalog) -> Catalog:
    return attrs.evolve(
        catalog,
        errors={code: tuple(map(_flat, each)) for code, each in catalog.errors.items()},
        statuses={status: tuple(map(_flat, each)) for status, each in catalog.statuses.items()},
        texts=tuple(map(_flat, catalog.texts)),
    )


def _candidates(catalog: Catalog, entry: Entry) -> Iterator[Answer]:
    for envelope in _envelopes(catalog, entry):
        yield _in_envelope(envelope, entry)
    if entry.kind == "text":
        status = entry.status or entry.http_status or _TYPICAL.get(entry.policy, 400)
        words = _words(entry, (), status)
        yield Answer(status=status, form="html", body=page(words), entry=entry)
    elif entry.kind == "status" and entry.envelope is None:
        yield bare(entry.status or 0, entry)


def _envelopes(catalog: Catalog, entry: Entry) -> Iterator[Envelope]:
    for envelope in catalog.envelopes:
        if entry.envelope is not None:
            if envelope.name == entry.envelope:
                yield envelope
        elif entry.kind == "code":
            parts = (entry.code or "").split("/")
            if len(parts) <= len(envelope.code) or len(envelope.code) == 1:
                yield envelope
        elif entry.kind == "text" and (envelope.message or envelope.format in ("text", "html")):
            yield envelope


def _in_envelope(envelope: Envelope, entry: Entry) -> Answer:
    status = _status(envelope, entry)
    words = _words(entry, _parts(envelope, entry), status)
    return Answer(
        status=status,
        form=envelope.format,
        body=b"" if status in BODILESS else error_body(envelope, words),
        entry=entry,
        envelope=envelope.name or None,
    )


def _status(envelope: Envelope, entry: Entry) -> int:
    """Return the status that it comes with, as far as the catalog says."""
    if entry.status is not None:
        return entry.status
    documented = entry.http_status
    if documented and documented not in BODILESS and envelope.comes_with(documented):
        return documented
    first = envelope.statuses[0]
    if not first.endswith("xx"):
        return int(first)
    typical = _TYPICAL.get(entry.policy, 0)
    if first != "2xx" and envelope.comes_with(typical):
        return typical
    return int(first[0]) * 100


def _parts(envelope: Envelope, entry: Entry) -> tuple[str, ...]:
    if entry.code is None or not envelope.code:
        return ()
    parts = entry.code.split("/", len(envelope.code) - 1)
    return tuple(_EXAMPLE if part == "*" else part for part in parts)


def _words(entry: Entry, code: tuple[str, ...], status: int) -> Words:
    message = entry.meaning or entry.name
    if entry.match is not None:
        message = entry.match.replace("*", _EXAMPLE)
    return Words(code=code, name=entry.name, message=message, status=status)
