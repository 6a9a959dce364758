"""``idle_timeout``: calls that do nothing are ended."""

import threading

import pytest

from support.controlled import PATIENCE, aside, heed_cancel, until, until_cancelled
from threadfan import Fan, RateLimit, TaskTimeout, current_scope, fail_after, task

IDLE = r"until_cancelled has read nothing and not touched its scope for 5 s, its idle_timeout$"


def submitted(fan):
    """The error of a single call."""
    return fan.submit(until_cancelled).exception(PATIENCE)


def in_a_batch(fan):
    """That of an input."""
    return fan.run(until_cancelled, ["item"])[0].error


def in_a_gathering(fan):
    """That of a task."""
    return fan.gather(until_cancelled)[0].error


def in_a_pipeline(fan):
    """That of an item."""
    return fan.pipeline(until_cancelled).run(["item"])[0].error


@pytest.mark.parametrize("way", [submitted, in_a_batch, in_a_gathering, in_a_pipeline])
@pytest.mark.parametrize("more", [{}, {"timeout": 60}, {"rate": RateLimit()}], ids=str)
def test_a_call_that_does_nothing(clock, way, more):
    """It times out, and the error says which time was up."""
    with Fan(1, idle_timeout=5, **more) as fan:
        error = aside(way, fan)
        clock.wait_for_sleepers(until=5)
        clock.advance(5)
        with pytest.raises(TaskTimeout, match=IDLE):
            raise error.result(PATIENCE)


class Steps:
    """A call that touches its scope when the test says so."""

    def __init__(self):
        self.told, self.touched = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, number):
        """Touch it so often, and then hang."""
        self.touched.release()
        for _ in range(number):
            assert self.told.acquire(timeout=PATIENCE)
            current_scope().touch()
            self.touched.release()
        heed_cancel()

    def touch(self):
        """Let it, and wait until it has."""
        self.told.release()
        assert self.touched.acquire(timeout=PATIENCE)


def test_a_touch_puts_it_off(clock):
    """The time counts from the last one."""
    steps = Steps()
    with Fan(1, idle_timeout=5) as fan:
        future = fan.submit(steps, 2)
        assert steps.touched.acquire(timeout=PATIENCE)
        for moment, due in ((3, 5), (7, 8)):
            clock.wait_for_sleepers(until=due)
            clock.advance(moment - clock.monotonic())
            steps.touch()
        clock.advance(1)  # at 8, when it looks again
        clock.wait_for_sleepers(until=12)
        assert not future.done()
        clock.advance(4)
        with pytest.raises(TaskTimeout, match="idle_timeout"):
            future.result(PATIENCE)


def test_a_touch_in_a_block_and_in_another_thread(clock):
    """A block within the call touches the call; so does a thread that was given the scope."""
    moments = []

    def call():
        scope, clock_of = current_scope(), current_scope().clock
        with fail_after(60) as block:
            clock_of.advance(1)
            block.touch()
            moments.append(scope.pulse[0])
            clock_of.advance(1)
            aside(scope.touch).result(PATIENCE)
            moments.append(scope.pulse[0])

    with Fan(1, idle_timeout=50) as fan:
        fan.submit(call).result(PATIENCE)
        fan.with_options(idle_timeout=None).submit(lambda: current_scope().touch()).result(PATIENCE)
    current_scope().touch()
    assert moments == [1, 2]


def test_a_call_that_waits_for_its_own_calls_is_not_idle(clock):
    """They have idle timeouts of their own."""
    go, started = threading.Event(), threading.Event()

    def inner():
        started.set()
        return go.wait(PATIENCE)

    with Fan(1) as fan:
        future = fan.with_options(idle_timeout=5).submit(lambda: fan.submit(inner).result())
        assert started.wait(PATIENCE)
        clock.wait_for_sleepers(until=5)
        clock.advance(5)
        clock.wait_for_sleepers(until=10)
        go.set()
        assert future.result(PATIENCE) is True


def test_a_call_that_waits_for_its_limit_is_not_idle(clock):
    """As that does not count against its timeout."""
    waits = threading.Event()

    def call():
        permits = current_scope().permits
        permits.begin()
        waits.set()
        permits.begin()
        return clock.monotonic()

    with Fan(1, rate=RateLimit(requests_per_minute=4, burst=1), idle_timeout=5) as fan:
        future = fan.submit(call)
        assert waits.wait(PATIENCE)
        for due in (5, 10, 15):
            clock.wait_for_sleepers(until=due)
            clock.advance(due - clock.monotonic())
        clock.advance(5)
        assert future.result(PATIENCE) >= 15


def test_it_is_tried_again(clock, monkeypatch):
    """As after any timeout, and the next attempt has the whole time."""
    monkeypatch.setattr("random.random", lambda: 0.0)
    calls = []

    def call(item):
        calls.append(item)
        if len(calls) == 1:
            until_cancelled()
        return item

    with Fan(1, idle_timeout=5, retry=1) as fan:
        report = aside(fan.run, call, ["a"])
        until(lambda: calls)
        clock.wait_for_sleepers(until=5)
        clock.advance(5)
        outcome = report.result(PATIENCE)[0]
    assert (outcome.value, outcome.attempts) == ("a", 2)
    assert "idle_timeout" in str(outcome.history[0].error)


def test_where_it_is_given():
    """A view and a task have their own, and None takes it away."""

    def pulse():
        return current_scope().pulse is not None

    with Fan(1, idle_timeout=60) as fan:
        assert fan.submit(pulse).result(PATIENCE)
        assert fan.gather(pulse, task(pulse).with_options(idle_timeout=None)).unwrap() == [True, False]
        assert not fan.with_options(idle_timeout=None).run(lambda _: pulse(), [1]).unwrap()[0]


async def test_in_a_coroutine(clock):
    """An awaited call has it too."""
    async with Fan(1, idle_timeout=5) as fan:
        future = fan.call(until_cancelled)
        aside(lambda: (clock.wait_for_sleepers(until=5), clock.advance(5)))
        with pytest.raises(TaskTimeout, match=IDLE):
            await future


@pytest.mark.parametrize("given", [0, -1, "5"])
def test_what_is_no_time(given):
    """It is refused where it is given."""
    with pytest.raises((TypeError, ValueError), match="idle_timeout must be"):
        Fan(1, idle_timeout=given)
    with pytest.raises((TypeError, ValueError), match="idle_timeout must be"):
        task(int).with_options(idle_timeout=given)
