"""Single calls to await: ``fan.call``.

Threads reach an event loop through one ``call_soon_threadsafe`` for all outcomes that are ready, not one for each,
and never while the loop has nothing to wait for.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from collections import deque
from contextvars import copy_context
from types import FunctionType

from ...base import checks
from ...base import clock as clocks
from ...base.errors import FanClosed, TaskCancelled
from ...base.generic import TYPE_CHECKING, Coro, T
from ...base.outcome import CANCELLED, PAYLOAD, STATUS, SUCCEEDED
from ...base.static import is_a
from ...base.variables import settle
from ...calls.call_queue import Call
from ...calls.registry import hand_in
from .loops import look_after, running_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Never, TypeAlias

    from ...base.outcome import Raw
    from ...calls.options import Options
    from ...pool.scheduler import Scheduler
    from ...pool.work_queue import Actions, Session, Waiting

    class _Future(asyncio.Future[T], Coro[T]):
        """To a type checker, both."""

    AnyFuture: TypeAlias = "LoopFuture[Any]"
else:
    _Future = asyncio.Future


class LoopFuture(_Future[T]):
    """What ``fan.call`` returns: a future of the running loop, whose cancel reaches the thread.

    It can be used wherever the future of ``loop.run_in_executor(…)`` or the coroutine of ``asyncio.to_thread(…)`` can.
    Those are two kinds of things to asyncio: ``create_task`` takes coroutines alone, and ``wait`` takes futures but
    nothing that is a coroutine.  So it begins as a ``_NewFuture``, which is both.
    """

    __slots__ = ("_call",)  # the standard one would make a dict for it

    _call: LoopCall | None  # until it has ended or was cancelled

    def cancel(self, msg: object = None) -> bool:
        """Cancel the call: drop it if it is queued, cancel its scope if it runs."""
        call, self._call = self._call, None
        if call is not None and not self.done():
            call.cancel()
        return super().cancel(msg)

    def end(self, ok: bool, payload: Any) -> None:
        """In the loop: set the result, unless the awaiter has gone."""
        self._call = None
        if self.done():
            return
        if ok:
            self.set_result(payload)
        elif is_a(payload, StopIteration):  # which a future cannot hold
            error = RuntimeError("the call raised StopIteration")
            error.__cause__ = payload
            self.set_exception(error)
        else:
            self.set_exception(payload)
            if is_a(payload, (TaskCancelled, FanClosed)):
                self.exception()  # whoever closes a fan knows; asyncio logs no cancelled call of its executors either

    # -- as a coroutine ----------------------------------------------------------------------------------------------

    if TYPE_CHECKING:

        def close(self) -> None:
            """See ``_NewFuture``."""

    def send(self, _: None) -> object:
        """A step of the coroutine: wait for the future, then return its result."""
        if not self.done():
            self._asyncio_future_blocking = True
            return self
        try:
            raise StopIteration(self.result())
        finally:
            del self  # an error's traceback holds this frame: leave no cycle

    def throw(self, error: Any, *rest: object) -> Never:
        """Raise in the coroutine: a task that is cancelled before its first step ends here."""
        self.cancel()
        try:
            raise error if isinstance(error, BaseException) else error(*rest[:1])
        finally:
            del self, error  # the traceback holds this frame: leave no cycle


class _NewFuture(LoopFuture[T]):
    """One that was put into no set and no dict yet; once it is, it is a ``LoopFuture`` and nothing else.

    asyncio takes for a coroutine what has ``send``, ``throw`` and ``close``, and remembers that of a class, so that no
    object of it can pass for a mere future.  But ``asyncio.wait`` makes a set of what it is given before it looks, and
    ``create_task`` looks at once.  A task that was made of it goes on all the same, for it does without ``close``.
    """

    __slots__ = ()

    def close(self) -> None:
        """End the coroutine: nobody awaits the call."""
        self.cancel()

    def __hash__(self) -> int:
        self.__class__ = LoopFuture  # type: ignore[assignment]
        return object.__hash__(self)


_NewFuture.__name__ = LoopFuture.__name__


class LoopCall(Call):
    """The call whose outcome a ``LoopFuture`` waits for."""

    method = "fan.call"

    def __init__(self, future: AnyFuture, mailbox: _Mailbox) -> None:
        self.future = future
        self.mailbox = mailbox

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        self.unwanted = True  # `begin` sets the session first and looks at this second: one of us sees the other
        session, queue = self.session, self.queue
        if self.policies is not None:
            self.give_up()
        if session is not None and queue is not None:
            error = TaskCancelled("the task that awaited this call was cancelled")
            queue.scheduler.timer.end_call(session, self, CANCELLED, error)

    def begin(self, session: Session) -> bool:
        """Start, unless the awaiter has gone."""
        self.session = session
        return not self.unwanted

    def deliver(self, raw: Raw) -> None:
        """Post the outcome to the loop."""
        self._post(raw[STATUS] is SUCCEEDED, raw[PAYLOAD])

    def deliver_quietly(self, raw: Raw) -> Sequence[Waiting]:
        """The same, and the loop that waits, if it has not been called."""
        mailbox, future = self.mailbox, self.future
        self.fn = self.args = self.kwargs = self.context = self.session = None  # type: ignore[assignment]  # as `forget`
        return mailbox.add(future, raw[STATUS] is SUCCEEDED, raw[PAYLOAD])

    def settle(self, scheduler: Scheduler, raw: Raw, after: Actions) -> None:
        """Post the error to the loop."""
        after.append(lambda: self.deliver(raw))

    def refuse(self, reason: BaseException, after: Actions) -> None:
        """Post the reason to the loop."""
        after.append(lambda: self._post(False, reason))

    def _post(self, ok: bool, payload: object) -> None:
        for mailbox in self.mailbox.add(self.future, ok, payload):
            mailbox.put(None)
        self.forget()


class _Mailbox:
    """Outcomes on their way to one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = weakref.ref(loop)
        self._letters: deque[tuple[AnyFuture, bool, object]] = deque()
        self._called = False  # the loop has been told to look, and will

    def add(self, future: AnyFuture, ok: bool, payload: object) -> Sequence[Waiting]:
        """From any thread; itself, if the loop is to be called (``put``), for it will not look otherwise."""
        self._letters.append((future, ok, payload))
        if self._called:
            return ()
        self._called = True
        return (self,)

    def put(self, _: None) -> None:
        """Have the loop look."""
        loop = self.loop()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody awaits
            if loop is not None:
                loop.call_soon_threadsafe(self._empty)

    def _empty(self) -> None:
        self._called = False  # before looking: a letter that comes later calls again
        letters = self._letters
        while letters:
            future, ok, payload = letters.popleft()
            if ok and not future.done():
                future._call = None
                future.set_result(payload)
            else:
                future.end(ok, payload)


_mailboxes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Mailbox] = weakref.WeakKeyDictionary()
_here = threading.local()


def _mailbox(loop: asyncio.AbstractEventLoop) -> _Mailbox:
    found: _Mailbox | None = getattr(_here, "mailbox", None)  # of the loop that ran here last
    if found is None or found.loop() is not loop:
        found = _mailboxes.get(loop)
        if found is None:
            found = _mailboxes[loop] = _Mailbox(loop)
        _here.mailbox = found
    return found


def call(
    scheduler: Scheduler,
    options: Options,
    fn: Callable[..., T],
    args: tuple[object, ...],
    kwargs: dict[str, object],
) -> LoopFuture[T]:
    """See ``Fan.call``."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        loop = running_loop("fan.call")  # which says what would be right
    if type(fn) is not FunctionType or fn.__code__.co_flags & checks.UNRUN:
        checks.function("fan.call", fn)  # which finds what would be wrong with it, or with what it stands for
    future: LoopFuture[T] = _NewFuture(loop=loop)
    made = future._call = LoopCall(future, _mailbox(loop))
    made.fn = options.dressed(fn) if options.dresses else fn
    made.args = args
    made.kwargs = kwargs
    context = made.context = copy_context()
    if context:
        settle(context)
    made.timeout = options.timeout
    made.since = scheduler.clock.monotonic()
    policies = options.policies
    if policies is not None:
        made.policies = policies
        if not policies.first_is_plain:
            made.state = policies.state(args, kwargs, made.since)
    hand_in(made, scheduler, options.home, policies)
    if clocks.chores:
        look_after(loop)
    return future
