"""What a vendor answers: one request in, one answer out, no I/O and no clock of its own."""

import math
from typing import Any

import attrs

from resilient.catalog import Catalog, ScopeKind
from resilient.testing.emulator.answer import Answer
from resilient.testing.emulator.arguments import checked, flag, seconds
from resilient.testing.emulator.asked import Asked
from resilient.testing.emulator.bans import LENGTH, Bans
from resilient.testing.emulator.choice import Choice
from resilient.testing.emulator.faults import Fault, is_early
from resilient.testing.emulator.hints import said
from resilient.testing.emulator.limits import Limits, Tally
from resilient.testing.emulator.ordering import Ordering
from resilient.testing.emulator.retry_after import Form, RetryAfter
from resilient.testing.emulator.scripts import Order, Script, Scripts, What
from resilient.testing.emulator.tokens import LIFETIME, Rotation, Tokens

EMULATE = "X-Emulate"
"""The request header that asks for an entry by its key."""

_SUCCESS = 200


@attrs.frozen(kw_only=True)
class Rules:
    """How the vendor behaves beyond what its catalog says.

    Attributes:
        limits: Whether calls over a documented limit are refused; they are measured anyway.
        count_refused: Whether a refused call counts towards the limit.
        hints: Whether each answer says how the limits stand.
        retry_after: The form in which a refusal says when there will be room; None: it does not.
        ban_length: Seconds that a ban lasts.
        token_lifetime: Seconds that an access token or a session lives.
        rotation: What becomes of a refresh token that was exchanged.
    """

    limits: bool = attrs.field(default=True, validator=checked(flag))
    count_refused: bool = attrs.field(default=False, validator=checked(flag))
    hints: bool = attrs.field(default=False, validator=checked(flag))
    retry_after: Form | None = None
    ban_length: float = attrs.field(default=LENGTH, validator=checked(seconds))
    token_lifetime: float = attrs.field(default=LIFETIME, validator=checked(seconds))
    rotation: Rotation = "single_use"


class Vendor:
    """Answers requests as a catalog describes."""

    def __init__(self, catalog: Catalog, rules: Rules) -> None:
        self.catalog = catalog
        self.choice = Choice(catalog)
        self.limits = Limits(
            catalog.limits, enforced=rules.limits, count_refused=rules.count_refused
        )
        self.bans = Bans(catalog.ban, length=rules.ban_length)
        self.tokens = Tokens(
            catalog.credential, lifetime=rules.token_lifetime, rotation=rules.rotation
        )
        self._form = rules.retry_after
        self._says_limits = rules.hints
        self._scripts = Scripts(Ordering(catalog, self.choice, self._form or "seconds"))

    def script(self, what: What, **how: Any) -> Script:
        """Order an answer.

        Raises:
            TypeError: An argument is of the wrong type.
            ValueError: The catalog has no such entry or endpoint.
        """
        return self._scripts.add(self._scripts.made(what, **how))

    def cuts_off(self, asked: Asked) -> Fault | None:
        """Return the scripted fault that strikes before a request is read, and count it."""
        due = self._scripts.due(asked)
        if due is None or not is_early(due.order.fault):
            return None
        self._scripts.take(asked)
        return due.order.fault

    def answer(self, asked: Asked) -> Answer:
        """Return the answer to a request."""
        under = self.limits.arrive(asked)
        if key := asked.headers.get(EMULATE):
            return self._emulated(key, asked)
        if self.bans.is_banned(asked):
            return attrs.evolve(self.choice.ban(asked), why="ban")
        full = self.limits.take(under, asked.time)
        answer = self._refusal(asked, full) if full else self._admitted(asked)
        self._note(asked, answer)
        if not self._says_limits:
            return answer
        return attrs.evolve(answer, hints=said(self.catalog.hints, under, asked.time))

    def _admitted(self, asked: Asked) -> Answer:
        order = self._scripts.take(asked)
        if order is None:
            return self._unscripted(asked)
        answer = self._scripted(asked, order)
        header = order.retry_after
        return attrs.evolve(
            answer,
            retry_after=header.written(asked.wall) if isinstance(header, RetryAfter) else header,
            latency=order.latency,
            fault=order.fault,
        )

    def _scripted(self, asked: Asked, order: Order) -> Answer:
        leaves = not order.entries and order.status is None
        # A neutral body is no success where a token is asked for.
        token = order.status == _SUCCESS and self.tokens.is_for_tokens(asked)
        if leaves or token:
            return self._unscripted(asked)
        answer = self.choice.scripted(order.entries, order.status, asked)
        return attrs.evolve(answer, why="script")

    def _unscripted(self, asked: Asked) -> Answer:
        if self.tokens.is_for_tokens(asked):
            issued = self.tokens.answer(asked)
            return issued or attrs.evolve(self.choice.spent(asked), why="spent")
        if self.tokens.has_expired(asked):
            return attrs.evolve(self.choice.expired(asked), why="expired")
        return self.choice.success(asked)

    def _emulated(self, key: str, asked: Asked) -> Answer:
        answer = self.choice.keyed(key, asked)
        if answer is None:
            text = f"catalog {self.catalog.name} has no entry with the key {key}"
            return Answer(status=501, form="text", body=text.encode(), why="unknown key")
        return attrs.evolve(answer, why="emulate")

    def _refusal(self, asked: Asked, full: Tally) -> Answer:
        kind: ScopeKind = full.scope.partition(":")[0]  # type: ignore[assignment]
        wait = None
        if self._form is not None:
            wait = RetryAfter(math.ceil(full.wait(asked.time)), self._form).written(asked.wall)
        return attrs.evolve(self.choice.refusal(asked, kind), why="limit", retry_after=wait)

    def _note(self, asked: Asked, answer: Answer) -> None:
        if answer.entry is None and answer.status < 400:  # noqa: PLR2004 - a success
            self.bans.succeeded(asked)
        elif answer.entry is not None and (
            answer.why == "limit" or self.choice.is_refusal(answer.entry)
        ):
            self.bans.refused(asked, self.catalog.scope_of(answer.entry))
