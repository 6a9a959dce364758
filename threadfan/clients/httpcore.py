"""The network under httpx: httpcore's backend and its streams, made to end with the scope.

Both generations, ``httpcore`` and ``httpcore2``, have the same interface, and which one it is shows on the pool.

Guarantees: while a thread connects, shakes hands, reads or writes, the cancel of its scope shuts the socket, and it
raises CallCancelled; before and after that operation the scope cannot reach the socket, so a connection that is back
in its pool, or serves another call by then, is never shut.  What a scope has ended is closed by the thread that used
it, and leaves its pool.  A connection that HTTP/2 shares among calls is never shut, and what one call reads from
it is not lost for the others: there only the deadline of the call that reads is heeded.  A look-up of a name cannot be
ended.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from functools import partial
from importlib import import_module
from math import inf

from .._core.base.errors import CallCancelled
from .._core.scope.abort import Abort, acts_of
from .._core.scope.scope import Scope, current_scope, scope_here, time_left
from .._core.scope.waiting import sleep
from .sockets import begin_connect, clear_tls_errors, finish_connect, replaced, shut

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from ssl import SSLContext
    from typing import Any, TypeVar

    from httpcore import SOCKET_OPTION, NetworkBackend, NetworkStream

    from .sockets import Address

    Pool = Any  # of httpcore or httpcore2: what is used of it is private
    T = TypeVar("T")
    R = TypeVar("R")


def make_abortable(pool: Pool) -> None:
    """Have a pool of httpcore's open connections that end with the scope; harmless when done twice.

    Idle connections from before are closed, as nothing could end a call on them.  So do this before other threads use
    the pool.
    """
    if isinstance(pool._network_backend, Backend):
        return
    pool._network_backend = Backend(pool._network_backend, shared=not getattr(pool, "_http1", True))
    for connection in pool.connections:
        if connection.is_idle():
            connection.close()


def leave_to_parent(pool: Pool) -> None:
    """In the child of a fork: have a pool of httpcore's begin without connections.

    Those that it has are the parent's.  To close them ends nothing but the child's handle on them.
    """
    before = pool._connections
    pool._connections, pool._requests = [], []
    pool._optional_thread_lock = type(pool._optional_thread_lock)()
    for connection in before:
        with suppress(Exception):
            connection.close()


def smaller(timeout: float | None, left: float) -> float | None:
    """The smaller of a timeout, of which None is none, and the seconds that a scope has left."""
    if timeout is None:
        return None if left == inf else left
    return min(timeout, left)


class Backend:
    """A network backend as httpcore wants one, around another.

    Args:
        inner: the user's, or httpcore's own.
        shared: whether its connections speak HTTP/2 from the start, so that each belongs to many calls.
    """

    def __init__(self, inner: NetworkBackend, *, shared: bool = False) -> None:
        self._inner = inner
        self._shared = shared
        self._core = import_module(type(inner).__module__.partition(".")[0])

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> Stream:
        """Connect; of httpcore's own backend the socket is made here, where the scope can reach it meanwhile."""
        if type(self._inner) is not getattr(self._core, "SyncBackend", None) or replaced():
            options = {"local_address": local_address, "socket_options": socket_options}
            return self._made(self._inner.connect_tcp, host, port, timeout=timeout, **options)
        made = import_module(f"{self._core.__name__}._backends.sync").SyncStream
        try:
            return Stream(made(connect(host, port, timeout, local_address, socket_options)), shared=self._shared)
        except TimeoutError as error:
            raise self._core.ConnectTimeout(error) from error
        except OSError as error:
            raise self._core.ConnectError(error) from error

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[SOCKET_OPTION] | None = None
    ) -> Stream:
        """Connect to a socket of this machine."""
        return self._made(self._inner.connect_unix_socket, path, timeout=timeout, socket_options=socket_options)

    def sleep(self, seconds: float) -> None:
        """Wait through the scope; between attempts to connect."""
        sleep(seconds)

    def _made(
        self, connect: Callable[..., NetworkStream], *args: object, timeout: float | None, **options: object
    ) -> Stream:
        scope = current_scope()
        scope.check()
        try:
            stream = connect(*args, timeout=smaller(timeout, scope.remaining()), **options)
        except Exception:
            scope.check()
            raise
        return Stream(stream, shared=self._shared)


class Stream:
    """A network stream as httpcore wants one, around another."""

    def __init__(self, inner: NetworkStream, *, shared: bool) -> None:
        self._inner = inner
        self._shared = shared
        self._awaited = False  # something was sent, or is being read: what arrives is for whoever did that
        self._requests = 0  # how often that began: it may begin, and even be over, while another thread looks
        sock = inner.get_extra_info("socket")
        self._shut: Callable[[], None] | None = None if sock is None else partial(shut, sock)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has arrived, once something has; empty when the other side is done."""
        self._awaited = True
        scope = scope_here()
        data: bytes = self._operate(scope, self._inner.read, max_bytes, timeout)
        self._awaited = False
        if scope is not None:
            scope.touch()
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it; at the end of a request that is often nothing."""
        if not buffer:
            return
        self._requests += 1
        self._awaited = True
        scope = scope_here()
        self._operate(scope, self._inner.write, buffer, timeout)
        if scope is not None and scope.permits is not None:
            scope.permits.sent()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Stream:
        """Shake hands; the stream from then on."""
        from ssl import SSLSocket

        sock = self.get_extra_info("socket")
        # The handshake takes the descriptor away from a plain socket object, so it is reached through another.
        twin = sock.dup() if isinstance(sock, socket.socket) and not isinstance(sock, SSLSocket) else sock
        made: list[NetworkStream] = []
        try:
            # Only the reading side is shut meanwhile: if the other side answers by closing, Python takes the socket for
            # one that was never connected, skips the handshake, and up to 3.12 leaks it.
            self._operate(
                scope_here(),
                lambda context, timeout: made.append(self._inner.start_tls(context, server_hostname, timeout)),
                ssl_context,
                timeout,
                None if twin is None else partial(shut, twin, socket.SHUT_RD),
            )
        except BaseException:
            for stream in made:
                stream.close()
            self.close()
            raise
        finally:
            if twin is not sock:
                twin.close()
        secured = made[0].get_extra_info("ssl_object")
        return Stream(made[0], shared=secured is not None and secured.selected_alpn_protocol() == "h2")

    def close(self) -> None:
        """Close it, whatever the scope says."""
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        """What the stream within knows.

        An idle connection that can be read from was closed by the server, so the pool closes it too.  It asks one thing
        after the other, though: one that was idle and by now has its answer would be closed in the midst of a call.
        So what arrived counts only if nobody has asked for anything before, nor while this looked.
        """
        if info != "is_readable":
            return self._inner.get_extra_info(info)
        requests = self._requests
        if self._awaited or not self._inner.get_extra_info(info):
            return False
        return not self._awaited and requests == self._requests

    def _operate(
        self,
        scope: Scope | None,
        act: Callable[[T, float | None], R],
        what: T,
        timeout: float | None,
        end: Callable[[], None] | None = None,
    ) -> R:
        """``act(what, timeout)``, ended with the scope: by ``end``, or by shutting both directions."""
        if scope is None:  # nothing but its timeout ends it
            try:
                return act(what, timeout)
            except Exception:
                clear_tls_errors()
                raise
        if self._shared:
            return _operate_shared(scope, act, what, timeout)
        acts, key, end = scope.acts, object(), end or self._shut
        if acts is None:
            acts = acts_of(scope)
        try:
            try:
                if end is not None:
                    acts[key] = end  # first: whoever cancels the scope marks it, and then looks here
                left = time_left(scope)
                done = act(what, left if left != inf and (timeout is None or left < timeout) else timeout)
            finally:
                held = acts.pop(key, None)
                if held is None:
                    acts.take_back(key)
            if held is None or not done:  # it was shut, and an end of what is to be read may be one that this has made
                time_left(scope)
        except CallCancelled:
            self.close()
            raise
        except Exception:
            clear_tls_errors()
            if scope.cancelled:
                self.close()
            scope.check()
            raise
        return done


def _operate_shared(scope: Scope, act: Callable[[T, float | None], R], what: T, timeout: float | None) -> R:
    """Heed the deadline alone: bytes that were read or are to be written may belong to other calls."""
    try:
        return act(what, smaller(timeout, scope.remaining()))
    except Exception:
        scope.check()
        raise


def connect(
    host: str,
    port: int,
    timeout: float | None,
    local_address: str | None = None,
    options: Iterable[SOCKET_OPTION] | None = None,
) -> socket.socket:
    """``socket.create_connection`` that ends with the scope.

    Raises:
        CallCancelled: the scope has ended.
        OSError: none of the addresses answers; the error of the last one.
    """
    scope = current_scope()
    scope.check()
    failure: OSError | None = None
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            if local_address is not None:
                sock.bind((local_address, 0))
            _reach(scope, sock, address, timeout)
            for option in (*(options or ()), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)):
                sock.setsockopt(*option)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    try:
        raise failure or OSError(f"{host} has no address")
    finally:
        del failure  # its traceback holds this frame: leave no cycle


def _reach(scope: Scope, sock: socket.socket, address: Address, timeout: float | None) -> None:
    code = begin_connect(sock, address)
    try:
        with Abort(scope, partial(shut, sock)):
            finish_connect(sock, code, smaller(timeout, scope.remaining()))
    except OSError:
        scope.check()
        raise
    scope.check()  # a connect that is shut may look as if it had succeeded
