"""Responses without a network: what a middleware behind ours returns instead of sending.

Thousands of calls pass in virtual time through a real session and the real middleware, and what
reaches the last one has been sent.
"""

import asyncio
from unittest.mock import Mock

from aiohttp import ClientRequest, ClientResponse, hdrs
from aiohttp.helpers import TimerNoop
from multidict import CIMultiDict, CIMultiDictProxy

SOCKET = Mock(output_size=0)


def respond(request: ClientRequest, status: int, retry_after: int | None = None) -> ClientResponse:
    """Return a response without a body, as if it had been received."""
    response = ClientResponse(
        request.method,
        request.url,
        writer=None,
        continue100=None,
        timer=TimerNoop(),
        request_info=request.request_info,
        traces=[],
        loop=asyncio.get_running_loop(),
        session=request.session,
        stream_writer=SOCKET,
    )
    headers = CIMultiDict({hdrs.CONTENT_LENGTH: "0"})
    if retry_after is not None:
        headers[hdrs.RETRY_AFTER] = str(retry_after)
    response.status, response.reason = status, ""
    response._headers = CIMultiDictProxy(headers)  # noqa: SLF001 - set by start(), from a socket
    response._body = b""  # noqa: SLF001 - as above
    return response
