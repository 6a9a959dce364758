"""Equal calls under way share one: what a view with ``unique=True`` hands in.

The call itself is a future like any other, which no user has.  Each who asks for its result has a ``SharedFuture``,
that can be cancelled alone; with the last of them the call is cancelled.

Guarantee: one that was given out is done when the call is, however many come and go meanwhile.
"""

from __future__ import annotations

from concurrent import futures
from contextvars import Context, copy_context
from operator import itemgetter

from ..base import forks
from ..base.errors import TaskCancelled
from ..base.generic import TYPE_CHECKING
from ..base.locks import Lock
from ..base.outcome import FAILED, SUCCEEDED
from ..scope.scope import scope_around, scope_var
from .future import Future
from .registry import promote

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..base.outcome import Raw
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions
    from .call_queue import CallQueue

    Submit = Callable[..., Future[object]]
    """``fan.submit``."""


def key_of(fn: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]) -> object | None:
    """Equal for equal calls: of one function, with arguments that are equal and of one type.

    None if an argument cannot be hashed: then nobody knows whether it will be what it is now.
    """
    named = sorted(kwargs.items(), key=itemgetter(0))
    key = fn, args, tuple(named), tuple(map(type, args)), tuple(type(value) for _, value in named)
    try:
        hash(key)
    except TypeError:
        return None
    return key


class SharedFuture(Future[object]):
    """A future of a call that others may wait for too."""

    shared: SharedCall | None = None  # while it waits

    @property
    def queue(self) -> CallQueue | None:  # type: ignore[override]  # it stands in none itself
        """Where the call is."""
        shared = self.shared  # read once: the call may end at any moment
        call = None if shared is None else shared.call
        return None if call is None else call.queue

    def cancel(self) -> bool:
        """Wait no more: whether the call runs or not, unless it has ended."""
        done, shared = super().cancel(), self.shared
        if done and shared is not None:
            shared.leave(self)
        return done

    def _await(self, timeout: float | None) -> None:
        shared = self.shared
        call = None if shared is None else shared.call
        if call is not None and scope_var.get(None) is not None:
            promote(self._scheduler, call)
        super()._await(timeout)

    def take(self, call: futures.Future[object]) -> None:
        """The call has ended."""
        self.shared = None
        if call.cancelled():
            after: Actions = []
            self.refuse(TaskCancelled("the call was cancelled"), after)
            for act in after:
                act()
        elif self.begin(None):  # type: ignore[arg-type]  # else it was cancelled meanwhile
            error = Context().run(call.exception)  # in no scope, which might have ended
            payload = Context().run(call.result) if error is None else error
            raw: Raw = (None, None, self.since, SUCCEEDED if error is None else FAILED, payload, None, self.since, None)
            self.deliver(raw)


class SharedCall:
    """One call, and those that wait for it.  Guarded by the lock of ``calls``: what is in it."""

    __slots__ = ("_calls", "_key", "call", "over", "sharers")

    def __init__(self, calls: SharedCalls, key: object) -> None:
        self._calls = calls
        self._key = key
        self.call: Future[object] | None = None  # once it was handed in
        self.sharers: list[SharedFuture] = []
        self.over = False  # nobody joins it any more

    def begin(
        self, submit: Submit, fn: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]
    ) -> None:
        """Hand it in.

        Raises:
            BaseException: what ``submit`` raises; those that have joined get it too.
        """
        try:
            call = self.call = copy_context().run(_apart, submit, fn, args, kwargs)
        except BaseException as error:
            self.end(_failed(error))
            raise
        if self.over:  # all have left meanwhile
            call.cancel()
        call.add_done_callback(self.end)

    def leave(self, sharer: SharedFuture) -> None:
        """One does not wait any more."""
        with self._calls.lock:
            sharer.shared = None
            if sharer in self.sharers:
                self.sharers.remove(sharer)
            last = not self.sharers and not self.over
            if last:
                self._forget()
        if last and self.call is not None:
            self.call.cancel()

    def end(self, call: futures.Future[object]) -> None:
        """It has ended."""
        with self._calls.lock:
            sharers, self.sharers = self.sharers, []
            if not self.over:
                self._forget()
        self.call = None
        for sharer in sharers:
            sharer.take(call)

    def _forget(self) -> None:
        """Nobody joins it any more.  By who holds the lock of ``calls``."""
        self.over = True
        self._calls.by_key.pop(self._key, None)


class SharedCalls:
    """Those of one view.

    Attributes:
        by_key: those that others may join.
    """

    __slots__ = ("__weakref__", "by_key", "lock")

    def __init__(self) -> None:
        self._forked()
        forks.renew(self, type(self)._forked)

    def _forked(self) -> None:
        """None is under way: at the start, and in the child of a fork."""
        self.lock: Lock = Lock()
        self.by_key: dict[object, SharedCall] = {}

    def submit(
        self,
        scheduler: Scheduler,
        submit: Submit,
        fn: Callable[..., object],
        args: tuple[object, ...],
        kwargs: dict[str, object],
    ) -> Future[object]:
        """A future of an equal call that is under way, or else of a new one.

        Args:
            submit: hands in a call.
        """
        key = key_of(fn, args, kwargs)
        if key is None:
            return submit(fn, *args, **kwargs)
        outer = None if scope_var.get(None) is None else scope_around()
        sharer: SharedFuture = SharedFuture(scheduler, fn, (), {}, Context(), None, scheduler.clock.monotonic())
        with self.lock:
            found = self.by_key.get(key)
            shared = found or self.by_key.setdefault(key, SharedCall(self, key))
            shared.sharers.append(sharer)
            sharer.shared = shared
        if found is None:
            try:
                shared.begin(submit, fn, args, kwargs)
            except BaseException:
                del sharer  # which has the error, and that this frame: leave no cycle
                raise
        if outer is not None:
            sharer.end_with(outer)
        return sharer


def _apart(
    submit: Submit, fn: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]
) -> Future[object]:
    """Hand in a call that does not end with the one that does so, for others may wait for it."""
    scope_var.set(None)  # type: ignore[arg-type]  # as where there is none
    return submit(fn, *args, **kwargs)


def _failed(error: BaseException) -> futures.Future[object]:
    """What stands for a call that could not be handed in."""
    call: futures.Future[object] = futures.Future()
    call.set_exception(error)
    return call
