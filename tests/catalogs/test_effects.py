"""What an entry says beside its policy: a table from the pages."""

import pytest
import vendor_bodies as bodies

import resilient


@pytest.mark.parametrize(
    ("catalog", "status", "body", "scope"),
    [
        ("radist", 429, bodies.radist(429), "credential"),
        ("radist", 429, b"", "credential"),
        ("radist", 400, bodies.radist(17002), "endpoint"),
        ("dellin", 429, bodies.dellin(100005), "credential"),
        ("dellin", 401, bodies.dellin(101007), "credential"),
        ("unisender", 200, bodies.unisender("api_call_limit_exceeded_for_ip"), "ip"),
        ("unisender", 200, bodies.unisender("api_call_limit_exceeded_for_api_key"), "credential"),
        ("hh", 429, b"", "ip"),
        ("hh", 403, bodies.hh("captcha_required/x"), "credential"),
        ("amocrm", 403, bodies.page(403, "Forbidden"), "host"),
        ("amocrm", 429, bodies.page(429, "Too Many Requests"), "credential"),
        ("http", 429, b"", "host"),
    ],
)
def test_scope(catalog: str, status: int, body: bytes, scope: str) -> None:
    """A pause or a block holds what the vendor counts, and nobody else."""
    failure = resilient.classify(catalog, status=status, body=body)
    assert failure is not None
    assert scope == failure.scope


@pytest.mark.parametrize(
    ("catalog", "status", "body", "wait"),
    [
        ("hh", 429, bodies.hh("resumes/view_limit_exceeded"), 86400.0),
        ("hh", 403, bodies.hh_token("forbidden", "app token refresh too early"), 300.0),
        ("unisender", 200, bodies.unisender("too_many_double_optins"), 86400.0),
        ("unisender", 200, bodies.unisender("api_call_limit_exceeded_for_ip"), None),
    ],
)
def test_wait(catalog: str, status: int, body: bytes, wait: float | None) -> None:
    """A wait that a page gives is kept as a number."""
    failure = resilient.classify(catalog, status=status, body=body)
    assert failure is not None
    assert wait == failure.entry.wait


@pytest.mark.parametrize(
    ("catalog", "status", "body", "processed"),
    [
        ("unisender", 200, bodies.unisender("retry_later"), None),
        ("unisender", 200, bodies.unisender("api_call_limit_exceeded_for_ip"), False),
        ("dellin", 500, bodies.dellin(130001), None),
        ("dellin", 400, bodies.dellin(180016), None),
        ("dellin", 401, bodies.dellin(101004), False),
        ("hh", 503, bodies.hh("service_unavailable"), False),
        ("hh", 502, b"", None),
        ("amocrm", 400, bodies.amocrm_v2(203), None),
        ("amocrm", 504, b"", None),
        ("radist", 500, bodies.radist(500), None),
        ("http", 503, b"", None),
    ],
)
def test_processed(catalog: str, status: int, body: bytes, processed: bool | None) -> None:
    """Only what is known to have been refused before any work may be sent again as it is."""
    failure = resilient.classify(catalog, status=status, body=body)
    assert failure is not None
    assert processed is failure.processed


@pytest.mark.parametrize(
    ("catalog", "status", "body"),
    [
        ("radist", 500, bodies.radist(500)),
        ("radist", 503, b""),
        ("dellin", 403, bodies.dellin(100004)),
        ("dellin", 500, bodies.dellin(100006)),
        ("dellin", 400, bodies.dellin(130024)),
        ("hh", 400, bodies.hh_token("invalid_request", "account is locked")),
        ("amocrm", 403, bodies.amocrm_v2(403)),
    ],
)
def test_support(catalog: str, status: int, body: bytes) -> None:
    """Where a page says to turn to support, the entry says so."""
    failure = resilient.classify(catalog, status=status, body=body)
    assert failure is not None
    assert failure.entry.support
