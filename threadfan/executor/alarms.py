"""Acts that are due at a moment, for the scopes that no watchdog looks after.

One thread for each clock does them; it starts with the first alarm and ends when none is left.  An act that blocks
would hold up the others, so each gets a thread of its own, unless it is said to be quick: deadlines go off rarely, and
most are taken back.  One that raises is logged.

Guarantees, from any thread: an act is done at most once, not before its moment, and not begun after it was taken back.
What was taken back is forgotten, the last of it when as many alarms again have been; so it does not add up until its
moment comes.  Taking back takes no lock, for finalizers do that too.  In the child of a fork nothing is due: the
threads that wait are the parent's.
"""

from __future__ import annotations

import heapq
import os
import threading
from collections import deque
from contextlib import suppress
from functools import partial
from itertools import count
from queue import SimpleQueue

from ..control.scope import call_logged
from . import last
from .worker import helper_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..base.clock import Clock


class Alarm:
    """One act at one moment; ``acts`` holds it, and whoever pops it does it or has taken it back."""

    __slots__ = ("acts", "due", "number")

    _numbers = count()

    def __init__(self, due: float, act: Callable[[], object], quick: bool) -> None:
        self.due = due
        self.acts: list[Callable[[], object]] = [partial(_do if quick else _begin, act)]
        self.number = next(self._numbers)

    def __lt__(self, other: Alarm) -> bool:
        return (self.due, self.number) < (other.due, other.number)


class _Keeper:
    """The alarms of one clock.  Guarded by ``_lock``: the heap, and whether the thread lives.

    ``_dead`` has an entry for each alarm in the heap that was taken back, or may be about to be taken out of it.
    """

    __slots__ = ("_clock", "_dead", "_gate", "_heap")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[Alarm] = []
        self._dead: deque[None] = deque()
        self._gate: SimpleQueue[None] = SimpleQueue()
        try:
            helper_thread(self._run, "threadfan-alarms").start()
        except RuntimeError as error:
            if not last.take_over(self._step, error):
                raise

    def add(self, alarm: Alarm) -> None:
        self._clear_up()
        heapq.heappush(self._heap, alarm)
        if self._heap[0] is alarm:
            self._gate.put(None)

    def take_back(self, alarm: Alarm) -> None:
        """From any thread, without the lock: the keeper's thread clears up when it is worth while."""
        try:
            alarm.acts.pop()
        except IndexError:  # done, or taken back before
            return
        self._dead.append(None)
        heap = self._heap
        if (heap and heap[0] is alarm) or len(self._dead) * 2 > len(heap):
            self._gate.put(None)  # it need not wait for this one, or for any

    def _run(self) -> None:
        while (wait := self._step()) is not None:
            self._clock.wait(self._gate, wait)

    def _clear_up(self) -> None:
        if len(self._dead) * 2 > len(self._heap):
            self._dead.clear()
            self._heap = [alarm for alarm in self._heap if alarm.acts]
            heapq.heapify(self._heap)

    def _step(self) -> float | None:
        """Do what is due; seconds until there is more, or None if nothing is left."""
        with _lock:
            ready = self._ready(self._clock.monotonic())
            if not self._heap:
                del _keepers[self._clock]
            wait = self._heap[0].due - self._clock.monotonic() if self._heap else None
        for act in ready:
            act()
        return wait

    def _ready(self, now: float) -> list[Callable[[], object]]:
        """Take what is due out of the heap, and what was taken back from its top."""
        ready = []
        self._clear_up()
        while self._heap and (not self._heap[0].acts or self._heap[0].due <= now):
            with suppress(IndexError):  # it was taken back
                ready.append(heapq.heappop(self._heap).acts.pop())
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

    return partial(keeper.take_back, alarm)


def _after_fork_in_child() -> None:
    global _lock, _keepers
    _lock, _keepers = threading.Lock(), {}


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
