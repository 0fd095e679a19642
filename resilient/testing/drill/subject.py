"""What is drilled: a service, its emulator, its credential, and requests that fit its API."""

from typing import Any

import attrs

from resilient.catalog import Catalog, Endpoint, Entry, Place
from resilient.config import resources
from resilient.config.build import one_service
from resilient.config.service import Service
from resilient.credentials import ApiKey, Credential, OAuth2, SessionId
from resilient.testing.emulator import Emulator, Rendering
from resilient.testing.emulator.places import example_paths, may_be_called

_BODY: frozenset[Place] = frozenset({"form", "json", "xml"})
_JSON = {"content": b'{"drill": true}', "type": "application/json"}
_XML = {"content": b"<request><drill>true</drill></request>", "type": "text/xml"}
_PATIENT = 7200.0


def shipped_services() -> tuple[Service, ...]:
    """Return a service for each shipped catalog."""
    return tuple(one_service(name) for name in resources.names("catalogs"))


def served(service: Service, emulator: Emulator) -> Service:
    """Return a service that is sent to an emulator, with patience for every policy."""
    host = emulator.url.removeprefix("http://")
    return attrs.evolve(
        service,
        hosts=(host,),
        own_hosts=True,
        mode="enforce",
        on_error="raise",
        secret=None,
        credential_from=None,
        timeout=_PATIENT,
        report_wait=_PATIENT,
        retry_budget=None,  # no server fails so often in a row as a drill's
    )


def credential(catalog: Catalog, emulator: Emulator) -> Credential | None:
    """Return what the vendor wants, as good as the emulator gives it."""
    return signer(catalog, tokens(catalog, emulator))


def tokens(catalog: Catalog, emulator: Emulator) -> dict[str, Any]:
    """Return the first pair of tokens, if that is what the vendor wants."""
    rule = catalog.credential
    wanted = rule is not None and rule.kind == "oauth2" and rule.token is not None
    return emulator.issue_tokens() if wanted else {}


def signer(catalog: Catalog, pair: dict[str, Any]) -> Credential | None:
    """Return what signs calls the way the vendor wants it.

    Args:
        catalog: The vendor's.
        pair: What `tokens` returned.
    """
    rule = catalog.credential
    if rule is None:
        return None
    if rule.kind == "session":
        own = {f.value: "drill" for f in rule.fields if f.value != "session"}
        return SessionId(own, {"login": "drill", "password": "drill"})
    if pair:

        async def load() -> dict[str, Any]:
            return pair

        async def save(fresh: Any) -> None:
            pair.update(access_token=fresh.access_token, refresh_token=fresh.refresh_token)

        return OAuth2("drill", "drill", load, save, redirect_uri="https://drill.example/")
    return ApiKey("drill")


@attrs.frozen(kw_only=True)
class Ask:
    """One request to make.

    Attributes:
        headers: Among them what asks the emulator for an error.
        endpoint: The catalog's name for it, or None.
    """

    method: str
    path: str
    headers: dict[str, str] = attrs.field(factory=dict)
    body: bytes | None = None
    endpoint: str | None = None


def ask(catalog: Catalog, rendering: Rendering) -> Ask:
    """Return the request that is answered with an entry."""
    in_body = _signs_in_body(catalog)
    method = "POST" if in_body and rendering.entry.method is None else rendering.method
    return _asking(
        method,
        rendering.path,
        rendering.endpoint,
        in_body,
        xml=rendering.answer.form == "xml",
        headers={"X-Emulate": rendering.key},
    )


def hiccups(catalog: Catalog) -> list[Entry]:
    """Return the errors that a server has now and then, and another attempt has not."""
    return [e for e in catalog.entries if e.policy == "retry" and is_plain(e)]


def is_plain(entry: Entry) -> bool:
    """Tell whether any request may meet an error."""
    return not entry.bindings and entry.kind != "text"


def loads(catalog: Catalog) -> list[Ask]:
    """Return the requests that a saturating load makes: one for each set of limits."""
    wanted = dict.fromkeys(limit.endpoint for limit in catalog.limits)
    return [_sample(catalog, name) for name in (None, *filter(None, wanted))]


def _sample(catalog: Catalog, name: str | None) -> Ask:
    in_body = _signs_in_body(catalog)
    limited = {limit.endpoint for limit in catalog.limits}
    fitting = [e for e in catalog.endpoints if _may_be(e, name, limited)]
    # What only reads is the more natural load.
    fitting.sort(key=lambda endpoint: not endpoint.idempotent)
    for endpoint in fitting:
        if endpoint.name.startswith(("token", "auth", "login")):
            continue
        path = next(example_paths(endpoint, name))
        method = endpoint.method or ("POST" if in_body else "GET")
        return _asking(method, path, name, in_body, xml=path.endswith(".xml"))
    return _asking("POST" if in_body else "GET", "/", None, in_body)


def _may_be(endpoint: Endpoint, name: str | None, limited: set[str | None]) -> bool:
    if name is None:
        return endpoint.name not in limited and "{" not in endpoint.name
    return may_be_called(endpoint, name)


def _asking(
    method: str,
    path: str,
    endpoint: str | None,
    in_body: bool,
    *,
    xml: bool = False,
    headers: dict[str, str] | None = None,
) -> Ask:
    own = dict(headers or {})
    body = None
    if in_body:
        written = _XML if xml else _JSON
        body = bytes(written["content"])  # type: ignore[arg-type]
        own["Content-Type"] = str(written["type"])
    return Ask(method=method, path=path, headers=own, body=body, endpoint=endpoint)


def _signs_in_body(catalog: Catalog) -> bool:
    rule = catalog.credential
    return rule is not None and any(_BODY.issuperset(field.places) for field in rule.fields)
