"""From the parts of a response, wherever they are from, to what it reports.

Nothing is sent and nothing remembered: this is for people, for tests, and for code that has
its responses from elsewhere.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from resilient.catalog import Endpoint
from resilient.clock import Clock
from resilient.config.service import Service
from resilient.core.classify import classify as _classify
from resilient.core.endpoints import Endpoints, match_endpoint
from resilient.core.envelope import wants_body
from resilient.model import Exchange, Failure

_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)

_STATUSES = range(100, 600)

AnyHeaders = Mapping[str, str] | Iterable[tuple[str, str]]
"""Response headers: a mapping, or pairs where a name may come twice."""


def classify(
    catalog: str | Service,
    *,
    status: int,
    headers: AnyHeaders = (),
    body: bytes | str = b"",
    url: str | None = None,
    method: str = "GET",
) -> Failure | None:
    """Return the failure that a response reports, or None: success, or an answer.

    Args:
        catalog: A shipped catalog's name, or a service of `resilient.load`.
        status: The HTTP status.
        headers: The response's.
        body: The response's; anything at all can be given.
        url: The request's, or its path, for what is bound to an endpoint.
        method: The request's.

    Raises:
        ConfigError: There is no such catalog.
        ValueError: The status is none.
        TypeError: An argument is of another type.
    """
    if isinstance(catalog, str):
        from resilient.config.build import one_service  # noqa: PLC0415 - YAML only where wanted

        catalog = one_service(catalog)
    exchange = exchange_of(
        catalog, status=status, method=method, url=url, headers=headers, body=body
    )
    now = Clock().wall()
    return _classify(exchange, catalog.catalog, catalog.generic, catalog.policies, now=now)


def exchange_of(
    service: Service,
    *,
    status: int,
    method: str = "GET",
    url: str | None = None,
    headers: AnyHeaders = (),
    body: bytes | str = b"",
    complete: bool = True,
) -> Exchange:
    """Return a response as an exchange, without a body that would not be looked into.

    Args:
        service: With its catalog.
        status: The HTTP status.
        method: The request's, in any case.
        url: The request's, or its path alone; what only some endpoints report needs it.
        headers: The response's.
        body: What was read of the response's body.
        complete: Whether that is all of it.

    Raises:
        ValueError: The status is none.
        TypeError: An argument is of another type.
    """
    _check(status, method, url, body)
    pairs = tuple(_pairs(headers))
    kind = next((value for name, value in pairs if name.lower() == "content-type"), "")
    charset = _CHARSET.search(kind)
    endpoint = endpoint_of(service, method, url)
    is_read = wants_body(
        service.catalog.envelopes,
        method=method.upper(),
        status=status,
        content_type=kind.partition(";")[0].strip().lower(),
    )
    content = body.encode("utf-8", "replace") if isinstance(body, str) else body
    return Exchange(
        method=method.upper(),
        endpoint=None if endpoint is None else endpoint.name,
        status=status,
        headers=pairs,
        body=content if is_read else b"",
        complete=complete,
        charset=charset and charset[1],
    )


def _check(status: object, method: object, url: object, body: object) -> None:
    _expect("status", status, int)
    if isinstance(status, bool) or status not in _STATUSES:
        raise ValueError(f"status: found {status}, expected an HTTP status, 100 to 599")
    _expect("method", method, str)
    if url is not None:
        _expect("url", url, str)
    _expect("body", body, bytes, str)


def _expect(name: str, value: object, *kinds: type) -> None:
    if not isinstance(value, kinds):
        wanted = " or ".join(each.__name__ for each in kinds)
        raise TypeError(f"{name}: found {_kind(value)}, expected {wanted}")


def _kind(value: object) -> str:
    # Not the value: it may be a whole body, or a credential.
    return f"a value of type {type(value).__name__}"


def _pairs(headers: AnyHeaders) -> Iterator[tuple[str, str]]:
    _expect("headers", headers, Iterable)
    for each in headers.items() if isinstance(headers, Mapping) else headers:
        match each:
            case (str(name), str(value)):
                yield name, value
            case (str(name), value):
                raise TypeError(f"headers: found {_kind(value)} for {name!r}, expected str")
            case _:
                raise TypeError("headers: expected a mapping of str to str, or pairs of str")


def endpoint_of(service: Service, method: str, url: str | None) -> Endpoint | None:
    """Return the endpoint that a URL, or a path, belongs to."""
    if url is None:
        return None
    try:
        path = urlsplit(url).path
    except ValueError:
        return None
    return match_endpoint(_endpoints(service.catalog.endpoints), method.upper(), path)


@lru_cache(maxsize=32)
def _endpoints(endpoints: tuple[Endpoint, ...]) -> Endpoints:
    return Endpoints(endpoints)
