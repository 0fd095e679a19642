"""One send: the handler under a time limit, and what it means for the grant that allowed it."""

import asyncio
from contextvars import ContextVar

import aiohttp
import attrs
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from resilient import reading
from resilient.model import NoAnswer
from resilient.state.grant import Grant

_under_way: ContextVar[ClientRequest | None] = ContextVar("resilient_under_way", default=None)


def is_under_way(request: ClientRequest) -> bool:
    """Tell whether a call further out sends this very request: two layers would multiply."""
    return _under_way.get() is request


@attrs.frozen
class Lost:
    """A send that was not answered, and the exception that said so."""

    failure: NoAnswer
    error: BaseException


async def send(
    request: ClientRequest, handler: ClientHandlerType, grant: Grant, *, end: float
) -> ClientResponse | Lost:
    """Send, and return the response, or that there was none by `end`.

    Raises:
        TimeoutError: aiohttp's own total is spent: every further send would be in vain.
    """
    limit = asyncio.timeout_at(end)
    outer = _under_way.set(request)
    try:
        async with limit:
            response = await handler(request)
    except (aiohttp.ClientError, OSError) as error:
        ours = limit.expired()
        if type(error) is TimeoutError and not ours:
            grant.lost()
            raise
        lost = Lost(reading.no_answer(error, timeout=ours), error)
        (grant.unsent if lost.failure.sent is False else grant.lost)()
        return lost
    except BaseException:
        grant.unsent()
        raise
    finally:
        _under_way.reset(outer)
    _count_connection(response, grant)
    return response


def _count_connection(response: ClientResponse, grant: Grant) -> None:
    """See to it that the grant's connection counts as free when it is."""
    if response.connection is None:
        grant.disconnected()
    else:
        response.connection.add_callback(grant.disconnected)
