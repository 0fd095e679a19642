"""What the library would do with a response: the pure functions of the core, put together."""

from urllib.parse import urlsplit

import attrs
from multidict import CIMultiDict

from resilient.catalog import Catalog, Entry
from resilient.config.build import one_service
from resilient.config.service import Service
from resilient.core.classify import classify, recognise
from resilient.core.decide import decide, marks
from resilient.core.endpoints import match_host
from resilient.core.hints import Hearing
from resilient.core.retry_after import retry_after
from resilient.errors import ConfigError
from resilient.explanation import ExplainedError, Explanation, Hold, Range
from resilient.model import Attempt, Block, Exchange, Failure, Found, Hint, Pause, Raise, Resend
from resilient.policy import Policy
from resilient.raising import BY_ACTION
from resilient.recognition import AnyHeaders, endpoint_of, exchange_of

HOLDING = ("back_off", "block_warning")
"""The actions that hold a scope."""


def bare_service(catalog: Catalog) -> Service:
    """Return a catalog as a service with nothing configured.

    Raises:
        ConfigError: It uses policies that are not in the default set.
    """
    plain = one_service("http")
    unknown = {each.policy for each in catalog.entries} - {*plain.policies, "none"}
    if unknown:
        raise ConfigError(
            f"the catalog {catalog.name!r} uses policies of your own "
            f"({', '.join(sorted(unknown))}): say which configuration has them, and its service"
        )
    return attrs.evolve(plain, name=catalog.name, catalog=catalog, hosts=catalog.hosts)


def explain(
    service: Service,
    *,
    status: int,
    method: str = "GET",
    url: str | None = None,
    headers: AnyHeaders = (),
    body: bytes | str = b"",
    complete: bool = True,
    now: float,
) -> Explanation:
    """Return what the library would do with a response.

    Args:
        service: With its catalog and policies.
        status: The HTTP status.
        method: The request's, in any case.
        url: The request's, or its path alone.
        headers: The response's.
        body: What was read of the response's body.
        complete: Whether that is all of it.
        now: Seconds since the epoch, for a Retry-After that is a date.
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
    plain = Explanation(
        catalog=service.catalog.name,
        revision=service.catalog.revision,
        status=status,
        retry_after=retry_after(exchange.headers, now=now),
        service=service.name,
        mode=service.mode,
        on_error=service.on_error,
        method=exchange.method,
        endpoint=exchange.endpoint,
        idempotent=service.is_idempotent(
            exchange.method, endpoint_of(service, exchange.method, url)
        ),
        host_known=_host_known(service, url),
        answers=_answers(service, exchange),
        truncated=not complete,
        hints=_hints(service, exchange, now),
    )
    return plain if failure is None else _decided(plain, service, failure)


def _hints(service: Service, exchange: Exchange, now: float) -> tuple[Hint, ...]:
    hearing = Hearing.of(service.catalog, service.generic)
    return hearing.hints(CIMultiDict(exchange.headers), now=now) if service.adaptive else ()


def _answers(service: Service, exchange: Exchange) -> tuple[Entry, ...]:
    found = recognise(exchange, service.catalog, service.generic)
    answers = (each.entry for each in found if each.entry.policy == "none")
    return tuple(dict.fromkeys(answers))


def _decided(plain: Explanation, service: Service, failure: Failure) -> Explanation:
    policy = service.policies[failure.entry.policy]
    attempt = Attempt(number=1, idempotent=plain.idempotent, refreshable=True)
    verdict = decide(failure, policy, attempt, 0.5)
    skipped = None if isinstance(verdict, Resend) else verdict.skipped
    holds = _holds(service, failure)
    is_held = policy.action in HOLDING
    return attrs.evolve(
        plain,
        policy=policy.name,
        action=policy.action,
        errors=tuple(_error(each, service) for each in failure.found),
        scope=failure.scope if is_held else None,
        processed=failure.processed,
        resend=not isinstance(verdict, Raise) and skipped is None,
        retry_skipped=skipped,
        exception=BY_ACTION[policy.action],
        unmapped=tuple(dict.fromkeys(failure.unmapped)),
        attempts=policy.attempts if policy.action in ("retry", "back_off") else None,
        # Of all that is held, what decides stands first.
        delay=holds[0].seconds if is_held else _resent_after(failure, policy, attempt),
        holds=holds,
    )


def _error(found: Found, service: Service) -> ExplainedError:
    entry, action = found.entry, service.policies[found.entry.policy].action
    return ExplainedError(
        code=entry.code if found.mapped else found.code,
        name=entry.name,
        policy=entry.policy,
        meaning=entry.meaning,
        advice=entry.advice,
        kind=entry.kind,
        reported=found.code,
        message=found.message,
        action=action,
        scope=service.catalog.scope_of(entry) if action in HOLDING else None,
        http_status=entry.http_status,
        wait=entry.wait,
        support=entry.support,
        mapped=found.mapped,
    )


def _holds(service: Service, failure: Failure) -> tuple[Hold, ...]:
    """Return what is held, the most severe first."""
    least, most = (marks(failure, service.catalog, service.policies, u) for u in (0.0, 1.0))
    blocks = (
        Hold(kind="block", scope=each.scope, seconds=_cool_down(each))
        for each in least
        if isinstance(each, Block)
    )
    pauses = (
        Hold(kind="pause", scope=one.scope, seconds=_range(one.seconds, other.seconds))
        for one, other in zip(least, most, strict=True)
        if isinstance(one, Pause) and isinstance(other, Pause)
    )
    return (*blocks, *pauses)


def _cool_down(block: Block) -> Range | None:
    asked = block.asked or 0.0
    return None if block.base is None else _range(max(block.base, asked), max(block.cap, asked))


def _resent_after(failure: Failure, policy: Policy, attempt: Attempt) -> Range | None:
    verdicts = [decide(failure, policy, attempt, u) for u in (0.0, 1.0)]
    delays = [each.delay for each in verdicts if isinstance(each, Resend)]
    return _range(min(delays), max(delays)) if delays else None


def _range(least: float, most: float) -> Range:
    return round(least, 3), round(most, 3)


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
