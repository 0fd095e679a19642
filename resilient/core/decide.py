"""From a failure to a verdict, and to what it leaves behind in the scopes."""

from collections.abc import Callable
from typing import assert_never

from resilient.catalog import Catalog, ScopeKind
from resilient.core.backoff import full_jitter, half_jitter, upwards
from resilient.core.replay import is_safe
from resilient.model import (
    Attempt,
    Block,
    Failure,
    Mark,
    NoAnswer,
    Pause,
    Raise,
    Refresh,
    Resend,
    Skipped,
    Verdict,
)
from resilient.policy import Policies, Policy

MOST_ASKED = 31 * 86400.0
"""Seconds: the longest pause that a server's word alone can cause, so that one absurd header
does not shut a scope for years. Until then what the server asked is never shortened."""

IN_VAIN = 1e-3
"""Seconds before the deadline in which nothing is sent any more: it would not be answered."""


def decide(failure: Failure, policy: Policy, attempt: Attempt, u: float) -> Verdict:
    """Say what to do about an answer that is an error.

    Args:
        failure: What was recognised.
        policy: The policy of the entry that decides.
        attempt: What is known of the call.
        u: A number drawn in [0, 1).
    """
    wait = failure.asked(failure.entry)
    match policy.action:
        case "fail_fast" | "block_warning":
            return Raise(wait=wait)
        case "reauth":
            return _reauth(failure, attempt)
        case "back_off" | "retry":
            delay = _delay(policy, attempt, wait, u)
            longest = max(delay, attempt.held)
            skipped = _skipped(policy, attempt, longest, processed=failure.processed)
            # Checked against what was asked, so that jitter alone never ends a call.
            if wait is not None and wait > policy.max_wait and skipped is None:
                skipped = "deadline"
            if skipped is not None:
                return Raise(skipped=skipped, wait=wait)
            # The pause is the scope's: whoever is in it waits, this call with them.
            return Resend(delay=0.0 if policy.action == "back_off" else delay)
        case _ as never:
            assert_never(never)


def _reauth(failure: Failure, attempt: Attempt) -> Verdict:
    if attempt.refreshed or not attempt.refreshable:
        return Raise()
    safe = is_safe(sent=None, processed=failure.processed, idempotent=attempt.idempotent)
    if not safe:
        return Refresh(skipped="not_idempotent")
    return Refresh(skipped=None if attempt.replayable else "body_not_replayable")


def decide_no_answer(failure: NoAnswer, policy: Policy, attempt: Attempt, u: float) -> Verdict:
    """Say what to do when no answer came; `policy` is the set's `retry`."""
    if failure.hopeless:
        return Raise()
    delay = full_jitter(policy.delay, attempt.number, u)
    skipped = _skipped(policy, attempt, delay, sent=failure.sent)
    return Resend(delay=delay) if skipped is None else Raise(skipped=skipped)


def _delay(policy: Policy, attempt: Attempt, asked: float | None, u: float) -> float:
    jitter = half_jitter if policy.action == "back_off" else full_jitter
    own = jitter(policy.delay, attempt.number, u)
    return own if asked is None else max(own, upwards(asked, u))


def _skipped(
    policy: Policy,
    attempt: Attempt,
    delay: float,
    *,
    sent: bool | None = None,
    processed: bool | None = None,
) -> Skipped | None:
    if not is_safe(sent=sent, processed=processed, idempotent=attempt.idempotent):
        return "not_idempotent"
    if not attempt.replayable:
        return "body_not_replayable"
    if attempt.number >= policy.attempts:
        return "attempts"
    if delay > attempt.remaining - IN_VAIN:
        return "deadline"
    # A back-off needs no budget: its whole scope sends one probe.
    return "budget" if policy.action == "retry" and not attempt.affordable else None


Steps = Callable[[ScopeKind], int]
"""Tells which step of its back-off a scope is at, 1-based."""


def marks(
    failure: Failure,
    catalog: Catalog,
    policies: Policies,
    u: float,
    steps: Steps = lambda _: 1,
) -> tuple[Mark, ...]:
    """Say what every error of a response, not only the one that decides, leaves behind.

    Several errors that pause one scope are one refusal of it, and the longest pause counts.
    """
    blocks: list[Block] = []
    pauses: dict[ScopeKind, Pause] = {}
    for each in failure.found:
        policy, scope = policies[each.entry.policy], catalog.scope_of(each.entry)
        asked = failure.asked(each.entry)
        asked = None if asked is None else min(asked, MOST_ASKED)
        if policy.action == "back_off":
            own = half_jitter(policy.delay, steps(scope), u)
            wait = own if asked is None else max(own, upwards(asked, u))
            if scope not in pauses or wait > pauses[scope].seconds:
                pauses[scope] = Pause(scope=scope, seconds=wait, asked=failure.retry_after)
        elif policy.action == "block_warning":
            reason = each.code or each.entry.name
            blocks.append(block(policy, scope, asked=asked, reason=reason))
    return (*blocks, *pauses.values())


def block(
    policy: Policy, scope: ScopeKind, *, asked: float | None = None, reason: str = ""
) -> Block:
    """Return how a policy latches a scope."""
    cool = policy.cool_down
    base, cap = (None, 0.0) if cool is None else (cool.base, cool.cap)
    return Block(scope=scope, base=base, cap=cap, asked=asked, reason=reason)
