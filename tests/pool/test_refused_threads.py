"""A system that gives no more threads: calls run on those there are, and nothing is lost or left waiting."""

import concurrent.futures
import random
import re
import sys
import threading
import time
from queue import SimpleQueue

import pytest

from support.controlled import PATIENCE, Gate, aside, until, within_patience
from threadfan import Fan, Hedge, RateLimit, TaskTimeout, current_scope, fail_after, move_on_after, sleep
from threadfan._core.base import clock as clocks
from threadfan._core.pool.starts import PATIENCE as UNTIL_GIVEN_UP
from threadfan.clients import subprocess
from threadfan.testing import refused_threads

HELPERS = "-callbacks|threadfan-alarm"


@pytest.fixture(autouse=True)
def _nothing_is_left_to_do():
    """Whoever waits in later tests has nothing to do for these."""
    yield
    until(lambda: [clocks.do_chores(), not clocks.chores][1])


def warnings_of(caplog):
    """What the log says of threads that were refused."""
    return [record.getMessage() for record in caplog.records if "no thread could be started" in record.getMessage()]


@pytest.mark.parametrize("times", [1, 3, float("inf")])
@pytest.mark.parametrize("wait", ["result", "wait", "as_completed", "run"])
def test_a_timeout_is_kept_without_a_deadline_timer(wait, times, caplog):
    """A call that hangs is ended by whoever waits for it; its thread is replaced, and one warning says why."""
    gate = Gate()
    with refused_threads("threadfan-alarms", times=times) as refused:
        fan = Fan(1, timeout=0.05)
        for _ in range(2):
            if wait == "run":
                assert isinstance(fan.run(gate, [1])[0].error, TaskTimeout)
                continue
            future = fan.submit(gate)
            if wait == "wait":
                assert not concurrent.futures.wait([future], timeout=PATIENCE).not_done
            elif wait == "as_completed":
                next(concurrent.futures.as_completed([future], timeout=PATIENCE))
            assert isinstance(future.exception(PATIENCE), TaskTimeout)
        assert fan.with_options(timeout=None).submit(int).result(PATIENCE) == 0
        gate.open()
        until(lambda: fan.snapshot()["abandoned"] == 0)
        within_patience(fan.shutdown)
    assert refused
    assert len(warnings_of(caplog)) <= 1


def test_every_helper_is_refused():
    """Timeouts, retries, limits, second attempts and callbacks happen without a single helper thread."""
    told, gate = [], Gate()

    def helped(*_):
        told.append(threading.current_thread().name)

    def fails_once(item, seen=set()):  # noqa: B006 - it remembers
        if item not in seen:
            seen.add(item)
            raise ConnectionError
        return item

    def slowly(item):
        time.sleep(0.01)
        return item

    def hang():
        current_scope().on_cancel(helped)
        gate()

    with refused_threads(HELPERS):
        fan = Fan(4, timeout=0.5)  # within which it runs
        hung = fan.submit(hang)
        hung.add_done_callback(helped)
        assert isinstance(hung.exception(PATIENCE), TaskTimeout)
        limited = fan.with_options(timeout=None, rate=RateLimit(requests_per_minute=60_000, burst=1), retry=1)
        assert within_patience(limited.run, fails_once, range(8)).unwrap() == list(range(8))
        hedged = fan.with_options(timeout=None, hedge=Hedge(after=0.001, budget=1))
        assert within_patience(hedged.run, slowly, range(8)).unwrap() == list(range(8))
        gate.open()
        within_patience(fan.shutdown)
    assert len(told) == 2
    assert not any(re.search(HELPERS, name) for name in told)


def test_a_limit_lets_through_when_threads_can_be_had_again():
    """The thread of the alarms was refused for a while: the batch goes on by itself."""
    rate = RateLimit(requests_per_minute=6000)
    with refused_threads("threadfan-alarms", times=4) as refused, Fan(4, rate=rate) as fan:
        assert within_patience(fan.run, abs, range(5)).unwrap() == list(range(5))
    assert refused


def test_the_first_worker_is_refused(caplog):
    """One refusal before there is any thread breaks nothing: the start is tried again, and one warning says so."""
    with refused_threads("ThreadPoolExecutor", times=3), Fan(2) as fan:
        futures = [fan.submit(abs, -number) for number in range(3)]
        assert [future.result(PATIENCE) for future in futures] == [0, 1, 2]
        assert within_patience(fan.run, abs, [-3]).unwrap() == [3]
    assert len(warnings_of(caplog)) == 1


def test_a_replacement_is_refused():
    """The only worker is stuck, and another one is refused for a while: the fan is not broken."""
    gate = Gate()
    fan = Fan(1, timeout=0.05, thread_name_prefix="lone")
    hung = fan.submit(gate)
    with refused_threads("lone_", times=3):
        assert isinstance(hung.exception(PATIENCE), TaskTimeout)
        assert fan.with_options(timeout=None).submit(int).result(PATIENCE) == 0
    gate.open()
    until(lambda: fan.snapshot()["abandoned"] == 0)
    fan.shutdown()


def test_calls_run_on_the_threads_there_are(caplog):
    """Of eight workers one could be started: it makes all calls, with few further tries and one warning."""
    with refused_threads("some_[1-9]") as refused, Fan(8, thread_name_prefix="some") as fan:
        assert within_patience(fan.run, abs, range(2000)).unwrap() == list(range(2000))
        assert fan.submit(int).result(PATIENCE) == 0
    assert len(refused) < 100
    assert len(warnings_of(caplog)) == 1


def test_nested_calls_end_where_no_thread_is_left(clock, caplog):
    """Calls that all wait for calls of their own get an error that says what helps, one by one; the others go on."""

    def outer(number):
        barrier.wait(PATIENCE)  # all have begun
        return fan.run(abs, [-number]).unwrap()

    fan, barrier = Fan(4, thread_name_prefix="nest"), threading.Barrier(3)
    with refused_threads("nest_[3-9]|nest_[1-9][0-9]") as refused:
        report = aside(fan.run, outer, range(3))
        until(lambda: fan.snapshot()["waiting"] == 3)
        tries = len(refused)
        while not report.done():
            clock.advance(UNTIL_GIVEN_UP / 4)
            time.sleep(0.01)
        outcomes = report.result(PATIENCE)
        assert tries < 10
        assert {outcome.status for outcome in outcomes} == {"succeeded", "failed"}
        errors = outcomes.failed
        assert all(isinstance(outcome.error, concurrent.futures.BrokenExecutor) for outcome in errors)
        assert "allow the process more threads" in str(errors[0].error)
        assert fan.submit(int).result(PATIENCE) == 0  # it is not broken
    within_patience(fan.shutdown)
    assert len(warnings_of(caplog)) == 1


def test_done_callbacks_of_calls_without_a_thread_run_on_no_helper(clock):
    """Those of calls that are given up have a thread of their own, and one that blocks keeps no timeout waiting."""
    go, told = threading.Event(), SimpleQueue()

    def callback(future):
        told.put(threading.current_thread().name)
        go.wait(PATIENCE)

    with refused_threads("none_"):
        fan = Fan(1, thread_name_prefix="none")
        future = fan.submit(int)
        future.add_done_callback(callback)
        while not future.done():
            clock.advance(UNTIL_GIVEN_UP / 4)
            time.sleep(0.01)
        assert isinstance(future.exception(0), concurrent.futures.BrokenExecutor)
        assert told.get(timeout=PATIENCE).endswith("-callbacks")
    other = Fan(1, timeout=1)
    hung = other.submit(go.wait, PATIENCE)
    until(lambda: [clock.advance(1), hung.done()][1])
    go.set()
    for one in (fan, other):
        within_patience(one.shutdown)


def test_blocks_and_processes_end_in_time():
    """`fail_after`, `move_on_after` and a process's timeout hold without the thread of the alarms."""
    with refused_threads("threadfan-alarm"):
        with pytest.raises(TaskTimeout), fail_after(0.05):
            sleep(PATIENCE)
        with move_on_after(0.05) as block:
            sleep(PATIENCE)
        assert block.cancelled_caught
        with pytest.raises(subprocess.TimeoutExpired):
            subprocess.run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.05)


OPTIONS = {
    "plain": {},
    "timeout": {"timeout": 0.05},
    "retry": {"retry": 1},
    "timeout and retry": {"timeout": 0.05, "retry": {ConnectionError: 1}},
    "hedge": {"hedge": Hedge(after=0.01, budget=1)},
    "rate": {"rate": RateLimit(requests_per_minute=60_000, burst=10)},
}


@pytest.mark.parametrize("share", [0.3, 0.7])
@pytest.mark.parametrize("option", OPTIONS)
def test_hammer_with_starts_refused_at_random(option, share):
    """Whichever starts are refused, every call has exactly one outcome, and the fan can be closed."""
    seeds = random.Random(option)
    limited = "timeout" in option
    late = TaskTimeout if limited else type(None)
    expected = [ValueError if item % 10 == 3 else late if item % 10 == 4 else type(None) for item in range(20)]

    def as_expected(errors):
        """A quick call may be late too, where its thread is kept from going on."""
        found = zip(map(type, errors), expected, strict=True)
        return all(error is usual or (limited and error is late) for error, usual in found)

    def body(item):
        if item % 10 == 3:
            raise ValueError(item)
        if item % 10 == 4:
            go.wait(PATIENCE if limited else 0.03)

    for _ in range(3):
        go = threading.Event()
        with refused_threads("^(?!aside)", share=share, seed=seeds.randrange(10**6)):
            fan = Fan(4, **OPTIONS[option])
            outcomes = within_patience(fan.run, body, range(20))
            futures = [fan.submit(body, item) for item in range(20)]
            concurrent.futures.wait(futures, timeout=PATIENCE)
            go.set()
            until(lambda fan=fan: fan.snapshot()["abandoned"] == 0)
            within_patience(fan.shutdown)
        assert as_expected([outcome.error for outcome in outcomes])
        assert as_expected([future.exception(0) for future in futures])
