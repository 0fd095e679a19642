"""What a vendor documents, as values: the catalog, its entries, envelopes, endpoints and limits.

These are data. Reading them from YAML is `resilient.config`; applying them is `resilient.core`.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

import attrs

from resilient.lookup import Texts, Wildcards

ScopeKind = Literal["credential", "ip", "host", "endpoint"]
"""What shares a limit, a pause or a block."""

Place = Literal["header", "query", "form", "json", "xml"]
"""Where in a request a field of the credential is put."""

Format = Literal["json", "xml", "text", "html"]
"""How an error is written down in a response's body."""

SEVERITY = ("block_warning", "fail_fast", "reauth", "back_off", "retry", "none")
"""The actions, most severe first: the order that decides between several errors of one response."""


@attrs.frozen(kw_only=True)
class Entry:
    """One documented error: what identifies it, what it means, what to do.

    Attributes:
        kind: What it is recognised by: a reported code, the HTTP status, or a text.
        code: The reported code (`type/value` for several parts, `*` for any one part).
        match: For a text: a case-insensitive substring, `*` in it means anything.
        name: The vendor's name for it, else ours.
        status: Bound to this HTTP status, else None.
        method: Bound to this method, else None.
        endpoint: Bound to this endpoint, else None.
        policy: The name of its policy; `none` is an answer and no failure.
        scope: What its pause or block holds; None leaves it to the catalog.
        processed: False if the server is known not to have processed the request, True if it
            is known to have, None if neither is known.
        http_status: The status that the vendor documents for it: data, no condition.
        wait: Seconds to wait that the vendor documents; a Retry-After goes before it.
        support: The vendor says to turn to its support.
        envelope: Which envelope carries it, where that is not the first one.
        own: The user's service says so, not the vendor.
    """

    kind: Literal["code", "status", "text"]
    code: str | None = None
    match: str | None = None
    name: str
    status: int | None = None
    method: str | None = None
    endpoint: str | None = None
    policy: str
    scope: ScopeKind | None = None
    processed: bool | None = None
    http_status: int | None = None
    wait: float | None = None
    support: bool = False
    envelope: str | None = None
    own: bool = False
    meaning: str = ""
    advice: str = ""

    @property
    def bindings(self) -> tuple[tuple[str, str | int], ...]:
        """What it is bound to, beyond its own identity."""
        own = self.kind
        pairs = (
            ("status", self.status),
            ("method", self.method),
            ("endpoint", self.endpoint),
            ("code", self.code),
        )
        return tuple((key, value) for key, value in pairs if value is not None and key != own)

    def fits(self, *, status: int, method: str, endpoint: str | None) -> bool:
        """Tell whether everything it is bound to is so."""
        return (
            (self.status is None or self.status == status)
            and (self.method is None or self.method == method)
            and (self.endpoint is None or self.endpoint == endpoint)
        )


@attrs.frozen(kw_only=True)
class Envelope:
    """How errors stand in a response's body.

    Attributes:
        name: What entries call it; may be empty.
        format: How the body is written.
        statuses: Statuses (`401`) and classes (`2xx`) it comes with.
        when: Dotted path that must hold something; None: the code's path.
        code: Dotted paths of the parts of a code; `[]` goes through a list.
        message: Dotted paths of what is written for people.
        sample: A body in the vendor's own shape, with `$code`, `$value`, `$reason`, `$name`,
            `$message` and `$status` to fill in; None: made from the paths.
    """

    name: str = ""
    format: Format
    statuses: tuple[str, ...] = ("4xx", "5xx")
    when: str | None = None
    code: tuple[str, ...] = ()
    message: tuple[str, ...] = ()
    sample: str | None = None

    def comes_with(self, status: int) -> bool:
        """Tell whether it comes with this HTTP status."""
        return str(status) in self.statuses or f"{status // 100}xx" in self.statuses


@attrs.frozen(kw_only=True)
class Endpoint:
    """A name for the requests that a template matches.

    Attributes:
        method: The method it is bound to, or None.
        template: A path whose segments may hold `{names}`; a last `**` matches any rest.
        name: The endpoint's name; may use what the template bound.
        idempotent: Whether sending twice does the same as once; None leaves it to the method.
    """

    method: str | None = None
    template: str
    name: str
    idempotent: bool | None = None


@attrs.frozen(kw_only=True)
class Limit:
    """At most `calls` calls per `period` seconds, for each scope of `per`.

    Attributes:
        name: Its name in configuration and events.
        calls: How many.
        period: Within how many seconds.
        per: Scopes with a limit each; one of several kinds is a compound scope.
        endpoint: Only calls of this endpoint count; None: all.
        burst: How many may go at once; None: derived, see `resilient.core.pacing`.
        jitter: Seconds by which the time from grant to arrival may vary.
    """

    name: str
    calls: int
    period: float
    per: tuple[tuple[ScopeKind, ...], ...]
    endpoint: str | None = None
    burst: int | None = None
    jitter: float = 0.1


@attrs.frozen(kw_only=True)
class HintRule:
    """In which headers of any response the vendor says how a limit stands.

    Attributes:
        limit: The limit's name; None: of all limits that a call is under.
        calls: The header with how many calls the limit allows in its period.
        remaining: The one with how many are left.
        used: The one with how many are gone: `32`, or `32/40`.
        reset: The one with when they are counted anew; None: after the limit's period.
        milliseconds: Whether a number in it counts milliseconds, not seconds.
    """

    limit: str | None = None
    calls: str | None = None
    remaining: str | None = None
    used: str | None = None
    reset: str | None = None
    milliseconds: bool = False


@attrs.frozen(kw_only=True)
class Ban:
    """The vendor shuts a client out after `after` refusals in a row within `within` seconds.

    Attributes:
        after: How many refusals in a row, at least 2.
        within: Seconds that a refusal counts for.
        strict: Keep calls in flight below `after` always, not only once a refusal was heard.
    """

    after: int
    within: float
    strict: bool = False


@attrs.frozen(kw_only=True)
class Field:
    """A place of the credential in a request.

    Attributes:
        name: The name on the wire.
        places: Where it may go; with several it follows the request.
        value: Which value of the credential goes there.
        prefix: Text before the value, such as `Bearer `.
    """

    name: str
    places: tuple[Place, ...]
    value: str = "token"
    prefix: str = ""


@attrs.frozen(kw_only=True)
class TokenEndpoint:
    """How a refresh token is exchanged (RFC 6749 section 6).

    Attributes:
        url: Absolute, or a path on the host of the call.
        encoding: How the request's body is written.
        send: Which of client_id, client_secret, refresh_token, redirect_uri go with it.
    """

    url: str
    encoding: Literal["form", "json"] = "form"
    send: tuple[str, ...] = ("client_id", "client_secret", "refresh_token")


@attrs.frozen(kw_only=True)
class Login:
    """How a session is opened: where to log in, and where the id stands in the reply."""

    url: str
    session: str


@attrs.frozen(kw_only=True)
class CredentialRule:
    """Which credential the vendor wants, and where."""

    kind: Literal["api_key", "bearer", "oauth2", "session"]
    fields: tuple[Field, ...]
    token: TokenEndpoint | None = None
    login: Login | None = None


@attrs.frozen(kw_only=True)
class Source:
    """Where a catalog's facts are from."""

    document: str
    url: str | None = None
    read: str
    elsewhere: tuple[str, ...] = ()


@attrs.frozen(kw_only=True, slots=False)
class Catalog:
    """What a vendor documents about its API.

    Attributes:
        errors: Entries by reported code; several where one code has several meanings.
        statuses: Entries by HTTP status, for where no known code was reported.
        texts: Entries by text.
    """

    name: str
    title: str = ""
    revision: int = 1
    source: Source = attrs.field(repr=False)
    hosts: tuple[str, ...] = ()
    endpoints: tuple[Endpoint, ...] = attrs.field(default=(), repr=False)
    credential: CredentialRule | None = None
    envelopes: tuple[Envelope, ...] = attrs.field(default=(), repr=False)
    limits: tuple[Limit, ...] = ()
    hints: tuple[HintRule, ...] = attrs.field(default=(), repr=False)
    ban: Ban | None = None
    errors: Mapping[str, tuple[Entry, ...]] = attrs.field(factory=dict, repr=False)
    statuses: Mapping[int, tuple[Entry, ...]] = attrs.field(factory=dict, repr=False)
    texts: tuple[Entry, ...] = attrs.field(default=(), repr=False)

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """All entries: codes, then statuses, then texts."""
        codes = (entry for variants in self.errors.values() for entry in variants)
        statuses = (entry for variants in self.statuses.values() for entry in variants)
        return (*codes, *statuses, *self.texts)

    @cached_property
    def wildcards(self) -> Wildcards[Entry]:
        """The entries whose code has a part that may be anything."""
        coded = ((code.split("/"), variants) for code, variants in self.errors.items())
        return Wildcards.of((code, each) for code, found in coded if "*" in code for each in found)

    @cached_property
    def most_parts(self) -> int:
        """How many parts the longest code has."""
        return max((code.count("/") + 1 for code in self.errors), default=0)

    @cached_property
    def phrases(self) -> Texts[Entry]:
        """The texts, to be found in what a server says."""
        return Texts.of([(each.match, each) for each in self.texts if each.match])

    @cached_property
    def endpoint_names(self) -> Mapping[str, Endpoint]:
        """The endpoints by name, the first of each."""
        return {each.name: each for each in reversed(self.endpoints)}

    @cached_property
    def default_scope(self) -> ScopeKind:
        """What a pause or block holds where the entry does not say."""
        return "credential" if self.credential else "host"

    def scope_of(self, entry: Entry) -> ScopeKind:
        """Tell what a pause or block of this entry holds."""
        return entry.scope or self.default_scope
