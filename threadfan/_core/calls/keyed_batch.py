"""A batch of which no more than so many calls run at once for each key of its inputs: ``by=``.

Its loop is that of ``Batch``, with a seat before and after each call, see ``keyed_inputs``.

Guarantee: of one key never more calls run than it has seats, those not counted that are over although their threads
are stuck.  Whoever has ended a call frees its seat.
"""

from __future__ import annotations

from contextvars import copy_context
from functools import partial
from itertools import chain

from ..base.errors import TaskCancelled
from ..base.locks import GIL
from ..base.outcome import CANCELLED, INDEX, SUCCEEDED
from ..base.variables import renewing
from ..events import log
from ..pool.work_queue import QUANTUM
from ..scope.scope import scope_var
from .barring import CANCELLED_ALONE, bar, turned_away
from .batch import Batch
from .classifying import classify
from .keyed_inputs import KeyedInputs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextvars import Context

    from ..base.generic import OneInput
    from ..base.outcome import Raw
    from ..pool.scheduler import Scheduler
    from ..pool.terms import Key
    from ..pool.work_queue import Actions, ConcurrencyLimit, Session
    from ..scope.scope import Scope
    from .inputs import Entry
    from .keyed_inputs import Seats
    from .keys import By


class KeyedBatch(Batch):
    """Calls of one function under no policies.

    Args:
        by: says the key of an input.
        most: how many calls of one key may run at once.
    """

    __slots__ = ("each",)

    inputs: KeyedInputs

    def __init__(
        self,
        scheduler: Scheduler,
        cap: ConcurrencyLimit,
        depth: int,
        fn: OneInput,
        *,
        by: By,
        most: int,
        name: str,
        items: list[object] | None,
        timeout: float | None,
        context: Context,
        outer: Scope | None = None,
        numbers: list[int] | None = None,
    ) -> None:
        super().__init__(
            scheduler, cap, depth, fn, name=name, items=items, timeout=timeout, context=context, outer=outer
        )
        self.each = most
        self.inputs = KeyedInputs(items, self.since, numbers, by=by, most=most)
        self.entries = self.inputs.entries

    # -- pulling: with the lock held, but for ``feed`` -----------------------------------------------------------------

    def pending(self) -> int:
        """How many calls wait to be pulled, or for a seat."""
        inputs = self.inputs
        return inputs.left() + len(inputs.ready) + inputs.waiting

    def ready(self) -> int:
        """How many may have a seat; none while it is paused."""
        return 0 if self.paused else self.inputs.left() + len(self.inputs.ready)

    def put_back(self, entry: Entry) -> None:
        """An input was taken, and is not to start yet: it keeps its seat."""
        self.inputs.put_ready(entry)

    def feed(self, items: list[object], now: float, numbers: Sequence[int] | None = None) -> None:
        """See ``Batch``."""
        self.inputs.add(items, numbers or range(self.accepted, self.accepted + len(items)))
        super().feed(items, now, numbers)

    # -- running: without the lock -------------------------------------------------------------------------------------

    def _loop(self, session: Session) -> None:
        """That of ``Batch``, and a seat before and after each call; a test holds the two to the same outcomes."""
        scheduler, depth, fn, results = self.scheduler, self.depth, self.fn, self.collector.results
        run_queue, reader, inputs = scheduler.run_queue, self.reader, self.inputs
        seats_by, missed, fed = inputs.seats, inputs.missed, inputs.fed
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
        until = (end := clock()) + QUANTUM
        entry: Entry | None
        entry, session.first = session.first, None
        try:
            while entry is not None:
                first, entry = iter((entry,)), None  # an iterator, which forgets what it has given out
                seated = True  # this one is
                for index, item, since in chain(first, inputs.pull() if GIL else ()):
                    seats = seats_by[index]
                    if seated:
                        seated = False
                    else:
                        try:
                            seats.pop()
                        except IndexError:
                            missed.append((index, item, since))
                            entry = self._missed(index, seats)
                            end = clock()
                            if entry is not None:
                                break
                            continue
                    start = clock() if fed else end  # of the call before, if this input was there by then
                    claim[index] = item, since, start
                    if barred:  # by somebody who may have missed this claim, as it has missed this entry
                        why = turned_away(self, session, index)
                        if why and self._fail(session, index, None, CANCELLED, TaskCancelled(why)) is not None:
                            self._free_unbegun(index)
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
                    if missed:
                        if (entry := self._next(index, seats, True)) is not None:
                            end = clock()
                            break
                    else:
                        seats.append(None)
                        if missed and (entry := self._next(index, seats, False)) is not None:
                            end = clock()
                            break
                    if run_queue.pressure > depth and (run_queue.pressure >= depth + 1 or end > until):
                        return
        except IndexError:
            return  # the deque was empty
        finally:
            del self, session, results, fn, barred, claim, settle_own, tell  # leave no cycle: see ``call_queue``
            del reader, wakes, inputs, seats_by, missed
            item = raw = entry = None

    def _missed(self, index: int, seats: Seats) -> Entry | None:
        """An input was pulled, and its key has no seat; one to go on with, if there is one among the next."""
        after: Actions = []
        found = None
        with self.scheduler.lock:
            self.inputs.look(seats)
            if index in self.withdrawn:  # whoever cancelled it has not seen it
                entry = self.inputs.take_out(index)
                if entry is not None:
                    self.withdrawn.discard(index)
                    self.drop_input(entry, TaskCancelled(CANCELLED_ALONE))
                    after.append(partial(self.reader.tell, index))
                    bar(self)
            if self.ended:  # the same of whoever ended it
                self.discard_late(after)
            else:
                found = self.inputs.take()
        self.scheduler.perform(after)
        return found

    def _next(self, index: int, seats: Seats, in_hand: bool) -> Entry | None:
        """A call has ended: an input that has waited for its seat, or for another, with which this thread goes on.

        Args:
            in_hand: whether the seat is still to be freed.
        """
        inputs, run_queue = self.inputs, self.scheduler.run_queue
        inputs.forget_seats(index)
        with self.scheduler.lock:
            served = inputs.free(seats) if in_hand else inputs.look(seats)
            if not served and GIL:
                return None
            if run_queue.pressure <= self.depth:
                return inputs.take()
            if not self.queued and self.ready():  # others may go first
                run_queue.enlist(self)
        return None

    def _free_unbegun(self, index: int) -> None:
        """A call has ended that was taken, and not begun."""
        after: Actions = []
        with self.scheduler.lock:
            self._free(index, after)
        self.scheduler.perform(after)

    # -- ending: with the lock held ------------------------------------------------------------------------------------

    def _free(self, index: int, after: Actions) -> None:
        seats = self.inputs.seats[index]
        self.inputs.forget_seats(index)
        if self.inputs.free(seats):
            self.scheduler.offer(self, after)

    def settle(self, key: Key, raw: Raw, after: Actions) -> bool:
        """Store the outcome of a call that was ended from outside."""
        final = super().settle(key, raw, after)
        self._free(raw[INDEX], after)
        return final

    def discard(self, reason: BaseException, after: Actions) -> None:
        """Every call not yet begun is cancelled."""
        self.inputs.discard()
        super().discard(reason, after)

    def drop_input(self, entry: Entry, error: TaskCancelled) -> None:
        """An input that was not pulled is cancelled."""
        super().drop_input(entry, error)
        self.inputs.forget_seats(entry[0])

    def orphan(self, reason: BaseException) -> None:
        """In the child of a fork: what is missing was cancelled here."""
        self.inputs.forget_held()
        super().orphan(reason)
