"""``total_timeout``: the time of a call over all its attempts."""

import threading

import pytest

from support.controlled import PATIENCE, aside, heed_cancel, until, until_cancelled
from threadfan import Fan, Hedge, RateLimit, TaskTimeout, current_scope, sleep, task

OVER = r"hang did not succeed within its total_timeout of 5 s, in 3 attempts"


@pytest.fixture
def no_jitter(monkeypatch):
    """Back-offs take no time."""
    monkeypatch.setattr("random.random", lambda: 0.0)


@pytest.fixture
def most_jitter(monkeypatch):
    """Back-offs take as long as they can: 0.5 s, 1 s, 2 s."""
    monkeypatch.setattr("random.random", lambda: 1.0)


def submitted(fan, fn):
    """The error of a single call."""
    return fan.submit(fn).exception(PATIENCE)


def in_a_batch(fan, fn):
    """That of an input."""
    return of(fan.run(fn, ["item"])[0])


def in_a_gathering(fan, fn):
    """That of a task."""
    return of(fan.gather(fn)[0])


def in_a_pipeline(fan, fn):
    """That of an item."""
    return of(fan.pipeline(fn).run(["item"])[0])


def in_a_graph(fan, fn):
    """That of a task of a graph."""
    graph = fan.graph()
    graph.add(fn, name="one")
    return graph.run()["one"].error


def of(outcome):
    """The error of an outcome, which has it in its history too."""
    assert outcome.status == "timed_out"
    assert outcome.history[-1].error is outcome.error
    return outcome.error


@pytest.mark.parametrize("way", [submitted, in_a_batch, in_a_gathering, in_a_pipeline, in_a_graph])
def test_the_last_attempt_has_what_is_left(clock, no_jitter, way):
    """Two attempts take their two seconds, the third has one, and the error says which time was up."""
    begun = threading.Semaphore(0)

    def hang(*_):
        begun.release()
        until_cancelled()

    with Fan(1, timeout=2, total_timeout=5, retry=100) as fan:
        error = aside(way, fan, hang)
        for moment in (2, 4, 5):
            assert begun.acquire(timeout=PATIENCE)
            clock.wait_for_sleepers(until=moment)
            clock.advance(min(2, moment - clock.monotonic()))
        with pytest.raises(TaskTimeout, match=OVER):
            raise error.result(PATIENCE)


def test_a_call_that_heeds_its_scope(clock):
    """It learns what is left, and its own end says which time was up, too."""
    left, asked = [], threading.Event()

    def call():
        left.append(current_scope().remaining())
        heed_cancel(asked)

    with Fan(1, total_timeout=5) as fan:
        future = fan.submit(call)
        assert asked.wait(PATIENCE)
        clock.wait_for_sleepers(until=5)
        clock.advance(5)
        with pytest.raises(TaskTimeout, match=r"total_timeout of 5 s, in 1 attempt$"):
            future.result(PATIENCE)
    assert left == [5]


def test_a_back_off_that_would_not_end_in_time_is_not_begun(clock, most_jitter):
    """The call fails at once, with its own error."""
    with Fan(1, total_timeout=2, retry={ValueError: 100}) as fan:
        report = aside(fan.run, int, ["no number"])
        for moment in (0.5, 1.5):
            clock.wait_for_sleepers(until=moment)
            clock.advance(moment - clock.monotonic())
        outcome = report.result(PATIENCE)[0]
        assert (outcome.status, outcome.attempts, outcome.waited_backoff) == ("failed", 3, 1.5)
        assert isinstance(outcome.error, ValueError)


def test_back_offs_count(clock, most_jitter):
    """An attempt after one has less time by that."""
    begun, again = [], threading.Event()

    def call():
        begun.append(clock.monotonic())
        if len(begun) == 1:
            raise ConnectionError
        again.set()
        until_cancelled()

    with Fan(1, total_timeout=2, retry=1) as fan:
        future = fan.submit(call)
        clock.wait_for_sleepers(until=0.5)
        clock.advance(0.5)
        assert again.wait(PATIENCE)
        clock.wait_for_sleepers(until=2)
        clock.advance(1.5)
        with pytest.raises(TaskTimeout, match="total_timeout of 2 s, in 2 attempts"):
            future.result(PATIENCE)
    assert begun == [0, 0.5]


def test_waits_for_a_limit_do_not_count(clock, no_jitter):
    """As for `timeout`: neither before an attempt nor for the one after it."""
    begun = []

    def call(item):
        begun.append(clock.monotonic())
        if len(begun) == 2:
            raise ConnectionError
        return item

    with Fan(1, total_timeout=5, retry=1, rate=RateLimit(requests_per_minute=1)) as fan:
        report = aside(fan.run, call, [1, 2])
        for number in (1, 2):
            until(lambda: len(begun) == number and fan.snapshot()["waiting"] == 1)  # noqa: B023 -- done in the round
            clock.advance(120)
        assert report.result(PATIENCE).unwrap() == [1, 2]
    assert begun == [0, 120, 240]


def test_attempts_side_by_side(clock):
    """The second attempt of a hedge has no more time than the first."""
    with Fan(2, total_timeout=3, timeout=5, hedge=Hedge(after=1, budget=1)) as fan:
        started = threading.Semaphore(0)

        def call():
            started.release()
            until_cancelled()

        future = fan.submit(call)
        assert started.acquire(timeout=PATIENCE)
        clock.wait_for_sleepers(until=1)
        clock.advance(1)
        assert started.acquire(timeout=PATIENCE)
        clock.wait_for_sleepers(until=3)
        clock.advance(2)
        with pytest.raises(TaskTimeout, match="total_timeout of 3 s"):
            future.result(PATIENCE)


def test_where_it_is_given(clock):
    """A view, a task and a stage have their own; without one the fan's timeout is as it was."""
    with Fan(1, timeout=7) as fan:
        view = fan.with_options(total_timeout=5)
        assert view.submit(lambda: current_scope().remaining()).result(PATIENCE) == 5
        assert view.with_options(total_timeout=None).submit(lambda: current_scope().remaining()).result(PATIENCE) == 7
        assert view.with_options(timeout=3).submit(lambda: current_scope().remaining()).result(PATIENCE) == 3
        own = task(lambda: current_scope().remaining()).with_options(total_timeout=2)
        assert fan.gather(own, lambda: current_scope().remaining()).unwrap() == [2, 7]


async def test_in_a_coroutine(clock):
    """An awaited call is under it too."""
    async with Fan(1, total_timeout=0.5) as fan:
        future = fan.call(sleep, 60)
        aside(lambda: (clock.wait_for_sleepers(until=0.5), clock.advance(0.5)))
        with pytest.raises(TaskTimeout, match=r"total_timeout of 0\.5 s"):
            await future


@pytest.mark.parametrize("given", [0, -1, "5", True])
def test_what_is_no_time(given):
    """It is refused where it is given."""
    with pytest.raises((TypeError, ValueError), match="total_timeout must be"):
        Fan(1, total_timeout=given)
    with pytest.raises((TypeError, ValueError), match="total_timeout must be"):
        task(int).with_options(total_timeout=given)
    with Fan(1) as fan, pytest.raises(TypeError, match=r"with_options\(total_timeout=5\)"):
        fan.run(int, ["1"], total_timeout=5)
