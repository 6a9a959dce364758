"""First attempts of the inputs of an ``InputBatch``: the loop of ``Batch``, with a permit before and a look after.

A test holds it to the same outcomes as the general path of ``Attempts``.

Guarantee: what a first attempt comes to is decided by popping its claim, as for every call.  Whoever has popped it
takes out what is known of the input; so its permit ends in exactly one way, and a second attempt is told of the end.
"""

from __future__ import annotations

from contextvars import copy_context

from ..base.clock import FOREVER
from ..base.errors import TaskCancelled
from ..base.outcome import CANCELLED, FAILED, SUCCEEDED
from ..base.variables import renewing
from ..events import log
from ..policies.returned import error_in, may_be_answer
from ..pool.work_queue import QUANTUM
from ..scope.scope import scope_var
from .barring import turned_away
from .classifying import classify
from .limit_reports import usage_in
from .short_waits import await_permit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.attempt import Status
    from ..base.outcome import Raw
    from ..policies.returned import ErrorAnswer
    from ..pool.work_queue import Session
    from .input_calls import InputCalls


def run(batch: InputCalls, session: Session) -> None:
    """Make first attempts, in a context that none of the caller's or of other threads' changes reach."""
    try:
        batch.context.copy().run(_loop, batch, session)
    finally:
        del batch, session  # leave no cycle: see ``call_queue``


def _loop(batch: InputCalls, session: Session) -> None:
    scheduler, depth, fn = batch.scheduler, batch.depth, batch.fn
    results, permits = batch.collector.results, batch.permits
    run_queue, reader, backlog, made = scheduler.run_queue, batch.reader, batch.backlog, batch.made
    clock, claim, barred, worker = scheduler.clock.monotonic, session.claim, batch.barred, session.worker.thread.name
    settle_own, wakes, waitlist, lookout = claim.pop, reader.wakes, batch.policies.waitlist, batch.lookout
    again, undecided = batch.lane.calls, backlog.undecided  # what goes before inputs
    pull, left = batch.inputs.pull().__next__, batch.inputs.left
    scope_var.set(session)
    if session.worker.set_own is not None:
        session.worker.set_own()
    one, copied = renewing(fn), copy_context
    observer, bind_index, tells = log.observer(), None, False
    if observer is not None:
        observer.set_fan(scheduler.name)
        bind_index, tells = observer.set_index, observer.finished
        if observer.tracing is not None:
            from .traced import traced_input  # on first use, as it needs what few have

            one = traced_input(observer.tracing, session, one)
    judged = batch.policies.judged  # then an answer may count as an error
    harmless: type | None = None  # the class of the last value, which is no answer's
    answer: ErrorAnswer | None = None
    raw: Raw | None = None
    start, end = 0.0, FOREVER  # of the call before, if there was any
    until = clock() + QUANTUM
    (entry, permit), session.first = session.first or (None, None), None
    try:
        while True:
            if entry is None:
                if again or undecided:
                    return
                if waitlist is not None:
                    if not left():
                        return
                    permit = waitlist.try_take(scheduler.clock) or await_permit(batch, end - start)
                    if permit is None or again or undecided:
                        return  # whoever comes next puts an input in line
                try:
                    entry = pull()
                except (StopIteration, IndexError):  # which a deque raises
                    return
            (index, item, since), entry = entry, None
            if permit is not None:
                permits[index], permit = (permit, backlog.held_for), None
            start = clock()
            claim[index] = item, since, start
            if barred:  # by somebody who may have missed this claim, as it has missed this entry
                why = turned_away(batch, session, index)
                if why:
                    _fail(batch, session, index, None, CANCELLED, TaskCancelled(why))
                if why is not None:
                    return
            if lookout is not None:
                lookout.watch(index, start)
            if bind_index is not None:
                bind_index(index)
            try:
                value = copied().run(one, item)
            except BaseException as error:
                seconds, timeout, waited = clock() - start, batch.timeout_of(index), batch.waited_of(index)
                failed = _fail(batch, session, index, start, *classify(error, seconds, timeout, fn, waited))
                if failed is None:
                    return
                end = failed
            else:
                end = clock()
                if judged and type(value) is not harmless:
                    if may_be_answer(type(value)):
                        answer = error_in(value)
                        session.judging = answer is not None  # first: it counts as running until it is judged
                    else:
                        harmless = type(value)
                if settle_own(index, None) is None:
                    return
                if session.made is not None:
                    session.forget_scope()
                raw = (index, item, since, SUCCEEDED, value, start, end, worker)
                if answer is not None:
                    batch.follow(session, (*raw[:3], FAILED, answer, *raw[5:]))
                    answer = None
                elif made and index in made and batch.is_more(index):
                    batch.follow(session, raw)
                else:
                    if waitlist is not None:
                        used, held = permits.pop(index)
                        waitlist.succeeded(used, scheduler.clock, usage_in(value))
                        if held:
                            batch.note_held(raw, held)
                    if lookout is not None:
                        lookout.succeeded(index, end - start)
                    if tells:  # first: whoever takes the outcome takes its tokens too
                        log.call_ended(scheduler.name, batch.name, raw, batch.figures_of(index))
                    results[index] = raw
                    if wakes:
                        reader.tell(index)
                value = raw = None  # a long next call must not keep this result alive
            if run_queue.pressure > depth and (run_queue.pressure >= depth + 1 or end > until):
                return
    finally:
        if permit is not None and waitlist is not None:  # the inputs had come to their end
            waitlist.give_back(permit, scheduler.clock)
        del batch, session, results, fn, barred, claim, settle_own  # leave no cycle: see ``call_queue``
        del reader, wakes, again, undecided, one, pull, backlog, lookout
        entry = item = value = raw = answer = None


def _fail(
    batch: InputCalls, session: Session, index: int, start: float | None, status: Status, error: BaseException
) -> float | None:
    """A first attempt has no value; its end, or None if somebody else has settled it."""
    raw = None
    try:
        if status is not FAILED:
            session.end_scope(index)
        session.judging = True  # first: it counts as running until it is judged
        claim = session.claim.pop(index, None)
        if claim is None:
            return None
        if session.made is not None:
            session.forget_scope()
        end = batch.scheduler.clock.monotonic()
        raw = (index, claim[0], claim[1], status, error, start, end, session.worker.thread.name)
        batch.follow(session, raw)
        return end
    finally:
        del batch, session, error, raw  # leave no cycle: see ``call_queue``
