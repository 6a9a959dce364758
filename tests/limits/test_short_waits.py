"""Limits that open in a moment: a worker stays for the permit, and nobody is ever ahead of the rate."""

import threading
from itertools import pairwise

import pytest

from support.controlled import PATIENCE, aside, until
from support.counted_limits import CountedLimit
from threadfan import Fan, RateLimit, task
from threadfan._core.base.clock import REAL
from threadfan._core.calls import short_waits
from threadfan._core.calls.near import NEAR
from threadfan._core.limits import waitlist
from threadfan._core.limits.waitlists import waitlist_of

A_SECOND = 1000
INTERVAL = 1 / A_SECOND


class Watched(CountedLimit):
    """Is as strict as a server."""

    def check(self, number):
        """So many were used, each two as far apart as a strict server wants them, and nothing is left."""
        taken = sorted(self.taken)
        assert len(taken) == number
        assert all(after - before >= INTERVAL for before, after in pairwise(taken))
        assert (self.in_flight, self.waitlist._waiting, self.waitlist._invited) == (0, {}, set())


@pytest.fixture
def alarms(monkeypatch):
    """Those that were set for limits."""
    found = []
    set_alarm = waitlist.set_alarm

    def note(*args, **options):
        found.append(args)
        return set_alarm(*args, **options)

    monkeypatch.setattr(waitlist, "set_alarm", note)
    return found


WAYS = {
    "run": lambda fan, one, items: fan.run(one, items).unwrap(),
    "stream": lambda fan, one, items: [outcome.unwrap() for outcome in fan.stream(one, items, ordered=True)],
    "submit": lambda fan, one, items: [future.result() for future in [fan.submit(one, item) for item in items]],
    "gather": lambda fan, one, items: fan.gather(*(task(one, item) for item in items)).unwrap(),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("slots", [1, 3])
def test_a_worker_stays(alarms, way, slots):
    """All calls get their permits, and no alarm has to bring anybody."""
    limit = Watched(60 * A_SECOND)
    with Fan(slots, rate=limit) as fan:
        assert WAYS[way](fan, abs, range(50)) == list(range(50))
    limit.check(50)
    assert alarms == []


def test_it_stays_for_nobody_where_the_wait_is_long(alarms, clock):
    """At a few starts a second it has its slot for others."""
    limit = RateLimit(60)
    with Fan(1, rate=limit) as fan:
        futures = [fan.submit(abs, -number) for number in range(2)]
        until(lambda: fan.snapshot()["waiting"] == 1)
        assert fan.with_options(rate=None).submit(abs, -5).result(PATIENCE) == 5
        clock.wait_for_sleepers(until=2)
        clock.advance(2)
        assert [future.result(PATIENCE) for future in futures] == [0, 1]
    assert alarms


def test_calls_of_others_are_not_kept_waiting():
    """A slot goes to a call that waits for it, after each permit at the latest."""
    limit = Watched(60 * A_SECOND)
    with Fan(1, rate=limit) as fan:
        report = aside(fan.run, abs, range(60))
        plain = fan.with_options(rate=None)
        assert [plain.submit(abs, -number).result(PATIENCE) for number in range(20)] == list(range(20))
        assert report.result(PATIENCE).unwrap() == list(range(60))
    limit.check(60)


def test_fans_that_share_a_limit_get_on():
    """One stays, the other is invited, and both come to their ends."""
    limit = Watched(60 * A_SECOND)
    with Fan(2, rate=limit) as one, Fan(2, rate=limit) as other:
        reports = [aside(fan.run, abs, range(40)) for fan in (one, other)]
        futures = [fan.submit(abs, -number) for fan in (one, other) for number in range(20)]
        assert [report.result(PATIENCE).unwrap() for report in reports] == [list(range(40))] * 2
        assert [future.result(PATIENCE) for future in futures] == [*range(20), *range(20)]
    limit.check(120)


def test_workers_stay_for_several_limits_at_once():
    """One for each of them, in threads of their own."""
    limits = [Watched(60 * A_SECOND) for _ in range(4)]
    with Fan(8) as fan:
        reports = [aside(fan.with_options(rate=limit).run, abs, range(100)) for limit in limits]
        assert [report.result(PATIENCE).unwrap() for report in reports] == [list(range(100))] * 4
    for limit in limits:
        limit.check(100)


@pytest.mark.parametrize("slots", [1, 4])
def test_a_batch_that_ends_while_a_worker_stays_leaves_nothing(slots):
    """Its deadline comes in the middle; each input has one outcome, and the limit is free for others."""
    limit = Watched(60 * A_SECOND)
    with Fan(slots, rate=limit) as fan:
        report = fan.run(abs, range(100_000), deadline=0.05)
        done = [outcome for outcome in report if outcome.ok]
        assert len(report) == 100_000
        assert [outcome.index for outcome in done] == list(range(len(done)))
        assert fan.run(abs, range(5)).unwrap() == list(range(5))
    limit.check(sum(outcome.attempts for outcome in report) + 5)


def test_what_fails_goes_first_where_a_worker_stays(monkeypatch):
    """A call that is tried again gets the next permit that its back-off lets it have, and inputs get the others."""
    monkeypatch.setattr("random.random", lambda: 0.0)
    begun, lock, limit = {}, threading.Lock(), Watched(60 * A_SECOND)

    def one(item):
        with lock:
            begun[item] = begun.get(item, 0) + 1
        if begun[item] == 1 and item % 3 == 0:
            raise ConnectionError
        return item

    with Fan(3, rate=limit, retry=2) as fan:
        report = fan.run(one, range(60))
    assert report.unwrap() == list(range(60))
    assert [outcome.attempts for outcome in report] == [2 if item % 3 == 0 else 1 for item in range(60)]
    limit.check(80)


class Ahead:
    """Stands in a waitlist before all others, and never comes."""

    comes_at = None

    def can_start(self):
        """Not now."""
        return False

    def invite(self):
        """It stays where it is."""


def test_an_invitation_that_comes_before_the_input_is_in_line(monkeypatch):
    """A worker has asked for its batch, and is told to wait; before it has put an input in line, it is its turn."""
    limit, ahead, early = Watched(60 * A_SECOND), Ahead(), []
    line = waitlist_of(limit)
    take = line.take

    def slow(waiter, *args):
        permit = take(waiter, *args)
        if permit is None and waiter.comes_at is None and args[-1] == NEAR and not early:
            early.append(waiter)
            line.leave(ahead, REAL)
            until(lambda: waiter not in line._waiting)  # it was invited, and nobody was in it
        return permit

    def one(item):
        if item == 0:
            line.stand(ahead, None, REAL)
        return item

    monkeypatch.setattr(line, "take", slow)
    with Fan(1, rate=limit) as fan:
        assert aside(fan.run, one, range(5)).result(PATIENCE).unwrap() == list(range(5))
    assert early
    limit.check(5)


def test_a_batch_that_is_cancelled_while_a_worker_stays_stands_nowhere(monkeypatch):
    """It has left the waitlist when the worker asks once more; nobody who comes later has to pass by it."""
    limit, ahead, runs = Watched(60 * A_SECOND), Ahead(), []
    line, sleep_until = waitlist_of(limit), short_waits._sleep_until

    def slow(moment):
        sleep_until(moment)
        if ahead not in line._waiting:
            until(lambda: runs)
            runs[0].cancel()
            line.stand(ahead, None, REAL)

    monkeypatch.setattr(short_waits, "_sleep_until", slow)
    with Fan(1, rate=limit) as fan:
        runs.append(fan.start(abs, range(100)))
        until(runs[0].done)
    assert ahead in line._waiting
    line.leave(ahead, REAL)
    assert not line._waiting
