"""``Breaker``: when a service counts as down, and who may ask it then.

It answers at once and never waits; ``now`` is in seconds of one monotonic clock.

- *Closed*: every attempt may start.  Those that fail as they do when a service is down are counted, in the order in
  which they end; any answer begins the count anew.
- *Open*, after so many in a row: no attempt may start for ``recovery`` seconds.
- *Half open*, after these: one attempt may start, the *trial*.  An answer closes the breaker, a failure opens it for
  ``recovery`` seconds more, and an end that says nothing (a cancel, a bug of the user's) leaves the trial to the next.

Guarantees: an attempt that began before the breaker has opened or closed changes nothing if it ends after that, for it
was asked in other times.  A trial that does not end keeps nobody out for ever: after ``recovery`` seconds there is
another one beside it, and the first answer counts.
"""

from __future__ import annotations

from enum import Enum

from ..base import forks
from ..base.arguments import whole
from ..base.errors import BreakerOpen
from ..base.given import real
from ..base.locks import Lock
from ..base.texts import brief, shortened, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    Pass: TypeAlias = tuple[int, int]
    """What an attempt starts with: the times in which it does so, and the number of the trial; 0 if it is none."""

OTHER = 0  # no trial


class Heard(Enum):
    """What the end of an attempt says of the service."""

    ANSWER = "it answers"
    DOWN = "it is down, or too much is asked of it"
    NOTHING = "nothing"


class Breaker:
    """A circuit breaker: stops calling a service that is down, for all fans and views that are given this object.

    After ``failures`` failures in a row that say that a service is down (broken connections, timeouts, the statuses
    408, 429 and 5xx) it opens: calls fail at once with ``BreakerOpen``, and failed ones are not tried again.  After
    ``recovery`` seconds one call at a time, the trial, finds out whether the service is back.

    Args:
        failures: after how many failures in a row it opens.  Calls that run then go on.
        recovery: seconds without any attempt, before the next one is a trial.
        name: for errors, events and reports.

    Raises:
        TypeError, ValueError: an argument is wrong; the message says what would be right.
    """

    __slots__ = (
        "__weakref__", "_failed", "_last", "_lock", "_shut_until", "_times", "_trial", "_trials", "failures", "name",
        "recovery",
    )  # fmt: skip

    def __init__(self, failures: int = 5, recovery: float = 30.0, *, name: str | None = None) -> None:
        self.failures: int = whole("failures", failures)
        seconds = real(recovery)
        if seconds is None:
            raise TypeError(f"recovery must be a number of seconds, not {brief(recovery)}")
        if not 0 < seconds < float("inf"):
            raise ValueError(f"recovery must be greater than 0 seconds and finite, not {recovery!r}")
        self.recovery: float = seconds
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name must be a text or None, not {brief(name)}")
        self.name: str | None = name
        self._times = 0  # grows when it opens and when it closes
        self._failed = 0  # in a row
        self._trials = 0
        self._trial = OTHER  # the latest one, while nothing is known of its end
        self._shut_until: float | None = None  # None while it is closed
        self._last: BaseException | None = None  # the likeness of the last failure, while it is open
        self._lock: Lock = Lock()
        forks.renew(self, type(self)._forked)

    def _forked(self) -> None:
        """In the child of a fork: the trial is the parent's, and so are the attempts that run."""
        self._lock = Lock()
        self._times += 1
        self._trial = OTHER

    @property
    def state(self) -> Literal["closed", "open"]:
        """``"closed"``, or ``"open"`` until a trial has been answered."""
        return "closed" if self._shut_until is None else "open"

    # -- before an attempt -------------------------------------------------------------------------------------------

    def take(self, now: float, around: Pass | None = None) -> Pass | None:
        """Let an attempt start now, which ends with ``tell``; None if it may not.

        Args:
            around: of the attempt that makes this call: what a trial's call does is a part of the trial.
        """
        with self._lock:
            if self._shut_until is None:
                return self._times, OTHER
            if now >= self._shut_until:
                self._trials += 1
                self._trial, self._shut_until = self._trials, now + self.recovery
                return self._times, self._trial
            if around is not None and around == (self._times, self._trial) and self._trial != OTHER:
                return self._times, OTHER
            return None

    def shut_until(self) -> float:
        """The moment before which no attempt may start, as far as is known; long ago if all may."""
        until = self._shut_until
        return float("-inf") if until is None else until

    def refusal(self, now: float, *, again: bool = False) -> BreakerOpen:
        """The error of a call that was not made, or not again; asked for each anew."""
        with self._lock:
            left, last, failed = max(0.0, self.shut_until() - now), self._last, self._failed
        error = BreakerOpen()
        error.breaker, error.seconds, error.__cause__ = self.name, left, last
        after = "" if last is None else f", the last with {type(last).__name__}: {shortened(text_of(last))}"
        text = (
            f"this call was not made{' again' if again else ''}: {error.called()} has opened after {failed} failures "
            f"in a row{after}; it lets one call try every {self.recovery:g} s"
        )
        error.args = (text,)
        return error

    def give_back(self, passed: Pass, now: float) -> None:
        """The attempt is not made."""
        self.tell(passed, now, Heard.NOTHING)

    # -- after it ----------------------------------------------------------------------------------------------------

    def tell(self, passed: Pass, now: float, heard: Heard, error: BaseException | None = None) -> str | None:
        """An attempt has ended; ``"opened"`` or ``"closed"`` if the breaker has because of it.

        Args:
            error: the likeness of what it failed with.
        """
        times, trial = passed
        with self._lock:
            if times != self._times:
                return None
            if self._shut_until is None:
                return self._told_closed(now, heard, error)
            if heard is Heard.ANSWER:
                self._change(None)
                self._failed, self._last = 0, None
                return "closed"
            if heard is Heard.DOWN:
                self._failed, self._last = self._failed + 1, error
                self._trial, self._shut_until = OTHER, now + self.recovery
            elif trial == self._trial != OTHER:
                self._trial, self._shut_until = OTHER, now
            return None

    def _told_closed(self, now: float, heard: Heard, error: BaseException | None) -> str | None:
        if heard is Heard.ANSWER:
            self._failed = 0
        elif heard is Heard.DOWN:
            self._failed += 1
            if self._failed >= self.failures:
                self._change(now + self.recovery)
                self._last = error
                return "opened"
        return None

    def _change(self, shut_until: float | None) -> None:
        self._times += 1
        self._trial, self._shut_until = OTHER, shut_until

    def __repr__(self) -> str:
        named = f" {self.name!r}" if self.name else ""
        return (
            f"<Breaker{named}: {self.state}, {self._failed} failures in a row, "
            f"opens after {self.failures} for {self.recovery:g} s>"
        )


def likeness(error: BaseException) -> BaseException | None:
    """An error that says what this one does, for who keeps it: it leads to no traceback, answer or connection.

    None if there cannot be one.
    """
    try:
        kind = type(error)
        args = tuple(arg if isinstance(arg, _PLAIN) else text_of(arg) for arg in error.args)  # which may be errors too
        made: BaseException = kind.__new__(kind, *args)
        made.args = args
        vars(made).update({name: value for name, value in vars(error).items() if isinstance(value, _PLAIN)})
    except Exception:  # the class is the user's
        return None
    return made


_PLAIN = (str, int, float, bool, type(None))
