import os
import socket
from collections.abc import Iterator

import pytest

from resilient.testing import in_flight
from resilient.testing.in_flight import InFlight, Watched


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a TCP connection on loopback."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as one,
        server.accept()[0] as other,
    ):
        yield one, other


def watching(*sockets: socket.socket) -> InFlight:
    """Return a watch of these sockets."""
    found = InFlight()
    for each in sockets:
        found.watch(each.fileno())
    return found


def test_bytes_between_two_ends(pair: tuple[socket.socket, socket.socket]) -> None:
    """With both ends here it is certain when everything has arrived; with one it never is."""
    one, other = pair
    both, half = watching(one, other), watching(one)
    assert both.nothing()
    assert not half.nothing()
    for each in (both, half):
        each.close()


def test_other_systems(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the kernel does not count, nothing is certain."""
    monkeypatch.setattr(in_flight, "_OPTION", None)
    both = watching(*pair)
    assert not both.nothing()
    both.close()


def test_what_is_no_connection() -> None:
    """Of a pipe, a socket of another kind, and one that is not connected, nothing is known."""
    reader, writer = os.pipe()
    found = InFlight()
    found.watch(reader)
    assert not found.nothing()
    found.forget(reader)
    assert found.nothing()
    os.close(reader)
    os.close(writer)
    one, other = socket.socketpair()
    with one, other, socket.socket() as alone:
        assert Watched(one).counts() is None
        assert Watched(alone).counts() is None
        unconnected = watching(alone)
        assert not unconnected.nothing()
        unconnected.close()


def test_what_only_listens() -> None:
    """A socket that waits for connections carries nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = watching(server)
        assert found.nothing()
        assert found.nothing()
        found.close()
