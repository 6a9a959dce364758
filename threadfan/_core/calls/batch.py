"""Many calls of one function: the fast path.

Threads pull the next item themselves and write what came of it into its place.  That costs about half a microsecond a
call where a future, its condition and a wake-up cost ten to twenty, because nothing is shared but one atomic pull:

- *Who settles a call* is decided by popping its claim (see ``Session``), not by a lock.
- *When the batch is done* is decided by counting sessions, not calls (see ``WorkQueue``).
- *Waking the consumer* happens only while it says that it waits: it publishes its wish, looks again, and only then
  sleeps; a thread stores its outcome and then looks for a wish.  Whichever comes second sees the other.
"""

from __future__ import annotations

from collections import deque
from contextvars import copy_context
from functools import partial
from itertools import chain, repeat

from ..base.clock import FOREVER
from ..base.errors import TaskCancelled, describe
from ..base.outcome import CANCELLED, FAILED, SUCCEEDED
from ..base.variables import renewing
from ..events import log
from ..pool.session import QUANTUM
from ..pool.work_queue import GIL, WorkQueue
from ..scope.scope import scope_var
from .call_queue import Call, classify, perform_call, tell_end
from .collector import Collector

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextvars import Context
    from typing import Any

    from ..base.outcome import Raw, Status
    from ..base.usage import Usage
    from ..limits.waitlist import Waitlist
    from ..pool.scheduler import Scheduler
    from ..pool.session import Session
    from ..pool.work_queue import Actions, ConcurrencyLimit
    from ..scope.scope import Scope

    Entry = tuple[int, Any, float]


class Batch(WorkQueue):
    """Calls of ``fn`` on items, each with the same timeout, in copies of one context.

    Args:
        fn: called with one item.
        items: all inputs, if they are known; else they are fed.
        timeout: seconds for each call, or None.
        context: what the calls see of context variables.
        outer: the scope in which the batch is made, which ends it.
    """

    __slots__ = (
        "_left", "_shared", "collector", "context", "entries", "feeding", "fn", "name", "outer", "processor", "since",
        "until", "wanted", "wish",
    )  # fmt: skip

    def __init__(
        self,
        scheduler: Scheduler,
        group: ConcurrencyLimit,
        depth: int,
        fn: Callable[[Any], Any],
        *,
        name: str,
        items: list[Any] | None,
        timeout: float | None,
        context: Context,
        outer: Scope | None = None,
    ) -> None:
        super().__init__(scheduler, group, depth)
        self.outer = outer
        self.collector = Collector(None if items is None else len(items))
        self.until = FOREVER  # when its time is up
        self.fn = fn
        self.name = name
        self.timeout = timeout
        self.context = context
        self.since = scheduler.clock.monotonic()
        self.processor = scheduler.clock.processor()  # what had been computed by then
        self.wish: Actions = []  # what wakes the consumer, while it waits
        self.wanted: int | None = None  # the index that the consumer waits for; None: any
        self.feeding: tuple[int, list[Any], float] | None = None  # the index of the first, inputs, and when
        self.entries: deque[Entry] = deque()
        self._shared: Iterator[Entry] | None = None
        if items is not None:
            self.accepted = len(items)
            self.closed = True
            iterator: Any = iter(items)
            numbered = zip(range(len(items)), iterator, repeat(self.since), strict=False)
            if GIL:
                self._shared = numbered
                self._left = iterator.__length_hint__
            else:
                self.entries.extend(numbered)

    # -- pulling -----------------------------------------------------------------------------------------------------

    def pending(self) -> int:
        """How many calls wait to be pulled."""
        return len(self.entries) if self._shared is None else self._left()

    ready = pending

    def take(self) -> Entry | None:
        """Pull one entry, or None."""
        try:
            return next(self.pull(), None)
        except IndexError:
            return None

    def pull(self) -> Iterator[Entry]:
        """What a thread iterates over to take calls; each goes to one thread.

        One ``zip`` shared by all, where the GIL makes its ``next`` atomic.  Else a deque, whose ``popleft`` is atomic
        everywhere and ends with ``IndexError``.
        """
        return iter(self.entries.popleft, None) if self._shared is None else self._shared

    def feed(self, items: list[Any], now: float) -> None:
        """Add items, taken at ``now``; only one thread may."""
        first = self.accepted
        last = first + len(items)
        self.feeding = first, items, now
        entries = zip(range(first, last), items, repeat(now), strict=False)
        self.accepted = last
        self.entries.extend(entries)
        scheduler = self.scheduler
        # Whoever takes this queue out of the ring looks for entries after marking it, so one of us sees the other.
        # (Without a GIL its mark may become visible after its look: then only the lock tells.)
        # The same holds for whoever ends the batch: it marks first, and then cancels the entries it finds.
        if scheduler.free > 0 or not self.queued or self.ended or not GIL:
            after: Actions = []
            with scheduler.lock:
                if self.ended:
                    self.discard_late(after)
                elif self.ready():
                    scheduler.offer(self, after)
            scheduler.perform(after)
        self.feeding = None

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
            del self, session  # errors lead to this frame: leave no cycle, see ``calls``

    def _loop(self, session: Session) -> None:
        scheduler, depth, fn, results = self.scheduler, self.depth, self.fn, self.collector.results
        raw: Raw | None
        clock, claim, ended, wish, worker = (
            scheduler.clock.monotonic,
            session.claim,
            self.ended,
            self.wish,
            session.worker.name,
        )
        settle_own = claim.pop
        scope_var.set(session)
        if session.worker.set_own is not None:
            session.worker.set_own()
        one, copied = renewing(fn), copy_context
        observer, bind_index, tell = log.observer(), None, None
        if observer is not None:
            observer.set_fan(scheduler.name)
            bind_index = observer.set_index
            tell = partial(log.call_ended, scheduler.name, self.name) if observer.finished else None
        until = clock() + QUANTUM
        first, session.first = iter((session.first,)), None  # an iterator, which forgets what it has given out
        try:
            for index, item, since in chain(first, self.pull()):
                start = clock()
                claim[index] = item, since, start
                if ended:  # by somebody who may have missed this claim, as it has missed this entry
                    end = self._fail(session, index, None, CANCELLED, TaskCancelled("the batch had ended"))
                    if end is None:
                        return
                    continue
                if bind_index is not None:
                    bind_index(index)
                try:
                    raw = (index, item, since, SUCCEEDED, copied().run(one, item), start, (end := clock()), worker)
                except BaseException as error:
                    end = self._fail(session, index, start, *classify(error, clock() - start, self.timeout, fn))
                    if end is None:
                        return
                else:
                    if settle_own(index, None) is None:
                        return
                    results[index] = raw
                    if tell is not None:
                        tell(raw)
                    raw = None  # a long next call must not keep this result alive
                if wish:
                    self.notify(index)
                if scheduler.pressure > depth and (scheduler.pressure >= depth + 1 or end > until):
                    return
        except IndexError:
            return  # the deque was empty
        finally:
            del self, session, results, fn, wish, ended, claim, settle_own, tell  # leave no cycle: see ``calls``
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
        raw = (index, claim[0], claim[1], status, error, start, end, session.worker.name)
        self.store_failure(raw)
        if log.in_use():
            log.call_ended(self.scheduler.name, self.name, raw)
        return end

    def store_failure(self, raw: Raw) -> None:
        """Put an outcome without a value into its place."""
        self.collector.results[raw[0]] = raw
        after: Actions = []
        with self.scheduler.lock:
            self._note_failure(raw, after)
        self.scheduler.perform(after)

    def _note_failure(self, raw: Raw, after: Actions) -> None:
        self.failed += 1
        self.collector.note_failure(raw, self.ended, after)

    def wish_for(self, wake: Callable[[], object], *, wanted: int | None, idle: Callable[[], bool]) -> bool:
        """Have ``wake()`` called at the next outcome, or at that of index ``wanted``.

        Returns:
            False if ``idle()`` no longer holds, so there is no need to wait; ``wake`` may be called all the same.
        """
        self.wanted = wanted
        self.wish.append(wake)
        if idle():
            return True
        self.wish.clear()
        return False

    def notify(self, index: int) -> None:
        """Wake the consumer if it waits for the call ``index``."""
        if self.wanted is None or self.wanted == index:
            self._wake()

    def _wake(self) -> None:
        try:
            wake = self.wish.pop()
        except IndexError:  # another thread was first
            return
        wake()

    # -- ending ------------------------------------------------------------------------------------------------------

    def timeout_of(self, key: Any) -> float | None:
        """The same for every call."""
        return self.timeout

    def unwanted(self) -> bool:
        """Whether the scope in which the batch was made has ended."""
        return self.outer is not None and self.outer.cancelled

    def outer_of(self, key: Any) -> Scope | None:
        """The same for every call."""
        return self.outer

    def add_usage(self, key: Any, usage: Usage) -> None:
        """Only the call's own thread notes any."""
        self.collector.add_usage(self.index_of(key), usage)
        super().add_usage(key, usage)

    def limited(self, now: float) -> float:
        """Seconds in which no call could start because of a rate limit."""
        return 0.0

    def pauses(self) -> int:
        """How often its limits have had all calls pause."""
        return 0

    def limits(self) -> set[Waitlist]:
        """What its calls may stand in line for."""
        return set()

    def function_of(self, key: Any) -> str:
        """The same for every call."""
        return self.name

    def index_of(self, key: Any) -> Any:
        """The key is the index."""
        return key

    def item_of(self, entry: Any) -> Any:
        """What the outcome of an entry calls its item."""
        return entry

    def settle(self, key: Any, raw: Raw, after: Actions) -> bool:
        """Store the outcome of a call that was ended from outside."""
        self.collector.results[raw[0]] = raw
        self.failed -= 1  # counted once, below
        self._note_failure(raw, after)
        after.append(lambda: self.notify(raw[0]))
        return True

    def discard(self, reason: BaseException, after: Actions) -> None:
        """Every call not yet pulled is cancelled; other reasons than a cancel are kept for the batch to raise."""
        if not isinstance(reason, TaskCancelled):
            self.reason = reason if self.reason is None else self.reason
        self.ended.append(True)
        self.closed = True
        now = self.scheduler.clock.monotonic()
        try:
            for index, item, since in self.pull():
                error = TaskCancelled(str(reason))
                raw = (index, self.item_of(item), since, CANCELLED, error, None, now, None)
                self.collector.results[index] = raw
                self.failed += 1
                self.collector.count(CANCELLED)
        except IndexError:
            pass
        after.append(self._wake)
        self.scheduler.check_done(self, after)

    def discard_late(self, after: Actions) -> None:
        """What was fed when the batch had ended has outcomes too, and counts.  With the lock held."""
        reason = TaskCancelled("the batch had ended") if self.reason is None else self.reason
        self.discard(reason, after)
        if self.done:
            self.scheduler.count_settled(self)

    def counts(self) -> dict[Status, int]:
        """How many outcomes there are of each status."""
        return self.collector.counts(self.accepted)

    def in_order(self) -> list[Raw]:
        """The outcomes in input order, once the batch is done."""
        return self.collector.in_order(self.accepted, self._never_queued)

    def _never_queued(self, index: int) -> Raw:
        """The outcome of an input at whose feeding a signal's exception has struck: it was counted, and no more."""
        first, items, since = self.feeding or (index, [None], self.since)
        error = TaskCancelled("the batch was ended while this input was taken")
        return (index, items[index - first], since, CANCELLED, error, None, self.scheduler.clock.monotonic(), None)

    def forget(self) -> None:
        """The report is made; see ``Collector.forget``."""
        self.collector.forget()
        self.reason = self.feeding = None
        self.wish.clear()

    def orphan(self, reason: BaseException) -> None:
        """In the child of a fork: what is missing was cancelled here; the consumer gets the reason."""
        self.reason = reason
        self.closed = self.done = True
        self.entries.clear()
        now = self.scheduler.clock.monotonic()
        results = self.collector.results
        if isinstance(results, list):
            for index, raw in enumerate(results):
                if raw is None:
                    results[index] = (index, None, now, CANCELLED, TaskCancelled(str(reason)), None, now, None)
        for act in [*self.wish, *self.listeners]:
            act()


class TaskCall(Call):
    """One task of a gathering."""

    def __init__(
        self,
        item: Any,
        index: int,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        context: Context,
        timeout: float | None,
        since: float,
    ) -> None:
        self.item = item
        self.index = index
        self.fn = fn
        self.args = args
        self.kwargs = kwargs
        self.context = context
        self.timeout = timeout
        self.since = since

    def begin(self, session: Session) -> bool:
        """Nobody can take it back but the batch."""
        return True


class TaskBatch(Batch):
    """Different functions side by side: its items are ``TaskCall``s, run by the general path."""

    __slots__ = ()

    def run(self, session: Session) -> None:
        """Run calls one after another, each in its own context."""
        scheduler, depth = self.scheduler, self.depth
        until = scheduler.clock.monotonic() + QUANTUM
        observer = log.observer()
        first, session.first = iter((session.first,)), None
        raw: Raw | None = None
        call: Any = None
        try:
            for _, call, _ in chain(first, self.pull()):
                raw = perform_call(session, call, observer)
                if raw is None:
                    return
                tell_end(session, call, raw, observer)
                end = raw[6]
                if raw[3] is SUCCEEDED:
                    self.collector.results[raw[0]] = raw
                else:
                    self.store_failure(raw)
                call.forget()
                self.notify(raw[0])
                raw = call = None  # noqa: PLW2901 -- a parked thread must not keep a result alive
                if scheduler.pressure > depth and (scheduler.pressure >= depth + 1 or end > until):
                    return
        except IndexError:
            return
        finally:
            del self, session, raw, call  # leave no cycle: see ``calls``

    def settle(self, key: Any, raw: Raw, after: Actions) -> bool:
        """Store the outcome of a task that was ended from outside."""
        after.append(key.forget)
        return super().settle(key, raw, after)

    def timeout_of(self, key: Any) -> float | None:
        """The task's own."""
        return key.timeout  # type: ignore[no-any-return]

    def function_of(self, key: Any) -> str:
        """The task's own."""
        return describe(key.fn)

    def index_of(self, key: Any) -> Any:
        """The task's place among the arguments."""
        return key.index

    def item_of(self, entry: Any) -> Any:
        """The task as it was given."""
        return entry.item
