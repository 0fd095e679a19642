from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import resilient
from resilient.catalog import Ban, Entry
from resilient.config.build import one_service
from resilient.config.service import Service

Faults = Callable[..., list[str]]

EXAMPLE = """\
# resilient.yaml
version: 1
services:
  mail:
    catalog: unisender              # a shipped one, or a path to yours
    policies: default               # a shipped set, a path, or a mapping in place
    mode: enforce
    hosts: ["127.0.0.1:8099"]       # instead of the catalog's
    credential: {env: UNISENDER_KEY}
    errors: {not_enough_money: block_warning}
    statuses: {404: none}
    endpoints: {getLists: {idempotent: true}}
    limits: {calls: {rate: 600/min, burst: 5}, sendEmail: off}
    share: 1/4
    timeout: 60s
    attempt_timeout: 10s
    on_error: raise
    max_queue: 10000
    report_wait: 1s
    egress: office-nat
store: memory
"""

Load = Callable[..., "resilient.Config"]


def service(catalog: str = "hh", **keys: Any) -> Service:
    """Return one service of a catalog."""
    return resilient.load({"services": {"a": {"catalog": catalog, **keys}}})["a"]


def only(entries: Mapping[Any, tuple[Entry, ...]], key: str | int) -> Entry:
    """Return the single entry of a code or status."""
    (entry,) = entries[key]
    return entry


def test_the_example(load: Load) -> None:
    """All keys of a service at once: each has its effect."""
    mail = load(EXAMPLE)["mail"]
    assert ("unisender", "enforce", "raise") == (mail.catalog.name, mail.mode, mail.on_error)
    assert (("127.0.0.1:8099",), True) == (mail.hosts, mail.own_hosts)
    assert "block_warning" == only(mail.catalog.errors, "not_enough_money").policy
    assert "none" == only(mail.catalog.statuses, 404).policy
    assert {"getLists": True} == mail.idempotent
    limits = {each.name: (each.calls, each.period, each.burst) for each in mail.catalog.limits}
    assert {"calls": (600, 60.0, 5), "exportContacts": (20, 60.0, None)} == limits
    assert (Fraction(1, 4), 60.0, 10.0) == (mail.share, mail.timeout, mail.attempt_timeout)
    assert (10000, 1.0, "office-nat") == (mail.max_queue, mail.report_wait, mail.egress)
    assert mail.secret is not None
    assert "UNISENDER_KEY" == mail.secret.env


def test_defaults() -> None:
    """A service of a catalog and nothing else is the catalog as shipped."""
    assert one_service("hh").catalog == service().catalog
    plain = service()
    assert (300.0, 60.0, "raise", "enforce") == (
        plain.timeout,
        plain.attempt_timeout,
        plain.on_error,
        plain.mode,
    )
    assert (Fraction(1), 10000, 1.0, False) == (
        plain.share,
        plain.max_queue,
        plain.report_wait,
        plain.own_hosts,
    )


def test_overrides_stay_with_their_service() -> None:
    """What one service overrides, another of the same catalog does not see."""
    config = resilient.load(
        {
            "services": {
                "a": {"catalog": "hh", "errors": {"not_found": "none"}, "limits": {"calls": "off"}},
                "b": {"catalog": "hh"},
            }
        }
    )
    assert "none" == only(config["a"].catalog.errors, "not_found").policy
    assert () == config["a"].catalog.limits
    assert one_service("hh").catalog == config["b"].catalog


def test_a_bare_policy_changes_nothing_else() -> None:
    """Of all variants of a code the policy is changed, and all else stays."""
    before = one_service("amocrm").catalog.errors["110"]
    after = service("amocrm", errors={"110": "fail_fast"}).catalog.errors["110"]
    assert ["fail_fast"] * 3 == [each.policy for each in after]
    assert [(e.endpoint, e.meaning) for e in before] == [(e.endpoint, e.meaning) for e in after]


def test_what_an_override_leaves_unsaid() -> None:
    """What an override does not say is as the catalog has it, the scope and the wait included."""
    code = "api_call_limit_exceeded_for_ip"
    own = {"policy": "back_off", "wait": "60s"}
    entry = only(service("unisender", errors={code: own}).catalog.errors, code)
    assert (60.0, "ip", False, code) == (entry.wait, entry.scope, entry.processed, entry.name)
    assert entry.meaning == only(one_service("unisender").catalog.errors, code).meaning
    all_said = {"policy": "retry", "scope": "host", "processed": True, "meaning": "m", "name": "n"}
    entry = only(service("unisender", errors={code: all_said}).catalog.errors, code)
    assert ("host", True, "m", "n") == (entry.scope, entry.processed, entry.meaning, entry.name)
    status = only(
        service("hh", statuses={404: {"policy": "none", "advice": "x"}}).catalog.statuses, 404
    )
    assert ("not_found_status", "x", "none") == (status.name, status.advice, status.policy)


def test_a_bound_override_leaves_the_others() -> None:
    """An override for one endpoint goes before the rest, and the rest stays."""
    own = {"policy": "retry", "endpoint": "leads"}
    after = service("amocrm", errors={"110": own}).catalog.errors["110"]
    assert ["leads", "token", "login", None] == [each.endpoint for each in after]
    same = service("amocrm", errors={"110": {**own, "endpoint": "token"}}).catalog.errors["110"]
    assert [("token", "retry"), ("login", "fail_fast"), (None, "reauth")] == [
        (each.endpoint, each.policy) for each in same
    ]
    assert "token_request_refused" == same[0].name


def test_an_unbound_override_stands_for_all() -> None:
    """An override without bindings replaces every variant."""
    own = {"policy": "retry", "advice": "x"}
    entry = only(service("amocrm", errors={"110": own}).catalog.errors, "110")
    assert ("retry", "x", "authorization_failed") == (entry.policy, entry.advice, entry.name)


def test_new_entries() -> None:
    """A code and a status that the catalog does not have are added."""
    found = service(errors={"new": {"policy": "retry", "processed": False}}, statuses={418: "none"})
    assert ("new", False) == (
        only(found.catalog.errors, "new").name,
        only(found.catalog.errors, "new").processed,
    )
    assert "status_418" == only(found.catalog.statuses, 418).name
    body = b'{"errors": [{"type": "new"}]}'
    failure = resilient.classify(found, status=400, body=body)
    assert failure is not None
    assert "retry" == failure.entry.policy
    assert resilient.classify(found, status=418) is None


def test_limits() -> None:
    """A limit is changed in part, switched off, or added; the rest of it stays."""
    changes = {
        "calls": {"rate": "600/min"},
        "sendEmail": "off",
        "mine": {"rate": "8000/day", "per": ["credential+ip", "host"], "endpoint": "getLists"},
        "exportContacts": {"burst": 2, "jitter": "1s"},
    }
    limits = {each.name: each for each in service("unisender", limits=changes).catalog.limits}
    assert {"calls", "mine", "exportContacts"} == limits.keys()
    assert (600, (("credential",), ("ip",))) == (limits["calls"].calls, limits["calls"].per)
    assert (8000, 86400.0) == (limits["mine"].calls, limits["mine"].period)
    assert (("credential", "ip"), ("host",)) == limits["mine"].per
    assert "getLists" == limits["mine"].endpoint
    kept = limits["exportContacts"]
    assert (20, 2, 1.0, "exportContacts") == (kept.calls, kept.burst, kept.jitter, kept.endpoint)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, Ban(after=3, within=60.0)),
        ({"ban": "off"}, None),
        ({"ban": {"after": 5, "within": "2m"}}, Ban(after=5, within=120.0)),
        (
            {"ban": {"after": 2, "within": 10, "in_flight": "strict"}},
            Ban(after=2, within=10.0, strict=True),
        ),
    ],
)
def test_bans(keys: dict[str, Any], expected: Ban | None) -> None:
    """A ban rule is the catalog's, the service's own, or off."""
    assert expected == service("radist", **keys).catalog.ban


def test_hosts() -> None:
    """Hosts of the service replace the catalog's, in lower case."""
    found = service(hosts=["API.example.com", "*.x.ru:8443", "[::1]:80"])
    assert ("api.example.com", "*.x.ru:8443", "[::1]:80") == found.hosts
    assert service("http", hosts="localhost:1").own_hosts


def test_a_missing_service() -> None:
    """A name that is not there is told with those that are."""
    with pytest.raises(resilient.ConfigError, match="there is no service 'b'; there are a"):
        resilient.load({"services": {"a": {"catalog": "hh"}}})["b"]


def test_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: Load) -> None:
    """A credential is read from where it is written, beside the configuration, and never shown."""
    monkeypatch.setenv("HH_TOKEN", " s3cret\n")
    (tmp_path / "token").write_text("f1le\n")
    config = load(
        "services: {a: {catalog: hh, credential: {env: HH_TOKEN}},"
        " b: {catalog: hh, credential: {file: token}},"
        " c: {catalog: hh, credential: {env: HH_NONE}},"
        " d: {catalog: hh, credential: {file: none}},"
        ' e: {catalog: hh, credential: {file: "a\\0b"}}}'
    )
    secrets = {each.name: each.secret for each in config.services}
    assert all(secrets.values())
    read = {name: secret.read for name, secret in secrets.items() if secret is not None}
    assert ("s3cret", "f1le") == (read["a"](), read["b"]())
    assert "s3cret" not in repr(config)
    for name in "cde":
        with pytest.raises(
            resilient.ConfigError, match=r"HH_NONE holds no credential|none: No such|null"
        ):
            read[name]()


def test_what_stands_beside_no_catalog(faults: Faults) -> None:
    """Where there is no catalog, what a service itself says is checked all the same."""
    keys = """catalog: '', errors: {x: retri, y: {policy: retry, endpoint: any}},
        limits: {a: {burst: -7}, b: {rate: 5/s, burst: 9}, c: off}, ban: {after: 1, within: 1m}"""
    assert [
        "c.yaml:1:25: found the text '', expected text that is not empty",
        "c.yaml:1:41: there is no policy 'retri'; did you mean 'retry'?",
        "c.yaml:2:29: a burst of -7: at least one call must go",
        "c.yaml:2:56: a burst of 9 is above the limit's 5 calls",
        "c.yaml:2:82: found 1, expected at least 2 refusals",
    ] == [each.partition(" in a row")[0] for each in faults(f"services: {{a: {{{keys}}}}}")]
