"""The condition on which everything stands that waits through the scope: see ``threading`` in this folder."""

from __future__ import annotations

import threading
from operator import attrgetter
from queue import SimpleQueue

from .._core.base import forks
from .._core.base.locks import Lock
from .._core.scope.scope import current_scope
from .._core.scope.waiting import wait_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from typing import Any, TypeVar

    from .._core.scope.scope import Scope

    T = TypeVar("T")


_KEPT: object = object()  # in the place of what a lock gives when it is let go: it was not


class Condition(threading.Condition):
    """``threading.Condition``.  Guarded by its lock: ``_waiters``, the gates of those who have not been notified.

    However ``wait`` ends, with ``CallCancelled`` or an exception of a signal's too, its thread holds the lock again.
    ``with`` takes and releases the lock itself, without a step of Python's in which a signal could leave it taken.
    """

    _lock: Any
    _waiters: deque[SimpleQueue[None]]
    if TYPE_CHECKING:

        def _is_owned(self) -> bool: ...
        def _release_save(self) -> object: ...
        def _acquire_restore(self, state: object) -> None: ...

    if not TYPE_CHECKING:
        __enter__ = property(attrgetter("_lock.__enter__"))
        __exit__ = property(attrgetter("_lock.__exit__"))

    def __init__(self, lock: Any = None) -> None:
        super().__init__(Lock() if lock is None else lock)
        forks.renew(self, type(self)._forked)

    def _forked(self) -> None:
        """In the child of a fork: those who wait do so in the parent, and must not be notified in others' place."""
        self._waiters.clear()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until notified, at most ``timeout`` seconds; say whether it was.

        Raises:
            CallCancelled: the scope of this call has ended.
            RuntimeError: this thread does not hold the lock.
        """
        scope = current_scope()
        return self.wait_in(scope, None if timeout is None else scope.clock.monotonic() + timeout)

    def wait_for(self, predicate: Callable[[], T], timeout: float | None = None) -> T:
        """Wait until ``predicate()`` is true, at most ``timeout`` seconds; give its last value.

        Raises:
            CallCancelled: the scope of this call has ended, and the predicate was not true before.
            RuntimeError: this thread does not hold the lock.
        """
        scope = current_scope()
        due = None if timeout is None else scope.clock.monotonic() + timeout
        while not (result := predicate()):
            if due is not None and due <= scope.clock.monotonic():
                break
            self.wait_in(scope, due)
        return result

    def notify(self, n: int = 1) -> None:
        """Wake at most ``n`` waiters.

        Raises:
            RuntimeError: this thread does not hold the lock.
        """
        if not self._is_owned():
            raise RuntimeError("cannot notify on un-acquired lock")
        for _ in range(min(n, len(self._waiters))):
            self._waiters.popleft().put(None)

    def wait_in(self, scope: Scope, moment: float | None) -> bool:
        """``wait`` until ``moment`` that ends with ``scope``, and not with that of this call."""
        if not self._is_owned():
            raise RuntimeError("cannot wait on un-acquired lock")
        scope.check()
        gate: SimpleQueue[None] = SimpleQueue()
        count = getattr(self._lock, "_recursion_count", int)()
        state = _KEPT
        try:
            self._waiters.append(gate)
            state = self._release_save()
            wait_in(scope, gate, moment)
            self._acquire_restore(state)
            return self._left(gate)
        except BaseException:
            self._take_back(state, count)
            if self._left(gate):  # notified, but in vain
                self.notify()
            raise

    def _take_back(self, state: object, count: int) -> None:
        """Hold the lock again, ``count`` times if that can be told, whatever has become of it."""
        if count:  # else it is none that knows its thread
            while self._lock._recursion_count() < count:
                self._lock.acquire()
        elif state is not _KEPT:
            self._acquire_restore(state)

    def _left(self, gate: SimpleQueue[None]) -> bool:
        """Make sure that nobody will notify this waiter any more; say whether somebody has."""
        try:
            self._waiters.remove(gate)
        except ValueError:
            return True
        return False
