"""The keys of the three kinds of files, as written: one class a mapping.

Only shape and types: what the values mean together is checked by the modules `build*`.
"""

from collections.abc import Mapping
from typing import Literal, NewType

import attrs

from resilient.catalog import Format, Place, ScopeKind
from resilient.policy import Action

Seconds = NewType("Seconds", float)
"""`200ms`, `30s`, `5m`, `1h`, `1d`, or a number of seconds."""

Status = NewType("Status", int)
"""An HTTP status, 100 to 599."""

StatusClass = NewType("StatusClass", str)
"""A status, or a class of them such as `2xx`."""

Share = NewType("Share", str)
"""A fraction such as `1/4`, or a number in (0, 1]."""

Text = NewType("Text", str)
"""Text that is not empty."""

Host = NewType("Host", str)
"""A host name, `*.domain` for its subdomains, with or without a port."""

PerScope = NewType("PerScope", str)
"""`credential`, `ip`, `host`, or several with `+` between."""

PolicyName = NewType("PolicyName", str)
"""The name of a policy, or `none`."""

Word = NewType("Word", str)
"""A short plain word: letters, digits, `_`, `.` and `-`."""

Method = NewType("Method", str)
"""An HTTP method, in capitals."""

HeaderName = NewType("HeaderName", str)
"""The name of a header (RFC 9110 section 5.1)."""


@attrs.frozen(kw_only=True)
class Rate:
    """`7/s`, `200/10s`, `1200/min`, `1600/h`, `8000/day`."""

    calls: int
    period: float


@attrs.frozen(kw_only=True)
class SourceKeys:
    """`source` of a catalog."""

    document: Text
    read: Text
    url: Text | None = None
    elsewhere: tuple[Text, ...] = ()


@attrs.frozen(kw_only=True)
class EndpointKeys:
    """A value under `endpoints` of a catalog."""

    name: Text
    idempotent: bool | None = None


@attrs.frozen(kw_only=True)
class FieldKeys:
    """An item of `credential.fields`."""

    name: Text
    in_: tuple[Place, ...] = attrs.field()
    value: Text = Text("token")
    prefix: str = ""


@attrs.frozen(kw_only=True)
class TokenKeys:
    """`credential.token`."""

    url: Text
    encoding: Literal["form", "json"] = "form"
    send: tuple[Literal["client_id", "client_secret", "refresh_token", "redirect_uri"], ...] = (
        "client_id",
        "client_secret",
        "refresh_token",
    )


@attrs.frozen(kw_only=True)
class LoginKeys:
    """`credential.login`."""

    url: Text
    session: Text


@attrs.frozen(kw_only=True)
class CredentialKeys:
    """`credential` of a catalog."""

    kind: Literal["api_key", "bearer", "oauth2", "session"]
    fields: tuple[FieldKeys, ...]
    token: TokenKeys | None = None
    login: LoginKeys | None = None


@attrs.frozen(kw_only=True)
class EnvelopeKeys:
    """An item of `envelopes`."""

    name: str = ""
    format: Format
    status: tuple[StatusClass, ...] = (StatusClass("4xx"), StatusClass("5xx"))
    when: Text | None = None
    code: tuple[Text, ...] = ()
    message: tuple[Text, ...] = ()
    sample: str | None = None


@attrs.frozen(kw_only=True)
class LimitKeys:
    """A value under `limits` of a catalog."""

    rate: Rate
    per: tuple[PerScope, ...] = (PerScope("credential"),)
    endpoint: Text | None = None
    burst: int | None = None
    jitter: Seconds = Seconds(0.1)


@attrs.frozen(kw_only=True)
class HintKeys:
    """An item under `hints` of a catalog: headers, by what they say."""

    limit: HeaderName | None = None
    remaining: HeaderName | None = None
    used: HeaderName | None = None
    reset: HeaderName | None = None
    unit: Literal["s", "ms"] = "s"


@attrs.frozen(kw_only=True)
class BanKeys:
    """`ban` of a catalog."""

    after: int
    within: Seconds
    in_flight: Literal["normal", "strict"] = "normal"


@attrs.frozen(kw_only=True)
class EntryKeys:
    """An entry, or one of its variants; a bare text is a policy's name."""

    policy: PolicyName
    status: tuple[Status, ...] = ()
    method: Method | None = None
    endpoint: Text | None = None
    name: Text | None = None
    scope: ScopeKind | None = None
    processed: bool | None = None
    http_status: Status | None = None
    wait: Seconds | None = None
    support: bool = False
    envelope: Text | None = None
    meaning: str = ""
    advice: str = ""


@attrs.frozen(kw_only=True)
class TextKeys(EntryKeys):
    """An item of `texts`."""

    match: Text
    code: Text | None = None


@attrs.frozen(kw_only=True)
class CatalogKeys:
    """A catalog file."""

    catalog: Text
    title: str = ""
    revision: int = 1
    source: SourceKeys
    hosts: tuple[Host, ...] = ()
    endpoints: Mapping[str, EndpointKeys] = attrs.field(factory=dict)
    credential: CredentialKeys | None = None
    envelopes: tuple[EnvelopeKeys, ...] = ()
    limits: Mapping[str, LimitKeys] = attrs.field(factory=dict)
    hints: Mapping[str, tuple[HintKeys, ...]] = attrs.field(factory=dict)
    ban: BanKeys | None = None
    errors: Mapping[str, tuple[EntryKeys, ...]] = attrs.field(factory=dict)
    statuses: Mapping[Status, tuple[EntryKeys, ...]] = attrs.field(factory=dict)
    texts: tuple[TextKeys, ...] = ()


@attrs.frozen(kw_only=True)
class DelayKeys:
    """`delay` or `cool_down` of a policy."""

    base: Seconds
    cap: Seconds


@attrs.frozen(kw_only=True)
class PolicyKeys:
    """A policy."""

    action: Action
    attempts: int | None = None
    delay: DelayKeys | None = None
    max_wait: Seconds | None = None
    cool_down: DelayKeys | Literal["manual"] | None = None


@attrs.frozen(kw_only=True)
class PolicySetKeys:
    """A policy file."""

    policies: Mapping[str, PolicyKeys]


@attrs.frozen(kw_only=True)
class SecretKeys:
    """`credential` of a service, or `url` of the store: where its text is."""

    env: Text | None = None
    file: Text | None = None


@attrs.frozen(kw_only=True)
class EndpointOverrideKeys:
    """A value under `endpoints` of a service."""

    idempotent: bool


@attrs.frozen(kw_only=True)
class LimitOverrideKeys:
    """A value under `limits` of a service, beside `off`."""

    rate: Rate | None = None
    burst: int | None = None
    jitter: Seconds | None = None
    per: tuple[PerScope, ...] | None = None
    endpoint: Text | None = None


@attrs.frozen(kw_only=True)
class BudgetKeys:
    """`retry_budget` of a service, beside `off`."""

    ratio: float = 0.1
    floor: int = 10


@attrs.frozen(kw_only=True)
class ServiceKeys:
    """A service."""

    catalog: Text
    policies: Text | Mapping[str, PolicyKeys] = Text("default")
    mode: Literal["enforce", "observe", "off"] = "enforce"
    hosts: tuple[Host, ...] = ()
    credential: SecretKeys | None = None
    credential_from: Literal["host"] | None = None
    errors: Mapping[str, tuple[EntryKeys, ...]] = attrs.field(factory=dict)
    statuses: Mapping[Status, tuple[EntryKeys, ...]] = attrs.field(factory=dict)
    endpoints: Mapping[str, EndpointOverrideKeys] = attrs.field(factory=dict)
    limits: Mapping[str, LimitOverrideKeys | Literal["off"]] = attrs.field(factory=dict)
    ban: BanKeys | Literal["off"] | None = None
    share: Share = Share("1")
    timeout: Seconds = Seconds(300.0)
    attempt_timeout: Seconds = Seconds(60.0)
    on_error: Literal["raise", "return"] = "raise"
    max_queue: int = 10000
    report_wait: Seconds = Seconds(1.0)
    adaptive: bool = True
    retry_budget: BudgetKeys | Literal["off"] = BudgetKeys()
    egress: Text | None = None


@attrs.frozen(kw_only=True)
class StoreKeys:
    """`store`, written out."""

    url: Text | SecretKeys = attrs.field(repr=False)
    mode: Literal["local_share", "fail_closed", "fail_open"] = "local_share"
    timeout: Seconds = Seconds(0.05)
    prefix: Word = Word("resilient")


@attrs.frozen(kw_only=True)
class ConfigKeys:
    """A configuration file."""

    version: Literal[1] = 1
    services: Mapping[str, ServiceKeys]
    store: Text | StoreKeys = attrs.field(default=Text("memory"), repr=False)
