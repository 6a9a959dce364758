"""Two attempts of one call at once: the first answer wins, and nothing of the other one is left."""

import asyncio
import threading

import pytest

from support.controlled import PATIENCE, Gate, aside, meet, until, within_patience
from support.scripted import every, opened
from threadfan import CallCancelled, Hedge, RateLimit, TaskCancelled, TaskTimeout, current_scope, task
from threadfan.testing import Probe

GONE = ConnectionError("gone")


def hedge(after=1.0):
    """Each call may be hedged."""
    return Hedge(after=after, budget=1.0)


class Attempts:
    """A function whose first and second attempt each end as the test says, or heed their scope until they are told."""

    def __init__(self):
        self._changed = threading.Condition()
        self._said = {}
        self.begun = 0
        self.cancelled = []  # numbers of attempts that heeded their cancel

    def __call__(self, item=None):
        """Make the next attempt."""
        with self._changed:
            number = self.begun
            self.begun += 1
            self._changed.notify_all()
        current_scope().on_cancel(self._wake)
        with self._changed:
            assert self._changed.wait_for(lambda: number in self._said or current_scope().cancelled, PATIENCE)
        if number not in self._said:
            self.cancelled.append(number)
            current_scope().check()
        said = self._said[number]
        if isinstance(said, BaseException):
            raise said
        return said

    def _wake(self):
        with self._changed:
            self._changed.notify_all()

    def say(self, number, what):
        """End the attempt of this number (from 0) so."""
        with self._changed:
            self._said[number] = what
            self._changed.notify_all()

    def wait_for(self, count):
        """Wait until so many attempts have begun."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.begun >= count, PATIENCE)


def second(clock, fn, due=1.0):
    """Let the second attempt begin."""
    fn.wait_for(1)
    clock.wait_for_sleepers(until=due)
    clock.advance(due - clock.monotonic())
    fn.wait_for(2)


def quiet(fan, done):
    """Wait until nothing runs, waits or is abandoned, and see that the figures agree."""
    idle = {"queued": 0, "running": 0, "waiting": 0, "abandoned": 0, "done": done}
    until(lambda: {name: fan.snapshot()[name] for name in idle} == idle)


# -- the first answer wins ---------------------------------------------------------------------------------------------

WAYS = {
    "run": lambda fan, fn: fan.run(fn, [7])[0].unwrap(),
    "fed": lambda fan, fn: fan.run(fn, (item for item in [7]))[0].unwrap(),
    "stream": lambda fan, fn: next(iter(fan.stream(fn, [7]))).unwrap(),
    "map": lambda fan, fn: next(iter(fan.map(fn, [7]))),
    "gather": lambda fan, fn: fan.gather(one=task(fn, 7))["one"].unwrap(),
    "submit": lambda fan, fn: fan.submit(fn, 7).result(PATIENCE),
    "call": lambda fan, fn: asyncio.run(_call(fan, fn)),
    "arun": lambda fan, fn: asyncio.run(fan.arun(fn, [7]))[0].unwrap(),
    "nested": lambda fan, fn: fan.with_options(hedge=None).submit(fan.run, fn, [7]).result(PATIENCE)[0].unwrap(),
}


async def _call(fan, fn):
    return await fan.call(fn, 7)


@pytest.mark.parametrize("winner", [0, 1])
@pytest.mark.parametrize("way", WAYS)
def test_the_first_answer_wins(clock, way, winner):
    """However the call was handed in; the loser's scope is cancelled, and its thread and slot come back."""
    fn, one = Attempts(), hedge()
    with opened(3, hedge=one) as fan:
        answer = aside(WAYS[way], fan, fn)
        second(clock, fn)
        fn.say(winner, "answer")
        assert answer.result(PATIENCE) == "answer"
        until(lambda: fn.cancelled == [1 - winner])
        quiet(fan, 2 if way == "nested" else 1)
        assert (one.calls, one.extra) == (1, 1)
        meet(fan.with_options(hedge=None), 3)


def test_a_task_may_be_hedged_alone(clock):
    """``task().with_options(hedge=)`` hedges that task and no other."""
    fn, plain = Attempts(), Attempts()
    with opened(3) as fan:
        report = aside(fan.gather, task(plain, 1), hedged=task(fn, 7).with_options(hedge=hedge()))
        plain.wait_for(1)
        second(clock, fn)
        fn.say(1, "fast")
        plain.say(0, "slow")
        report = report.result(PATIENCE)
        assert report.unwrap() == ["slow", "fast"]
        assert (report["hedged"].attempts, report[0].attempts) == (2, 1)
        assert plain.begun == 1


def test_a_late_answer_of_the_loser_is_dropped(clock):
    """A loser that does not heed its cancel is replaced like any stuck call, and what it returns goes nowhere."""
    with Gate() as gate, opened(1, hedge=hedge()) as fan:
        lock = threading.Lock()
        numbers = iter(range(2))

        def call():
            with lock:
                number = next(numbers)
            return gate("late") if number == 0 else "early"

        wide = fan.with_options()
        future = wide.submit(call)
        gate.wait_for(1)
        clock.wait_for_sleepers(until=1)
        clock.advance(1)
        until(lambda: fan.snapshot()["queued"] == 1)  # one slot only: the second attempt waits for it
        assert not future.done()
        gate.open()
        assert future.result(PATIENCE) == "late"
        quiet(fan, 1)
    with Gate() as gate, opened(2, hedge=hedge()) as fan:
        numbers = iter(range(2))
        started = clock.monotonic()
        future = fan.submit(call)
        gate.wait_for(1)
        clock.wait_for_sleepers(until=started + 1)
        clock.advance(1)
        assert future.result(PATIENCE) == "early"
        until(lambda: Probe(fan).in_grace)
        clock.wait_for_sleepers(until=started + 1.2)
        clock.advance(0.25)
        until(lambda: fan.snapshot()["abandoned"] == 1)
        meet(fan.with_options(hedge=None), 2)
        gate.open()
        quiet(fan, 3)
        assert future.result() == "early"


def test_a_call_that_ends_in_time_has_no_second_attempt(clock):
    """Its alarm is taken back, and nothing of the budget is used."""
    one = hedge()
    with opened(2, hedge=one) as fan:
        assert fan.submit(abs, -1).result(PATIENCE) == 1
        clock.advance(5)
        quiet(fan, 1)
    assert (one.calls, one.extra) == (1, 0)


# -- attempts that fail ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_one_attempt_fails_and_the_other_decides(clock, order):
    """Whichever fails first, the call ends as the other one does."""
    fn = Attempts()
    with opened(2, hedge=hedge()) as fan:
        future = fan.submit(fn)
        second(clock, fn)
        fn.say(order[0], GONE)
        until(lambda: fan.snapshot()["running"] == 1)
        assert (fan.snapshot()["done"], fan.snapshot()["failed"]) == (0, 0)
        assert not future.done()
        fn.say(order[1], "answer")
        assert future.result(PATIENCE) == "answer"
        quiet(fan, 1)
        assert fan.snapshot()["failed"] == 0


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_both_fail(clock, order):
    """The error of the one that ends last is the call's, and it counts once."""
    fn, last = Attempts(), KeyError("last")
    with opened(2, hedge=hedge()) as fan:
        future = fan.submit(fn)
        second(clock, fn)
        fn.say(order[0], GONE)
        until(lambda: fan.snapshot()["running"] == 1)
        fn.say(order[1], last)
        assert future.exception(PATIENCE) is last
        quiet(fan, 1)
        assert fan.snapshot()["failed"] == 1


def first_timed_out(clock, fan, fn):
    """The future of a call whose first attempt has had its two seconds, and whose second one runs."""
    future = fan.submit(fn)
    fn.wait_for(1)
    clock.wait_for_sleepers(2, until=2)  # for the timeout and for the second attempt
    second(clock, fn)
    clock.wait_for_sleepers(until=2)
    clock.advance(1)
    until(lambda: fn.cancelled == [0])
    return future


def test_the_first_times_out_while_the_second_runs(clock):
    """Each attempt has the whole timeout, and the first one's end is not the call's."""
    fn = Attempts()
    with opened(2, timeout=2, hedge=hedge()) as fan:
        future = first_timed_out(clock, fan, fn)
        until(lambda: fan.snapshot()["running"] == 1)
        assert not future.done()
        fn.say(1, "answer")
        assert future.result(PATIENCE) == "answer"
        quiet(fan, 1)
        assert fan.snapshot()["failed"] == 0


def test_both_time_out(clock):
    """The call's end is the second one's, and it counts once."""
    fn = Attempts()
    with opened(2, timeout=2, hedge=hedge()) as fan:
        future = first_timed_out(clock, fan, fn)
        clock.wait_for_sleepers(until=3)
        clock.advance(1)
        assert isinstance(future.exception(PATIENCE), TaskTimeout)
        quiet(fan, 1)
        assert fan.snapshot()["failed"] == 1


@pytest.mark.parametrize("end", [GONE, "answer"])
def test_the_second_is_never_made_once_the_first_has_ended(clock, end):
    """It waited for a slot; the budget has it back."""
    fn, one = Attempts(), hedge()
    with Gate() as gate, opened(2, hedge=one) as fan:
        blocking = fan.with_options(hedge=None).submit(gate)
        gate.wait_for(1)
        future = fan.submit(fn)
        fn.wait_for(1)
        clock.wait_for_sleepers(until=1)
        clock.advance(1)
        until(lambda: one.extra == 1)
        until(lambda: fan.snapshot()["queued"] == 1)
        assert fan.snapshot()["done"] == 0
        fn.say(0, end)
        assert (future.exception(PATIENCE) or future.result()) == end
        quiet_with_gate = {"queued": 0, "running": 1, "done": 1}
        until(lambda: {name: fan.snapshot()[name] for name in quiet_with_gate} == quiet_with_gate)
        gate.open()
        blocking.result(PATIENCE)
        quiet(fan, 2)
    assert (fn.begun, one.extra) == (1, 0)


def test_the_second_waits_for_a_permit(clock):
    """Each attempt draws one; if the first ends before there is one, the second leaves the line."""
    fn, one, limit = Attempts(), hedge(), RateLimit(6)
    with opened(2, hedge=one, rate=limit) as fan:
        future = fan.submit(fn)
        fn.wait_for(1)
        clock.wait_for_sleepers(until=1)
        clock.advance(1)
        until(lambda: fan.snapshot()["waiting"] == 1)
        fn.say(0, "answer")
        assert future.result(PATIENCE) == "answer"
        quiet(fan, 1)
        assert (one.extra, limit.in_flight, limit.waitlist._waiting) == (0, 0, {})
        until(lambda: not limit.waitlist._waiting)
        fn = Attempts()
        future = fan.submit(fn)
        clock.wait_for_sleepers(until=11)
        clock.advance(10)
        fn.wait_for(1)
        clock.wait_for_sleepers(until=12)
        clock.advance(1)
        until(lambda: fan.snapshot()["waiting"] == 1)
        clock.wait_for_sleepers(until=22)
        clock.advance(10)
        fn.wait_for(2)
        assert limit.in_flight == 2
        fn.say(1, "second")
        assert future.result(PATIENCE) == "second"
        quiet(fan, 2)
    assert (one.extra, limit.in_flight) == (1, 0)


# -- ends from outside -------------------------------------------------------------------------------------------------


class Ending:
    """A call of two attempts that both run, or of which the second waits for a slot, until something ends it."""

    def __init__(self, clock, both):
        self.clock, self.both = clock, both
        self.fn, self.hedge = Attempts(), hedge()

    def hedged(self, fan):
        """Wait until the second attempt runs, or waits."""
        self.fn.wait_for(1)
        self.clock.wait_for_sleepers(until=1)
        self.clock.advance(1)
        until(lambda: self.hedge.extra == 1)
        if self.both:
            self.fn.wait_for(2)
        else:
            until(lambda: fan.snapshot()["queued"] == 1)

    def ended(self, fan, done=1):
        """All attempts that had begun are cancelled, and the budget says how many there were."""
        quiet(fan, done)
        attempts = 1 + self.both
        until(lambda: sorted(self.fn.cancelled) == list(range(attempts)))  # the thread of a call that is over
        assert (self.fn.begun, self.hedge.extra) == (attempts, attempts - 1)


@pytest.fixture(params=[True, False], ids=["both run", "the second waits"])
def ending(clock, request):
    """Both ways."""
    return Ending(clock, request.param)


def workers(ending):
    """Slots for what is to run."""
    return 2 if ending.both else 1


def test_future_cancel(ending):
    """It says False, as of any call that runs; the future ends as the first attempt does."""
    with opened(workers(ending), hedge=ending.hedge) as fan:
        future = fan.submit(ending.fn)
        ending.hedged(fan)
        assert not future.cancel()
        assert isinstance(future.exception(PATIENCE), TaskCancelled)
        ending.ended(fan)


def test_future_cancel_after_the_first_attempt_has_failed(clock):
    """The second is ended though the first has left its thread to others; its failure is the cause."""
    fn = Attempts()
    with opened(2, hedge=hedge()) as fan:
        future = fan.submit(fn)
        second(clock, fn)
        fn.say(0, GONE)
        until(lambda: fan.snapshot()["running"] == 1)
        assert not future.cancel()
        error = future.exception(PATIENCE)
        assert isinstance(error, TaskCancelled)
        assert error.__cause__ is GONE
        quiet(fan, 1)
        until(lambda: fn.cancelled == [1])


@pytest.mark.parametrize("failed", [False, True])
def test_asyncio_cancel(ending, failed):
    """Both attempts end, whether or not the first one has failed by then."""

    async def main(fan):
        awaited = asyncio.ensure_future(fan.call(ending.fn))
        await asyncio.to_thread(ending.hedged, fan)
        if failed:
            ending.fn.say(0, GONE)
            await asyncio.to_thread(until, lambda: fan.snapshot()["running"] == 1)
        awaited.cancel()
        with pytest.raises(asyncio.CancelledError):
            await awaited

    if failed and not ending.both:
        pytest.skip("a second attempt that waits is dropped when the first fails")
    with opened(workers(ending), hedge=ending.hedge) as fan:
        within_patience(asyncio.run, main(fan))
        quiet(fan, 1)
        until(lambda: sorted(ending.fn.cancelled) == ([1] if failed else list(range(1 + ending.both))))


def test_the_deadline_of_the_batch(ending):
    """Both attempts are cancelled, and the outcome is one."""
    with opened(workers(ending), hedge=ending.hedge) as fan:
        report = aside(fan.run, ending.fn, [None], deadline=5)
        ending.hedged(fan)
        ending.clock.wait_for_sleepers(until=5)
        ending.clock.advance(4)
        (outcome,) = report.result(PATIENCE)
        assert outcome.status == "cancelled"
        ending.ended(fan)


def test_fail_fast(ending):
    """Another call's failure ends both attempts."""
    begun, fail = threading.Event(), threading.Event()

    def fn(item):
        if item == 0:
            return ending.fn()
        begun.set()
        assert fail.wait(PATIENCE)
        raise GONE

    with opened(workers(ending) + 1, hedge=ending.hedge) as fan:

        def hedged():
            ending.clock.wait_for_sleepers(until=1)
            ending.clock.advance(1)
            until(lambda: ending.hedge.extra >= 1)

        report = aside(fan.run, fn, [0, 1], fail_fast=True)
        ending.fn.wait_for(1)
        assert begun.wait(PATIENCE)  # else the second attempt of the other call could take its slot
        hedged()
        fail.set()
        error = report.exception(PATIENCE)
        assert error is GONE
        assert [outcome.status for outcome in error.report] == ["cancelled", "failed"]
        quiet(fan, 2)


def test_a_stream_that_is_closed(ending):
    """Both attempts are cancelled."""
    with opened(workers(ending), hedge=ending.hedge) as fan:
        ready = threading.Event()

        def fn(item):
            if item == 0:
                return 0
            assert ready.wait(PATIENCE)
            return ending.fn()

        stream = fan.stream(fn, [0, 1])
        assert next(stream).value == 0
        ready.set()
        ending.hedged(fan)
        within_patience(stream.close)
        ending.ended(fan, done=2)


def test_an_interrupt(ending):
    """Ctrl-C ends both attempts, and whoever waits is told."""
    with opened(workers(ending), hedge=ending.hedge) as fan:
        future = fan.submit(ending.fn)
        ending.hedged(fan)
        Probe(fan).interrupt()
        assert isinstance(future.exception(PATIENCE), TaskCancelled)
        ending.ended(fan)


def test_an_interrupt_after_the_first_attempt_has_failed(clock):
    """The second attempt's end is the call's."""
    fn = Attempts()
    with opened(2, hedge=hedge()) as fan:
        future = fan.submit(fn)
        second(clock, fn)
        fn.say(0, GONE)
        until(lambda: fan.snapshot()["running"] == 1)
        Probe(fan).interrupt()
        assert isinstance(future.exception(PATIENCE), TaskCancelled)
        assert future.exception().__cause__ is GONE
        quiet(fan, 1)


def test_shutdown_with_cancel_futures(ending):
    """What runs goes on, and what waits does not: the first attempt decides if the second waited."""
    with opened(workers(ending), hedge=ending.hedge) as fan:
        future = fan.submit(ending.fn)
        ending.hedged(fan)
        fan.shutdown(wait=False, cancel_futures=True)
        assert ending.hedge.extra == int(ending.both)
        ending.fn.say(0, "answer")
        assert future.result(PATIENCE) == "answer"
        assert ending.fn.begun == 1 + ending.both


def test_no_second_attempt_after_cancel_futures(clock):
    """Nothing new is begun after it."""
    fn, one = Attempts(), hedge()
    with opened(2, hedge=one) as fan:
        future = fan.submit(fn)
        fn.wait_for(1)
        clock.wait_for_sleepers(until=1)
        fan.shutdown(wait=False, cancel_futures=True)
        clock.advance(2)
        fn.say(0, "answer")
        assert future.result(PATIENCE) == "answer"
    assert (fn.begun, one.extra) == (1, 0)


def test_the_end_of_the_call_that_handed_it_in(clock):
    """Also when the first attempt has failed and only the second runs."""
    fn, end = Attempts(), threading.Event()
    inner = []
    with opened(3) as fan:
        hedged = fan.with_options(hedge=hedge())

        def outer():
            inner.append(hedged.submit(fn))
            assert end.wait(PATIENCE)
            raise CallCancelled

        outer_future = fan.submit(outer)
        second(clock, fn)
        fn.say(0, GONE)
        until(lambda: fan.snapshot()["running"] == 2)
        end.set()
        assert isinstance(outer_future.exception(PATIENCE), TaskCancelled)
        assert isinstance(inner[0].exception(PATIENCE), TaskCancelled)
        quiet(fan, 2)
        until(lambda: fn.cancelled == [1])


# -- with retries ------------------------------------------------------------------------------------------------------


def test_a_hedged_attempt_that_fails_is_tried_again(clock):
    """Both attempts fail, the policy has another made, and that may be hedged too."""
    fn, one = Attempts(), hedge()
    with opened(2, hedge=one, retry=every(2)) as fan:
        future = fan.submit(fn)
        second(clock, fn)
        fn.say(0, GONE)
        until(lambda: fan.snapshot()["running"] == 1)
        fn.say(1, GONE)
        until(lambda: fan.snapshot()["waiting"] == 1)
        clock.wait_for_sleepers(until=3)
        clock.advance(2)
        fn.wait_for(3)
        clock.wait_for_sleepers(until=4)
        clock.advance(1)
        until(lambda: one.extra == 1 or fn.begun == 4)
        fn.say(2, "answer")
        assert future.result(PATIENCE) == "answer"
        quiet(fan, 1)
        assert fan.snapshot()["retries"] == 1
        assert one.calls == 1


def test_time_that_attempts_share_counts_once(clock):
    """Two attempts of 3 and 2 seconds, side by side, have taken 3."""
    fn = Attempts()
    with opened(2, hedge=hedge()) as fan:
        report = aside(fan.run, fn, [None])
        second(clock, fn)
        clock.advance(2)
        fn.say(1, "answer")
        (outcome,) = report.result(PATIENCE)
    assert (outcome.duration, outcome.attempts) == (3.0, 2)
    assert sorted((one.started, one.duration, one.status) for one in outcome.history) == [
        (0.0, 3.0, "cancelled"),
        (1.0, 2.0, "succeeded"),
    ]
