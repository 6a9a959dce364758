"""Transactions of SQLite, which no fork falls into.

SQLite keeps locks of its own, and notes of the locks on files that the process has.  The child of a fork would find
them as another thread had them in that moment, and wait for ever, or believe that the file is locked by itself.

Guarantees, from any thread: during a transaction no fork happens; a fork waits for one, at most ``LONGEST`` seconds,
but not for those that wait for other processes.  If that was not enough, the child is told that it cannot use SQLite.
What others do with SQLite in this process is not known here.
"""

from __future__ import annotations

import threading
from itertools import chain, repeat
from queue import SimpleQueue
from sqlite3 import SQLITE_BUSY, Connection, OperationalError

from . import forks
from .clock import Clock
from .locks import Lock, begin_bare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

LONGEST = 2.0  # seconds that a fork waits; arbitrary: a disk that takes longer will take longer yet
PAUSES = (0.0002, 0.0003, 0.0005, 0.001, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
"""Seconds before each further try, then ``LONGEST_PAUSE``.  SQLite's own begin at 1 ms, where a transaction is over in
a third of that, and two processes that ask at once would come late for what they ask for."""
LONGEST_PAUSE = 0.1

_in_use = Lock()  # held during a transaction, and during a fork
_held: dict[int, bool] = {}  # whether a thread that forks could have it in time
_usable = True
_parents: list[Connection] = []  # what is the parent's, in a child, which must not close it


def patiently(act: Callable[[], T], patience: float) -> T:
    """Do ``act()``, a transaction that does not wait, until no other process has the file, for so many seconds.

    Returns:
        What it does.

    Raises:
        sqlite3.Error: it failed; the last time if it was for another process.
        OSError: a fork has made SQLite useless in this process.
    """
    clock = Clock()
    end = clock.monotonic() + patience
    for pause in chain(PAUSES, repeat(LONGEST_PAUSE)):
        try:
            with _in_use:
                if not _usable:
                    raise OSError("the process was forked while another thread was using SQLite")
                return act()
        except OperationalError as error:
            if error.sqlite_errorcode & 0xFF != SQLITE_BUSY or clock.monotonic() + pause > end:
                raise
        clock.wait(SimpleQueue(), pause)
    raise AssertionError("there is always another pause")


_over: list[Connection] = []
"""Those whose stores are gone, until they are closed."""


def close_aside(database: Connection) -> None:
    """Close a connection that nobody uses any more; in a finalizer, which must not wait for a transaction to end."""
    _over.append(database)
    try:
        begin_bare(_close)
    except RuntimeError:  # no thread can be had: now or, if that has to wait, never
        if _in_use.acquire(blocking=False):
            _close()
            _in_use.release()


def _close() -> None:
    with _in_use:
        while _over:
            _over.pop().close()


def keep_of_parent(database: Connection) -> None:
    """In the child of a fork: never close it."""
    _parents.append(database)


def _hold() -> None:
    _held[threading.get_ident()] = _in_use.acquire(timeout=LONGEST)


def _let_go() -> None:
    # None: this was imported by another thread since that before the fork was done.
    if _held.pop(threading.get_ident(), None):
        _in_use.release()


def _in_child() -> None:
    global _in_use, _usable
    _usable = _usable and _held.get(threading.get_ident(), True)
    _in_use = Lock()
    _held.clear()
    for database in _over:
        keep_of_parent(database)
    _over.clear()


forks.before(_hold, _let_go)
forks.in_child(_in_child)
