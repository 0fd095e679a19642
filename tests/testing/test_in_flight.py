"""What the kernel says of the bytes between two sockets, and where it says nothing."""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator

import pytest

from resilient.testing import in_flight
from resilient.testing.in_flight import InFlight

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def flight() -> Iterator[InFlight]:
    """Sockets that are watched, until the test is over."""
    found = InFlight()
    yield found
    found.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Both ends of a connection on the loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
    for each in (client, accepted):
        each.setblocking(False)
    with client, accepted:
        yield client, accepted


def fill(client: socket.socket) -> None:
    """Send until nothing more is taken."""
    with contextlib.suppress(BlockingIOError):
        while client.send(b"x" * 1_000_000):
            pass


def test_bytes_on_their_way_are_seen(flight: InFlight, pair: Pair) -> None:
    """What one end has sent and the other's kernel has not got yet is in flight."""
    for each in pair:
        flight.watch(each.fileno())
    assert flight.nothing()
    pair[0].send(b"arrives at once")
    assert flight.nothing()
    fill(pair[0])
    assert not flight.nothing()


@pytest.mark.parametrize("end", [0, 1])
def test_of_other_sockets_nothing_is_known(flight: InFlight, pair: Pair, end: int) -> None:
    """A connection whose other end is not this loop's may bring something at any time."""
    flight.watch(pair[end].fileno())
    assert not flight.nothing()
    flight.forget(pair[end].fileno())
    assert flight.nothing()


def test_connections_of_one_server_are_told_apart(flight: InFlight) -> None:
    """All that a server has accepted have one address, and each has its own other end."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        clients = [socket.create_connection(server.getsockname()) for _ in range(3)]
        for each in (*clients, *[server.accept()[0] for _ in clients]):
            stack.enter_context(each)
            each.setblocking(False)
            flight.watch(each.fileno())
        clients[0].send(b"arrives at once")
        assert flight.nothing()
        fill(clients[1])
        assert not flight.nothing()
        flight.close()


def test_a_server_that_listens_is_silent(flight: InFlight) -> None:
    """A listening socket alone does not hold time up."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        flight.watch(server.fileno())
        assert flight.nothing()
        flight.close()


def test_an_end_that_is_closed_may_bring_something(flight: InFlight, pair: Pair) -> None:
    """Once an end says goodbye the counts are no longer those of the bytes."""
    for each in pair:
        flight.watch(each.fileno())
    pair[0].shutdown(socket.SHUT_WR)
    assert not flight.nothing()


def test_where_the_kernel_does_not_count(
    flight: InFlight, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without TCP_INFO, or with a shorter one, nothing is certain."""
    for each in pair:
        flight.watch(each.fileno())
    monkeypatch.setattr(in_flight, "_LENGTH", 10_000)
    assert not flight.nothing()
    monkeypatch.setattr(in_flight, "_OPTION", None)
    assert not flight.nothing()


def datagrams() -> Pair:
    """Two sockets that are connected to nobody."""
    return socket.socket(type=socket.SOCK_DGRAM), socket.socket(type=socket.SOCK_DGRAM)


@pytest.mark.parametrize("make", [socket.socketpair, datagrams])
def test_other_kinds_of_sockets(flight: InFlight, make: Callable[[], Pair]) -> None:
    """Of sockets that are not TCP nothing is known."""
    one, other = make()
    with one, other:
        flight.watch(one.fileno())
        flight.watch(other.fileno())
        assert not flight.nothing()
        flight.close()


def test_a_pipe_may_bring_something(flight: InFlight) -> None:
    """What is no socket is left alone, and never certain to be silent."""
    reading, writing = os.pipe()
    flight.watch(reading)
    assert not flight.nothing()
    flight.close()
    os.close(reading)
    os.close(writing)


def test_the_loops_own_are_no_matter(flight: InFlight) -> None:
    """The descriptor by which threads wake the loop carries nothing from outside."""
    reading, writing = os.pipe()
    flight.own = frozenset({reading})
    flight.watch(reading)
    assert flight.nothing()
    flight.close()
    os.close(reading)
    os.close(writing)
