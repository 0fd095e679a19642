"""reauth: one refresh for everybody who needs it, then one resend."""

import asyncio

import acme
import attrs
import pytest
from acme import Answer, Connect
from aiohttp import web
from server import Server

import resilient
from resilient.credentials import Bearer, CredentialRefused, CredentialUnavailable


@attrs.define(eq=False)
class Tokens:
    """Where tokens come from: `t0`, then `t1`, `t2` …; a refresh takes a second."""

    refreshes: int = 0
    token: str = "t0"
    fails: Exception | None = None

    async def get(self) -> str:
        """Return the present token."""
        return self.token

    async def refresh(self) -> str:
        """Return the next token."""
        await asyncio.sleep(1)
        self.refreshes += 1
        if self.fails is not None:
            raise self.fails
        self.token = f"t{self.refreshes}"
        return self.token

    @property
    def bearer(self) -> Bearer:
        """The credential."""
        return Bearer(self.get, self.refresh)


def only(token: str, after: float = 0.0) -> Answer:
    """Return an answer that takes one token only, and reports any other as expired."""

    async def respond(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(after)
        if request.headers["Authorization"] == f"Bearer {token}":
            return web.json_response({})
        return web.Response(**acme.says("expired", status=401))

    return respond


def sent(server: Server) -> list[str]:
    """Return the tokens that arrived."""
    return [hit.headers["Authorization"].removeprefix("Bearer ") for hit in server.hits]


async def test_refresh_and_resend(server: Server, connect: Connect) -> None:
    """An expired token is renewed once and the call sent again with the new one."""
    tokens = Tokens()
    server.then(**acme.says("expired", status=401))
    async with connect(credentials=tokens.bearer) as api:
        assert 200 == (await api.get()).status
        assert 200 == (await api.get()).status
        assert 1 == len(api.told("reauthenticated"))
    assert ["t0", "t1", "t1"] == sent(server)
    assert 1 == tokens.refreshes


async def test_one_refresh_for_all(server: Server, connect: Connect) -> None:
    """A hundred calls that are refused together cost one refresh, and none of them fails."""
    tokens = Tokens()
    server.script.extend([only("t1", after=0.1)] * 200)
    async with connect(credentials=tokens.bearer) as api:
        answers = await asyncio.gather(*[api.get() for _ in range(100)])
        assert 1 == len(api.told("reauthenticated"))
    assert {200} == {answer.status for answer in answers}
    assert (1, 200) == (tokens.refreshes, len(server.hits))


async def test_late_refusal_of_an_old_token(server: Server, connect: Connect) -> None:
    """A refusal of a token that was replaced meanwhile costs no second refresh."""
    tokens = Tokens()
    server.script.append(only("t1", after=5))
    server.script.extend([only("t1")] * 3)
    async with connect(credentials=tokens.bearer) as api:
        await asyncio.gather(api.get(), api.get())
    assert ["t0", "t0", "t1", "t1"] == sent(server)
    assert 1 == tokens.refreshes


async def test_newcomers_wait_for_the_refresh(server: Server, connect: Connect) -> None:
    """While the token is being renewed, nobody sends the old one."""
    tokens = Tokens()
    server.then(**acme.says("expired", status=401))
    async with connect(credentials=tokens.bearer) as api, asyncio.TaskGroup() as group:
        group.create_task(api.get())
        await asyncio.sleep(0.5)
        for _ in range(5):
            group.create_task(api.get())
    assert ["t0"] + ["t1"] * 6 == sent(server)
    assert [0] + [1] * 6 == acme.times(server)


async def test_second_refusal(server: Server, connect: Connect) -> None:
    """Refused again after the refresh, the call fails and carries the answer that caused it."""
    tokens = Tokens()
    server.then(**acme.says("expired", status=401), times=9)
    async with connect(credentials=tokens.bearer) as api:
        with pytest.raises(resilient.AuthenticationFailed) as caught:
            await api.get()
    error = caught.value
    assert (2, 401, "expired", "reauth") == (
        error.attempts,
        error.status,
        error.code,
        error.policy,
    )
    assert b"It is expired." in error.body
    assert (2, 1) == (len(server.hits), tokens.refreshes)


async def test_key_cannot_be_renewed(server: Server, connect: Connect) -> None:
    """An API key cannot be renewed: the first refusal is the last."""
    server.then(**acme.says("expired", status=401), times=9)
    async with connect(credentials="a-key") as api:
        with pytest.raises(resilient.AuthenticationFailed) as caught:
            await api.get()
    assert (1, 1) == (caught.value.attempts, len(server.hits))


async def test_refresh_fails(server: Server, connect: Connect) -> None:
    """Where the refresh is refused, every waiter fails with the answer, and nothing is sent."""
    tokens = Tokens(fails=resilient.credentials.CredentialRefused("Revoked."))
    server.then(**acme.says("expired", status=401), times=9)
    async with connect(credentials=tokens.bearer) as api:
        results = await asyncio.gather(*[api.get() for _ in range(3)], return_exceptions=True)
        assert [resilient.AuthenticationFailed] * 3 == [type(each) for each in results]
    assert (3, 1) == (len(server.hits), tokens.refreshes)
    assert {"expired"} == {each.code for each in results if isinstance(each, resilient.ApiError)}


@pytest.mark.parametrize(
    ("fails", "said"),
    [
        (
            CredentialRefused("HTTP 400."),
            "HTTP 400. Nothing is sent with it until there is another.",
        ),
        (CredentialUnavailable("HTTP 503."), "HTTP 503. ["),
        (OSError("a secret"), "The credential could not be had (OSError). ["),
    ],
)
async def test_first_to_hear(server: Server, connect: Connect, fails: Exception, said: str) -> None:
    """The call whose refusal began a refresh says what became of it, instead of advising one."""
    expired = {"policy": "reauth", "meaning": "It is over.", "advice": "Refresh it."}
    server.then(**acme.says("expired", status=401))
    async with connect(credentials=Tokens(fails=fails).bearer, errors={"expired": expired}) as api:
        with pytest.raises(resilient.AuthenticationFailed) as caught:
            await api.get()
    error = caught.value
    assert f"It is over. {said}" in str(error)
    assert "Refresh it." not in str(error)
    assert str(fails) == str(error.__cause__)
    assert ("expired", 401, ["Refresh it."]) == (
        error.code,
        error.status,
        [each.advice for each in error.entries],
    )


async def test_get_without_refresh(server: Server, connect: Connect) -> None:
    """Without a `refresh`, `get` is asked once, and another token that it has is sent."""
    tokens = Tokens()
    server.script.extend([only("t1")] * 3)
    async with connect(credentials=Bearer(tokens.get)) as api:
        await asyncio.gather(api.get(), _put(tokens, "t1"))
        assert 200 == (await api.get()).status
    assert ["t0", "t1", "t1"] == sent(server)


async def _put(tokens: Tokens, token: str) -> None:
    await asyncio.sleep(0)
    tokens.token = token


async def test_get_knows_no_other(server: Server, connect: Connect) -> None:
    """Where it has none, that call fails; the next is sent: it may be one endpoint that refuses."""
    asked: list[str] = []
    server.then(**acme.says("expired", status=401), times=2)

    def get() -> str:
        asked.append("t0")
        return "t0"

    async with connect(credentials=Bearer(get)) as api:
        for _ in range(2):
            with pytest.raises(resilient.AuthenticationFailed, match="`get` returns the token"):
                await api.get()
        assert 200 == (await api.get()).status
    assert (3, ["t0"] * 3) == (len(asked), sent(server))


async def test_resend_is_one_of_the_attempts(server: Server, connect: Connect) -> None:
    """Another error after the refresh gets its own policy, and attempts count on."""
    tokens = Tokens()
    server.then(**acme.says("expired", status=401))
    server.then(503)
    async with connect(credentials=tokens.bearer) as api:
        assert 200 == (await api.get()).status
        assert [1, 2] == [each["attempt"] for each in api.told("attempt_failed")]
        assert [3] == [each["attempt"] for each in api.told("call_recovered")]


async def test_post_may_have_been_processed(server: Server, connect: Connect) -> None:
    """A POST is not sent again unless the entry says that it was not processed."""
    tokens = Tokens()
    server.then(**acme.says("expired", status=401), times=9)
    async with connect(
        credentials=tokens.bearer, errors={"expired": {"policy": "reauth", "processed": True}}
    ) as api:
        with pytest.raises(resilient.AuthenticationFailed, match="may have processed it"):
            await api.call("POST", "/things")
    assert 1 == len(server.hits)


async def test_deadline_ends_the_refresh(server: Server, connect: Connect) -> None:
    """A call does not wait for a refresh beyond its deadline; the refresh goes on for others."""
    tokens = Tokens()
    server.then(**acme.says("expired", status=401))
    async with connect(credentials=tokens.bearer) as api:
        with resilient.options(timeout=0.5), pytest.raises(resilient.AuthenticationFailed):
            await api.get()
        assert 200 == (await api.get()).status
    assert (["t0", "t1"], 1) == (sent(server), tokens.refreshes)
