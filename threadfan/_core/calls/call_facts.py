"""What is asked about a call under policies while it runs; queues of such calls have these as methods."""

from __future__ import annotations

from ..events import log
from ..limits.rate_waitlist import STALL
from .request_permits import RequestPermits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.usage import Usage
    from ..pool.work_queue import Session
    from .call_queue import Call
    from .policy_queue import PolicyQueue


def timeout_of(_queue: PolicyQueue, key: Call) -> float | None:
    """The call's own; what it waited for a limit while it ran does not count."""
    if key.policies is None:
        return key.timeout
    if key.state.asking:
        return STALL
    return None if key.timeout is None else key.timeout + key.state.allowance


def permits_of(queue: PolicyQueue, session: Session, key: Call) -> RequestPermits | None:
    """For calls under policies."""
    return (
        None if key.policies is None else RequestPermits(queue.scheduler, session, key, key.policies, queue.long_waits)
    )


def figures_of(_queue: PolicyQueue, key: Call) -> dict[str, float | str | None] | None:
    """Attempts, waits in milliseconds, and tokens if any are known."""
    if key.policies is None:
        return None
    attempts, usage = key.state.attempts, key.state.usage
    figures: dict[str, float | str | None] = {
        "attempt": len(attempts),
        "waited_limit": log.milliseconds(sum(attempt.waited_limit for attempt in attempts)),
        "waited_backoff": log.milliseconds(sum(attempt.waited_backoff for attempt in attempts)),
    }
    if usage is not None:
        figures |= {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    return figures


def note_usage(call: Call, usage: Usage) -> None:
    """Note tokens that the attempt at hand has used, beside those of all the call's."""
    if call.policies is not None:
        state = call.state
        state.usage = usage if state.usage is None else state.usage + usage
