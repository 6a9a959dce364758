"""Many calls of one function: the fast path.

Threads pull the next item themselves and write what came of it into its place.  That costs about half a microsecond a
call where a future, its condition and a wake-up cost ten to twenty, because nothing is shared but one atomic pull:

- *Who settles a call* is decided by popping its claim (see ``Session``), not by a lock.
- *When the batch is done* is decided by counting sessions, not calls (see ``WorkQueue``).
- *Waking whoever waits for outcomes* happens only while somebody says so (see ``Reader``).
"""

from __future__ import annotations

from contextvars import copy_context
from functools import partial
from itertools import chain, repeat

from ..base.clock import FOREVER
from ..base.errors import TaskCancelled
from ..base.locks import GIL
from ..base.outcome import CANCELLED, FAILED, INDEX, SUCCEEDED
from ..base.variables import renewing
from ..events import log
from ..pool.work_queue import QUANTUM, WorkQueue, why_ended
from ..scope.scope import scope_var
from .barring import turned_away
from .classifying import classify
from .collector import Collector
from .inputs import Inputs
from .reader import Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence, Sized
    from contextvars import Context
    from typing import Any

    from ..base.attempt import Status
    from ..base.generic import OneInput
    from ..base.outcome import Raw
    from ..base.usage import Usage
    from ..pool.scheduler import Scheduler
    from ..pool.terms import Key
    from ..pool.work_queue import Actions, ConcurrencyLimit, Session
    from ..scope.scope import Scope
    from .inputs import Entry


class Batch(WorkQueue):
    """Calls of ``fn`` on items, each with the same timeout, in copies of one context.

    Args:
        fn: called with one item.
        items: all inputs, if they are known; else they are fed.
        numbers: the index of each, if it is not its place among them.
        timeout: seconds for each call, or None.
        context: what the calls see of context variables.
        outer: the scope in which the batch is made, which ends it.
    """

    __slots__ = (
        "barred", "collector", "context", "entries", "fn", "inputs", "processor", "reader", "self_fed", "since",
        "to_pause", "until", "withdrawn",
    )  # fmt: skip

    scheduler: Scheduler
    accepted: int
    closed: bool
    failed: int
    each: int | None = None  # with by=: how many calls of one key may run at once
    most_of_a_key: Callable[[], int] | None = None  # how many calls a key has at most, if each has a rate

    def __init__(
        self,
        scheduler: Scheduler,
        cap: ConcurrencyLimit,
        depth: int,
        fn: OneInput,
        *,
        name: str,
        items: list[Any] | None,
        timeout: float | None,
        context: Context,
        outer: Scope | None = None,
        numbers: list[int] | None = None,
    ) -> None:
        super().__init__(scheduler, cap, depth)
        self.outer = outer
        self.collector: Collector = Collector(None if items is None else len(items))
        self.until: float = FOREVER  # when its time is up
        self.fn: OneInput = fn
        self.name = name
        self.timeout = timeout
        self.context: Context = context
        self.self_fed: bool = False  # by a thread of the library's, for which whoever closes the fan waits
        self.barred: list[bool] = []  # not empty: a call that has just been taken asks ``barring``
        self.to_pause: bool = False  # what was asked for last
        self.withdrawn: set[int] = set()  # calls that were cancelled while a thread was about to start them
        self.since: float = scheduler.clock.monotonic()
        self.processor: float = scheduler.clock.processor()  # what had been computed by then
        self.reader: Reader = Reader()
        self.inputs: Inputs = Inputs(items, self.since, numbers)
        self.entries: Sized = self.inputs.entries  # those that were fed and not pulled yet
        if items is not None:
            self.accepted = len(items)
            self.closed = True

    # -- pulling -----------------------------------------------------------------------------------------------------

    def pending(self) -> int:
        """How many calls wait to be pulled."""
        return self.inputs.left()

    def ready(self) -> int:
        """The same, unless it is paused."""
        return 0 if self.paused else self.inputs.left()

    def unfinished(self) -> bool:
        """Whether inputs may follow that nobody else waits for."""
        return self.self_fed and not self.closed

    def take(self) -> Entry | None:
        """Pull one entry, or None."""
        return self.inputs.take()

    def feed(self, items: list[Any], now: float, numbers: Sequence[int] | None = None) -> None:
        """Add items, taken at ``now``; only one thread may.

        Args:
            numbers: the index of each, if it is not how many were added before.
        """
        first, inputs = self.accepted, self.inputs
        last = first + len(items)
        inputs.feeding = first, items, now
        entries = zip(numbers or range(first, last), items, repeat(now), strict=False)
        self.accepted = last
        inputs.entries.extend(entries)
        scheduler = self.scheduler
        # Whoever takes this queue out of the ring looks for entries after marking it, so one of us sees the other.
        # (Without a GIL its mark may become visible after its look: then only the lock tells.)
        # The same holds for whoever ends the batch: it marks first, and then cancels the entries it finds.
        if scheduler.slots.free > 0 or not self.queued or self.ended or not GIL:
            after: Actions = []
            with scheduler.lock:
                if self.ended:
                    self.discard_late(after)
                elif self.ready():
                    scheduler.offer(self, after)
            scheduler.perform(after)
        inputs.feeding = None

    def close(self) -> None:
        """No more items will be fed."""
        after: Actions = []
        with self.scheduler.lock:
            self.closed = True
            self.scheduler.check_done(self, after)
        self.scheduler.perform(after)

    # -- running -----------------------------------------------------------------------------------------------------

    def run(self, session: Session) -> None:
        """Pull and run calls, in a context that none of the caller's or of other threads' changes reach."""
        try:
            self.context.copy().run(self._loop, session)
        finally:
            del self, session  # errors lead to this frame: leave no cycle, see ``call_queue``

    def _loop(self, session: Session) -> None:
        scheduler, depth, fn, results = self.scheduler, self.depth, self.fn, self.collector.results
        run_queue, reader = scheduler.run_queue, self.reader
        raw: Raw | None
        clock, claim, barred, worker = scheduler.clock.monotonic, session.claim, self.barred, session.worker.thread.name
        settle_own, wakes = claim.pop, reader.wakes
        scope_var.set(session)
        if session.worker.set_own is not None:
            session.worker.set_own()
        one, copied = renewing(fn), copy_context
        observer, bind_index, tell = log.observer(), None, None
        if observer is not None:
            observer.set_fan(scheduler.name)
            bind_index = observer.set_index
            tell = partial(log.call_ended, scheduler.name, self.name) if observer.finished else None
            if observer.tracing is not None:
                from .traced import traced_input  # on first use, as it needs what few have

                one = traced_input(observer.tracing, session, one)
        until = clock() + QUANTUM
        first, session.first = iter((session.first,)), None  # an iterator, which forgets what it has given out
        try:
            for index, item, since in chain(first, self.inputs.pull()):
                start = clock()
                claim[index] = item, since, start
                if barred:  # by somebody who may have missed this claim, as it has missed this entry
                    why = turned_away(self, session, index)
                    if why:
                        self._fail(session, index, None, CANCELLED, TaskCancelled(why))
                        reader.tell(index)
                    if why is not None:
                        return
                if bind_index is not None:
                    bind_index(index)
                try:
                    raw = (index, item, since, SUCCEEDED, copied().run(one, item), start, (end := clock()), worker)
                except BaseException as error:
                    failed = self._fail(session, index, start, *classify(error, clock() - start, self.timeout, fn))
                    if failed is None:
                        return
                    end = failed
                else:
                    if settle_own(index, None) is None:
                        return
                    results[index] = raw
                    if tell is not None:
                        tell(raw)
                    raw = None  # a long next call must not keep this result alive
                if wakes:
                    reader.tell(index)
                if run_queue.pressure > depth and (run_queue.pressure >= depth + 1 or end > until):
                    return
        except IndexError:
            return  # the deque was empty
        finally:
            del self, session, results, fn, barred, claim, settle_own, tell  # leave no cycle: see ``call_queue``
            del reader, wakes
            item = raw = None

    def _fail(
        self, session: Session, index: int, start: float | None, status: Status, error: BaseException
    ) -> float | None:
        """Settle a call without a value; the end of the call, or None if somebody else has settled it."""
        if status is not FAILED:
            session.end_scope(index)
        claim = session.claim.pop(index, None)
        if claim is None:
            return None
        session.forget_scope()
        end = self.scheduler.clock.monotonic()
        raw = (index, claim[0], claim[1], status, error, start, end, session.worker.thread.name)
        self.store_failure(raw)
        if log.in_use():
            log.call_ended(self.scheduler.name, self.name, raw)
        return end

    def store_failure(self, raw: Raw) -> None:
        """Put an outcome without a value into its place.  In a worker, without the lock."""
        self.collector.keep_failure(raw)
        after: Actions = []
        with self.scheduler.lock:
            self._note_failure(raw, after)
        self.scheduler.perform(after)

    def _note_failure(self, raw: Raw, after: Actions) -> None:
        self.failed += 1
        self.collector.note_failure(raw, self.ended, after)
        if self.ended and not self.barred:
            self.barred.append(True)

    def put_back(self, entry: Entry) -> None:
        """An input was taken, and is not to start yet.  With the lock held."""
        self.inputs.entries.appendleft(entry)

    # -- ending ------------------------------------------------------------------------------------------------------

    def add_usage(self, key: Key, usage: Usage) -> None:
        """Only the call's own thread notes any."""
        self.collector.add_usage(self.index_of(key), usage)
        super().add_usage(key, usage)

    def index_of(self, key: Key) -> Any:
        """The key is the index."""
        return key

    def item_of(self, entry: Any) -> Any:
        """What the outcome of an entry calls its item."""
        return entry

    def settle(self, key: Key, raw: Raw, after: Actions) -> bool:
        """Store the outcome of a call that was ended from outside."""
        self.collector.results[raw[INDEX]] = raw
        self.failed -= 1  # counted once, below
        self._note_failure(raw, after)
        after.append(partial(self.reader.tell, raw[INDEX]))
        return True

    def discard(self, reason: BaseException, after: Actions) -> None:
        """Every call not yet pulled is cancelled."""
        self._end(reason)
        try:
            for entry in self.inputs.pull():
                self.drop_input(entry, TaskCancelled(str(reason)))
        except IndexError:
            pass
        after.append(self.reader.wake)
        self.scheduler.check_done(self, after)

    def drop_input(self, entry: Entry, error: TaskCancelled) -> None:
        """An input that was not pulled is cancelled.  With the lock held."""
        index, item, since = entry
        now = self.scheduler.clock.monotonic()
        self.collector.results[index] = (index, self.item_of(item), since, CANCELLED, error, None, now, None)
        self.failed += 1
        self.collector.count(CANCELLED)

    def _end(self, reason: BaseException) -> None:
        """Start no further call; other reasons than a cancel are kept for the batch to raise.  With the lock held."""
        if not isinstance(reason, TaskCancelled):
            self.reason = reason if self.reason is None else self.reason
        self.ended.append(True)
        self.barred.append(True)
        self.closed = True

    def discard_late(self, after: Actions) -> None:
        """What was fed when the batch had ended has outcomes too, and counts.  With the lock held."""
        reason = TaskCancelled(why_ended(self)) if self.reason is None else self.reason
        self.discard(reason, after)
        if self.done:
            self.scheduler.forget(self)

    def total(self) -> int | None:
        """How many calls there are; None as long as inputs still come."""
        return self.accepted if self.closed else None

    def counts(self) -> dict[Status, int]:
        """How many outcomes there are of each status."""
        return self.collector.counts(self.accepted)

    def in_order(self) -> list[Raw]:
        """The outcomes in input order, once the batch is done."""
        now = self.scheduler.clock.monotonic()
        return self.collector.in_order(self.accepted, lambda index: self.inputs.never_queued(index, self.since, now))

    def forget(self) -> None:
        """The report is made; see ``Collector.forget``."""
        self.collector.forget()
        self.reason = self.inputs.feeding = None
        self.reader.clear()

    def orphan(self, reason: BaseException) -> None:
        """In the child of a fork: what is missing was cancelled here; the consumer gets the reason."""
        self.reason = reason
        self.closed = self.done = True
        self.inputs.entries.clear()
        now = self.scheduler.clock.monotonic()
        results = self.collector.results
        if isinstance(results, list):
            for index, raw in enumerate(results):
                if raw is None:
                    results[index] = (index, None, now, CANCELLED, TaskCancelled(str(reason)), None, now, None)
        for act in [*self.reader.waiting(), *self.listeners]:
            act()
