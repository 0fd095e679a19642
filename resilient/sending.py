"""One send: the handler under a time limit, and what it means for the grant that allowed it."""

import asyncio
from contextlib import suppress
from contextvars import ContextVar
from weakref import ref

import aiohttp
import attrs
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from resilient import reading
from resilient.model import NoAnswer
from resilient.state.grant import Grant

# Weak: a connection keeps the context in which it was opened for as long as it lives.
_under_way: "ContextVar[ref[ClientRequest] | None]" = ContextVar("resilient_sends", default=None)


def is_under_way(request: ClientRequest) -> bool:
    """Tell whether a call further out sends this very request: two layers would multiply."""
    found = _under_way.get()
    return found is not None and found() is request


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
    outer = _under_way.set(ref(request))
    try:
        async with limit:
            response = await handler(request)
    except (aiohttp.ClientError, OSError) as error:
        ours = limit.expired()
        if type(error) is TimeoutError and not ours:
            grant.lost()
            raise
        failure = reading.no_answer(error, timeout=ours)
        (grant.unsent if failure.sent is False else grant.lost)()
        return Lost(failure, error)
    except BaseException:
        grant.unsent()
        raise
    finally:
        with suppress(ValueError):  # closed in another context: its loop has ended
            _under_way.reset(outer)
    _count_connection(response, grant)
    return response


def _count_connection(response: ClientResponse, grant: Grant) -> None:
    """See to it that the grant's connection counts as free when it is."""
    if response.connection is None:
        grant.disconnected()
    else:
        response.connection.add_callback(grant.disconnected)
