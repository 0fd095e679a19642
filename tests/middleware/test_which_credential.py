"""Whose credential signs a call, and what it means that there is none."""

from collections.abc import Awaitable, Callable
from typing import Any

import acme
import pytest
from acme import Connect
from server import Server

import resilient
from resilient import directory, wallet
from resilient.credentials import ApiKey, Bearer, Credential


def signed(server: Server) -> list[str | None]:
    """Return what each call was signed with."""
    return [hit.headers.get("Authorization") for hit in server.hits]


def making(names: list[str]) -> Callable[[str], Awaitable[Credential]]:
    """Return what makes a credential by its name, and notes that it did."""

    async def make(name: str) -> Credential:
        names.append(name)
        return ApiKey(f"key-of-{name}")

    return make


async def test_the_only_one_of_a_mapping(server: Server, connect: Connect) -> None:
    """A single credential needs no choice, whatever it is called."""
    async with connect(credentials={"shop": "key"}) as api:
        await api.get()
        assert "credential:shop" in str(api.middleware.state())
    assert ["Bearer key"] == signed(server)


@pytest.mark.parametrize("credential", ["key", ApiKey("key"), Bearer(lambda: "key")])
async def test_the_only_one_has_no_name(
    server: Server, connect: Connect, credential: Credential | str
) -> None:
    """Where a service has one credential without a name, any name means it and its limits."""
    async with connect(credentials=credential) as api:
        for name in (None, "default", "x"):
            with resilient.options(credential=name):
                await api.get()
        scopes = [key for key in api.middleware.state() if "/credential:" in key]
    assert ["acme/credential:default"] == scopes
    assert ["Bearer key"] * 3 == signed(server)


async def test_by_host(server: Server, connect: Connect) -> None:
    """Where the host is the account, it names the credential."""
    made: list[str] = []
    async with connect(credentials=making(made), credential_from="host") as api:
        await api.get()
        await api.get()
    assert ["127.0.0.1"] == made
    assert ["Bearer key-of-127.0.0.1"] * 2 == signed(server)


async def test_made_by_a_name_that_nobody_says(server: Server, connect: Connect) -> None:
    """What makes credentials by name has to be told one."""
    async with connect(credentials=making([])) as api:
        with pytest.raises(resilient.ConfigError, match="makes its credentials by name"):
            await api.get()
    assert [] == server.hits


async def test_made_ones_are_forgotten(
    server: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond a number of credentials, those that nobody used for long are made anew."""
    monkeypatch.setattr(wallet, "MANY", 2)
    monkeypatch.setattr(wallet, "IDLE", -1.0)
    made: list[str] = []
    async with connect(credentials=making(made)) as api:
        for name in ("a", "b", "a", "c", "a"):
            with resilient.options(credential=name):
                await api.get()
    assert ["a", "b", "c", "a"] == made


async def test_no_place_for_it(connect: Connect) -> None:
    """A credential for a catalog that has no place for one is an error at the start."""
    with pytest.raises(resilient.ConfigError, match="does not say where a credential goes"):
        async with connect(catalog={"credential": None}):
            pass


@pytest.mark.parametrize("wrong", [{"acmee": "key"}, "key"])
def test_of_no_service(wrong: Any) -> None:
    """A credential of a service that is not there, or of none, is an error at the start."""
    config = {"services": {"acme": {"catalog": "http", "hosts": ["h"]}}}
    with pytest.raises(resilient.ConfigError, match=r"no such service|a mapping"):
        resilient.Middleware(config, credentials=wrong)


async def test_that_cannot_be_sent(server: Server, connect: Connect) -> None:
    """A token with a line break is never sent."""

    async def token() -> str:
        return "a\nb"

    async with connect(credentials=Bearer(token)) as api:
        with pytest.raises(resilient.AuthenticationFailed):
            await api.get()
    assert [] == server.hits


async def test_with_a_prefix_that_cannot_be_sent(server: Server, connect: Connect) -> None:
    """What the catalog puts before a token is checked with it, and nothing is left of the call."""
    field = {"name": "Authorization", "in": "header", "prefix": "Be\u0001arer "}
    async with connect(catalog={"credential": {"kind": "bearer", "fields": [field]}}) as api:
        with pytest.raises(resilient.NotSent):
            await api.get()
        assert 0 == api.state().in_flight
    assert [] == server.hits


async def test_out_of_time_of_its_own(server: Server, connect: Connect) -> None:
    """A TimeoutError of the code that gives the credential is a failure as aiohttp's is."""

    async def token() -> str:
        raise TimeoutError

    async with connect(credentials=Bearer(token)) as api:
        with pytest.raises(TimeoutError):
            await api.get()
    assert [] == server.hits


async def test_a_call_of_ours_failed(server: Server, connect: Connect) -> None:
    """The error of a call that was to fetch the credential is the call's own."""

    async def token() -> str:
        raise resilient.Unavailable("down", url="http://h/", method="GET", status=503)

    async with connect(credentials=Bearer(token)) as api:
        with pytest.raises(resilient.Unavailable, match="down"):
            await api.get()
    assert [] == server.hits


async def test_more_hosts_than_are_remembered(
    server: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which service a host belongs to is looked up again where there are too many."""
    monkeypatch.setattr(directory, "_MANY", 1)
    async with connect() as api:
        for url in (api.url, api.url.replace("127.0.0.1", "localhost")):
            async with api.http.get(url + "/things") as response:
                assert 200 == response.status
    assert ["Bearer " + acme.KEY, None] == signed(server)
