"""requests whose calls end with their scope: at its deadline, or at once when it is cancelled, from any thread.

The scope's remaining time bounds a request as a whole, with its connect, TLS handshake, CONNECT tunnel, redirects,
retries and body, a streamed one too.  A ``timeout=`` is honoured as ever; the smaller of the two wins.  What is raised
after the scope has ended is `CallCancelled`, not an exception of requests', so a loop that tries again at every
`RequestException` ends too.  A DNS look-up cannot be woken: a call that hangs in one can only be abandoned.
In the child of a fork a session begins with connections of its own.

```python
session = threadfan.clients.requests.Session()  # or: attach(requests.Session())
with Fan(50, timeout=10) as fan:
    report = fan.run(session.get, urls)
```

All of it may be used from any thread, one session from many.
"""

from __future__ import annotations

import requests
from requests.adapters import HTTPAdapter

from .._core.base import forks
from .._core.base.locks import Lock
from .adapters import adopt, check
from .passing import pass_through

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self, TypeVar

    # isort: off
    from requests import (
        ConnectionError as ConnectionError,
        ConnectTimeout as ConnectTimeout,
        FileModeWarning as FileModeWarning,
        HTTPError as HTTPError,
        JSONDecodeError as JSONDecodeError,
        PreparedRequest as PreparedRequest,
        ReadTimeout as ReadTimeout,
        Request as Request,
        RequestException as RequestException,
        Response as Response,
        Timeout as Timeout,
        TooManyRedirects as TooManyRedirects,
        URLRequired as URLRequired,
        adapters as adapters,
        auth as auth,
        codes as codes,
        compat as compat,
        cookies as cookies,
        delete as delete,
        exceptions as exceptions,
        get as get,
        head as head,
        hooks as hooks,
        models as models,
        options as options,
        patch as patch,
        post as post,
        put as put,
        request as request,
        session as session,
        sessions as sessions,
        status_codes as status_codes,
        structures as structures,
        utils as utils,
    )

    # isort: on
    from requests.adapters import BaseAdapter

    AnySession = TypeVar("AnySession", bound=requests.Session)

__all__ = ["Session", "attach", "install"]

# Idle connections that are kept for a host; arbitrary: more threads than most fans have, and none is opened early.
POOL_SIZE = 100


class Session(requests.Session):
    """A `requests.Session` whose calls end with their scope.

    Args:
        pool_size: how many idle connections are kept for each host; as many as the fan has slots is right.

    Raises:
        TypeError: by ``mount``, for an adapter that is not an `HTTPAdapter`.
        ValueError: ``pool_size`` is less than 1.
    """

    def __init__(self, *, pool_size: int = POOL_SIZE) -> None:
        self._pool_size = _checked_size("Session", pool_size)
        super().__init__()

    def mount(self, prefix: str | bytes, adapter: BaseAdapter) -> None:
        """Register an adapter for addresses that begin with ``prefix``, and attach it."""
        adopt(adapter, self._pool_size)
        super().mount(prefix, adapter)

    # requests pickles a session by this list of names.
    __attrs__: list[str] = [*requests.Session.__attrs__, "_pool_size"]  # noqa: RUF012 -- declared by requests


def attach(session: AnySession, *, pool_size: int = POOL_SIZE) -> AnySession:
    """Make the calls of an existing session end with their scope, by changing its mounted adapters in place.

    Their settings are kept: retries, proxies, TLS.  Idle connections are closed.  After mounting another adapter call
    this again, which may be done any number of times.

    Args:
        session: any `requests.Session`.
        pool_size: keep at least so many idle connections for each host; an adapter with ``pool_block=True`` keeps the
            size that it has.

    Returns:
        The session.

    Raises:
        TypeError: an adapter is not an `HTTPAdapter`; then nothing is changed.
        ValueError: ``pool_size`` is less than 1.
    """
    _checked_size("attach", pool_size)
    for prefix, adapter in session.adapters.items():
        check(adapter, f"the session's adapter for {prefix!r}")
    for adapter in session.adapters.values():
        adopt(adapter, pool_size)
    return session


def _checked_size(whose: str, size: int) -> int:
    if not size >= 1:
        raise ValueError(f"{whose}(pool_size={size!r}) keeps no connection; pool_size must be at least 1")
    return size


_guard = Lock()  # guards the two below, and ``requests.Session.mount`` while it is being replaced
_installations: list[Installation] = []
_usual_mount: Any = None  # what is replaced at the moment


def _in_child() -> None:
    global _guard
    _guard = Lock()


forks.in_child(_in_child)


def install(*, pool_size: int = POOL_SIZE) -> Installation:
    """Attach every `requests.Session` created from now on, and so what ``requests.get`` uses.

    Each `HTTPAdapter` that any session mounts is attached; adapters of other kinds are left alone.

    Args:
        pool_size: as for `attach`.

    Returns:
        An object that undoes it, for sessions created later: by ``undo()``, or at the end of ``with install():``.
        Several may be in force at once; each undoes only itself.

    Raises:
        ValueError: ``pool_size`` is less than 1.
    """
    return Installation(_checked_size("install", pool_size))


class Installation:
    """One call of `install` that is in force until ``undo``."""

    def __init__(self, pool_size: int) -> None:
        global _usual_mount
        self._pool_size = pool_size
        with _guard:
            _installations.append(self)
            if _usual_mount is None:
                _usual_mount = requests.Session.mount
                setattr(requests.Session, "mount", _mount)  # noqa: B010 -- the type checkers would object

    def undo(self) -> None:
        """Take it back; harmless when done twice."""
        global _usual_mount
        with _guard:
            if self in _installations:
                _installations.remove(self)
            # If somebody has replaced it since, ours stays beneath theirs, and does nothing.
            if not _installations and requests.Session.mount is _mount:
                setattr(requests.Session, "mount", _usual_mount)  # noqa: B010
                _usual_mount = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.undo()


def _mount(session: requests.Session, prefix: str | bytes, adapter: BaseAdapter) -> None:
    with _guard:
        sizes = [installation._pool_size for installation in _installations]
        usual = _usual_mount or requests.Session.mount  # taken back a moment ago
    if sizes and isinstance(adapter, HTTPAdapter):
        adopt(adapter, max(sizes))
    usual(session, prefix, adapter)


if not TYPE_CHECKING:
    __getattr__, __dir__ = pass_through(__name__, "requests")
