"""A Ctrl-C that ends what runs, also in programs that wait for it when they have been interrupted.

Such a program has a pool in a ``with`` block of its own kind, or calls ``wait`` in a ``finally``: with standard threads
it goes on until its calls have ended, or until it is interrupted once more.  So the handler has a thread see to that,
and then raises ``KeyboardInterrupt`` as the usual one does.  It cannot do more itself: the main thread may hold any
lock.  The thread interrupts all fans.  It does so again, and sends the signal again, as a user would, as long as calls
of fans run or hang, and the main thread, still dealing with the interrupt or with the end of a program that it has
ended, waits for others: for a lock, a thread, a queue.

A signal that comes just before the main thread waits in the system is not looked at until that wait is over.  So
another thread is told of it by the interpreter's part that is written in C, and nudges the main thread: it sends a
signal by which nothing is done, but for the looking.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from traceback import walk_tb
from typing import TYPE_CHECKING

from threadfan._core.base.interrupts import INTERRUPTS
from threadfan._core.base.locks import begin_bare
from threadfan._core.base.places import standing
from threadfan._core.pool.shutdown import alive

from .tally import say

if TYPE_CHECKING:
    from types import FrameType

AGAIN = 0.25
"""Seconds after which a program is interrupted again.  Arbitrary: it is to end within one, and may have to clean up."""

NUDGES = (0.02, 0.05, 0.1, 0.2)
"""Seconds between them; several, for one may come just before a wait, too.  Arbitrary."""

_WAITING = {"threading", "queue", "concurrent", "threadfan"}
"""Where a thread waits for others: modules of these packages."""


def interrupt_fans() -> None:
    """Have a Ctrl-C interrupt all fans, as long as the program has no handler of its own.

    The handler takes the place of the usual one in ``signal`` too, where asyncio looks whether it may have its own.
    """
    usual = signal.default_int_handler
    if signal.getsignal(signal.SIGINT) is not usual:
        return
    handler = _Handler()
    setattr(signal, "default_int_handler", handler)  # noqa: B010 -- the type checkers would object
    signal.signal(signal.SIGINT, handler)
    _say_the_end_in_a_line()
    if sys.platform != "win32" and signal.getsignal(signal.SIGURG) in (signal.SIG_DFL, signal.SIG_IGN):
        _watch()


def _say_the_end_in_a_line() -> None:
    """Have an interrupt of the interpreter's last wait, for threads, be told without a traceback."""
    usual = sys.unraisablehook

    def hook(told: sys.UnraisableHookArgs) -> None:
        frames = walk_tb(told.exc_traceback)
        waits = all(str(frame.f_globals.get("__name__")).partition(".")[0] in _WAITING for frame, _ in frames)
        if issubclass(told.exc_type, KeyboardInterrupt) and waits:  # nothing of it is the program's
            say("interrupted at the end of the program, which waited for its threads")
        else:
            usual(told)

    sys.unraisablehook = hook


_ended: list[bool] = []  # something, once an interrupt has ended the program


def program_ended(error: BaseException) -> None:
    """The program has been ended by an error; what is to come is done by the interpreter."""
    if isinstance(error, INTERRUPTS):
        _ended.append(True)


class _Handler:
    """Of SIGINT."""

    def __init__(self) -> None:
        self._seeing_to_it = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self._seeing_to_it:
            self._seeing_to_it = True
            with suppress(RuntimeError):  # no thread can be had
                begin_bare(self._see_to_it)
        raise KeyboardInterrupt

    def _see_to_it(self) -> None:
        try:
            _interrupt_all()
            while not sys.is_finalizing():
                time.sleep(AGAIN)
                if not (_ended or _deals_with_it()):
                    return
                if _calls_run() and _waits():
                    _interrupt_all()
                    _send(signal.SIGINT)
        finally:
            self._seeing_to_it = False


def _watch() -> None:
    """Begin to look after signals that the main thread does not look at."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    os.register_at_fork(after_in_child=_unwatched)  # else the child's signals were told to its parent
    signal.signal(signal.SIGURG, _nothing)
    with suppress(RuntimeError):
        begin_bare(lambda: _nudge(reading))


def _nothing(_number: int, _frame: FrameType | None) -> None:
    pass


def _nudge(reading: int) -> None:
    while told := os.read(reading, 100):
        for pause in NUDGES if signal.SIGINT in told else ():
            time.sleep(pause)
            if signal.getsignal(signal.SIGURG) is _nothing:
                _send(signal.SIGURG)


def _unwatched() -> None:
    with suppress(ValueError):
        signal.set_wakeup_fd(-1)


def _interrupt_all() -> None:
    for scheduler in alive():
        scheduler.interrupt()


def _calls_run() -> bool:
    """Whether calls of any fan run, or threads are stuck in calls that are over."""
    for scheduler in alive():
        with scheduler.lock:
            if scheduler.at_work or scheduler.lost:
                return True
    return False


def _send(number: int) -> None:
    """Send a signal to the main thread, so that it wakes from where it waits in the system."""
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, number)


def _deals_with_it() -> bool:
    """Whether the main thread is in an ``except``, a ``finally`` or the end of a ``with`` block, by an interrupt."""
    handled: dict[int | None, object] = getattr(sys, "_current_exceptions", dict)()
    found = handled.get(threading.main_thread().ident)
    error = found[1] if isinstance(found, tuple) else found  # up to 3.11 with its class and traceback
    while isinstance(error, BaseException):
        if isinstance(error, INTERRUPTS):
            return True
        error = error.__context__
    return False


def _waits() -> bool:
    """Whether the main thread stands where threads wait for each other."""
    frame = standing().get(threading.main_thread().ident or 0)
    return frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in _WAITING
