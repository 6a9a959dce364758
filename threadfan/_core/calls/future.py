"""Futures that are their own calls, and that know when the thread that waits for them should lend its slot."""

from __future__ import annotations

from concurrent import futures
from concurrent.futures._base import (
    FINISHED,
    PENDING,
    RUNNING,
)
from concurrent.futures.thread import BrokenThreadPool
from functools import partial

from ..base import clock as clocks
from ..base.errors import TaskCancelled
from ..base.generic import TYPE_CHECKING, T
from ..base.interrupts import INTERRUPTS
from ..base.outcome import CANCELLED as CANCELLED_OUTCOME
from ..base.outcome import PAYLOAD, STATUS, SUCCEEDED
from ..base.static import caller, describe
from ..base.threads import helping
from ..pool.work_queue import here
from ..scope.scope import scope_var, take_along
from .call_queue import Call
from .future_waiters import WaiterList, wait_in_call
from .lazy_future import CONDITION, FATE, GATES, LISTENERS, NOT_DONE, OVER, LazyFuture
from .registry import hand_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextvars import Context
    from typing import Any

    from ..base.outcome import Raw
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions, Session, Waiting
    from ..scope.scope import Scope

    List = list[Any]
else:
    List = list


class Future(Call, LazyFuture[T]):
    """A submitted call, and a ``concurrent.futures.Future`` of its result.

    A call that waits for a future heeds its own scope, and lends its slot if the future is of the same fan: in
    ``result`` and ``exception``, and in ``wait`` and ``as_completed``, which add a waiter with an event to each future;
    the list they add it to swaps that event for one that does both.
    """

    method = "fan.submit"
    disowned = ""  # that asyncio has cancelled it while it ran, in words

    @property
    def _waiters(self) -> Any:  # type: ignore[override]
        waiters = self._cell.get("waiters")
        if waiters is None:
            waiters = self._cell.setdefault("waiters", [])
        if scope_var.get(None) is None and not clocks.chores and getattr(here, "session", None) is None:
            return waiters
        return WaiterList(self._scheduler, self, waiters)

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

    def result(self, timeout: float | None = None) -> T:
        """What the call returned; waits at most ``timeout`` seconds, and a call of the same fan lends its slot."""
        if self._exception is None and (self._stage == FINISHED or self._cell.get(CONDITION) is OVER):
            return self._result  # type: ignore[no-any-return]
        error = None
        try:
            self._await(timeout)
            if self._exception is None and self._cell.get(CONDITION) is OVER:
                return self._result  # type: ignore[no-any-return]
            error = self._error()
            if error is None:
                return self._result  # type: ignore[no-any-return]
            raise error
        finally:
            del self, error  # an exception's traceback holds this frame: leave no cycle

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What the call raised, or None; waits as ``result`` does."""
        try:
            self._await(timeout)
            return self._error()
        finally:
            del self

    def _error(self) -> BaseException | None:
        """What the call raised, or None; an error if it has not ended."""
        state = self._state
        if state in NOT_DONE:
            raise TimeoutError
        if state != FINISHED:
            raise futures.CancelledError
        return self._exception

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
            self._cancelled()
            if self.policies is not None:
                self.give_up()  # it must not wait for a limit any more
        return True

    def _cancelled(self) -> None:
        """It has just been: tell those who have looked.

        Who looks makes a condition first; so if there is none he sees that it was cancelled.
        """
        condition = self._cell.get(CONDITION)
        if condition is not None:
            with condition:  # who adds a callback has not seen it, and has it called here
                condition.notify_all()
        self._invoke_callbacks()

    def _await(self, timeout: float | None) -> None:
        """Wait until the call has ended or was cancelled, at most ``timeout`` seconds.

        A call that waits heeds its own scope, and lends its slot.
        """
        try:
            found = scope_var.get(None)
            if found is None:
                self._wait(timeout)
                return
            found.scope().check()
            if not self.done():
                wait_in_call(self._scheduler, self, found, self._listening, self.done, timeout)
        except INTERRUPTS:
            if not self.done():
                self._scheduler.interrupt()  # the user wants out, and may have nothing else to end the calls with
            raise

    def _invoke_callbacks(self) -> None:
        """Call the done-callbacks; a helper, which runs no code of users', has that done elsewhere."""
        if "callbacks" in self._cell and helping():
            self._tell()
            self._scheduler.callbacks.tell(super()._invoke_callbacks, f"a done-callback of {self!r}")
        else:
            super()._invoke_callbacks()

    hand_in = hand_in

    # -- as a call ---------------------------------------------------------------------------------------------------

    def begin(self, session: Session) -> bool:
        """Start, unless it was cancelled."""
        self.session = session
        if self._stage is PENDING and self._cell.setdefault(FATE, RUNNING) is RUNNING:
            self._stage = RUNNING
            return True
        if self._stage == RUNNING:  # another attempt of a call under policies
            return not self.unwanted
        if self.set_running_or_notify_cancel():
            return True
        self.forget()
        return False

    def deliver(self, raw: Raw) -> None:
        """Set the result; callbacks run here, in the call's thread."""
        for gate in self.deliver_quietly(raw):
            gate.put(None)

    def deliver_quietly(self, raw: Raw) -> Sequence[Waiting]:
        """The same, and the gates of those who wait outside of calls."""
        looked, cell = self._end(raw), self._cell
        if looked and "callbacks" in cell:
            self._invoke_callbacks()  # which opens them first, for it may take its time
            return ()
        if LISTENERS in cell:
            for told in tuple(cell[LISTENERS]):
                told()
        return tuple(cell[GATES]) if GATES in cell else ()

    def settle(self, scheduler: Scheduler, raw: Raw, after: Actions) -> None:
        """Set the error; callbacks run in a thread of their own, for they are the user's code."""
        what = f"a done-callback of {describe(self.fn)}"

        def act() -> None:
            looked = self._end(raw)
            self._tell()
            if looked and "callbacks" in self._cell:
                scheduler.callbacks.tell(self._invoke_callbacks, what)

        after.append(act)

    def refuse(self, reason: BaseException, after: Actions) -> None:
        """Cancel, unless the pool is broken: that is an error."""
        after.append(partial(self._refused, reason))

    def _refused(self, reason: BaseException) -> None:
        if isinstance(reason, BrokenThreadPool):
            if self.set_running_or_notify_cancel():
                self.set_exception(reason)
        else:
            mark = object()
            if self._cell.setdefault(FATE, mark) is mark:  # as in ``cancel``, but it is in no queue any more
                self._cancelled()
            self.set_running_or_notify_cancel()  # nobody will pull it and tell those who ``wait``
        self.forget()

    def end_with(self, outer: Scope) -> None:
        """End when ``outer`` does, in which it was handed in."""
        self.outer = outer
        forget = take_along(outer, self._drop)
        self.add_done_callback(lambda _: forget())

    def _drop(self) -> None:
        if not self.cancel() and (session := self.session) is not None:
            if self.policies is not None:
                self.give_up()
            error = TaskCancelled("the call that handed this one in has ended")
            self._scheduler.timer.end_call(session, self, CANCELLED_OUTCOME, error)

    def _end(self, raw: Raw) -> bool:
        """Make the outcome the result; whether anybody may have added a callback."""
        if raw[STATUS] is SUCCEEDED:
            self._result = raw[PAYLOAD]
        else:
            self._exception = raw[PAYLOAD]
        self.fn = self.args = self.kwargs = self.context = self.session = None  # type: ignore[assignment]  # as `forget`
        cell = self._cell
        condition = cell.setdefault(CONDITION, OVER)
        if condition is not OVER:
            with condition._lock:  # its own ``__enter__`` is written in Python, and this is done for each call
                self._stage = FINISHED
                for waiter in cell.get("waiters", ()):
                    waiter.add_exception(self) if raw[STATUS] is not SUCCEEDED else waiter.add_result(self)
                condition.notify_all()
        return condition is not OVER

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
