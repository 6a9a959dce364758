"""Every error of the library's own; each can be pickled, with the error that it was raised from."""

from __future__ import annotations

from concurrent.futures import CancelledError
from concurrent.futures.thread import BrokenThreadPool
from threading import get_ident

from .interrupts import AtOnce
from .portable import Portable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class CallCancelled(Portable, BaseException):
    """Raised inside a call whose scope was cancelled or whose time is up.

    It is no ``Exception``, so that ``except Exception`` and retry loops in tools let it pass.
    """


class TimeUp(CallCancelled):
    """The same, in a call whose time was up elsewhere: its text is that of the caller's ``TaskTimeout``."""


class TaskTimeout(Portable, TimeoutError):
    """Raised to the caller for a call that ran out of time: its own, or that of a ``fail_after`` block."""


class TaskCancelled(Portable, CancelledError):
    """Raised to the caller for a call that was cancelled, before it started or while it ran."""


class FanClosed(Portable, RuntimeError):
    """A batch or stream was cut short because its fan was closed."""


class Terminated(Portable, SystemExit):
    """A signal has told the program to end, and what ran has ended; see ``drain_on_signals``.

    Attributes:
        report: of the batch that it has ended.
    """

    told: int | None = None
    """The thread that has got it, with its report."""

    def __init__(self, text: str, number: int = 15) -> None:
        super().__init__(text)
        self.code = 128 + number  # as shells have it

    @property
    def report(self) -> Any:
        """What was done; there is none until the batch has ended."""
        try:
            return self._report
        except AttributeError:
            raise AttributeError("the batch that this ends has not ended yet") from None

    @report.setter
    def report(self, report: object) -> None:
        self._report = report
        self.told = get_ident()


class TerminatedAtOnce(Terminated, AtOnce):
    """The second signal: what runs is cancelled, as by a Ctrl-C.

    It is no ``KeyboardInterrupt``: from 3.14 on a program that ends with one of these has no status of its own.
    """


TerminatedAtOnce.__name__ = TerminatedAtOnce.__qualname__ = Terminated.__name__


class LimitExhausted(Portable, RuntimeError):
    """A call was not made, for its rate limit had let nothing through for long; the last refusal is its cause."""


class BreakerOpen(Portable, RuntimeError):
    """A call was not made, or not again, for its service counts as down; what the last call failed with is its cause.

    Attributes:
        breaker: the name of the breaker, if it has one.
        seconds: until the next call may try whether the service is back.
    """

    breaker: str | None = None
    seconds: float = 0.0

    def called(self) -> str:
        """The breaker, in a sentence."""
        return "the breaker" if self.breaker is None else f"the breaker {self.breaker!r}"


class WorkerLost(Portable, ConnectionError):
    """The process that was to make a call is gone, or the executor that has it; the executor's error is its cause.

    The call may have been made, in part or altogether.
    """


class ThreadsExhausted(Portable, BrokenThreadPool):
    """A call was not made, for the system had given the fan no thread for long, and no other would become free."""


class TaskSkipped(Portable, RuntimeError):
    """A task of a graph was not called: its condition did not hold, or what it depends on has no value.

    If another task's error is the reason, that is its cause.
    """


class JournalError(Portable, RuntimeError):
    """A journal cannot be used, or cannot be written any more; the message names the file and says what to do."""


class NotStored(JournalError):
    """A call has returned, and its result is not in the journal: the call is made again by the next run.

    Attributes:
        value: what it returned.
    """

    value: object = None
