"""Acts that are due at a moment, for the scopes that no deadline timer looks after.

One thread for each clock does them; it starts with the first alarm and ends when none is left.  An act that blocks
would hold up the others, so each gets a thread of its own, unless it is said to be quick: deadlines go off rarely, and
most are taken back.  One that raises is logged.  Where the system gives no thread, whoever waits does them, see
``base/helpers``.

Guarantees, from any thread: an act is done at most once, not before its moment, and not begun after it was taken back.
What was taken back is forgotten, the last of it when as many alarms again have been; so it does not add up until its
moment comes.  Taking back takes no lock, for finalizers do that too.  In the child of a fork nothing is due: the
threads that wait are the parent's.
"""

from __future__ import annotations

import heapq
import threading
from collections import deque
from contextlib import suppress
from functools import partial
from itertools import count
from logging import WARNING, getLogger

from ..base import clock as clocks
from ..base import forks
from ..base.helpers import Helper
from ..base.locks import Lock
from ..base.logs import say
from ..base.threads import for_ever, helper_thread, refusal, started
from .scope import call_logged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..base.clock import Clock


class Alarm:
    """One act at one moment; ``acts`` holds it, and whoever pops it does it or has taken it back."""

    __slots__ = ("acts", "due", "number", "quick")

    _numbers = count()

    def __init__(self, due: float, act: Callable[[], object], quick: bool) -> None:
        self.due = due
        self.acts = [act]
        self.quick = quick
        self.number = next(self._numbers)

    def __lt__(self, other: Alarm) -> bool:
        return (self.due, self.number) < (other.due, other.number)


class _Keeper:
    """The alarms of one clock.  Guarded by ``_lock``: the heap.

    ``_dead`` has an entry for each alarm in the heap that was taken back, or may be about to be taken out of it.
    """

    __slots__ = ("_clock", "_dead", "_heap", "helper")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[Alarm] = []
        self._dead: deque[None] = deque()
        self.helper = Helper("threadfan-alarms", clock, self._round, _warn)

    def add(self, alarm: Alarm) -> None:
        self._clear_up()
        heapq.heappush(self._heap, alarm)
        if self._heap[0] is alarm:
            self.helper.tell()

    def take_back(self, alarm: Alarm) -> None:
        """From any thread, without the lock: the keeper's thread clears up when it is worth while."""
        try:
            alarm.acts.pop()
        except IndexError:  # done, or taken back before
            return
        self._dead.append(None)
        heap = self._heap
        if (heap and heap[0] is alarm) or len(self._dead) * 2 > len(heap):
            self.helper.tell()  # it need not wait for this one, or for any

    def empty(self) -> None:
        """Nothing is due any more."""
        self._heap = []

    def _clear_up(self) -> None:
        if len(self._dead) * 2 > len(self._heap):
            self._dead.clear()
            self._heap = [alarm for alarm in self._heap if alarm.acts]
            heapq.heapify(self._heap)

    def _round(self) -> float | None:
        with _lock:
            ready = self._ready(self._clock.monotonic())
            if not self._heap and _keepers.get(self._clock) is self:
                del _keepers[self._clock]
            wait = self._heap[0].due - self._clock.monotonic() if self._heap else None
        for act, quick in ready:
            self._do(act, quick)
        return wait

    def _do(self, act: Callable[[], object], quick: bool) -> None:
        act = partial(call_logged, act, "what was to be done at a deadline failed")
        if quick:
            act()
        elif started(helper_thread(act, "threadfan-alarm")) is None:
            pass
        elif threading.current_thread() is self.helper.thread:
            self.helper.aside(act)
        else:
            clocks.add_chore(_Aside(act))

    def _ready(self, now: float) -> list[tuple[Callable[[], object], bool]]:
        """Take what is due out of the heap, and what was taken back from its top."""
        ready = []
        self._clear_up()
        while self._heap and (not self._heap[0].acts or self._heap[0].due <= now):
            alarm = heapq.heappop(self._heap)
            with suppress(IndexError):  # it was taken back
                ready.append((alarm.acts.pop(), alarm.quick))
        return ready


class _Aside:
    """An act that may run users' code, for whoever waits and is no helper: there is no thread for it."""

    __slots__ = ("_acts",)

    def __init__(self, act: Callable[[], object]) -> None:
        self._acts = [act]  # until it is popped, which one thread can

    def __call__(self) -> None:
        if getattr(threading.current_thread(), "helps", False):
            return
        clocks.drop_chore(self)
        with suppress(IndexError):
            self._acts.pop()()


def _warn(error: Exception) -> None:
    if not for_ever(error):  # else that is how it is
        say(
            getLogger("threadfan"),
            WARNING,
            refusal(error, "those that wait see to deadlines and limits until one can be"),
        )


_lock = Lock()
_keepers: dict[Clock, _Keeper] = {}


def set_alarm(clock: Clock, due: float, act: Callable[[], object], *, quick: bool = False) -> Callable[[], None]:
    """Have ``act()`` done when ``clock`` reads ``due``.

    Args:
        quick: whether it neither blocks nor runs code of the user's; else it gets a thread of its own.

    Returns:
        A function that takes it back; harmless when it was done.
    """
    alarm = Alarm(due, act, quick)
    with _lock:
        keeper = _keepers.get(clock)
        if keeper is None:
            keeper = _keepers[clock] = _Keeper(clock)
        keeper.add(alarm)
    if not keeper.helper.begun:
        keeper.helper.begin()

    return partial(keeper.take_back, alarm)


def _after_fork_in_child() -> None:
    global _lock, _keepers
    for keeper in _keepers.values():
        keeper.empty()
    _lock, _keepers = Lock(), {}


forks.in_child(_after_fork_in_child)
