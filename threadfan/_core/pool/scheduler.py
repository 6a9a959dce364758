"""The scheduler: what runs next, and where.

It has a part for each question: how many calls may run (``Slots``), whose turn it is (``RunQueue``), which thread runs
them (``Crew``), who is first to go on after waiting (``Lending``), which call's time is up (``DeadlineTimer``), where
code of users' runs that no call runs (``Callbacks``), how much was done (``Figures``).  Here stands what concerns
several of them: a worker leaves one queue and enters the next, a queue is done, the fan is closed.  Each part says what
it guarantees.

Decisions are made under ``lock``, which guards every attribute that is not fixed by ``__init__``, here and in the
parts; what they call for is done when it is released (see ``decisions``).
"""

from __future__ import annotations

from concurrent.futures.thread import BrokenThreadPool
from functools import partial

from ..base import forks, last
from ..base.errors import TaskCancelled
from ..base.locks import Lock, aside
from ..scope.alarms import let_go, set_alarm
from .callbacks import Callbacks
from .crew import Crew
from .deadline_timer import DeadlineTimer
from .decisions import Decisions
from .figures import Figures
from .leaving import Leaving, refuses
from .lending import Lending
from .run_queue import RunQueue
from .slots import Slots
from .work_queue import Session, here
from .working import work

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from typing import Protocol

    from ..base.clock import Clock
    from .slots import Adaptive
    from .work_queue import Actions, Waiting, WorkQueue
    from .worker import Worker

    class Bound(Protocol):
        """How many submitted calls may wait to begin: ``Room``."""

        def enter(self, scheduler: Scheduler) -> None:
            """Wait until one more may, or raise."""

        def close(self, scheduler: Scheduler) -> None:
            """The fan is closed, and nobody is to wait any more."""


_EXITING = "cannot schedule new futures after interpreter shutdown"
_SHUT_DOWN = "cannot schedule new futures after shutdown: make a new Fan, or hand in all calls inside its `with` block"


class Scheduler:
    """The slots, queues and threads of one fan; outlives the fan until its last call is done.

    Args:
        slots: how many calls may run at once.
        prefix: of the names of the threads.
        name: of the fan, in events.
        initialise: called in each thread before its first call.
        max_abandoned: how many threads may be stuck in calls that are over before they keep their slots.
        threads: where those are kept that whoever closes the fan waits for.
        adaptive: says how many slots there are, as calls are refused or not.
    """

    def __init__(
        self,
        *,
        slots: int,
        prefix: str,
        name: str,
        initialise: Callable[[], object] | None,
        max_abandoned: int,
        clock: Clock,
        threads: set[threading.Thread],
        adaptive: Adaptive | None = None,
    ) -> None:
        self.adaptive = adaptive
        self.name = name
        self.clock = clock
        self.max_abandoned = max_abandoned
        self.initialise = initialise
        self._prefix = prefix
        self._threads = threads
        if initialise is not None:
            from ..base import variables  # noqa: F401  # not first in a thread of ours, where a fork may catch the import
        self.room: Bound | None = None  # if there is a bound on what may be queued
        self.anchor: object = None  # something of the fan's that must live as long as the scheduler
        self._reset(slots)
        forks.renew(self, Scheduler._forked)

    def _reset(self, slots: int) -> None:
        """Back to a scheduler that has not run anything: at the start, and in the child of a fork."""
        self.lock: Lock = Lock()
        self.decisions: Decisions = Decisions(self._mend_if_torn)
        self.perform: Callable[[Actions], None] = self.decisions.perform
        self.queues: set[WorkQueue] = set()  # all that are not done
        self.at_work: set[Session] = set()  # whose calls count as running
        self.lost: set[Session] = set()  # whose calls were ended from outside and have not come back
        self.abandoned: set[Session] = set()  # those of them whose slots were taken
        self.closing: bool = last.exiting()
        self.dismissed: bool = False  # closing, and the threads were sent home
        self.broken: str | bool = False
        self.quiet_gates: list[Waiting] = []  # opened when all is done
        self._threads.clear()
        self.figures: Figures = Figures()
        self.run_queue: RunQueue = RunQueue()
        self.slots: Slots = Slots(slots, self.run_queue)
        does, prefix, threads = partial(work, self), self._prefix, self._threads
        self.crew: Crew = Crew(
            self, self.slots, self.run_queue, work=does, prefix=prefix, threads=threads, at_work=self.at_work
        )
        self.lending: Lending = Lending(self, self.crew)
        self.timer: DeadlineTimer = DeadlineTimer(self)
        self.callbacks: Callbacks = Callbacks(f"{self.name}-callbacks", set_alarm, self.crew.starts.warn)

    # -- what callers ask --------------------------------------------------------------------------------------------

    def check_open(self) -> None:
        """Raise unless new calls may be handed in."""
        if refuses(self.broken, self.depth()):
            raise self.broken.error() if isinstance(self.broken, Leaving) else BrokenThreadPool(self.broken)
        if self.closing:  # read once, for it may change at any moment
            raise RuntimeError(_EXITING if last.exiting() else _SHUT_DOWN)

    def depth(self) -> int:
        """The depth of what this thread hands in and waits for."""
        session: Session | None = getattr(here, "session", None)
        return 0 if session is None or session.scheduler is not self else session.queue.depth + 1

    def snapshot(self) -> dict[str, int]:
        """Live figures; see ``Fan.snapshot``."""
        figures = self.figures
        with self.lock:
            pending = sum(queue.pending() for queue in self.queues)
            waiting = sum(queue.waiting() for queue in self.queues)
            accepted = figures.accepted + sum(queue.accepted for queue in self.queues)
            lent = sum(session.loan is not None for session in self.at_work)
            running = sum(session.busy() for session in self.at_work) - lent
            extra = sum(queue.extra_attempts for queue in self.queues)
            return {
                "queued": pending - waiting,
                "running": running,
                "waiting": waiting + lent,
                "abandoned": len(self.abandoned),
                "done": accepted - pending - running - lent + extra,
                "failed": figures.failed + sum(queue.failed for queue in self.queues),
                "slots": self.slots.total,
                "retries": figures.retries,
                "input_tokens": figures.input_tokens,
                "output_tokens": figures.output_tokens,
            }

    def interrupt(self) -> None:
        """The user wants out (Ctrl-C): drop what is queued and cancel what runs; new calls may be handed in."""
        self.decisions.suspect()  # wherever that has struck
        aside(self._interrupt)

    def _interrupt(self) -> None:
        message = "the program was interrupted"
        after: Actions = []
        with self.lock:
            self.mend(after)
            queues, running = list(self.queues), list(self.at_work)
            for queue in queues:
                queue.discard(TaskCancelled(message), after)
            self.timer.cancel_running(running, message, after)
        self.perform(after)

    # -- queues: with the lock held ----------------------------------------------------------------------------------

    def offer(self, queue: WorkQueue, after: Actions, *, eager: bool = False) -> None:
        """Have ``queue`` worked on: it has calls pending.

        ``eager`` starts a thread for each pending call that no woken worker will take, as ``submit`` promises; else the
        workers wake each other.
        """
        if self.decisions.torn:
            self.mend(after)
        if not queue.queued:
            self.run_queue.enlist(queue)
        slots, crew = self.slots, self.crew
        if slots.free > 0:
            coming = slots.waking + len(crew.coming)
            if not coming or (eager and not crew.idle and coming < queue.ready()):
                crew.grant(after, eager=eager)

    def check_done(self, queue: WorkQueue, after: Actions) -> None:
        """Notice that a queue is done.  Whoever closes or empties a queue, or leaves it, must call this."""
        if not queue.closed or queue.active or queue.done or queue.pending():
            return
        if queue.lender is not None:
            self.slots.request_back(queue.lender, after)
        after.extend(queue.listeners)
        queue.done = True
        queue.listeners = []
        self.forget(queue)
        if self.closing:  # what ended may have waited without a thread that would notice
            self.dismiss_if_quiet(after)

    def forget(self, queue: WorkQueue) -> None:
        """A queue is done, or nothing is in it: count its calls; again if it was fed afterwards."""
        self.queues.discard(queue)
        before, queue.counted = queue.counted, (queue.accepted, queue.failed)
        self.figures.count_settled(queue.accepted - before[0], queue.failed - before[1])

    def adapt(self, after: Actions) -> None:
        """Have as many slots as the fan's `Adaptive` says now."""
        if self.adaptive is not None and self.adaptive.limit != self.slots.total:
            self.slots.resize(self.adaptive.limit)
            self.crew.hand_out(after)

    # -- stays of workers at queues ----------------------------------------------------------------------------------

    def turn(self, worker: Worker, left: Session | None) -> Session | None:
        """Leave one queue and enter the next; None when there is nothing to do, and then the worker is parked."""
        after: Actions = []
        session = None
        with self.lock:
            if left is not None and not self.leave(left, after):
                self.crew.park(worker)
            elif left is not None or worker.woken:  # else it was woken twice
                session = self._enter(worker, after)
            if self.decisions.torn:
                self.mend(after)
            if self.closing:
                self.dismiss_if_quiet(after)
        if after or self.decisions.handed_over:
            self.perform(after)
        return session

    def _enter(self, worker: Worker, after: Actions) -> Session | None:
        slots, crew, run_queue = self.slots, self.crew, self.run_queue
        if worker.woken:  # it has the slot that it was woken with
            worker.woken = worker.parked = False
            slots.waking -= 1
        chosen = None
        if run_queue.rings and slots.free >= 0 and not (slots.lenders and slots.first()):
            chosen = run_queue.choose(after)
        if chosen is None:  # it does not need its slot
            crew.park(worker)  # first, so that the slot may come back to this very thread
            if run_queue.pressure >= 0:
                crew.release(after)
            else:  # nobody waits for one
                slots.free += 1
            return None
        queue, first = chosen
        session = Session(self, worker, queue)
        session.first = first
        queue.active += 1
        queue.cap.active += 1
        self.at_work.add(session)
        if queue.timeout is not None:
            self.timer.mind(self.clock.monotonic() + queue.timeout, after)
        if slots.free > 0 and run_queue.rings:
            crew.grant_if_needed(after)
        return session

    def leave(self, session: Session, after: Actions) -> bool:
        """End a stay at a queue; say whether the worker still has its slot.  With the lock held."""
        if session.made is not None or session.signalled is not None:
            session.forget_scope()  # leave no cycle
        if session.lost is None:
            self.detach(session, after)
        else:
            self.lost.discard(session)
            self.abandoned.discard(session)
            self.timer.forget(session, after)
            if not session.holds:
                self.crew.threads.add(session.worker.thread)
        return session.holds

    def detach(self, session: Session, after: Actions) -> None:
        """The session is no longer at its queue.  With the lock held."""
        queue = session.queue
        cap = queue.cap
        self.at_work.discard(session)
        queue.active -= 1
        if session.loan is None:  # else it has left when it lent its slot
            if cap.active == cap.limit:
                self.crew.leave_cap(cap, after)
            else:
                cap.active -= 1
        if queue.closed:
            self.check_done(queue, after)
        if not queue.lasting:
            queue.left()

    # -- the end -----------------------------------------------------------------------------------------------------

    def quiet(self) -> bool:
        """Whether nothing runs and nothing will: only then may workers of a closing scheduler go.

        With the lock held.
        """
        return (
            not self.at_work
            and not self.run_queue.has_work()
            and not any(queue.waiting() or queue.unfinished() for queue in self.queues)
        )

    def dismiss_if_quiet(self, after: Actions, *, again: bool = False) -> None:
        """Send the threads of a closing scheduler home once nothing is left to do.  With the lock held.

        Args:
            again: do what follows once more, for it may have been cut short.
        """
        if not again and (self.dismissed or not self.quiet()):
            return
        self.dismissed = True
        for gate in self.quiet_gates:
            after.append(partial(gate.put, None))
        self.crew.send_home(after)
        self.timer.stop()
        for queue in tuple(self.queues):
            queue.left()
        after.append(self.callbacks.stop)

    def _forked(self) -> None:
        """In the child of a fork: start anew, and tell whoever waits for the parent's calls that they stay there."""
        queues, running, gates = list(self.queues), [*self.at_work, *self.lost], self.quiet_gates
        closing = self.closing
        self.crew.forked()
        self._reset(self.slots.total)
        self.closing = closing
        for session in running:
            session.lost = session.lost or (None, 0.0, "", None)
            session.claim.clear()
        for queue in queues:
            queue.orphan(BrokenThreadPool(forks.REASON))
        for gate in gates:
            gate.put(None)

    # -- what an exception has cut in two ----------------------------------------------------------------------------

    def mend(self, after: Actions) -> None:
        """Count anew what can be counted, and do again what may not have been done.  With the lock held.

        Workers and sessions know what they are; the numbers and lists that are kept of them are set right by that.
        """
        self.decisions.torn = False
        if self.timer.alarms is None:  # it may hold them all the same, if an exception came between
            let_go(self.clock, self.timer)
        self.crew.mend(after)
        slots = self.slots
        slots.free = slots.total - slots.waking - sum(session.holds for session in self.at_work | self.lost)
        self.run_queue.clear()
        for queue in list(self.queues):
            queue.queued = False
            queue.mend()
            if queue.ready():
                self.run_queue.enlist(queue)
            self.check_done(queue, after)
        slots.press()
        self.crew.hand_out(after)
        if self.dismissed:
            self.dismiss_if_quiet(after, again=True)

    def _mend_if_torn(self) -> None:
        after: Actions = []
        with self.lock:
            if self.decisions.torn:
                self.mend(after)
        self.perform(after)
