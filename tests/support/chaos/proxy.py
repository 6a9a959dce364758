"""A proxy in front of a server, which misbehaves: each request meets something that is drawn."""

import socket
import struct
import threading
from collections import Counter

from support.chaos.answers import OF_CONNECTIONS, follow, generator
from support.loopback import Gone, Loopback, until_gone

_RESET = struct.pack("ii", 1, 0)  # linger for no time: closing resets the connection


class ChaosProxy(Loopback):
    """Requests go to a server on this machine, one by one; what comes back is what the draws make of it.

    ``met`` counts the kinds of mishaps, ``seen`` how often each target has been asked for.

    Args:
        port: of the server.
        weights: how often each kind comes, see ``support.chaos.answers``.
        seed: of the draws; which connection draws first is the threads' affair.
    """

    def __init__(self, port, weights, seed):
        super().__init__()
        self._upstream = port
        self._kinds, self._weights = list(weights), list(weights.values())
        self._draw = generator(seed)
        self._drawing = threading.Lock()
        self.met, self.seen = Counter(), Counter()

    def url(self, path="", scheme="http"):
        """The address of what the server has at this path."""
        return f"{scheme}://{self.address}{path}"

    def _serve(self, sock):
        while (request := _read_request(sock)) is not None:
            target = request.split(b" ", 2)[1].decode("latin-1") if request.count(b" ") > 1 else ""
            with self._drawing:
                kind = self._draw.choices(self._kinds, self._weights)[0]
                draw = generator(self._draw.random())
                self.met[kind] += 1
                self.seen[target] += 1
            self._note_request()
            if not request.startswith((b"GET", b"POST")):
                kind = "no http" if kind not in OF_CONNECTIONS else kind  # a hello of TLS, most likely
            if not self._meet(kind, sock, request, draw):
                return

    def _meet(self, kind, sock, request, draw):
        if kind == "silent":
            until_gone(sock)
        if kind == "closed":
            return False
        if kind != "reset":
            answer = b"" if kind == "no http" else self._ask(request, sock)
            if follow(kind, sock, answer, draw):
                return True
        if kind.startswith("reset"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        return False

    def _ask(self, request, sock):
        """What the server answers, with a length; raises `Gone` if it does not."""
        head, _, body = request.partition(b"\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection")]
        with socket.create_connection(("127.0.0.1", self._upstream), 20) as upstream:
            upstream.sendall(b"\r\n".join([*lines, b"Connection: close", b"", b""]) + body)
            answer = b"".join(iter(lambda: upstream.recv(65536), b""))
        head, separator, body = answer.partition(b"\r\n\r\n")
        if not separator:
            raise Gone
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection")]
        return b"\r\n".join([*lines, b"", b""]) + body


def _read_request(sock):
    """A request with its body, as bytes; None when the client has gone.  What is no HTTP ends at once."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            return None
        data += more
        if not data[:1].isalpha():
            return data
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
    )
    while len(body) < length:
        more = sock.recv(65536)
        if not more:
            return None
        body += more
    return head + b"\r\n\r\n" + body
