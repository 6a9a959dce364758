"""A machine that drives a fan at random and knows what must come of it.

Calls do only what the machine tells them, and time moves only when it says so; between two steps it waits until every
slot is used that can be.  So at each moment it knows which calls run, wait, are queued or are over, and what must be
reported.  Which of the queued calls run is for the threads to decide, so what can be drawn does not depend on it.
"""

import threading
from contextlib import suppress
from queue import SimpleQueue

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from support.controlled import PATIENCE, aside, until, within_patience
from threadfan import CancelledError, Fan, FanClosed, TaskTimeout, as_completed, wait
from threadfan._core.pool.deadline_timer import GRACE
from threadfan.testing import ManualClock, Probe

pytestmark = pytest.mark.filterwarnings("ignore:.*stuck:RuntimeWarning")

QUEUED, RUNNING, WAITING, HELD, OVER = "queued", "running", "waiting", "cancelled but in its slot", "over"
TIMEOUTS = (None, 1.0, 4.0)


class Call:
    """One call and what is known of it; ``state`` is guarded by the machine's lock."""

    def __init__(self, place, timeout, step, *, nested, awaited):
        self.place = place  # in its batch
        self.nested = nested  # in another call
        self.awaited = awaited  # another call waits for it from the start
        self.timeout = timeout
        self.queued_in = step  # the step that handed it in
        self.state = QUEUED
        self.starts = 0
        self.start = None
        self.commands = SimpleQueue()
        self.inner = []  # the calls it waits for
        self.released_in = None  # the step in which the last of them ended
        self.own_end = None  # how it ended by itself: status, value or error
        self.signalled = False  # its scope was cancelled while it ran
        self.unwanted_in = None  # the step that ended the call which waits for it, whose thread has yet to cancel it
        self.fate = None  # how it was ended from outside: a status

    def expected(self):
        """The status and the value or error that must be reported."""
        return (self.fate, None) if self.fate is not None else self.own_end

    def __repr__(self):
        return f"<{'awaited ' * self.awaited}call, {self.state}, timeout {self.timeout}>"


class Machine(RuleBasedStateMachine):
    """See the module."""

    @initialize(slots=st.integers(1, 3))
    def open(self, slots):
        """A new fan."""
        self.slots = slots
        self.clock = ManualClock()
        with self.clock:
            self.fan = Fan(slots)
        self.views = {timeout: self.fan.with_options(timeout=timeout) for timeout in TIMEOUTS}
        self.changed = threading.Condition()
        self.calls = []
        self.futures = []  # (future, call)
        self.batches = []  # (result aside, calls, "run" or "stream", fail_fast)
        self.step = 1
        self.closed = self.ending = False
        self.violations = []
        self.passed_over = []  # (a call that was started, one that was to be before it, and the state of that)

    # -- inside calls -------------------------------------------------------------------------------------------------

    def perform(self, call):
        """What the fan calls."""
        self._begin(call)
        while True:
            command, argument = (
                ("end", ("succeeded", call.place)) if self.ending else call.commands.get(timeout=PATIENCE)
            )
            if command == "nest":
                argument()
                self._change(call, WAITING, RUNNING)
                continue
            with self.changed:
                if call.fate is None:
                    call.own_end = argument
                call.state = OVER
                self._note_release()
                self.changed.notify_all()
            status, payload = argument
            if status == "failed":
                raise payload
            return payload

    def _begin(self, call):
        with self.changed:
            call.starts += 1
            call.start = self.clock.monotonic()
            # The thread of a call that is over cancels what that waits for, and until it does, others may be started.
            unwanted = call.state is OVER and call.unwanted_in == self.step
            self._expect(call.state is QUEUED or unwanted, f"{call} was started")
            if not self.ending:
                self.passed_over += self._who_goes_before(call)
            call.state = HELD if unwanted else RUNNING
            self._check_slots()
            self.changed.notify_all()

    def _who_goes_before(self, call):
        """Calls of earlier steps that want a slot and are to have one before this call, each with its state."""
        for other in self.calls:
            if other.released_in is not None and other.released_in < self.step:
                yield call, other, WAITING
            if other.state is QUEUED and other.queued_in < self.step and other.awaited and not call.nested:
                yield call, other, QUEUED

    def _change(self, call, old, new):
        with self.changed:
            if call.state is old:
                call.state = new
                call.released_in = None
                self._check_slots()
            self.changed.notify_all()

    def _note_release(self):
        """With the lock held: which waiters have nothing more to wait for."""
        for call in self.calls:
            if call.state is WAITING and call.released_in is None and all(i.state is OVER for i in call.inner):
                call.released_in = self.step

    def _check_slots(self):
        self._expect(self._count(RUNNING, HELD) <= self.slots, "more calls run than there are slots")

    def _expect(self, fact, otherwise):
        if not fact:
            self.violations.append(otherwise)

    def _count(self, *states):
        return sum(call.state in states for call in self.calls)

    # -- between steps ------------------------------------------------------------------------------------------------

    def settle(self):
        """Wait until as many calls run as can."""
        with self.changed:
            self._note_release()
            assert self.changed.wait_for(lambda: self._count(RUNNING) == self._target() or self.violations, PATIENCE), (
                f"{self._count(RUNNING)} calls run, not {self._target()}: {self.calls}, {self.fan!r}"
            )
        until(lambda: self._said_to_run() == self._count(RUNNING, WAITING))
        until(lambda: Probe(self.fan).lenders >= self._released())  # lenders
        # Not noted at once: threads that are given slots together may start in any order.
        self.violations += [entry for entry in self.passed_over if entry[1].state is entry[2]]
        assert not self.violations
        self.passed_over.clear()
        self.step += 1

    def _said_to_run(self):
        figures = self.fan.snapshot()
        return figures["running"] + figures["waiting"]

    def _target(self):
        return min(self.slots - self._count(HELD), self._count(RUNNING, QUEUED) + self._released())

    def _released(self):
        return sum(call.state is WAITING and call.released_in is not None for call in self.calls)

    def _new_calls(self, count, timeout, **kind):
        calls = [
            Call(place, timeout, self.step, **{"nested": False, "awaited": False} | kind) for place in range(count)
        ]
        with self.changed:
            self.calls.extend(calls)
        return calls

    def _pick(self, number, *states):
        found = [call for call in self.calls if call.state in states]
        return found[number % len(found)] if found else None

    # -- steps --------------------------------------------------------------------------------------------------------

    @precondition(lambda self: not self.closed)
    @rule(timeout=st.sampled_from(TIMEOUTS))
    def submit(self, timeout):
        """One call."""
        (call,) = self._new_calls(1, timeout)
        self.futures.append((self.views[timeout].submit(self.perform, call), call))
        self.settle()

    @precondition(lambda self: not self.closed)
    @rule(count=st.integers(1, 5), timeout=st.sampled_from(TIMEOUTS), way=st.sampled_from(["run", "lazy", "stream"]),
          fail_fast=st.booleans(), ordered=st.booleans())  # fmt: skip
    def batch(self, count, timeout, way, fail_fast, ordered):
        """Several calls, waited for in a thread of their own."""
        calls = self._new_calls(count, timeout)
        view = self.views[timeout]
        before = self._accepted()
        if way == "stream":
            result = aside(self._consume, view.stream(self.perform, calls, ordered=ordered), ordered)
            fail_fast = False
        else:
            inputs = iter(calls) if way == "lazy" else calls
            result = aside(view.run, self.perform, inputs, fail_fast=fail_fast)
        self.batches.append((result, calls, way, fail_fast))
        until(lambda: self._accepted() == before + count)
        self.settle()

    def _accepted(self):
        figures = self.fan.snapshot()
        return sum(figures[name] for name in ("queued", "running", "waiting", "done"))

    @staticmethod
    def _consume(stream, ordered):
        outcomes = []
        try:
            for outcome in stream:
                assert not ordered or outcome.index == len(outcomes)
                outcomes.append(outcome)
        except FanClosed:
            pass
        return outcomes

    @rule(number=st.integers(0, 20), how=st.sampled_from(["value", "error", "exit"]))
    def end_call(self, number, how):
        """A call that runs returns or raises."""
        call = self._pick(number, RUNNING, HELD)
        if call is None:
            return
        error = {"value": None, "error": ValueError(call.place), "exit": SystemExit(call.place)}[how]
        call.commands.put(("end", ("succeeded", call.place) if error is None else ("failed", error)))
        with self.changed:
            assert self.changed.wait_for(lambda: call.state is OVER, PATIENCE)
        for result, calls, _, fail_fast in self.batches:
            if error is not None and fail_fast and call in calls and call.fate is None:
                self._fail_fast(result, calls)
        self.settle()

    def _fail_fast(self, result, calls):
        """The batch ends now: what waits is cancelled, and so is what runs."""
        report = result.exception(PATIENCE).report
        for call, outcome in zip(calls, report, strict=True):
            if outcome.status != "cancelled" or call.fate is not None:
                continue
            if outcome.attempts:  # a thread had taken it, which has begun it, or has found it cancelled
                until(lambda call=call: call.start is not None or self._all_at_work_have_begun())
            self._cancel_call(call)

    def _all_at_work_have_begun(self):
        probe = Probe(self.fan)
        with probe.still():
            return probe.at_work <= sum(
                call.start is not None and call.state in (RUNNING, WAITING, HELD) for call in self.calls
            )

    def _cancel_call(self, call):
        with self.changed:
            self._mark_cancelled(call, self.clock.monotonic())
            self._note_release()

    def _mark_cancelled(self, call, now):
        """With the lock held: a call is cancelled from outside, and so is what it waits for."""
        call.fate = "cancelled"
        call.cancelled_at = now
        if call.state is WAITING:
            call.state, call.released_in = OVER, None
        elif call.state is not OVER:
            call.state = OVER if call.state is QUEUED else HELD
        self._mark_inner(call, now)

    def _mark_inner(self, call, now):
        for inner in call.inner:
            if inner.state is not OVER and inner.fate is None:
                self._mark_cancelled(inner, now)
                inner.unwanted_in = self.step

    @precondition(lambda self: not self.closed)
    @rule(number=st.integers(0, 20), count=st.integers(1, 3), timeout=st.sampled_from(TIMEOUTS),
          way=st.sampled_from(["run", "result", "wait", "as_completed"]))  # fmt: skip
    def nest(self, number, count, timeout, way):
        """A call that runs makes calls of its own and waits for them."""
        call = self._pick(number, RUNNING)
        if call is None or call.signalled:
            return
        # Futures whose results are read one after another are waited for one after another.
        view, calls = self.views[timeout], self._new_calls(count, timeout, nested=True, awaited=way != "result")

        def by_run():
            view.run(self.perform, calls)

        def by_future():
            futures = [view.submit(self.perform, inner) for inner in calls]
            self.futures.extend(zip(futures, calls, strict=True))
            if way == "wait":
                wait(futures)
            if way == "as_completed":
                list(as_completed(futures))
            for future in futures:
                with suppress(CancelledError):  # dropped at a shutdown
                    future.exception()

        def nested():
            with suppress(FanClosed):  # what was queued at a shutdown
                (by_run if way == "run" else by_future)()

        with self.changed:
            call.inner = calls
            call.state = WAITING
        call.commands.put(("nest", nested))
        self.settle()

    @precondition(lambda self: any(not call.nested and call.state is not WAITING for _, call in self.futures))
    @rule(number=st.integers(0, 20))
    def cancel(self, number):
        """A future is cancelled: only a call that is queued will heed it."""
        # Those that another call waits for are left out: as in the standard library, ``wait`` learns of a cancel when
        # the call's turn comes.  So are those that wait: what a signal does to them has tests of its own.
        futures = [entry for entry in self.futures if not entry[1].nested and entry[1].state is not WAITING]
        future, call = futures[number % len(futures)]
        queued = call.state is QUEUED or (call.fate == "cancelled" and call.start is None)
        assert future.cancel() == queued
        call.signalled = True
        if queued and call.state is QUEUED:
            self._cancel_call(call)
        self.settle()

    @rule(seconds=st.sampled_from([0.125, 0.5, 1.0, 3.0]))
    def advance(self, seconds):
        """Time passes: calls time out, and cancelled ones lose their slots."""
        now = self.clock.monotonic() + seconds
        with self.changed:
            dues = {call: call.start + call.timeout for call in self.calls
                    if call.state in (RUNNING, WAITING) and call.timeout is not None}  # fmt: skip
            evictions = {call: call.cancelled_at + GRACE for call in self.calls if call.state is HELD}
        late = [call for call, due in dues.items() if due <= now]
        gone = [call for call, due in evictions.items() if due <= now]
        if dues or evictions:
            self.clock.wait_for_sleepers(until=min([*dues.values(), *evictions.values()]))
        with self.changed:
            for call in late:
                call.fate = "timed_out"
            for call in [*late, *gone]:
                call.state, call.released_in = OVER, None
            for call in late:
                self._mark_inner(call, now)
            self._note_release()
        self.clock.advance(seconds)
        for future, call in self.futures:
            if call in late:
                assert isinstance(future.exception(PATIENCE), TaskTimeout)
        for result, calls, _, fail_fast in self.batches:
            if fail_fast and not {id(call) for call in late}.isdisjoint(map(id, calls)):
                self._fail_fast(result, calls)
        self.settle()

    @precondition(lambda self: not self.closed)
    @rule(cancel_futures=st.booleans(), luck=st.integers(0, 7))
    def shutdown(self, cancel_futures, luck):
        """Now and then: no more calls; streams are cancelled, and with ``cancel_futures`` everything that is queued."""
        if luck:
            return
        self.closed = True
        streamed = [call for _, calls, way, _ in self.batches if way == "stream" for call in calls]
        with self.changed:
            dropped = [call for call in self.calls if call.state is QUEUED and (cancel_futures or call in streamed)]
            cut = [call for call in streamed if call.state in (RUNNING, WAITING)]
        for call in [*dropped, *cut]:
            self._cancel_call(call)
        self.fan.shutdown(wait=False, cancel_futures=cancel_futures)
        with pytest.raises(RuntimeError, match="after shutdown"):
            self.fan.submit(abs, 1)
        self.settle()

    # -- the end ------------------------------------------------------------------------------------------------------

    def teardown(self):
        """Let everything end, and compare what was reported with what must be."""
        if not hasattr(self, "fan"):
            return
        self.ending = True
        for call in self.calls:
            call.commands.put(("end", ("succeeded", call.place)))
        with self.changed:
            assert self.changed.wait_for(lambda: self._count(OVER) == len(self.calls), PATIENCE), (
                f"these are not over: {[call for call in self.calls if call.state is not OVER]}"
            )
        for result, *_ in self.batches:
            result.exception(PATIENCE)
        within_patience(self.fan.shutdown)
        assert not self.violations
        for future, call in self.futures:
            assert self._told(future) == self._wanted(call)
        for result, calls, way, _ in self.batches:
            report, error = self._reported(result)
            assert way == "stream" or [outcome.index for outcome in report] == list(range(len(calls)))
            assert len({outcome.index for outcome in report}) == len(report)
            for outcome in report:
                call = calls[outcome.index]
                assert outcome.item is call
                told = outcome.status, outcome.value if outcome.ok else None
                assert told == self._wanted(call), (call, outcome, way, error)
        for call in self.calls:
            assert call.starts <= 1
            assert call.starts == 1 or call.fate == "cancelled"

    @staticmethod
    def _reported(result):
        error = result.exception(PATIENCE)
        return (result.result() if error is None else error.report), error

    @staticmethod
    def _wanted(call):
        status, value = call.expected() or (None, None)
        return status, value if status == "succeeded" else None

    @staticmethod
    def _told(future):
        try:
            return "succeeded", future.result(PATIENCE)
        except CancelledError:
            return "cancelled", None
        except TaskTimeout:
            return "timed_out", None
        except BaseException:
            return "failed", None


# A failure comes with the steps that led to it; shrinking them would take as long as each hang takes to be noticed.
Machine.TestCase.settings = settings(max_examples=80, stateful_step_count=30, phases=[Phase.explicit, Phase.generate])
TestMachine = Machine.TestCase
