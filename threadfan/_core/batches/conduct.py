"""A batch that goes on by itself: nobody has to wait for it, and anybody may.

``run`` waits, and looks meanwhile whether its batch is to be ended.  Here nobody waits, so whatever may end the batch
(a failure, a call after which ``halt`` says stop, an alarm at the deadline) rings a bell, and who rings it looks.  The
bell wakes those who wait for the next outcome, too.

Guarantees: the batch comes to its end whether or not anybody holds what ``start`` has returned; then its report is made
once, and everything that had to go on until then (alarm, progress, journal) is let go of.  Waiting may be given up at
any moment, and nothing is lost by it.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from contextvars import copy_context
from functools import partial

from ..base import forks
from ..base.generic import TYPE_CHECKING, Generic, T
from ..base.locks import aside
from ..base.outcome import INDEX, PAYLOAD, START, Outcome, twin_of
from ..base.threads import helper_thread, helping, started
from ..calls.ends import Ends
from ..scope.alarms import set_alarm
from .figures import parts
from .lifetime import at_end
from .report import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ..base.attempt import Attempt
    from ..base.generic import OneInput
    from ..base.outcome import Raw
    from ..base.usage import Usage
    from ..calls.batch import Batch
    from ..events.progress import Meter
    from .stopping import StoppingCompletion

    Wake = Callable[[], object]


class Bell:
    """Wakes those who wait, and has somebody look whether the batch is to be ended; from any thread, without a lock."""

    __slots__ = ("looks", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[Wake] = deque()
        self.looks: list[Wake] = []  # one, from the start of the batch to its end

    def ring(self) -> None:
        """Something has happened that somebody may wait for."""
        # Not those who come meanwhile: they have looked, and may be quick to wait again.
        for _ in range(len(self.waiting)):
            try:
                wake = self.waiting.popleft()
            except IndexError:  # another thread was faster
                break
            wake()
        for look in self.looks.copy():
            look()


class Conduct(Generic[T]):
    """What is done for a batch until it has ended, and what is known of it then.

    Args:
        completion: how it ends; its ``wake`` is ``bell.ring``, and its batch has an ``Ends``.
        bell: of its own.
        deadline: seconds from the start of the batch, if it has one.
        finish: called when it has ended.
        called: what a report calls again, if it is not the batch's function.
    """

    def __init__(
        self,
        completion: StoppingCompletion[T],
        bell: Bell,
        *,
        deadline: float | None,
        finish: Callable[[], object] | None = None,
        called: OneInput | None = None,
    ) -> None:
        self.batch: Batch = completion.batch
        self.meter: Meter | None = None
        self._completion = completion
        self._bell = bell
        self._ends = ends = _ends_of(completion.batch)
        self._taken: list[Raw] = ends.taken()  # which only grows, and is kept when the report is made
        self._usages: dict[int, Usage] = ends.usages
        self._attempts: dict[int, list[Attempt]] = ends.attempts
        self._deadline = deadline
        self._finish = finish
        self._called = called
        self._take_back: Callable[[], object] | None = None
        self._enders: deque[Wake] = deque()  # those who wait for the end
        self._report: Report[T] | None = None
        self._error: BaseException | None = None  # to be raised
        self._over = False

    # -- beginning and end -------------------------------------------------------------------------------------------

    def begin(self, inputs: Iterator[object] | None) -> None:
        """Let threads at it.

        Args:
            inputs: what is to be read, in a thread of its own; None if all is there.
        """
        batch, completion = self.batch, self._completion
        try:
            self._bell.looks.append(completion.look)
            batch.self_fed = inputs is not None
            completion.look()  # so that it is told of the calls that it asks for, from the first one on
            completion.begin()
            at_end(batch, self._ended)
            if self._deadline is not None:
                due = batch.since + self._deadline
                self._take_back = set_alarm(batch.scheduler.clock, due, self._bell.ring, quick=True)
                if self._over:
                    self._take_back()
            if inputs is not None:
                feed = partial(copy_context().run, _feed, completion, inputs)  # they see the caller's variables
                feeder = helper_thread(feed, f"threadfan-inputs-{batch.name}")
                refused = started(feeder)
                if refused is not None:
                    raise refused
        except BaseException as error:
            if batch.enlisted:
                completion.cut(error, running=True)
            else:
                self._let_go()
            raise
        finally:
            del self  # an error's traceback holds this frame: leave no cycle

    def _ended(self) -> None:
        """The batch is done.  In whichever thread has noticed."""
        if self.batch.generation != forks.generation:  # in the child of a fork, where nobody goes on with it
            self._over = True
        elif helping():  # what is told of it may be code of the user's
            self.batch.scheduler.callbacks.tell(self._conclude, "the end of a run")
        else:
            aside(self._conclude)

    def _conclude(self) -> None:
        try:
            self._ends.taken()
            self._error, self._report = self._completion.ending()
            if self._error is not None:
                _disown(self._error, self._taken)
        except BaseException as error:
            self._error = error
        finally:
            self._over = True
            self._let_go()
            del self  # an error's traceback holds this frame: leave no cycle

    def _let_go(self) -> None:
        self._bell.looks.clear()
        self.batch.collector.on_first_failure.clear()
        self.batch.reader.clear()
        if self._take_back is not None:
            self._take_back()
        for act in (self._finish, None if self.meter is None else partial(self.meter.close, wait=False)):
            if act is not None:
                act()
        for waiting in (self._enders, self._bell.waiting):
            while waiting:
                with suppress(IndexError):
                    waiting.popleft()()

    def cancel(self, message: str) -> None:
        """End it: what is queued and what runs is cancelled."""
        if not self.batch.done:
            self._completion.end_early(message)

    # -- what there is -----------------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Whether all calls have ended and the report is made."""
        return self._over

    def taken(self) -> list[Raw]:
        """The outcomes that there are, in the order in which calls ended; the list grows."""
        if not self._over:
            self._ends.taken()
        return self._taken

    def outcome(self, raw: Raw) -> Outcome[T]:
        """An outcome as users see it."""
        return Outcome(raw, None, self._usages.get(raw[INDEX]), self._attempts.get(raw[INDEX]))

    def report(self) -> Report[T]:
        """The report, of what has ended if it is not over."""
        report = self._report
        return so_far(self.batch, self._called) if report is None else report

    def error(self) -> BaseException | None:
        """What ended it early, to be raised by the caller; another one just like it for each who asks.

        A traceback holds the frames that an error was raised in, which hold the run.
        """
        error = self._error
        if error is None and self._report is None:
            error = self.batch.reason  # in the child of a fork
        elif error is not None:
            self._error = twin_of(error)
        return error

    # -- waiting -----------------------------------------------------------------------------------------------------

    def is_idle(self, place: int) -> bool:
        """Whether a reader that has seen so many outcomes has to wait for the next."""
        return not self._over and place >= len(self._ends.taken())

    def watch(self, place: int, wake: Wake) -> bool:
        """Have ``wake()`` called once there are more outcomes than ``place``; False if there is no need to wait."""
        self._bell.waiting.append(wake)
        wakes = self.batch.reader.wakes
        if not wakes:
            wakes.append(self._bell.ring)
        return _kept(self._bell.waiting, wake, self.is_idle(place))

    def watch_end(self, wake: Wake) -> bool:
        """Have ``wake()`` called once it is over; False if it is."""
        self._enders.append(wake)
        return _kept(self._enders, wake, not self._over)

    def forget(self, wake: Wake) -> None:
        """Who waits has given up."""
        for waiting in (self._enders, self._bell.waiting):
            with suppress(ValueError):
                waiting.remove(wake)


def _disown(error: BaseException, taken: list[Raw]) -> None:
    """Have a copy of an error that is to be raised in its place, as in the report: it will hold who holds these."""
    for place, raw in enumerate(taken):
        if raw[PAYLOAD] is error:
            taken[place] = (*raw[:PAYLOAD], twin_of(error), *raw[START:])


def so_far(batch: Batch, called: OneInput | None) -> Report[Any]:
    """A report of the calls of a batch that have ended, while others go on.

    Args:
        called: see ``Conduct``.
    """
    raws = batch.collector.so_far()
    found = parts(batch, batch.scheduler.clock.monotonic() - batch.since)
    found["usages"], found["attempts"] = dict(found["usages"]), dict(found["attempts"])
    if called is not None:
        found["fn"] = called
    return Report(raws, **found)


def raise_error(conduct: Conduct[T]) -> None:
    """Raise what ended it early, if anything did."""
    error = conduct.error()
    try:
        if error is not None:
            raise error
    finally:
        del error, conduct  # an error's traceback holds this frame: leave no cycle


def _ends_of(batch: Batch) -> Ends:
    ends = batch.collector
    if not isinstance(ends, Ends):
        raise TypeError("the outcomes of this batch are not kept in the order in which calls end")
    return ends


def _kept(waiting: deque[Wake], wake: Wake, idle: bool) -> bool:
    if not idle:
        with suppress(ValueError):
            waiting.remove(wake)
    return idle


def _feed(completion: Any, inputs: Iterator[object]) -> None:
    """Take inputs and hand them in, in a thread of their own; an error of theirs ends the batch, but not what runs."""
    batch = completion.batch
    now = batch.scheduler.clock.monotonic
    try:
        for item in inputs:
            completion.feed(item, now())  # in any case: what was taken has an outcome
            if batch.closed:
                return
        completion.cut_off = False  # first: then it may be over
        batch.close()
    except BaseException as error:
        batch.scheduler.timer.cancel(batch, error, f"the batch was ended by {type(error).__name__}", running=False)
    finally:
        del completion, inputs, batch  # an error's traceback holds this frame: leave no cycle
