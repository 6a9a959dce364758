"""Connections of urllib3 that end with the scope of the call that uses them.

Guarantees, from any thread: a scope that ends shuts the connection that its call is at that moment using, from the
first SYN over the CONNECT tunnel and the TLS handshake to the last byte of the body, and no other; every operation of
an ended scope raises `CallCancelled`; a connection that was shut is not used again.  Outside of any call and block,
all is as urllib3 does it.  A DNS look-up cannot be woken: its thread can only be abandoned.

Stands on what urllib3 and `http.client` leave open for subclasses: ``connect``, ``request``, ``getresponse``,
``close``, ``response_class``, and ``_new_conn``, which is urllib3's own name for the step that makes the socket.
"""

from __future__ import annotations

import functools
import io
import socket
import sys

from urllib3 import connection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util import Timeout
from urllib3.util import connection as connecting

from .._core.base.clock import FOREVER
from .._core.scope.scope import scope_around
from .sockets import Guard, begin_connect, clear_tls_errors, finish_connect, replaced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from http.client import HTTPResponse
    from typing import Any, TypeVar

    from typing_extensions import Buffer
    from urllib3._collections import HTTPHeaderDict
    from urllib3.response import HTTPResponse as Answer

    from .._core.scope.scope import RequestListener, Scope

    T = TypeVar("T")

if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection, HTTPSConnection
else:

    def _own(name: str) -> type:
        """A class of urllib3's: this may be imported while somebody, vcrpy in a cassette, has put his in its place."""
        kinds = getattr(connection, name).__mro__
        return next(kind for kind in kinds if (kind.__module__, kind.__name__) == (connection.__name__, name))

    HTTPConnection, HTTPSConnection = _own("HTTPConnection"), _own("HTTPSConnection")

# Seconds by which the socket's own timeout comes after the deadline; arbitrary, but not 0: at the deadline the
# connection is shut, and that, not a timeout of the client's, should be what ends the call.
_SLACK = 0.1


class AbortableConnection(HTTPConnection):
    """What is mixed into a class of connections.

    One thread at a time uses a connection.  Its `Guard` belongs to the scope that used it last, is made where the
    socket is made or the next operation begins, and is released when the answer is read or the connection closed.
    """

    _guard: Guard | None = None
    _answering = False  # in ``getresponse``, where closing the connection does not end the answer
    _wire: socket.socket | None = None  # the socket of the answer that is being read
    _counted: tuple[RequestListener, Any] | None = None  # of the request that waits for its answer, and who gave it

    def connect(self) -> None:
        """Connect, with the tunnel and the handshake."""
        scope = scope_around()
        self._in_scope(scope, super().connect)
        if self._guard is not None:  # that of the handshake: from now on both directions, by the socket itself
            self.watch(None, None)
            self.watch(scope, self.sock)
        if scope is not None:
            scope.check()

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send a request, with a permit if the call that makes it has a rate limit."""
        scope = scope_around()
        permits = None if scope is None else scope.permits
        self._counted = None if permits is None else (permits, permits.begin())
        try:
            self._in_scope(scope, super().request, *args, **kwargs)
            if scope is not None:
                scope.check()
            if permits is not None:
                permits.sent()
        except BaseException:
            self._answered(None, None)
            raise

    def _answered(self, status: int | None, headers: HTTPHeaderDict | None) -> None:
        counted, self._counted = self._counted, None
        if counted is not None:
            counted[0].end(counted[1], status, headers)

    def getresponse(self) -> Answer:  # type: ignore[override]
        """Wait for the head of the answer."""
        self._wire = sock = self.sock
        self._answering = True
        answer: Answer | None = None
        try:
            scope = scope_around()
            answer = self._in_scope(scope, super().getresponse)
            if scope is not None:
                scope.check()
            self._answered(answer.status, answer.headers)
        except BaseException:
            self._answered(None, None)
            if answer is not None:  # the scope has ended just then, and nobody else knows of it
                answer.close()
            raise
        finally:
            self._answering = False
        if scope is not None and sock is not None and sock.fileno() >= 0:
            sock.settimeout(self.timeout)  # the body may be read in another scope
        return answer

    def response_class(self, sock: socket.socket, *args: Any, **kwargs: Any) -> HTTPResponse:  # type: ignore[override]
        """An answer whose reads end with the scope that reads; that to CONNECT is guarded as ``connect`` is."""
        answer = super().response_class(sock, *args, **kwargs)
        if self._answering and isinstance(answer.fp, io.BufferedReader):  # not so of a socket that a test makes up
            raw: Any = answer.fp.raw
            kind: Any = type(raw)
            raw.__class__ = _reading(kind)
            raw.owner = self
            # The connection keeps the answer until the next one, and closes it with itself.  By then another thread may
            # have the connection, while the reader of the answer is still about to close it too: where http.client
            # flushes, which means nothing for an answer, the two would trip over each other.
            answer.flush = _nothing  # type: ignore[method-assign]
        return answer

    def close(self) -> None:
        """Close the connection; an answer that is still being read goes on."""
        if not self._answering:
            self.let_go()  # first: see ``Guard``
        try:
            super().close()
        finally:
            if not self._answering:
                self._answered(None, None)  # nobody will wait for the answer of what was asked

    def let_go(self) -> None:
        """Nobody's scope may shut this connection any more.  One that was shut is closed."""
        guard, self._guard, self._wire = self._guard, None, None
        if guard is not None:
            guard.release()
            if guard.fired:
                self.close()

    def watch(
        self, scope: Scope | None, sock: socket.socket | None, how: int = socket.SHUT_RDWR, *, apart: bool = False
    ) -> None:
        """From now on this scope is the one that may shut the connection."""
        guard = self._guard
        if guard is not None and guard.scope is not scope:
            guard.release()
            self._guard = None
        # What cannot send stands for a connection that there is not: a replay of one that was recorded.
        if scope is not None and sock is not None and hasattr(sock, "sendall") and self._guard is None:
            self._guard = Guard(scope, sock, how, apart=apart)

    def wire(self) -> socket.socket | None:
        """The socket, also of an answer whose connection is closed."""
        return self._wire if self.sock is None else self.sock

    def _in_scope(self, scope: Scope | None, act: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Do what the scope ends; whoever asks for it looks afterwards whether that has ended."""
        self.watch(scope, self.sock)
        if scope is None:
            return act(*args, **kwargs)
        usual = self.timeout
        self.timeout = _at_most(usual, scope.remaining() + _SLACK)
        try:
            return act(*args, **kwargs)
        except Exception:
            clear_tls_errors()
            scope.check()
            raise
        finally:
            self.timeout = usual

    def _new_conn(self) -> socket.socket:
        scope = scope_around()
        if scope is None or not self._connects_as_usual():
            sock: socket.socket = super()._new_conn()
            self.watch(scope, sock, apart=isinstance(self, HTTPSConnection))
            return sock
        try:
            sock = self._connected(scope)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"connecting to {self.host} took more than {self.timeout} s") from error
        except OSError as error:
            raise NewConnectionError(self, f"Failed to establish a new connection: {error}") from error
        sys.audit("http.client.connect", self, self.host, self.port)
        return sock

    def _connects_as_usual(self) -> bool:
        """Whether urllib3 itself makes the socket, and not a SOCKS client or somebody's patch of urllib3 or sockets."""
        stock = connecting.create_connection.__module__ == connecting.__name__ and not replaced()
        return stock and super()._new_conn.__func__ is HTTPConnection._new_conn  # type: ignore[attr-defined]

    def _connected(self, scope: Scope) -> socket.socket:
        """What urllib3's ``create_connection`` does, but the socket is guarded while it connects."""
        host = self._dns_host.strip("[]")
        failed: OSError = OSError(f"no address is known for {host}")
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, self.port, connecting.allowed_gai_family(), socket.SOCK_STREAM
        ):
            scope.check()
            sock = socket.socket(family, kind, protocol)
            try:
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                if self.source_address:
                    sock.bind(self.source_address)
                code = begin_connect(sock, address)
                self.watch(None, None)  # the address before this one
                # Until TLS is set up, only the reading side may be shut: if the other side answers by closing, Python
                # takes the socket for one that was never connected, skips the handshake, and up to 3.12 leaks it.
                self.watch(scope, sock, socket.SHUT_RD, apart=isinstance(self, HTTPSConnection))
                finish_connect(sock, code, _at_most(self.timeout, scope.remaining() + _SLACK))
                scope.check()  # a connect that is shut may look as if it had succeeded
            except OSError as error:
                failed = error
                self.watch(None, None)
                sock.close()
            except BaseException:
                self.watch(None, None)
                sock.close()
                raise
            else:
                return sock
        try:
            raise failed
        finally:
            del failed  # its traceback holds this frame: leave no cycle


class _Reading(io.RawIOBase):
    """What is mixed into the class of an answer's raw bytes.

    They are read in the scope at hand; their end releases the connection.
    """

    owner: AbortableConnection

    def readinto(self, buffer: Buffer, /) -> int | None:
        scope = scope_around()
        self.owner.watch(scope, self.owner.wire())
        if scope is None:
            return super().readinto(buffer)
        try:
            count: int | None = super().readinto(buffer)
        except Exception:
            clear_tls_errors()
            scope.check()
            raise
        scope.check()  # an end of the body may be one that the cancel has made
        scope.touch()
        return count

    def close(self) -> None:
        if not self.closed:
            self.owner.let_go()  # first: see ``Guard``
            super().close()


@functools.cache
def _reading(kind: type[io.RawIOBase]) -> type[io.RawIOBase]:
    return type(kind.__name__, (_Reading, kind), {})


def _nothing() -> None:
    pass


def _at_most(timeout: Any, seconds: float) -> float | None:
    """The smaller of a timeout as urllib3 has it and so many seconds."""
    usual = Timeout.resolve_default_timeout(timeout)
    least = seconds if usual is None else min(usual, seconds)
    return None if least == FOREVER else least
