"""What the library would do with a response: the pure functions of the core, put together.

Nothing is sent and nothing remembered: this is for people, for tests, and for code that has
its responses from elsewhere.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from resilient.catalog import Catalog, Endpoint, Entry
from resilient.config.service import Service
from resilient.core.classify import classify, find_code
from resilient.core.decide import decide, marks
from resilient.core.endpoints import Endpoints, match_endpoint, match_host
from resilient.core.envelope import read
from resilient.core.replay import is_idempotent
from resilient.core.retry_after import retry_after
from resilient.model import Attempt, Exchange, Failure, Found, Pause, Raise, Resend
from resilient.policy import Action, Policy

EXCEPTIONS: Mapping[Action, str] = {
    "retry": "Unavailable",
    "back_off": "RateLimited",
    "reauth": "AuthenticationFailed",
    "fail_fast": "ApiError",
    "block_warning": "Blocked",
}
"""What a call raises in the end, by the action that decided."""

HOLDING = ("back_off", "block_warning")
"""The actions that hold a scope."""

_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_BODYLESS = (204, 205, 304)
_WRITTEN_AS = {
    "json": ("json", "javascript", "text/plain", "text/html"),
    "xml": ("xml", "text/plain"),
    "text": ("text/plain",),
    "html": ("html",),
}

_DECIDED = (
    *("policy", "action", "errors", "scope", "processed", "retry_after", "resend"),
    *("retry_skipped", "exception", "unmapped", "attempts", "delay"),
)

AnyHeaders = Mapping[str, str] | Iterable[tuple[str, str]]
"""Response headers: a mapping, or pairs where a name may come twice."""


def classify_response(
    service: Service,
    *,
    status: int,
    method: str = "GET",
    url: str | None = None,
    headers: AnyHeaders = (),
    body: bytes = b"",
    now: float,
) -> Failure | None:
    """Return the failure that a response reports, or None: success, or an answer.

    Args:
        service: With its catalog and policies.
        status: The HTTP status.
        method: The request's, in any case.
        url: The request's, or its path alone; what only some endpoints report needs it.
        headers: The response's.
        body: What was read of the response's body.
        now: Seconds since the epoch, for a Retry-After that is a date.
    """
    exchange = exchange_of(
        service, status=status, method=method, url=url, headers=headers, body=body
    )
    return classify(exchange, service.catalog, service.generic, service.policies, now=now)


def exchange_of(
    service: Service,
    *,
    status: int,
    method: str = "GET",
    url: str | None = None,
    headers: AnyHeaders = (),
    body: bytes = b"",
    complete: bool = True,
) -> Exchange:
    """Return a response as an exchange, without a body that would not be looked into."""
    pairs = tuple(headers.items() if isinstance(headers, Mapping) else headers)
    kind = _header(pairs, "content-type")
    charset = _CHARSET.search(kind)
    endpoint = endpoint_of(service, method.upper(), url)
    return Exchange(
        method=method.upper(),
        endpoint=None if endpoint is None else endpoint.name,
        status=status,
        headers=pairs,
        body=body if is_read(service.catalog, method.upper(), status, kind) else b"",
        complete=complete,
        charset=charset and charset[1],
    )


def endpoint_of(service: Service, method: str, url: str | None) -> Endpoint | None:
    """Return the endpoint that a URL, or a path, belongs to."""
    if url is None:
        return None
    try:
        path = urlsplit(url).path
    except ValueError:
        return None
    return match_endpoint(_endpoints(service.catalog.endpoints), method, path)


@lru_cache(maxsize=32)
def _endpoints(endpoints: tuple[Endpoint, ...]) -> Endpoints:
    return Endpoints(endpoints)


def is_read(catalog: Catalog, method: str, status: int, content_type: str) -> bool:
    """Tell whether a body is looked into: a success only where the catalog expects errors.

    As `resilient.reading.wants_body`, but that an unknown content type fits.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if method == "HEAD" or status < 200 or status in _BODYLESS:  # noqa: PLR2004
        return False
    if kind == "text/event-stream":
        return False
    if status >= 400:  # noqa: PLR2004 - RFC 9110 section 15.5
        return True
    formats = {each.format for each in catalog.envelopes if each.comes_with(status)}
    return any(not kind or word in kind for each in formats for word in _WRITTEN_AS[each])


def _header(pairs: Iterable[tuple[str, str]], name: str) -> str:
    return next((value for key, value in pairs if key.lower() == name), "")


def explain(
    service: Service,
    *,
    status: int,
    method: str = "GET",
    url: str | None = None,
    headers: AnyHeaders = (),
    body: bytes = b"",
    complete: bool = True,
    now: float,
) -> dict[str, Any]:
    """Return what the library would do with a response, ready for JSON.

    It is told for a call's first attempt with a body that can be sent again, a credential
    that can be renewed, and no deadline. Arguments as in `classify_response`; `complete`
    tells whether `body` is all of the body.
    """
    exchange = exchange_of(
        service,
        status=status,
        method=method,
        url=url,
        headers=headers,
        body=body,
        complete=complete,
    )
    failure = classify(exchange, service.catalog, service.generic, service.policies, now=now)
    endpoint = endpoint_of(service, exchange.method, url)
    idempotent = _is_idempotent(service, exchange.method, endpoint)
    said = {
        "catalog": service.catalog.name,
        "revision": service.catalog.revision,
        "status": status,
        **_decided(service, failure, idempotent=idempotent),
    }
    said["retry_after"] = retry_after(exchange.headers, now=now)
    return said | {
        "service": service.name,
        "mode": service.mode,
        "on_error": service.on_error,
        "method": exchange.method,
        "endpoint": exchange.endpoint,
        "idempotent": idempotent,
        "host_known": _host_known(service, url),
        "answers": [
            {"code": each.code, "name": each.name, "meaning": each.meaning}
            for each in _answers(exchange, service)
        ],
        "truncated": not complete,
    }


def _is_idempotent(service: Service, method: str, endpoint: Endpoint | None) -> bool:
    if endpoint is None:
        return is_idempotent(method)
    return is_idempotent(method, service.idempotent.get(endpoint.name), endpoint.idempotent)


def _decided(service: Service, failure: Failure | None, *, idempotent: bool) -> dict[str, Any]:
    if failure is None:
        return dict.fromkeys(_DECIDED) | {"errors": [], "resend": False, "unmapped": []}
    policy = service.policies[failure.entry.policy]
    attempt = Attempt(number=1, idempotent=idempotent, refreshable=True)
    verdict = decide(failure, policy, attempt, 0.5)
    skipped = None if isinstance(verdict, Resend) else verdict.skipped
    return {
        "policy": policy.name,
        "action": policy.action,
        "errors": [_error(each, service) for each in failure.found],
        "scope": failure.scope if policy.action in HOLDING else None,
        "processed": failure.processed,
        "retry_after": failure.retry_after,
        "resend": not isinstance(verdict, Raise) and skipped is None,
        "retry_skipped": skipped,
        "exception": EXCEPTIONS[policy.action],
        "unmapped": list(dict.fromkeys(failure.unmapped)),
        "attempts": policy.attempts if policy.action in ("retry", "back_off") else None,
        "delay": _delay(service, failure, policy, attempt),
    }


def _error(found: Found, service: Service) -> dict[str, Any]:
    entry, policy = found.entry, service.policies[found.entry.policy]
    return {
        "code": entry.code if found.mapped else found.code,
        "name": entry.name,
        "policy": entry.policy,
        "meaning": entry.meaning,
        "advice": entry.advice,
        "kind": entry.kind,
        "reported": found.code,
        "message": found.message,
        "action": policy.action,
        "scope": service.catalog.scope_of(entry) if policy.action in HOLDING else None,
        "http_status": entry.http_status,
        "wait": entry.wait,
        "support": entry.support,
        "mapped": found.mapped,
    }


def _delay(
    service: Service, failure: Failure, policy: Policy, attempt: Attempt
) -> list[float] | None:
    """Return the least and the most seconds until something is sent again; None: never.

    Of a `back_off` it is the scope's pause, of a `block_warning` its cool-down.
    """
    if policy.action == "block_warning":
        cool = policy.cool_down
        asked = failure.retry_after if failure.retry_after is not None else failure.entry.wait
        return None if cool is None else [max(each, asked or 0.0) for each in (cool.base, cool.cap)]
    if policy.action == "back_off":
        left = (marks(failure, service.catalog, service.policies, u)[0] for u in (0.0, 1.0))
        return [round(mark.seconds, 3) for mark in left if isinstance(mark, Pause)]
    verdicts = [decide(failure, policy, attempt, u) for u in (0.0, 1.0)]
    delays = [round(each.delay, 3) for each in verdicts if isinstance(each, Resend)]
    return delays or None


def _answers(exchange: Exchange, service: Service) -> Iterator[Entry]:
    """Yield the entries that say: this looks like an error and is an answer."""
    catalog = service.catalog
    reading = read(
        catalog.envelopes, status=exchange.status, body=exchange.body, charset=exchange.charset
    )
    codes = [each.code for each in reading.errors if each.code]
    for code in codes:
        entry = find_code(code, catalog, exchange)
        if entry is not None and entry.policy == "none":
            yield entry
    # A status that the user says is an answer is one with any code.
    yield from (each for each in _bare_answer(exchange, catalog) if each.own or not codes)


def _bare_answer(exchange: Exchange, catalog: Catalog) -> Iterator[Entry]:
    found = [
        entry
        for entry in catalog.statuses.get(exchange.status, ())
        if entry.fits(status=exchange.status, method=exchange.method, endpoint=exchange.endpoint)
    ]
    best = max(found, key=lambda entry: len(entry.bindings), default=None)
    if best is not None and best.policy == "none":
        yield best


def _host_known(service: Service, url: str | None) -> bool | None:
    """Tell whether the service is meant at all; None where the URL names no host."""
    try:
        parts = urlsplit(url or "")
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    if host is None:
        return None
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return match_host(service.hosts, host, port or default)
