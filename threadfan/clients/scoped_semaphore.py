"""A semaphore before a pool of connections; who waits for it stops waiting when its scope ends."""

from __future__ import annotations

from collections import deque
from queue import SimpleQueue

from .._core.base import clock as clocks
from .._core.base import forks
from .._core.base.clock import FOREVER
from .._core.base.locks import Lock
from .._core.scope.scope import current_scope
from .._core.scope.waiting import wait_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._core.scope.scope import Scope


class ScopedSemaphore:
    """At most so many holders at a time; who waits comes in turn, and leaves the queue when its scope ends.

    A pool of connections makes its callers wait where no cancel reaches them.  With as many places before it as it
    has connections, nobody has to wait in the pool itself.  Safe from any thread.

    Args:
        count: how many; infinity for no limit.
        patient: count the time that somebody may wait from the last moment at which one was released.
    """

    def __init__(self, count: float, *, patient: bool = False) -> None:
        self._count = count
        self._patient = patient
        self._forked()
        forks.renew(self, type(self)._forked)

    def _forked(self) -> None:
        """All are free: at the start, and in the child of a fork."""
        self._generation = forks.generation
        self._lock = Lock()  # guards the three below
        self._freed = -FOREVER  # when a place was last given to somebody who waited
        self._free = self._count
        self._waiting: deque[SimpleQueue[object]] = deque()  # not empty only while none is free

    def acquire(self, scope: Scope | None, timeout: float | None) -> bool:
        """Take a place, which ``release`` has to give back; say whether there was one within ``timeout`` seconds.

        Args:
            scope: that of the call, None outside of any.
            timeout: seconds, None without an end.

        Raises:
            CallCancelled: the scope ended first.
        """
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            gate: SimpleQueue[object] = SimpleQueue()
            self._waiting.append(gate)
        scope = scope or current_scope()
        moment = None if timeout is None else scope.clock.monotonic() + timeout
        try:
            while not wait_in(scope, gate, moment):
                moment = self._further(gate, timeout, scope.clock.monotonic())
                if moment is None:
                    return False
        except BaseException:
            if not self._withdrawn(gate):
                self.release()
            raise
        return True

    def release(self) -> None:
        """Give a place back: to the one who has waited longest, if anybody waits."""
        with self._lock:
            if self._waiting:
                self._freed = clocks.current().monotonic()
                self._waiting.popleft().put(None)
            else:
                self._free += 1

    def _further(self, gate: SimpleQueue[object], timeout: float | None, now: float) -> float | None:
        """Until when to wait on at a gate that did not open in time; None if it is withdrawn."""
        with self._lock:
            if gate not in self._waiting:  # it opens just now
                return FOREVER
            moment = self._freed + timeout if self._patient and timeout is not None else now
            if moment > now:
                return moment
            self._waiting.remove(gate)
            return None

    def _withdrawn(self, gate: SimpleQueue[object]) -> bool:
        """Whether it was still waiting; otherwise it was given a place by now."""
        with self._lock:
            waiting = gate in self._waiting
            if waiting:
                self._waiting.remove(gate)
            return waiting
