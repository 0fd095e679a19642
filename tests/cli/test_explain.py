import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from typer.testing import Result

import resilient
from resilient.config.build import one_service
from resilient.config.resources import names
from resilient.explain import explain
from resilient.reading import wants_body
from resilient.recognition import exchange_of

Cli = Callable[..., Result]

CONTRACT = [
    "catalog",
    "revision",
    "status",
    "policy",
    "action",
    "errors",
    "scope",
    "processed",
    "retry_after",
    "resend",
    "retry_skipped",
    "exception",
    "unmapped",
]
ERROR_KEYS = ["code", "name", "policy", "meaning", "advice"]

CONFIG = """
version: 1
services:
  mail:
    catalog: unisender
    mode: observe
    on_error: return
    hosts: [127.0.0.1]
    errors: {not_enough_money: block_warning}
    statuses: {404: none}
    endpoints: {createList: {idempotent: true}}
  crm: {catalog: amocrm}
  crm_too: {catalog: amocrm, policies: interactive}
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    """The path of a configuration with three services."""
    file = tmp_path / "resilient.yaml"
    file.write_text(CONFIG, "utf-8")
    return str(file)


def said(cli: Cli, *args: str, body: str | bytes | None = None) -> dict[str, Any]:
    """Return what `explain … --json` says."""
    extra = [] if body is None else ["--body", "-"]
    result = cli("explain", *args, *extra, "--json", stdin=body)
    assert (0, "") == (result.exit_code, result.stderr)
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def codes(found: dict[str, Any]) -> list[str | None]:
    """Return the codes of the errors."""
    return [each["code"] for each in found["errors"]]


@pytest.mark.parametrize("name", names("catalogs"))
@pytest.mark.parametrize("status", [200, 301, 400, 404, 429, 500])
def test_contract(cli: Cli, name: str, status: int) -> None:
    """Every answer has the keys of the contract, in its order, before all others."""
    found = said(cli, name, "--status", str(status), "--method", "POST")
    assert list(found)[: len(CONTRACT)] == CONTRACT
    assert all(list(each)[: len(ERROR_KEYS)] == ERROR_KEYS for each in found["errors"])
    assert (found["policy"] is None) == (not found["errors"]) == (found["exception"] is None)


def test_success(cli: Cli) -> None:
    """A plain 200 is no error: nothing decides, nothing is raised, nothing is sent again."""
    found = said(cli, "hh", body="{}")
    assert found == found | {
        "catalog": "hh",
        "revision": 1,
        "status": 200,
        "policy": None,
        "action": None,
        "errors": [],
        "scope": None,
        "processed": None,
        "retry_after": None,
        "resend": False,
        "retry_skipped": None,
        "exception": None,
        "unmapped": [],
    }


def test_hh_token_expired(cli: Cli) -> None:
    """Hh's token_expired inside a 403 renews the credential and sends the call again."""
    body = '{"errors": [{"type": "oauth", "value": "token_expired"}]}'
    found = said(cli, "hh", "--status", "403", "--method", "post", body=body)
    assert ["oauth/token_expired"] == codes(found)
    assert found == found | {
        "policy": "reauth",
        "action": "reauth",
        "scope": None,
        "processed": False,
        "resend": True,
        "retry_skipped": None,
        "exception": "AuthenticationFailed",
    }


def test_hh_wildcard(cli: Cli) -> None:
    """An entry with a wildcard keeps its own code; what the server wrote stands beside it."""
    body = '{"errors": [{"type": "bad_argument", "value": "area"}]}'
    found = said(cli, "hh", "--status", "400", body=body)
    assert ["bad_argument/*"] == codes(found)
    assert "bad_argument/area" == found["errors"][0]["reported"]
    assert [] == found["unmapped"]


@pytest.mark.parametrize(
    ("code", "policy", "scope"),
    [
        ("api_call_limit_exceeded_for_api_key", "back_off", "credential"),
        ("api_call_limit_exceeded_for_ip", "back_off", "ip"),
        ("invalid_api_key", "fail_fast", None),
    ],
)
def test_unisender_inside_200(cli: Cli, code: str, policy: str, scope: str | None) -> None:
    """UniSender's errors stand in HTTP 200, and each limit holds its own scope."""
    found = said(cli, "unisender", body=json.dumps({"error": "too fast", "code": code}))
    assert [code] == codes(found)
    assert (policy, scope) == (found["policy"], found["scope"])
    assert "too fast" == found["errors"][0]["message"]


def test_unisender_text(cli: Cli) -> None:
    """A text explains better than the code beside it, and has none of its own."""
    body = {"error": "list 5 has no confirmation letters", "code": "unspecified"}
    found = said(cli, "unisender", body=json.dumps(body))
    assert [None] == codes(found)
    assert ("text", "unspecified") == (found["errors"][0]["kind"], found["errors"][0]["reported"])


def test_unisender_get_is_not_repeated(cli: Cli) -> None:
    """A GET that sends mail is not sent again, a GET that only reads is."""
    body = '{"error": "later", "code": "retry_later"}'
    sends = said(cli, "unisender", "--url", "/ru/api/sendEmail?api_key=k", body=body)
    reads = said(cli, "unisender", "--url", "https://api.unisender.com/ru/api/getLists/", body=body)
    assert ("sendEmail", False, "not_idempotent") == (
        sends["endpoint"],
        sends["resend"],
        sends["retry_skipped"],
    )
    assert ("getLists", True, None) == (reads["endpoint"], reads["resend"], reads["retry_skipped"])
    assert "Unavailable" == sends["exception"] == reads["exception"]


DELLIN_JSON = json.dumps(
    {"errors": [{"code": 100005, "title": "t", "detail": "d"}, {"code": 101007}, {"code": 101004}]}
)
DELLIN_XML = (
    "<?xml version='1.0' encoding='windows-1251'?><response><errors><code>100005</code>"
    "<title>Превышен</title></errors><errors><code>101007</code></errors>"
    "<errors><code>101004</code></errors></response>"
)


@pytest.mark.parametrize("body", [DELLIN_JSON, DELLIN_XML])
def test_dellin_several(cli: Cli, body: str) -> None:
    """Of several errors, in JSON and in XML alike, the most severe decides for the call."""
    found = said(cli, "dellin", "--status", "401", "--method", "POST", body=body)
    assert ["101007", "101004", "100005"] == codes(found)
    assert ["block_warning", "reauth", "back_off"] == [each["policy"] for each in found["errors"]]
    assert found == found | {
        "policy": "block_warning",
        "scope": "credential",
        "processed": False,
        "resend": False,
        "retry_skipped": None,
        "exception": "Blocked",
    }


def test_dellin_malformed_json(cli: Cli) -> None:
    """Dellin's 101008 is a 401 in name only: no login, it fails at once."""
    found = said(cli, "dellin", "--status", "401", body='{"errors": [{"code": 101008}]}')
    assert ("101008", "fail_fast", "ApiError") == (
        found["errors"][0]["code"],
        found["policy"],
        found["exception"],
    )


def test_dellin_charset(cli: Cli) -> None:
    """The charset of the content type reads the message."""
    body = '{"errors": [{"code": 110003, "title": "Параметр"}]}'.encode("cp1251")
    found = said(
        cli,
        "dellin",
        "--status",
        "400",
        "--header",
        'content-type: application/json; charset="windows-1251"',
        body=body,
    )
    assert "Параметр" == found["errors"][0]["message"]


def test_amocrm_html(cli: Cli) -> None:
    """An HTML page with a 429 is told by its status, and pauses the credential."""
    page = "<html><head><title>429</title></head><body>Too Many Requests</body></html>"
    found = said(cli, "amocrm", "--status", "429", "--method", "PATCH", body=page)
    assert [None] == codes(found)
    assert ("back_off", "credential", True, "RateLimited") == (
        found["policy"],
        found["scope"],
        found["resend"],
        found["exception"],
    )


def test_amocrm_created(cli: Cli) -> None:
    """Code 280 looks like an error and is an answer."""
    found = said(cli, "amocrm", body='{"response": {"error_code": "280"}}')
    assert (None, []) == (found["policy"], found["errors"])
    assert ["280"] == [each["code"] for each in found["answers"]]


def test_amocrm_endpoint_decides(cli: Cli) -> None:
    """The same code means another thing at the token endpoint."""
    body = '{"response": {"error_code": "110"}}'
    args = ("--status", "401", "--method", "POST", "--url")
    token = said(cli, "amocrm", *args, "https://a.amocrm.ru/oauth2/access_token", body=body)
    leads = said(cli, "amocrm", *args, "https://a.amocrm.ru/api/v2/leads", body=body)
    assert ("token", "fail_fast") == (token["endpoint"], token["policy"])
    assert ("leads", "reauth") == (leads["endpoint"], leads["policy"])


def test_unmapped(cli: Cli) -> None:
    """A code that the catalog does not know is shown as reported, with what the status told."""
    body = '{"error_code": 77777, "message": "new"}'
    found = said(cli, "radist", "--status", "503", body=body)
    assert (["77777"], ["77777"]) == (found["unmapped"], codes(found))
    assert ("retry", "SERVICE_UNAVAILABLE") == (found["policy"], found["errors"][0]["name"])


def test_post_not_idempotent(cli: Cli) -> None:
    """A POST that may have been processed is not sent again; a GET is, after the delay."""
    post = said(cli, "http", "--status", "500", "--method", "POST")
    get = said(cli, "http", "--status", "500")
    assert (False, "not_idempotent") == (post["resend"], post["retry_skipped"])
    assert (True, None, [0.0, 0.2]) == (get["resend"], get["retry_skipped"], get["delay"])


def test_retry_after_date(cli: Cli) -> None:
    """A Retry-After that is a date is read against the response's own Date."""
    found = said(
        cli,
        "http",
        "--status",
        "503",
        "--header",
        "Date: Sun, 22 Nov 2026 10:00:00 GMT",
        "--header",
        "retry-after: Sun, 22 Nov 2026 10:01:30 GMT",
    )
    assert (90, True, [90.0, 99.0]) == (found["retry_after"], found["resend"], found["delay"])


def test_retry_after_too_long(cli: Cli) -> None:
    """A wait longer than the policy's is raised at once, never shortened."""
    found = said(cli, "http", "--status", "429", "--header", "Retry-After: 3600")
    assert (3600, False, "deadline", "RateLimited", "host") == (
        found["retry_after"],
        found["resend"],
        found["retry_skipped"],
        found["exception"],
        found["scope"],
    )


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("--method", "HEAD"), "has no body"),
        (("--status", "204"), "has no body"),
        (("--header", "Content-Type: text/event-stream"), "is a stream"),
    ],
)
def test_body_not_looked_into(cli: Cli, args: tuple[str, ...], why: str) -> None:
    """A body that the middleware would not read decides nothing."""
    found = said(cli, "unisender", *args, body='{"error": "x", "code": "invalid_arg"}')
    assert found["policy"] is None, why


@attrs.frozen
class Response:
    """As much of a response as the middleware looks at before it reads."""

    method: str
    status: int
    content_type: str
    headers: Mapping[str, str] = {}


@pytest.mark.parametrize("name", names("catalogs"))
@pytest.mark.parametrize("status", [101, 200, 204, 205, 302, 304, 400, 500])
@pytest.mark.parametrize(
    "kind",
    ["application/json", "text/html", "text/xml", "text/plain", "image/png", "text/event-stream"],
)
def test_body_is_read_as_by_the_middleware(name: str, status: int, kind: str) -> None:
    """What is looked into here is what the middleware would read."""
    service, headers = one_service(name), {"Content-Type": f"{kind}; charset=utf-8"}
    for method in ("GET", "HEAD"):
        response: Any = Response(method, status, kind)
        found = exchange_of(service, status=status, method=method, headers=headers, body=b"x")
        assert wants_body(response, service.catalog) == bool(found.body)


def test_success_without_envelope() -> None:
    """Words in a success that the catalog expects no errors in are no error."""
    service = one_service("hh")
    body = b"<html><body>DDoS-Guard</body></html>"
    blocked = resilient.classify(service, status=403, body=body)
    assert blocked is not None
    assert "block_warning" == blocked.entry.policy
    assert resilient.classify(service, status=200, body=body) is None


def test_truncated(cli: Cli) -> None:
    """Of a body 64 KiB are looked into, and it says so."""
    body = '{"error": "' + "x" * 70000 + '", "code": "invalid_arg"}'
    assert said(cli, "unisender", body=body)["truncated"] is True
    assert "truncated" in cli("explain", "unisender", "--body", "-", stdin=body).stdout
    assert said(cli, "unisender", body="x" * 65536)["truncated"] is False


def test_body_file(cli: Cli, tmp_path: Path) -> None:
    """The body may come from a file."""
    file = tmp_path / "body.json"
    file.write_bytes(b'\xef\xbb\xbf{"error": "x", "code": "access_denied"}')
    assert ["access_denied"] == codes(said(cli, "unisender", "--body", str(file)))


def test_config(cli: Cli, config: str) -> None:
    """A configuration's overrides, mode and idempotence are taken over."""
    args = ("unisender", "--config", config, "--service", "mail")
    money = said(cli, *args, body='{"error": "x", "code": "not_enough_money"}')
    assert ("block_warning", "Blocked", "observe", "return") == (
        money["policy"],
        money["exception"],
        money["mode"],
        money["on_error"],
    )
    assert said(cli, *args, "--status", "404")["policy"] is None
    url = "http://127.0.0.1:8099/en/api/createList"
    later = said(
        cli, *args, "--url", url, "--method", "POST", body='{"error": "x", "code": "retry_later"}'
    )
    assert (True, True) == (later["resend"], later["host_known"])


def test_config_without_service(cli: Cli, config: str) -> None:
    """The service need not be named where only one has the catalog."""
    assert "mail" == said(cli, "unisender", "--config", config)["service"]


def test_own_catalog(cli: Cli, tmp_path: Path) -> None:
    """A catalog of one's own is explained from its path."""
    file = tmp_path / "mine.yaml"
    file.write_text("catalog: mine\nsource: {document: d, read: 2026-01-01}\n", "utf-8")
    found = said(cli, str(file), "--status", "500")
    assert ("mine", "retry") == (found["catalog"], found["policy"])


def test_text_of_an_error(cli: Cli) -> None:
    """A person reads a verdict in one line, then what it means and what happens."""
    result = cli(
        "explain",
        "hh",
        "--status",
        "403",
        "--body",
        "-",
        stdin='{"errors": [{"type": "oauth", "value": "token_expired"}]}',
    )
    first, *rest = result.stdout.splitlines()
    assert "hh: HTTP 403: oauth/token_expired: reauth, sent again" == first
    assert ["meaning", "advice", "library", "next"] == [line.split()[0] for line in rest]


@pytest.mark.parametrize(
    ("args", "body", "words"),
    [
        (("http", "--status", "429", "--header", "Retry-After: 3600"), "", "longer than the pol"),
        (("http", "--status", "500"), "", "Sends it again after 0 s to 200 ms, 4 times in all"),
        (("unisender",), '{"error": "нет", "code": "access_denied"}', "server    нет"),
        (("http", "--status", "401", "--method", "POST"), "", "Renews the credential once"),
        (("http", "--status", "429", "--header", "Retry-After: 7"), "", "for 7 s to 7.7 s"),
        (("http", "--status", "503", "--header", "Retry-After: 0"), "", "asks for 0 s"),
        (("http", "--status", "429"), "", "Pauses all calls to this host for 500 ms to 1 s"),
        (("http", "--status", "500", "--method", "POST"), "", "POST twice is not the same"),
        (("dellin", "--status", "401"), '{"errors": [{"code": 101007}]}', "for 5 min, then sends"),
        (("dellin", "--status", "401"), '{"errors": [{"code": 101007}]}', "support"),
        (("dellin", "--status", "401"), DELLIN_JSON, "and 2 more: block_warning"),
        (("dellin", "--status", "401"), DELLIN_JSON, "also      100005"),
        (("radist", "--status", "400"), '{"error_code": 7}', "does not know 7"),
        (("radist", "--status", "429"), "", "3 refusals in a row within 1 min"),
        (("amocrm",), '{"response": {"error_code": 280}}', "280, element_created"),
        (("hh", "--url", "https://example.org/me"), "", "none of this service's"),
        (("hh", "--status", "400"), '{"errors": [{"type": "not_found"}]}', "raises ApiError"),
    ],
)
def test_text_says(cli: Cli, args: tuple[str, ...], body: str, words: str) -> None:
    """What matters in each case is said."""
    result = cli("explain", *args, "--body", "-", stdin=body)
    assert 0 == result.exit_code
    assert words in result.stdout


def test_text_of_a_service(cli: Cli, config: str) -> None:
    """A service that only observes, or hands errors back, is said to do so."""
    result = cli("explain", "unisender", "--config", config, "--status", "500")
    assert "observe: none of this is done, only said." in result.stdout
    assert "Unavailable is not raised" in result.stdout


@pytest.mark.parametrize(
    ("policy", "status", "words"),
    [
        ("retry: {action: retry, attempts: 1}", "500", "the policy allows one attempt"),
        ("back_off: {action: back_off, attempts: 1}", "429", "This call is not sent again"),
    ],
)
def test_text_of_one_attempt(
    cli: Cli, tmp_path: Path, policy: str, status: str, words: str
) -> None:
    """A policy of one attempt is said to be the reason."""
    file = tmp_path / "resilient.yaml"
    service = f"{{catalog: hh, policies: {{{policy}}}}}"
    file.write_text(f"version: 1\nservices:\n  x: {service}\n", "utf-8")
    assert words in cli("explain", "hh", "--config", str(file), "--status", status).stdout


def test_text_of_an_expired_token_on_a_write(cli: Cli, tmp_path: Path) -> None:
    """An expired credential does not send again what may have been processed."""
    file = tmp_path / "mine.yaml"
    file.write_text(
        "catalog: mine\nsource: {document: d, read: 2026-01-01}\nstatuses: {401: reauth}\n", "utf-8"
    )
    result = cli("explain", str(file), "--status", "401", "--method", "POST")
    assert "Does not send it again: the server may have carried it out" in result.stdout


def test_text_of_a_bare_answer(cli: Cli, config: str) -> None:
    """A status that the service takes as an answer is no error."""
    text = cli("explain", "unisender", "--config", config, "--status", "404").stdout
    assert "HTTP 404: no error" in text
    assert "status_404: an answer, and no failure." in text


def test_text_without_a_cool_down(cli: Cli, tmp_path: Path) -> None:
    """A block that only a person lifts is said to be one."""
    file = tmp_path / "resilient.yaml"
    file.write_text(
        "version: 1\nservices:\n  cargo:\n    catalog: dellin\n"
        "    policies: {block_warning: {action: block_warning, cool_down: manual}}\n",
        "utf-8",
    )
    args = ("dellin", "--config", str(file), "--status", "401")
    body = '{"errors": [{"code": 101007}]}'
    assert "until somebody calls" in cli("explain", *args, "--body", "-", stdin=body).stdout
    assert said(cli, *args, body=body)["delay"] is None


def test_secrets_stay_out(cli: Cli) -> None:
    """The URL, which may hold a key, is not printed."""
    result = cli(
        "explain",
        "unisender",
        "--url",
        "https://api.unisender.com/ru/api/getLists?api_key=s3cret",
        "--json",
    )
    assert "s3cret" not in result.output


@pytest.mark.parametrize("body", [b"", b"\x00\xff", b"[" * 5000, b"<" * 5000, b"<a>" * 5000])
@pytest.mark.parametrize("name", names("catalogs"))
def test_any_bytes(name: str, body: bytes) -> None:
    """No body makes it fail."""
    assert name == explain(one_service(name), status=400, body=body, now=0.0).catalog


@pytest.mark.parametrize("url", ["http://[", "http://x:99999/", "", "?", "x"])
def test_any_url(url: str) -> None:
    """No URL makes it fail."""
    assert "hh" == explain(one_service("hh"), status=400, url=url, now=0.0).catalog


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("hhh",), "there is no catalog 'hhh'; did you mean 'hh'?"),
        (("./no.yaml",), "No such file"),
        (("hh", "--status", "99"), "'--status'"),
        (("hh", "--status", "600"), "'--status'"),
        (("hh", "--status", "many"), "'--status'"),
        (("hh", "--header", "Retry-After"), "expected 'Name: value'"),
        (("hh", "--header", ": 5"), "expected 'Name: value'"),
        (("hh", "--body", "/nowhere/at/all"), "--body: /nowhere/at/all: No such file"),
        (("hh", "--body", "/"), "--body: /: Is a directory"),
        (("hh", "--method", "G T"), "'G T' is no HTTP method"),
        (("hh", "--url", "vacancies/1"), "neither a URL"),
        (("hh", "--url", "http://["), "--url: Invalid IPv6 URL"),
        (("hh", "--url", "http://x:y/"), "--url: Port"),
        (("hh", "--service", "jobs"), "--config"),
        (("hh", "--config", "/nowhere.yaml"), "/nowhere.yaml: No such file"),
        (("hh", "--jsno"), "did you mean --json"),
        (("hh", "radist"), "unexpected extra argument"),
        ((), "Missing argument"),
    ],
)
def test_wrong_arguments(cli: Cli, args: tuple[str, ...], words: str) -> None:
    """Each wrong argument is one line on stderr, and exit status 2."""
    result = cli("explain", *args)
    assert (2, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n"))
    assert words in result.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("amocrm", "--service", "crn"), "did you mean 'crm'?"),
        (("amocrm", "--service", "x"), "there are mail, crm, crm_too"),
        (("hh", "--service", "crm"), "has the catalog 'amocrm', not 'hh'"),
        (("amocrm",), "--service (crm, crm_too)"),
        (("amocrn",), "did you mean 'amocrm'?"),
        (("hh",), "there are amocrm, unisender"),
    ],
)
def test_wrong_service(cli: Cli, config: str, args: tuple[str, ...], words: str) -> None:
    """A service that is not there, or has another catalog, is a wrong argument."""
    result = cli("explain", *args, "--config", config)
    assert (2, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n"))
    assert words in result.stderr


def test_a_configuration_for_a_catalog(cli: Cli, config: str) -> None:
    """A configuration in the place of the catalog is told how to be given."""
    result = cli("explain", config)
    assert (2, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n"))
    words = f"{config}: this is a configuration: use --config {config} --service NAME"
    assert words in result.stderr


def test_faulty_config(cli: Cli, tmp_path: Path) -> None:
    """Every fault of a configuration is listed, each with its place."""
    file = tmp_path / "resilient.yaml"
    file.write_text("version: 1\nservices:\n  x: {catalog: hhh, mode: on}\n", "utf-8")
    result = cli("explain", "hh", "--config", str(file))
    assert (2, "", 2) == (result.exit_code, result.stdout, result.stderr.count("\n"))
    assert all(line.startswith(f"{file}:3:") for line in result.stderr.splitlines())


def test_unknown_policy_of_own_catalog(cli: Cli, tmp_path: Path) -> None:
    """A catalog that needs a policy set of its own asks for the configuration."""
    file = tmp_path / "mine.yaml"
    file.write_text(
        "catalog: mine\nsource: {document: d, read: 2026-01-01}\nstatuses: {500: patience}\n",
        "utf-8",
    )
    result = cli("explain", str(file))
    assert (2, 1) == (result.exit_code, result.stderr.count("\n"))
    assert "patience" in result.stderr
