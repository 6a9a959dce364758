"""DuckDB: queries that end with the scope they run in.

For example::

    connection = attach(duckdb.connect("sales.db"))
    with Fan(4, timeout=30) as fan:
        report = fan.run(lambda year: connection.cursor().execute(QUERY, [year]).fetchall(), years)

Its connections cannot be changed, so ``attach`` gives a stand-in: it has all that a connection has, and the relations
that it makes are stand-ins too; its ``cursor`` is a connection of its own, for another thread.

Guarantees: the end of the scope interrupts what a connection or a relation is doing, and CallCancelled is raised; the
connection goes on to work.  After the end nothing begins but ``rollback``, ``interrupt`` and ``close``.  An interrupt
is one of all that the connection does, so let one call at a time use it.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from operator import getitem

import duckdb as library  # which has a module of its own name

from .._core.base.clock import REAL
from .._core.scope.abort import Abort
from .._core.scope.alarms import set_alarm
from .._core.scope.scope import scope_here
from .passing import pass_through

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self, TypeVar

    C = TypeVar("C")
    T = TypeVar("T")

__all__ = ["attach"]

AGAIN = 0.05
"""Seconds until an interrupt is made again: one that comes just before a query begins has no effect.  Arbitrary."""

_ALWAYS = ("rollback", "interrupt", "close")


def attach(connection: C) -> C:
    """A wrapper around a connection, whose queries end with their scope.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(connection, StandIn):
        return connection
    if not isinstance(connection, library.DuckDBPyConnection):
        raise TypeError(f"attach got {connection!r}; right is a connection of duckdb's, such as duckdb.connect()")
    made: C = StandIn(connection, connection)  # type: ignore[assignment]  # it has all that a connection has
    return made


class StandIn:
    """A connection, or a relation that it has made.

    Args:
        thing: what it stands for.
        connection: of DuckDB's, that is to be interrupted.
    """

    __slots__ = ("_connection", "_thing")

    def __init__(self, thing: object, connection: library.DuckDBPyConnection) -> None:
        self._thing = thing
        self._connection = connection

    def __getattr__(self, name: str) -> object:
        found = getattr(self._thing, name)
        return found if name in _ALWAYS or not callable(found) else partial(self.call, found)

    def call(self, act: Callable[..., object], *args: object, **options: object) -> object:
        """Do something that the thing does, until the end of the scope."""
        plain = {name: plainly(value) for name, value in options.items()}
        done = _ended(self._connection, partial(act, *map(plainly, args), **plain))
        if done is self._thing:
            return self
        if isinstance(done, library.DuckDBPyConnection):
            return StandIn(done, done)
        return StandIn(done, self._connection) if isinstance(done, library.DuckDBPyRelation) else done

    def plain(self) -> object:
        """What it stands for."""
        return self._thing

    def __getitem__(self, name: str) -> object:
        return self.call(getitem, self._thing, name)

    def __len__(self) -> int:
        return _ended(self._connection, partial(len, self._thing))  # type: ignore[arg-type]  # of relations

    def __str__(self) -> str:
        return _ended(self._connection, partial(str, self._thing))

    def __repr__(self) -> str:
        return _ended(self._connection, partial(repr, self._thing))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()


def plainly(value: object) -> object:
    """What DuckDB is given for a stand-in, which it does not know."""
    return value.plain() if isinstance(value, StandIn) else value


def _ended(connection: library.DuckDBPyConnection, act: Callable[[], T]) -> T:
    """``act()``, interrupted at the end of the scope."""
    scope = scope_here()
    if scope is None:
        return act()
    scope.check()
    interrupts = _Interrupts(connection)
    abort = Abort(scope, interrupts)
    try:
        done = act()
    except Exception:  # of a relation it is a mere RuntimeError
        scope.check()
        raise
    finally:
        abort.release()
        interrupts.stop()
    scope.touch()
    return done


class _Interrupts:
    """Interrupts a connection until it is told to stop."""

    def __init__(self, connection: library.DuckDBPyConnection) -> None:
        self._connection = connection
        self._stopped = False
        self._take_back: Callable[[], object] | None = None

    def __call__(self) -> None:
        if self._stopped:
            return
        with suppress(library.Error):  # it is closed
            self._connection.interrupt()
        self._take_back = set_alarm(REAL, REAL.monotonic() + AGAIN, self, quick=True)
        if self._stopped:
            self._take_back()

    def stop(self) -> None:
        """Interrupt it no more."""
        self._stopped = True
        if self._take_back is not None:
            self._take_back()


if not TYPE_CHECKING:
    __getattr__, __dir__ = pass_through(__name__, "duckdb")
