"""Futures that are their own calls, and that know when the thread that waits for them should lend its slot.

A standard future makes a condition, two locks and three lists before anybody looks at it.  Here all of that is made
when somebody looks (waits, adds a callback, passes it to ``wait`` or ``as_completed``), and a call that ends before
that costs none of it. What decides is one dict, ``_cell``, whose ``setdefault`` lets exactly one win:

- ``_cell[CONDITION]`` is the condition that the first looker made, or ``OVER``, put there by the end of the call.
  Whoever finds ``OVER`` finds the result too, for it was written before; whoever made a condition is told under it.
- ``_cell[FATE]`` is ``RUNNING`` or the mark of whoever cancelled.
"""

from __future__ import annotations

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
from functools import partial
from queue import SimpleQueue

from ..base import clock as clocks
from ..base import forks
from ..base.errors import TaskCancelled
from ..base.generic import TYPE_CHECKING, T
from ..base.locks import Condition
from ..base.logs import ERROR, say
from ..base.outcome import CANCELLED as CANCELLED_OUTCOME
from ..base.outcome import SUCCEEDED
from ..base.static import caller, describe
from ..base.threads import check_depth
from ..pool.work_queue import here
from ..scope.scope import scope_var
from .call_queue import Call
from .future_waiters import OVER, Gate, Waiters
from .registry import hand_in, promote

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from contextvars import Context
    from typing import Any

    from ..base.outcome import Raw
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions, Session
    from ..scope.scope import Scope

    List = list[Any]
else:
    List = list

CONDITION, FATE = 0, 1


_NOT_DONE = (PENDING, RUNNING)


class Future(Call, futures.Future[T]):
    """A submitted call, and a ``concurrent.futures.Future`` of its result.

    A call that waits for a future heeds its own scope, and lends its slot if the future is of the same fan: in
    ``result`` and ``exception``, and in ``wait`` and ``as_completed``, which add a waiter with an event to each future;
    the list they add it to swaps that event for one that does both.
    """

    disowned = ""  # that asyncio has cancelled it while it ran, in words

    # Read by the standard library's functions, and made when they first do.

    @property
    def _condition(self) -> threading.Condition:  # type: ignore[override]
        found = self._found()
        if found is None:
            found = self._cell.setdefault(CONDITION, Condition())
        return found

    @property
    def _state(self) -> str:
        if self._found() is OVER:
            return FINISHED
        if self._stage == PENDING and self._cell.get(FATE, RUNNING) is not RUNNING:
            return CANCELLED  # by another thread, which has not come to say so
        return self._stage

    @_state.setter
    def _state(self, stage: str) -> None:
        self._stage = stage

    @property
    def _waiters(self) -> Any:  # type: ignore[override]
        waiters = self._cell.get("waiters")
        if waiters is None:
            waiters = self._cell.setdefault("waiters", [])
        if scope_var.get(None) is None and not clocks.chores and getattr(here, "session", None) is None:
            return waiters
        return Waiters(self._scheduler, self, waiters)

    @property
    def _done_callbacks(self) -> List:
        return self._cell.setdefault("callbacks", [])  # type: ignore[no-any-return]

    def __init__(
        self,
        scheduler: Scheduler,
        fn: Callable[..., Any],
        args: tuple[object, ...],
        kwargs: dict[str, object],
        context: Context,
        timeout: float | None,
        since: float,
    ) -> None:
        self._scheduler = scheduler
        self._cell: dict[Any, Any] = {}
        self._stage = PENDING
        self._result: Any = None
        self._exception: BaseException | None = None
        self.fn = fn
        self.args = args
        self.kwargs = kwargs
        self.context = context
        self.timeout = timeout
        self.since = since

    # -- as in the standard library ----------------------------------------------------------------------------------

    def done(self) -> bool:
        """Whether the call has ended or was cancelled."""
        return self._state not in _NOT_DONE

    def running(self) -> bool:
        """Whether the call runs now."""
        return self._state == RUNNING

    def cancelled(self) -> bool:
        """Whether the call was cancelled before it started."""
        return self._state not in (*_NOT_DONE, FINISHED)

    def result(self, timeout: float | None = None) -> T:
        """What the call returned; waits at most ``timeout`` seconds, and a call of the same fan lends its slot."""
        if self._exception is None and (self._stage == FINISHED or self._cell.get(CONDITION) is OVER):
            return self._result  # type: ignore[no-any-return]
        error = None
        try:
            error = self.exception(timeout)
            if error is None:
                return self._result  # type: ignore[no-any-return]
            raise error
        finally:
            del self, error  # an exception's traceback holds this frame: leave no cycle

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What the call raised, or None; waits as ``result`` does."""
        try:
            self._await(timeout)
            state = self._state
            if state in _NOT_DONE:
                raise TimeoutError
            if state != FINISHED:
                raise futures.CancelledError
            return self._exception
        except KeyboardInterrupt:
            if not self.done():
                self._scheduler.interrupt()  # the user wants out, and may have nothing else to end the calls with
            raise
        finally:
            del self

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

    def cancel(self) -> bool:
        """Cancel the call if it has not started.

        A running call is told through its scope, and the answer is False as ever: the future ends as the call ends.
        If it is asyncio that cancels what ``run_in_executor`` has given, closing the fan does not wait for it.
        """
        mark = object()
        fate = self._cell.setdefault(FATE, mark)
        if fate is RUNNING:
            if caller().f_globals.get("__name__") == "asyncio.futures":  # who awaited it does not any more
                self.disowned = "the coroutine that awaited this call was cancelled"
            self._signal()
            return False
        if fate is mark:
            with self._condition:
                if self._stage == PENDING:
                    self._stage = CANCELLED
                    self._condition.notify_all()
            self._invoke_callbacks()
            if self.policies is not None:
                self.give_up()  # it must not wait for a limit any more
        return True

    def set_running_or_notify_cancel(self) -> bool:
        """For executors: whether the call should start; tells waiters if it was cancelled."""
        if self._cell.setdefault(FATE, RUNNING) is RUNNING:
            if self._stage != PENDING:
                raise futures.InvalidStateError(f"{self._state}: {self!r}")
            self._stage = RUNNING
            return True
        with self._condition:
            self._stage = CANCELLED_AND_NOTIFIED
            for waiter in self._cell.get("waiters", ()):
                waiter.add_cancelled(self)
            self._condition.notify_all()
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
        """Open the gates of those that wait in ``result`` or ``exception``."""
        for told in tuple(self._cell.get("gates", ())):  # a copy, for who is told leaves the list
            told()

    def _gate(self, told: Callable[[], object]) -> Gate:
        """A ``with`` block during which ``told()`` is called when the call has ended."""
        _ = self._condition  # makes it, so that the end of the call sees that somebody waits
        return Gate(self._cell.setdefault("gates", []), told)

    def _await(self, timeout: float | None) -> None:
        """Wait until the call has ended or was cancelled, at most ``timeout`` seconds.

        At a gate, not at the condition, whose ``wait`` may be left by a signal's exception without the lock that the
        block around it then releases.  A call that waits heeds its own scope, and lends its slot.
        """
        found = scope_var.get(None)
        if found is not None:
            found.scope().check()
        if self.done():
            return
        gate = SimpleQueue[None]()
        if found is None:
            with self._gate(partial(gate.put, None)):
                if not self.done():
                    clocks.REAL.wait(gate, timeout)
            return
        check_depth()  # before anything is lent
        from ..scope.waiting import wait_in  # on first use: imports are dear to programs that nest nothing

        scheduler = self._scheduler
        promote(scheduler, self)
        loan = scheduler.lending.take_out()

        def told() -> None:
            if loan is not None:
                scheduler.lending.finish(loan)
            gate.put(None)

        with self._gate(told):
            if loan is not None:
                scheduler.lending.lend(loan, unless=self.done)
            try:
                if not self.done():
                    wait_in(found.scope(), gate, timeout)
            finally:
                if loan is not None:
                    scheduler.lending.take_back(loan)

    hand_in = hand_in

    # -- as a call ---------------------------------------------------------------------------------------------------

    def begin(self, session: Session) -> bool:
        """Start, unless it was cancelled."""
        self.session = session
        if self._stage == RUNNING:  # another attempt of a call under policies
            return not self.unwanted
        if self.set_running_or_notify_cancel():
            return True
        self.forget()
        return False

    def deliver(self, raw: Raw) -> None:
        """Set the result; callbacks run here, in the call's thread."""
        if self._end(raw) and "callbacks" in self._cell:
            self._invoke_callbacks()

    def settle(self, scheduler: Scheduler, raw: Raw, after: Actions) -> None:
        """Set the error; callbacks run in a thread of their own, for they are the user's code."""
        what = f"a done-callback of {describe(self.fn)}"

        def act() -> None:
            if self._end(raw) and "callbacks" in self._cell:
                scheduler.callbacks.tell(self._invoke_callbacks, what)

        after.append(act)

    def refuse(self, reason: BaseException, after: Actions) -> None:
        """Cancel, unless the pool is broken: that is an error."""

        def act() -> None:
            if not isinstance(reason, BrokenThreadPool):
                self.cancel()
                self.set_running_or_notify_cancel()  # nobody will pull it and tell those who ``wait``
            elif self.set_running_or_notify_cancel():
                self.set_exception(reason)
            self.forget()

        after.append(act)

    def end_with(self, outer: Scope) -> None:
        """End when ``outer`` does, in which it was handed in."""
        self.outer = outer
        forget = outer.on_cancel(self._drop)
        self.add_done_callback(lambda _: forget())

    def _drop(self) -> None:
        if not self.cancel() and (session := self.session) is not None:
            if self.policies is not None:
                self.give_up()
            error = TaskCancelled("the call that handed this one in has ended")
            self._scheduler.timer.end_call(session, self, CANCELLED_OUTCOME, error)

    def _end(self, raw: Raw) -> bool:
        """Make the outcome the result; whether anybody had looked before."""
        if raw[3] is SUCCEEDED:
            self._result = raw[4]
        else:
            self._exception = raw[4]
        self.forget()
        condition = self._cell.setdefault(CONDITION, OVER)
        if condition is OVER:
            return False
        with condition._lock:  # its own ``__enter__`` is written in Python, and this is done for each call
            self._stage = FINISHED
            for waiter in self._cell.get("waiters", ()):
                waiter.add_exception(self) if raw[3] is not SUCCEEDED else waiter.add_result(self)
            condition.notify_all()
        if "gates" in self._cell:
            self._tell()
        return True

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

    def _signal(self) -> None:
        session = self.session
        if session is None:
            return
        if self.policies is not None:
            self.give_up()
        with self._scheduler.lock:
            if self not in session.claim:
                return
            session.signalled = self
            scope = session.made_scope(self)
        if scope is not None:
            scope.cancel()
        if self.disowned and self._scheduler.closing:  # whoever closes it has looked before
            self._scheduler.timer.end_call(session, self, CANCELLED_OUTCOME, TaskCancelled(self.disowned))
