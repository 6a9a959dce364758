"""How a socket is shut so that a thread blocked in it wakes."""

from __future__ import annotations

import contextlib
import socket


def shut(sock: socket.socket) -> None:
    """End both directions of a connection; a ``connect``, ``recv`` or ``send`` blocked in any thread returns at once.

    Safe from any thread and harmless on a socket that is closed.  It never closes: the number of a closed descriptor
    is given out again, and a blocked ``recv`` would not notice.  It takes ``socket.socket.shutdown`` for TLS too:
    ``SSLSocket.shutdown`` drops the TLS object, and what is read or sent after that would go as plain text.
    """
    with contextlib.suppress(OSError):  # closed, or not connected any more
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
