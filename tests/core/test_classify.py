from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.catalog import Catalog
from resilient.config import resources
from resilient.config.build import one_service
from resilient.config.build_catalog import load_catalog, shipped
from resilient.config.build_policies import shipped_policies
from resilient.core.classify import classify
from resilient.model import Exchange, Failure

POLICIES = shipped_policies("default")


def catalog(**keys: object) -> Catalog:
    """Return a catalog of a vendor that answers with `{"codes": [...], "text": ...}`."""
    envelope = {"format": "json", "status": ["2xx", "4xx", "5xx"], "code": "codes[]"}
    base = {"catalog": "mine", "source": {"document": "d", "read": "r"}}
    fields = [{"name": "key", "in": "header"}]
    given_ = {
        "envelopes": [envelope | {"message": "text"}, {"format": "html", "status": [403]}],
        "credential": {"kind": "api_key", "fields": fields},
        "endpoints": {"/send": "send", "/read": "read"},
    }
    return load_catalog(base | given_ | keys)


def classified(
    found: Catalog,
    status: int = 400,
    body: bytes = b"",
    *,
    method: str = "GET",
    endpoint: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Failure | None:
    """Return the failure of a response."""
    exchange = Exchange(
        method=method,
        endpoint=endpoint,
        status=status,
        headers=tuple((headers or {}).items()),
        body=body,
    )
    return classify(exchange, found, shipped("http"), POLICIES, now=0.0)


def names(failure: Failure | None) -> list[str]:
    """Return the names of the entries found, the one that decides first."""
    return [] if failure is None else [each.entry.name for each in failure.found]


ORDER: dict[str, Any] = {
    "errors": {"a": {"name": "by_code", "policy": "fail_fast"}},
    "statuses": {400: {"name": "by_status", "policy": "fail_fast"}},
    "texts": [{"name": "by_text", "match": "special", "policy": "fail_fast"}],
}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, b'{"codes": ["a"], "text": "something special"}', ["by_text"]),
        (400, b'{"codes": ["a"], "text": "something"}', ["by_code"]),
        (400, b'{"codes": ["b"], "text": "something"}', ["by_status"]),
        (400, b'{"text": "something"}', ["by_status"]),
        (400, b"something special", ["by_text"]),
        (400, b"", ["by_status"]),
        (404, b'{"codes": ["b"]}', ["Not Found"]),
        (404, b"", ["Not Found"]),
        (418, b'{"codes": ["b"]}', ["status_418"]),
        (418, b"", ["status_418"]),
        (599, b"", ["status_599"]),
        (200, b'{"codes": ["a"]}', ["by_code"]),
        (200, b'{"codes": ["b"]}', ["status_200"]),
        (302, b'{"codes": ["b"]}', []),
        (200, b'{"text": "something special"}', []),
        (200, b"something special", ["by_text"]),
        (200, b"{}", []),
        (200, b"", []),
        (204, b"", []),
        (304, b"", []),
        (101, b"", []),
    ],
)
def test_order(status: int, body: bytes, expected: list[str]) -> None:
    """Text, then code, then status here, then in `http`, then its class; a success is none."""
    assert expected == names(classified(catalog(**ORDER), status, body))


@pytest.mark.parametrize(
    ("status", "body", "policy"),
    [
        (418, b"", "fail_fast"),
        (599, b"", "retry"),
        (200, b'{"codes": ["new"]}', "fail_fast"),
        (401, b"", "reauth"),
        (429, b"", "back_off"),
        (503, b"", "retry"),
    ],
)
def test_classes(status: int, body: bytes, policy: str) -> None:
    """An undocumented 4xx fails fast, a 5xx is tried again, an error in a success fails fast."""
    failure = classified(catalog(), status, body)
    assert failure is not None
    assert policy == failure.entry.policy


VARIANTS: dict[str, Any] = {
    "errors": {
        "a": [
            {
                "name": "three",
                "status": 401,
                "method": "POST",
                "endpoint": "send",
                "policy": "retry",
            },
            {"name": "status_endpoint", "status": 401, "endpoint": "send", "policy": "retry"},
            {"name": "endpoint", "endpoint": "read", "policy": "retry"},
            {"name": "method", "method": "POST", "endpoint": "read", "policy": "retry"},
            {"name": "unbound", "policy": "retry"},
        ]
    }
}


@pytest.mark.parametrize(
    ("status", "method", "endpoint", "expected"),
    [
        (401, "POST", "send", "three"),
        (401, "GET", "send", "status_endpoint"),
        (400, "POST", "send", "unbound"),
        (400, "GET", "read", "endpoint"),
        (400, "POST", "read", "method"),
        (400, "GET", None, "unbound"),
    ],
)
def test_variants(status: int, method: str, endpoint: str | None, expected: str) -> None:
    """Of the variants of a code the one with the most bindings that hold is meant."""
    body = b'{"codes": ["a"]}'
    found = classified(catalog(**VARIANTS), status, body, method=method, endpoint=endpoint)
    assert [expected] == names(found)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("a/b/c", "abc"),
        ("a/x/c", "a*c"),
        ("a/b/x", "a/b"),
        ("a/b", "a/b"),
        ("a/x", "a/*"),
        ("a/x/y", "a/*"),
        ("a", "a/*"),
        ("b", "b"),
        ("b/x/y", "b"),
        ("x/z", "*/z"),
        ("c", "status_418"),
        ("/", "status_418"),
        ("a/", "a/*"),
    ],
)
def test_wildcards(code: str, expected: str) -> None:
    """Spelt-out parts go before `*`; a shorter code stands for all that begin so."""
    written = {"a/b/c": "abc", "a/*/c": "a*c", "a/b": "a/b", "a/*": "a/*", "b": "b", "*/z": "*/z"}
    errors = {key: {"name": name, "policy": "retry"} for key, name in written.items()}
    found = classified(catalog(errors=errors), 418, b'{"codes": ["%s"]}' % code.encode())
    assert [expected] == names(found)


SEVERAL = {name: {"policy": name} for name in ("block_warning", "fail_fast", "reauth", "back_off")}
SEVERAL |= {"retry": {"policy": "retry"}, "none": {"policy": "none"}}


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (["retry", "back_off"], ["back_off", "retry"]),
        (["back_off", "reauth"], ["reauth", "back_off"]),
        (["reauth", "fail_fast"], ["fail_fast", "reauth"]),
        (["fail_fast", "block_warning"], ["block_warning", "fail_fast"]),
        (["none", "retry"], ["retry"]),
        (["none"], []),
        (["retry", "unknown"], ["Bad Request", "retry"]),
    ],
)
def test_the_most_severe_decides(codes: list[str], expected: list[str]) -> None:
    """Of several errors the most severe decides; all are kept, but for what is no failure."""
    body = ('{"codes": ["' + '","'.join(codes) + '"]}').encode()
    assert expected == names(classified(catalog(errors=SEVERAL), 400, body))


def test_own_policies_have_their_actions_place() -> None:
    """A policy of the user's is as severe as its action."""
    service = one_service("http")
    slow = POLICIES["retry"].__class__(name="slowly", action="back_off")
    found = catalog(errors={"a": {"policy": "slowly"}, "b": {"policy": "retry"}})
    exchange = Exchange(method="GET", status=400, body=b'{"codes": ["b", "a"]}')
    policies = {**POLICIES, "slowly": slow}
    assert ["a", "b"] == names(classify(exchange, found, service.catalog, policies, now=0.0))


def test_unknown_codes_are_told() -> None:
    """A code that the catalog does not know is reported, whatever the status makes of it."""
    failure = classified(catalog(errors=SEVERAL), 429, b'{"codes": ["new", "retry"]}')
    assert failure is not None
    assert ("back_off", "new", ("new",)) == (failure.entry.policy, failure.code, failure.unmapped)


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ((False,), False),
        ((True,), True),
        ((None,), None),
        ((False, None), None),
        ((False, True), True),
    ],
)
def test_processed(given_: tuple[bool | None, ...], expected: bool | None) -> None:
    """A response says that nothing was processed only if all its errors do."""
    errors = {f"c{i}": {"policy": "retry", "processed": each} for i, each in enumerate(given_)}
    body = ('{"codes": ["' + '","'.join(errors) + '"]}').encode()
    failure = classified(catalog(errors=errors), 400, body)
    assert failure is not None
    assert expected is failure.processed


def test_a_text_bound_to_a_code() -> None:
    """A text with a code is looked for only beside that code."""
    found = catalog(texts=[{"match": "special", "code": "a", "name": "t", "policy": "retry"}])
    assert ["t"] == names(classified(found, 400, b'{"codes": ["a"], "text": "special"}'))
    assert ["Bad Request"] == names(classified(found, 400, b'{"codes": ["b"], "text": "special"}'))
    assert ["Bad Request"] == names(classified(found, 400, b"special"))


def test_what_the_server_asks_for() -> None:
    """Retry-After goes with the failure, and the scope is the entry's or the catalog's."""
    found = catalog(errors={"a": {"policy": "back_off", "scope": "ip"}})
    failure = classified(found, 429, b'{"codes": ["a"]}', headers={"retry-after": "7"})
    assert failure is not None
    assert (7.0, "ip") == (failure.retry_after, failure.scope)
    bare = classified(catalog(), 429)
    assert bare is not None
    assert (None, "host") == (bare.retry_after, bare.scope)


@given(
    st.sampled_from(resources.names("catalogs")),
    st.integers(100, 599),
    st.binary(max_size=200),
    st.none() | st.text(max_size=10),
    st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=3),
)
def test_nothing_makes_it_fail(
    name: str, status: int, body: bytes, charset: str | None, headers: list[tuple[str, str]]
) -> None:
    """Any response is a success or a failure with an entry, for every shipped catalog."""
    service = one_service(name)
    exchange = Exchange(
        method="POST", status=status, headers=headers, body=body, charset=charset, endpoint="x"
    )
    failure = classify(exchange, service.catalog, service.generic, service.policies, now=0.0)
    assert failure is None or failure.entry.policy in service.policies
    assert failure is not None or status < 400 or status == 404


@pytest.mark.parametrize(("endpoint", "expected"), [("send", ["sub"]), ("read", ["whole"])])
def test_a_less_exact_code_stands_in(endpoint: str, expected: list[str]) -> None:
    """Where the most exact code is bound to another request, the next exact one counts."""
    sub = {"name": "sub", "policy": "fail_fast", "endpoint": "send"}
    found = catalog(errors={"a/b": sub, "a": {"name": "whole", "policy": "fail_fast"}})
    body = b'{"codes": ["a/b/c"]}'
    assert expected == names(classified(found, body=body, endpoint=endpoint))
