"""Locks that are released whatever signal strikes, and acts that no signal can cut in two.

An exception out of a signal handler (``KeyboardInterrupt``, or what a program's own handler raises) can strike in the
main thread wherever the interpreter looks for signals: after a call of a function written in C, at the first
instruction of a function written in Python, at the end of a turn of a loop.  Two things follow for everything that may
run in that thread:

- From 3.14 on, ``with lock:`` looks for signals after ``lock.__enter__`` has returned and before the block has begun,
  so that a standard lock would stay taken for ever.  ``Lock`` takes itself in a method written in Python, out of which
  the interpreter goes straight into the block, and is released by one written in C, before which it does not look.
- An act of several steps may be cut in two.  What ends calls (and has the most steps) is done ``aside``, in a thread
  that no signal's exception reaches; what hands calls in is mended afterwards, see ``Scheduler.mend``.
"""

from __future__ import annotations

import _thread
import sys
import threading
import time
from functools import partial
from operator import attrgetter
from queue import SimpleQueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Lock: TypeAlias = threading._RLock
else:
    Lock = _thread.RLock
"""A lock for ``with``; its own thread may take it again, which most of those who have one never do."""

if sys.version_info >= (3, 14) and not TYPE_CHECKING:

    class Lock(_thread.RLock):
        __slots__ = ()

        def __enter__(self) -> bool:
            before = self._recursion_count()
            try:
                return self.acquire()
            except BaseException:
                # The signal came while the lock was waited for, or right after it was taken.
                if self._recursion_count() > before:
                    self.release()
                raise


GIL = bool(getattr(sys, "_is_gil_enabled", lambda: True)())
"""Whether one thread at a time runs Python.  Then what is written in C is atomic, ``next`` of its iterators too."""

YIELD = 0.00005  # seconds; arbitrary: what it takes another thread to have the GIL and go on


class Briefly:
    """A ``with`` block in which a lock is held that many threads take after each call, for moments.

    Where there is a GIL, to sleep until such a lock is free makes all slow.  Whoever releases it has the GIL and goes
    on; the one who is woken has the lock from then on, but has to wait for the GIL, until the other wants the lock
    again and sleeps in turn.  So each time costs two changes of threads, 20 to 100 µs instead of a tenth of one, for as
    long as two threads want it.  Here nobody sleeps for the lock: who finds it taken lets go of the GIL, which is all
    that its holder can wait for, and tries again.
    """

    __slots__ = ("_lock",)

    def __init__(self, lock: Lock) -> None:
        self._lock = lock

    def __enter__(self) -> None:
        lock = self._lock
        try:
            while not lock.acquire(not GIL):
                time.sleep(YIELD)
        except BaseException:  # a signal's, see ``Lock``; who takes a lock briefly does not hold it already
            if lock._is_owned():  # type: ignore[attr-defined]
                lock.release()
            raise

    if TYPE_CHECKING:

        def __exit__(self, *exc_info: object) -> None: ...
    else:
        __exit__ = property(attrgetter("_lock.__exit__"))  # which `with` asks for before it takes the lock


class Condition(threading.Condition):
    """A condition whose lock is released whatever signal strikes.

    The standard one's ``__enter__`` and ``__exit__`` are written in Python: out of the one an exception may leave the
    lock taken, and the other may not come to release it.  Out of its ``wait`` one may come with the lock not taken
    again, so that the end of the block, which releases it, would raise another exception in its place.
    """

    _lock: Lock

    def __init__(self) -> None:
        super().__init__(Lock())

    def __enter__(self) -> bool:
        lock = self._lock
        before = lock._recursion_count()  # type: ignore[attr-defined]
        try:
            return lock.acquire()
        except BaseException:
            if lock._recursion_count() > before:  # type: ignore[attr-defined]
                lock.release()
            raise

    def wait(self, timeout: float | None = None) -> bool:
        """As the standard one's; the lock is held again whatever comes out of it."""
        try:
            return super().wait(timeout)
        except BaseException:
            if not self._lock._is_owned():  # type: ignore[attr-defined]
                self._lock.acquire()
            raise

    if not TYPE_CHECKING:
        __exit__ = property(attrgetter("_lock.__exit__"))  # which `with` asks for before it takes the lock


_is_main: bool | None = None  # until somebody asks


def in_main_interpreter() -> bool:
    """Whether this is no subinterpreter, whose end aborts the process if any of its threads has not ended by then."""
    global _is_main
    if _is_main is None:
        known = getattr(_thread, "_is_main_interpreter", None)
        _is_main = _is_main_in_3_11() if known is None else bool(known())
    return _is_main


def _is_main_in_3_11() -> bool:
    try:
        import _xxsubinterpreters as interpreters  # type: ignore[import-not-found]
    except ImportError:  # then there are no others
        return True
    return bool(interpreters.get_current() == interpreters.get_main())


def takes_signals() -> bool:
    """Whether an exception out of a signal handler may strike in this thread: in the first one of the process alone."""
    return _thread.get_ident() == threading.main_thread().ident and in_main_interpreter()


def begin_bare(act: Callable[[], object]) -> None:
    """Have ``act()`` done in a thread of its own, started by one call of C and without a lock: also in a finalizer.

    Raises:
        RuntimeError: no thread can be had.  In a subinterpreter only one that its end waits for can, and before CPython
            3.13 there is none that is started so.
    """
    if in_main_interpreter():
        _thread.start_new_thread(_bare, (act,))
    elif sys.version_info >= (3, 13):
        _thread.start_joinable_thread(partial(_bare, act), daemon=False)
    else:
        raise RuntimeError("can't start new thread that the end of a subinterpreter would wait for")


def _bare(act: Callable[[], object]) -> None:
    """Do ``act()`` in a thread that has no ``Thread``, and that leaves nothing behind.

    Whatever asks for the current thread there, logging among it, has ``threading`` make a stand-in for it, which before
    CPython 3.13 stays for ever.
    """
    try:
        act()
    finally:
        threading._active.pop(_thread.get_ident(), None)  # type: ignore[attr-defined]


def aside(act: Callable[[], object]) -> None:
    """Do ``act()`` where no signal's exception can cut it in two, and wait until it is done.

    In the main thread, that is in a thread of its own, started by one call of C; an exception that strikes here
    meanwhile is raised at once, and the act is done all the same.  It must not need a lock that the caller holds.
    """
    if not takes_signals():
        act()
        return
    done: SimpleQueue[BaseException | None] = SimpleQueue()

    def tell() -> None:
        try:
            act()
        except BaseException as error:
            done.put(error)
        else:
            done.put(None)

    try:
        begin_bare(tell)
    except RuntimeError:  # no thread can be had: then here
        tell()
    error = done.get()
    if error is not None:
        try:
            raise error
        finally:
            del error, done  # the traceback holds this frame: leave no cycle
