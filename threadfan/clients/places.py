"""Places in a pool of connections, waited for through the scope."""

from __future__ import annotations

from collections import deque
from queue import SimpleQueue

from ..base import forks
from ..base.locks import Lock
from ..executor.waiting import wait_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..control.scope import Scope


class Places:
    """At most so many holders at a time; who waits comes in turn, and leaves the queue when its scope ends.

    A pool of connections makes its callers wait where no cancel reaches them.  With as many places before it as it
    has connections, nobody has to wait in the pool itself.  Safe from any thread.

    Args:
        count: how many; infinity for no limit.
    """

    def __init__(self, count: float) -> None:
        self._count = count
        self._forked()
        forks.renew(self)

    def _forked(self) -> None:
        """All are free: at the start, and in the child of a fork."""
        self._generation = forks.generation
        self._lock = Lock()  # guards the two below
        self._free = self._count
        self._waiting: deque[SimpleQueue[object]] = deque()  # not empty only while none is free

    def enter(self, scope: Scope, timeout: float | None) -> bool:
        """Take a place, which ``leave`` has to give back; say whether there was one within ``timeout`` seconds.

        Raises:
            CallCancelled: the scope ended first.
        """
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            gate: SimpleQueue[object] = SimpleQueue()
            self._waiting.append(gate)
        try:
            return wait_in(scope, gate, timeout) or not self._withdrawn(gate)
        except BaseException:
            if not self._withdrawn(gate):
                self.leave()
            raise

    def leave(self) -> None:
        """Give a place back: to the one who has waited longest, if anybody waits."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().put(None)
            else:
                self._free += 1

    def _withdrawn(self, gate: SimpleQueue[object]) -> bool:
        """Whether it was still waiting; otherwise it was given a place by now."""
        with self._lock:
            waiting = gate in self._waiting
            if waiting:
                self._waiting.remove(gate)
            return waiting
