"""Deadlines for a part of a call: ``fail_after`` and ``move_on_after``, with trio's meanings."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from ..base.checks import pause
from ..base.clock import FOREVER
from ..base.errors import CallCancelled, TaskTimeout
from ..base.static import is_a
from .alarms import set_alarm
from .scope import Scope, current_scope, numbers, scope_var

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token
    from types import TracebackType
    from typing import Self

    from .scope import Acts, ScopeSource


def around_blocks(scope: Scope | None) -> Scope | None:
    """The scope that a block stands in, through all blocks; that of a call is its own."""
    while isinstance(scope, Block):
        scope = scope.around
    return scope


_RAISED_HERE = Exception, CallCancelled, GeneratorExit
"""No cancels from outside: a scope's own reaches other threads by itself, and a finalizer must not take a lock."""


class Block(Scope):
    """The scope of a ``with`` block, within the scope it stands in.

    Its deadline is never later than that of the scope around it, whose cancel is its cancel too.  It belongs to the
    thread that entered it, once; ``cancel`` and ``on_cancel`` may be called from any.

    ``_alarms`` holds what takes back the alarms that are set, one while somebody waits for the deadline (two if two
    threads began to at the same time).  Who sets one looks afterwards whether the block has ended, and who ends it says
    so and then takes back all; there is no lock, since a finalizer may leave the block.

    Guarantee: calls and batches that were handed in in it end at its deadline, or with the scope around it, also when
    the block was left before.  The numbers of what they have registered are in ``_along``; the rest of ``_callbacks``
    goes when the block is left.
    """

    __slots__ = (
        *("_alarms", "_along", "_fails", "_inside", "_outer", "_own", "_seconds", "_token", "_unlink"),
        "cancelled_caught",
    )

    def __init__(self, seconds: float, *, fails: bool) -> None:
        super().__init__()
        self._seconds = seconds
        self._fails = fails
        self._alarms: list[Callable[[], None]] = []
        self._along: set[int] = set()
        self._inside = False
        self.cancelled_caught: bool = False
        """Whether the block was ended by this scope, and not by one around it."""

    def __enter__(self) -> Self:
        if hasattr(self, "_token"):
            name = "fail_after" if self._fails else "move_on_after"
            raise RuntimeError(f"this block was entered before; write `with {name}({self._seconds:g})` for each block")
        outer = self._outer = current_scope()
        self._clock = outer.clock
        self._ledger = outer.add_usage
        self.permits = outer.permits
        self.pulse: list[float] | None = outer.pulse
        self._deadline = self._clock.monotonic() + self._seconds
        self._unlink = outer.on_cancel(self.cancel)
        self._token: Token[ScopeSource] = scope_var.set(self)
        self._inside = True
        if self._callbacks:  # of before
            self._watch()
        return self

    @property
    def _deadline(self) -> float:
        # Asked for anew: what a call waits for its rate limit puts the deadline around the block off.
        outer: Scope | None = getattr(self, "_outer", None)
        return self._own if outer is None else min(self._own, outer.deadline)

    @_deadline.setter
    def _deadline(self, moment: float) -> None:
        self._own = moment

    @property
    def around(self) -> Scope | None:
        """The scope in which it was entered, if it was."""
        return getattr(self, "_outer", None)

    def on_cancel(self, callback: Callable[[], object]) -> Callable[[], object]:
        """As for every scope; somebody has to watch the time from now on."""
        self._watch()
        return super().on_cancel(callback)

    def _take_along(self, act: Callable[[], object]) -> Callable[[], object]:
        number = next(numbers)
        self._along.add(number)
        self._add(number, act)
        self._watch()
        return partial(self._forget, number)

    def _forget(self, number: int) -> None:
        """What was taken along has ended by itself."""
        self._callbacks.pop(number, None)
        self._along.discard(number)
        if not self._wanted():
            self._unlink()
            self._take_back()

    def _wanted(self) -> bool:
        """Whether anybody has to be told when the time is up, or the scope around it ends."""
        return self._inside or (not self._cancelled and bool(self._along))

    def _watch(self) -> None:
        deadline = self._deadline
        if not self._wanted() or self._alarms or deadline == FOREVER:
            return
        self._alarms.append(set_alarm(self._clock, deadline, self._due))
        if not self._wanted():
            self._take_back()

    def _take_back(self) -> None:
        while self._alarms:
            with suppress(IndexError):  # another thread was faster
                self._alarms.pop()()

    def _due(self) -> None:
        if self._clock.monotonic() >= self._deadline:
            self.cancel()
            return
        self._take_back()
        self._watch()

    def _cut_short(self) -> None:
        """Be cancelled, since the block is left by a cancel from outside, as asyncio's, or by a Ctrl-C.

        What was begun in the block may run in other threads, which hear of neither.
        """
        self._cancelled = True
        if self._callbacks:
            set_alarm(self._clock, self._clock.monotonic(), self.cancel)  # they may block, and an event loop must not

    def _in_child(self) -> Self:
        """Itself, with the time that is left of its own: the block goes on in the child too."""
        outer = self._outer
        self._cancelled = self._cancelled and not outer.cancelled
        self._outer = outer._in_child()
        self._callbacks, self._alarms, self._along, self.acts = {}, [], set(), None
        self._ledger = self._outer.add_usage
        self.permits = self._outer.permits
        self._unlink = self._outer.on_cancel(self.cancel)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        try:
            scope_var.reset(self._token)
        except ValueError:
            if kind is not GeneratorExit:  # of one that is collected in another context, where nothing was set
                raise
        self._inside = False
        if kind is not None and not issubclass(kind, _RAISED_HERE) and not self.cancelled:
            self._cut_short()
        over = self.cancelled
        if not over:
            for number in list(self._callbacks):
                if number not in self._along:
                    self._callbacks.pop(number, None)  # they may be of what has the block
            self.acts: Acts | None = None  # its callback is gone
        # If the time is up, the alarm is on its way, and calls the callbacks: what was begun in the block must end.
        if over or not self._wanted():
            self._unlink()
        if self._cancelled or not (over or self._wanted()):
            self._take_back()
        if not is_a(error, CallCancelled) or not self.cancelled or self._outer.cancelled:
            return False
        self.cancelled_caught = True
        if self._fails:
            timeout = TaskTimeout(f"the block of fail_after({self._seconds:g}) did not end in time")
            for name in ("report", "result"):  # what a batch in the block had done, and what an agent had
                if hasattr(error, name):
                    setattr(timeout, name, getattr(error, name))
            try:
                raise timeout from error
            finally:
                del timeout, error, traceback  # the traceback holds this frame: leave no cycle
        return True


def fail_after(seconds: float) -> Block:
    """A ``with`` block that has ``seconds`` to end.

    In ``with fail_after(2) as scope: …`` attached clients, batches, ``threadfan.sleep`` and ``scope.check()`` raise
    ``CallCancelled`` when the time is up.  Calls and batches that are handed in in the block keep its deadline when it
    was left before.

    Raises:
        TaskTimeout: at the end of the block, if that is what ended it.
        ValueError: ``seconds`` is negative or not a number.
    """
    return Block(pause("fail_after", seconds), fails=True)


def move_on_after(seconds: float) -> Block:
    """``fail_after`` without the error: a block whose time is up ends silently, and ``scope.cancelled_caught`` is true.

    Raises:
        ValueError: ``seconds`` is negative or not a number.
    """
    return Block(pause("move_on_after", seconds), fails=False)
