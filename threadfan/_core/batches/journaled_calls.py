"""What the calls of a batch do for its journal, each in its own thread, and where their outcomes go."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ..base.outcome import FAILED, INDEX, STATUS, TIMED_OUT
from ..base.static import describe
from ..calls.ends import Ends
from ..calls.this_call import this_call
from ..scope.scope import current_scope
from ..scope.waiting import sleep

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..base.generic import OneInput
    from ..base.outcome import Raw
    from ..calls.batch import Batch
    from ..calls.collector import Actions
    from ..journal.journal import Journal
    from ..journal.journal_file import JournalFile
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Loan


def running() -> tuple[Any, Any]:
    """The session of this thread, and the place of the call that it runs."""
    session, key = this_call()
    return session, session.queue.index_of(key)


def around(
    journal: Journal,
    fn: OneInput,
    counting: Callable[[OneInput], OneInput] | None = None,
) -> OneInput:
    """``fn`` as it is called, with what is to be done for the journal.

    Args:
        counting: what counts the tokens of the calls that are made, if anything does.
    """
    one = fn if counting is None else counting(fn)

    def journaled(item: object) -> object:
        session, place = running()
        return journal.call(place, one, item, session.worker.thread.name, LendingWait(session.scheduler))

    journaled.__qualname__ = describe(fn)  # by which errors call it
    journaled.__wrapped__ = fn  # type: ignore[attr-defined]  # what a report calls again
    return journaled


class LendingWait:
    """A wait of a call during which others have its slot.

    There are no more such waits at once than items that other runs have under way, so they are few threads.
    """

    __slots__ = ("_loan", "_scheduler")

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._loan: Loan | None = None

    def sleep(self, seconds: float) -> None:
        """Wait so long, or raise if nobody wants the call any more."""
        lending = self._scheduler.lending
        if self._loan is None:
            self._loan = lending.take_out()
            if self._loan is not None:
                lending.lend(self._loan, unless=lambda: False)
        sleep(seconds)

    def end(self) -> None:
        """Wait until the slot is there again, or raise if nobody wants the call any more."""
        loan, self._loan = self._loan, None
        if loan is not None:
            self._scheduler.lending.take_back(loan)
            current_scope().check()


class JournaledCollector(Ends):
    """What has become of calls that are only some of the batch's inputs, by index.

    Guarantee: a call that has failed is so in the journal before it has an outcome.  One that was ended from outside,
    since its time was up, has its outcome at once, and is in the journal soon: who ends it holds a lock.

    Args:
        batch: whose collector this is from now on.
        file: where failures go.
    """

    __slots__ = ("_failures", "_scheduler", "kept")

    def __init__(self, batch: Batch, file: JournalFile) -> None:
        super().__init__(batch.collector)
        batch.collector = self
        self.kept = 0
        """How many outcomes were put here that are of no call of this batch."""
        self._failures = file.failures
        self._scheduler = batch.scheduler

    def keep_failure(self, raw: Raw) -> None:
        """As of any, but first it is stored."""
        self._failures.keep(raw, self.usages, self.attempts)
        super().keep_failure(raw)

    def note_failure(self, raw: Raw, ended: list[bool], after: Actions) -> None:
        """As of any; has it stored, unless that was done."""
        super().note_failure(raw, ended, after)
        if raw[STATUS] in (FAILED, TIMED_OUT) and not self._failures.has(raw[INDEX]):
            store = partial(self._failures.keep_all, [raw], self.usages, self.attempts)
            after.append(partial(self._scheduler.callbacks.tell, store, "the storing of a failure"))

    def ended(self) -> int:
        """How many calls have outcomes here."""
        return super().ended() - self.kept
