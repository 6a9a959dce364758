"""PostgreSQL, of psycopg 3: queries that end with the scope they run in.

For example::

    with Fan(10, timeout=30) as fan, psycopg_pool.ConnectionPool(url, configure=attach) as pool:
        report = fan.run(query, years)

Guarantees: while a connection waits for the server, the end of the scope is noticed within a tenth of a second; then
the query is cancelled at the server, as psycopg does it at a Ctrl-C, and CallCancelled is raised.  If the server does
not say within seconds that it has, the connection is closed.  After the end nothing begins but ``rollback`` and
``close``.  Outside of a scope nothing changes.  A connect ends after its ``connect_timeout``.
"""

from __future__ import annotations

from _thread import get_ident
from functools import cache, wraps

import psycopg
from psycopg.pq import TransactionStatus

from .._core.base import forks
from .._core.base.texts import brief
from .._core.scope.abort import Abort
from .._core.scope.scope import scope_here
from .passing import pass_through

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import TypeVar

    from .._core.scope.scope import Scope

    C = TypeVar("C")
    T = TypeVar("T")
    Steps = Generator[object, object, T]

__all__ = ["attach"]


def attach(connection: C) -> C:
    """Make a connection's queries end with their scope; it is changed in place.  Harmless when done twice.

    A pool of psycopg_pool's does it for each with ``configure=attach``.

    Returns:
        The same connection.

    Raises:
        TypeError: it is something else, or for coroutines.
    """
    if isinstance(connection, psycopg.AsyncConnection):
        raise TypeError(
            f"attach got an {type(connection).__name__}; right is a psycopg.Connection, used from a fan's threads"
        )
    if not isinstance(connection, psycopg.Connection):
        raise TypeError(f"attach got {brief(connection)}; right is a psycopg.Connection")
    found: psycopg.Connection = connection
    if not hasattr(type(found), _MARK):
        found.__class__ = _attached_class(type(found))  # type: ignore[arg-type,unused-ignore]  # a class is hashable
    return connection


_MARK = "ends_with_scope"  # of classes that are made here
_ASKED = "_end_was_asked_for"  # of connections: psycopg has cancelled a query for the scope that has ended


@cache
def _attached_class(kind: type[psycopg.Connection]) -> type[psycopg.Connection]:
    return type(kind.__name__, (kind,), {_MARK: True, "wait": _ended(kind.wait), "rollback": _free(kind.rollback)})


class _Over(KeyboardInterrupt):
    """The scope has ended.  It goes no further than to psycopg, which cancels the query at the server for it."""


_done_to_its_end: set[int] = set()  # threads in which that is so, whatever the scope says
forks.in_child(_done_to_its_end.clear)


def _free(act: Callable[[object], None]) -> Callable[[object], None]:
    """What is left to do when a scope has ended."""

    @wraps(act)
    def free(connection: object) -> None:
        thread = get_ident()
        _done_to_its_end.add(thread)
        try:
            act(connection)
        finally:
            _done_to_its_end.discard(thread)

    return free


def _ended(wait: Callable[..., object]) -> Callable[..., object]:
    """In the place of a connection's ``wait``, by which all of it waits for the server."""

    @wraps(wait)
    def ended(connection: psycopg.Connection, steps: Steps[object], *args: object, **options: object) -> object:
        scope = scope_here()
        if scope is None or get_ident() in _done_to_its_end:
            return wait(connection, steps, *args, **options)
        watched = _Steps(steps, scope)
        if not scope.cancelled:
            vars(connection).pop(_ASKED, None)
        elif connection.info.transaction_status != TransactionStatus.ACTIVE:
            steps.close()
            scope.check()
        elif _ASKED in vars(connection):  # psycopg ends what it has begun, and was told to
            return wait(connection, steps, *args, **options)
        else:  # the end has come between two waits for one query
            watched.strike()
        try:
            with Abort(scope, watched.strike):
                return wait(connection, watched, *args, **options)
        except (_Over, psycopg.Error) as error:
            if isinstance(error, _Over):
                setattr(connection, _ASKED, True)
            scope.check()
            raise

    return ended


class _Steps:
    """The steps of a query, between which psycopg waits for the server, and looks up ten times a second.

    After it has raised it goes on, since psycopg then waits for the end of the query that it has cancelled.
    """

    def __init__(self, steps: Steps[T], scope: Scope) -> None:
        self._steps = steps
        self._scope = scope
        self._struck: list[bool] = []

    def strike(self) -> None:
        """Raise at the next step."""
        self._struck.append(True)

    def __iter__(self) -> _Steps:
        return self

    def __next__(self) -> object:
        return self.send(None)

    def send(self, ready: object) -> object:
        """The next step."""
        if self._struck:
            self._struck.clear()
            raise _Over
        if ready:  # else nothing has come
            self._scope.touch()
        return self._steps.send(ready)

    def throw(self, error: BaseException) -> object:
        """Raise in it."""
        return self._steps.throw(error)

    def close(self) -> None:
        """End it."""
        self._steps.close()


if not TYPE_CHECKING:
    __getattr__, __dir__ = pass_through(__name__, "psycopg")
