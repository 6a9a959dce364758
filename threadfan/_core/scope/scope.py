"""The deadline and the cancel signal of one call.

Guarantees, from any thread: once ``cancelled`` is true it stays true; each callback runs at most once; one that is
registered after the cancel runs at once, in the thread that registers it; one that raises is logged and the rest still
run.

There is no lock: a finalizer that leaves a block must not take any, and a fork may leave one behind that another thread
held.  Whoever *pops* a callback runs it.  Who registers one adds it and then looks whether the scope was cancelled; who
cancels says so and then looks what there is to run.  So one of the two sees the other.

In the child of a fork no call runs: the thread that forked is outside of any.  The blocks that it had entered go on
with the time that they have left; what the parent had registered with them is the parent's.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from itertools import count

from ..base import clock as clocks
from ..base import forks
from ..base.clock import FOREVER
from ..base.errors import CallCancelled
from ..base.texts import brief
from . import around

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableMapping
    from contextvars import ContextVar
    from typing import Any, Protocol

    from ..base.usage import Usage

    class RequestListener(Protocol):
        """What attached clients tell of each request, for calls that are tried again or have a rate limit."""

        @property
        def call(self) -> Any:
            """That of the call around, if it is a call's."""

        def begin(self) -> Any:
            """A request is about to be made; waits for a permit if there has to be one, and gives what ``end`` takes.

            Raises:
                CallCancelled: the scope has ended meanwhile.
            """

        def sent(self) -> None:
            """Some of the request has been written."""

        def end(self, counted: Any, status: int | None, headers: MutableMapping[str, str] | None) -> None:
            """The request of which ``begin`` has given this has its answer, or has failed without one."""

        def forget(self) -> None:
            """The call has ended."""

    class Acts(Protocol):
        """What is ended with the scope, see ``abort``."""

        def take_back(self, key: object, /) -> None:
            """Do not do the act of ``key`` from now on."""

        def pop(self, key: object, default: None, /) -> Callable[[], object] | None:
            """Take the act of ``key`` back, if it has not been begun."""

        def __setitem__(self, key: object, act: Callable[[], object], /) -> None: ...

    class ScopeSource(Protocol):
        """What the context variable holds: a scope, or something that makes the scope of the call it is at."""

        def scope(self) -> Scope:
            """The scope of the call at hand."""

        def _in_child(self) -> ScopeSource:
            """What takes its place in the child of a fork."""


class Scope:
    """What a running call can ask about itself: how long it may go on, and whether anybody still wants it.

    Args:
        deadline: the moment, on ``clock``, at which the call's time is up; infinity for none.
        clock: the clock of the fan that runs the call.
        ledger: told of the tokens that the call uses.
    """

    __slots__ = ("_callbacks", "_cancelled", "_clock", "_deadline", "_ledger", "acts", "permits", "pulse")

    def __init__(
        self,
        deadline: float = FOREVER,
        clock: clocks.Clock | None = None,
        ledger: Callable[[Usage], object] | None = None,
    ) -> None:
        self._ledger = ledger
        self.permits: RequestListener | None = None
        """What attached clients tell of their requests, for calls that are tried again or have a rate limit."""
        self.acts: Acts | None = None
        """What ends with it and is begun again and again, as attached clients do; made when first needed."""
        self.pulse: list[float] | None = None
        """When the call was last seen to do something, if it has an idle timeout; infinity while it need not."""
        self._deadline = deadline
        self._clock = clock or clocks.current()
        self._cancelled = False
        self._callbacks: dict[int, Callable[[], object]] = {}

    @property
    def clock(self) -> clocks.Clock:
        """The clock that its deadline is on."""
        return self._clock

    @property
    def deadline(self) -> float:
        """The moment on ``clock`` at which its time is up; infinity for none."""
        return self._deadline

    @property
    def live(self) -> bool:
        """Whether the call or block of the scope still runs: then its deadline holds for what is made in it."""
        return True

    def remaining(self) -> float:
        """Seconds until the call's time is up, at least 0; infinity without a timeout."""
        return max(0.0, self._deadline - self._clock.monotonic())

    @property
    def cancelled(self) -> bool:
        """Whether the call was cancelled or its time is up: nobody waits for its result any more."""
        return self._cancelled or self._clock.monotonic() >= self._deadline

    def check(self) -> None:
        """Return if the call may go on.

        Raises:
            CallCancelled: the call was cancelled or its time is up.
        """
        time_left(self)

    def touch(self) -> None:
        """Say that the call is not idle: its ``idle_timeout``, if it has one, counts from now.  From any thread."""
        if self.pulse is not None:
            self.pulse[0] = self._clock.monotonic()

    def on_cancel(self, callback: Callable[[], object]) -> Callable[[], object]:
        """Have ``callback()`` called once when the call is cancelled or timed out; at once if it already is.

        It runs in a thread of the library's, so it should only signal: close a socket, set an event.

        Returns:
            A function that removes the callback; it has no effect after the callback ran.
        """
        if not callable(callback):
            raise TypeError(_NO_CALLBACK.format(brief(callback)))
        number = next(numbers)
        self._add(number, callback)
        return partial(self._callbacks.pop, number, None)  # which keeps the callback no longer than the scope does

    def add_usage(self, usage: Usage) -> None:
        """Note tokens that the call has used, whatever becomes of it; they add up on its outcome."""
        if not hasattr(type(usage), "limited_input_tokens"):
            raise TypeError(f"add_usage needs a Usage, such as Usage.of(response.usage), not {brief(usage)}")
        if self._ledger is not None:
            self._ledger(usage)

    def condemn(self) -> None:
        """Cancel without running callbacks; the caller has to call ``cancel`` afterwards, which runs them."""
        self._cancelled = True

    def cancel(self) -> None:
        """Cancel, and run the callbacks before this returns."""
        for act in self.end():
            act()

    def end(self) -> list[Callable[[], object]]:
        """Cancel, and return the callbacks, none of which raises, for the caller to run.

        So one that blocks need not hold up the others.
        """
        self._cancelled = True
        return [partial(self._run, number) for number in list(self._callbacks)]

    def scope(self) -> Scope:
        """Itself."""
        return self

    def _in_child(self) -> Scope:
        """One that never ends: the call goes on in the parent only."""
        return Endless(clock=self._clock)

    def _take_along(self, act: Callable[[], object]) -> Callable[[], object]:
        return self.on_cancel(act)

    def _add(self, number: int, callback: Callable[[], object]) -> None:
        self._callbacks[number] = callback
        if self._cancelled:
            self._run(number)

    def _run(self, number: int) -> None:
        callback = self._callbacks.pop(number, None)
        if callback is not None:
            call_logged(callback, _FAILED)


class Endless(Scope):
    """The scope of no call: nobody ends it, so it keeps no callbacks."""

    __slots__ = ()

    def on_cancel(self, callback: Callable[[], object]) -> Callable[[], object]:
        """As for every scope; what would never be called is not kept."""
        if not callable(callback):
            raise TypeError(_NO_CALLBACK.format(brief(callback)))
        return super().on_cancel(callback) if self._cancelled else _nothing


def _nothing() -> None:
    pass


numbers = count()
_NO_CALLBACK = "on_cancel needs a function without arguments to call, such as event.set, not {}"
_FAILED = "a callback of on_cancel failed"


def call_logged(act: Callable[[], object], failure: str) -> None:
    """Do ``act()``; an error of it goes to the log under ``failure`` and no further."""
    try:
        act()
    except BaseException as error:
        from logging import getLogger

        from ..base.logs import ERROR, say

        say(getLogger("threadfan"), ERROR, failure, error=error)


scope_var: ContextVar[ScopeSource] = around.scope_var
scope_around: Callable[[], Scope | None] = around.scope_around


def time_left(scope: Scope) -> float:
    """Seconds that a scope has left, infinity without a deadline: ``check`` and ``remaining`` in one.

    Raises:
        CallCancelled: it has ended.
    """
    if scope._cancelled:
        raise CallCancelled("this call was cancelled")
    deadline = scope._deadline
    if deadline == FOREVER:
        return deadline
    left = deadline - scope._clock.monotonic()
    if left <= 0.0:
        raise CallCancelled("this call's time is up")
    return left


def take_along(scope: Scope, act: Callable[[], object]) -> Callable[[], object]:
    """``on_cancel`` for what is handed in in a scope, and ends with it though it was left: see ``Block``."""
    return scope._take_along(act)


def scope_here() -> Scope | None:
    """``current_scope()``, or None outside of any call and block."""
    found = scope_var.get(None)
    return None if found is None else found.scope()


def current_scope() -> Scope:
    """The scope of the call that runs here; outside of any call, one that never ends.

    It belongs to the thread of its call.  Pass it as an argument to a thread that the call starts by itself.
    """
    found = scope_var.get(None)
    return Endless() if found is None else found.scope()


@contextmanager
def overheard(scope: Scope, listen: Callable[[Usage, Callable[[Usage], object]], object]) -> Iterator[None]:
    """In the block ``listen(usage, tell)`` is called with tokens that are noted on the scope; ``tell`` notes them."""
    before = scope._ledger
    scope._ledger = lambda usage: listen(usage, _nowhere if before is None else before)
    try:
        yield
    finally:
        scope._ledger = before


def _nowhere(_usage: Usage) -> None:
    pass


def _in_child() -> None:
    found = scope_var.get(None)
    if found is not None:
        scope_var.set(found._in_child())


forks.in_child(_in_child)
