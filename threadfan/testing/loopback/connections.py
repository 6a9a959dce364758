"""The server's open connections by the client's address, so that a request's connection can be cut under it."""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING, Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

# A linger of zero seconds makes close() send RST instead of FIN; the struct's fields are short on Windows.
_LINGER_ZERO = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class Connection(H11Protocol):
    """Uvicorn's HTTP connection, entered in `transports` while it is open.

    ASGI does not hand the transport to the application, but it does hand over the client's address.
    """

    transports: ClassVar[dict[Any, asyncio.Transport]] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Enters the connection."""
        super().connection_made(transport)
        self.transports[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Removes the connection."""
        self.transports.pop(self.client, None)
        super().connection_lost(exc)


def drop(client: object) -> None:
    """Cuts the connection from a client with a TCP reset; nothing happens when it is gone already."""
    transport = Connection.transports.get(client)
    if transport is not None and not transport.is_closing():
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        transport.abort()
