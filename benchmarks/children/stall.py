"""A server that promises more than it sends: ``stall [CERTIFICATE KEY]`` prints its port and ends with its input.

Every request is answered with a head that promises 1000 bytes, ten of them, and no more.  In a process of its own it
takes no processor time from the threads that are measured as they notice the end.
"""

from __future__ import annotations

import socket
import ssl
import sys
import threading

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"." * 10


def serve(connection: socket.socket, context: ssl.SSLContext | None) -> None:
    """Stall one client until it leaves."""
    try:
        with connection if context is None else context.wrap_socket(connection, server_side=True) as sock:
            received = b""
            while b"\r\n\r\n" not in received:
                received += sock.recv(4096) or b"\r\n\r\n"
            sock.sendall(ANSWER)
            sock.recv(1)
    except OSError:
        pass  # it has left


def accept(listener: socket.socket, context: ssl.SSLContext | None) -> None:
    """A thread for every client."""
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, context), daemon=True).start()


def main(*certificate: str) -> None:
    """Serve until the standard input ends, as it does when the parent dies."""
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    threading.Thread(target=accept, args=(listener, context), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
