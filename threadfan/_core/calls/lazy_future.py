"""Futures that make nothing before anybody looks at them.

A standard future makes a condition, two locks and three lists before anybody looks at it.  Here all of that is made
when somebody looks (waits, adds a callback, passes it to ``wait`` or ``as_completed``), and a call that ends before
that costs none of it.  What decides is one dict, ``_cell``, whose ``setdefault`` lets exactly one win:

- ``_cell[CONDITION]`` is the condition that the first looker made, or ``OVER``, put there by the end of the call.
  Whoever finds ``OVER`` finds the result too, for it was written before; whoever made a condition is told under it.
  ``DROPPED`` is put there by whoever finds that the call was cancelled and need not start.
- ``_cell[FATE]`` is ``RUNNING`` or the mark of whoever cancelled.
- ``_cell[LISTENERS]`` are calls that wait in ``result`` or ``exception``, and ``_cell[GATES]`` all others that do; they
  need no condition.  They put themselves there and then look whether the call has ended; its end says so first and
  then looks for them.
"""

from __future__ import annotations

import threading
from concurrent import futures
from concurrent.futures._base import (
    _STATE_TO_DESCRIPTION_MAP as _STATES,
)
from concurrent.futures._base import (
    CANCELLED,
    CANCELLED_AND_NOTIFIED,
    FINISHED,
    LOGGER,
    PENDING,
    RUNNING,
)
from concurrent.futures.thread import BrokenThreadPool
from contextlib import suppress
from queue import SimpleQueue

from ..base import clock as clocks
from ..base import forks
from ..base.generic import TYPE_CHECKING, T
from ..base.locks import Condition
from ..base.logs import ERROR, say

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    List = list[Any]

    class Origin(Protocol):
        """Where a call waits: a queue."""

        @property
        def generation(self) -> int:
            """Of processes, see ``forks``."""
else:
    List = list

CONDITION, FATE, LISTENERS, GATES = 0, 1, 2, 3
NOT_DONE = (PENDING, RUNNING)
ENDED = (CANCELLED_AND_NOTIFIED, FINISHED)


class _Over(threading.Condition):
    """Stands in for the condition of every future that ended, or was cancelled, before anybody looked.

    Such a future does not change any more, so there is nothing to lock.  And there must not be: ``wait`` takes the
    conditions of its futures in the order of their addresses, and one lock at several places of that order would let
    two threads lock each other out.
    """

    def __init__(self) -> None:
        super().__init__(_NoLock())  # type: ignore[arg-type]


class _NoLock:
    def _is_owned(self) -> bool:
        return True

    def locked(self) -> bool:
        return False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        return True

    def release(self) -> None:
        pass

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *exc_info: object) -> None:
        pass


OVER, DROPPED = _Over(), _Over()


class Listening:
    """A ``with`` block during which whoever ends a future calls ``told``."""

    __slots__ = ("_listeners", "_told")

    def __init__(self, listeners: list[Callable[[], object]], told: Callable[[], object]) -> None:
        self._listeners = listeners
        self._told = told

    def __enter__(self) -> None:
        self._listeners.append(self._told)

    def __exit__(self, *exc_info: object) -> None:
        self._listeners.remove(self._told)


class LazyFuture(futures.Future[T]):
    """A ``concurrent.futures.Future``; a subclass sets ``_result`` or ``_exception``, and then ``_cell[CONDITION]``."""

    _cell: dict[Any, Any]
    _stage: str  # as in the standard library, but while ``_cell`` knows better
    _result: Any
    _exception: BaseException | None

    if TYPE_CHECKING:

        @property
        def queue(self) -> Origin | None:
            """Where the call was put."""

    # Read by the standard library's functions, and made when they first do.

    @property
    def _condition(self) -> threading.Condition:  # type: ignore[override]
        found = self._found()
        if found is None:
            found = self._cell.setdefault(CONDITION, Condition())
        return found

    @property
    def _state(self) -> str:
        found = self._found()
        if found is OVER:
            return FINISHED
        if found is DROPPED:
            return CANCELLED_AND_NOTIFIED
        if self._stage == PENDING and self._cell.get(FATE, RUNNING) is not RUNNING:
            return CANCELLED
        return self._stage

    @_state.setter
    def _state(self, stage: str) -> None:
        self._stage = stage

    @property
    def _done_callbacks(self) -> List:
        return self._cell.setdefault("callbacks", [])  # type: ignore[no-any-return]

    def done(self) -> bool:
        """Whether the call has ended or was cancelled."""
        found = self._found()
        return found is OVER or self._stage not in NOT_DONE or self._cell.get(FATE, RUNNING) is not RUNNING

    def running(self) -> bool:
        """Whether the call runs now."""
        return self._state == RUNNING

    def cancelled(self) -> bool:
        """Whether the call was cancelled before it started."""
        return self._state not in (*NOT_DONE, FINISHED)

    def __repr__(self) -> str:
        # Never the base class's, which asks an exception whether it is true: a deque that looks for a future in vain
        # shows it in its error, whatever the user's class says to that.
        state = self._state
        end = ""
        if state == FINISHED:
            error = self._exception
            kind = type(self._result if error is None else error).__name__
            end = f" {'returned' if error is None else 'raised'} {kind}"
        return f"<{type(self).__name__} at {id(self):#x} state={_STATES[state]}{end}>"

    def set_running_or_notify_cancel(self) -> bool:
        """For executors: whether the call should start; tells waiters if it was cancelled."""
        if self._cell.setdefault(FATE, RUNNING) is RUNNING:
            if self._stage != PENDING:
                raise futures.InvalidStateError(f"{self._state}: {self!r}")
            self._stage = RUNNING
            return True
        condition: threading.Condition = self._cell.setdefault(CONDITION, DROPPED)
        if condition is not DROPPED:
            with condition:
                self._stage = CANCELLED_AND_NOTIFIED
                for waiter in self._cell.get("waiters", ()):
                    waiter.add_cancelled(self)
                condition.notify_all()
        self._stage = CANCELLED_AND_NOTIFIED
        self._tell()
        return False

    def _invoke_callbacks(self) -> None:
        # The base class's lets a BaseException of a callback's through, which would end the thread's stay.  They are
        # called once, and forgotten, since one that knows its future is in a cycle with it.
        self._tell()  # first: a callback may take its time
        for callback in self._cell.pop("callbacks", ()):
            try:
                callback(self)
            except BaseException as error:
                say(LOGGER, ERROR, "exception calling callback for %r", self, error=error)

    def _tell(self) -> None:
        """Wake those that wait in ``result`` or ``exception``."""
        cell = self._cell
        for told in tuple(cell.get(LISTENERS, ())):  # a copy, for who is told leaves the list
            told()
        for gate in tuple(cell.get(GATES, ())):
            gate.put(None)

    def _listening(self, told: Callable[[], object]) -> Listening:
        """A ``with`` block during which ``told()`` is called when the call has ended."""
        return Listening(self._cell.setdefault(LISTENERS, []), told)

    def _wait(self, timeout: float | None) -> None:
        """Wait until the call has ended or was cancelled, at most ``timeout`` seconds.

        At a gate, not at the condition, whose ``wait`` may be left by a signal's exception without the lock that the
        block around it then releases.
        """
        gate: SimpleQueue[None] = SimpleQueue()
        gates = self._cell.setdefault(GATES, [])
        gates.append(gate)
        try:
            if not self.done():
                clocks.REAL.wait(gate, timeout)
        finally:
            gates.remove(gate)

    def _found(self) -> threading.Condition | None:
        """The condition, if somebody has looked, or ``OVER``."""
        found: threading.Condition | None = self._cell.get(CONDITION)
        queue = self.queue
        if (
            found is not OVER
            and queue is not None
            and queue.generation != forks.generation
            and "left" not in self._cell
        ):
            # In the child of a fork.  A call that has not ended will not end here; noticed by whoever looks, as
            # nothing lists the calls that a thread was just about to start.
            self._cell["left"] = True
            if self.done():
                found = Condition()  # that thread may have held the old one
            else:
                self._exception, found = BrokenThreadPool(forks.REASON), OVER
            self._cell[CONDITION] = found
        return found


# What others do who wait for many futures, see ``as_completed``.


def has_ended(future: LazyFuture[T]) -> bool:
    """Whether nobody need wait for it; one that was cancelled has ended when its executor knows."""
    return future._cell.get(CONDITION) is OVER or future._state in ENDED


def listen(future: LazyFuture[T], told: Callable[[], object]) -> bool:
    """Have ``told()`` called when it has ended, and maybe before; False if it has, and then it may be called too."""
    future._cell.setdefault(LISTENERS, []).append(told)
    if not has_ended(future):
        return True
    stop_listening(future, told)
    return False


def stop_listening(future: LazyFuture[T], told: Callable[[], object]) -> None:
    """Have it called no more; may be done again."""
    with suppress(KeyError, ValueError):
        future._cell[LISTENERS].remove(told)
