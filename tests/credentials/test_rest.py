import pytest

from resilient.credentials.rest import Rest


def _in_vain(rest: Rest, count: int, first: int = 2) -> list[float]:
    """Note renewals in vain, one a second, and return how long each is rested from."""
    found = []
    for now in range(count):
        rest.in_vain(first + now, float(now))
        found.append(rest.until - now)
    return found


def test_doubling() -> None:
    """The first is chance; the rest after each further one is twice as long, up to a minute."""
    assert [0, 1, 2, 4, 8, 16, 32, 60, 60] == _in_vain(Rest(), 9)


def test_counted_once() -> None:
    """Values that many calls were refused with are one renewal in vain."""
    rest = Rest()
    for _ in range(100):
        rest.in_vain(2, 0.0)
    rest.in_vain(3, 0.0)
    assert 1 == rest.until


def test_failures() -> None:
    """A renewal that fails keeps the values, and each failure counts."""
    rest = Rest()
    for _ in range(3):
        rest.fails(1, 10.0)
    assert (12, True) == (rest.until, rest.failed)


@pytest.mark.parametrize(("renewed", "expected"), [(True, 0.0), (False, 4.0)])
def test_helped(renewed: bool, expected: float) -> None:
    """Only a call that was refused, and succeeds after a renewal, ends the row."""
    rest = Rest()
    _in_vain(rest, 3)
    rest.helped(4, 3.0, renewed=renewed)
    assert expected == _in_vain(rest, 1, first=5)[0]


def test_distrust() -> None:
    """Values are distrusted where nothing has succeeded for ten seconds before their refusal."""
    rest = Rest()
    rest.helped(1, 0.0, renewed=False)
    rest.in_vain(2, 1.0)
    rest.in_vain(3, 10.0)
    assert not rest.distrusts(3), "one endpoint may refuse more than once meanwhile"
    rest.in_vain(4, 10.5)
    assert rest.distrusts(4)
    assert not rest.distrusts(5)
    rest.helped(3, 11.0, renewed=False)
    assert rest.distrusts(4), "a late success of older values says nothing"
    rest.helped(4, 11.0, renewed=False)
    assert not rest.distrusts(4)


def test_proof() -> None:
    """Values with which a call has succeeded are proved, and those before them."""
    rest = Rest()
    rest.helped(2, 0.0, renewed=False)
    rest.helped(1, 1.0, renewed=False)
    assert [True, True, False] == [rest.is_proved(generation) for generation in (1, 2, 3)]


def test_clock_that_begins_anew() -> None:
    """A rest of a loop that has ended is over, and a success in it is no news in the next."""
    rest = Rest()
    rest.helped(1, 1000.0, renewed=False)
    for generation in (2, 3):
        rest.in_vain(generation, 1000.0)
    assert [1, 0, 0] == [rest.left(now) for now in (1000.0, 1001.0, 5.0)]
    rest.in_vain(4, 5.0)
    assert rest.distrusts(4)


def test_end() -> None:
    """Other values begin anew."""
    rest = Rest()
    _in_vain(rest, 5)
    rest.end()
    assert (0, False) == (rest.until, rest.distrusts(6))
    assert 0 == _in_vain(rest, 1, first=7)[0]
