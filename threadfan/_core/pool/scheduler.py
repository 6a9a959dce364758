"""The scheduler: slots, the queues that wait for them, and the threads that carry them.

What it guarantees:

- Never more than ``slots`` calls run.  A slot is a token: it is free, or carried by a worker that was woken with it, or
  held by a session.  A call that waits for other calls of this scheduler *lends* its slot; a call that timed out loses
  it.
- No slot stays free while a call could use it, and no call waits for a thread that is parked: a worker that starts
  wakes the next if more is left, and whoever frees a slot passes it on under the same lock.
- A lender is first to take a slot back.  Then deeper queues go before shallower ones, and what a call waits for is
  deeper than the call: whenever a new call starts at some depth, each call that waits there waits for one that runs,
  so threads stay within slots x (depth + 1).
- Queues of one depth take turns: after each call a thread leaves if others wait and its quantum is over.

Decisions are made under ``lock``; whatever they call for (waking, starting threads, callbacks) is collected in a list,
``after``, and done when the lock is released.  The lock guards every attribute that is not fixed by ``__init__``.

In the main thread a signal's exception may cut such a decision in two (see ``base.locks``).  What ends calls is done
aside, therefore.  What hands calls in is done where it is, since that has to be cheap, and two things make it whole
again: counters change in the instruction before the one that does what they count, and whoever lets the exception pass
says so (``cut_short``), whereupon ``mend`` counts the slots anew and wakes whoever should have been woken.
"""

from __future__ import annotations

import _thread
from collections import deque
from concurrent.futures._base import LOGGER
from concurrent.futures.thread import BrokenThreadPool
from contextlib import suppress
from functools import partial
from itertools import count

from ..base import forks, last
from ..base.clock import FOREVER
from ..base.errors import TaskCancelled
from ..base.locks import Lock, aside, bare, takes_signals
from ..base.logs import CRITICAL, say
from ..base.outcome import FAILED
from ..base.threads import check_depth, started
from ..calls.call_queue import Call, CallQueue
from ..calls.future import Future
from ..scope.alarms import set_alarm
from . import shutdown as lifecycle
from .callbacks import Callbacks
from .deadline_timer import DeadlineTimer
from .lending import Lending
from .session import Session, here
from .starts import Starts
from .work_queue import ConcurrencyLimit
from .worker import Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from queue import SimpleQueue
    from typing import Any

    from ..base.clock import Clock
    from ..calls.policies import Policies
    from ..policies.adaptive import Adaptive
    from .work_queue import Actions, WorkQueue


class Scheduler:
    """The slots, queues and threads of one fan; outlives the fan until its last call is done."""

    future = Future
    """What ``submit`` makes; here for those who must not import it before there is a fan."""

    def __init__(
        self,
        *,
        slots: int,
        prefix: str,
        name: str,
        initializer: Callable[..., object] | None,
        initargs: tuple[Any, ...],
        max_abandoned: int,
        clock: Clock,
        threads: set[threading.Thread],
        adaptive: Adaptive | None = None,
    ) -> None:
        self.slots = slots
        self.adaptive = adaptive
        self.name = name
        self.clock = clock
        self.max_abandoned = max_abandoned
        self.group = ConcurrencyLimit()
        self.threads = threads
        self._prefix = prefix
        self._initializer = initializer
        self._initargs = initargs
        if initializer is not None:
            from ..base import variables  # noqa: F401  # not first in a thread of ours, where a fork may catch the import
        self.anchor: object = None  # something of the fan's that must live as long as the scheduler
        self.reset()
        lifecycle.register(self)
        forks.renew(self, Scheduler._forked)

    def reset(self) -> None:
        """Back to a scheduler that has not run anything: at the start, and in the child of a fork."""
        self.lock = Lock()
        self.torn = False  # an exception has cut a decision in two, which is to be mended
        self.handed_over: deque[Callable[[], object]] = deque()  # by finalizers that could have no thread
        self.free = self.slots
        self.waking = 0  # slots given to workers that have not chosen a queue yet
        self.idle: list[Worker] = []  # parked; last in first out, for warm caches
        self.workers: set[Worker] = set()
        self.rings: dict[int, deque[WorkQueue]] = {}  # by depth: the queues that have calls pending
        self.queues: set[WorkQueue] = set()  # all that are not done
        self.lending = Lending(self)
        self.pressure = -1.0  # see press
        self.draining: set[Session] = set()  # whose calls count as running
        self.lost: set[Session] = set()  # whose calls were ended from outside and have not come back
        self.abandoned: set[Session] = set()  # those of them whose threads were replaced
        self.retries = 0  # attempts after the first
        self.tokens = [0, 0]  # in and out, as attached clients have noted them
        self.settled = [0, 0]  # calls of queues that are done: all, and those without a value
        self.closing = last.exiting()
        self.dismissed = False  # closing, and the threads were sent home
        self.broken: str | bool = False
        self.group._forked()
        self.quiet_gates: list[SimpleQueue[None]] = []
        self.starts = Starts(self)
        self.timer = DeadlineTimer(self)
        self.callbacks = Callbacks(f"{self.name}-callbacks", set_alarm, self.starts.warn)
        self.threads.clear()
        self._names = count()

    def perform(self, after: Actions) -> None:
        """Do what was decided under the lock; one that fails does not keep the others from happening.

        A signal's exception that falls into it is raised when all is done.
        """
        struck: BaseException | None = None
        for act in after:
            try:
                act()
            except BaseException as error:
                if takes_signals():
                    struck = error
                else:
                    say(LOGGER, CRITICAL, "an action of the scheduler failed", error=error)
        while self.handed_over:
            try:
                act = self.handed_over.popleft()
            except IndexError:  # another thread was faster
                break
            act()
        if struck is not None:
            self.cut_short()
            try:
                raise struck
            finally:
                del struck  # the traceback holds this frame: leave no cycle

    def hand_over(self, act: Callable[[], object]) -> None:
        """Have ``act()`` done in a thread that holds no lock.

        For finalizers: the garbage collector may run them anywhere, also while this very thread holds the lock.
        """
        try:
            _thread.start_new_thread(bare, (act,))
        except RuntimeError:  # there are no more: then by whoever comes next
            self.handed_over.append(act)

    # -- what an exception has cut in two ----------------------------------------------------------------------------

    def cut_short(self) -> None:
        """An exception may have cut a decision of this thread's in two: have it mended.

        In a thread of its own, which signals do not reach and whose stack is not almost full, as this one's may be if a
        ``RecursionError`` comes out of it.  If that cannot be had now, whoever makes the next decision mends.
        """
        self.torn = True
        with suppress(RuntimeError):
            _thread.start_new_thread(bare, (self._mend,))

    def _mend(self) -> None:
        after: Actions = []
        with self.lock:
            if self.torn:
                self.mend(after)
        self.perform(after)

    def mend(self, after: Actions) -> None:
        """Count anew what can be counted, and do again what may not have been done.  With the lock held.

        Workers and sessions know what they are; the numbers and lists that are kept of them are set right by that.  To
        wake a worker twice does no harm.
        """
        self.torn = False
        woken = [worker for worker in self.workers if worker.woken]
        self.waking = len(woken)
        seen = set(self.idle)
        parked = [*self.idle, *(worker for worker in self.workers if worker not in seen)]
        self.idle = [worker for worker in parked if worker.parked and not worker.woken]
        self.free = self.slots - self.waking - sum(session.holds for session in self.draining | self.lost)
        self.rings = {}
        for queue in list(self.queues):
            queue.queued = False
            queue.mend()
            if queue.ready():
                self.enlist(queue)
            self.check_done(queue, after)
        self.press()
        after.extend(partial(self._wake_again, worker) for worker in woken)
        self.lending.serve(after)
        self.grant_if_needed(after)
        if self.dismissed:
            self._send_home(after)

    def _wake_again(self, worker: Worker) -> None:
        worker.inbox.put(True)
        self._start(worker, eager=False)

    # -- what callers do ---------------------------------------------------------------------------------------------

    def hand_in(self, call: Call, group: ConcurrencyLimit, policies: Policies | None) -> None:
        """Queue a single call and have it worked on.

        Raises:
            RuntimeError: the fan is shut down, or broken.
        """
        after: Actions = []
        try:
            with self.lock:
                taken = not (self.closing or self.broken)
                if taken:
                    self.calls(group, 0, policies).add(call, after)
            if after:
                self.perform(after)
        except BaseException:
            self.cut_short()
            raise
        if not taken:  # there is nothing to mend
            with self.lock:
                self.check_open()

    def offer(self, queue: WorkQueue, after: Actions, *, eager: bool = False) -> None:
        """Have ``queue`` worked on: it has calls pending.  With the lock held.

        ``eager`` starts a thread for each pending call that no woken worker will take, as ``submit`` promises; else the
        workers wake each other.
        """
        if self.torn:
            self.mend(after)
        if not queue.queued:
            self.enlist(queue)
        if self.free > 0 and (not self.waking or (eager and not self.idle and self.waking < queue.ready())):
            self._grant(after, eager=eager)

    def enlist(self, queue: WorkQueue) -> None:
        """Put ``queue`` into its ring, and wake nobody.  With the lock held."""
        ring = self.rings.get(queue.depth)
        if ring is None:
            ring = self.rings[queue.depth] = deque()
        ring.append(queue)
        queue.queued = True
        self.press()

    def recruit(self, queue: WorkQueue) -> None:
        """Start threads while there are slots and pending calls for them."""
        aside(partial(self._recruit, queue))

    def _recruit(self, queue: WorkQueue) -> None:
        while self._recruit_one(queue):
            pass

    def _recruit_one(self, queue: WorkQueue) -> bool:
        after: Actions = []
        with self.lock:
            if self.idle or self.free <= 0 or not queue.ready() or queue.group.active >= queue.group.limit:
                return False
            if not self.starts.allowed(after):
                return False
            self._grant(after)
        self.perform(after)
        return True

    def turn(self, worker: Worker, left: Session | None) -> Session | None:
        """Leave one queue and enter the next; None when there is nothing to do, and then the worker is parked."""
        after: Actions = []
        with self.lock:
            if left is None and not worker.woken:  # it was woken twice
                session = None
            elif left is not None and not self._leave(left, after):
                session = None
                self._park(worker)
            elif self.free < 0:  # there are fewer slots than there were
                session = None
                self._accept(worker)
                self.free += 1
                self.press()
                self._park(worker)
            else:
                session = self._enter(worker, after)
            if self.torn:
                self.mend(after)
            if self.closing:
                self.dismiss_if_quiet(after)
        if after or self.handed_over:
            self.perform(after)
        return session

    def resize(self, slots: int, after: Actions) -> None:
        """Have so many slots from now on.  With the lock held.

        Calls that run go on; while they are too many, the slots they leave are not given out again.
        """
        self.free += slots - self.slots
        self.slots = slots
        self.press()
        self.lending.serve(after)
        self.grant_if_needed(after)

    def adapt(self, after: Actions) -> None:
        """Have as many slots as the fan's `Adaptive` says now.  With the lock held."""
        if self.adaptive is not None and self.adaptive.limit != self.slots:
            self.resize(self.adaptive.limit, after)

    def interrupt(self) -> None:
        """The user wants out (Ctrl-C): drop what is queued and cancel what runs; new calls may be handed in."""
        self.torn = True  # wherever that has struck
        aside(self._interrupt)

    def _interrupt(self) -> None:
        message = "the program was interrupted"
        after: Actions = []
        with self.lock:
            self.mend(after)
            queues, running = list(self.queues), list(self.draining)
            for queue in queues:
                queue.discard(TaskCancelled(message), after)
            self.timer.cancel_running(running, message, after)
        self.perform(after)

    def calls(self, group: ConcurrencyLimit, depth: int = 0, policies: Policies | None = None) -> CallQueue:
        """The queue of single calls at a depth, under these rules.  With the lock held."""
        found: CallQueue | None = group.calls.get((depth, policies))
        if found is None:
            if policies is None:
                found = CallQueue(self, group, depth)
            else:
                from ..calls.policy_queues import PolicyCallQueue  # on first use, with what it needs

                self._forget_idle(group)
                found = PolicyCallQueue(self, group, depth, policies.waitlists)
            group.calls[depth, policies] = found
            found.place = depth, policies
            self.queues.add(found)
        return found

    def forget_if_idle(self, queue: WorkQueue) -> None:
        """Drop a queue of a view with a cap of its own that nothing is in: there may be a view for every call.

        The next call makes a new one.  So it is no matter when the view itself goes, which nobody could be told of
        without taking a lock in a finalizer.  With the lock held.
        """
        group = queue.group
        if group is self.group or queue.active or queue.pending() or group.calls.get(queue.place) is not queue:
            return
        self._forget(queue)

    def _forget(self, queue: WorkQueue) -> None:
        del queue.group.calls[queue.place]
        self.queues.discard(queue)
        self.settled[0] += queue.accepted
        self.settled[1] += queue.failed

    def _forget_idle(self, group: ConcurrencyLimit) -> None:
        """Drop queues under rules that nothing is in: there may be a new one for every view."""
        for key, queue in list(group.calls.items()):
            if key[1] is not None and not queue.active and not queue.pending():
                self._forget(queue)

    def promote(self, call: Call) -> None:
        """Let a queued call that this thread's call is about to wait for go before shallower ones.

        Single calls are handed in at depth 0, whoever hands them in: a call that hands in its successor and ends must
        not go before everybody else for ever.  Being waited for is what makes a call deep.
        """
        after: Actions = []
        with self.lock:
            queue, depth = call.queue, self.depth()
            if queue is None or queue.depth >= depth or not queue.remove(call):
                return
            self.calls(queue.group, depth, call.policies).add(call, after)
            self.forget_if_idle(queue)
        self.perform(after)

    def check_open(self) -> None:
        """Raise unless new calls may be handed in.  With the lock held."""
        if self.closing or self.broken:
            lifecycle.refuse(self)

    def depth(self) -> int:
        """The depth of what this thread hands in and waits for."""
        session: Session | None = getattr(here, "session", None)
        return 0 if session is None or session.scheduler is not self else session.queue.depth + 1

    # -- with the lock held ------------------------------------------------------------------------------------------

    def release(self, after: Actions) -> None:
        """Pass one slot on: to a lender, to a parked or new worker if calls are pending, else keep it free."""
        self.free += 1
        if self.free == 0:  # there were fewer slots than calls, and now there are as many
            self.press()
        self.lending.serve(after)
        self.grant_if_needed(after)

    def detach(self, session: Session, after: Actions) -> None:
        """The session is no longer at its queue."""
        queue = session.queue
        self.draining.discard(session)
        queue.active -= 1
        if session.loan is None:  # else it has left when it lent its slot
            self.leave_group(queue.group, after)
        self.check_done(queue, after)
        if queue.group is not self.group and queue.place is not None:
            self.forget_if_idle(queue)

    def check_done(self, queue: WorkQueue, after: Actions) -> None:
        """Notice that a queue is done.  Whoever closes or empties a queue, or leaves it, must call this."""
        if not queue.closed or queue.active or queue.done or queue.pending():
            return
        if queue.lender is not None:
            self.lending.request_back(queue.lender, after)
        after.extend(queue.listeners)
        queue.done = True
        queue.listeners = []
        self.queues.discard(queue)
        self.count_settled(queue)
        if self.closing:  # what ended may have waited without a thread that would notice
            self.dismiss_if_quiet(after)

    def count_settled(self, queue: WorkQueue) -> None:
        """Count the calls of a queue that is done; again if it was fed afterwards.  With the lock held."""
        before, queue.counted = queue.counted, (queue.accepted, queue.failed)
        self.settled[0] += queue.accepted - before[0]
        self.settled[1] += queue.failed - before[1]

    def has_work(self) -> bool:
        """Whether any pending call could start, given a slot."""
        for ring in self.rings.values():
            for queue in ring:
                if queue.ready() and queue.group.active < queue.group.limit:
                    return True
        return False

    def quiet(self) -> bool:
        """Whether nothing runs and nothing will: only then may workers of a closing scheduler go."""
        return (
            not self.draining
            and not self.has_work()
            and not any(queue.waiting() or queue.unfinished() for queue in self.queues)
        )

    def grant_if_needed(self, after: Actions) -> None:
        """Wake or start a worker if there is a slot and a call for it."""
        if self.free > 0 and not self.waking and self.rings and self.has_work():
            self._grant(after)

    def _grant(self, after: Actions, *, eager: bool = False) -> None:
        """Wake a parked worker with a slot, or start a new one with it, unless that was refused just now."""
        if not self.idle and not self.starts.allowed(after):
            return
        # What may fail near the recursion limit comes first, and the counters change when nothing of it has.
        if self.idle:
            worker = self.idle[-1]
            after.append(partial(worker.inbox.put, True))
            self.idle.pop()
            worker.woken = True
        else:
            check_depth()
            worker = Worker(self, f"{self._prefix}_{next(self._names)}")
            self.workers.add(worker)
            self.threads.add(worker.thread)
            after.append(partial(self._start, worker, eager))
        self.free -= 1
        self.waking += 1

    def _start(self, worker: Worker, eager: bool) -> None:
        aside(partial(self._start_here, worker, eager))  # it has many steps

    def _start_here(self, worker: Worker, eager: bool) -> None:
        if not worker.claim_start():
            return
        error = started(worker.thread)
        if error is None:
            if eager:  # who submits and then shuts down may expect that something has started
                worker.thread.wait_until_begun()
            if self.starts.failing:
                with self.lock:
                    self.starts.granted()
        elif not (self._nobody_else() and last.take_over(worker.visit, error)):
            self._not_started(worker, error)

    def _nobody_else(self) -> bool:
        """Whether no thread would come to use the slot of one that could not be started."""
        with self.lock:
            return self.waking == 1 and all(session.loan is not None for session in self.draining)

    def _not_started(self, worker: Worker, error: BaseException) -> None:
        after: Actions = []
        with self.lock:
            self.threads.discard(worker.thread)
            self.workers.discard(worker)
            self.waking -= 1
            self.free += 1
            self.lending.serve(after)
            if isinstance(error, Exception):
                self.starts.refused(error, after)
            self.grant_if_needed(after)
        self.perform(after)

    def leave_group(self, group: ConcurrencyLimit, after: Actions) -> None:
        """One call fewer runs under a cap, and others of the group may start."""
        if group.active == group.limit:
            after.append(self._regroup)
        group.active -= 1

    def _leave(self, session: Session, after: Actions) -> bool:
        """End a stay at a queue; say whether the worker still has its slot."""
        session.forget_scope()  # leave no cycle
        if session.lost is None:
            self.detach(session, after)
        else:
            self.lost.discard(session)
            self.abandoned.discard(session)
            self.timer.forget(session, after)
            if not session.holds:
                self.threads.add(session.worker.thread)
        return session.holds

    def _accept(self, worker: Worker) -> None:
        """The worker has the slot that it was woken with."""
        if worker.woken:
            worker.woken = worker.parked = False
            self.waking -= 1

    def _enter(self, worker: Worker, after: Actions) -> Session | None:
        self._accept(worker)
        chosen = None if self.lending.in_line and self.lending.first() else self._choose(after)
        if chosen is None:
            self._park(worker)  # first, so that the slot may come back to this very thread
            self.release(after)
            return None
        queue, first = chosen
        session = Session(self, worker, queue)
        session.first = first
        queue.active += 1
        queue.group.active += 1
        self.draining.add(session)
        if queue.timeout is not None:
            self.timer.mind(self.clock.monotonic() + queue.timeout, after)
        self.grant_if_needed(after)
        return session

    def _park(self, worker: Worker) -> None:
        if len(self.idle) < self.slots and not self.dismissed and not worker.visiting:
            worker.parked = True
            self.idle.append(worker)
        else:  # one too many, after calls that waited for others, or come back late
            worker.retired = True
            self.workers.discard(worker)
            if not self.dismissed:  # whoever closes the fan goes through the set to join them
                self.threads.discard(worker.thread)

    def _choose(self, after: Actions) -> tuple[WorkQueue, Any] | None:
        """The queue whose turn it is, and its next entry: deepest first, round and round within a depth."""
        for depth in sorted(self.rings, reverse=True) if len(self.rings) > 1 else tuple(self.rings):
            ring = self.rings[depth]
            for _ in range(len(ring)):
                queue = ring.popleft()
                entry = None
                if queue.ended or queue.unwanted():
                    # It may count as done, so nothing of it may start, not even what is fed from here on without the
                    # lock: whoever feeds a batch that has ended looks after that.
                    queue.discard(TaskCancelled("the batch had ended"), after)
                elif queue.group.active < queue.group.limit:
                    entry = queue.take()
                if queue.ready():
                    ring.append(queue)
                else:
                    self._unqueue(queue, ring)
                if entry is not None:
                    return queue, entry
        return None

    def _unqueue(self, queue: WorkQueue, ring: deque[WorkQueue]) -> None:
        """Leave a queue that has nothing pending out of its ring."""
        queue.queued = False
        if queue.ready():  # fed between the two looks, and its feeder may still have seen it queued
            queue.queued = True
            ring.append(queue)
        elif not ring:
            del self.rings[queue.depth]
        self.press()

    def press(self) -> None:
        """Tell sessions, by one number, whether others wait.

        A session at depth ``d`` compares: above ``d`` means that others wait, so leave when the quantum is over; ``d +
        1`` or more means a deeper queue or a lender, so leave after this call.
        """
        if self.lending.in_line or self.free < 0:
            self.pressure = FOREVER
        elif self.rings:
            deepest = max(self.rings)
            self.pressure = deepest + 0.5 if len(self.rings[deepest]) > 1 else deepest
        else:
            self.pressure = -1.0

    def _regroup(self) -> None:
        """A capped group has room again: its calls may start."""
        after: Actions = []
        with self.lock:
            self.lending.serve(after)
            self.grant_if_needed(after)
        self.perform(after)

    def dismiss_if_quiet(self, after: Actions) -> None:
        """Send the threads of a closing scheduler home once nothing is left to do."""
        if self.dismissed or not self.quiet():
            return
        self.dismissed = True
        self._send_home(after)

    def _send_home(self, after: Actions) -> None:
        for gate in self.quiet_gates:
            after.append(partial(gate.put, None))
        for worker in self.idle:
            after.append(partial(worker.inbox.put, False))
        self.timer.stop(after)
        after.append(self.callbacks.stop)

    # -- the life of threads -----------------------------------------------------------------------------------------

    def initialise(self, worker: Worker) -> bool:
        """Run the user's initializer in a new thread; False if it failed, which breaks the pool."""
        if self._initializer is None:
            return True
        from ..base.variables import setter_of_own

        try:
            self._initializer(*self._initargs)
            worker.set_own = setter_of_own()
        except BaseException as error:
            say(LOGGER, CRITICAL, "Exception in initializer:", error=error)
            after: Actions = []
            with self.lock:
                self.waking -= 1
                self.workers.discard(worker)
                self.fail("A thread initializer failed, the thread pool is not usable anymore", after)
                self.release(after)
                if self.closing:
                    self.dismiss_if_quiet(after)
            self.perform(after)
            return False
        return True

    def fail(self, message: str, after: Actions) -> None:
        """The pool is broken: nothing more will start.  With the lock held."""
        self.broken = message
        for queue in list(self.queues):
            queue.discard(BrokenThreadPool(message), after)

    def _forked(self) -> None:
        """In the child of a fork: start anew, and tell whoever waits for the parent's calls that they stay there."""
        queues, running, gates = list(self.queues), [*self.draining, *self.lost], self.quiet_gates
        closing = self.closing
        for worker in self.workers:  # one of them, if it was a call that forked, lives on until that returns
            worker.ident, worker.retired = 0, True
        self.reset()
        self.closing = closing
        for session in running:
            session.lost = session.lost or (None, 0.0, "", None)
            session.claim.clear()
        for queue in queues:
            queue.orphan(BrokenThreadPool(forks.REASON))
        for gate in gates:
            gate.put(None)

    def dismiss(self, worker: Worker) -> bool:
        """Whether a parked worker should end: the fan is closed or gone, and nothing is left to do."""
        after: Actions = []
        with self.lock:
            # Once all were sent home nobody is told twice: what a feeder adds then is not this worker's any more.
            if worker.woken or not self.closing or not (self.dismissed or self.quiet()):
                return False
            if worker in self.idle:
                self.idle.remove(worker)
            self.workers.discard(worker)
            self.dismiss_if_quiet(after)
        self.perform(after)
        return True

    def borrow(self, worker: Worker) -> bool:
        """Keep a parked worker from being woken, for it has something else to do; False if it was woken by now."""
        with self.lock:
            if worker not in self.idle:
                return False
            self.idle.remove(worker)
        return True

    def give_back(self, worker: Worker) -> None:
        """It has done that."""
        after: Actions = []
        with self.lock:
            self._park(worker)
            self.grant_if_needed(after)
        self.perform(after)

    def snapshot(self) -> dict[str, int]:
        """Live figures; see ``Fan.snapshot``."""
        with self.lock:
            pending = sum(queue.pending() for queue in self.queues)
            waiting = sum(queue.waiting() for queue in self.queues)
            accepted = self.settled[0] + sum(queue.accepted for queue in self.queues)
            lent = sum(session.loan is not None for session in self.draining)
            running = sum(session.busy() for session in self.draining) - lent
            extra = sum(queue.extra_attempts for queue in self.queues)
            return {
                "queued": pending - waiting,
                "running": running,
                "waiting": waiting + lent,
                "abandoned": len(self.abandoned),
                "done": accepted - pending - running - lent + extra,
                "failed": self.settled[1] + sum(queue.failed for queue in self.queues),
                "slots": self.slots,
                "retries": self.retries,
                "input_tokens": self.tokens[0],
                "output_tokens": self.tokens[1],
            }

    def bury(self, worker: Worker, error: BaseException) -> None:
        """A thread is about to die that should not: what it had goes to others."""
        after: Actions = []
        with self.lock:
            if worker in self.idle:
                self.idle.remove(worker)
            self.workers.discard(worker)
            self.threads.discard(worker.thread)
            if worker.woken:
                worker.woken = False
                self.waking -= 1
                self.release(after)
            for session in [session for session in (*self.draining, *self.lost) if session.worker is worker]:
                for key in session.claim.copy():
                    self.timer.end(session, key, FAILED, error, after, grace=FOREVER)
                if session.loan is not None and session.loan.returning:
                    self.lending.let_go(session.loan, after)
                if self._leave(session, after):
                    session.holds = False
                    self.release(after)
            if self.closing:
                self.dismiss_if_quiet(after)
        self.perform(after)

    def crashed(self, session: Session, error: BaseException) -> None:
        """Something other than a call failed in a session: its call fails with that, and the thread goes on."""
        for key in session.claim.copy():
            self.timer.end_call(session, key, FAILED, error, grace=FOREVER)
        say(LOGGER, CRITICAL, "an error between calls in %s", session.worker.name, error=error)
