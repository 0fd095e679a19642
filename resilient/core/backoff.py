"""How long to wait before trying again, from the attempt and a number drawn in [0, 1)."""

from resilient.policy import Backoff

_MOST_DOUBLINGS = 60


def exponential(delay: Backoff, attempt: int) -> float:
    """Return `base * 2 ** (attempt - 1)` seconds, at most `cap`. Attempts are 1-based."""
    return min(delay.cap, delay.base * 2.0 ** min(attempt - 1, _MOST_DOUBLINGS))


def full_jitter(delay: Backoff, attempt: int, u: float) -> float:
    """Return a delay in [0, exponential): callers that failed together do not return together.

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    return u * exponential(delay, attempt)


def half_jitter(delay: Backoff, attempt: int, u: float) -> float:
    """Return a delay in [exponential / 2, exponential): a pause is never next to nothing."""
    return (0.5 + 0.5 * u) * exponential(delay, attempt)


MOST_JITTER = 10.0
"""Seconds that are added to what a server asks for, at most."""


def upwards(asked: float, u: float) -> float:
    """Return what the server asked for and up to a tenth more, at most ten seconds, never less.

    Clients that were told the same time do not come back in the same instant.
    """
    return asked + u * min(0.1 * asked, MOST_JITTER)
