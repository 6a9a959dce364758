"""A machine that drives two fans under retries, one limit and one breaker at random, and knows what must hold.

Calls end only as it says and time moves only when it says so.  Which call starts next is for the threads to decide;
what is checked does not depend on it: each call ends once, no more run than there are slots, none starts without a
permit that was to be had, nor while the breaker is open but as a trial, and at the end nobody waits and nothing is
left.
"""

import threading
from queue import SimpleQueue

import pytest
import tenacity
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from support.controlled import PATIENCE, aside, until, within_patience
from support.counted_breakers import CountedBreaker
from support.scripted import Overload
from threadfan import BreakerOpen, CancelledError, Fan, FanClosed, RateLimit, TaskCancelled
from threadfan.testing import ManualClock, Probe

pytestmark = pytest.mark.filterwarnings("ignore:.*stuck:RuntimeWarning")

ATTEMPTS = 3
ENDS = ("value", "fail", "bug", "overload")


class Watched(RateLimit):
    """A limit that is asked again, before each permit, whether it may be given, and notes when."""

    def try_take(self, now, cost):
        """A permit, if there is one."""
        may = self.wait(now, cost) <= 1e-9
        permit = super().try_take(now, cost)
        assert (permit is not None) == may
        if may:
            self.taken.append(now)
        return permit


class Call:
    """One call: what it was told to do, and how often it has started."""

    def __init__(self, fan):
        self.fan = fan
        self.starts = 0
        self.running = False
        self.counted = 0  # failures that use up an attempt
        self.fate = None  # the last that it did: what must be reported unless it was cancelled
        self.commands = SimpleQueue()


class Machine(RuleBasedStateMachine):
    """See the module."""

    @initialize(slots=st.integers(1, 3), per_minute=st.sampled_from([None, 61.5, 240]), burst=st.integers(1, 3))
    def open(self, slots, per_minute, burst):
        """New fans."""
        self.slots = slots
        self.clock = ManualClock()
        self.limit = Watched(per_minute, burst=burst)
        self.limit.taken = []
        self.breaker = CountedBreaker(2, 3)
        policy = tenacity.Retrying(
            wait=tenacity.wait_fixed(2),
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            retry=tenacity.retry_if_exception_type((ConnectionError, Overload)),
            reraise=True,
        )
        with self.clock:
            self.fans = [Fan(slots, retry=policy, rate=self.limit) for _ in range(2)]
        self.views = [
            [
                fan,
                fan.with_options(rate=None),
                fan.with_options(retry={ConnectionError: 2}),
                fan.with_options(max_concurrent=1),
                fan.with_options(breaker=self.breaker),
                fan.with_options(breaker=self.breaker, rate=None, retry={(ConnectionError, 429): 2}),
            ]
            for fan in self.fans
        ]
        self.changed = threading.Condition()
        self.calls, self.futures, self.batches = [], [], []
        self.closed, self.ending = [False, False], False
        self.violations = []

    def perform(self, call):
        """What the fans call."""
        with self.changed:
            call.starts += 1
            if call.running:
                self.violations.append("two attempts of a call at once")
            call.running = True
            running = sum(one.running and one.fan == call.fan for one in self.calls)
            if running - self.fans[call.fan].snapshot()["abandoned"] > self.slots:  # those that are over hold none
                self.violations.append("more calls run than there are slots")
            self.changed.notify_all()
        end = "value" if self.ending else call.commands.get(timeout=PATIENCE)
        with self.changed:
            call.running, call.fate = False, end
            self.changed.notify_all()
        if end == "value":
            return call
        raise {"fail": ConnectionError, "bug": ValueError, "overload": lambda: Overload(4)}[end]()

    # -- steps --------------------------------------------------------------------------------------------------------

    @rule(fan=st.integers(0, 1), view=st.integers(0, 5), count=st.integers(1, 3))
    def submit(self, fan, view, count):
        """Single calls."""
        if self.closed[fan]:
            return
        for _ in range(count):
            call = self._new_call(fan)
            self.futures.append((self.views[fan][view].submit(self.perform, call), call))

    @rule(fan=st.integers(0, 1), view=st.integers(0, 5), count=st.integers(1, 4),
          way=st.sampled_from(["run", "stream"]), fail_fast=st.booleans(),
          deadline=st.sampled_from([None, 5]))  # fmt: skip
    def batch(self, fan, view, count, way, fail_fast, deadline):
        """Several calls, waited for in a thread of their own."""
        if self.closed[fan]:
            return
        calls = [self._new_call(fan) for _ in range(count)]
        view = self.views[fan][view]
        if way == "run":
            result = aside(view.run, self.perform, calls, fail_fast=fail_fast, deadline=deadline)
        else:
            result = aside(self._consume, view.stream(self.perform, calls))
        self.batches.append((result, calls, way))

    @staticmethod
    def _consume(stream):
        outcomes = []
        try:
            for outcome in stream:
                outcomes.append(outcome)  # noqa: PERF402 -- what came before the end counts
        except FanClosed:
            pass
        return outcomes

    def _new_call(self, fan):
        call = Call(fan)
        with self.changed:
            self.calls.append(call)
        return call

    @rule(number=st.integers(0, 20), end=st.sampled_from(ENDS))
    def end_call(self, number, end):
        """An attempt that runs ends."""
        with self.changed:
            self.changed.wait_for(lambda: any(call.running for call in self.calls), 0.01)
            running = [call for call in self.calls if call.running]
        if running:
            call = running[number % len(running)]
            starts = call.starts
            call.commands.put(end)
            with self.changed:
                assert self.changed.wait_for(lambda: not call.running or call.starts > starts, PATIENCE)

    @rule(seconds=st.sampled_from([0.25, 1, 2, 4]))
    def advance(self, seconds):
        """Time passes."""
        self.clock.advance(seconds)

    @precondition(lambda self: self.futures)
    @rule(number=st.integers(0, 20))
    def cancel(self, number):
        """A future is told to cancel, whatever its call does."""
        future, _ = self.futures[number % len(self.futures)]
        if future.cancel():
            assert future.cancelled()

    @rule(fan=st.integers(0, 1), cancel_futures=st.booleans(), luck=st.integers(0, 9))
    def shutdown(self, fan, cancel_futures, luck):
        """Now and then a fan takes no more calls."""
        if luck == 0:
            self.closed[fan] = True
            self.fans[fan].shutdown(wait=False, cancel_futures=cancel_futures)

    @rule(fan=st.integers(0, 1), luck=st.integers(0, 9))
    def interrupt(self, fan, luck):
        """Now and then everything is dropped."""
        if luck == 0:
            Probe(self.fans[fan]).interrupt()

    # -- the end ------------------------------------------------------------------------------------------------------

    def teardown(self):
        """Let everything end, and compare what was reported with what must be."""
        if not hasattr(self, "fans"):
            return
        self.ending = True
        for call in self.calls:
            call.commands.put("value")
        closing = [aside(fan.shutdown) for fan in self.fans]
        waiting = [result for result, *_ in self.batches] + closing

        def over():
            self.clock.advance(0.25)
            return all(result.done() for result in waiting) and all(future.done() for future, _ in self.futures)

        until(over)
        within_patience(lambda: [result.exception() for result in closing])
        assert not self.violations + self.breaker.violations
        assert self.breaker.given == self.breaker.told
        assert all(result.exception() is None for result in closing)
        for future, call in self.futures:
            self._check(call, *self._told(future))
        for result, calls, way in self.batches:
            error = result.exception(0)
            if isinstance(error, RuntimeError) and not hasattr(error, "report"):
                continue  # its thread came when the fan was closed
            report = result.result() if error is None else error.report
            assert len({outcome.index for outcome in report}) == len(report)
            assert way == "stream" or len(report) == len(calls)
            for outcome in report:
                self._check(calls[outcome.index], outcome.status, outcome.value, outcome.error)
        for fan in self.fans:
            figures = fan.snapshot()
            assert (figures["queued"], figures["running"], figures["waiting"]) == (0, 0, 0)
        assert (self.limit.in_flight, self.limit.waitlist._waiting, self.limit.waitlist._invited) == (0, {}, set())

    def _check(self, call, status, value, error):
        if status == "succeeded":
            assert value is call
            assert call.fate == "value"
        elif status == "failed":
            kinds = {"fail": ConnectionError, "bug": ValueError, "overload": Overload}
            assert isinstance(error, BreakerOpen if isinstance(error, BreakerOpen) else kinds[call.fate])
            assert not isinstance(error, BreakerOpen) or call.fate in (None, "fail", "overload")
        else:
            assert status == "cancelled"
            assert isinstance(error, (TaskCancelled, CancelledError, FanClosed))

    @staticmethod
    def _told(future):
        try:
            return "succeeded", future.result(0), None
        except CancelledError as error:
            return "cancelled", None, error
        except Exception as error:
            return "failed", None, error


# A failure comes with the steps that led to it; shrinking them would take as long as each hang takes to be noticed.
Machine.TestCase.settings = settings(max_examples=80, stateful_step_count=40, phases=[Phase.explicit, Phase.generate])
TestMachineGoverned = Machine.TestCase
