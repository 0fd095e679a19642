"""Is anything on its way between the sockets of this loop? Asked before virtual time jumps.

On Linux the kernel counts the bytes that each end of a connection has sent and received, so
for connections with both ends here the answer is exact. Of any other socket nothing is known.
"""

import socket
import struct

import attrs

_OPTION = getattr(socket, "TCP_INFO", None)
_LENGTH = 216
_ESTABLISHED = 1
_RECEIVED, _NOT_SENT, _SENT = struct.Struct("Q"), struct.Struct("I"), struct.Struct("QQ")
_AT_RECEIVED, _AT_NOT_SENT, _AT_SENT = 128, 144, 200  # linux/tcp.h, struct tcp_info


@attrs.define(eq=False)
class Watched:
    """One registered socket, and where it is connected to."""

    socket: socket.socket
    mine: object = None
    theirs: object = None
    listens: bool = False

    def look(self) -> None:
        """Read the names of both ends; a connection in the making has none yet."""
        try:
            self.listens = bool(self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
            if not self.listens:
                self.mine, self.theirs = self.socket.getsockname(), self.socket.getpeername()
        except OSError:
            self.mine = self.theirs = None

    def counts(self) -> tuple[int, int] | None:
        """Return the bytes sent and received, or None if that is not known."""
        if _OPTION is None:
            return None
        try:
            info = self.socket.getsockopt(socket.IPPROTO_TCP, _OPTION, _LENGTH)
        except OSError:
            return None
        if len(info) < _LENGTH or info[0] != _ESTABLISHED:
            return None
        if _NOT_SENT.unpack_from(info, _AT_NOT_SENT)[0]:
            return None
        sent, again = _SENT.unpack_from(info, _AT_SENT)
        return sent - again, _RECEIVED.unpack_from(info, _AT_RECEIVED)[0]


class InFlight:
    """The sockets of one loop.

    Attributes:
        own: Descriptors of the loop itself, which carry nothing from outside.
    """

    def __init__(self) -> None:
        self.own: frozenset[int] = frozenset()
        self._watched: dict[int, Watched | None] = {}

    def watch(self, fd: int) -> None:
        """Note a descriptor that the loop listens to."""
        try:
            self._watched[fd] = Watched(socket.socket(fileno=fd))
        except OSError:
            self._watched[fd] = None  # a pipe, say

    def forget(self, fd: int) -> None:
        """Drop a descriptor; closing it is its owner's business."""
        watched = self._watched.pop(fd, None)
        if watched is not None:
            watched.socket.detach()

    def close(self) -> None:
        """Drop all of them."""
        for fd in list(self._watched):
            self.forget(fd)

    def nothing(self) -> bool:
        """Tell whether it is certain that no byte is on its way."""
        # By both ends: all connections that a server has accepted share its own address.
        connected: dict[tuple[object, ...], Watched] = {}
        for fd, watched in self._watched.items():
            if fd in self.own:
                continue
            if watched is None:
                return False
            if watched.mine is None and not watched.listens:
                watched.look()
            if watched.mine is not None:
                connected[watched.mine, watched.theirs] = watched
            elif not watched.listens:
                return False
        counts = {ends: each.counts() for ends, each in connected.items()}
        return all(_arrived(one, counts.get(ends[::-1])) for ends, one in counts.items())


def _arrived(one: tuple[int, int] | None, other: tuple[int, int] | None) -> bool:
    """Tell whether all that one end sent has reached the other."""
    return one is not None and other is not None and one[0] == other[1]
