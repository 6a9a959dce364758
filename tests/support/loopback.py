"""A threaded server on loopback, of which the test sees every connection; what it does with one, others say."""

import contextlib
import select
import socket
import threading

from support.controlled import PATIENCE
from threadfan.clients.sockets import shut


class Gone(Exception):
    """The other side has closed the connection."""


class Loopback:
    """Accepts connections and serves each in a thread of its own; at the end it cuts them and joins the threads."""

    def __init__(self, family=socket.AF_INET):
        self._host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        self._listener = socket.create_server((self._host, 0), family=family, backlog=512)
        self.port = self._listener.getsockname()[1]
        self.address = f"[{self._host}]:{self.port}" if family == socket.AF_INET6 else f"{self._host}:{self.port}"
        self._changed = threading.Condition()  # guards the five below
        self._open = {}  # accepted sockets, each with the one that is used in its place now
        self._threads = []
        self._accepted = 0
        self._requests = 0
        self._ended = False

    @property
    def connections(self):
        """How many connections are open now."""
        with self._changed:
            return len(self._open)

    @property
    def accepted(self):
        """How many connections there have been."""
        with self._changed:
            return self._accepted

    @property
    def requests(self):
        """How many requests have arrived: for a server that hangs in the handshake, first bytes of a hello."""
        with self._changed:
            return self._requests

    def wait_until_closed(self, count_open=0):
        """Wait until only so many connections are open."""
        self._wait_for(lambda: len(self._open) <= count_open, f"no more than {count_open} connections")

    def wait_for_requests(self, count):
        """Wait until so many requests have arrived, counted from the start of the server."""
        self._wait_for(lambda: self._requests >= count, f"{count} requests")

    def _wait_for(self, condition, what):
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE), (
                f"there were not {what} in time: {len(self._open)} are open, {self._requests} requests have come"
            )

    def _note_request(self):
        with self._changed:
            self._requests += 1
            self._changed.notify_all()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._attend, args=(sock,), name="loopback connection", daemon=True)
            with self._changed:
                self._open[sock] = sock
                self._accepted += 1
                self._threads = [old for old in self._threads if old.is_alive()] + [thread]
                thread.start()

    def _attend(self, sock):
        try:
            with contextlib.suppress(Gone, OSError):
                self._serve(sock)
        finally:
            with self._changed:
                self._open.pop(sock).close()
                self._changed.notify_all()

    def _now_is(self, sock, secured):
        """TLS has taken the descriptor over from the accepted socket."""
        with self._changed:
            self._open[sock] = secured
            if self._ended:
                raise Gone

    def _serve(self, sock):
        """Do what this server does with a connection; it is closed when this returns or raises an OSError."""
        raise NotImplementedError

    def __enter__(self):
        self._acceptor = threading.Thread(target=self._accept, name="loopback acceptor", daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, *exc_info):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(PATIENCE)
        with self._changed:
            self._ended = True
            threads = self._threads
            for sock in self._open.values():
                shut(sock)
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), f"{thread.name} does not end"


def until_gone(sock, seconds=None):
    """Wait until the other side closes; raises `Gone` then, and returns after so many seconds."""
    sock.settimeout(seconds)
    try:
        while True:
            if not sock.recv(4096):
                raise Gone
    except TimeoutError:
        sock.settimeout(None)


def splice(one, other):
    """Pass bytes both ways until one side is gone."""
    peers = {one: other, other: one}
    while True:
        for ready in select.select(list(peers), [], [])[0]:
            data = ready.recv(65536)
            if not data:
                return
            peers[ready].sendall(data)
