import pytest

from resilient.core.replay import is_idempotent, is_replayable, is_safe


@pytest.mark.parametrize(
    ("method", "said", "expected"),
    [
        *((method, (), True) for method in ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE")),
        *((method, (), False) for method in ("POST", "PATCH", "CONNECT", "BREW", "get")),
        ("POST", (None, None, True), True),
        ("GET", (None, None, False), False),
        ("POST", (None, True, False), True),
        ("POST", (False, True, True), False),
        ("GET", (True, False, False), True),
    ],
)
def test_who_says_it(method: str, said: tuple[bool | None, ...], expected: bool) -> None:
    """The call's options go before the service, that before the catalog, that before the method."""
    assert expected == is_idempotent(method, *said)


@pytest.mark.parametrize("processed", [True, False, None])
@pytest.mark.parametrize("sent", [False, None])
@pytest.mark.parametrize("idempotent", [True, False])
def test_safe(sent: bool | None, processed: bool | None, idempotent: bool) -> None:
    """Only what never left, was not processed, or may be processed twice, is sent again."""
    expected = sent is False or processed is False or idempotent
    assert expected == is_safe(sent=sent, processed=processed, idempotent=idempotent)


@pytest.mark.parametrize(
    ("size", "consumed", "expected"),
    [
        (0, False, True),
        (5, False, True),
        (5, True, False),
        (None, False, False),
        (None, True, False),
    ],
)
def test_replayable(size: int | None, consumed: bool, expected: bool) -> None:
    """A body of known size that is still there can be sent again; a stream cannot."""
    assert expected == is_replayable(size=size, consumed=consumed)
