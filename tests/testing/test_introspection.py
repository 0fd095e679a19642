from pathlib import Path
from typing import Any

import attrs
import pytest

import resilient
from resilient.testing import Emulator, Explanation, explain

CONFIG = {
    "services": {
        "mail": {"catalog": "unisender", "errors": {"not_enough_money": "block_warning"}},
        "jobs": {"catalog": "hh", "statuses": {404: "none"}, "on_error": "return"},
    }
}
NO_MONEY = '{"error": "empty", "code": "not_enough_money"}'
CATALOG = """
catalog: mine
source: {document: made for this test, read: 2026-11-22}
credential: {kind: api_key, fields: [{name: key, in: query}]}
envelopes: [{format: json, code: "errors[].code"}]
statuses: {500: patience}
errors:
  slow: {policy: back_off, scope: ip}
  banned: block_warning
"""
PATIENCE = "{patience: {action: retry, attempts: 9, delay: {base: 1h, cap: 1h}}}"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A configuration whose catalog and policy are the user's own."""
    tmp_path.joinpath("mine.yaml").write_text(CATALOG, "utf-8")
    file = tmp_path / "resilient.yaml"
    service = f"{{catalog: mine.yaml, hosts: [x.example], policies: {PATIENCE}}}"
    file.write_text(f"services:\n  own: {service}\n", "utf-8")
    return file


def test_a_catalog_by_name() -> None:
    """A shipped catalog needs nothing else: the reaction is that of the default policies."""
    told = explain("unisender", body=NO_MONEY)
    assert ("fail_fast", "fail_fast", resilient.ApiError) == (
        told.policy,
        told.action,
        told.exception,
    )
    (error,) = told.errors
    assert ("not_enough_money", "empty") == (error.code, error.message)
    assert (False, None, ()) == (told.resend, told.delay, told.holds)


@pytest.mark.parametrize("make", [dict, resilient.load])
def test_a_configuration(make: Any) -> None:
    """What a user overrides counts: loaded, or as the mapping that would be."""
    config = make(CONFIG)
    money = explain(config, "mail", body=NO_MONEY)
    assert ("block_warning", "credential", resilient.Blocked) == (
        money.policy,
        money.scope,
        money.exception,
    )
    missing = explain(config, "jobs", status=404)
    assert (None, "return") == (missing.policy, missing.on_error)
    assert [404] == [entry.status for entry in missing.answers]


def test_files_of_ones_own(own: Path) -> None:
    """A configuration, its service and its catalog come from files; all its words count."""
    told = explain(own, "own", status=500)
    assert ("patience", 9, (0.0, 3600.0)) == (told.policy, told.attempts, told.delay)
    assert told == explain(str(own), "own", status=500) == explain(resilient.load(own), status=500)
    assert told == explain(resilient.load(own)["own"], status=500)


def test_a_catalog_of_ones_own(own: Path) -> None:
    """A catalog by its path is explained alone, unless it needs a policy set of its own."""
    with pytest.raises(resilient.ConfigError, match=r"policies of your own \(patience\)"):
        explain(own.with_name("mine.yaml"), status=500)
    plain = own.with_name("plain.yaml")
    plain.write_text(CATALOG.replace("patience", "retry"), "utf-8")
    assert "retry" == explain(str(plain), status=500).policy


@pytest.mark.parametrize(
    ("config", "service", "words"),
    [
        (CONFIG, "mial", "no service 'mial'; there are mail, jobs"),
        (CONFIG, None, "say which service is meant; there are mail, jobs"),
        ({"services": {}}, None, "there are none"),
        ("unisendr", None, "did you mean 'unisender'?"),
        ("no.yaml", "mail", "No such file"),
        ("hh", "jobs", "'hh' is a catalog and takes no service: omit 'jobs'"),
    ],
)
def test_what_is_not_there(config: Any, service: str | None, words: str) -> None:
    """A service, catalog or file that is not there is a ConfigError that says what is."""
    with pytest.raises(resilient.ConfigError) as caught:
        explain(config, service)
    assert words in str(caught.value)


def test_a_file_is_what_its_keys_say(own: Path) -> None:
    """A configuration's path needs no service where there is one; a catalog's path takes none."""
    assert explain(own, "own", status=500) == explain(own, status=500)
    with pytest.raises(resilient.ConfigError, match="is a catalog and takes no service"):
        explain(own.with_name("mine.yaml"), "own")


@pytest.mark.parametrize("status", [-1, 0, 99, 600, 1000, True])
def test_what_is_no_status(status: int) -> None:
    """A status that HTTP does not have is an error that names it."""
    with pytest.raises(ValueError, match=f"status: found {status}, expected an HTTP status"):
        explain("hh", status=status)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ({"status": "404"}, "status: found a value of type str, expected int"),
        ({"status": 404.0}, "status: found a value of type float, expected int"),
        ({"body": {"a": 1}}, "body: found a value of type dict, expected bytes or str"),
        ({"body": None}, "body: found a value of type NoneType, expected bytes or str"),
        ({"method": None}, "method: found a value of type NoneType, expected str"),
        ({"url": b"/"}, "url: found a value of type bytes, expected str"),
        ({"headers": None}, "headers: found a value of type NoneType, expected Iterable"),
        ({"headers": {"Retry-After": 30}}, "headers: found a value of type int for 'Retry-After'"),
        ({"headers": [(b"a", b"b")]}, "headers: expected a mapping of str to str, or pairs of str"),
        ({"headers": "Retry-After: 30"}, "headers: expected a mapping of str to str"),
    ],
)
def test_what_is_of_another_type(argument: Any, words: str) -> None:
    """An argument of another type is an error that names it, and not what it holds."""
    with pytest.raises(TypeError) as caught:
        explain("hh", **argument)
    assert str(caught.value).startswith(words)
    with pytest.raises(TypeError):
        resilient.classify("hh", **{"status": 200, **argument})


def test_every_error_of_a_response_holds_its_scope(own: Path) -> None:
    """Of several errors the most severe decides, and what all of them hold is told."""
    body = '{"errors": [{"code": "slow"}, {"code": "banned"}, {"code": "new"}]}'
    told = explain(own, "own", status=429, headers={"Retry-After": "7"}, body=body)
    assert ("block_warning", 7.0, ("new",)) == (told.policy, told.retry_after, told.unmapped)
    assert [
        ("block", "credential", (300.0, 21600.0)),
        ("pause", "ip", (7.0, 7.7)),
        ("pause", "host", (7.0, 7.7)),
    ] == [attrs.astuple(each) for each in told.holds]
    assert told.holds[0].seconds == told.delay


@pytest.mark.parametrize(
    ("method", "url", "resend", "skipped"),
    [
        ("GET", None, True, None),
        ("post", None, False, "not_idempotent"),
        ("POST", "/ru/api/getLists", True, None),
    ],
)
def test_what_may_be_sent_twice(method: str, url: str | None, resend: bool, skipped: Any) -> None:
    """Method and endpoint decide, as they would for a call."""
    told = explain("unisender", status=502, method=method, url=url)
    assert (resend, skipped) == (told.resend, told.retry_skipped)


def test_a_date_is_read_against_the_time_given() -> None:
    """With `now`, a Retry-After that is a date means the same in each run."""
    headers = [("Retry-After", "Thu, 01 Jan 1970 00:01:00 GMT")]
    assert 45.0 == explain("http", status=429, headers=headers, now=15.0).retry_after


def test_it_compares() -> None:
    """Two configurations that treat a response alike are told alike, and others are not."""
    plain = {"services": {"mail": {"catalog": "unisender"}}}
    assert explain(plain, status=500) == explain(CONFIG, "mail", status=500)
    assert explain(plain, body=NO_MONEY) != explain(CONFIG, "mail", body=NO_MONEY)


def test_it_prints_what_matters() -> None:
    """Its repr, which pytest shows, begins with the verdict and leaves out what does not apply."""
    shown = repr(explain("unisender", body='{"error": "x", "code": "retry_later"}'))
    assert shown.startswith("Explanation(catalog='unisender', revision=1, status=200, policy='ret")
    assert "exception=Unavailable" in shown
    assert "None" not in shown


def test_it_is_a_value() -> None:
    """An explanation cannot be changed."""
    told = explain("hh", status=500)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        told.policy = "none"  # type: ignore[misc]


def outcome(told: Explanation) -> tuple[type[BaseException] | None, int]:
    """Return what a call that is answered so each time ends in, and after how many sends."""
    if told.policy is None:
        return None, 1
    return told.exception, told.attempts or 1 if told.resend else 1


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "code", ["retry_later", "not_enough_money", "api_call_limit_exceeded_for_ip", "invalid_arg"]
)
async def test_it_is_what_happens(code: str, method: str) -> None:
    """A call meets with what was explained: the same exception, after as many sends."""
    async with Emulator("unisender") as vendor:
        vendor.script(code, times=None)
        service = {
            "catalog": "unisender",
            "hosts": [vendor.host],
            "errors": {"not_enough_money": "block_warning"},
        }
        config = {"services": {"mail": service}}
        url, error = f"{vendor.url}/ru/api/sendEmail", None
        async with resilient.session(config, credentials={"mail": "key"}) as http:
            try:
                await http.request(method, url, data={"a": "b"} if method == "POST" else None)
            except resilient.ApiError as raised:
                error = type(raised)
        body = f'{{"error": "x", "code": "{code}"}}'
        told = explain(config, method=method, url=url, body=body)
        assert outcome(told) == (error, vendor.total)
