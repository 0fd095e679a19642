"""Nonsense is told from Redis, and nothing of a URL is told to anybody."""

import asyncio
import logging
import traceback
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from redis_server import RedisServer

from resilient.config.service import SharedStore
from resilient.errors import ConfigError
from resilient.state.redis.link import Link, Unreachable, make_link

pytestmark = pytest.mark.real_time

LinkTo = Callable[[str], Link]

CANARY = "kanarienvogel"


@asynccontextmanager
async def answering(*answers: bytes) -> AsyncIterator[str]:
    """Give the URL of a server that answers each chunk with the next of these, and then ends."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.read(65536)
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"redis://:{CANARY}@127.0.0.1:{server.sockets[0].getsockname()[1]}"


HELLO = b"+OK\r\n", b"+PONG\r\n"

ANSWERS = {
    "http": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not the protocol"),
    "end": (b"", "the connection broke"),
    "cut": (b"$10\r\nabc", "the connection broke"),
}


@pytest.mark.parametrize(("answer", "words"), ANSWERS.values(), ids=ANSWERS)
async def test_nonsense(link_to: LinkTo, answer: bytes, words: str) -> None:
    """Nonsense instead of a reply is no answer, and the pipeline may have been carried out."""
    async with answering(*HELLO, answer) as url:
        with pytest.raises(Unreachable, match=words) as caught:
            await link_to(url).run([("PING",)])
    assert caught.value.sent


@pytest.mark.parametrize("answer", [answer for answer, _ in ANSWERS.values()], ids=ANSWERS)
async def test_nonsense_first(link_to: LinkTo, answer: bytes) -> None:
    """Nonsense instead of a greeting is no answer, and nothing was sent."""
    async with answering(answer * 2) as url:
        with pytest.raises(Unreachable) as caught:
            await link_to(url).run([("PING",)])
    assert not caught.value.sent


REFUSALS = {
    "DENIED Redis is running in protected mode": "protected mode",
    "ERR max number of clients reached": "too many clients",
    "LOADING Redis is loading the dataset in memory": "loading its data",
    "MASTERDOWN Link with MASTER is down": "its master is down",
}


@pytest.mark.parametrize(("line", "words"), REFUSALS.items())
async def test_refused(link_to: LinkTo, line: str, words: str) -> None:
    """Why Redis lets nobody in is told in words of ours."""
    async with answering(f"-{line}\r\n".encode() * 2) as url:
        with pytest.raises(Unreachable, match=words):
            await link_to(url).open()


def _refusing(folder: Path) -> dict[str, str]:
    return {
        "directory": f"unix://:{CANARY}@{folder}",
        "long": f"unix://:{CANARY}@{folder}/{CANARY * 20}",
        "refused": f"redis://{CANARY}:{CANARY}@127.0.0.1:1/1",
        "unknown": f"redis://:{CANARY}@{CANARY}.invalid/1",
        "socket": f"unix://:{CANARY}@{folder}/{CANARY}.sock",
        "sentinel": f"redis+sentinel://:{CANARY}@127.0.0.1:1/{CANARY}",
        "cluster": f"redis+cluster://:{CANARY}@127.0.0.1:1,127.0.0.1:2",
    }


@pytest.mark.parametrize("kind", _refusing(Path()))
async def test_unreachable(
    link_to: LinkTo, tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """However Redis cannot be reached, nothing says where it is or how one gets in."""
    await _fails_silently(link_to(_refusing(tmp_path)[kind]), caplog)


@pytest.mark.parametrize("user", ["", CANARY])
async def test_wrong_password(link_to: LinkTo, user: str, caplog: pytest.LogCaptureFixture) -> None:
    """A password that Redis does not take is not repeated, nor is the right one."""
    with RedisServer(tcp=True, password=CANARY * 2) as server:
        url = server.url.replace(f":{CANARY * 2}@", f"{user}:{CANARY}@")
        await _fails_silently(link_to(url), caplog)


async def test_old_server(link_to: LinkTo, caplog: pytest.LogCaptureFixture) -> None:
    """A server that knows no AUTH repeats its arguments, and we do not."""
    answer = f"-ERR unknown command `AUTH`, with args beginning with: `{CANARY}`, \r\n+PONG\r\n"
    async with answering(answer.encode()) as url:
        await _fails_silently(link_to(url), caplog)


async def test_untrusted(link_to: LinkTo, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """A certificate of an authority that is not named is refused, and so is another's name."""
    with RedisServer(authority=trustme.CA(), password=CANARY) as server:
        plain, _, trusted = server.url.partition("?")
        assert [b"PONG"] == await link_to(server.url).run([("PING",)])
        await _fails_silently(link_to(plain), caplog)
        other = plain.replace("localhost", "127.0.0.2")
        await _fails_silently(link_to(f"{other}?{trusted}"), caplog)


async def _fails_silently(link: Link, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings(record=True) as warned, pytest.raises(Unreachable) as caught:
        await link.run([("PING",)])
    error = caught.value
    assert None is error.__cause__ is error.__context__
    assert not error.sent
    told = [repr(error), str(vars(error)), repr(link), caplog.text, *map(str, warned)]
    told += traceback.format_exception(error)
    assert [] == [text for text in told if CANARY in text or "127.0.0" in text]


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("ssl_cert_reqs=none", "always checked"),
        (f"ssl_ca_certs=/{CANARY}.pem", "FileNotFoundError"),
        (f"ssl_ca_certs={__file__}", "SSLError"),
    ],
)
def test_certificates(option: str, words: str) -> None:
    """That certificates are checked, and can be, is known before anything is sent."""
    store = SharedStore(url=f"rediss://:{CANARY}@host/0?{option}")
    with pytest.raises(ConfigError, match=words) as caught:
        make_link(store)
    assert CANARY not in str(caught.value)


def test_without_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra it is said what to install."""
    monkeypatch.setattr("resilient.config.extras.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"pip install 'resilient-aiohttp\[redis\]'"):
        make_link(SharedStore(url="redis://host"))
