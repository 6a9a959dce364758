"""How a socket is shut so that a thread blocked in it wakes."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import sys
from functools import cache

from .._core.scope.abort import Abort

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ssl import SSLContext
    from typing import Any

    Address = tuple[Any, ...] | str | bytes
    """As ``socket.connect`` takes it."""

    from .._core.scope.scope import Scope

_UNDER_WAY = (errno.EINPROGRESS, errno.EWOULDBLOCK)


def shut(sock: socket.socket, how: int = socket.SHUT_RDWR) -> None:
    """End both directions of a connection; a ``connect``, ``recv`` or ``send`` blocked in any thread returns at once.

    Safe from any thread and harmless on a socket that is closed.  It never closes: the number of a closed descriptor
    is given out again, and a blocked ``recv`` would not notice.  It takes ``socket.socket.shutdown`` for TLS too:
    ``SSLSocket.shutdown`` drops the TLS object, and what is read or sent after that would go as plain text.
    """
    with contextlib.suppress(OSError):  # closed, or not connected any more
        socket.socket.shutdown(sock, how)


def clear_tls_errors() -> None:
    """Forget the errors of this thread's last operation with TLS; to be called when one has failed.

    OpenSSL keeps errors in a queue per thread, which has to be empty before the next operation on any connection.
    CPython leaves one there when a connection that was shut cannot send its alert (python/cpython#148594): the thread's
    next read, from a connection that is well, then fails with the error of the one that was shut.  What empties the
    queue, and is public, is the making of a TLS object.
    """
    if "ssl" in sys.modules:
        import ssl

        _idle_context().wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")


@cache
def _idle_context() -> SSLContext:
    import ssl

    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def replaced() -> bool:
    """Whether somebody has put sockets of his own in the place of Python's: a test's stand-in for the network, say.

    Then the client has to connect in its own way, which is what they are made for.
    """
    return any(thing.__module__ != "socket" for thing in (socket.socket, socket.create_connection))


def begin_connect(sock: socket.socket, address: Address) -> int:
    """Begin to connect, without waiting; gives the code for `finish_connect`.

    Only a socket whose connect is under way can be shut: what is to shut it must not be set up before.
    """
    sock.setblocking(False)
    try:
        sock.connect(address)  # not connect_ex, which those who watch over `connect` in tests do not see
    except BlockingIOError as error:
        return error.errno or errno.EINPROGRESS
    return 0


def finish_connect(sock: socket.socket, code: int, timeout: float | None) -> None:
    """Wait until the socket is connected, at most ``timeout`` seconds, which become its own timeout.

    Raises:
        OSError: it could not be connected, or is shut.
        TimeoutError: the time is up.
    """
    if code in _UNDER_WAY:
        with getattr(selectors, "PollSelector", selectors.SelectSelector)() as selector:
            selector.register(sock, selectors.EVENT_WRITE)
            if not selector.select(timeout):
                raise TimeoutError("timed out")
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))
    sock.settimeout(timeout)


class Guard(Abort):
    """A hold on a connection, by which the end of a scope shuts it.

    It is the client's own socket, for a second descriptor for each connection in use would halve how many there may be.
    So **whoever closes the socket releases its guard before**: the number of a closed descriptor is given out again,
    and nobody's connection but this one may be shut.  Guarantee: nothing is shut after ``release`` has returned.

    Args:
        scope: whose cancel or deadline shuts the connection; if that has been, it is shut at once.
        sock: the connection, or one that is being connected.
        how: what is shut, as for ``socket.shutdown``.
        apart: take a second descriptor after all, as long as the guard lasts: while TLS is being set up, the
            connection's own belongs to an object that nobody can reach.
    """

    __slots__ = ("_apart", "_handle", "fired", "how", "scope")

    def __init__(self, scope: Scope, sock: socket.socket, how: int = socket.SHUT_RDWR, *, apart: bool = False) -> None:
        self.scope: Scope = scope
        self.fired: bool = False
        """Whether the connection was shut."""
        self.how: int = how
        self._apart = apart or not isinstance(sock, socket.socket)  # TLS within TLS is no socket
        self._handle = _second_handle(sock) if self._apart else sock
        super().__init__(scope, self._fire)

    def _fire(self) -> None:
        self.fired = True
        shut(self._handle, self.how)

    def release(self) -> None:
        """Leave the connection alone from now on; harmless when done twice."""
        super().release()
        if self._apart:
            self._handle.close()


def _second_handle(sock: socket.socket) -> socket.socket:
    handle = socket.fromfd(sock.fileno(), socket.AF_INET, socket.SOCK_STREAM)  # the family does not matter
    if socket.getdefaulttimeout() is not None:
        # Then a new handle sets the connection to non-blocking, which is the client's to decide.
        handle.settimeout(sock.gettimeout())
    return handle
