"""Calls under a rate limit: when they start, in which order, and what one refusal does to all."""

import threading

import pytest

from support.controlled import PATIENCE, Gate, aside, meet, until
from support.scripted import Overload, Script, every, opened
from threadfan import LimitExhausted, RateLimit, TaskTimeout, task
from threadfan.testing import Probe

SECONDLY = 61.5  # a minute, with the margin of 2.5 % for single requests: one a second


class Starts:
    """Notes which calls have started, and when."""

    def __init__(self, clock):
        self._clock = clock
        self.items = []
        self.moments = []
        self._lock = threading.Lock()

    def __call__(self, item=None):
        """A call that is done at once."""
        with self._lock:
            self.moments.append(self._clock.monotonic())
            self.items.append(item)  # last, for it is what is waited for
        return item

    def wait_for(self, count):
        """Wait until so many have started."""
        until(lambda: len(self.items) >= count)


def tick(clock, limit, seconds=1.0):
    """Move time on when the line has set its alarm for then."""
    due = clock.monotonic() + seconds
    until(lambda: limit.waitlist._due <= due)
    clock.wait_for_sleepers(until=due)
    clock.advance(seconds)


def standing(limit, count):
    """Wait until so many stand in line."""
    until(lambda: len(limit.waitlist._waiting) == count)


def replay(moments, *args, **options):
    """Raise if a limit that is new would not have let these starts through."""
    twin = RateLimit(*args, **options)
    for moment in moments:
        assert twin.wait(moment, twin.cost()) <= 1e-9, moments
        twin.succeeded(twin.take(moment, twin.cost()), moment)


@pytest.mark.parametrize("way", ["run", "lazily", "submit"])
def test_calls_start_exactly_as_the_limit_lets_them(clock, way):
    """One starts each second, whatever slots are free; what each waited for is on its outcome."""
    limit, starts = RateLimit(SECONDLY), Starts(clock)
    with opened(4, rate=limit) as fan:
        if way == "submit":
            futures = [fan.submit(starts, item) for item in range(5)]
        else:
            report = aside(fan.run, starts, range(5) if way == "run" else iter(range(5)))
        for count in range(1, 5):
            starts.wait_for(count)
            until(lambda count=count: fan.snapshot()["waiting"] == 5 - count)
            until(lambda count=count: limit.waitlist._due <= count)
            clock.wait_for_sleepers(until=count)
            clock.advance(0.5)
            clock.advance(0.5)
        starts.wait_for(5)
        if way == "submit":
            assert [future.result(PATIENCE) for future in futures] == list(range(5))
        else:
            outcomes = report.result(PATIENCE)
            assert [one.waited_limit for one in outcomes] == [0, 1, 2, 3, 4]
            assert [one.waited_slot for one in outcomes] == [0] * 5
    assert (starts.items, starts.moments) == (list(range(5)), [0, 1, 2, 3, 4])
    assert (limit.in_flight, limit.waitlist._waiting) == (0, {})


def test_a_burst_starts_at_once(clock):
    """As many as the limit allows start without any time passing; the others one by one, none too early."""
    limit, starts = RateLimit(60, burst=10), Starts(clock)
    twin, expected = RateLimit(60, burst=10), 0
    with opened(20, rate=limit) as fan:
        report = aside(fan.run, starts, range(20))
        while True:
            while twin.wait(clock.monotonic(), twin.cost()) <= 1e-9 and expected < 20:
                twin.succeeded(twin.take(clock.monotonic(), twin.cost()), clock.monotonic())
                expected += 1
            starts.wait_for(expected)
            until(lambda left=20 - expected: fan.snapshot()["waiting"] == left)
            if expected == 20:
                break
            if clock.monotonic() == 0:
                assert expected == 9  # a tenth of a burst stays, half an interval long, for what is late on its way
            until(lambda: limit.waitlist._due < float("inf"))
            clock.wait_for_sleepers(until=limit.waitlist._due)
            clock.advance(0.25)
        assert report.result(PATIENCE).ok
    replay(starts.moments, 60, burst=10)


def test_who_came_first_goes_first(clock):
    """Two fans with one limit, and two batches of one fan, take turns in the order in which they came."""
    limit, starts = RateLimit(SECONDLY), Starts(clock)
    with opened(2, rate=limit) as one, opened(2) as other:
        first = aside(one.run, starts, ["a1", "a2", "a3"])
        starts.wait_for(1)
        standing(limit, 1)
        second = aside(other.with_options(rate=limit).run, starts, ["b1", "b2", "b3"])
        standing(limit, 2)
        third = aside(one.with_options(timeout=60).run, starts, ["c1", "c2"])
        standing(limit, 3)
        for count in range(2, 9):
            tick(clock, limit)
            starts.wait_for(count)
            until(lambda count=count: one.snapshot()["waiting"] + other.snapshot()["waiting"] == 8 - count)
            until(
                lambda: Probe(one).free_slots == Probe(other).free_slots == 2
            )  # who has no free slot would be passed over
        for report in (first, second, third):
            assert report.result(PATIENCE).ok
    assert starts.items == ["a1", "a2", "b1", "c1", "a3", "b2", "c2", "b3"]
    assert starts.moments == list(range(8))


def test_a_fan_whose_slots_are_busy_lets_others_pass(clock):
    """Who could not use a permit is passed over, loses no place in line, and takes none before a slot is free."""
    limit, starts = RateLimit(SECONDLY), Starts(clock)
    limit.failed(limit.take(0.0, limit.cost()), 0.0)
    with Gate() as gate, opened(1, rate=limit) as busy, opened(1, rate=limit) as other:
        first = busy.submit(starts, "busy")
        standing(limit, 1)
        busy.with_options(rate=None).submit(gate)
        gate.wait_for(1)
        report = aside(other.run, starts, range(3))
        standing(limit, 2)
        for count in range(1, 4):
            tick(clock, limit)
            starts.wait_for(count)
            until(lambda: limit.in_flight == 0)
        assert report.result(PATIENCE).ok
        clock.advance(1)
        assert limit.in_flight == 0
        late = other.submit(starts, "late")  # the permit is there, but somebody came before
        until(late.done)
        gate.open()
        until(lambda: limit.waitlist._due < float("inf"))
        tick(clock, limit)
        assert first.result(PATIENCE) == "busy"
    assert starts.items == [0, 1, 2, "late", "busy"]
    assert starts.moments == [1, 2, 3, 4, 5]


def test_who_is_cancelled_passes_the_invitation_on(clock):
    """The next in line has the turn of one that is not wanted any more, at the same moment."""
    limit, starts = RateLimit(SECONDLY), Starts(clock)
    limit.failed(limit.take(0.0, limit.cost()), 0.0)
    with opened(1, rate=limit) as one, opened(1, rate=limit) as other, Gate() as gate:
        first = one.submit(starts, "first")
        standing(limit, 1)
        second = other.submit(starts, "second")
        standing(limit, 2)
        one.with_options(rate=None).submit(gate)
        other.with_options(rate=None).submit(gate)
        gate.wait_for(2)
        tick(clock, limit)
        until(lambda: len(limit.waitlist._invited) == 2)  # nobody can come, so all are told
        assert first.cancel()
        assert [lane.host for lane in limit.waitlist._waiting] == [second.queue.backlog]
        gate.open()
        assert second.result(PATIENCE) == "second"
    assert (starts.items, starts.moments) == (["second"], [1])


def test_waiting_for_a_limit_is_no_part_of_the_timeout(clock):
    """Calls that wait longer than their timeout for the limit have all of it when they start."""
    limit, starts = RateLimit(SECONDLY), Starts(clock)
    with opened(2, timeout=0.25, rate=limit) as fan:
        report = aside(fan.run, starts, range(3))
        for count in range(1, 3):
            starts.wait_for(count)
            until(lambda count=count: fan.snapshot()["waiting"] == 3 - count)
            tick(clock, limit)
        assert report.result(PATIENCE).unwrap() == [0, 1, 2]


def test_tasks_under_several_limits(clock):
    """Each task of a gathering waits for its own limit, and for no other's."""
    slow, slower, starts = RateLimit(SECONDLY), RateLimit(SECONDLY / 4), Starts(clock)
    tasks = [
        task(starts, f"{name}{number}").with_options(rate=limit)
        for number in range(3)
        for name, limit in (("slower", slower), ("slow", slow), ("plain", None))
    ]
    with opened(2) as fan:
        report = aside(fan.gather, *tasks)
        for moment, count in ((1, 6), (2, 7), (4, 8), (8, 9)):
            starts.wait_for(count - 1)
            until(lambda count=count: fan.snapshot()["done"] == count - 1)
            until(lambda: min(slow.waitlist._due, slower.waitlist._due) < float("inf"))
            due = min(slow.waitlist._due, slower.waitlist._due)
            clock.wait_for_sleepers(until=due)
            clock.advance(moment - clock.monotonic())
            starts.wait_for(count)
        assert report.result(PATIENCE).ok
    found = dict(zip(starts.items, starts.moments, strict=True))
    assert [found[f"slow{number}"] for number in range(3)] == [0, 1, 2]
    assert [found[f"slower{number}"] for number in range(3)] == [0, 4, 8]
    assert [found[f"plain{number}"] for number in range(3)] == [0, 0, 0]


def test_one_refusal_pauses_all(clock):
    """Nobody starts before the Retry-After of the first refusal; then one probe, and after it the rest."""
    limit = RateLimit()
    refused, go = threading.Barrier(4), threading.Event()
    starts = Starts(clock)

    def call(item):
        starts(item)
        if starts.items.count(item) == 1 and item < 4:
            refused.wait(PATIENCE)
            raise Overload(retry_after=8)
        assert go.wait(PATIENCE)
        return item

    with opened(4, rate=limit) as fan, opened(4, rate=limit) as other:
        report = aside(fan.run, call, range(8))
        until(lambda: limit.overloads == 1 and fan.snapshot()["waiting"] == 8)
        elsewhere = other.submit(call, 9)
        standing(limit, 2)
        tick(clock, limit, 8)
        starts.wait_for(5)
        until(lambda: limit.in_flight == 1)
        assert starts.moments == [0, 0, 0, 0, 8]
        assert fan.snapshot()["running"] + other.snapshot()["running"] == 1
        go.set()
        while not (report.done() and elsewhere.done()):
            until(lambda: limit.waitlist._due < float("inf") or (report.done() and elsewhere.done()))
            clock.advance(0.25)
        outcomes = report.result(PATIENCE)
        assert [one.attempts for one in outcomes] == [2] * 4 + [1] * 4
        assert all(one.waited_limit >= 8 for one in outcomes)
        assert outcomes.ok
        assert limit.overloads == 1
        assert fan.snapshot()["failed"] == 0


@pytest.mark.parametrize("retry", [None, 3, every(0)], ids=["none", "number", "tenacity"])
def test_what_is_hopeless_fails(clock, retry):
    """After ten probes that were refused the call fails with its refusal; before that no retry is used up."""
    limit, call = RateLimit(), Script(Overload(1))
    with opened(2, rate=limit, retry=retry) as fan:
        report = aside(fan.run, call, [0])
        while not report.done():
            until(lambda: report.done() or clock._asleep(clock.monotonic() + 32))
            clock.advance(32)
        outcome = report.result(PATIENCE)[0]
    assert outcome.status == "failed"
    assert isinstance(outcome.error, Overload)
    assert outcome.attempts == (11 if retry is None else 14 if retry == 3 else 13)
    assert limit.in_flight == 0


def test_what_waits_for_what_is_hopeless_fails_too(clock):
    """Nobody waits for ever: calls that were never made say so, with the refusal as the cause."""
    limit, call = RateLimit(), Script(Overload(1))
    with opened(2, rate=limit) as fan:
        future = fan.submit(call, "single")
        report = aside(fan.run, call, range(5))
        while not (report.done() and future.done()):
            until(lambda: (report.done() and future.done()) or clock._asleep(clock.monotonic() + 32))
            clock.advance(32)
        outcomes = report.result(PATIENCE)
    assert len(outcomes.failed) == 5
    assert {type(outcome.error) for outcome in outcomes} == {Overload, LimitExhausted}
    assert all(isinstance(one.error.__cause__, Overload) for one in outcomes if isinstance(one.error, LimitExhausted))
    assert isinstance(future.exception(PATIENCE), (Overload, LimitExhausted))
    assert (limit.in_flight, limit.waitlist._waiting) == (0, {})


def test_permits_of_calls_that_end_anyhow_come_back(clock):
    """Failures, timeouts, cancels and calls that never begin leave no permit behind."""
    del clock
    limit = RateLimit()
    with Gate() as gate, opened(2, rate=limit) as fan:
        fan.run(Script(ValueError()), range(3))
        first = fan.submit(gate)
        gate.wait_for(1)
        first.cancel()
        gate.open()
        first.exception(PATIENCE)
        fan.run(abs, range(5), fail_fast=True)
        meet(fan, 2)
    assert (limit.in_flight, limit.waitlist._waiting) == (0, {})


@pytest.mark.filterwarnings("ignore:.*stuck:RuntimeWarning")
def test_a_timeout_is_told_at_once_although_others_wait_for_the_limit(clock):
    """The policy is asked about a timed-out attempt without a permit for that."""
    limit = RateLimit(1)
    with Gate() as gate, opened(2, rate=limit, timeout=4, retry=every(0, attempts=1)) as fan:
        future = fan.submit(gate)
        gate.wait_for(1)
        fan.submit(abs, 1)
        standing(limit, 1)
        clock.wait_for_sleepers(until=4)
        clock.advance(4)
        assert isinstance(future.exception(PATIENCE), TaskTimeout)
        fan.shutdown(wait=False, cancel_futures=True)
        gate.open()


def test_the_line_asks_for_the_cost_of_the_call_that_is_next(clock):
    """When a dear call takes the place of a cheap one, its queue waits for the dear one, and asks not all the time."""
    asked = []

    class Counting(RateLimit):
        def wait(self, now, cost):
            asked.append(cost.input)
            return super().wait(now, cost)

    limit = Counting(input_tokens_per_minute=60, estimate=lambda tokens: (tokens, 0))
    limit.failed(limit.take(0.0, limit.cost((100,))), 0.0)
    with opened(1, rate=limit) as fan:
        cheap = fan.submit(abs, 1)
        standing(limit, 1)
        dear = fan.submit(abs, 50)
        cheap.cancel()
        again = fan.submit(abs, 2)
        standing(limit, 1)
        clock.wait_for_sleepers(until=limit.waitlist._due)
        clock.advance(1000)
        assert dear.result(PATIENCE) == 50
        until(lambda: fan.snapshot()["waiting"] == 1)
        count = len(asked)
        clock.wait_for_sleepers(until=limit.waitlist._due)
        clock.advance(1000)
        assert again.result(PATIENCE) == 2
        assert len(asked) < count + 20


def test_a_call_that_needs_no_permit_after_all_leaves_nobody_in_the_line(clock):
    """Invited for a call that was cancelled, its queue comes with one that fails at once: the invitation goes on."""

    def wrong(item):
        if item < 0:
            raise KeyError(item)
        return 1, 0

    limit = RateLimit(SECONDLY, estimate=wrong)
    with opened(1, rate=limit) as fan:
        assert fan.submit(abs, 1).result(PATIENCE) == 1
        unwanted = fan.submit(abs, 2)
        standing(limit, 1)
        flawed = fan.submit(abs, -3)
        assert unwanted.cancel()
        tick(clock, limit)
        assert type(flawed.exception(PATIENCE)) is KeyError
        standing(limit, 0)
