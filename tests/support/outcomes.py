"""Outcomes and reports without calls: a value is a success, an exception a failure, `CUT` a call that was cancelled."""

from threadfan import Outcome, Report, TaskCancelled
from threadfan._core.base.outcome import CANCELLED, FAILED, SUCCEEDED

CUT = TaskCancelled("not needed any more")


def raw(index, payload):
    """An outcome as the executor writes it; its item is ten times its index."""
    status = CANCELLED if payload is CUT else FAILED if isinstance(payload, BaseException) else SUCCEEDED
    return (index, 10 * index, 0.0, status, payload, 0.0, 1.0, "worker")


def report_of(*payloads):
    """The report of a batch in which every call came to this."""
    return Report([raw(index, payload) for index, payload in enumerate(payloads)], wall=1.0)


def outcome_of(index, payload):
    """A single outcome."""
    return Outcome(raw(index, payload))


def told(policy, payloads):
    """Tell a policy of calls, in order, until it has enough; gives how many it took."""
    policy.begin(len(payloads))
    for index, payload in enumerate(payloads):
        if policy.joined(outcome_of(index, payload)):
            return index + 1
    return len(payloads)
