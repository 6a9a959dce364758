"""Single calls, each with a function, arguments, context and timeout of its own: the general path.

``perform_call`` is the one place where a single call runs and its end is classified.  ``batch.Batch`` inlines the same
steps for its plain case; a test holds the two to equal outcomes.

An error keeps its traceback, that the frames of the user's functions, and those the frames that called them: the ones
here.  So whatever stands between a thread and a user's function forgets, when it ends, all that leads to the error:
call, outcome, session.  Else each would be in a cycle, and the user's variables would stay until the collector runs.
"""

from __future__ import annotations

from collections import deque

from ..base.clock import FOREVER
from ..base.errors import TaskCancelled
from ..base.outcome import CANCELLED, END, FAILED, STATUS, SUCCEEDED
from ..base.static import describe
from ..events import log
from ..pool.work_queue import QUANTUM, WorkQueue
from ..scope.scope import Scope, scope_var
from .classifying import classify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextvars import Context
    from typing import Any, Protocol

    from ..base.attempt import Status
    from ..base.outcome import Raw
    from ..base.usage import Usage
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions, ConcurrencyLimit, Session, Waiting
    from .policies import AttemptState, Policies

    class BothAttempts(Protocol):
        """What a call has while it may have a second attempt: ``Hedging``."""

        call: Call

        def ended(self, who: Call, raw: Raw, after: Actions) -> Raw | None:
            """An attempt has ended; the end of the call, or None if that is another's affair.  With the lock held."""

        def drop(self, second: Call) -> None:
            """The second attempt does not wait any more, and will not be made.  With the lock held."""

        def give_up(self) -> None:
            """Nobody waits for the call any more.  Without the lock."""


class Call:
    """A call that waits its turn or runs; subclasses say where its outcome goes."""

    fn: Callable[..., Any]
    args: tuple[object, ...]
    kwargs: dict[str, object]
    context: Context
    timeout: float | None  # seconds
    since: float  # when it was handed in
    index: int | None = None  # its place, if it is one of several
    item: Any = None  # what its outcome calls its input
    unwanted = False  # nobody waits for it any more
    outer: Scope | None = None  # in which it was handed in
    queue: CallQueue | None = None  # where it was put
    session: Session | None = None  # while it runs
    policies: Policies | None = None  # of retries and limits
    state: AttemptState = None  # type: ignore[assignment]  # under them
    # Before its first attempt: how many discards its queue had seen, its permit, and what ``mark`` was by then.
    taken: tuple[int, Any, float] = 0, None, 0.0
    mark = 0.0  # seconds that limits had held back its queue when it came
    hedging: BothAttempts | None = None  # while it may have two attempts
    usage: Usage | None = None  # tokens noted while it ran
    adapt: Callable[[Callable[..., object]], Callable[..., object]] | None = None  # a fallback, to what ``args`` are
    method: str | None = None  # by which users have handed it in, if all keywords go to the function

    def begin(self, session: Session) -> bool:
        """The call is about to start; False if it was cancelled while it was queued."""
        raise NotImplementedError

    def deliver(self, raw: Raw) -> None:
        """The call has ended by itself."""
        raise NotImplementedError

    def deliver_quietly(self, raw: Raw) -> Sequence[Waiting]:
        """The same, but those who only wait may be given back, to be woken soon.

        Whoever is woken may hand in the next call at once, and is to find a worker that is parked, and a lock that
        nobody holds.  Calls that wait are not among them: they are to get this one's slot.
        """
        self.deliver(raw)
        return ()

    def settle(self, scheduler: Scheduler, raw: Raw, after: Actions) -> None:
        """The call was ended from outside.  With the scheduler's lock held."""
        raise NotImplementedError

    def refuse(self, reason: BaseException, after: Actions) -> None:
        """The call will never start.  With the scheduler's lock held."""
        raise NotImplementedError

    def forget(self) -> None:
        """It has ended: what was handed in is not needed any more, and its context leads back to it."""
        self.fn = self.args = self.kwargs = self.context = self.session = None  # type: ignore[assignment]

    def spend(self, usage: Usage) -> None:
        """Take these tokens from the budget that the call is under; a single call has none."""

    def give_up(self) -> None:
        """Make no further attempt."""
        self.unwanted = True
        hedging = self.hedging
        if hedging is not None:
            hedging.give_up()
        if self.queue is not None:
            self.queue.drop(self)


class CallQueue(WorkQueue):
    """A queue of single calls at one depth; it never closes."""

    __slots__ = ("entries", "home", "place")

    scheduler: Scheduler

    def __init__(self, scheduler: Scheduler, cap: ConcurrencyLimit, depth: int) -> None:
        super().__init__(scheduler, cap, depth)
        self.entries: deque[Call] = deque()
        self.home: ConcurrencyLimit = cap  # where calls may find it
        self.place: tuple[int, Policies | None] | None = None  # by which they do

    def pending(self) -> int:
        """How many calls wait to be pulled."""
        return len(self.entries)

    ready = pending

    def add(self, call: Call, after: Actions) -> None:
        """Queue a call.  With the lock held."""
        call.queue, scheduler = self, self.scheduler
        if call.timeout is not None and scheduler.timer.alarms is None:
            scheduler.timer.mind(FOREVER, after)  # first: whoever waits for the call then knows if it has no thread
        self.accepted += 1
        self.entries.append(call)
        if not scheduler.decisions.torn:
            if self.queued:
                if scheduler.slots.free <= 0:
                    return  # whoever comes to have a slot sees it
            elif scheduler.crew.send(self, after):
                return
        scheduler.offer(self, after, eager=True)

    def add_own(self, call: Call) -> None:
        """Queue a call from a thread that is at this queue and about to look for one: nobody else need wake.

        If others are to have their turn first, it leaves the call here, in the ring.  With the lock held.
        """
        call.queue = self
        self.accepted += 1
        self.entries.append(call)
        if not self.queued:
            self.scheduler.run_queue.enlist(self)

    def run(self, session: Session) -> None:
        """Run calls one after another, each in its own context."""
        scheduler, run_queue, depth, entries = self.scheduler, self.scheduler.run_queue, self.depth, self.entries
        until = scheduler.clock.monotonic() + QUANTUM
        observer = log.observer()
        call: Call | None
        call, session.first = session.first, None
        if call is None:  # it was sent here for whatever there is, see ``Crew.send``
            call = self.take()
        try:
            while call is not None:
                if call.begin(session):
                    raw = perform_call(session, call, observer)
                    if raw is None:
                        return
                    if observer is not None:
                        tell_end(session, call, raw, observer)
                    if raw[STATUS] is not SUCCEEDED:
                        with scheduler.lock:
                            self.failed += 1
                    end = raw[END]
                    session.waiting = call.deliver_quietly(raw)
                    raw = None
                else:
                    end = scheduler.clock.monotonic()
                call = None  # a parked thread must not keep a result alive
                if run_queue.pressure > depth and (run_queue.pressure >= depth + 1 or end > until):
                    return
                if not entries:
                    return
                try:
                    call = entries.popleft()
                except IndexError:  # another thread was faster
                    return
                if session.waiting:
                    session.wake()
        finally:
            call = session = None  # type: ignore[assignment]  # leave no cycle: see above

    def remove(self, call: Call) -> bool:
        """Take a call out of the queue; False if it has left already.  With the lock held."""
        while True:
            try:
                self.entries.remove(call)
            except ValueError:
                return False
            except IndexError:  # another thread pulled a call meanwhile: look again
                continue
            self.accepted -= 1
            return True

    def take(self) -> Call | None:
        """The next call, or None."""
        try:
            return self.entries.popleft()
        except IndexError:
            return None

    def drop(self, call: Call) -> None:
        """Do not wait with a call that nobody waits for; under policies there may be one between two attempts."""

    def timeout_of(self, key: Call) -> float | None:
        """The call's own timeout."""
        return key.timeout

    def outer_of(self, key: Call) -> Scope | None:
        """The call's own."""
        return key.outer

    def function_of(self, key: Call) -> str:
        """The name of the call's function."""
        return describe(key.fn)

    def index_of(self, key: Call) -> object:
        """The call's place in a batch, if it has one."""
        return key.index

    def add_usage(self, key: Call, usage: Usage) -> None:
        """Only the call's own thread notes any."""
        key.usage = usage if key.usage is None else key.usage + usage
        key.spend(usage)
        super().add_usage(key, usage)

    def settle(self, key: Call, raw: Raw, after: Actions) -> bool:
        """Pass it on to the call."""
        key.settle(self.scheduler, raw, after)
        return True

    def discard(self, reason: BaseException, after: Actions) -> None:
        """Refuse all that wait."""
        while (call := self.take()) is not None:
            call.refuse(reason, after)
        self.left()

    def left(self) -> None:
        """Go, if nothing is in it and it is a view's: there may be one for each call, and the next makes another queue.

        So it is no matter when the view itself goes, which nobody could be told of without a lock in a finalizer.
        """
        if not self.lasting:
            self.forget_if_idle()

    def forget_if_idle(self) -> None:
        """Leave its home if nothing is in it.  With the lock held."""
        place, queues = self.place, self.home.queues
        if place is not None and not self.active and not self.pending() and queues.get(place) is self:
            del queues[place]
            self.scheduler.forget(self)

    def orphan(self, reason: BaseException) -> None:
        """Each future tells the reason to whoever looks at it."""
        self.entries.clear()
        self.reason = reason


def perform_call(session: Session, call: Call, observer: log.Observer | None) -> Raw | None:
    """Run one call and say what became of it; None if somebody else has settled it meanwhile."""
    scheduler, fn, timeout = session.scheduler, call.fn, call.timeout
    since, item, index = call.since, call.item, call.index
    clock, claim = scheduler.clock.monotonic, session.claim
    start = clock()
    claim[call] = item, since, start
    if timeout is not None and start + timeout < scheduler.timer.next_look:
        scheduler.timer.announce(start + timeout)
    status: Status
    payload: Any = None
    started = not (session.queue.ended or call.unwanted or (call.outer is not None and call.outer.cancelled))
    try:
        if not started:
            status, payload = CANCELLED, TaskCancelled("nobody waited for this call any more")
        else:
            try:
                context = call.context if call.policies is None else session.queue.begins(call, start)
                status, payload = SUCCEEDED, context.run(_in_scope, session, call, observer)
            except BaseException as error:
                status, payload = classify(
                    error, clock() - start, session.queue.timeout_of(call), fn, session.queue.waited_of(call)
                )
                if status is not FAILED:
                    session.end_scope(call)
                elif type(error) is TypeError and call.method is not None and (given := call.kwargs):
                    from ..base.misplaced import note_option

                    note_option(call.method, error, given)
        end = clock()
        if claim.pop(call, None) is None:
            return None
        if session.made is not None:
            session.forget_scope()
        return (index, item, since, status, payload, start if started else None, end, session.worker.thread.name)
    finally:
        payload = call = context = session = fn = item = given = None  # type: ignore[assignment]  # leave no cycle: see above


def tell_end(session: Session, call: Call, raw: Raw, observer: log.Observer | None) -> None:
    """The event of a call that has ended by itself."""
    if observer is not None and (observer.finished or raw[STATUS] is not SUCCEEDED):
        queue = session.queue
        log.call_ended(session.scheduler.name, queue.function_of(call), raw, queue.figures_of(call))


def _in_scope(session: Session, call: Call, observer: log.Observer | None) -> object:
    scope_var.set(session)
    if session.worker.set_own is not None:
        session.worker.set_own()
    try:
        if observer is not None:
            observer.set_fan(session.scheduler.name)
            if call.index is not None:
                observer.set_index(call.index)
            if observer.tracing is not None:
                from .traced import traced_call  # on first use, as it needs what few have

                return traced_call(observer.tracing, session, call)
        return call.fn(*call.args, **call.kwargs)
    finally:
        del call, session  # leave no cycle: see above
