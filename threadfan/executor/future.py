"""Futures that know when the thread that waits for them should lend its slot."""

from __future__ import annotations

import threading
from concurrent import futures
from concurrent.futures._base import FINISHED, LOGGER
from concurrent.futures.thread import BrokenThreadPool

from ..base.generic import TYPE_CHECKING, T
from ..base.outcome import SUCCEEDED
from .calls import Call
from .drain import here

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..base.outcome import Raw
    from .drain import Drain, Loan
    from .hub import Hub
    from .source import After

    Waiters = list[Any]
    Base = futures.Future[T]
else:
    Waiters = list
    Base = futures.Future


class Future(Base):
    """A ``concurrent.futures.Future`` whose waiters lend their slot when they are calls of the same fan.

    That holds for ``result`` and ``exception``, and for ``concurrent.futures.wait`` and ``as_completed``: these add a waiter with
    an event to each future, and the list they add it to swaps that event for one that lends.
    """

    _waiters: Waiters

    def __init__(self, hub: Hub) -> None:
        super().__init__()
        self._hub = hub
        self._call: FutureCall | None = None
        self._waiters = _Waiters(hub)

    def result(self, timeout: float | None = None) -> T:
        """As in the standard library; a call of this fan lends its slot while it waits."""
        with Lending(self._hub, self):
            try:
                return super().result(timeout)
            finally:
                del self  # an exception's traceback holds this frame: leave no cycle

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """As in the standard library; a call of this fan lends its slot while it waits."""
        with Lending(self._hub, self):
            return super().exception(timeout)

    def cancel(self) -> bool:
        """Cancel the call if it has not started.

        A running call is told through its scope, and the answer is False as ever: the future ends as the call ends.
        """
        if super().cancel():
            return True
        call = self._call
        if call is not None and call.drain is not None:
            _signal(call.drain, call)
        return False

    def _invoke_callbacks(self) -> None:
        # The base class's lets a BaseException of a callback's through, which would end the call's drain.
        for callback in self._done_callbacks:  # type: ignore[attr-defined]
            try:
                callback(self)
            except BaseException:
                LOGGER.exception("exception calling callback for %r", self)

    def end_from_outside(self, error: BaseException) -> None:
        """Make ``error`` the result at once; done-callbacks run on the herald, for they are the user's code."""
        with self._condition:  # type: ignore[attr-defined]
            self._exception = error
            self._state = FINISHED
            for waiter in self._waiters:
                waiter.add_exception(self)
            self._condition.notify_all()  # type: ignore[attr-defined]
        if self._done_callbacks:  # type: ignore[attr-defined]
            self._hub.herald.tell(self._invoke_callbacks)


class FutureCall(Call):
    """A submitted call: its outcome goes into a future."""

    __slots__ = ("drain", "future")

    def __init__(self, future: Future, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.future = future
        self.drain: Drain | None = None  # while it runs
        future._call = self

    def begin(self, drain: Drain) -> bool:
        """Start, unless the future was cancelled."""
        self.drain = drain
        return self.future.set_running_or_notify_cancel()

    def deliver(self, raw: Raw) -> None:
        """Set the result; callbacks run here, in the call's thread."""
        future, self.drain = self.future, None
        future._call = None
        if raw[3] is SUCCEEDED:
            future.set_result(raw[4])
        else:
            future.set_exception(raw[4])

    def settle(self, hub: Hub, raw: Raw, after: After) -> None:
        """Set the error."""
        future = self.future
        future._call = None
        after.append(lambda: future.end_from_outside(raw[4]))

    def refuse(self, reason: BaseException, after: After) -> None:
        """Cancel the future, unless the pool is broken: that is an error."""
        future = self.future

        def act() -> None:
            if not isinstance(reason, BrokenThreadPool):
                future.cancel()
            elif future.set_running_or_notify_cancel():
                future.set_exception(reason)

        after.append(act)


    def orphan(self, reason: BaseException) -> None:
        """Fail the future; its lock may have been held by a thread that the fork left behind."""
        future = self.future
        future._call = None
        future._condition = threading.Condition()  # type: ignore[attr-defined]
        if not future.done():
            future.end_from_outside(reason)


def _signal(drain: Drain, call: FutureCall) -> None:
    hub = drain.hub
    with hub.lock:
        if call not in drain.claim:
            return
        drain.signalled = call
        scope = drain.made_scope(call)
    if scope is not None:
        scope.cancel()


class Lending:
    """Gives away the slot of the call that runs here while it waits, if ``future`` is not done and is of its fan.

    A plain context manager, so that a thread that runs no call pays one look.
    """

    __slots__ = ("_future", "_hub", "_loan")

    def __init__(self, hub: Hub, future: Future[Any]) -> None:
        self._hub = hub
        self._future = future
        self._loan: Loan | None = None

    def __enter__(self) -> None:
        if getattr(here, "drain", None) is None or self._future.done():
            return
        loan = self._loan = self._hub.lend()
        if loan is not None:
            # The thread that ends the call puts this one first in line before it frees its own slot.
            self._future.add_done_callback(lambda _: self._hub.finish_lending(loan))

    def __exit__(self, *exc_info: object) -> None:
        if self._loan is not None:
            self._hub.take_back(self._loan)


class _Waiters(Waiters):
    __slots__ = ("_hub",)

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def append(self, waiter: Any) -> None:
        if getattr(here, "drain", None) is not None and type(waiter.event) is threading.Event:
            waiter.event = _LendingEvent(self._hub)
        super().append(waiter)


class _LendingEvent(threading.Event):
    """An event whose ``wait`` lends the slot of the call that waits."""

    def __init__(self, hub: Hub) -> None:
        super().__init__()
        self._hub = hub
        self._loan: Loan | None = None

    def wait(self, timeout: float | None = None) -> bool:
        if self.is_set():
            return True
        loan = self._loan = self._hub.lend()
        try:
            return super().wait(timeout)
        finally:
            if loan is not None:
                self._hub.take_back(loan)

    def set(self) -> None:
        loan = self._loan
        if loan is not None:
            self._hub.finish_lending(loan)
        super().set()
