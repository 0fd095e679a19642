"""From aiohttp's responses and exceptions to values, and back what was read.

What is read here is put back: the caller can read, stream and parse it as if nobody had.
"""

import asyncio
import warnings
from http.cookies import BaseCookie
from typing import Any

import aiohttp
import attrs
from aiohttp import ClientRequest, ClientResponse, StreamReader, hdrs
from aiohttp.base_protocol import BaseProtocol

from resilient.catalog import Catalog
from resilient.core import envelope, replay
from resilient.core.glance import Glance
from resilient.errors import shown_request
from resilient.model import Exchange, NoAnswer

LARGEST = 64 * 1024
"""Bytes of a body, decompressed, that are read to recognise an error."""

LONGEST = 1.0
"""Seconds that are spent on it."""

_CHUNK = 16 * 1024
_HOPELESS = (
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ServerFingerprintMismatch,
    aiohttp.InvalidURL,
    aiohttp.ClientHttpProxyError,
)
_NEVER_LEFT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, *_HOPELESS)


@attrs.frozen
class Answer:
    """A response, and what was read of its body."""

    response: ClientResponse = attrs.field(repr=False)
    body: bytes = attrs.field(default=b"", repr=False)
    complete: bool = False


def no_answer(error: BaseException, *, timeout: bool = False) -> NoAnswer:
    """Return what an exception out of the handler means (see aiohttp's client_exceptions)."""
    never_left = isinstance(error, _NEVER_LEFT)
    return NoAnswer(
        sent=False if never_left else None,
        hopeless=isinstance(error, _HOPELESS),
        timeout=timeout or isinstance(error, TimeoutError),
        reason=type(error).__name__,
    )


def scrubbed(error: BaseException, url: str) -> BaseException:
    """Take URL, headers and the server's words out of aiohttp's exception, and return it.

    It is the cause of ours, and a traceback shows it.

    Args:
        error: An exception out of the handler.
        url: Redacted.
    """
    if isinstance(error, aiohttp.ClientResponseError):
        error.request_info = shown_request(url, error.request_info.method)
        error.headers, error.args = None, (error.request_info, ())
    elif isinstance(error, aiohttp.ServerDisconnectedError):
        error.message = "Server disconnected"
        error.args = (error.message,)
    elif isinstance(error, aiohttp.ConnectionTimeoutError):
        error.args = ("Connection timeout",)
    return error


def _is_empty(response: ClientResponse) -> bool:
    none = response.method == hdrs.METH_HEAD or response.status in envelope.BODILESS
    return none or response.headers.get(hdrs.CONTENT_LENGTH) == "0"


def wants_body(response: ClientResponse, catalog: Catalog) -> bool:
    """Tell whether there is a body, and it can say anything that the status does not."""
    return not _is_empty(response) and envelope.wants_body(
        catalog.envelopes,
        method=response.method,
        status=response.status,
        content_type=response.content_type,
    )


def is_silent(response: ClientResponse, glance: Glance) -> bool:
    """Tell, without waiting, that a response is certainly no error.

    That is so where its body is here already, in whole, and lacks what every error needs.
    """
    content, status = response.content, response.status
    if status not in glance.quiet or not content.is_eof() or content.exception() is not None:
        return False
    if response.method == hdrs.METH_HEAD or not glance.wants_body(status, response.content_type):
        return True
    if content.total_bytes > LARGEST:
        return False
    body = content.read_nowait()
    _put_back(response, body, complete=True)
    return glance.is_silent(status, body, response.charset)


async def read(response: ClientResponse, catalog: Catalog, longest: float = LONGEST) -> Answer:
    """Read a bounded part of a response's body, if it matters, and put it back.

    Raises:
        TimeoutError: aiohttp's own total is spent; the response is closed.
        asyncio.CancelledError: The caller gave up; the response is closed.
    """
    if not wants_body(response, catalog):
        return Answer(response, complete=_is_empty(response))
    body = bytearray()
    complete = False
    limit = asyncio.timeout(longest)
    try:
        async with limit:
            while len(body) < LARGEST and not complete:
                body += await response.content.read(min(_CHUNK, LARGEST - len(body)))
                complete = response.content.at_eof()
    except TimeoutError as error:
        if not limit.expired() and type(error) is TimeoutError:
            response.close()
            raise
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # Cut off, or encoded wrongly: the status decides, and the caller will see for himself,
        # but not what we hold: aiohttp raises this very object to him.
        error.__traceback__ = None
    except BaseException:
        response.close()
        raise
    _put_back(response, bytes(body), complete=complete)
    return Answer(response, bytes(body), complete)


def _put_back(response: ClientResponse, body: bytes, *, complete: bool) -> None:
    if not body:
        return
    if complete:
        loop = asyncio.get_running_loop()
        content = StreamReader(BaseProtocol(loop), max(len(body), 1), loop=loop)
        content.feed_data(body)
        content.feed_eof()
        response.content = content
    else:
        with warnings.catch_warnings():
            # Deprecated, and still the only way to put back a part of a stream.
            warnings.simplefilter("ignore", DeprecationWarning)
            response.content.unread_data(body)


def exchange(answer: Answer, method: str, endpoint: str | None) -> Exchange:
    """Return the values that recognition needs."""
    response = answer.response
    return Exchange(
        method=method,
        endpoint=endpoint,
        status=response.status,
        headers=tuple(response.headers.items()),
        body=answer.body,
        complete=answer.complete,
        charset=response.charset,
    )


def free(answer: Answer) -> None:
    """Let go of a response that is not handed on.

    One that was read to its end gave its connection back by then, and stays readable.
    """
    if not answer.complete:
        answer.response.close()


def keep_cookies(request: ClientRequest, response: ClientResponse) -> None:
    """Take the cookies of a response that is not handed on: aiohttp never sees it.

    Without this the next attempt would send the old ones. What the caller himself wrote into
    the header stays, as with aiohttp.
    """
    fresh = response.headers.getall(hdrs.SET_COOKIE, ())
    if not fresh:
        return
    jar = request.session.cookie_jar
    old = _pairs(jar.filter_cookies(request.url))
    jar.update_cookies_from_headers(fresh, response.url)
    written = map(str.strip, "; ".join(request.headers.popall(hdrs.COOKIE, [])).split(";"))
    own = [pair for pair in written if pair and pair not in old.values()]
    named = {pair.partition("=")[0] for pair in own}
    new = _pairs(jar.filter_cookies(request.url))
    cookies = own + [pair for name, pair in new.items() if name not in named]
    if cookies:
        request.headers[hdrs.COOKIE] = "; ".join(cookies)


def _pairs(cookies: BaseCookie[str]) -> dict[str, str]:
    return {name: f"{name}={morsel.coded_value}" for name, morsel in cookies.items()}


def is_replayable(request: ClientRequest) -> bool:
    """Tell whether the request's body can be sent again, byte for byte."""
    body = request.body
    if not body:
        return True
    return replay.is_replayable(size=body.size, consumed=body.consumed)


def is_bytes(request: ClientRequest) -> bool:
    """Tell whether the body is all in memory: a file may still be read by the last attempt."""
    return not request.body or isinstance(request.body, aiohttp.BytesPayload)


def timer_of(request: ClientRequest) -> Any:
    """Return the timer of aiohttp's own total, or None where it cannot be seen.

    It is made once a run of aiohttp, and given to the request of each hop. Nothing public tells
    the hops from later requests of the caller's, nor of a total that was given with a request.
    """
    return getattr(request, "_timer", None)


def is_total_spent(request: ClientRequest) -> bool:
    """Tell whether aiohttp's own total of the call is over."""
    timer = timer_of(request)
    try:
        if timer is not None:
            timer.assert_timeout()
    except TimeoutError:
        return True
    return False


def ready_again(request: ClientRequest) -> None:
    """Arm `Expect: 100-continue` anew: a refused attempt leaves it disarmed."""
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        request.update_expect_continue(expect=True)
