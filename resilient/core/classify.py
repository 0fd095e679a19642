"""Which documented errors does this response report? Exchange and catalog in, Failure out."""

from collections.abc import Iterable, Iterator
from functools import lru_cache

from resilient.catalog import SEVERITY, Catalog, Entry
from resilient.core.envelope import Reported, read
from resilient.core.retry_after import retry_after
from resilient.model import Exchange, Failure, Found
from resilient.policy import Policies

_UNKNOWN_4XX = "The server refused the request."
_UNKNOWN_5XX = "The server failed."
_UNKNOWN_OK = "The response reports an error that the catalog does not know."


def classify(
    exchange: Exchange, catalog: Catalog, generic: Catalog, policies: Policies, *, now: float
) -> Failure | None:
    """Return the failure that a response reports, or None: success, or an answer.

    The most severe action of what is found decides.

    Args:
        exchange: The request, and what was read of the response.
        catalog: The service's catalog.
        generic: The catalog that stands behind every other.
        policies: The service's policies, for the actions behind their names.
        now: Seconds since the epoch, for a Retry-After that is a date.
    """
    found = recognise(exchange, catalog, generic)
    failures = [each for each in found if each.entry.policy != "none"]
    if not failures:
        return None
    failures.sort(key=lambda each: SEVERITY.index(policies[each.entry.policy].action))
    return Failure(
        catalog=catalog.name,
        status=exchange.status,
        endpoint=exchange.endpoint,
        found=tuple(failures),
        retry_after=retry_after(exchange.headers, now=now),
        scope=catalog.scope_of(failures[0].entry),
    )


def recognise(exchange: Exchange, catalog: Catalog, generic: Catalog) -> tuple[Found, ...]:
    """Return every error that a response reports, also those that are answers.

    Each finds its entry in this order: a text; the code, the variant with the most bindings
    first; the status in this catalog; the status in `generic`; the class of the status. A
    status of which the user himself says that it is an answer is one, whatever comes with it.
    """
    said = _most_bound(catalog.statuses.get(exchange.status, ()), exchange)
    if said is not None and said.own and said.policy == "none":
        return (Found(entry=said),)
    reading = read(
        catalog.envelopes, status=exchange.status, body=exchange.body, charset=exchange.charset
    )
    if reading.errors:
        return tuple(_explain(error, exchange, catalog, generic) for error in reading.errors)
    return tuple(_by_text_or_status(reading.text, exchange, catalog, generic))


def _explain(error: Reported, exchange: Exchange, catalog: Catalog, generic: Catalog) -> Found:
    by_text = _by_text(error.message, error.code, exchange, catalog) if error.message else None
    by_code = _by_code(error.code, catalog, exchange) if error.code else None
    entry = (
        by_text or by_code or _by_status(exchange, catalog, generic) or _by_class(exchange.status)
    )
    mapped = error.code is None or entry is by_text or entry is by_code
    return Found(entry=entry, code=error.code, message=error.message, mapped=mapped)


def _by_text_or_status(
    text: str, exchange: Exchange, catalog: Catalog, generic: Catalog
) -> Iterator[Found]:
    by_text = _by_text(text, None, exchange, catalog) if text else None
    entry = by_text or _by_status(exchange, catalog, generic)
    if entry is None and exchange.status >= 400:  # noqa: PLR2004 - RFC 9110 section 15.5
        entry = _by_class(exchange.status)
    if entry is not None:
        yield Found(entry=entry)


def _by_text(text: str, code: str | None, exchange: Exchange, catalog: Catalog) -> Entry | None:
    found = catalog.phrases.found_in(text)
    return _most_bound([each for each in found if each.code in (None, code)], exchange)


def _by_code(code: str, catalog: Catalog, exchange: Exchange) -> Entry | None:
    """Return the entry for a reported code, or None.

    The code as it stands goes before one with `*`, and of those the one with the most parts
    that are spelt out. An entry with fewer parts stands for all codes that begin so.
    """
    exact = _most_bound(catalog.errors.get(code, ()), exchange)
    if exact is not None:
        return exact
    parts = code.split("/")
    shorter = ("/".join(parts[:n]) for n in range(1, min(len(parts), catalog.most_parts + 1)))
    candidates = [entry for each in shorter for entry in catalog.errors.get(each, ())]
    candidates += catalog.wildcards.matching(parts)
    ranks = sorted({_rank(entry) for entry in candidates}, reverse=True)
    for rank in ranks:
        entry = _most_bound((e for e in candidates if _rank(e) == rank), exchange)
        if entry is not None:
            return entry
    return None


def _rank(entry: Entry) -> tuple[int, int]:
    """Return how exact a code is: its parts that are spelt out, then all its parts."""
    pattern = (entry.code or "").split("/")
    return sum(part != "*" for part in pattern), len(pattern)


def _by_status(exchange: Exchange, catalog: Catalog, generic: Catalog) -> Entry | None:
    for each in (catalog, generic):
        entry = _most_bound(each.statuses.get(exchange.status, ()), exchange)
        if entry is not None:
            return entry
    return None


@lru_cache(maxsize=600)
def _by_class(status: int) -> Entry:
    server = status >= 500  # noqa: PLR2004 - RFC 9110 section 15.6
    client = status >= 400  # noqa: PLR2004
    return Entry(
        kind="status",
        name=f"status_{status}",
        status=status,
        policy="retry" if server else "fail_fast",
        meaning=_UNKNOWN_5XX if server else _UNKNOWN_4XX if client else _UNKNOWN_OK,
        advice="See the response's body, and the vendor's documentation.",
    )


def _most_bound(entries: Iterable[Entry], exchange: Exchange) -> Entry | None:
    fitting = [
        entry
        for entry in entries
        if entry.fits(status=exchange.status, method=exchange.method, endpoint=exchange.endpoint)
    ]
    if len(fitting) > 1:
        return max(fitting, key=lambda entry: len(entry.bindings))
    return fitting[0] if fitting else None
