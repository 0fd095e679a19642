import asyncio
import gc
import traceback
import weakref
from typing import Any, cast

import aiohttp
import attrs
import pytest

from resilient.credentials import (
    ApiKey,
    Calls,
    CannotSign,
    CredentialRefused,
    Keyring,
    OAuth2,
    SessionId,
    Signature,
    TokenPair,
    Values,
)
from resilient.credentials.protocol import Taken

from .conftest import CANARY, Vendor


@attrs.define(eq=False)
class Fake:
    """A credential that the test leads: each load and renewal waits until it is let go."""

    refreshable: bool = True
    loads: int = 0
    renewals: int = 0
    stale: list[Values] = attrs.field(factory=list)
    outcome: Any = None
    stored: Any = None
    open: asyncio.Event = attrs.field(factory=asyncio.Event)
    begun: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def load(self, calls: Calls) -> Values:
        """Return what is stored."""
        self.loads += 1
        return await self._give(self.stored or {"token": "t1"})

    async def renew(self, calls: Calls, stale: Values) -> Values:
        """Return the outcome."""
        self.renewals += 1
        self.stale.append(stale)
        return await self._give(self.outcome or {"token": f"t{self.renewals + 1}"})

    async def _give(self, what: Any) -> Values:
        self.begun.set()
        await self.open.wait()
        if isinstance(what, BaseException):
            raise what
        return cast("Values", what)


@pytest.fixture
def fake() -> Fake:
    """A credential that is let go at once, until the test closes it."""
    fake = Fake()
    fake.open.set()
    return fake


async def _turns(count: int = 5) -> None:
    """Let everything that can run do so."""
    for _ in range(count):
        turn = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(turn.set_result, None)
        await turn


def _start(work: Any) -> "asyncio.Task[Any]":
    return asyncio.ensure_future(work)


async def test_one_load(fake: Fake, calls: Calls) -> None:
    """A thousand first uses load once."""
    ring = Keyring(fake)
    found = await asyncio.gather(*(ring.ready(calls) for _ in range(1000)))
    assert [Signature(1, {"token": "t1"})] * 1000 == found
    assert 1 == fake.loads
    assert found[0] is ring.current


async def test_one_renewal(fake: Fake, calls: Calls) -> None:
    """A thousand refusals of one token renew it once."""
    ring = Keyring(fake)
    await ring.ready(calls)
    await asyncio.gather(*(ring.renew(1, calls) for _ in range(1000)))
    assert (1, [{"token": "t1"}]) == (fake.renewals, fake.stale)
    assert Signature(2, {"token": "t2"}) == ring.current


async def test_late_refusal(fake: Fake, calls: Calls) -> None:
    """A refusal of a token that was renewed meanwhile renews nothing."""
    ring = Keyring(fake)
    await ring.ready(calls)
    await ring.renew(1, calls)
    await ring.renew(1, calls)
    assert 1 == fake.renewals


async def test_ready_waits(fake: Fake, calls: Calls) -> None:
    """While a renewal is under way nobody gets the old token."""
    ring = Keyring(fake)
    await ring.ready(calls)
    fake.open.clear()
    renewal = _start(ring.renew(1, calls))
    await _turns()
    waiting = _start(ring.ready(calls))
    await _turns()
    assert ring.busy
    assert not waiting.done()
    fake.open.set()
    assert 2 == (await waiting).generation
    await renewal
    assert not ring.busy


@pytest.mark.parametrize("after", range(4))
async def test_cancelled_leader(fake: Fake, calls: Calls, after: int) -> None:
    """The one who began a renewal may be cancelled at any step: the others get theirs."""
    ring = Keyring(fake)
    await ring.ready(calls)
    fake.open.clear()
    leader = _start(ring.renew(1, calls))
    await _turns(after)
    leader.cancel()
    followers = [_start(ring.renew(1, calls)) for _ in range(10)]
    await _turns()
    fake.open.set()
    assert [None] * 10 == await asyncio.gather(*followers)
    assert leader.cancelled()
    assert (1, 2) == (fake.renewals, (await ring.ready(calls)).generation)


async def test_cancelled_follower(fake: Fake, calls: Calls) -> None:
    """One who waits may be cancelled: the renewal goes on."""
    ring = Keyring(fake)
    await ring.ready(calls)
    fake.open.clear()
    leader, follower = _start(ring.renew(1, calls)), _start(ring.renew(1, calls))
    await _turns()
    follower.cancel()
    await _turns()
    fake.open.set()
    assert await leader is None
    assert follower.cancelled()


async def test_failure_reaches_all(fake: Fake, calls: Calls) -> None:
    """What a renewal raises is raised to everybody who waits, and does not latch."""
    ring = Keyring(fake)
    await ring.ready(calls)
    fake.outcome = OSError("down")
    found = await asyncio.gather(
        *(ring.renew(1, calls) for _ in range(100)), return_exceptions=True
    )
    assert [fake.outcome] * 100 == found
    fake.outcome = None
    await ring.renew(1, calls)
    assert 2 == fake.renewals


async def test_ready_hears_failure(fake: Fake, calls: Calls) -> None:
    """Whoever waits for a renewal by `ready` hears of its failure, too."""
    ring = Keyring(fake)
    await ring.ready(calls)
    fake.open.clear()
    fake.outcome = OSError("down")
    both = [_start(ring.renew(1, calls)), _start(ring.ready(calls))]
    await _turns()
    fake.open.set()
    found = await asyncio.gather(*both, return_exceptions=True)
    assert [fake.outcome] * 2 == found
    assert 1 == (await ring.ready(calls)).generation


async def test_latch(fake: Fake, calls: Calls) -> None:
    """After a refusal nothing is renewed any more, and each raises at once."""
    ring = Keyring(fake)
    await ring.ready(calls)
    fake.outcome = CredentialRefused("no")
    found = await asyncio.gather(
        *(ring.renew(1, calls) for _ in range(100)), return_exceptions=True
    )
    assert {CredentialRefused} == set(map(type, found))
    for _ in range(3):
        with pytest.raises(CredentialRefused, match="no"):
            await ring.renew(1, calls)
        with pytest.raises(CredentialRefused, match="no"):
            await ring.ready(calls)
    assert 1 == fake.renewals
    assert ring.current is None


async def test_unlatch(fake: Fake, calls: Calls) -> None:
    """Other values in the store bring it back, under a new generation."""
    ring = Keyring(fake)
    await ring.ready(calls)
    fake.outcome = CredentialRefused("no")
    with pytest.raises(CredentialRefused):
        await ring.renew(1, calls)
    fake.stored, fake.outcome = {"token": "by hand"}, None
    assert Signature(2, {"token": "by hand"}) == await ring.ready(calls)
    await ring.renew(1, calls)
    assert 1 == fake.renewals


async def test_spent_values(fake: Fake, calls: Calls) -> None:
    """Values that were replaced before do not bring it back."""
    ring = Keyring(fake)
    await ring.ready(calls)
    await ring.renew(1, calls)
    fake.outcome = CredentialRefused("no")
    with pytest.raises(CredentialRefused):
        await ring.renew(2, calls)
    with pytest.raises(CredentialRefused):
        await ring.ready(calls)


async def test_one_read_while_dead(fake: Fake, calls: Calls) -> None:
    """While it is dead the store is read at most once at a time."""
    ring = Keyring(fake)
    await ring.ready(calls)
    fake.outcome = CredentialRefused("no")
    with pytest.raises(CredentialRefused):
        await ring.renew(1, calls)
    found = await asyncio.gather(*(ring.ready(calls) for _ in range(100)), return_exceptions=True)
    assert {CredentialRefused} == set(map(type, found))
    assert 2 == fake.loads


async def test_store_fails_while_dead(fake: Fake, calls: Calls) -> None:
    """A store that fails while the credential is dead does not hide that it is."""
    ring = Keyring(fake)
    await ring.ready(calls)
    fake.outcome = CredentialRefused("no")
    with pytest.raises(CredentialRefused):
        await ring.renew(1, calls)
    fake.stored = OSError("down")
    with pytest.raises(CredentialRefused, match="no"):
        await ring.ready(calls)


async def test_first_load_fails(fake: Fake, calls: Calls) -> None:
    """A first load that fails in passing is tried again by the next call."""
    ring = Keyring(fake)
    fake.stored = OSError("down")
    with pytest.raises(OSError, match="down"):
        await ring.ready(calls)
    fake.stored = None
    assert 1 == (await ring.ready(calls)).generation


async def test_first_load_refused(fake: Fake, calls: Calls) -> None:
    """A first load that is refused is over when the store has something."""
    ring = Keyring(fake)
    fake.stored = CredentialRefused("empty")
    with pytest.raises(CredentialRefused, match="empty"):
        await ring.ready(calls)
    fake.stored = None
    assert 1 == (await ring.ready(calls)).generation


async def test_refused_login_is_not_repeated(vendor: Vendor, calls: Calls) -> None:
    """A thousand calls after a refused login log in no more."""
    vendor.says({}, 401)
    ring = Keyring(SessionId({"appkey": "k"}, {"login": "me"}))
    for _ in range(10):
        found = await asyncio.gather(
            *(ring.ready(calls) for _ in range(100)), return_exceptions=True
        )
        assert {CredentialRefused} == set(map(type, found))
    assert 1 == vendor.hits


async def test_oauth2_storm(vendor: Vendor, calls: Calls) -> None:
    """A thousand refusals make one call of the token endpoint; after invalid_grant, none."""
    stored = [TokenPair("access-1", "refresh-1")]
    ring = Keyring(OAuth2("id", "secret", lambda: stored[-1], stored.append))
    await ring.ready(calls)
    vendor.says({"access_token": "access-2", "refresh_token": "refresh-2"})
    await asyncio.gather(*(ring.renew(1, calls) for _ in range(1000)))
    assert (1, "access-2") == (vendor.hits, stored[-1].access_token)
    vendor.says({"error": "invalid_grant"}, 400)
    for _ in range(3):
        await asyncio.gather(*(ring.renew(2, calls) for _ in range(100)), return_exceptions=True)
        await asyncio.gather(*(ring.ready(calls) for _ in range(100)), return_exceptions=True)
    assert 2 == vendor.hits
    stored.append(TokenPair("by hand", "r"))
    assert {"token": "by hand"} == (await ring.ready(calls)).values


async def test_not_refreshable(calls: Calls) -> None:
    """What cannot be renewed is loaded again, and refused if it is the same."""
    fake = Fake(refreshable=False, stored={"token": "a"})
    fake.open.set()
    ring = Keyring(fake)
    await ring.ready(calls)
    fake.stored = {"token": "b"}
    await ring.renew(1, calls)
    assert Signature(2, {"token": "b"}) == ring.current
    with pytest.raises(CredentialRefused):
        await ring.renew(2, calls)
    with pytest.raises(CredentialRefused):
        await ring.ready(calls)
    fake.stored = {"token": "c"}
    assert Signature(3, {"token": "c"}) == await ring.ready(calls)


async def test_refused_for_now(fake: Fake, calls: Calls) -> None:
    """A refusal that is not for good fails who asked for a renewal, and nobody else."""
    ring = Keyring(fake)
    first = await ring.ready(calls)
    fake.outcome = CredentialRefused("no other")
    fake.outcome.wait = 0.0
    fake.open.clear()
    asked = _start(ring.renew(1, calls))
    await _turns()
    waiting = _start(ring.ready(calls))
    await _turns()
    fake.open.set()
    assert first is await waiting
    with pytest.raises(CredentialRefused, match="no other"):
        await asked
    assert first is ring.current


async def test_taken(fake: Fake, calls: Calls) -> None:
    """Values that a renewal found, and did not buy, are known as such."""
    ring = Keyring(fake)
    assert not (await ring.ready(calls)).taken
    fake.outcome = Taken(token="another's")
    await ring.renew(1, calls)
    assert Signature(2, {"token": "another's"}, taken=True) == ring.current
    fake.outcome = None
    await ring.renew(2, calls)
    assert not (await ring.ready(calls)).taken


async def test_api_key(calls: Calls) -> None:
    """An API key that is refused is dead."""
    ring = Keyring(ApiKey("k"))
    await ring.ready(calls)
    with pytest.raises(CredentialRefused):
        await ring.renew(1, calls)
    with pytest.raises(CredentialRefused):
        await ring.ready(calls)


@pytest.mark.parametrize("values", ["text", {"token": 7}, {"token": ""}, {"token": f"{CANARY}\n"}])
async def test_bad_values(fake: Fake, calls: Calls, values: Any) -> None:
    """What no header could carry does not come out of any credential, and is not shown."""
    fake.stored = values
    with pytest.raises(CredentialRefused) as error:
        await Keyring(fake).ready(calls)
    assert CANARY not in str(error.value)


async def test_values_are_frozen(fake: Fake, calls: Calls) -> None:
    """What a credential does with its mapping later changes no signature."""
    fake.stored = {"token": "t1"}
    signature = await Keyring(fake).ready(calls)
    fake.stored["token"] = "changed"
    assert {"token": "t1"} == signature.values


async def test_repr(calls: Calls) -> None:
    """Neither a keyring nor a signature shows a secret."""
    ring = Keyring(ApiKey(CANARY))
    signature = await ring.ready(calls)
    assert CANARY not in repr(ring)
    assert CANARY not in repr(signature)


async def test_traceback_does_not_grow(fake: Fake, calls: Calls) -> None:
    """A refusal raised a thousand times is as long as one raised once."""
    ring = Keyring(fake)
    await ring.ready(calls)
    cause = OSError("why")
    fake.outcome = CredentialRefused("no", cause)
    lengths = set()
    for _ in range(1000):
        with pytest.raises(CredentialRefused) as error:
            await ring.renew(1, calls)
        lengths.add(len(traceback.extract_tb(error.value.__traceback__)))
        assert cause is error.value.cause
        assert not hasattr(error.value, "__notes__")
    assert len(lengths) <= 2
    assert [] == traceback.extract_tb(cause.__traceback__)


async def test_shared_failure_does_not_grow(fake: Fake, calls: Calls) -> None:
    """One exception raised to a hundred who wait has no traceback of a hundred."""
    ring = Keyring(fake)
    await ring.ready(calls)
    fake.outcome = OSError("down")
    await asyncio.gather(*(ring.renew(1, calls) for _ in range(100)), return_exceptions=True)
    assert len(traceback.extract_tb(fake.outcome.__traceback__)) < 12


async def test_nobody_waits(fake: Fake, calls: Calls) -> None:
    """A renewal that fails when nobody waits any more is not complained of."""
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    ring = Keyring(fake)
    await ring.ready(calls)
    fake.open.clear()
    fake.outcome = OSError("down")
    leader = _start(ring.renew(1, calls))
    await _turns()
    leader.cancel()
    await _turns()
    assert ring._task is not None
    gone = weakref.ref(ring._task)
    fake.open.set()
    await _turns()
    assert not ring.busy
    del leader
    gc.collect()
    assert gone() is None
    await _turns()
    assert [] == complaints


async def test_close(fake: Fake, calls: Calls) -> None:
    """Closing cancels what is under way; who waits raises, and is not cancelled himself."""
    ring = Keyring(fake)
    fake.open.clear()
    waiting = [_start(ring.ready(calls)) for _ in range(10)]
    await fake.begun.wait()
    await ring.aclose()
    assert not ring.busy
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert {CannotSign} == set(map(type, found))
    await ring.aclose()


async def test_close_at_once(fake: Fake, calls: Calls) -> None:
    """What is under way when it is closed may finish: a new pair must not be lost."""
    ring = Keyring(fake)
    waiting, closing = _start(ring.ready(calls)), _start(ring.aclose())
    await closing
    assert 1 == fake.loads
    assert 1 == (await waiting).generation


async def test_leader_closes_session(fake: Fake, calls: Calls) -> None:
    """Where the leader closes his session, those with one of their own do it again."""
    ring = Keyring(fake)
    await ring.ready(calls)
    fake.open.clear()
    fake.outcome = RuntimeError("Session is closed")
    async with aiohttp.ClientSession() as own:
        leader = _start(ring.renew(1, attrs.evolve(calls, http=own)))
        await _turns()
        follower = _start(ring.renew(1, calls))
        await _turns()
    fake.open.set()
    with pytest.raises(RuntimeError):
        await leader
    fake.outcome = None
    await follower
    assert Signature(2, {"token": "t3"}) == ring.current


async def test_context(fake: Fake, calls: Calls) -> None:
    """A renewal runs in a task of its own, so that no leader's timeout cuts it."""
    ring = Keyring(fake)
    await ring.ready(calls)
    fake.open.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await ring.renew(1, calls)
    fake.open.set()
    assert 2 == (await ring.ready(calls)).generation


async def test_a_task_of_before(fake: Fake, calls: Calls) -> None:
    """A renewal that was let go of, with the loop it ran in, does not end the one that follows."""
    ring = Keyring(fake)
    await ring.ready(calls)
    fake.open.clear()
    leader = _start(ring.renew(1, calls))
    await _turns()
    ring.forget_task()
    follower = _start(ring.renew(1, calls))
    await _turns()
    assert ring.busy
    fake.open.set()
    await asyncio.gather(leader, follower)
    assert not ring.busy
