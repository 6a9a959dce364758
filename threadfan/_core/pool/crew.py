"""The threads that carry slots: which of them wait, and how others are woken or started.

Guarantee: no slot stays free while a call could use it, and no call waits for a thread that is parked.  A worker that
starts wakes the next if more is left, and whoever frees a slot passes it on under the same lock.
"""

from __future__ import annotations

from functools import partial
from itertools import count

from ..base.locks import aside
from ..base.threads import check_depth
from .starts import Starts
from .work_queue import Session
from .worker import Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from .run_queue import RunQueue
    from .slots import Slots
    from .work_queue import Actions, ConcurrencyLimit, Owner, WorkQueue


class Crew:
    """Of one scheduler.  Guarded by its lock: every change but ``coming.pop``.

    Args:
        work: what a worker does, in its thread.
        prefix: of the names of the threads.
        threads: those that whoever closes the fan waits for.
        at_work: the sessions that hold slots or have lent them.
    """

    def __init__(
        self,
        owner: Owner,
        slots: Slots,
        run_queue: RunQueue,
        *,
        work: Callable[[Worker], object],
        prefix: str,
        threads: set[threading.Thread],
        at_work: set[Session],
    ) -> None:
        self.owner = owner
        self.slots = slots
        self.run_queue = run_queue
        self.threads = threads
        self.at_work = at_work
        self.idle: list[Worker] = []  # parked; last in first out, for warm caches
        self.coming: dict[Worker, Session] = {}  # those that were sent to a queue, and are not there yet
        self.workers: set[Worker] = set()
        self.going_home: bool = False  # a worker that has nothing to do ends
        self.starts: Starts = Starts(self)
        self._work = work
        self._prefix = prefix
        self._names = count()

    # -- slots that are free: with the lock held ---------------------------------------------------------------------

    def release(self, after: Actions) -> None:
        """Pass one slot on: to a lender, to a parked or new worker if calls are pending, else keep it free."""
        self.slots.free += 1
        if self.slots.free == 0:  # there were fewer slots than calls, and now there are as many
            self.slots.press()
        self.hand_out(after)

    def leave_cap(self, cap: ConcurrencyLimit, after: Actions) -> None:
        """One call fewer runs under a cap, and others may start."""
        if cap.active == cap.limit:
            after.append(self._fill_up)
        cap.active -= 1

    def hand_out(self, after: Actions) -> None:
        """Give free slots to those who can use them."""
        if self.slots.lenders:
            self.slots.serve(after)
        self.grant_if_needed(after)

    def grant_if_needed(self, after: Actions) -> None:
        """Wake or start a worker if there is a slot and a call for it, and none is on its way who would."""
        if self.slots.free <= 0 or self.slots.waking or self.coming:
            return
        if self.run_queue.rings and self.run_queue.has_work():
            self.grant(after)

    def grant(self, after: Actions, *, eager: bool = False) -> None:
        """Wake a parked worker with a slot, or start a new one with it, unless that was refused just now."""
        if not self.idle and not self.starts.allowed(after):
            return
        # What may fail near the recursion limit comes first, and the counters change when nothing of it has.
        slots = self.slots
        if self.idle:
            worker = self.idle[-1]
            after.append(worker.wake)
            self.idle.pop()
            worker.woken = True
        else:
            check_depth()
            worker = Worker(self._work, f"{self._prefix}_{next(self._names)}")
            self.workers.add(worker)
            self.threads.add(worker.thread)
            after.append(partial(self.starts.start, worker, eager))
        slots.free -= 1
        slots.waking += 1

    def send(self, queue: WorkQueue, after: Actions) -> bool:
        """Have a parked worker come straight to ``queue`` with a slot; False if there is more to decide than that.

        The way of a call that finds the fan with nothing to do: nobody has to choose, so the queue does not go through
        the run queue.  The call stays where it is until somebody takes it, this worker when it is there at the latest.
        """
        slots, idle, cap = self.slots, self.idle, queue.cap
        if not idle or slots.free <= 0 or slots.waking or self.coming or cap.active >= cap.limit:
            return False
        if self.run_queue.pressure >= 0:  # others wait for a slot
            return False
        worker, at_work = idle[-1], self.at_work
        session = Session(self.owner, worker, queue)
        after.append(worker.wake)
        # From here on nothing is called, so that no signal's exception comes in between: all of it is done, or nothing.
        del idle[-1]
        worker.parked = False
        self.coming[worker] = session
        at_work |= {session}
        slots.free -= 1
        queue.active += 1
        cap.active += 1
        return True

    def look(self, now: float, after: Actions) -> float:
        """Try again to start a thread, if that was refused and it is time to; when to look next."""
        moment, again = self.starts.look(now, after)
        if again:
            self.grant_if_needed(after)  # a start that is refused plans the next look
        return moment

    # -- workers: with the lock held ---------------------------------------------------------------------------------

    def park(self, worker: Worker) -> None:
        """It has nothing to do."""
        if len(self.idle) < self.slots.total and not self.going_home and not worker.visiting:
            worker.parked = True
            self.idle.append(worker)
        else:  # one too many, after calls that waited for others, or come back late
            worker.retired = True
            self.workers.discard(worker)
            if not self.going_home:  # whoever closes the fan goes through the set to join them
                self.threads.discard(worker.thread)

    def shrink(self, after: Actions) -> None:
        """There are fewer slots: let those end that are parked beyond their number, the longest parked first."""
        while len(self.idle) > self.slots.total and not self.going_home:
            worker = self.idle.pop(0)
            worker.parked, worker.retired = False, True
            self.workers.discard(worker)
            self.threads.discard(worker.thread)
            after.append(partial(worker.inbox.put, False))

    def forget(self, worker: Worker, after: Actions) -> None:
        """It ends, and is not woken any more."""
        if worker.parked and worker in self.idle:
            self.idle.remove(worker)
        self.workers.discard(worker)
        if self.going_home:
            self.send_home(after)

    def send_home(self, after: Actions) -> None:
        """Let those that have nothing to do end: one after the other, each sent by the one before.

        Thousands that are woken at once tread on each other's feet, and take five times as long.
        """
        self.going_home = True
        if self.idle:
            worker = self.idle.pop()
            worker.parked = False
            after.append(partial(worker.inbox.put, False))

    def mend(self, after: Actions) -> None:
        """Workers know what they are: the numbers and lists that are kept of them are set right by that.

        To wake a worker twice does no harm.
        """
        woken = [worker for worker in self.workers if worker.woken]
        self.slots.waking = len(woken)
        seen = set(self.idle)
        parked = [*self.idle, *(worker for worker in self.workers if worker not in seen)]
        self.idle = [worker for worker in parked if worker.parked and not worker.woken]
        after.extend(partial(self.starts.wake_again, worker) for worker in (*woken, *self.coming))

    def forked(self) -> None:
        """In the child of a fork: one of them, if it was a call that forked, lives on until that returns."""
        for worker in self.workers:
            worker.ident, worker.retired = 0, True

    # -- without it --------------------------------------------------------------------------------------------------

    def arrive(self, worker: Worker) -> Session | None:
        """The stay that a worker was sent to, if it was; it wakes the next one if more is to be done by now."""
        session = self.coming.pop(worker, None)  # first: whoever hands something in looks whether anybody comes
        if session is not None and self.run_queue.rings:
            self._fill_up()
        return session

    def recruit(self, queue: WorkQueue) -> None:
        """Start threads while there are slots and pending calls for them."""
        if not self.idle and self.slots.free > 0:  # else there is nothing to start
            aside(partial(_recruit, self, queue))

    def borrow(self, worker: Worker) -> bool:
        """Keep a parked worker from being woken, for it has something else to do; False if it was woken by now."""
        with self.owner.lock:
            if worker not in self.idle:
                return False
            self.idle.remove(worker)
        return True

    def give_back(self, worker: Worker) -> None:
        """It has done that."""
        after: Actions = []
        with self.owner.lock:
            self.park(worker)
            self.grant_if_needed(after)
        self.owner.perform(after)

    def recruit_one(self, queue: WorkQueue) -> bool:
        """Start one; False if there is none to start."""
        after: Actions = []
        with self.owner.lock:
            if self.idle or self.slots.free <= 0 or not queue.ready() or queue.cap.active >= queue.cap.limit:
                return False
            if not self.starts.allowed(after):
                return False
            self.grant(after)
        self.owner.perform(after)
        return True

    def _fill_up(self) -> None:
        """Calls may start that could not before."""
        after: Actions = []
        with self.owner.lock:
            self.hand_out(after)
        self.owner.perform(after)


def _recruit(crew: Crew, queue: WorkQueue) -> None:
    while crew.recruit_one(queue):
        pass
