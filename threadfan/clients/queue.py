"""A queue whose waits end with the scope of the call that waits: see ``threading`` in this folder."""

from __future__ import annotations

import queue
from contextlib import suppress
from functools import partial
from queue import Empty, Full
from typing import Any, TypeVar

from .._core.base import forks
from .._core.base.locks import Lock
from .._core.scope.scope import current_scope
from .condition import Condition
from .passing import pass_through

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    # isort: off
    from queue import (
        LifoQueue as LifoQueue,
        PriorityQueue as PriorityQueue,
        SimpleQueue as SimpleQueue,
    )
    # isort: on

T = TypeVar("T")
R = TypeVar("R")

__all__ = ["Empty", "Full", "Queue"]


class Queue(queue.Queue[T]):
    """``queue.Queue``.

    What ``get`` and ``put`` do, ``shutdown`` included, is left to the standard library's, called so that they do not
    wait.  When they refuse, this one waits for a change and calls again, as somebody else may have been faster.
    """

    not_empty: Condition
    not_full: Condition
    all_tasks_done: Condition

    def __init__(self, maxsize: int = 0) -> None:
        super().__init__(maxsize)
        self._forked()
        forks.renew(self, type(self)._forked)

    def _forked(self) -> None:
        """In the child of a fork too, nobody is just looking at it."""
        self.mutex: Any = Lock()  # which no signal leaves taken, as those who wait for it could not be cancelled
        self.not_empty = Condition(self.mutex)
        self.not_full = Condition(self.mutex)
        self.all_tasks_done = Condition(self.mutex)

    def get(self, block: bool = True, timeout: float | None = None) -> T:
        """Take an item, waiting for one at most ``timeout`` seconds.

        Raises:
            CallCancelled: the scope of this call has ended; no item was taken.
            Empty: there was none in time.
        """
        take = partial(super().get, False)
        return self._patiently(take, Empty, self.not_empty, self._qsize, timeout) if block else take()

    def put(self, item: T, block: bool = True, timeout: float | None = None) -> None:
        """Put an item in, waiting for a free place at most ``timeout`` seconds.

        Raises:
            CallCancelled: the scope of this call has ended; the item was not put in.
            Full: there was no place in time.
        """
        place = partial(super().put, item, False)
        if not block or self.maxsize <= 0:
            return place()
        return self._patiently(place, Full, self.not_full, lambda: self._qsize() < self.maxsize, timeout)

    def join(self) -> None:
        """Wait until every item that was put in is reported done.

        Raises:
            CallCancelled: the scope of this call has ended.
        """
        current_scope().check()
        super().join()

    def _patiently(
        self, act: Callable[[], R], refusal: type[Exception], change: Condition, ready: Callable[[], object],
        timeout: float | None,
    ) -> R:  # fmt: skip
        if timeout is not None and timeout < 0:
            raise ValueError(f"'timeout' must be a non-negative number of seconds, not {timeout!r}")
        scope = current_scope()
        scope.check()
        due = None if timeout is None else scope.clock.monotonic() + timeout
        while True:
            with suppress(refusal):
                return act()
            rest = None if due is None else due - scope.clock.monotonic()
            with change:
                if not change.wait_for(lambda: ready() or getattr(self, "is_shutdown", False), rest):
                    raise refusal


if not TYPE_CHECKING:
    __getattr__, __dir__ = pass_through(__name__, "queue")
