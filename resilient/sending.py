"""One send: how it ended, and what that means for the grant that allowed it."""

import asyncio

import aiohttp
import attrs
from aiohttp import ClientResponse

from resilient import reading
from resilient.model import NoAnswer
from resilient.state.grant import Grant
from resilient.watch import Watched, is_ours


@attrs.frozen
class Lost:
    """A send that was not answered, and the exception that said so."""

    failure: NoAnswer
    error: BaseException


def lost(call: Watched, grant: Grant, error: BaseException) -> Lost | None:
    """Settle a send that ended with an exception.

    Returns:
        That there was no answer; None: the exception is not ours to deal with. A TimeoutError
        says then that aiohttp's own total is spent: every further send would be in vain.
    """
    ours, alone = call.expired, is_ours(call)
    # Without the frame that holds what is returned here.
    error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
    if isinstance(error, asyncio.CancelledError) and alone:
        late = TimeoutError()
        late.__cause__ = error.with_traceback(None)
        grant.lost()
        return Lost(reading.no_answer(late, timeout=True), late)
    if not isinstance(error, (aiohttp.ClientError, OSError)):
        grant.unsent()
        return None
    if type(error) is TimeoutError and not ours:
        grant.lost()
        return None
    failure = reading.no_answer(error, timeout=ours)
    (grant.unsent if failure.sent is False else grant.lost)()
    return Lost(failure, error)


def connected(call: Watched, grant: Grant, response: ClientResponse) -> None:
    """See to it that the grant's connection counts as free when it is."""
    if call.expired:  # too late, and the handler has not let itself be cancelled
        is_ours(call)
    connection = response.connection
    if connection is None:
        grant.disconnected()
    else:
        connection.add_callback(grant.disconnected)
