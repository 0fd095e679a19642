from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.catalog import Catalog, CredentialRule, Entry, Field, ScopeKind, Source
from resilient.config.build_policies import shipped_policies
from resilient.core.decide import MOST_ASKED, decide, decide_no_answer, marks
from resilient.model import (
    Attempt,
    Block,
    Failure,
    Found,
    NoAnswer,
    Pause,
    Raise,
    Refresh,
    Resend,
    Verdict,
)
from resilient.policy import Backoff, Policy

POLICIES = shipped_policies("default")
CATALOG = Catalog(
    name="mine",
    source=Source(document="d", read="r"),
    credential=CredentialRule(kind="api_key", fields=(Field(name="k", places=("header",)),)),
)


def failure(*policies: str, retry_after: float | None = None, **entry: Any) -> Failure:
    """Return a failure of entries with these policies, otherwise alike."""
    made = [Entry(kind="code", code=each, name=each, policy=each, **entry) for each in policies]
    return Failure(
        catalog="mine",
        status=400,
        found=tuple(Found(entry=each, code=each.code) for each in made),
        retry_after=retry_after,
        scope="credential",
    )


def attempt(number: int = 1, **known: Any) -> Attempt:
    """Return an attempt of a call that may be repeated, unless told otherwise."""
    return Attempt(number=number, **{"idempotent": True, **known})


def decided(found: Failure, of: Attempt, u: float = 0.5) -> Verdict:
    """Return what the default policies make of it."""
    return decide(found, POLICIES[found.entry.policy], of, u)


@pytest.mark.parametrize(
    ("number", "expected"),
    [(1, Resend(delay=0.1)), (2, Resend(delay=0.2)), (3, Resend(delay=0.4))],
)
def test_retry(number: int, expected: Resend) -> None:
    """A failed server is asked again after half of a doubling delay, at u = 0.5."""
    assert expected == decided(failure("retry"), attempt(number))


@pytest.mark.parametrize(
    ("known", "skipped"),
    [
        ({"number": 4}, "attempts"),
        ({"idempotent": False}, "not_idempotent"),
        ({"replayable": False}, "body_not_replayable"),
        ({"remaining": 0.1}, "deadline"),
        ({"remaining": 0.0}, "deadline"),
        ({"held": 5.0, "remaining": 5.0}, "deadline"),
        ({"idempotent": False, "number": 4}, "not_idempotent"),
        ({"affordable": False}, "budget"),
        ({"affordable": False, "remaining": 0.1}, "deadline"),
    ],
)
def test_retry_skipped(known: dict[str, Any], skipped: str) -> None:
    """What cannot be sent again, or not in time, is raised, and why is told."""
    assert Raise(skipped=skipped) == decided(failure("retry"), attempt(**{"number": 1, **known}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("processed", "idempotent", "resent"),
    [(False, False, True), (None, False, False), (True, False, False), (True, True, True)],
)
def test_safe_to_resend(processed: bool | None, idempotent: bool, resent: bool) -> None:
    """What the server did not process is safe; else the call must be idempotent."""
    verdict = decided(failure("retry", processed=processed), attempt(idempotent=idempotent))
    assert resent == isinstance(verdict, Resend)


@pytest.mark.parametrize(
    ("asked", "u", "expected"),
    [
        (10.0, 0.0, Resend(delay=10.0)),
        (10.0, 0.5, Resend(delay=10.5)),
        (0.0, 0.5, Resend(delay=0.1)),
        (120.0, 0.9, Resend(delay=129.0)),
        (120.5, 0.0, Raise(skipped="deadline", wait=120.5)),
        (86400.0, 0.0, Raise(skipped="deadline", wait=86400.0)),
    ],
)
def test_a_wait_is_kept_or_told(asked: float, u: float, expected: Verdict) -> None:
    """A server's wait is never shortened; one above `max_wait` is raised at once with the time."""
    assert expected == decided(failure("retry", retry_after=asked), attempt(), u)


def test_a_documented_wait_counts_where_the_server_says_nothing() -> None:
    """`wait` of the entry stands in for a Retry-After, and a Retry-After goes before it."""
    assert Resend(delay=60.0) == decided(failure("retry", wait=60.0), attempt(), 0.0)
    assert Resend(delay=5.0) == decided(
        failure("retry", wait=60.0, retry_after=5.0), attempt(), 0.0
    )
    assert Raise(wait=86400.0) == decided(failure("fail_fast", wait=86400.0), attempt())


def test_no_sleep_into_the_deadline() -> None:
    """A wait that ends at the call's deadline is none: the call ends now, with the time."""
    late = decided(failure("retry", retry_after=10.0), attempt(remaining=10.0), 0.0)
    assert Raise(skipped="deadline", wait=10.0) == late
    assert Resend(delay=10.0) == decided(
        failure("retry", retry_after=10.0), attempt(remaining=10.1), 0.0
    )


def test_back_off() -> None:
    """Too fast: the scope waits, so the call itself adds no delay; it ends with its attempts."""
    assert Resend(delay=0.0) == decided(failure("back_off", processed=False), attempt(5))
    assert Raise(skipped="attempts") == decided(failure("back_off", processed=False), attempt(6))
    # Its scope sends one probe for all who wait, so it costs no retry.
    poor = attempt(5, affordable=False)
    assert Resend(delay=0.0) == decided(failure("back_off", processed=False), poor)


@pytest.mark.parametrize(("remaining", "in_time"), [(0.5, False), (0.501, True)])
def test_back_off_does_not_pause_into_the_deadline(remaining: float, in_time: bool) -> None:
    """A scope is paused for at least half of its delay: a call that ends by then is not kept."""
    found = failure("back_off", processed=False)
    expected = Resend(delay=0.0) if in_time else Raise(skipped="deadline")
    assert expected == decided(found, attempt(remaining=remaining), 0.0)


@pytest.mark.parametrize(
    ("known", "processed", "expected"),
    [
        ({"refreshable": True}, False, Refresh()),
        ({"refreshable": False}, False, Raise()),
        ({"refreshable": True, "refreshed": True}, False, Raise()),
        ({"refreshable": True, "idempotent": False}, False, Refresh()),
        ({"refreshable": True, "idempotent": False}, None, Refresh(skipped="not_idempotent")),
        ({"refreshable": True}, None, Refresh()),
        ({"refreshable": True, "replayable": False}, False, Refresh(skipped="body_not_replayable")),
    ],
)
def test_reauth(known: dict[str, Any], processed: bool | None, expected: Verdict) -> None:
    """An expired credential is renewed once for a call that can be sent again."""
    assert expected == decided(failure("reauth", processed=processed), attempt(**known))


@pytest.mark.parametrize("policy", ["fail_fast", "block_warning"])
def test_no_repetition(policy: str) -> None:
    """Where repeating cannot help nothing is repeated, however safe it would be."""
    assert Raise() == decided(failure(policy, processed=False), attempt())
    assert Raise(wait=9.0) == decided(failure(policy, retry_after=9.0), attempt())


@pytest.mark.parametrize(
    ("no_answer", "known", "expected"),
    [
        (NoAnswer(sent=False), {"idempotent": False}, Resend(delay=0.1)),
        (NoAnswer(sent=None), {"idempotent": False}, Raise(skipped="not_idempotent")),
        (NoAnswer(sent=None), {}, Resend(delay=0.1)),
        (NoAnswer(sent=False, hopeless=True), {}, Raise()),
        (NoAnswer(sent=False), {"replayable": False}, Raise(skipped="body_not_replayable")),
        (NoAnswer(sent=False), {"number": 4}, Raise(skipped="attempts")),
        (NoAnswer(sent=False), {"remaining": 0.05}, Raise(skipped="deadline")),
        (NoAnswer(sent=False), {"affordable": False}, Raise(skipped="budget")),
    ],
)
def test_no_answer(no_answer: NoAnswer, known: dict[str, Any], expected: Verdict) -> None:
    """Without an answer only what certainly did not leave, or does no harm twice, is repeated."""
    assert expected == decide_no_answer(no_answer, POLICIES["retry"], attempt(**known), 0.5)


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True), st.none() | st.floats(0, 1e10))
def test_delays_are_sane(number: int, u: float, asked: float | None) -> None:
    """No attempt and no header makes a delay negative, endless, or shorter than asked."""
    policy = Policy(name="p", action="retry", attempts=10**6, max_wait=1e12)
    verdict = decide(failure("retry", retry_after=asked), policy, attempt(number), u)
    assert isinstance(verdict, Resend)
    assert (asked or 0.0) <= verdict.delay <= max(20.0, (asked or 0.0) * 1.1)


@pytest.mark.parametrize(
    ("retry_after", "wait", "u", "seconds"),
    [
        (None, None, 0.0, 0.5),
        (None, None, 1.0, 1.0),
        (30.0, None, 0.0, 30.0),
        (30.0, 60.0, 0.0, 30.0),
        (None, 60.0, 0.0, 60.0),
        (0.0, None, 0.0, 0.5),
        (1e12, None, 0.0, MOST_ASKED),
    ],
)
def test_pauses(retry_after: float | None, wait: float | None, u: float, seconds: float) -> None:
    """A pause is what was asked or the back-off, whichever is longer, and never absurd."""
    found = failure("back_off", retry_after=retry_after, wait=wait)
    assert (Pause(scope="credential", seconds=seconds),) == marks(found, CATALOG, POLICIES, u)


def test_steps() -> None:
    """A scope that is refused again pauses for longer, up to the cap."""
    found = failure("back_off", scope="ip")
    seconds = [marks(found, CATALOG, POLICIES, 0.0, lambda _, n=n: n) for n in (1, 2, 3, 99)]  # type: ignore[misc]
    assert [0.5, 1.0, 2.0, 30.0] == [each.seconds for (each,) in seconds if isinstance(each, Pause)]


@pytest.mark.parametrize(("scope", "seconds"), [("ip", 1.0), ("credential", 2.0)])
def test_each_scope_has_its_own_step(scope: ScopeKind, seconds: float) -> None:
    """What is asked for the step of a back-off is the scope that is refused."""
    steps: dict[ScopeKind, int] = {"ip": 2, "credential": 3}
    found = failure("back_off", scope=scope)
    expected = (Pause(scope=scope, seconds=seconds),)
    assert expected == marks(found, CATALOG, POLICIES, 0.0, lambda kind: steps[kind])


def test_blocks() -> None:
    """A block holds for the policy's cool-down, or for what was asked, or until released."""
    (mark,) = marks(failure("block_warning", retry_after=7.0), CATALOG, POLICIES, 0.5)
    reason = "block_warning"
    expected = Block(scope="credential", base=300.0, cap=21600.0, asked=7.0, reason=reason)
    assert expected == mark
    manual = {"block_warning": Policy(name="b", action="block_warning", cool_down=None)}
    (mark,) = marks(failure("block_warning"), CATALOG, manual, 0.5)
    assert Block(scope="credential", base=None, cap=0.0, reason=reason) == mark


def test_a_block_tells_the_code_or_the_name() -> None:
    """The reason of a block is the reported code; where a status told, the entry's name."""
    named = Entry(kind="status", name="banned", policy="block_warning")
    for code, reason in (("77", "77"), (None, "banned")):
        found = Failure(
            catalog="mine", status=403, found=(Found(entry=named, code=code),), scope="credential"
        )
        (mark,) = marks(found, CATALOG, POLICIES, 0.0)
        assert isinstance(mark, Block)
        assert reason == mark.reason


def test_every_error_leaves_its_mark() -> None:
    """The pauses and blocks of all entries count, not only of the one that decides."""
    found = failure("fail_fast", "block_warning", "back_off", "back_off", "retry", "reauth")
    left = marks(found, CATALOG, POLICIES, 0.0)
    assert [Block, Pause] == [type(each) for each in left]


@pytest.mark.parametrize("waits", [(5.0, 9.0), (9.0, 5.0)])
def test_one_refusal_of_one_scope(waits: tuple[float, float]) -> None:
    """Several errors that pause one scope are one refusal of it; other scopes have their own."""
    entries = [
        Entry(kind="code", code="a", name="a", policy="back_off", wait=waits[0]),
        Entry(kind="code", code="b", name="b", policy="back_off", wait=waits[1]),
        Entry(kind="code", code="c", name="c", policy="back_off", scope="ip"),
    ]
    found = Failure(
        catalog="mine",
        status=400,
        found=tuple(Found(entry=each, code=each.code) for each in entries),
        scope="credential",
    )
    expected = (Pause(scope="credential", seconds=9.0), Pause(scope="ip", seconds=0.5))
    assert expected == marks(found, CATALOG, POLICIES, 0.0)


def test_back_off_base_is_the_policys() -> None:
    """Another policy of the same action pauses by its own delay."""
    slow = Policy(name="back_off", action="back_off", delay=Backoff(base=8.0, cap=8.0))
    (mark,) = marks(failure("back_off"), CATALOG, {"back_off": slow}, 0.0)
    assert Pause(scope="credential", seconds=4.0) == mark
