"""Which reaction an answer gets: retry, fail_fast and none; overrides; several errors at once."""

import acme
import pytest
from acme import Connect
from server import Server

import resilient

BASE = {"retry": {"action": "retry", "attempts": 4, "delay": {"base": "1s", "cap": "20s"}}}


async def test_retry_recovers(server: Server, connect: Connect) -> None:
    """A server's failure is tried again, and the caller sees nothing but the success."""
    server.then(**acme.says("broken", status=500), times=2)
    async with connect() as api:
        response = await api.get()
    assert 200 == response.status
    assert 3 == len(server.hits)


@pytest.mark.parametrize(
    ("chance", "expected"),
    [(0.0, [0, 0, 0, 0]), (0.5, [0, 0.5, 1.5, 3.5]), (0.75, [0, 0.75, 2.25, 5.25])],
)
async def test_retry_full_jitter(
    server: Server, connect: Connect, chance: float, expected: list[float]
) -> None:
    """Each delay is drawn between nothing and an exponential: full jitter."""
    server.then(503, times=3)
    async with connect(chance=chance, policies=BASE) as api:
        await api.get()
    assert expected == acme.times(server)


async def test_retry_cap(server: Server, connect: Connect) -> None:
    """No delay is above the cap."""
    policy = {"action": "retry", "attempts": 6, "delay": {"base": 1, "cap": 2}}
    server.then(503, times=5)
    async with connect(chance=0.5, policies={"retry": policy}) as api:
        await api.get()
    assert [0, 0.5, 1.5, 2.5, 3.5, 4.5] == acme.times(server)


async def test_retry_exhausted(server: Server, connect: Connect) -> None:
    """A call is sent as often as its policy tries, then it is Unavailable."""
    server.then(**acme.says("broken", status=500), times=9)
    async with connect(policies=BASE) as api:
        with pytest.raises(resilient.Unavailable, match="as often as the policy tries") as caught:
            await api.get()
    assert 4 == len(server.hits)
    assert (4, 500, "broken", "retry") == (
        caught.value.attempts,
        caught.value.status,
        caught.value.code,
        caught.value.policy,
    )


async def test_own_policy(server: Server, connect: Connect) -> None:
    """A policy set may define more names, and entries may use them."""
    policies = {"retry_once": {"action": "retry", "attempts": 2}}
    server.then(**acme.says("broken", status=500), times=9)
    async with connect(policies=policies, errors={"broken": "retry_once"}) as api:
        with pytest.raises(resilient.Unavailable) as caught:
            await api.get()
    assert 2 == len(server.hits)
    assert "retry_once" == caught.value.policy


async def test_fail_fast(server: Server, connect: Connect) -> None:
    """Where repeating cannot help, the call is sent once and says what a person should do."""
    server.then(**acme.says("wrong", status=422))
    async with connect() as api:
        with pytest.raises(resilient.ApiError, match="No such colour") as caught:
            await api.get()
    error = caught.value
    assert resilient.ApiError is type(error)
    assert 1 == len(server.hits)
    assert ("acme", "wrong", "Wrong", "fail_fast", "Choose another colour.") == (
        error.catalog,
        error.code,
        error.name,
        error.policy,
        error.advice,
    )
    assert ["Wrong"] == [entry.name for entry in error.entries]
    assert b"It is wrong." in error.body


async def test_error_inside_200(server: Server, connect: Connect) -> None:
    """An error inside HTTP 200 is an error."""
    server.then(**acme.says("wrong", status=200))
    async with connect() as api:
        with pytest.raises(resilient.ApiError) as caught:
            await api.get()
    assert 200 == caught.value.status


@pytest.mark.parametrize("status", [200, 404])
async def test_none_is_an_answer(server: Server, connect: Connect, status: int) -> None:
    """What the catalog calls `none` is an answer: nothing is raised, and the body is there."""
    server.then(**acme.says("nothing", status=status))
    async with connect() as api:
        response = await api.get()
        assert status == response.status
        assert "It is nothing." in await response.text()
        assert resilient.failure(response) is None
        assert ["started"] == api.names()


async def test_none_beside_an_error(server: Server, connect: Connect) -> None:
    """Beside an error, an answer that is none changes nothing."""
    server.then(**acme.says("nothing", "wrong"))
    async with connect() as api:
        with pytest.raises(resilient.ApiError) as caught:
            await api.get()
    assert ["wrong"] == [entry.code for entry in caught.value.entries]


@pytest.mark.parametrize("key", ["404", 404])
async def test_status_override_none(server: Server, connect: Connect, key: object) -> None:
    """`statuses: {404: none}` makes a 404 an answer."""
    server.then(404, text="not here")
    async with connect(statuses={key: "none"}) as api:
        response = await api.get()
        assert (404, "not here") == (response.status, await response.text())


async def test_without_override_404_raises(server: Server, connect: Connect) -> None:
    """Without an override a 404 is an error."""
    server.then(404, text="not here")
    async with connect() as api:
        with pytest.raises(resilient.ApiError) as caught:
            await api.get()
    assert (404, None) == (caught.value.status, caught.value.code)


async def test_status_override(server: Server, connect: Connect) -> None:
    """A service may give a status another policy."""
    server.then(503)
    async with connect(statuses={503: "fail_fast"}) as api:
        with pytest.raises(resilient.ApiError):
            await api.get()
    assert 1 == len(server.hits)


async def test_code_goes_before_status(server: Server, connect: Connect) -> None:
    """What the body reports decides over the status."""
    server.then(**acme.says("wrong", status=503))
    async with connect(statuses={503: "retry"}) as api:
        with pytest.raises(resilient.ApiError) as caught:
            await api.get()
    assert ("fail_fast", 1) == (caught.value.policy, len(server.hits))


async def test_code_override(server: Server, connect: Connect) -> None:
    """A service may give a code another policy, or add one."""
    server.then(**acme.says("wrong"))
    server.then(**acme.says("strange", status=200))
    async with connect(errors={"wrong": "retry", "strange": "block_warning"}) as api:
        with pytest.raises(resilient.Blocked):
            await api.get()
    assert 2 == len(server.hits)


@pytest.mark.parametrize(
    ("status", "kind", "hits"),
    [(418, resilient.ApiError, 1), (599, resilient.Unavailable, 4), (299, resilient.ApiError, 1)],
)
async def test_unknown_code(
    server: Server, connect: Connect, status: int, kind: type[resilient.ApiError], hits: int
) -> None:
    """An unknown code goes by the class of its status; in a 2xx it is fail_fast."""
    server.then(**acme.says("unheard", status=status), times=9)
    async with connect() as api:
        with pytest.raises(kind) as caught:
            await api.get()
    assert (kind, "unheard", hits) == (type(caught.value), caught.value.code, len(server.hits))


async def test_unmapped_code_is_reported_once(server: Server, connect: Connect) -> None:
    """A code that the catalog does not know is reported once, and each other one too."""
    server.then(**acme.says("unheard", status=599), times=4)
    server.then(**acme.says("unheard", "unseen", status=418), times=2)
    async with connect() as api:
        for _ in range(3):
            with pytest.raises(resilient.ApiError):
                await api.get()
        assert ["unheard", "unseen"] == [each["code"] for each in api.told("code_unmapped")]


@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        (("broken", "slow_down", "expired", "wrong", "shut_out"), resilient.Blocked),
        (("broken", "slow_down", "expired", "wrong"), resilient.ApiError),
        (("broken", "slow_down", "expired"), resilient.AuthenticationFailed),
        (("slow_down", "broken"), resilient.RateLimited),
        (("broken", "lost"), resilient.Unavailable),
    ],
)
@pytest.mark.parametrize("backwards", [False, True])
async def test_precedence(
    server: Server,
    connect: Connect,
    codes: tuple[str, ...],
    kind: type[resilient.ApiError],
    backwards: bool,
) -> None:
    """Of several errors the gravest decides, in whatever order they are reported."""
    server.then(**acme.says(*(reversed(codes) if backwards else codes)), times=9)
    async with connect() as api:
        with pytest.raises(resilient.ApiError) as caught:
            await api.get()
    assert kind is type(caught.value)
    assert set(codes) == {entry.code for entry in caught.value.entries}


async def test_all_entries_are_recorded(server: Server, connect: Connect) -> None:
    """The pauses and blocks of all errors found are recorded, not only of the one that decides."""
    server.then(**acme.says("wrong", "slow_down_ip", "shut_out", after=30))
    async with connect(egress="office") as api:
        with pytest.raises(resilient.Blocked):
            await api.get()
        assert api.state("ip:office").paused_until is not None
        assert api.state().blocked_since is not None
        assert api.state().paused_until is None
        assert {"ip:office", "credential:default"} == {
            each["scope"] for each in api.told("scope_paused", "scope_blocked")
        }


async def test_resend_of_several_needs_all(server: Server, connect: Connect) -> None:
    """A POST is sent again only if every error says that nothing was processed."""
    server.then(**acme.says("slow_down", "broken"))
    server.then(**acme.says("slow_down", "lost"))
    async with connect() as api:
        with pytest.raises(resilient.RateLimited, match="may have processed it"):
            await api.call("POST", "/things")
        assert 200 == (await api.call("POST", "/things")).status
    assert 3 == len(server.hits)
