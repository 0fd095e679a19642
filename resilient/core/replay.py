"""May this request be sent again?"""

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Methods whose repetition has no further effect (RFC 9110 section 9.2.2)."""


def is_idempotent(method: str, *said: bool | None) -> bool:
    """Tell whether a call may be processed twice.

    Args:
        method: In capitals.
        said: What the call's options, the service and the catalog say, in this order; the
            first that says something wins over the method.
    """
    return next((each for each in said if each is not None), method in IDEMPOTENT)


def is_safe(*, sent: bool | None, processed: bool | None, idempotent: bool) -> bool:
    """Tell whether a resend cannot do the same thing twice.

    Args:
        sent: False if the request certainly did not leave.
        processed: False if the server is known not to have processed it, True if it has.
        idempotent: Whether processing it twice does no harm.
    """
    return sent is False or processed is False or idempotent


def is_replayable(*, size: int | None, consumed: bool) -> bool:
    """Tell whether a body can be sent again, byte for byte.

    A body of unknown size is a stream: aiohttp sends it once, and then, silently, nothing.
    """
    return size is not None and not consumed
