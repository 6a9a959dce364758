"""Calls that are tried again: when, how often, and what is told of it, by every way in."""

import asyncio
import pickle
import random
import threading
from contextvars import copy_context

import pytest
import tenacity

from support.controlled import PATIENCE, Gate, aside, meet, until, within_patience
from support.scripted import Script, backing_off, every, opened
from threadfan import RateLimit, TaskCancelled, TaskTimeout, current_scope, fail_after, task
from threadfan.testing import refused_threads

GONE = ConnectionError("gone")


def test_an_outcome_tells_of_each_attempt(clock):
    """Attempts start exactly when the policy says; times, errors and waits of each are on the outcome."""
    call = Script(GONE, GONE, "done")
    with opened(1, retry=every(4)) as fan:
        report = aside(fan.run, call, [0])
        for due in (4, 8):
            backing_off(fan, clock, due=due)
            clock.advance(4)
        outcome = report.result(PATIENCE)[0]
        figures = fan.snapshot()
    assert call.moments() == [0, 4, 8]
    assert (outcome.status, outcome.value, outcome.attempts) == ("succeeded", "done", 3)
    assert [(one.started, one.status, one.error, one.waited_backoff) for one in outcome.history] == [
        (0, "failed", GONE, 0), (4, "failed", GONE, 4), (8, "succeeded", None, 4)
    ]  # fmt: skip
    assert (outcome.waited_backoff, outcome.waited_slot, outcome.waited_limit, outcome.duration) == (8, 0, 0, 0)
    assert report.result()[0:1][0].ok
    assert report.result().stats.retries == 2
    assert (figures["done"], figures["failed"], figures["waiting"]) == (1, 0, 0)


def test_a_number_draws_its_waits(clock, monkeypatch):
    """Waits of a number are drawn between 0 and a bound that doubles; the last error is the outcome's."""
    monkeypatch.setattr(random, "random", lambda: 0.5)
    call = Script(GONE)
    with opened(1, retry=2) as fan:
        future = fan.submit(call)
        backing_off(fan, clock, due=0.25)
        clock.advance(0.25)
        backing_off(fan, clock, due=0.75)
        clock.advance(0.5)
        assert future.exception(PATIENCE) is GONE
        until(lambda: fan.snapshot()["failed"] == 1)
    assert call.moments() == [0, 0.25, 0.75]


def _stream(fan, call, items):
    return sorted((one.index, one.value) for one in fan.stream(call, iter(items)))


async def _astream(fan, call, items):
    return sorted([(one.index, one.value) async for one in fan.astream(call, items)])


async def _calls(fan, call, items):
    return list(enumerate(await asyncio.gather(*(fan.call(call, item) for item in items))))


def _numbered(values):
    return list(enumerate(values))


WAYS = {
    "run": lambda fan, call, items: _numbered(fan.run(call, items).unwrap()),
    "run lazily": lambda fan, call, items: _numbered(fan.run(call, iter(items)).unwrap()),
    "stream": _stream,
    "ordered": lambda fan, call, items: [(one.index, one.value) for one in fan.stream(call, items, ordered=True)],
    "map": lambda fan, call, items: _numbered(fan.map(call, items)),
    "map, buffered": lambda fan, call, items: _numbered(fan.map(call, iter(items), buffersize=2)),
    "gather": lambda fan, call, items: _numbered(fan.gather(*(task(call, item) for item in items)).unwrap()),
    "submit": lambda fan, call, items: _numbered(
        [one.result(PATIENCE) for one in [fan.submit(call, item) for item in items]]
    ),
    "call": lambda fan, call, items: asyncio.run(_calls(fan, call, items)),
    "arun": lambda fan, call, items: _numbered(asyncio.run(fan.arun(call, items)).unwrap()),
    "astream": lambda fan, call, items: asyncio.run(_astream(fan, call, items)),
}


@pytest.mark.parametrize("rate", [None, RateLimit(), RateLimit(60_000_000, burst=50)], ids=["", "pause", "paced"])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_in_tries_again(way, rate):
    """Whatever way calls are handed in, each is tried as often as it needs, and its value stands in its place."""
    call = Script(GONE, GONE, lambda item: item + 100)
    with opened(3, retry=every(0), rate=rate) as fan:
        assert within_patience(WAYS[way], fan, call, list(range(20))) == [(place, place + 100) for place in range(20)]
        meet(fan, 3)
        assert fan.snapshot()["failed"] == 0
    assert [call.attempts(item) for item in range(20)] == [3] * 20


def test_views_and_tasks_have_policies_of_their_own():
    """What is tried again is a matter of the view or the task; plain ones among them fail at once."""
    tried, plain = Script(GONE, "done"), Script(GONE, "never")
    with opened(2) as fan:
        report = fan.gather(task(tried, 0), task(plain, 0), again=task(tried, 1).with_options(retry=every(0)))
        assert [one.status for one in report] == ["failed", "failed", "succeeded"]
        assert [one.attempts for one in report] == [1, 1, 2]
        view = fan.with_options(retry=every(0))
        report = view.gather(task(tried, 2), task(plain, 1).with_options(retry=None), lambda: 7)
        assert [one.value for one in report] == ["done", None, 7]
        assert view.with_options(timeout=5).submit(tried, 3).result(PATIENCE) == "done"


def test_backing_off_holds_no_slot(clock):
    """While 8 of 200 calls back off, the other 192 are done on all 8 slots, although no time passes."""
    patient = set(range(0, 200, 25))
    barrier = threading.Barrier(8)

    def call(item):
        if item in patient and not seen.count(item):
            seen.append(item)
            raise GONE
        if item not in patient:
            barrier.wait(PATIENCE)  # all slots at once, always
        return item

    seen = []
    with opened(8, retry=every(5)) as fan:
        outcomes = fan.stream(call, range(200), window=200)
        done = within_patience(lambda: [next(outcomes).index for _ in range(192)])
        backing_off(fan, clock, 8, due=5)
        assert clock.monotonic() == 0
        clock.advance(5)
        assert {one.index for one in outcomes} == patient
    assert sorted([*done, *patient]) == list(range(200))


def test_a_wait_beyond_the_deadline_is_none(clock):
    """A call whose next attempt would come at the batch's deadline or after it ends at once, with its own error."""
    call = Script(GONE)
    with opened(1, retry=every(4, attempts=9)) as fan:
        report = aside(fan.run, call, [0], deadline=8)
        backing_off(fan, clock, due=4)
        clock.advance(4)
        outcome = report.result(PATIENCE)[0]
        assert (outcome.status, outcome.error, outcome.attempts) == ("failed", GONE, 2)
        with fail_after(8):
            report = aside(copy_context().run, fan.run, call, [1])
            backing_off(fan, clock, due=8)
            clock.advance(4)
            assert report.result(PATIENCE)[0].error is GONE
    assert call.moments(1) == [4, 8]


def test_late_calls_are_tried_on(clock):
    """With ``late="keep"`` the deadline does not shorten waits."""
    call = Script(GONE, GONE, "done")
    with opened(1, retry=every(4)) as fan:
        report = aside(fan.run, call, [0], deadline=6, late="keep")
        backing_off(fan, clock, due=4)
        clock.advance(4)
        backing_off(fan, clock, due=8)
        clock.wait_for_sleepers(2, until=8)
        clock.advance(2)
        late = report.result(PATIENCE).late[0]
        assert not late.done()
        clock.wait_for_sleepers(until=8)
        clock.advance(2)
        assert late.result(PATIENCE) == "done"


def test_fail_fast_counts_what_is_final(clock):
    """An attempt that is followed by another is no failure; the first final one ends calls that back off."""
    calls = {0: Script(GONE), 1: Script(GONE, GONE, ValueError("final"))}
    with opened(2, retry=every(4, retry=tenacity.retry_if_exception_type(ConnectionError), attempts=9)) as fan:
        report = aside(fan.run, lambda item: calls[item](item), [0, 1], fail_fast=True)
        backing_off(fan, clock, 2, due=4)
        clock.advance(4)
        until(lambda: [calls[item].attempts(item) for item in calls] == [2, 2])
        backing_off(fan, clock, 2, due=8)
        clock.advance(4)
        error = report.exception(PATIENCE)
    assert (type(error), error.args) == (ValueError, ("final",))
    failed = error.report[1]
    assert (type(failed.error), failed.error.args, failed.attempts) == (ValueError, ("final",), 3)
    assert failed.history[-1].error is failed.error
    assert error.report[0].status in ("cancelled", "failed")
    assert error.report[0].attempts in (2, 3)


def test_each_attempt_has_a_scope_of_its_own(clock):
    """The next attempt has its full time, and is not cancelled because the one before was."""
    seen = []

    def call():
        scope = current_scope()
        seen.append((scope, scope.deadline, scope.cancelled))
        if len(seen) < 3:
            scope.on_cancel(list)
            raise GONE
        return "done"

    with opened(1, retry=every(0), timeout=4) as fan:
        assert within_patience(fan.run, call_with(call), [0]).unwrap() == ["done"]
        clock.advance(1)
        seen.clear()
        assert fan.with_options(retry=every(0)).submit(call).result(PATIENCE) == "done"
    assert len({id(scope) for scope, _, _ in seen}) == 3
    assert [(deadline, cancelled) for _, deadline, cancelled in seen] == [(5, False)] * 3


def call_with(fn):
    """A function of one item that it does not use."""
    return lambda _: fn()


@pytest.mark.filterwarnings("ignore:.*stuck:RuntimeWarning")
@pytest.mark.parametrize("policy", [{TaskTimeout: 3}, every(0, attempts=4)], ids=["plain", "tenacity"])
@pytest.mark.parametrize("way", ["submit", "run", "gather"])
def test_a_timeout_is_tried_again_in_another_thread(clock, monkeypatch, policy, way):
    """Each attempt that takes too long costs one thread, which is replaced; the outcome is that of the last."""
    monkeypatch.setattr(random, "random", lambda: 0.0)
    with Gate() as gate:
        call = Script(gate, gate, lambda item: item)
        with opened(1, timeout=4, retry=policy) as fan:
            value = aside(lambda: WAYS[way](fan, call, [7])[0][1])
            for count in (1, 2):
                gate.wait_for(count)
                clock.wait_for_sleepers(until=4 * count)
                clock.advance(4)
                until(lambda count=count: fan.snapshot()["abandoned"] == count)
            assert value.result(PATIENCE) == 7
            assert fan.snapshot()["failed"] == 0
            meet(fan.with_options(timeout=None, retry=None), 1)
        gate.open()
    assert call.moments(7) == [0, 4, 8]


@pytest.mark.filterwarnings("ignore:.*stuck:RuntimeWarning")
def test_a_timeout_is_final_when_the_policy_has_had_enough(clock):
    """The outcome is ``timed_out`` at the last attempt's timeout, with each attempt in its history."""
    with Gate() as gate, opened(1, timeout=4, retry=every(2, attempts=2)) as fan:
        report = aside(fan.run, gate, [0])
        gate.wait_for(1)
        clock.wait_for_sleepers(until=4)
        clock.advance(4)
        until(lambda: fan.snapshot()["waiting"] == 1)
        clock.wait_for_sleepers(until=6)
        clock.advance(2)
        gate.wait_for(2)
        clock.wait_for_sleepers(until=10)
        clock.advance(4)
        outcome = report.result(PATIENCE)[0]
        assert (outcome.status, outcome.attempts, outcome.waited_backoff, outcome.duration) == ("timed_out", 2, 2, 8)
        assert [one.status for one in outcome.history] == ["timed_out", "timed_out"]
        assert isinstance(outcome.error, TaskTimeout)
        assert fan.snapshot()["failed"] == 1
        gate.open()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), GeneratorExit()])
def test_what_is_no_exception_is_not_tried_again(error):
    """A call that wants the process to end gets no other attempt, whatever the policy says."""
    call = Script(error, "never")
    policy = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(BaseException), stop=tenacity.stop_after_attempt(3)
    )
    with opened(1, retry=policy) as fan:
        assert fan.submit(call).exception(PATIENCE) is error
        assert fan.run(call, [1])[0].error is error
    assert len(call.starts) == 2


class Bug(Exception):
    """In a policy of the user's."""


def _raise(*_):
    raise Bug


class Copied(tenacity.Retrying):
    """Can be copied once."""

    def copy(self, **changes):
        """Fails for a course."""
        if changes:
            raise Bug
        return super().copy(**changes)


def _exit(*_):
    raise SystemExit


@pytest.mark.parametrize("hook", [_raise, _exit])
@pytest.mark.parametrize("part", ["before", "after", "wait", "stop", "retry", "before_sleep", "copy"])
def test_a_policy_that_raises_fails_its_call(part, hook):
    """A bug in the user's policy is the call's error; the thread goes on, and its slot is not lost."""
    policy = Copied() if part == "copy" else tenacity.Retrying(**{"wait": tenacity.wait_none(), part: hook})
    with opened(1, retry=policy, rate=RateLimit()) as fan:
        for error in (
            fan.submit(Script(GONE)).exception(PATIENCE),
            within_patience(fan.run, Script(GONE), [0])[0].error,
        ):
            assert isinstance(error, (Bug, SystemExit))
            assert part in ("before", "copy") or GONE in (error.__context__, error.__cause__)
        meet(fan.with_options(retry=None), 1)


def test_a_policy_that_blocks_counts_as_its_call(clock):
    """While a hook of the policy runs, the call runs, holds its slot, and nobody is told that it has ended."""
    del clock
    call = Script(GONE, "done")
    with Gate() as gate, opened(2, retry=every(0, before_sleep=lambda _: gate())) as fan:
        future = fan.submit(call)
        gate.wait_for(1)
        assert fan.submit(abs, -1).result(PATIENCE) == 1
        until(lambda: fan.snapshot()["done"] == 1)
        assert (fan.snapshot()["running"], fan.snapshot()["failed"]) == (1, 0)
        assert not future.done()
        gate.open()
        assert future.result(PATIENCE) == "done"


def test_outcomes_pickle_with_their_history():
    """A report, an outcome and an error that carries a report survive pickling with every attempt."""
    with opened(2, retry=every(0)) as fan:
        report = fan.run(Script(GONE, lambda item: item), range(3))
        again = pickle.loads(pickle.dumps(report))  # noqa: S301 -- our own
        outcome = pickle.loads(pickle.dumps(report[1]))  # noqa: S301 -- our own
    for one in (again[1], outcome):
        assert (one.value, one.attempts, one.ok) == (1, 2, True)
        assert [attempt.status for attempt in one.history] == ["failed", "succeeded"]
        assert str(one.history[0].error) == "gone"
        assert [attempt.started for attempt in one.history] == [attempt.started for attempt in report[1].history]
    assert again.stats.retries == 3


def test_nested_calls_are_tried_again():
    """Calls that wait for calls of their own fan, all of which fail at first, end on any number of slots."""
    inner, outer = Script(GONE, lambda item: item), Script(GONE, None)

    def call(item):
        outer(item)
        many = fan.run(inner, [10 * item, 10 * item + 1]).unwrap()
        return sum(many) + fan.submit(inner, 10 * item + 2).result(PATIENCE)

    for slots in (1, 3):
        inner, outer = Script(GONE, lambda item: item), Script(GONE, None)
        with opened(slots, retry=every(0), rate=RateLimit(60_000_000, burst=2)) as fan:
            assert within_patience(fan.run, call, range(20)).unwrap() == [30 * item + 3 for item in range(20)]
            assert [future.result(PATIENCE) for future in [fan.submit(call, item) for item in range(20, 30)]] == [
                30 * item + 3 for item in range(20, 30)
            ]
            meet(fan, slots)


def test_an_inner_call_backs_off_while_its_caller_waits(clock):
    """A call that waits for one which backs off has lent its slot, and gets it back."""
    inner = Script(GONE, "inner")
    with opened(1, retry=every(4)) as fan:
        outer = fan.submit(lambda: fan.submit(inner).result(PATIENCE))
        backing_off(fan, clock, 2, due=4)
        assert fan.with_options(retry=None).submit(abs, -1).result(PATIENCE) == 1
        clock.advance(4)
        assert outer.result(PATIENCE) == "inner"
        meet(fan.with_options(retry=None), 1)


def test_without_a_thread_to_wait_in_a_worker_waits(clock):
    """When the system gives no thread for alarms, the call is tried again all the same, and may be dropped."""
    with refused_threads("threadfan-alarm"), opened(1, retry=every(4)) as fan:
        future = fan.submit(Script(GONE, "again"))
        until(lambda: fan.snapshot()["waiting"] == 1)
        clock.advance(4)
        assert future.result(PATIENCE) == "again"
        dropped = fan.submit(Script(GONE, "again"))
        until(lambda: fan.snapshot()["waiting"] == 1)
        dropped.cancel()
        assert isinstance(dropped.exception(PATIENCE), TaskCancelled)
    assert clock.monotonic() == 4
