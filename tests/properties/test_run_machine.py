"""A machine that starts a batch in the background, and pauses, resumes and cancels it at random.

Calls return when the machine lets them, and it waits for what must follow.  What it knows for certain: when ``pause``
has returned no call begins that has not begun; each input has one outcome, which each reader gets once; and it is
``cancelled`` if that was said while it had none, and the call's own if not.
"""

import threading
from contextlib import suppress

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from support.controlled import PATIENCE, aside, until, within_patience
from threadfan import Fan, RateLimit

pytestmark = pytest.mark.filterwarnings("ignore:.*stuck:RuntimeWarning")

INPUTS = 7
OPTIONS = {
    "plain": dict,
    "retry": lambda: {"retry": 1},
    "rate": lambda: {"rate": RateLimit(requests_per_minute=6e6, burst=1000)},
}


class Machine(RuleBasedStateMachine):
    """See the module."""

    @initialize(
        slots=st.integers(1, 3),
        options=st.sampled_from(sorted(OPTIONS)),
        way=st.sampled_from(["list", "iter", "stream"]),
        by=st.sampled_from([{}, {"by": lambda number: number % 3, "max_concurrent": 1}]),
    )
    def begin(self, slots, options, way, by):
        """A fan and a batch."""
        self.changed = threading.Condition()
        self.begun, self.let_go, self.ended = [], set(), set()
        self.may_have_begun = None  # while it is paused
        self.cancelled = set()
        self.all_cancelled = False
        self.fan = Fan(slots, **OPTIONS[options]())
        if way == "stream":
            self.run = self.fan.stream(self.call, iter(range(INPUTS)), window=INPUTS, keep=True, **by)
            self.readers = [aside(list, self.run)]
        else:
            self.run = self.fan.start(
                self.call, range(INPUTS) if way == "list" else (number for number in range(INPUTS)), **by
            )
            self.readers = [aside(list, self.run)]
        self.way = way
        until(lambda: self.taken() == INPUTS)

    def taken(self):
        """How many inputs there are."""
        now = self.run.progress()
        return now.done + now.running + now.waiting_slot + now.waiting_limit

    def call(self, number):
        """What the fan calls."""
        with self.changed:
            self.begun.append(number)
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: number in self.let_go, PATIENCE)
            self.ended.add(number)
        return number

    @rule(number=st.integers(0, INPUTS - 1))
    def release(self, number):
        """A call may return, now or when it begins."""
        with self.changed:
            self.let_go.add(number)
            self.changed.notify_all()

    @rule()
    def pause(self):
        """Nothing begins from here on."""
        self.run.pause()
        if self.may_have_begun is None and self.run.paused:
            under_way = {call.index for call in self.run.running()}
            with self.changed:
                self.may_have_begun = under_way.union(self.begun)

    @rule()
    def resume(self):
        """It goes on."""
        self.may_have_begun = None
        self.run.resume()

    @rule(number=st.integers(0, INPUTS - 1))
    def cancel(self, number):
        """One call, if it has no outcome."""
        if self.run.cancel(number):
            assert number not in self.cancelled
            self.cancelled.add(number)

    @precondition(lambda self: not self.all_cancelled)
    @rule()
    def cancel_all(self):
        """What is left."""
        self.run.cancel()
        self.all_cancelled = True
        self.may_have_begun = None

    @precondition(lambda self: self.way != "stream")
    @rule()
    def read(self):
        """Another reader comes."""
        self.readers.append(aside(list, self.run))

    @rule()
    def report(self):
        """It has each call at most once, in order, and each that is cancelled as such."""
        report = self.run.report()
        indices = [outcome.index for outcome in report]
        assert indices == sorted(set(indices))
        assert {outcome.index for outcome in report if outcome.status == "cancelled"} >= (self.cancelled & set(indices))

    @invariant()
    def nothing_begins_in_a_pause(self):
        """And nothing begins twice."""
        with self.changed:
            assert len(set(self.begun)) == len(self.begun)
            assert self.may_have_begun is None or self.may_have_begun.issuperset(self.begun)

    def teardown(self):
        """All comes to its end."""
        if not hasattr(self, "fan"):
            return
        with self.changed:
            self.let_go.update(range(INPUTS))
            self.changed.notify_all()
        self.run.resume()
        try:
            for reader in self.readers:
                outcomes = reader.result(PATIENCE)
                assert sorted(outcome.index for outcome in outcomes) == list(range(INPUTS))
            report = within_patience(self.run.report)
            assert [outcome.index for outcome in report] == list(range(INPUTS))
            for outcome in report:
                expected = {"cancelled"} if outcome.index in self.cancelled else {"succeeded"}
                assert outcome.status in expected | ({"cancelled"} if self.all_cancelled else set())
                assert outcome.value in (None, outcome.index)
        finally:
            with suppress(RuntimeWarning):
                within_patience(self.fan.shutdown)


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=20, phases=[Phase.explicit, Phase.generate])
