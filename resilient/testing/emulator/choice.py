"""Which entry, in which envelope: for a refusal, a ban, an expired credential, a script."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

import attrs

from resilient.catalog import Catalog, Entry, Format, ScopeKind
from resilient.config.build_catalog import GENERIC, shipped
from resilient.config.build_policies import shipped_policies
from resilient.config.spelling import did_you_mean
from resilient.core.envelope import read
from resilient.testing.emulator.answer import Answer, bare
from resilient.testing.emulator.arguments import is_status
from resilient.testing.emulator.asked import Asked
from resilient.testing.emulator.document import written
from resilient.testing.emulator.render import Renderer, entry_key

_UNAUTHORIZED, _FORBIDDEN, _TOO_MANY = 401, 403, 429
_FEW = 5
_WITH_BODY = (200, 201, 202, 203)
_NEUTRAL: tuple[Any, ...] = ({"result": "ok"}, {"ok": "yes"}, {})
_SPENT = ("refresh", "already", "revoked", "spent", "used")


class Choice:
    """Chooses among the entries of one catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._renderer = Renderer(catalog)
        self._keys = {entry_key(entry): entry for entry in catalog.entries}
        policies = shipped_policies("default")
        self._by_action: dict[str, list[Entry]] = {}
        for entry in catalog.entries:
            action = policies[entry.policy].action if entry.policy in policies else entry.policy
            self._by_action.setdefault(action, []).append(entry)
        self._json, self._xml = self._neutral("json"), self._neutral("xml")

    def success(self, asked: Asked) -> Answer:
        """Return what no envelope takes for an error."""
        return self._xml if asked.wants_xml else self._json

    def is_refusal(self, entry: Entry) -> bool:
        """Tell whether an entry says: too fast."""
        return entry in self._entries("back_off")

    def refusal(self, asked: Asked, kind: ScopeKind) -> Answer:
        """Return the catalog's "too fast" that fits the scope whose limit is full."""
        found = sorted(self._entries("back_off"), key=lambda e: self._catalog.scope_of(e) != kind)
        return self.first(found, asked) or self._generic(_TOO_MANY)

    def ban(self, asked: Asked) -> Answer:
        """Return the catalog's block."""
        found = sorted(
            self._entries("block_warning"),
            key=lambda e: _FORBIDDEN not in (e.status, e.http_status),
        )
        return self.first(found, asked) or self._generic(_FORBIDDEN)

    def expired(self, asked: Asked) -> Answer:
        """Return the catalog's "your credential has expired"."""
        return self.first(self._entries("reauth"), asked) or self._generic(_UNAUTHORIZED)

    def spent(self, asked: Asked) -> Answer:
        """Return the vendor's own word for a refresh token that was used, else RFC 6749's."""
        found = [
            entry
            for entry in self._entries("fail_fast")
            if (entry.code or "").startswith("invalid_grant")
            or (entry.endpoint is not None and entry.endpoint == asked.endpoint)
        ]
        found.sort(key=_likeness, reverse=True)
        rfc = written({"error": "invalid_grant", "error_description": "token was used"}, "json")
        return self.first(found, asked) or Answer(status=400, form="json", body=rfc)

    def first(self, entries: Iterable[Entry], asked: Asked) -> Answer | None:
        """Return the answer of the first entry that a request of this kind can meet."""
        for entry in entries:
            if answers := self._renderer.answers(entry, asked.method, asked.endpoint):
                return _preferred(answers, asked)
        return None

    def keyed(self, key: str, asked: Asked) -> Answer | None:
        """Return the answer for a key, `#envelope` behind it or not; None if there is no such."""
        name, _, envelope = key.partition("#")
        entry = self._keys.get(name)
        if entry is None:
            return None
        answers = self._renderer.answers(entry, asked.method, asked.endpoint)
        if not answers:
            # Asked where the entry cannot occur: as it would look where it can.
            answers = tuple(each.answer for each in self._renderer.renderings(entry))
        return next(
            (each for each in answers if each.envelope == envelope), _preferred(answers, asked)
        )

    def named(self, what: Entry | str | int) -> tuple[Entry, ...]:
        """Return the entries that a test names: by itself, key, code, name or status.

        Raises:
            ValueError: There is none.
        """
        if isinstance(what, Entry):
            return (what,)
        if isinstance(what, int):
            return self._catalog.statuses.get(what) or shipped(GENERIC).statuses.get(what, ())
        if what in self._keys:
            return (self._keys[what],)
        found = self._catalog.errors.get(what) or tuple(
            entry for entry in self._catalog.entries if entry.name == what
        )
        if not found:
            raise ValueError(
                f"catalog {self._catalog.name} has no entry {what!r}{self._hint(what)}"
            )
        return found

    def scripted(self, entries: tuple[Entry, ...], status: int | None, asked: Asked) -> Answer:
        """Return the answer that a test asked for: the most bound variant that fits."""
        if status is not None and not entries:
            good = self.success(asked)
            return attrs.evolve(good, status=status) if status in _WITH_BODY else bare(status)
        found = sorted(entries, key=lambda entry: len(entry.bindings), reverse=True)
        answer = self.first(found, asked)
        if answer is None and status is not None:
            return bare(status, found[0])
        return answer or _preferred(
            tuple(each.answer for each in self._renderer.renderings(found[0])), asked
        )

    def _hint(self, what: str) -> str:
        if what.isdecimal() and is_status(int(what)):
            return f"; did you mean the status, {what} without quotes?"
        names = [*self._catalog.errors, *(e.name for e in self._catalog.entries)]
        few = ", ".join(islice(self._keys, _FEW))
        there_are = f"; there are {few}, …" if few else ""
        return did_you_mean(what, self._keys if ":" in what else names) or there_are

    def _entries(self, action: str) -> list[Entry]:
        return self._by_action.get(action, [])

    def _neutral(self, form: Format) -> Answer:
        bodies = (written(document, form) for document in _NEUTRAL)
        # The last is empty, and an empty document is an error to no envelope.
        body = next(
            each
            for each in bodies
            if not read(self._catalog.envelopes, status=200, body=each).matched
        )
        return Answer(status=200, form=form, body=body, why="success")

    def _generic(self, status: int) -> Answer:
        return bare(status, shipped(GENERIC).statuses[status][0])


def _likeness(entry: Entry) -> int:
    words = f"{entry.code} {entry.match} {entry.name}".lower()
    return sum(word in words for word in _SPENT)


def _preferred(answers: tuple[Answer, ...], asked: Asked) -> Answer:
    """Return the answer in the format of the request, else the first."""
    fitting = (each for each in answers if (each.form == "xml") == asked.wants_xml)
    return next(fitting, answers[0])
