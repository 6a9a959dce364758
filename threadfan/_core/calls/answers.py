"""What queues of calls under policies answer alike, by their backlog and their calls: they have these as methods.

Those of the backlog are asked with the scheduler's lock held.
"""

from __future__ import annotations

from ..base.variables import renewed
from ..events import log
from ..limits.rate_waitlist import STALL
from .attempts import Attempts
from .request_permits import RequestPermits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextvars import Context

    from ..base.attempt import Attempt
    from ..base.usage import Usage
    from ..limits.rate_waitlist import RateWaitlist
    from ..limits.waitlist import Waitlist
    from ..pool.work_queue import Session
    from .call_queue import Call
    from .policy_queue import PolicyQueue


def pending(queue: PolicyQueue) -> int:
    """How many calls have not ended and do not run."""
    return queue.backlog.pending()


def ready(queue: PolicyQueue) -> int:
    """How many of them wait for a slot alone."""
    return queue.backlog.ready()


def waiting(queue: PolicyQueue) -> int:
    """How many of them back off or wait for a limit."""
    return queue.backlog.waiting()


def take(queue: PolicyQueue) -> Call | tuple[()] | None:
    """The first call that its limit lets through, with its permits."""
    return queue.backlog.take()


def mend(queue: PolicyQueue) -> None:
    """See ``WorkQueue.mend``."""
    queue.backlog.entries.mend()


def run(queue: PolicyQueue, session: Session) -> None:
    """Run attempts one after another.  Without the lock."""
    try:
        Attempts(queue, session).run()
    finally:
        del queue, session  # leave no cycle: see ``call_queue``


def begins(_queue: PolicyQueue, key: Call, _start: float) -> Context:
    """The context of an attempt of a call under policies; another one must not see what this one has set."""
    return renewed(key.context)


def no_inputs_under(_queue: PolicyQueue, _waitlist: RateWaitlist) -> list[Call]:
    """What waits for a limit and is not in the backlog."""
    return []


def limited(queue: PolicyQueue, now: float) -> float:
    """Seconds in which no call could start because of a limit."""
    return queue.backlog.limited(now)


def pauses(queue: PolicyQueue) -> int:
    """How often limits have had all calls pause since the queue was made."""
    return queue.backlog.pauses()


def limits(queue: PolicyQueue) -> set[Waitlist]:
    """What its calls may wait for."""
    return queue.backlog.waitlists


def timeout_of(_queue: PolicyQueue, key: Call) -> float | None:
    """The call's own; what it waited for a limit while it ran does not count."""
    if key.policies is None:
        return key.timeout
    if key.state.asking:
        return STALL
    return None if key.timeout is None else key.timeout + key.state.allowance


def waited_of(_queue: PolicyQueue, key: Call) -> float:
    """What is allowed for that."""
    return 0.0 if key.policies is None else key.state.allowance


def permits_of(queue: PolicyQueue, session: Session, key: Call) -> RequestPermits | None:
    """For calls under policies."""
    if key.policies is None:
        return None
    return RequestPermits(queue.scheduler, session, key, key.state, key.policies, queue.long_waits)


def figures_of(_queue: PolicyQueue, key: Call) -> dict[str, float | str | None] | None:
    """Attempts, waits in milliseconds, and tokens if any are known."""
    return None if key.policies is None else figures(key.state.attempts, key.state.usage)


def figures(attempts: list[Attempt] | None, usage: Usage | None) -> dict[str, float | str | None]:
    """The same of a call with these attempts; None for one that waited for nothing."""
    found: dict[str, float | str | None] = {
        "attempt": 1 if attempts is None else len(attempts),
        "waited_limit": log.milliseconds(sum(attempt.waited_limit for attempt in attempts or ())),
        "waited_backoff": log.milliseconds(sum(attempt.waited_backoff for attempt in attempts or ())),
    }
    if usage is not None:
        found |= {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    return found


def note_usage(call: Call, usage: Usage) -> None:
    """Note tokens that the attempt at hand has used, beside those of all the call's."""
    if call.policies is not None:
        state = call.state
        state.usage = usage if state.usage is None else state.usage + usage
