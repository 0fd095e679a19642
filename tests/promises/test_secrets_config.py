"""A secret that somebody wrote into a configuration, or onto a command line, is not repeated."""

from pathlib import Path
from typing import Any

import pytest
from canary import Canary, Sinks, look_at, overhearing, word
from redis_server import RedisServer
from typer.testing import CliRunner

import resilient
from resilient.cli.app import app
from resilient.testing import Emulator, EventCapture

SECRET = word("config")
CATALOG = """\
catalog: mine
source: {document: A page, read: 2026-11-21}
hosts: [api.mine.test]
credential: {kind: api_key, fields: [{name: key, in: [query]}]}
"""
FILES = {
    "the credential itself": "services: {a: {catalog: unisender, credential: @}}",
    "another key": "services: {a: {catalog: unisender, credential: {value: @}}}",
    "as the variable's name": "services: {a: {catalog: unisender, credential: {env: @}}}",
    "as a list": "services: {a: {catalog: unisender, credential: [@]}}",
    "under no key of ours": "services: {a: {catalog: unisender, api_key: @}}",
    "twice": "services: {a: {catalog: unisender, credential: {env: A}, credential: @}}",
    "not closed": "services: {a: {catalog: unisender, credential: @",
    "with a tag": "services: {a: {catalog: unisender, credential: !secret @}}",
    "in a host": "services: {a: {catalog: http, hosts: ['https://user:@@api.test/']}}",
    "in the store": "{store: 'redis://:@@h:port/0', services: {a: {catalog: unisender}}}",
    "as the store": "{store: @, services: {a: {catalog: unisender}}}",
    "as the store's user": "{store: 'redis://@@h/0', services: {a: {catalog: unisender}}}",
    "as the store's port": "{store: 'redis://h:@', services: {a: {catalog: unisender}}}",
    "as the store's host": "{store: 'redis://-@', services: {a: {catalog: unisender}}}",
    "before a slash": "{store: 'redis://:@/x@h/0', services: {a: {catalog: unisender}}}",
    "before a question mark": "{store: 'redis://:x?@@h/0', services: {a: {catalog: unisender}}}",
    "as the store's option": "{store: 'unix:///r?pasword=@', services: {a: {catalog: unisender}}}",
    "in a list of stores": "{store: {url: ['redis://:@@h/0']}, services: {a: {catalog: http}}}",
    "in another store": "{store: 'http://user:@@h/0', services: {a: {catalog: unisender}}}",
    "in the store's url": "{store: {url: 'nats://:@@h', mode: no}, services: {}}",
}


def _written(folder: Path, text: str) -> Path:
    file = folder / "resilient.yaml"
    file.write_text(text.replace("@", SECRET.core, 1), "utf-8")
    return file


def _check(sinks: Sinks, *canaries: Canary) -> None:
    """Hold what was seen to the promise."""
    assert [] == sinks.hits(*canaries)


@pytest.mark.parametrize("where", FILES)
def test_files(tmp_path: Path, where: str) -> None:
    """No fault of a file repeats a secret that stands where it should not."""
    file, sinks = _written(tmp_path, FILES[where]), Sinks()
    with overhearing(sinks), pytest.raises(resilient.ConfigError) as caught:
        resilient.Middleware(resilient.load(file))
    sinks.catch(caught.value)
    _check(sinks, SECRET)


@pytest.mark.parametrize("where", FILES)
def test_check(tmp_path: Path, where: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Nor does `resilient check` print one."""
    file, sinks = _written(tmp_path, FILES[where]), Sinks()
    result = CliRunner().invoke(app, ["check", str(file)])
    sinks.add("output", result.output, *capfd.readouterr())
    _check(sinks, SECRET)


@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["--url", f"https://user:{SECRET.core}@api.unisender.com/ru/api/getLists"],
        ["--url", f"https://api.unisender.com/ru/api/getLists?api_key={SECRET.core}"],
        ["--header", f"Set-Cookie: {SECRET.core}"],
        ["--header", SECRET.core],
        ["--status", "401", "--header", f"WWW-Authenticate: Bearer {SECRET.core}"],
        ["--status", "302", "--header", f"Location: https://x.test/?token={SECRET.core}"],
    ],
    ids=lambda found: str(found[-1]).partition(SECRET.core)[0],
)
def test_explain(
    arguments: list[str], as_json: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    """`resilient explain` repeats nothing of a URL or header that it is given."""
    sinks = Sinks()
    result = CliRunner().invoke(app, ["explain", "unisender", *arguments, *as_json])
    sinks.add("output", result.output, *capfd.readouterr())
    _check(sinks, SECRET)


def test_the_search_finds(tmp_path: Path) -> None:
    """A loader that shows what it found does not stand the same search."""
    import yaml

    sinks = Sinks()
    file = _written(tmp_path, FILES["not closed"])
    with pytest.raises(yaml.YAMLError) as caught:
        yaml.safe_load(file.read_text("utf-8"))
    sinks.catch(caught.value)
    with pytest.raises(AssertionError):
        _check(sinks, SECRET)


def test_given_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that comes the right way is in no repr of what was made of it."""
    monkeypatch.setenv("MINE_KEY", SECRET.text)
    catalog = tmp_path / "mine.yaml"
    catalog.write_text(CATALOG, "utf-8")
    service: dict[str, Any] = {"catalog": str(catalog), "credential": {"env": "MINE_KEY"}}
    middleware = resilient.Middleware({"services": {"a": service}})
    sinks = Sinks()
    sinks.add("repr", middleware, middleware.config, vars(middleware), *middleware._directory)
    _check(sinks, SECRET)


@pytest.mark.real_time
@pytest.mark.parametrize("url", ["unix://:{}@{}", "redis://:{}@127.0.0.1:1"], ids=["wrong", "dead"])
@pytest.mark.parametrize("by", ["text", "variable"])
async def test_the_password_of_a_store(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, url: str, by: str
) -> None:
    """A store that does not let us in, or is not there, is told of without its password."""
    written: Any = url.format(SECRET.core, redis_server.path)
    monkeypatch.setenv("OUR_REDIS", written)
    sinks, heard = Sinks(), EventCapture()
    async with Emulator("hh") as vendor:
        config = {
            "services": {"a": {"catalog": "hh", "hosts": [vendor.host]}},
            "store": {"url": written if by == "text" else {"env": "OUR_REDIS"}, "timeout": "5s"},
        }
        with overhearing(sinks):
            middleware = resilient.Middleware(config, listeners=[heard])
            async with (
                resilient.session(middleware) as http,
                http.get(f"{vendor.url}/me") as response,
            ):
                assert 200 == response.status
                look_at(sinks, middleware, middleware._store, *vars(middleware).values())
            await middleware.aclose()
    assert 1 == len(heard.named("store_degraded"))
    sinks.add("events", *heard.events)
    _check(sinks, SECRET)
