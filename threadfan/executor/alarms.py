"""Acts that are due at a moment, for the scopes that no watchdog looks after.

One thread for each clock does them; it starts with the first alarm and ends when none is left.  An act that blocks
would hold up the others, so each gets a thread of its own, unless it is said to be quick: deadlines go off rarely, and
most are taken back.  One that raises is logged.

Guarantees, from any thread: an act is done at most once, not before its moment, and not begun after it was taken back.
What was taken back is forgotten, the last of it when as many alarms again have been; so it does not add up until its
moment comes.  In the child of a fork nothing is due: the threads that wait are the parent's.
"""

from __future__ import annotations

import heapq
import threading
from functools import partial
from itertools import count
from queue import SimpleQueue

from ..base import forks
from ..control.scope import call_logged
from .worker import helper_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..base.clock import Clock


class Alarm:
    """One act at one moment; ``act`` becomes None when it was done or taken back."""

    __slots__ = ("act", "due", "number")

    _numbers = count()

    def __init__(self, due: float, act: Callable[[], object], quick: bool) -> None:
        self.due = due
        self.act: Callable[[], object] | None = partial(_do if quick else _begin, act)
        self.number = next(self._numbers)

    def __lt__(self, other: Alarm) -> bool:
        return (self.due, self.number) < (other.due, other.number)


class _Keeper:
    """The alarms of one clock.  Guarded by ``_lock``: the heap, and whether the thread lives."""

    __slots__ = ("_clock", "_dead", "_gate", "_heap")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[Alarm] = []
        self._dead = 0  # how many in the heap were taken back
        self._gate: SimpleQueue[None] = SimpleQueue()
        helper_thread(self._run, "threadfan-alarms").start()

    def add(self, alarm: Alarm) -> None:
        heapq.heappush(self._heap, alarm)
        if self._heap[0] is alarm:
            self._gate.put(None)

    def take_back(self, alarm: Alarm) -> None:
        if alarm.act is None:  # done, or taken back before
            return
        alarm.act = None
        self._dead += 1
        if not self._heap:  # in the child of a fork
            return
        if self._heap[0] is alarm:  # the thread need not wait for it, or for any
            self._gate.put(None)
        elif self._dead * 2 > len(self._heap):
            self._heap = [alarm for alarm in self._heap if alarm.act is not None]
            heapq.heapify(self._heap)
            self._dead = 0

    def empty(self) -> None:
        """Nothing is due any more."""
        self._heap = []

    def _run(self) -> None:
        while True:
            with _lock:
                ready = self._ready(self._clock.monotonic())
                if _keepers.get(self._clock) is not self:  # in a child that an act has forked
                    return
                if not self._heap:
                    del _keepers[self._clock]
                wait = self._heap[0].due - self._clock.monotonic() if self._heap else None
            for act in ready:
                act()
            if wait is None:
                return
            self._clock.wait(self._gate, wait)

    def _ready(self, now: float) -> list[Callable[[], object]]:
        """Take what is due out of the heap, and what was taken back from its top."""
        ready = []
        while self._heap and (self._heap[0].act is None or self._heap[0].due <= now):
            alarm = heapq.heappop(self._heap)
            if alarm.act is None:
                self._dead -= 1
            else:
                ready.append(alarm.act)
                alarm.act = None
        return ready


def _begin(act: Callable[[], object]) -> None:
    try:
        helper_thread(partial(_do, act), "threadfan-alarm").start()
    except RuntimeError:  # there are as many threads as the system allows: better late than never
        _do(act)


def _do(act: Callable[[], object]) -> None:
    call_logged(act, "what was to be done at a deadline failed")


_lock = threading.Lock()
_keepers: dict[Any, _Keeper] = {}


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

    def take_back() -> None:
        with _lock:
            keeper.take_back(alarm)

    return take_back


def _after_fork_in_child() -> None:
    global _lock, _keepers
    for keeper in _keepers.values():
        keeper.empty()
    _lock, _keepers = threading.Lock(), {}


forks.in_child(_after_fork_in_child)
