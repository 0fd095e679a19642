from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import resilient
from resilient.catalog import Catalog, Endpoint, HintRule, Limit
from resilient.config.build_catalog import load_catalog

HEAD = "catalog: mine\nsource: {document: d, read: 2026-11-22}\n"


def catalog(keys: str, tmp_path: Path) -> Catalog:
    """Return the catalog of a file."""
    file = tmp_path / "mine.yaml"
    file.write_text(HEAD + keys, "utf-8")
    return load_catalog(file)


@pytest.fixture
def faults(tmp_path: Path) -> Callable[[str], list[str]]:
    """Return the faults of a catalog file; what is written begins in line 3."""

    def found(keys: str) -> list[str]:
        with pytest.raises(resilient.ConfigError) as caught:
            catalog(keys, tmp_path)
        return str(caught.value).replace(f"{tmp_path}/", "").splitlines()

    return found


def test_the_least(tmp_path: Path) -> None:
    """A name and a source are enough: all else is empty."""
    found = catalog("", tmp_path)
    assert ("mine", "2026-11-22", ()) == (found.name, found.source.read, found.entries)
    assert "host" == found.default_scope


FULL = """\
title: Mine
revision: 7
hosts: [api.x.ru, '*.y.ru']
endpoints:
  '/{lang}/api/{endpoint}': '{endpoint}'
  'POST /send': {name: send, idempotent: false}
credential:
  kind: oauth2
  fields: [{name: Authorization, in: header, prefix: 'Bearer '}, {name: k, in: [query, form]}]
  token: {url: /token, encoding: json, send: [refresh_token]}
envelopes:
  - {name: e, format: json, status: [2xx, 404], when: error, code: [a.b, a.c], message: m}
limits:
  calls: {rate: 1200/min, per: [credential, ip]}
  both: {rate: 7/s, per: credential+ip, endpoint: send, burst: 2}
hints:
  calls: {limit: X-Limit, remaining: X-Left, reset: X-Reset}
  any: [{used: X-Used, reset: X-Reset, unit: ms}, {remaining: x-left, reset: x-reset}]
ban: {after: 3, within: 1m}
errors:
  "110":
    - {status: [401, 403], policy: reauth}
    - {method: POST, endpoint: send, policy: retry}
    - {policy: fail_fast, wait: 1d, support: true, envelope: e}
  a: retry
statuses:
  429: {policy: back_off, scope: ip}
texts:
  - {match: 'no * letters', name: letters, policy: none}
"""


def test_everything(tmp_path: Path) -> None:
    """Each key of the shape arrives where it belongs."""
    found = catalog(FULL, tmp_path)
    assert ("Mine", 7, ("api.x.ru", "*.y.ru")) == (found.title, found.revision, found.hosts)
    assert (
        Endpoint(template="/{lang}/api/{endpoint}", name="{endpoint}"),
        Endpoint(method="POST", template="/send", name="send", idempotent=False),
    ) == found.endpoints
    assert found.credential is not None
    assert found.credential.token is not None
    assert ("/token", "json", ("refresh_token",)) == (
        found.credential.token.url,
        found.credential.token.encoding,
        found.credential.token.send,
    )
    assert [("header",), ("query", "form")] == [each.places for each in found.credential.fields]
    (envelope,) = found.envelopes
    assert (("2xx", "404"), ("a.b", "a.c")) == (envelope.statuses, envelope.code)
    both = Limit(
        name="both", calls=7, period=1.0, per=(("credential", "ip"),), endpoint="send", burst=2
    )
    assert both == found.limits[1]
    bound = [(each.status, each.method, each.endpoint) for each in found.errors["110"]]
    assert [(401, None, None), (403, None, None), (None, "POST", "send"), (None,) * 3] == bound
    assert (86400.0, True, "e") == (
        found.errors["110"][3].wait,
        found.errors["110"][3].support,
        found.errors["110"][3].envelope,
    )
    assert ("a", "retry") == (found.errors["a"][0].name, found.errors["a"][0].policy)
    assert ("status_429", "ip") == (found.statuses[429][0].name, found.statuses[429][0].scope)
    assert ("text", "letters") == (found.texts[0].kind, found.texts[0].name)
    assert (
        HintRule(limit="calls", calls="X-Limit", remaining="X-Left", reset="X-Reset"),
        HintRule(used="X-Used", reset="X-Reset", milliseconds=True),
        HintRule(remaining="x-left", reset="x-reset"),
    ) == found.hints


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ("hosts: 5/", "mine.yaml:3:8: found '5/', expected a host name"),
        ("revision: 0", "mine.yaml:3:11: found 0, expected at least 1"),
        ("errors: {x: []}", "mine.yaml:3:13: expected a policy, or an entry with its keys"),
        ("texts: [retry]", "mine.yaml:3:9: the key 'match' is missing"),
        (
            "credential: {kind: api_key, fields: [{name: a, in: []}]}",
            "mine.yaml:3:52: expected at least one place",
        ),
        (
            "envelopes: [{format: json, code: x, status: []}]",
            "mine.yaml:3:45: expected at least one status",
        ),
        ("endpoints: {vacancies: x}", "mine.yaml:3:13: 'vacancies' is no template"),
        ("endpoints: {'post /x': x}", "mine.yaml:3:13: 'post /x' is no template"),
        ("endpoints: {'/x': '{y}'}", "mine.yaml:3:19: the name uses y, which the template"),
        ("endpoints: {'/x': {name: x, idempotent: no}}", "found 'no', expected true or false"),
        (
            "credential: {kind: api_key, fields: []}",
            "mine.yaml:3:37: a credential needs a field to be put in",
        ),
        (
            "credential: {kind: bearer, fields: [{name: a, in: header}], login: {url: x, session: y}}",  # noqa: E501
            "mine.yaml:3:61: 'login' goes with kind session, not bearer",
        ),
        ("credential: {kind: basic, fields: []}", "found 'basic', expected 'api_key' or"),
        (
            "credential: {kind: api_key, fields: [{name: a, in: cookie}]}",
            "found 'cookie', expected",
        ),
        ("credential: {kind: api_key, fields: [{name: a}]}", "the key 'in' is missing"),
        ("envelopes: [{format: json}]", "mine.yaml:3:13: a json envelope needs 'code' or 'when'"),
        ("envelopes: [{format: html, code: x}]", "mine.yaml:3:13: a html envelope has no paths"),
        ("envelopes: [{format: yaml, code: x}]", "found 'yaml', expected 'json' or"),
        (
            "envelopes: [{format: json, code: x, status: 6xx}]",
            "found '6xx', expected a status such",
        ),
        ("errors: {a: {policy: retry, envelope: e}}", "mine.yaml:3:39: there is no envelope 'e'"),
        ("errors: {a: {policy: fail_fest}}", "did you mean 'fail_fast'?"),
        ("errors: {a: {policy: retry, endpoint: x}}", "mine.yaml:3:39: no endpoint is called 'x'"),
        (
            "errors: {a: [{policy: retry}, {policy: none}]}",
            "mine.yaml:3:10: two variants fit the same response",
        ),
        (
            "errors: {a: [{status: 400, policy: retry}, {method: GET, policy: none}]}",
            "two variants fit the same response: status 400 and method GET; bind one of them",
        ),
        ("statuses: {429: {policy: retry, status: 429}}", "has its status already"),
        ("texts: [{match: '*', policy: retry}]", "mine.yaml:3:17: '*' fits every text"),
        ("texts: [{policy: retry}]", "mine.yaml:3:9: the key 'match' is missing"),
        ("limits: {a: {rate: 5/s, burst: 6}}", "a burst of 6 is above the limit's 5 calls"),
        ("limits: {a: {rate: 5/s, endpoint: x}}", "mine.yaml:3:35: no endpoint is called 'x'"),
        ("limits: {a: {rate: 5/s, per: []}}", "expected at least one scope"),
        ("limits: {a: {per: ip}}", "mine.yaml:3:13: the key 'rate' is missing"),
        ("ban: {after: 1, within: 1m}", "found 1, expected at least 2 refusals"),
        ("revision: one", "found 'one', expected a whole number"),
        (
            "limits: {calls: {rate: 5/s}}\nhints: {call: {remaining: X}}",
            "mine.yaml:4:9: there is no limit 'call'; did you mean 'calls'?",
        ),
        ("hints: {minute: {used: X}}", "there is no limit 'minute'; 'any' means all limits of a"),
        ("hints: {any: {remaining: X}}", "mine.yaml:3:14: 'any' needs the headers of 'remaining'"),
        ("hints: {any: {limit: X, reset: Y}}", "mine.yaml:3:14: 'any' needs the headers of"),
        (
            "limits: {calls: {rate: 5/s}}\nhints: {calls: [{used: X}, {reset: Y}]}",
            "mine.yaml:4:28: expected the header of 'remaining', 'used' or 'limit'",
        ),
        ("hints: {any: {remaining: X Y, reset: Z}}", "found 'X Y', expected a header's name"),
        ("hints: {any: {remaining: X, reset: Z, unit: h}}", "found 'h', expected 's' or 'ms'"),
    ],
)
def test_faults(faults: Callable[[str], list[str]], keys: str, fault: str) -> None:
    """What a catalog cannot be is told at its place."""
    assert any(fault in each for each in faults(keys)), faults(keys)


def test_endpoints_that_may_be_the_one(faults: Callable[[str], list[str]]) -> None:
    """Where the endpoints are no endpoints, one that an entry names is not called missing too."""
    (fault,) = faults("endpoints: 7\nerrors: {a: {policy: retry, endpoint: x}}")
    assert fault.startswith("mine.yaml:3:12: found '7'")


def test_limits_that_may_be_the_one(faults: Callable[[str], list[str]]) -> None:
    """Where a limit cannot be read, a hint of one that is not there may mean it."""
    (found,) = faults("limits: {call: {rate: often}}\nhints: {calls: {used: X}}")
    assert found.startswith("mine.yaml:3:23: found 'often'")


def test_variants_that_cannot_meet(tmp_path: Path) -> None:
    """Variants that no response fits at once are no tie."""
    found = catalog(
        "errors: {a: [{status: 400, policy: retry}, {status: 401, policy: none}, {policy: none}]}",
        tmp_path,
    )
    assert 3 == len(found.errors["a"])


def test_policies_of_the_user(tmp_path: Path) -> None:
    """A policy that no set of ours has is left to the service's."""
    assert "patiently" == catalog("errors: {a: patiently}", tmp_path).entries[0].policy


@pytest.mark.parametrize("name", ["Mine", "1x", "a b", "a/b", "м", "a" * 65])
def test_names(name: str) -> None:
    """A catalog's name is short and plain."""
    with pytest.raises(resilient.ConfigError, match="is no name: lower case letters"):
        load_catalog({"catalog": name, "source": {"document": "d", "read": "r"}})


def test_by_name_or_by_path(tmp_path: Path) -> None:
    """A shipped catalog goes by name, any other by path."""
    found: dict[str, Any] = {"hh": load_catalog("hh").name}
    (tmp_path / "hh.yaml").write_text(HEAD, "utf-8")
    found["path"] = load_catalog(str(tmp_path / "hh.yaml")).name
    assert {"hh": "hh", "path": "mine"} == found
    with pytest.raises(resilient.ConfigError, match="there is no catalog 'hhh'; did you mean 'hh'"):
        load_catalog("hhh")
