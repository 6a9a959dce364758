"""SQLite whose statements end with the scope they run in.

For example::

    from threadfan.clients import sqlite3

    with Fan(4, timeout=30) as fan:
        report = fan.run(lambda year: sqlite3.connect("sales.db").execute(QUERY, [year]).fetchall(), years)

Connections have to be made here, or by ``sqlite3.connect(…, factory=Connection)``: those of the standard class cannot
be changed.

Guarantees: while a statement of such a connection runs, be it in ``execute``, ``fetchall`` or ``commit``, the end of
the scope interrupts it, CallCancelled is raised, and its cursor is closed; SQLite takes back what the statement has
changed.  After the end nothing begins but ``rollback`` and ``close``.  An interrupt is one of all that the connection
runs, so let one call at a time use it.  The wait for a lock that another connection holds is SQLite's own and cannot be
interrupted: it ends after the connection's ``timeout``, 5 seconds by default.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from functools import partial, wraps

from .._core.base.errors import CallCancelled
from .._core.scope.abort import Abort
from .._core.scope.scope import scope_here
from .passing import pass_through

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    # isort: off
    from sqlite3 import (
        DatabaseError as DatabaseError,
        Error as Error,
        IntegrityError as IntegrityError,
        OperationalError as OperationalError,
        ProgrammingError as ProgrammingError,
        Row as Row,
        Warning as Warning,
        register_adapter as register_adapter,
        register_converter as register_converter,
    )

    # isort: on
    from typing import TypeVar

    T = TypeVar("T")
    C = TypeVar("C", bound=sqlite3.Connection)

__all__ = ["Connection", "Cursor", "attach", "connect"]

STEPS = 1_000_000
"""Instructions of SQLite's machine between two looks at the scope.  Arbitrary: some hundredths of a second.  It looks
itself as well since an interrupt that comes just before the statement begins has no effect."""


class Cursor(sqlite3.Cursor):
    """A cursor of a ``Connection``."""


class Connection(sqlite3.Connection):
    """A connection whose statements end with the scope of the call that runs them."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]  # those of the standard class
        self.set_progress_handler(_is_over, STEPS)


def connect(*args: object, **options: object) -> Connection:
    """``sqlite3.connect``, with the same arguments, for a ``Connection``."""
    made: Connection = sqlite3.connect(*args, **{"factory": Connection, **options})  # type: ignore[call-overload]
    return made


def attach(connection: C) -> C:
    """The connection itself, if it is a ``Connection``.

    Raises:
        TypeError: it is another, which cannot be changed.
    """
    if not isinstance(connection, Connection):
        raise TypeError(
            f"attach got {connection!r}, which cannot be changed; right is threadfan.clients.sqlite3.connect(…), or "
            f"sqlite3.connect(…, factory=threadfan.clients.sqlite3.Connection)"
        )
    return connection


def _is_over() -> bool:
    """Whether the statement that this thread runs is to be interrupted."""
    scope = scope_here()
    return scope is not None and scope.cancelled


def _ended(connection: sqlite3.Connection, act: Callable[[], T]) -> T:
    """``act()``, interrupted at the end of the scope."""
    scope = scope_here()
    if scope is None:
        return act()
    scope.check()
    abort = Abort(scope, connection.interrupt)
    try:
        done = act()
    except sqlite3.Error:
        scope.check()
        raise
    finally:
        abort.release()
    scope.touch()
    return done


def _of_cursor(name: str) -> Callable[..., object]:
    method = getattr(sqlite3.Cursor, name)

    @wraps(method)
    def ended(self: sqlite3.Cursor, *args: object, **options: object) -> object:
        connection = self.connection
        try:
            return _ended(connection, partial(method, self, *args, **options))
        except CallCancelled:
            with suppress(sqlite3.Error):
                sqlite3.Cursor.close(self)  # as long as a statement is half-read, an interrupt holds for all others
            raise

    return ended


def _of_connection(name: str) -> Callable[..., object]:
    method = getattr(sqlite3.Connection, name)

    @wraps(method)
    def ended(self: sqlite3.Connection, *args: object, **options: object) -> object:
        return _ended(self, partial(method, self, *args, **options))

    return ended


def _by_a_cursor(name: str) -> Callable[..., object]:
    """The method of a connection that makes a cursor for it: the standard one makes one of the standard class."""

    @wraps(getattr(sqlite3.Connection, name))
    def called(self: sqlite3.Connection, *args: object) -> object:
        return getattr(self.cursor(), name)(*args)

    return called


def _cursor(self: sqlite3.Connection, factory: Callable[[sqlite3.Connection], sqlite3.Cursor] | None = None) -> object:
    return sqlite3.Connection.cursor(self, Cursor if factory is None else factory)


for _name in ("execute", "executemany", "executescript", "fetchone", "fetchmany", "fetchall", "__next__"):
    setattr(Cursor, _name, _of_cursor(_name))
for _name in ("execute", "executemany", "executescript"):
    setattr(Connection, _name, _by_a_cursor(_name))
for _name in ("commit", "backup"):  # not `rollback`, which is what is left to do when a scope has ended
    setattr(Connection, _name, _of_connection(_name))
setattr(Connection, "cursor", wraps(sqlite3.Connection.cursor)(_cursor))  # noqa: B010 -- type checkers know its type


if not TYPE_CHECKING:
    __getattr__, __dir__ = pass_through(__name__, "sqlite3")
