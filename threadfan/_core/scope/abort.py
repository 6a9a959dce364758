"""An act that ends what a call is blocked in: shutting a socket down, ending a process."""

from __future__ import annotations

from ..base import forks
from ..base.locks import Lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .scope import Scope


class Abort:
    """Does ``act()`` when ``scope`` is cancelled; the holder of the thing to be ended takes it out and releases it.

    Guarantees: the act is done at most once, and never after ``release`` has returned.  So a socket that goes back to
    its pool is out of reach of the call that had it.  Everything may be called from any thread, ``release`` from the
    act too.  In the child of a fork it is not done: the thing is the parent's.

    Args:
        scope: whose cancel it waits for; if that has been, the act is done at once, in this thread.
        act: must be quick and must not wait for the thread that releases.
    """

    __slots__ = ("_act", "_forget", "_generation", "_lock")

    def __init__(self, scope: Scope, act: Callable[[], object]) -> None:
        self._lock = Lock()  # held while the act is done, so that ``release`` waits for it
        self._generation = forks.generation
        self._act: Callable[[], object] | None = act
        self._forget = scope.on_cancel(self._fire)

    def _fire(self) -> None:
        if self._generation != forks.generation:
            return
        with self._lock:
            act, self._act = self._act, None
            if act is not None:
                act()

    def release(self) -> None:
        """Leave the thing alone from now on; harmless when done twice."""
        self._forget()
        if self._generation != forks.generation:  # a thread that is not here may have held the lock
            self._act = None
            return
        with self._lock:
            self._act = None

    def __enter__(self) -> Abort:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.release()
