"""`resilient.classify`: what a response from elsewhere reports, without a session or a server."""

from resilient.clock import Clock
from resilient.config.service import Service
from resilient.explain import AnyHeaders, classify_response
from resilient.model import Failure


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
        url: The request's, for what is bound to an endpoint.
        method: The request's.

    Raises:
        ConfigError: There is no such catalog.
    """
    if isinstance(catalog, str):
        from resilient.config.build import one_service  # noqa: PLC0415 - YAML only where wanted

        catalog = one_service(catalog)
    content = body.encode("utf-8", "replace") if isinstance(body, str) else body
    return classify_response(
        catalog,
        status=status,
        method=method,
        url=url,
        headers=headers,
        body=content,
        now=Clock().wall(),
    )
