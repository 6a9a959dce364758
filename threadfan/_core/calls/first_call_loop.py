"""First attempts of single calls: the loop of ``CallQueue``, with a permit before and a look after.

A test holds it to the same outcomes as the general path of ``Attempts``.
"""

from __future__ import annotations

from ..base.locks import GIL
from ..base.outcome import END, PAYLOAD, START, STATUS, SUCCEEDED
from ..events import log
from ..policies.returned import may_be_answer
from ..pool.work_queue import QUANTUM
from .attempts import Attempts
from .call_queue import perform_call, tell_end
from .limit_reports import usage_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.outcome import Raw
    from ..pool.work_queue import Session
    from .call_queue import Call
    from .first_calls import FirstCalls


def run(queue: FirstCalls, session: Session) -> None:
    """Make first attempts, from that of ``session.first`` on; what is found there then has had its own."""
    scheduler, depth, entries = queue.scheduler, queue.depth, queue.entries
    run_queue, again, undecided = scheduler.run_queue, queue.lane.calls, queue.backlog.undecided
    clock, waitlist = scheduler.clock.monotonic, queue.policies.waitlist
    judged = queue.policies.judged  # then an answer may count as an error
    until = clock() + QUANTUM
    observer = log.observer()
    harmless: type | None = None  # the class of the last value, which is no answer's
    raw: Raw | None = None
    call: Call | None = session.first
    session.judging, session.first = True, None  # first: it counts as running from the moment that it is taken
    try:
        while call is not None:
            if call.begin(session):
                raw = perform_call(session, call, observer)
                if raw is None:
                    session.judging = False
                    return
                end, kind = raw[END], type(raw[PAYLOAD])
                if judged and kind is not harmless and not may_be_answer(kind):
                    harmless = kind
                if (
                    raw[STATUS] is not SUCCEEDED
                    or (judged and kind is not harmless)
                    or (call.state is not None and (waitlist is not None or call.hedging is not None))
                ):
                    _follow(queue, session, call, raw)
                else:
                    _tell(queue, session, call, raw, observer)
                    session.judging = False  # first: whoever learns of the end may look at the figures
                    session.waiting = call.deliver_quietly(raw)
            else:
                end = clock()
                session.judging = False
                permit = call.taken[1]
                if waitlist is not None and permit is not None:
                    waitlist.give_back(permit, scheduler.clock)
            call = raw = None  # a parked thread must not keep a result alive
            if run_queue.pressure > depth and (run_queue.pressure >= depth + 1 or end > until):
                return
            if not entries or undecided or (again and not waitlist):
                return
            if waitlist is None and GIL:
                session.judging = True
                try:
                    call = entries.popleft()
                except IndexError:  # another thread was faster
                    session.judging = False
                    return
            else:
                queue.take_next(session)
                call = session.first
                if not call or call.state is not None:
                    return
                session.judging, session.first = True, None
            if session.waiting:
                session.wake()
    finally:
        del queue, session, call, raw  # leave no cycle: see ``call_queue``


def _tell(queue: FirstCalls, session: Session, call: Call, raw: Raw, observer: log.Observer | None) -> None:
    """A first attempt has succeeded, and nobody has to be asked whether that is the call's end."""
    (_, permit, held), waitlist = call.taken, queue.policies.waitlist
    if waitlist is not None and permit is not None:
        waitlist.succeeded(permit, queue.scheduler.clock, usage_in(raw[PAYLOAD]))
    if queue.lookout is not None:
        queue.lookout.succeeded(call, raw[END] - raw[START])  # type: ignore[operator]  # it has started
    if observer is not None:
        if held or call.state is not None:  # its event says how long it has waited
            queue.state_of(call, raw[START]).ended(raw)  # type: ignore[arg-type]
        tell_end(session, call, raw, observer)


def _follow(queue: FirstCalls, session: Session, call: Call, raw: Raw) -> None:
    """More is to be done after a first attempt than to keep its value."""
    try:
        queue.become(call, raw)
        Attempts(queue, session).follow_first(call, raw)
    finally:
        del queue, session, call, raw  # leave no cycle: see ``call_queue``
