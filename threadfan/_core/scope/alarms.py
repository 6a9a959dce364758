"""Acts that are due at a moment: the ends of blocks, of pauses and back-offs, and the looks of deadline timers.

One thread does them for the whole process, so that a fan that is made for one call starts none of its own.  It starts
with the first alarm, lasts as long as anybody holds it, and goes some time after that, when nothing is due any more:
calls that a limit paces set one alarm each, and to start a thread for each of them costs more than they do.  Other
clocks than the real one have threads of their own, one for alarms and one for each that holds it; nobody waits for
those, so they go at once.

An act that blocks would hold up the others, so each gets a thread of its own, unless it is said to be quick: deadlines
go off rarely, and most are taken back.  One that raises is logged.  Where the system gives no thread, whoever waits
does them, see ``base/helpers``.

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
from ..base.clock import FOREVER, REAL
from ..base.helpers import Helper
from ..base.locks import Lock
from ..base.logs import say
from ..base.threads import daemons, for_ever, helper_thread, helping, refusal, started
from .scope import call_logged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..base.clock import Clock

LINGER = 0.25
"""Seconds for which the thread waits for more when nothing is due.  Arbitrary: longer than the pauses in which calls
are paced, and soon over for whoever counts threads."""


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


class Keeper:
    """The alarms of one clock, and their thread.  Guarded by ``_lock``: all, but what is read in ``_take_back``.

    ``_dead`` has an entry for each alarm in the heap that was taken back, or may be about to be taken out of it.
    """

    __slots__ = ("_clock", "_dead", "_ends", "_heap", "_linger", "_looks", "_place", "_ready", "helper", "holders")

    def __init__(self, place: object, clock: Clock) -> None:
        self._place = place  # its own in ``_keepers``
        self._clock = clock
        self._heap: list[Alarm] = []
        self._dead: deque[None] = deque()
        self._ready: deque[tuple[Callable[[], object], bool]] = deque()  # due, and taken out of the heap
        self._looks = -FOREVER  # when the thread looks by itself
        self._ends: float | None = None  # when it goes, if nothing comes until then
        self._linger = LINGER if clock is REAL and daemons() else 0.0
        self.holders: set[object] = set()
        self.helper: Helper = Helper("threadfan-alarms", clock, self._round, _warn)

    def set(self, due: float, act: Callable[[], object], *, quick: bool) -> Callable[[], None]:
        """See ``set_alarm``.  By whoever holds the keeper, or its lock: else it may be gone."""
        alarm = Alarm(due, act, quick)
        with _lock:
            self._clear_up()
            heapq.heappush(self._heap, alarm)
            self._ends = None
            if due < self._looks:
                self.helper.tell()
        return partial(self._take_back, alarm)

    def release(self, holder: object) -> None:
        """It is not held any more, or never was."""
        with _lock:
            self.holders.discard(holder)
            self._ends = None
            if not (self.holders or self._heap or self.helper.begun):
                self._forget()
            elif not self.holders and self._looks > self._clock.monotonic() + self._linger:
                self.helper.tell()

    def _take_back(self, alarm: Alarm) -> None:
        """From any thread, without the lock: the keeper's thread clears up when it is worth while."""
        try:
            alarm.acts.pop()  # first: see ``_round``
        except IndexError:  # done, or taken back before
            return
        self._dead.append(None)
        heap = self._heap
        first = heap[:1]  # in one step: the thread may take it out at any moment
        needless = (first and first[0] is alarm) or len(self._dead) * 2 > len(heap)  # to wait for this one, or for any
        if needless and self._looks > self._clock.monotonic() + self._linger:
            self.helper.tell()

    def empty(self) -> None:
        """Nothing is due any more."""
        self._heap = []
        self._ready.clear()

    def _clear_up(self) -> None:
        if len(self._dead) * 2 > len(self._heap):
            self._dead.clear()
            self._heap = [alarm for alarm in self._heap if alarm.acts]
            heapq.heapify(self._heap)

    def _round(self) -> float | None:
        with _lock:
            self._looks = -FOREVER  # nobody need tell it of what it will see in the end
            self._clear_up()
            self._collect(self._clock.monotonic())
        with suppress(IndexError):  # there are no more
            while True:
                self._do(*self._ready.popleft())
        with _lock:
            self._looks = FOREVER  # before it looks: whoever takes back later tells it
            self._collect(-FOREVER)
            looks = self._next_look()
            if looks is None:
                self._forget()
            else:
                self._looks = looks
        return looks

    def _forget(self) -> None:
        if _keepers.get(self._place) is self:
            del _keepers[self._place]

    def _next_look(self) -> float | None:
        """When the thread looks again; None if it goes."""
        if self._heap or self.holders:
            self._ends = None
            return self._heap[0].due if self._heap else FOREVER
        now = self._clock.monotonic()
        if self._ends is None:
            self._ends = now + self._linger
        return self._ends if now < self._ends and not self.helper.hurried else None

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

    def _collect(self, now: float) -> None:
        """Take what is due out of the heap, and what was taken back from its top."""
        while self._heap and (not self._heap[0].acts or self._heap[0].due <= now):
            alarm = heapq.heappop(self._heap)
            with suppress(IndexError):  # it was taken back
                self._ready.append((alarm.acts.pop(), alarm.quick))


class _Aside:
    """An act that may run users' code, for whoever waits and is no helper: there is no thread for it."""

    __slots__ = ("_acts",)

    def __init__(self, act: Callable[[], object]) -> None:
        self._acts = [act]  # until it is popped, which one thread can

    def __call__(self) -> None:
        if helping():
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
_keepers: dict[object, Keeper] = {}  # by clock, and by holder for those that have one of their own


def _keeper(place: object, clock: Clock) -> Keeper:
    """With the lock held."""
    keeper = _keepers.get(place)
    if keeper is None:
        keeper = _keepers[place] = Keeper(place, clock)
    return keeper


def hold(clock: Clock, holder: object) -> Keeper:
    """A keeper that lasts until it is released; on any clock but the real one it is the holder's own."""
    with _lock:
        keeper = _keeper(clock if clock is REAL else holder, clock)
        keeper.holders.add(holder)
    return keeper


def let_go(clock: Clock, holder: object) -> None:
    """Release what it may hold without knowing, for an exception has come between."""
    with _lock:
        keeper = _keepers.get(clock if clock is REAL else holder)
        if keeper is not None:
            keeper.release(holder)


def set_alarm(clock: Clock, due: float, act: Callable[[], object], *, quick: bool = False) -> Callable[[], None]:
    """Have ``act()`` done when ``clock`` reads ``due``.

    Args:
        quick: whether it neither blocks nor runs code of the user's; else it gets a thread of its own.

    Returns:
        A function that takes it back; harmless when it was done.
    """
    with _lock:
        keeper = _keeper(clock, clock)
        take_back = keeper.set(due, act, quick=quick)
    if not keeper.helper.begun:
        keeper.helper.begin()
    return take_back


def _after_fork_in_child() -> None:
    global _lock, _keepers
    for keeper in _keepers.values():
        keeper.empty()
    _lock, _keepers = Lock(), {}


forks.in_child(_after_fork_in_child)
