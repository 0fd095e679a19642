"""A credential whose fields need no body: put on in no time, and for many calls alike."""

import aiohttp
import attrs
from multidict import istr
from yarl import URL

from resilient.catalog import CredentialRule, Field
from resilient.credentials.place import IN_BODY, OUTSIDE, value_of
from resilient.credentials.protocol import Values


@attrs.frozen
class Written:
    """What signs calls, as it goes on a request."""

    headers: tuple[tuple[istr, str], ...] = attrs.field(repr=False)
    query: tuple[tuple[str, str], ...] = attrs.field(repr=False)


@attrs.frozen
class Head:
    """Where a credential goes that needs no body: nothing is read for it, and nothing waits.

    Attributes:
        headers: The fields that go into headers, by these names.
        query: The fields that go into the query.
        guarded: The names of headers that a caller may have filled in himself.
        queried: The names that he may have put into the query, as they are written there.
        bodies: Whether a field would rather go into a body, where there is one.
    """

    headers: tuple[tuple[istr, Field], ...]
    query: tuple[Field, ...]
    guarded: tuple[istr, ...]
    queried: tuple[str, ...]
    bodies: bool

    @classmethod
    def of(cls, rule: CredentialRule) -> "Head | None":
        """Return it, or None: a field goes into a body only."""
        if not all(OUTSIDE.intersection(field.places) for field in rule.fields):
            return None
        first = [(field, next(p for p in field.places if p in OUTSIDE)) for field in rule.fields]
        return cls(
            headers=tuple((istr(field.name), field) for field, at in first if at == "header"),
            query=tuple(field for field, at in first if at == "query"),
            guarded=tuple(istr(field.name) for field in rule.fields if "header" in field.places),
            queried=tuple(f.name.replace(" ", "+") for f in rule.fields if "query" in f.places),
            bodies=any(p in IN_BODY for field in rule.fields for p in field.places),
        )

    def is_free(self, request: aiohttp.ClientRequest) -> bool:
        """Tell whether the request has no body for a field, and carries none for certain."""
        headers = request.headers
        for name in self.guarded:
            if name in headers:
                return False
        if self.bodies and request.body:
            return False
        written = request.url.raw_query_string if self.queried else ""
        # A name that is written otherwise has a percent sign in it.
        return not written or not ("%" in written or any(name in written for name in self.queried))

    def written(self, values: Values) -> Written:
        """Return how values go on a request; a field without a value is left out.

        Raises:
            CannotSign: A value cannot be sent.
        """
        headers = ((name, value_of(field, values)) for name, field in self.headers)
        query = ((field.name, value_of(field, values)) for field in self.query)
        return Written(
            tuple((name, text) for name, text in headers if text is not None),
            tuple((name, text) for name, text in query if text is not None),
        )

    def take_off(self, request: aiohttp.ClientRequest, url: URL) -> None:
        """Take the fields off a request that was sent to `url` without them."""
        for name, _ in self.headers:
            request.headers.popall(name, None)
        if self.query:
            request.url = url


def put(written: Written, request: aiohttp.ClientRequest) -> None:
    """Put on a request what signs it: at once, so that nothing happens before it is sent."""
    for name, text in written.headers:
        request.headers[name] = text
    if written.query:
        request.url = request.url.extend_query(written.query)
