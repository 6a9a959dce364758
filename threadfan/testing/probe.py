"""The state of a fan's threads and slots at this moment, for tests that wait until it is in a certain one.

The figures of ``Fan.snapshot`` count calls; a probe tells of threads and slots.  Each answer is true of the moment in
which it is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from contextlib import AbstractContextManager

    from threadfan._core.base.clock import Clock

    class _Slots(Protocol):
        free: int
        total: int
        waking: int
        lenders: list[object]

    class _RunQueue(Protocol):
        pressure: float

        def has_work(self) -> bool: ...

    class _Alarms(Protocol):
        def set(self, due: float, act: Callable[[], None], *, quick: bool) -> object: ...

    class _Timer(Protocol):
        next_look: float

        def in_grace(self) -> int: ...

        @property
        def alarms(self) -> _Alarms | None: ...

        def look(self) -> None: ...

    class _Callbacks(Protocol):
        def stuck(self) -> list[object]: ...

    class _Scheduler(Protocol):
        lock: AbstractContextManager[object]
        clock: Clock
        slots: _Slots
        run_queue: _RunQueue
        timer: _Timer
        callbacks: _Callbacks
        closing: bool
        at_work: Collection[object]
        lost: Collection[object]
        queues: Collection[object]
        quiet_gates: Collection[object]
        interrupt: Callable[[], None]


class Probe:
    """The state of one fan at this moment: its threads, slots and queues.

    Args:
        fan: or a view of it.
    """

    def __init__(self, fan: object) -> None:
        self._scheduler: _Scheduler = getattr(fan, "_scheduler")  # noqa: B009 -- of no public type

    def still(self) -> AbstractContextManager[object]:
        """A ``with`` block during which the fan decides nothing, so that several answers are of one moment."""
        return self._scheduler.lock

    # -- slots and threads -------------------------------------------------------------------------------------------

    @property
    def slots(self) -> int:
        """How many calls may run at once now."""
        return self._scheduler.slots.total

    @property
    def free_slots(self) -> int:
        """How many more calls could run; below 0 while more run than there are slots."""
        return self._scheduler.slots.free

    @property
    def starting(self) -> int:
        """How many threads have a slot and have not taken a call yet."""
        return self._scheduler.slots.waking

    @property
    def at_work(self) -> int:
        """How many threads run calls, or wait in them for other calls."""
        return len(self._scheduler.at_work)

    @property
    def stuck(self) -> int:
        """How many threads are in calls that are over."""
        return len(self._scheduler.lost)

    @property
    def lenders(self) -> int:
        """How many calls gave their slot to others while they waited, and now wait for one to go on."""
        return len(self._scheduler.slots.lenders)

    # -- what waits --------------------------------------------------------------------------------------------------

    @property
    def may_start(self) -> bool:
        """Whether any call could start now, given a slot."""
        with self._scheduler.lock:
            return self._scheduler.run_queue.has_work()

    @property
    def others_wait(self) -> bool:
        """Whether threads change to other queues after a while, because calls wait in those."""
        return self._scheduler.run_queue.pressure >= 0

    @property
    def hurried(self) -> bool:
        """Whether each thread gives its slot up after its call: a lender waits for one, or there are too few."""
        return self._scheduler.run_queue.pressure == float("inf")

    @property
    def queues(self) -> frozenset[object]:
        """All queues with calls that have not ended: batches, and queues of single calls."""
        with self._scheduler.lock:
            return frozenset(self._scheduler.queues)

    # -- ends --------------------------------------------------------------------------------------------------------

    @property
    def in_grace(self) -> int:
        """How many cancelled calls may still return by themselves before their threads are replaced."""
        return self._scheduler.timer.in_grace()

    @property
    def stuck_callbacks(self) -> int:
        """How many callbacks have not returned."""
        return len(self._scheduler.callbacks.stuck())

    @property
    def closing(self) -> bool:
        """Whether the fan takes no more calls."""
        return self._scheduler.closing

    @property
    def closers(self) -> int:
        """How many threads wait, or have waited, for the end of all calls."""
        return len(self._scheduler.quiet_gates)

    # -- time and interrupts -----------------------------------------------------------------------------------------

    @property
    def clock(self) -> Clock:
        """The fan's clock."""
        return self._scheduler.clock

    @property
    def next_look(self) -> float:
        """When, on that clock, the next call may be due; infinity if none is known."""
        with self._scheduler.lock:
            return self._scheduler.timer.next_look

    def look(self) -> None:
        """End the calls now whose time is up."""
        timer = self._scheduler.timer
        if timer.alarms is not None:
            timer.alarms.set(self.clock.monotonic(), timer.look, quick=True)

    def interrupt(self) -> None:
        """Do to the fan what a Ctrl-C does."""
        self._scheduler.interrupt()
