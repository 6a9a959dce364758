"""Time: the only place that reads it or waits for it.

Everything that waits does so through ``Clock.wait_until`` on a *gate*, a ``queue.SimpleQueue`` used as a signal.  A
gate can be opened from any thread, from a signal handler and from a garbage-collection callback, more often than it is
waited for, and an opening is never lost.

What is waited for is a moment, and not a number of seconds: those are worked out before the wait begins, and a clock
that has moved on by then would make it last too long.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue

FOREVER = float("inf")
PULSE = 0.5  # seconds between looks of a main thread that waits; arbitrary: what a Ctrl-C may take at worst

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    Gate = SimpleQueue[Any]


chores: list[Callable[[], object]] = []
"""What is to be done meanwhile by whoever waits, since the system gives no thread for it: see ``helpers``."""

CHORES = 0.05  # seconds between two looks at the chores; arbitrary: what a timeout may then come too late

_asleep: dict[object, Gate] = {}  # the gates that somebody waits at, by the wait
_COUNTS_ANEW = sys.version_info < (3, 13)  # see ``take_within``
_main = threading.main_thread().ident
_NUDGE = object()  # in a gate: not open, but there are chores
NOTHING = object()


def add_chore(chore: Callable[[], object]) -> None:
    """Have those that wait do it, now and every ``CHORES`` seconds, whatever they wait for."""
    chores.append(chore)
    nudge()


def nudge() -> None:
    """Wake those that wait, so that they see the chores."""
    for gate in list(_asleep.values()):
        gate.put(_NUDGE)


def drop_chore(chore: Callable[[], object]) -> None:
    """It is not needed any more."""
    with suppress(ValueError):
        while True:
            chores.remove(chore)


def do_chores() -> None:
    """Do what nobody else does."""
    for chore in tuple(chores):
        chore()


class Asleep:
    """A ``with`` block in which a thread waits at a gate, and is woken when there is a chore."""

    __slots__ = ("_gate",)

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def __enter__(self) -> Self:
        _asleep[self] = self._gate
        return self

    def __exit__(self, *exc_info: object) -> None:
        _asleep.pop(self, None)

    def receive(self, timeout: float | None = None, *, block: bool = True) -> Any:
        """What is put into the gate next, or ``NOTHING`` after ``timeout`` seconds or if there may be chores."""
        if chores and block:
            do_chores()
            timeout = CHORES if timeout is None else min(timeout, CHORES)
        try:
            found = self._gate.get(block) if timeout is None or not block else take_within(self._gate, timeout)
        except Empty:
            return NOTHING
        return NOTHING if found is _NUDGE else found


def take_within(gate: Gate, timeout: float) -> Any:
    """What is put into the gate in the next ``timeout`` seconds.

    Guarantee, for a gate at which one thread waits: it goes on when they are over, however long it was kept from
    running meanwhile.

    ``SimpleQueue.get`` has no such guarantee before CPython 3.13.  Where it finds the queue's lock open, as it is at
    first and after each ``get``, it takes it and counts anew how long it still may wait.  If the thread was kept from
    running in between and no time is left, that number is negative, which to the wait for a lock means for ever.  A
    ``get`` that does not block leaves the lock taken, so that the one that follows goes to its wait at once.

    It counts anew as well after the handler of a signal has run.  So there, in the main thread, a handler that outlasts
    the wait makes it last until the gate is opened.

    Raises:
        queue.Empty: nothing was.
    """
    if _COUNTS_ANEW:
        try:
            return gate.get(False)
        except Empty:
            pass
    return gate.get(True, timeout)


def receive(gate: Gate, timeout: float | None = None) -> Any:
    """What is put into the gate next, or ``NOTHING`` after ``timeout`` seconds or if there may be chores."""
    asleep = object()
    _asleep[asleep] = gate  # as such a block would, which takes four calls more for each wait
    try:
        if chores:
            do_chores()
            timeout = CHORES if timeout is None else min(timeout, CHORES)
        if timeout is None:
            found = gate.get()
        else:
            found = take_within(gate, timeout) if _COUNTS_ANEW else gate.get(True, timeout)
    except Empty:
        return NOTHING
    finally:
        _asleep.pop(asleep, None)
    return NOTHING if found is _NUDGE else found


class Clock:
    """Real time."""

    monotonic: staticmethod[[], float] = staticmethod(time.monotonic)
    """Seconds since some fixed moment; never goes back."""

    processor: staticmethod[[], float] = staticmethod(time.process_time)
    """Seconds for which the threads of this process have computed, all together."""

    def wait(self, gate: Gate, timeout: float | None = None) -> bool:
        """Wait until ``gate`` is opened, at most ``timeout`` seconds from now; say whether it was."""
        return self.wait_until(gate, None if timeout is None else self.monotonic() + timeout)

    def wait_until(self, gate: Gate, moment: float | None = None) -> bool:
        """Wait until ``gate`` is opened, or until the clock says ``moment``; say whether it was opened."""
        left: float | None = None
        if moment is not None:
            left = moment - self.monotonic()
        elif threading.get_ident() == _main:
            left = PULSE  # a signal that comes just before the wait does not interrupt it
        while True:
            if receive(gate, None if left is None else min(max(left, 0.0), threading.TIMEOUT_MAX)) is not NOTHING:
                return True
            if moment is not None:
                left = moment - self.monotonic()
                if left <= 0:
                    return False


REAL = Clock()
_current = REAL


def current() -> Clock:
    """The clock that fans made now will live by."""
    return _current


def install(clock: Clock) -> Clock:
    """Let fans made from now on live by ``clock``; gives back the clock it replaces (for tests)."""
    global _current
    previous, _current = _current, clock
    return previous


def _after_fork_in_child() -> None:
    global _main
    _main = threading.get_ident()  # whichever thread has forked
    chores.clear()
    _asleep.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
