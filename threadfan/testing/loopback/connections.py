"""The server's open connections by the client's address, so that a request's connection can be cut under it."""

from __future__ import annotations

import os
import socket
import struct
from time import monotonic_ns
from typing import TYPE_CHECKING, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

# A linger of zero seconds makes close() send RST instead of FIN; the struct's fields are short on Windows.
_LINGER_ZERO = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class Connection(H11Protocol):
    """Uvicorn's HTTP connection, entered in `connected` while it is open.

    ASGI does not hand the connection to the application, but it does hand over the client's address.
    """

    connected: ClassVar[dict[object, Connection]] = {}
    received: int = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Enters the connection."""
        super().connection_made(transport)
        self.connected[self.client] = self

    def data_received(self, data: bytes) -> None:
        """Notes the moment, which is that of a request's arrival when `data` is the end of its body."""
        self.received = monotonic_ns()
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Removes the connection."""
        self.connected.pop(self.client, None)
        super().connection_lost(exc)


def drop(client: object) -> None:
    """Cuts the connection from a client with a TCP reset; nothing happens when it is gone already."""
    connection = Connection.connected.get(client)
    if connection is not None and not connection.transport.is_closing():
        connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        connection.transport.abort()


def connected(client: object) -> bool:
    """Says whether a client has not left, as far as this machine knows."""
    return client in Connection.connected


def arrival(client: object) -> int:
    """Returns the moment at which the last bytes came from a client, in nanoseconds of the monotonic clock.

    The event loop may get to the request only after others; that it was late must not count for or against anyone.
    """
    connection = Connection.connected.get(client)
    return monotonic_ns() if connection is None else connection.received
