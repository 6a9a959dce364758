"""Scenarios of limits, retries and hedging."""

import threading
import time

from threadfan import Fan, Hedge, RateLimit
from threadfan._core.base.clock import REAL
from threadfan._core.limits.waitlists import waitlist_of

from .scenario import Counted, scenario, settled, settled_fan, together


@scenario(flies=True)
def invitation_against_leaving():
    """Two fans share a limit that opens every millisecond: whoever is invited comes, or passes that on."""
    limit, counted = RateLimit(60_000), Counted()
    with settled_fan(1, rate=limit) as one, settled_fan(1, rate=limit) as other:
        found = together(lambda: one.run(counted, [1, 2, 3]).unwrap(), lambda: other.run(counted, [4, 5]).unwrap())
    assert found == [[1, 2, 3], [4, 5]]
    assert counted.calls == dict.fromkeys(range(1, 6), 1)


class Ahead:
    """Stands in a waitlist before all others, and never comes."""

    comes_at = None

    def can_start(self):
        """Not now."""
        return False

    def invite(self):
        """It stays where it is."""


@scenario(sleeps=True)
def invitation_against_standing_in_line():
    """Whoever stood before a batch leaves while its worker puts an input in line: the batch is invited, and comes."""
    limit, ahead, leaving = RateLimit(60_000), Ahead(), []
    line = waitlist_of(limit)

    def one(item):
        if not item:
            time.sleep(0.5)  # the limit is open again
            line.stand(ahead, None, REAL)
            leaving.append(threading.Thread(target=line.leave, args=(ahead, REAL), name="leaving", daemon=True))
            leaving[0].start()
        return item

    with settled_fan(1, rate=limit) as fan:
        assert fan.run(one, [0, 1, 2]).unwrap() == [0, 1, 2]
    leaving[0].join()


@scenario(flies=True)
def invitation_against_cancel():
    """A call that waits for a limit is cancelled as its turn comes; the next one has it then."""
    limit, counted = RateLimit(60), Counted()
    with settled_fan(1, rate=limit) as fan:
        first, second, third = (fan.submit(counted, item) for item in range(3))
        first.result()
        cancelled, value = together(second.cancel, third.result)
    assert value == 2
    assert counted.calls == ({0: 1, 2: 1} if cancelled else {0: 1, 1: 1, 2: 1})


@scenario(flies=True)
def limit_of_two_fans():
    """Two fans with a slow limit, one of which is closed while calls wait."""
    limit = RateLimit(60)
    fan = Fan(1, rate=limit)
    waiting = [fan.submit(abs, -1) for _ in range(2)]
    with settled_fan(1, rate=limit) as other:
        together(lambda: fan.shutdown(cancel_futures=True), lambda: other.run(abs, [-1, -2]).unwrap())
    assert all(future.done() for future in waiting)
    settled(fan)


@scenario(flies=True)
def retried():
    """A call that fails at first is tried again, after a back-off; the others go on meanwhile."""
    counted = Counted()

    def one(item):
        counted(item)
        if item == 1 and counted.calls[1] == 1:
            raise ConnectionError(item)
        return item

    with settled_fan(2, retry=1) as fan:
        found = together(lambda: fan.run(one, [0, 1, 2]).unwrap(), lambda: fan.submit(one, 3).result())
    assert found == [[0, 1, 2], 3]
    assert counted.calls == {0: 1, 1: 2, 2: 1, 3: 1}


@scenario(flies=True)
def retried_against_cancel():
    """A call that backs off is cancelled, or has its value."""
    counted = Counted()

    def one(item):
        counted(item)
        if counted.calls[item] == 1:
            raise ConnectionError(item)
        return item

    with settled_fan(1, retry=1, late=True) as fan:
        started = fan.start(one, [1, 2])
        together(started.wait, lambda: started.cancel(0))
        report = started.result()
    assert report[1].value == 2
    assert report[0].status in ("succeeded", "cancelled")


@scenario(flies=True)
def hedged():
    """A second attempt ends with the first one, whoever is faster; each input has one outcome."""
    with settled_fan(2, late=True, hedge=Hedge(after=0.5, budget=1)) as fan:

        def one(item):
            time.sleep(item)
            return item

        found = together(lambda: fan.run(one, [0.5, 1]).unwrap(), lambda: fan.submit(one, 0.5).result())
    assert found == [[0.5, 1], 0.5]


@scenario(flies=True)
def hedged_beyond_the_budget():
    """No second attempt may be made, or only some: each input has one outcome, its value."""
    with settled_fan(2, hedge=Hedge(after=0.5, budget=0.5), late=True) as fan:

        def one(item):
            time.sleep(item)
            return item

        assert fan.run(one, [0.5, 0.5, 0.75]).unwrap() == [0.5, 0.5, 0.75]


@scenario(flies=True)
def timeouts_of_attempts():
    """Attempts that last as long as they may are ended or not, and tried again if they were."""
    counted = Counted()

    def one(item):
        counted(item)
        time.sleep(1 if counted.calls[item] == 1 else 0)
        return item

    with settled_fan(1, timeout=1, retry=2, late=True) as fan:
        report = fan.run(one, [1, 2])
    for outcome in report:
        assert outcome.ok or outcome.attempts == 3, outcome
