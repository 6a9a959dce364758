"""urllib3, and what is built on its pool managers: requests that end with the scope they run in.

For example::

    manager = attach(urllib3.PoolManager())
    with Fan(50, timeout=10) as fan:
        report = fan.run(lambda url: manager.request("GET", url).data, urls)

Guarantees: what ``threadfan.clients.requests`` says of a session's requests holds for each request of the manager, with
its connect, TLS handshake, redirects, retries and body, a streamed one too: they end with the scope.  What is raised
then is CallCancelled.  In the child of a fork a manager begins with connections of its own.
"""

from __future__ import annotations

from functools import wraps

from urllib3 import PoolManager
from urllib3.util.retry import Retry

from .._core.base import forks
from .._core.base.texts import brief
from .._core.scope.scope import scope_around
from .passing import pass_through
from .pools import leave_to_parent, make_abortable, waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    # isort: off
    from urllib3 import (
        HTTPConnectionPool as HTTPConnectionPool,
        HTTPResponse as HTTPResponse,
        HTTPSConnectionPool as HTTPSConnectionPool,
        ProxyManager as ProxyManager,
        Timeout as Timeout,
        exceptions as exceptions,
        request as request,
    )

    # isort: on
    from typing import TypeVar

    C = TypeVar("C", bound=PoolManager)

__all__ = ["attach"]

POOL_SIZE = 100
"""Idle connections that are kept for a host; arbitrary: more threads than most fans have, and none is opened early."""

_MARK = "ends_with_scope"  # of classes that are made here


def attach(manager: C, *, pool_size: int = POOL_SIZE) -> C:
    """Make a manager's requests end with their scope; it is changed in place.  Harmless when done twice.

    Do this before other threads use it: idle connections are closed.

    Args:
        manager: a ``PoolManager`` or ``ProxyManager``.
        pool_size: keep at least so many idle connections for each host; a manager whose pools block keeps its size.

    Returns:
        The same manager.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(manager, PoolManager):
        raise TypeError(f"attach got {brief(manager)}; right is a urllib3.PoolManager or ProxyManager")
    kind = type(manager)
    if not hasattr(kind, _MARK):
        options = manager.connection_pool_kw
        options["retries"] = waiting(Retry.from_int(options.get("retries")))
        make_abortable(manager, pool_size)
        manager.__class__ = type(kind.__name__, (kind,), {_MARK: True, "urlopen": _ended(kind.urlopen)})
        forks.renew(manager, leave_to_parent)
    return manager


def _ended(urlopen: Callable[..., object]) -> Callable[..., object]:
    @wraps(urlopen)
    def ended(self: PoolManager, method: str, url: str, redirect: bool = True, **options: object) -> object:
        retries = options.get("retries")
        if isinstance(retries, Retry):
            options["retries"] = waiting(retries)
        elif isinstance(retries, int):  # or False, of which urllib3 makes one in just this way
            options["retries"] = waiting(Retry.from_int(retries, redirect=redirect))
        scope = scope_around()
        if scope is None:
            return urlopen(self, method, url, redirect, **options)
        try:
            return urlopen(self, method, url, redirect, **options)
        except Exception:
            scope.check()
            raise

    return ended


if not TYPE_CHECKING:
    __getattr__, __dir__ = pass_through(__name__, "urllib3")
