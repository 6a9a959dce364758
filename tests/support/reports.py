"""Reports of runs whose times a test says, second by second."""

from threadfan import Report
from threadfan._core.base.attempt import Attempt
from threadfan._core.base.outcome import FAILED, SUCCEEDED, TIMED_OUT


def raw(index, status, payload, start, end, since=100.0):
    """A call that was handed in at 100 by the monotonic clock; ``start`` and ``end`` are seconds after that."""
    begun = None if start is None else since + start
    return (index, f"item {index}", since, status, payload, begun, since + end, "worker_0")


def report(**more):
    """Five calls on two slots: two succeed, one of them at its second attempt; one fails, one is late, one never ran.

    ``more`` goes to the report.
    """
    raws = [
        raw(0, SUCCEEDED, "value", 0.0, 1.0),
        raw(1, FAILED, ValueError("bad input 1"), 0.0, 2.0),
        raw(2, SUCCEEDED, "value", 3.5, 4.0),
        raw(3, TIMED_OUT, TimeoutError("too slow"), 2.0, 5.0),
        raw(4, "cancelled", KeyError("stopped"), None, 5.0),
    ]
    attempts = {
        2: [
            Attempt(FAILED, ConnectionError("reset"), started=1.0, duration=0.5, waited_slot=1.0),
            Attempt(SUCCEEDED, None, started=3.5, duration=0.5, waited_limit=0.5, waited_backoff=1.5),
        ]
    }
    given = {"names": {4: "last"}, "wall": 5.0, "slots": 2, "attempts": attempts, **more}
    return Report(raws, **given)
