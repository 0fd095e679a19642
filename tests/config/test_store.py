"""Where scopes remember: the key `store`, and the URL that stands there."""

from collections.abc import Callable
from pathlib import Path

import pytest
from canary import Sinks, word

import resilient
from resilient.config import extras
from resilient.config.service import Secret, SharedStore
from resilient.config.store_url import StoreURL, Wrong, parse

Faults = Callable[..., list[str]]
Load = Callable[..., "resilient.Config"]

SERVICES = "services: {a: {catalog: hh}}\n"
PASSWORD = word("store")
EXAMPLE = "expected memory, or a URL such as redis://localhost:6379/0"
ESCAPES = "in a password @ / ? # and % are written %40 %2F %3F %23 and %25"


@pytest.mark.parametrize("store", ["", "store: memory", "store: {url: memory}", "store: ~"])
def test_memory(load: Load, store: str) -> None:
    """Unless another store is named, scopes remember in the process."""
    assert load(SERVICES + store).store is None


def test_one_line(load: Load) -> None:
    """One line is enough: the rest has defaults."""
    assert (
        SharedStore(
            url="redis://cache:6380/2", mode="local_share", timeout=0.05, prefix="resilient"
        )
        == load(f"{SERVICES}store: redis://cache:6380/2").store
    )


def test_all_keys(load: Load) -> None:
    """Each key of a store is taken as it is written."""
    store = "{url: unix:///run/r.sock, mode: fail_closed, timeout: 200ms, prefix: ours}"
    assert (
        SharedStore(url="unix:///run/r.sock", mode="fail_closed", timeout=0.2, prefix="ours")
        == load(f"{SERVICES}store: {store}").store
    )


def test_kept_elsewhere(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL may be written where passwords are; it is read when the store is opened."""
    monkeypatch.setenv("OUR_REDIS", " redis://:s3cret@cache/1\n")
    by_env = load(f"{SERVICES}store: {{url: {{env: OUR_REDIS}}}}").store
    by_file = load(f"{SERVICES}store: {{url: {{file: redis.url}}}}").store
    (tmp_path / "redis.url").write_text("rediss://:s3cret@cache\n")
    assert by_env == SharedStore(url=Secret(env="OUR_REDIS"))
    assert by_file == SharedStore(url=Secret(file=str(tmp_path / "redis.url")))
    assert ("redis://cache:6379/1", "s3cret") == (by_env.read().shown, by_env.read().password)
    assert ("rediss://cache:6379/0", "s3cret") == (by_file.read().shown, by_file.read().password)


def test_not_there(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is missing, empty or holds another text is a clear error when it is read."""
    store = load(f"{SERVICES}store: {{url: {{env: OUR_REDIS}}}}").store
    assert store is not None
    with pytest.raises(resilient.ConfigError, match="variable OUR_REDIS holds no store's URL"):
        store.read()
    monkeypatch.setenv("OUR_REDIS", PASSWORD.core)
    with pytest.raises(resilient.ConfigError, match=EXAMPLE) as caught:
        store.read()
    sinks = Sinks()
    sinks.catch(caught.value)
    assert [] == sinks.hits(PASSWORD)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("redis://localhost", StoreURL(form="single", hosts=(("localhost", 6379),))),
        ("REDIS://h/", StoreURL(form="single", hosts=(("h", 6379),))),
        (
            "rediss://me:p%40%2f@[::1]:6380/3?ssl_ca_certs=/ca.pem&ssl_cert_reqs=required",
            StoreURL(
                form="single",
                tls=True,
                hosts=(("::1", 6380),),
                db=3,
                username="me",
                password="p@/",
                options={"ssl_ca_certs": "/ca.pem"},
            ),
        ),
        (
            "unix://:pw@/run/r.sock?db=2",
            StoreURL(form="unix", path="/run/r.sock", db=2, password="pw"),
        ),
        (
            "unix:///run/r.sock?username=me&password=pw",
            StoreURL(form="unix", path="/run/r.sock", username="me", password="pw"),
        ),
        (
            "redis+sentinel://:pw@s1,s2:26380/main/4?sentinel_password=sp",
            StoreURL(
                form="sentinel",
                hosts=(("s1", 26379), ("s2", 26380)),
                master="main",
                db=4,
                password="pw",
                options={"sentinel_password": "sp"},
            ),
        ),
        (
            "rediss+sentinel://s/main",
            StoreURL(form="sentinel", tls=True, hosts=(("s", 26379),), master="main"),
        ),
        ("redis+cluster://a:1,b", StoreURL(form="cluster", hosts=(("a", 1), ("b", 6379)))),
        ("rediss+cluster://a/0", StoreURL(form="cluster", tls=True, hosts=(("a", 6379),))),
    ],
)
def test_urls(text: str, found: StoreURL) -> None:
    """Each form of a URL is taken apart; what is shown of it can be read again."""
    assert found == parse(text)
    again = parse(found.shown)
    assert isinstance(again, StoreURL)
    assert (found.form, found.tls, found.hosts, found.path, found.master, found.db) == (
        *(again.form, again.tls, again.hosts, again.path, again.master, again.db),
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("memry", f"found 'memry', {EXAMPLE}; did you mean 'memory'?"),
        ("localhost:6379", EXAMPLE),
        ("redis:/cache", EXAMPLE),
        ("://cache", EXAMPLE),
        ("reds://cache", "no store has the scheme 'reds'; did you mean 'redis'?"),
        ("redis+sentinal://s", "no store has the scheme 'redis+sentinal'; did you mean"),
        ("http://cache", "no store has the scheme 'http'; there are redis, rediss, unix, "),
        ("redis://", f"the store's URL names no host; {ESCAPES}"),
        ("redis://:6379", "the store's URL names no host"),
        ("redis://:pa/ss@cache", "the store's URL names no host"),
        ("redis://:pa#ss@cache", f"the store's URL holds a '#': {ESCAPES}"),
        ("redis://ca che", "the store's URL holds a blank or a control character"),
        ("redis://cache\x07", "the store's URL holds a blank or a control character"),
        ("redis://-cache", f"the store's host is not a host's name; {ESCAPES}"),
        ("redis://[::1", "the store's host is not a host's name"),
        ("redis://cache:", "the store's port is not a number from 1 to 65535"),
        ("redis://cache:0", "the store's port is not a number from 1 to 65535"),
        ("redis://cache:65536", "the store's port is not a number from 1 to 65535"),
        ("redis://cache:port", "the store's port is not a number from 1 to 65535"),
        ("redis://me@cache", "a user without a password: redis://:password@host/0"),
        ("redis://a,b", "several hosts for redis://, expected redis+sentinel:// or redis+cl"),
        ("rediss://a,b", "several hosts for rediss://, expected rediss+sentinel:// or rediss+"),
        ("redis://cache/main", "the store's database is not a number, such as 0"),
        ("redis://cache/-1", "the store's database is not a number"),
        ("redis://cache/0/1", "the store's URL has a path behind the database"),
        ("redis+sentinel://s", "does not say what the Sentinels call the master: redis+sentinel"),
        ("redis+sentinel://s/main/x", "the store's database is not a number"),
        ("redis+cluster://a/1", "a cluster has the database 0 only"),
        ("redis+cluster://a,,b", "the store's URL names no host"),
        ("unix://run/r.sock", "the path of a socket begins with a third slash"),
        ("unix://", "the path of a socket begins with a third slash"),
        ("unix:///r?db=x", "the store's database is not a number"),
        ("unix:///r?pasword=x", "an unknown option behind '?'; did you mean 'password'?"),
        ("redis+sentinel://s/m?x=1", "behind '?'; there are sentinel_username, sentinel_pass"),
        ("redis://cache?db=1", "the store's URL has an unknown option behind '?'"),
        ("redis://cache?ssl_keyfile=x", "an unknown option behind '?': this one needs rediss://"),
        ("rediss://c?ssl_cert_reqs=none", "the store's certificate is always checked: leave out"),
        ("rediss://c?ssl_keyfile", "the option ssl_keyfile behind '?' needs one value, once"),
        ("unix:///r?db=1&db=1", "the option db behind '?' needs one value, once"),
    ],
)
def test_wrong_urls(faults: Faults, text: str, problem: str) -> None:
    """What is wrong with a URL is told at its place, in a file and in a mapping."""
    found = parse(text)
    assert isinstance(found, Wrong)
    assert problem in found.problem
    if text.isprintable():
        assert [f"c.yaml:2:8: {found.problem}"] == faults(f"{SERVICES}store: '{text}'")
        assert [f"c.yaml:2:14: {found.problem}"] == faults(f"{SERVICES}store: {{url: '{text}'}}")
    mapping = {"services": {"a": {"catalog": "hh"}}, "store": {"url": text}}
    assert [f"$.store.url: {found.problem}"] == faults(mapping)


@pytest.mark.parametrize(
    ("store", "fault"),
    [
        ("redis", "2:8: expected memory, or a URL such as redis://localhost:6379/0"),
        ("''", "2:8: found the text '', expected text that is not empty"),
        ("[redis://h]", "2:8: found a list, expected text"),
        ("{mode: fail_open}", "2:8: the key 'url' is missing"),
        ("{url: redis://h, mod: fail_open}", "2:25: unknown key 'mod'; did you mean 'mode'?"),
        ("{url: redis://h, mode: open}", "2:31: found 'open', expected 'local_share' or "),
        ("{url: redis://h, timeout: 0}", "2:34: found 0, expected a time above 0 and at most 5s"),
        ("{url: redis://h, timeout: 6s}", "2:34: found 6, expected a time above 0 and at most 5s"),
        ("{url: redis://h, timeout: soon}", "2:34: found 'soon', expected a duration"),
        ("{url: redis://h, prefix: 'a:b'}", "2:33: found the text 'a:b', expected a short plain"),
        ("{url: {env: A, file: B}}", "2:14: expected either 'env' or 'file'"),
        ("{url: {}}", "2:14: expected either 'env' or 'file'"),
        ("{url: [redis://h]}", "2:14: found a list, expected text"),
    ],
)
def test_wrong_stores(faults: Faults, store: str, fault: str) -> None:
    """Each key of a store says what it takes."""
    (found,) = faults(f"{SERVICES}store: {store}")
    assert found.startswith(f"c.yaml:{fault}")


@pytest.mark.parametrize(
    "url",
    [
        "redis://me:{}@cache/0",
        "unix:///run/r.sock?password={}",
        "redis+sentinel://s/main?sentinel_password={}",
    ],
)
def test_never_shown(load: Load, url: str) -> None:
    """A password in a right URL is in no repr and in nothing that is shown."""
    config = load({"services": {"a": {"catalog": "hh"}}, "store": url.format(PASSWORD.core)})
    assert config.store is not None
    sinks = Sinks()
    sinks.add("repr", config, config.store, config.store.read(), config.store.read().shown)
    assert [] == sinks.hits(PASSWORD)


def test_a_missing_extra(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the extra is not installed, a Middleware cannot be made; a file can be loaded."""
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    config = load(f"{SERVICES}store: redis://h")
    with pytest.raises(resilient.ConfigError, match=r"pip install 'resilient-aiohttp\[redis\]'"):
        resilient.Middleware(config)
