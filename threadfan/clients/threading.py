"""Locks, conditions, events, semaphores and queues whose waits end with the scope of the call that waits.

Drop-ins for the classes of ``threading`` and ``queue`` of the same names, and subclasses of them where those can be
subclassed (``threading.Lock`` cannot).  What holds for all of them:

- A wait ends with ``CallCancelled`` as soon as the scope of the waiting call ends.  Nobody polls: every waiter has a
  gate of its own, and a cancel opens that one.
- An operation that may have to wait raises it at once, even if it would not wait now: a call that was cancelled ends
  at its next step.  What never waits (``release``, ``notify``, ``set``, ``get_nowait``, ``put`` without ``maxsize``,
  ``acquire(blocking=False)``) always works, for calls that tidy up.
- A cancelled waiter takes nothing with it: it holds no lock and no item, and a notification that came at the same
  moment goes to the next waiter.
- Timeouts are counted on the clock of the scope.

In the child of a fork they are as the parent left them: a lock that another thread held is held, as those of the
standard library are.  But nobody waits, and what they use inside is free.

They cost some microseconds more than those of the standard library.  Outside of any call or block they are the same.
"""

from __future__ import annotations

import threading

from .._core.base import forks
from .._core.scope.scope import Scope, current_scope
from .condition import Condition
from .passing import pass_through
from .queue import Empty, Full, Queue

TYPE_CHECKING = False
if TYPE_CHECKING:
    # isort: off
    from threading import (
        TIMEOUT_MAX as TIMEOUT_MAX,
        Barrier as Barrier,
        BrokenBarrierError as BrokenBarrierError,
        ExceptHookArgs as ExceptHookArgs,
        RLock as RLock,
        Thread as Thread,
        ThreadError as ThreadError,
        Timer as Timer,
        active_count as active_count,
        current_thread as current_thread,
        enumerate as enumerate,
        excepthook as excepthook,
        get_ident as get_ident,
        get_native_id as get_native_id,
        getprofile as getprofile,
        gettrace as gettrace,
        local as local,
        main_thread as main_thread,
        setprofile as setprofile,
        settrace as settrace,
        stack_size as stack_size,
    )
    # isort: on

__all__ = ["BoundedSemaphore", "Condition", "Empty", "Event", "Full", "Lock", "Queue", "Semaphore"]


class Lock:
    """``threading.Lock``.  Guarded by the lock of ``_free``: ``_held``, false, or an object for this time."""

    def __init__(self) -> None:
        self._held: object = False
        self._forked()
        forks.renew(self, type(self)._forked)

    def _forked(self) -> None:
        """In the child of a fork too, nobody is just looking at it."""
        self._free = Condition()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock, within ``timeout`` seconds unless that is -1; say whether it was taken.

        Raises:
            CallCancelled: the scope of this call has ended; the lock was not taken.
        """
        if not blocking and timeout != -1:
            raise ValueError("can't specify a timeout for a non-blocking call; give one of the two")
        if timeout < 0 and timeout != -1:
            raise ValueError(f"timeout must be at least 0 seconds, or -1 for no limit, not {timeout!r}")
        if blocking:
            current_scope().check()
        mine = object()
        try:
            with self._free:
                if not self._free.wait_for(self._is_free, (None if timeout == -1 else timeout) if blocking else 0):
                    return False
                self._held = mine
            return True
        except BaseException:  # a signal's, when it was just taken
            self._let_go(mine)
            raise

    def release(self) -> None:
        """Let the lock go; any thread may.

        Raises:
            RuntimeError: nobody holds it.
        """
        held = self._held
        try:
            released = self._let_go(held)
        except BaseException:  # a signal's, half-way
            self._let_go(held)
            raise
        if not released:
            raise RuntimeError("release unlocked lock")

    def _let_go(self, held: object) -> bool:
        """Let it go if it is taken as it was then, and say whether it was; whoever waits looks anew in any case."""
        with self._free:
            taken = bool(held) and self._held is held
            if taken:
                self._held = False
            self._free.notify()
            return taken

    def locked(self) -> bool:
        """Whether somebody holds it."""
        return bool(self._held)

    def _is_free(self) -> bool:
        return not self._held

    def _acquire_restore(self, _: object) -> None:
        """Take it whatever the scope says: what a condition on this lock calls at the end of a wait."""
        with self._free:
            while self._held:
                self._free.wait_in(Scope(), None)
            self._held = object()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self.release()

    def __repr__(self) -> str:
        name = f"{type(self).__module__}.{type(self).__qualname__}"
        return f"<{'locked' if self.locked() else 'unlocked'} {name} object at {id(self):#x}>"


class Event(threading.Event):
    """``threading.Event``."""

    def __init__(self) -> None:
        super().__init__()
        self._forked()
        forks.renew(self, type(self)._forked)

    def _forked(self) -> None:
        """In the child of a fork too, nobody is just looking at it."""
        self._cond = Condition()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the event is set, at most ``timeout`` seconds; say whether it is.

        Raises:
            CallCancelled: the scope of this call has ended.
        """
        current_scope().check()
        return super().wait(timeout)


class Semaphore(threading.Semaphore):
    """``threading.Semaphore``."""

    _value: int

    def __init__(self, value: int = 1) -> None:
        super().__init__(value)
        self._forked()
        forks.renew(self, type(self)._forked)

    def _forked(self) -> None:
        """In the child of a fork too, nobody is just looking at it."""
        self._cond = Condition()

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Take one, within ``timeout`` seconds; say whether one was taken.

        Raises:
            CallCancelled: the scope of this call has ended; none was taken.
        """
        if not blocking and timeout is not None:
            raise ValueError("can't specify timeout for non-blocking acquire; give one of the two")
        if blocking:
            current_scope().check()
        taken = False
        try:
            with self._cond:
                if not self._cond.wait_for(lambda: self._value, timeout if blocking else 0):
                    return False
                self._value -= 1
                taken = True
            return True
        except BaseException:  # a signal's, when it was just taken
            if taken:
                self.release()
            raise

    __enter__ = acquire


class BoundedSemaphore(Semaphore, threading.BoundedSemaphore):
    """``threading.BoundedSemaphore``."""


if not TYPE_CHECKING:
    __getattr__, __dir__ = pass_through(__name__, "threading")
