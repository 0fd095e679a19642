"""What arguments do not mean is said at once: a test must not pass for the wrong reason."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest
from emulated import Ask, emulated
from manual import plain, table

from resilient.testing import (
    Drip,
    Emulator,
    Endless,
    GzipBomb,
    HtmlPage,
    Reset,
    RetryAfter,
    StalledBody,
    StalledHead,
    Truncated,
    WrongType,
)

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("keys", "kind", "said"),
    [
        ({"endpoint": "vacancie"}, ValueError, "no endpoint 'vacancie'; did you mean 'vacanc"),
        ({"endpoint": 5}, TypeError, "endpoint is 5"),
        ({"method": "GTE"}, ValueError, "no method 'GTE'; did you mean 'GET'?"),
        ({"method": "GET /"}, ValueError, "method is 'GET /': it takes a method, such as 'GET'"),
        ({"method": ["GET"]}, TypeError, "method is ['GET']"),
        ({"times": 0}, ValueError, "times is 0: it takes a whole number, 1 or more, or None"),
        ({"times": 1.5}, TypeError, "times is 1.5"),
        ({"times": True}, TypeError, "times is True"),
        ({"after": -1}, ValueError, "after is -1: it takes a whole number, 0 or more"),
        ({"after": None}, TypeError, "after is None"),
        ({"latency": (2.0, 1.0)}, ValueError, "latency is (2.0, 1.0): it takes seconds"),
        ({"latency": "10ms"}, TypeError, "latency is '10ms': it takes seconds, such as 0.01"),
        ({"fault": "rest"}, ValueError, "no fault 'rest'; did you mean 'reset'"),
        ({"fault": 5}, TypeError, "fault is 5: it takes a fault, such as Drip(), or its name"),
        ({"fault": Drip}, TypeError, "Drip'>: it takes a fault, such as Drip()"),
        ({"retry_after": "rfc850"}, ValueError, "needs the seconds: RetryAfter(30, 'rfc850')"),
        ({"retry_after": "30\r\nX: y"}, ValueError, "retry_after is '30\\r\\nX: y': it takes"),
        ({"retry_after": -1}, ValueError, "retry_after is -1: it takes a number of seconds"),
        ({"retry_after": NAN}, ValueError, "retry_after is nan"),
        ({"retry_after": True}, TypeError, "retry_after is True"),
    ],
)
def test_scripts_that_could_not_be_met(
    keys: dict[str, Any], kind: type[Exception], said: str
) -> None:
    """A script that could never be met, or means nothing, is refused, and so is what follows."""
    emulator = Emulator("hh")
    with pytest.raises(kind, match=re.escape(said)):
        emulator.script(503, **keys)
    script = emulator.script(503)
    with pytest.raises(kind, match=re.escape(said)):
        script.then(503, **keys)
    script.then(503)


@pytest.mark.parametrize(
    ("what", "kind", "said"),
    [
        ("oauth/token_expire", ValueError, "did you mean 'oauth/token_expired'"),
        ("code:not_fond", ValueError, "did you mean 'code:not_found'"),
        ("429", ValueError, "did you mean the status, 429 without quotes?"),
        ("nonsense-of-all", ValueError, "; there are code:not_found, code:bad_argument/*, "),
        *((n, ValueError, f"what is {n}: it takes an HTTP status") for n in (0, -1, 99, 100, 999)),
        *((n, TypeError, f"what is {n}: it takes an HTTP status") for n in (True, 429.0, [503])),
    ],
)
def test_answers_that_no_vendor_gives(what: Any, kind: type[Exception], said: str) -> None:
    """An entry that the catalog lacks, and what is no status, is refused with what was meant."""
    with pytest.raises(kind, match=re.escape(said)):
        Emulator("hh").script(what)


def _constructed(cls: Callable[..., object], *args: Any, **keys: Any) -> Callable[[], object]:
    return lambda: cls(*args, **keys)


@pytest.mark.parametrize(
    ("made", "kind", "said"),
    [
        (_constructed(HtmlPage, 99), ValueError, "status is 99: it takes an HTTP status"),
        (_constructed(HtmlPage, "502"), TypeError, "status is '502'"),
        (_constructed(WrongType, "a\nb"), ValueError, "content_type is 'a\\nb': it takes the text"),
        (_constructed(WrongType, None), TypeError, "content_type is None"),
        (_constructed(Drip, size=0), ValueError, "size is 0: it takes a whole number, 1 or more"),
        (_constructed(Drip, size=1.5), TypeError, "size is 1.5"),
        (_constructed(Drip, every=NAN), ValueError, "every is nan: it takes a number of seconds"),
        (_constructed(Endless, every="1s"), TypeError, "every is '1s'"),
        (_constructed(GzipBomb, "10MB"), TypeError, "size is '10MB'"),
        (_constructed(StalledHead, after=-1), ValueError, "after is -1"),
        (_constructed(StalledBody, seconds=3601), ValueError, "seconds, 0 to 3600"),
        (_constructed(Truncated, share="5%"), TypeError, "share is '5%': it takes a share"),
        (_constructed(Truncated, chunked="no"), TypeError, "chunked is 'no': it takes True"),
        (_constructed(Reset, "tail"), ValueError, "after is 'tail': it takes 'head'"),
        (_constructed(RetryAfter, "30"), TypeError, "seconds is '30': it takes a number"),
        (_constructed(RetryAfter, -1), ValueError, "seconds is -1"),
        (_constructed(RetryAfter, 1e12, "asctime"), ValueError, "0 to 1000000000"),
        (_constructed(RetryAfter, 3, "ascii-time"), ValueError, "did you mean 'asctime'"),
        (_constructed(RetryAfter, 3, 850), TypeError, "form of Retry-After is 850"),
    ],
)
def test_values_that_cannot_be_sent(
    made: Callable[[], object], kind: type[Exception], said: str
) -> None:
    """What could not go over the wire is refused where it is made."""
    with pytest.raises(kind, match=re.escape(said)):
        made()


@pytest.mark.parametrize(
    ("keys", "kind", "said"),
    [
        ({"catalog": None}, TypeError, "catalog is None: it takes a shipped catalog's name"),
        ({"limits": "off"}, TypeError, "limits is 'off': it takes True or False"),
        ({"count_refused": None}, TypeError, "count_refused is None"),
        ({"retry_after": 30}, TypeError, "retry_after is 30: it takes True, False, or a form"),
        ({"retry_after": "rfc-850"}, ValueError, "did you mean 'rfc850'? There are seconds"),
        ({"ban_length": -1}, ValueError, "ban_length is -1: it takes a number of seconds"),
        ({"ban_length": INF}, ValueError, "ban_length is inf"),
        ({"token_lifetime": "60s"}, TypeError, "token_lifetime is '60s'"),
        ({"token_lifetime": -1}, ValueError, "token_lifetime is -1"),
        ({"rotation": None}, TypeError, "rotation is None: it takes one of none, single_use"),
        ({"latency": -1.0}, ValueError, "latency is -1.0"),
        ({"latency": NAN}, ValueError, "latency is nan"),
        ({"latency": (0.0, INF)}, ValueError, "latency is (0.0, inf)"),
        ({"latency": (1,)}, TypeError, "latency is (1,)"),
        ({"latency": "10ms"}, TypeError, "latency is '10ms'"),
        ({"faults": "reset"}, TypeError, "faults is 'reset': it takes a mapping"),
        ({"faults": ["reset"]}, TypeError, "faults is ['reset']"),
        ({"faults": {"reset": "5%"}}, TypeError, "the share of 'reset' is '5%': it takes"),
        ({"faults": {"reset": 1.5}}, ValueError, "the share of 'reset' is 1.5"),
        ({"faults": {"reset": -0.1}}, ValueError, "the share of 'reset' is -0.1"),
        ({"faults": {"reset": 0.6, "drip": 0.6}}, ValueError, "at most 1: got 0.6, 0.6"),
        ({"faults": {"resett": 0.1}}, ValueError, "did you mean 'reset'"),
        ({"faults": {Drip: 0.1}}, TypeError, "it takes a fault, such as Drip()"),
        ({"host": "0.0.0.0"}, ValueError, "host is '0.0.0.0', which is not the loopback"),
        ({"host": "example.org"}, ValueError, "which is not the loopback"),
        ({"host": 2130706433}, TypeError, "host is 2130706433: it takes an address"),
        ({"port": -1}, ValueError, "port is -1: it takes a whole number, 0 to 65535"),
        ({"keep": -1}, ValueError, "keep is -1"),
        ({"keep_bytes": None}, TypeError, "keep_bytes is None"),
        ({"wall": 0.0}, TypeError, "wall is 0.0: it takes a function"),
    ],
)
def test_emulators_that_mean_nothing(
    keys: dict[str, Any], kind: type[Exception], said: str
) -> None:
    """Each argument of an emulator is checked when it is made, and named by the error."""
    with pytest.raises(kind, match=re.escape(said)):
        Emulator(**{"catalog": "hh", **keys})


@pytest.mark.parametrize("name", ["host", "url", "port"])
def test_where_it_will_listen_is_not_known(name: str) -> None:
    """Its address before it has one is an error that says what to do."""
    with pytest.raises(RuntimeError, match="not started: use `async with Emulator"):
        getattr(Emulator("hh"), name)


async def test_it_is_started_once() -> None:
    """A second start is an error: the first one's port would be lost."""
    async with Emulator("hh") as emulator:
        with pytest.raises(RuntimeError, match=f"started already: .* on {emulator.url}"):
            await emulator.start()


def test_a_tally_is_short_to_look_at() -> None:
    """What pytest prints of a tally is its limit's name, its scope and what it counted."""

    async def scene(emulator: Emulator, ask: Ask) -> None:
        await ask("/vacancies")
        (tally,) = emulator.tallies
        told = f"limit={tally.limit.name!r}, scope={tally.scope!r}, most=1, refused=0"
        assert f"Tally({told})" == repr(tally)

    emulated(scene, "hh")


def test_the_page_has_every_argument_and_member() -> None:
    """The first tables of the page are what an emulator takes, with defaults, and has."""
    takes = inspect.signature(Emulator).parameters
    rows = table("emulator.md", "parameter", "default", "meaning").rows
    told = {plain(row["parameter"]): plain(row["default"]) for row in rows}
    assert list(takes) == list(told)
    defaults = {name: each.default for name, each in takes.items() if name != "catalog"}
    assert defaults == {name: eval(told[name]) for name in defaults}
    members = " ".join(row["member"] for row in table("emulator.md", "member", "meaning").rows)
    has = {name for name in vars(Emulator) if not name.startswith("_")} | {"catalog"}
    assert has == set(re.findall(r"`(\w+)", members))
