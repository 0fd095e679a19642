"""What users wrote, and meant: small things that a literal reading gets wrong."""

import aiohttp
import pytest
from aiohttp import web
from server import Server

import resilient
from resilient.credentials import Bearer, SessionId
from resilient.testing import Emulator

HH = {"catalog": "hh", "statuses": {"404": "none"}}


async def test_a_status_that_is_an_answer_is_one_with_any_code(server: Server) -> None:
    """`statuses: {404: none}` means the API's own 404 too, with the code that it reports."""
    server.then(404, '{"errors": [{"type": "not_found"}]}')
    config = {"services": {"jobs": {**HH, "hosts": [server.host]}}}
    async with resilient.session(config) as http, http.get(f"{server.url}/vacancies/1") as found:
        assert 404 == found.status
        assert {"errors": [{"type": "not_found"}]} == await found.json()


async def test_other_statuses_are_errors_as_before(server: Server) -> None:
    """Only the status that was named is an answer."""
    server.then(403, '{"errors": [{"type": "forbidden"}]}')
    config = {"services": {"jobs": {**HH, "hosts": [server.host]}}}
    async with resilient.session(config) as http:
        with pytest.raises(resilient.ApiError, match="forbidden"):
            await http.get(f"{server.url}/vacancies/1")


def _catalog() -> dict[str, object]:
    return {
        "catalog": "posts",
        "source": {"document": "An invented page", "read": "2026-11-22"},
        "credential": {
            "kind": "bearer",
            "fields": [{"name": "Authorization", "in": "header", "prefix": "Bearer "}],
        },
        "statuses": {"401": {"policy": "reauth"}},
    }


async def test_a_client_that_only_posts_gets_a_new_credential(
    server: Server, tmp_path: object
) -> None:
    """A POST that may have been processed is not resent, but the next one has a new token."""
    import yaml

    file = f"{tmp_path}/posts.yaml"
    with open(file, "w") as out:  # noqa: ASYNC230, PTH123 - a few bytes
        yaml.safe_dump(_catalog(), out)

    async def only_new(request: web.Request) -> web.StreamResponse:
        new = request.headers["Authorization"] == "Bearer new"
        return web.Response(status=200 if new else 401)

    server.script.extend([only_new] * 2)
    config = {"services": {"posts": {"catalog": file, "hosts": [server.host]}}}
    tokens = {"posts": Bearer(lambda: "old", lambda: "new")}
    async with resilient.session(config, credentials=tokens) as http:
        with pytest.raises(resilient.AuthenticationFailed, match="may have processed"):
            await http.post(server.url, data=b"x")
        assert 1 == len(server.hits)
        async with http.post(server.url, data=b"x") as response:
            assert 200 == response.status


async def test_what_the_caller_leaves_out_is_added() -> None:
    """A caller who writes Dellin's appkey himself still gets the session's id beside it."""
    async with Emulator("dellin") as vendor:
        config = {"services": {"cargo": {"catalog": "dellin", "hosts": [vendor.host]}}}
        session = {"cargo": SessionId({"appkey": "KEY"}, {"login": "me", "password": "secret"})}
        async with (
            resilient.session(config, credentials=session) as http,
            http.post(f"{vendor.url}/v3/orders.json", json={"appkey": "MINE"}) as response,
        ):
            assert 200 == response.status
        assert {"appkey", "sessionID"} == set(vendor.requests[-1].presented)
        assert b'"appkey": "MINE"' in vendor.requests[-1].body


async def test_an_unencrypted_host_is_warned_of_once(server: Server) -> None:
    """A credential that plain http keeps back is one warning, not one for each call."""
    events: list[resilient.Event] = []
    config = {"services": {"jobs": {"catalog": "hh"}}}
    tokens = {"jobs": Bearer(lambda: "token")}
    async with resilient.session(
        config, credentials=tokens, listeners=[events.append], proxy=server.url
    ) as http:
        for _ in range(3):
            async with http.get("http://api.hh.ru/me") as response:
                assert isinstance(response, aiohttp.ClientResponse)
    assert 1 == sum(event.name == "resilient.config_warning" for event in events)
    assert ["Authorization" not in hit.headers for hit in server.hits] == [True] * 3


@pytest.mark.parametrize("wrong", [None, [], 5])
def test_what_is_no_configuration(wrong: object) -> None:
    """What is neither a file nor a mapping is a ConfigError that says so."""
    with pytest.raises(resilient.ConfigError, match="a file's path or a mapping"):
        resilient.load(wrong)  # type: ignore[arg-type]


def test_a_key_in_the_wrong_place_is_not_shown() -> None:
    """A user who writes the key itself under `credential` reads what belongs there, and no key."""
    config = {"services": {"jobs": {"catalog": "hh", "credential": "SUPERSECRET"}}}
    with pytest.raises(resilient.ConfigError, match="env: NAME") as told:
        resilient.load(config)
    assert "SUPERSECRET" not in repr(told.value)


def test_credentials_are_by_service() -> None:
    """A bare key for `credentials` is no mapping, and is not shown either."""
    config = {"services": {"jobs": {"catalog": "hh"}}}
    with pytest.raises(resilient.ConfigError, match="a mapping") as told:
        resilient.Middleware(config, credentials="SUPERSECRET")  # type: ignore[arg-type]
    assert "SUPERSECRET" not in str(told.value)
