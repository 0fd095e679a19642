"""What a vendor answers: one request in, one answer out, no I/O and no clock of its own."""

import math
from collections.abc import Iterator
from typing import Any

import attrs

from resilient.catalog import Catalog, Entry, ScopeKind
from resilient.testing.emulator.asked import Asked
from resilient.testing.emulator.bans import LENGTH, Bans
from resilient.testing.emulator.choice import Choice
from resilient.testing.emulator.limits import Limits, Tally
from resilient.testing.emulator.render import Answer
from resilient.testing.emulator.tokens import LIFETIME, Tokens

EMULATE = "X-Emulate"
"""The request header that asks for an entry by its key."""


@attrs.define(eq=False, kw_only=True)
class Scripted:
    """An answer that a test has ordered for the next requests that match."""

    entries: tuple[Entry, ...]
    status: int | None
    endpoint: str | None
    method: str | None
    left: int
    retry_after: str | None

    def fits(self, asked: Asked) -> bool:
        """Tell whether it is meant for a request."""
        return (
            self.left > 0
            and self.endpoint in (None, asked.endpoint)
            and self.method in (None, asked.method)
        )


@attrs.frozen(kw_only=True)
class Rules:
    """How the vendor behaves beyond what its catalog says.

    Attributes:
        limits: Whether calls over a documented limit are refused; they are measured anyway.
        count_refused: Whether a refused call counts towards the limit.
        retry_after: Whether a refusal says in Retry-After when there will be room.
        ban_length: Seconds that a ban lasts.
        token_lifetime: Seconds that an access token or a session lives.
    """

    limits: bool = True
    count_refused: bool = False
    retry_after: bool = False
    ban_length: float = LENGTH
    token_lifetime: float = LIFETIME


class Vendor:
    """Answers requests as a catalog describes."""

    def __init__(self, catalog: Catalog, rules: Rules) -> None:
        self.catalog = catalog
        self.choice = Choice(catalog)
        self.limits = Limits(
            catalog.limits, enforced=rules.limits, count_refused=rules.count_refused
        )
        self.bans = Bans(catalog.ban, length=rules.ban_length)
        self.tokens = Tokens(catalog.credential, lifetime=rules.token_lifetime)
        self._retry_after = rules.retry_after
        self._script: list[Scripted] = []

    def script(self, what: Entry | str | int, **how: Any) -> None:
        """Order an answer.

        Raises:
            ValueError: The catalog has no such entry.
        """
        status = what if isinstance(what, int) else None
        self._script.append(Scripted(entries=self.choice.named(what), status=status, **how))

    def answer(self, asked: Asked) -> Answer:
        """Return the answer to a request."""
        under = self.limits.arrive(asked)
        if key := asked.headers.get(EMULATE):
            return self._emulated(key, asked)
        if self.bans.is_banned(asked):
            return attrs.evolve(self.choice.ban(asked), why="ban")
        answer = next(self._errors(asked, under), None)
        if answer is None:
            answer = self.choice.success(asked)
        self._note(asked, answer)
        return answer

    def _errors(self, asked: Asked, under: tuple[Tally, ...]) -> Iterator[Answer]:
        """Yield what is in the way of a success, the outermost first."""
        if full := self.limits.take(under, asked.time):
            yield self._refusal(asked, full)
        if scripted := next((each for each in self._script if each.fits(asked)), None):
            yield self._scripted(asked, scripted)
        if self.tokens.is_for_tokens(asked):
            spent = self.tokens.answer(asked)
            yield spent or attrs.evolve(self.choice.spent(asked), why="spent")
        elif self.tokens.has_expired(asked):
            yield attrs.evolve(self.choice.expired(asked), why="expired")

    def _emulated(self, key: str, asked: Asked) -> Answer:
        answer = self.choice.keyed(key, asked)
        if answer is None:
            text = f"catalog {self.catalog.name} has no entry with the key {key}"
            return Answer(status=501, form="text", body=text.encode(), why="unknown key")
        return attrs.evolve(answer, why="emulate")

    def _refusal(self, asked: Asked, full: Tally) -> Answer:
        kind: ScopeKind = full.scope.partition(":")[0]  # type: ignore[assignment]
        wait = str(math.ceil(full.wait(asked.time))) if self._retry_after else None
        return attrs.evolve(self.choice.refusal(asked, kind), why="limit", retry_after=wait)

    def _scripted(self, asked: Asked, scripted: Scripted) -> Answer:
        scripted.left -= 1
        if not scripted.left:
            self._script.remove(scripted)
        answer = self.choice.scripted(scripted.entries, scripted.status, asked)
        return attrs.evolve(answer, why="script", retry_after=scripted.retry_after)

    def _note(self, asked: Asked, answer: Answer) -> None:
        if answer.entry is None and answer.status < 400:  # noqa: PLR2004 - a success
            self.bans.succeeded(asked)
        elif answer.entry is not None and (
            answer.why == "limit" or self.choice.is_refusal(answer.entry)
        ):
            self.bans.refused(asked, self.catalog.scope_of(answer.entry))
