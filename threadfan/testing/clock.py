"""Time that stands still until a test moves it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from threadfan._core.base import clock as clocks
from threadfan._core.base import forks
from threadfan._core.base.given import real
from threadfan._core.base.locks import Condition

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from threadfan._core.base.clock import Gate

_PATIENCE = 10.0  # real seconds; arbitrary: a healthy thread needs milliseconds, even on a loaded machine


class ManualClock(clocks.Clock):
    """A clock for tests: fans made inside its ``with`` block live by it, and only ``advance`` moves it.

    ```python
    with ManualClock() as clock, Fan(4, timeout=30) as fan:
        future = fan.submit(hang)
        clock.wait_for_sleepers(until=30)  # the fan has seen the call start
        clock.advance(30)
        future.result()  # raises TaskTimeout
    ```

    Safe from any thread.  At most one thread waits at a gate at a time, which is how the library uses gates.  Take
    whole seconds or binary fractions (0.5, 0.25): sums of others differ in the last digit, and a deadline is then
    just missed.

    Args:
        start: what ``monotonic`` says at first, in seconds.
    """

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        self._replaced: clocks.Clock | None = None
        self._forked()
        forks.renew(self, type(self)._forked)

    def _forked(self) -> None:
        """Nobody sleeps: at the start, and in the child of a fork."""
        self._sleepers: list[_Sleeper] = []
        self._changed = Condition()  # guards it and the time; told when a thread falls asleep

    def __enter__(self) -> Self:
        self._replaced = clocks.install(self)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._replaced is not None:
            clocks.install(self._replaced)

    def monotonic(self) -> float:
        """The time that ``advance`` has brought it to, in seconds."""
        return self._now

    def processor(self) -> float:
        """Nobody computes: it takes none of this time."""
        return 0.0

    def wait_until(self, gate: Gate, moment: float | None = None) -> bool:
        """Wait until ``gate`` is opened or the clock says ``moment``; say whether it was opened."""
        with self._changed:
            sleeper = _Sleeper(gate, math.inf if moment is None else moment)
            if not sleeper.over(self._now):
                self._sleepers.append(sleeper)
                self._changed.notify_all()
        try:
            with clocks.Asleep(gate) as asleep:
                while True:
                    over = sleeper.over(self._now)
                    opening = asleep.receive(block=not over)
                    if opening is clocks.NOTHING and over:
                        return False
                    # A sleeper in the gate says that time has passed.  It may be one whose wait was ended by an opening
                    # that came at the same moment; then it says nothing to this one.
                    if opening is not clocks.NOTHING and not isinstance(opening, _Sleeper):
                        return True
        finally:
            with self._changed:
                if sleeper in self._sleepers:
                    self._sleepers.remove(sleeper)

    def advance(self, seconds: float) -> None:
        """Move time on, and wake every thread whose deadline is reached; does not wait for what they do then.

        Args:
            seconds: how far; not negative.

        Raises:
            TypeError: it is no number.
            ValueError: time would go back.
        """
        if real(seconds) is None:
            raise TypeError(f"advance needs a number of seconds, not {seconds!r}")
        if not seconds >= 0:
            raise ValueError(f"seconds must be at least 0, not {seconds!r}: time does not go back")
        with self._changed:
            self._now += seconds
            for sleeper in [sleeper for sleeper in self._sleepers if sleeper.over(self._now)]:
                self._sleepers.remove(sleeper)
                sleeper.gate.put(sleeper)

    def wait_for_sleepers(self, count: int = 1, *, until: float = math.inf) -> None:
        """Wait, really, until ``count`` threads sleep on this clock and would wake when it says ``until``, or before.

        A test calls this before ``advance``, so that the threads it means to wake have read the time before it moves.

        Args:
            count: how many threads.
            until: a time on this clock, in seconds; by default waits without a timeout count too.

        Raises:
            TimeoutError: there were not so many within ten real seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._asleep(until) >= count, _PATIENCE):
                deadlines = ", ".join(f"{sleeper.deadline:g}" for sleeper in self._sleepers) or "nothing"
                raise TimeoutError(
                    f"{self._asleep(until)} threads sleep until {until:g} or less on {self!r}, not {count} as "
                    f"expected; those that sleep wait for {deadlines}"
                )

    def _asleep(self, until: float) -> int:
        return sum(sleeper.deadline <= until for sleeper in self._sleepers)

    def __repr__(self) -> str:
        return f"<ManualClock at {self._now:g} s, {len(self._sleepers)} asleep>"


class _Sleeper:
    """One wait: where, and until when."""

    __slots__ = ("deadline", "gate")

    def __init__(self, gate: Gate, deadline: float) -> None:
        self.gate = gate
        self.deadline = deadline

    def over(self, now: float) -> bool:
        return now >= self.deadline
