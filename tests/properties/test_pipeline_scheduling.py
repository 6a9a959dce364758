"""Which item may enter its next stage when: against a model, event by event."""

import threading
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.controlled import PATIENCE, aside, until
from threadfan import Fan
from threadfan._core.pipeline.stage_backlog import StageBacklog
from threadfan._core.pipeline.stage_queue import StageQueue
from threadfan._core.pipeline.stages import stage
from threadfan.testing import ManualClock


class Calls:
    """Calls of all stages, which end when the test says so; each notes who else runs."""

    def __init__(self, slots, plan):
        self._changed = threading.Condition()
        self._let_go = set()
        self._slots, self._plan = slots, plan
        self.running = []  # (stage, item), in order of start
        self.ended = 0

    def function(self, place):
        """The function of one stage: adds 1, or fails."""

        def one(value):
            item = value - place
            with self._changed:
                self.running.append((place, item))
                assert len(self.running) <= self._slots
                assert sum(where == place for where, _ in self.running) <= (self._plan[place][0] or self._slots)
                assert sum(which == item for _, which in self.running) == 1, "in two stages at once"
                assert self._changed.wait_for(lambda: (place, item) in self._let_go, PATIENCE)
                self.running.remove((place, item))
                self._changed.notify_all()
            if item in self._plan[place][2]:
                raise ValueError(item)
            return value + 1

        return one

    def counts(self):
        """How many calls run in each stage."""
        with self._changed:
            return Counter(place for place, _ in self.running)

    def let_go(self, call):
        """End one, and wait until it has."""
        with self._changed:
            self._let_go.add(call)
            self.ended += 1
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: call not in self.running, PATIENCE)


class Model:
    """How many items wait and run where, if later stages go first and nothing that could start waits."""

    def __init__(self, slots, plan, unread):
        self.slots, self.unread, self.last = slots, unread, len(plan) - 1
        self.limits = [min(limit or slots, slots) for limit, _, _ in plan]
        self.buffers = [2 * slots if buffer is None else buffer for _, buffer, _ in plan]
        self.waiting, self.running = [0] * len(plan), [0] * len(plan)

    def settle(self):
        """Start whatever may start."""
        while sum(self.running) < self.slots and (place := self._next()) is not None:
            if place:
                self.waiting[place] -= 1
            else:
                self.unread -= 1
            self.running[place] += 1
        return Counter({place: number for place, number in enumerate(self.running) if number})

    def _next(self):
        return next((place for place in range(self.last, -1, -1) if self._may_start(place)), None)

    def _may_start(self, place):
        if not (self.waiting[place] if place else self.unread) or self.running[place] == self.limits[place]:
            return False
        if place == self.last:
            return True
        under_way = self.running[place] + self.waiting[place + 1] + self.running[place + 1]
        return under_way < self.buffers[place + 1] + self.limits[place + 1]

    def end(self, place, ok):
        """A call has ended."""
        self.running[place] -= 1
        if ok and place < self.last:
            self.waiting[place + 1] += 1


PLANS = st.lists(
    st.tuples(st.none() | st.integers(1, 3), st.none() | st.integers(1, 3), st.sets(st.integers(0, 9))),
    min_size=1,
    max_size=4,
)


@pytest.fixture
def counted(monkeypatch):
    """Check what waits and what is in each stage at every change, under the lock."""
    take, add, add_own = StageBacklog.take, StageQueue.add, StageQueue.add_own

    def check(backlog):
        for row in backlog.stages:
            before = backlog.stages[row.place - 1].begun if row.place else 0
            assert before + row.present <= row.buffer + row.places or row.place == 0
            assert row.present - row.begun <= row.buffer or row.running < row.places
            assert 0 <= row.running <= row.places
            assert 0 <= row.begun <= row.present

    def checked_take(backlog):
        taken = take(backlog)
        check(backlog)
        return taken

    def checked_add(queue, call, after):
        add(queue, call, after)
        check(queue.backlog)

    def checked_add_own(queue, call):
        add_own(queue, call)
        check(queue.backlog)

    monkeypatch.setattr(StageQueue, "add_own", checked_add_own)
    monkeypatch.setattr(StageBacklog, "take", checked_take)
    monkeypatch.setattr(StageQueue, "add", checked_add)


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize("lazily", [False, True], ids=["a list", "a generator"])
def test_whatever_may_start_runs_and_nothing_else(lazily):
    """Limits, buffers, slots, order of stages, and no slot idle while an item could start: at every event.

    Durations are on the manual clock, so that the report's figures are known exactly.
    """

    @given(
        slots=st.integers(1, 4),
        plan=PLANS,
        items=st.integers(0, 10),
        durations=st.lists(st.integers(1, 5), min_size=40, max_size=40),
    )
    @settings(max_examples=50)
    def case(slots, plan, items, durations):
        with ManualClock() as clock, Fan(slots) as fan:
            calls, model = Calls(slots, plan), Model(slots, plan, items)
            stages = [
                stage(calls.function(place), max_concurrent=limit and min(limit, slots), buffer=buffer, name=str(place))
                for place, (limit, buffer, _) in enumerate(plan)
            ]
            inputs = range(items) if not lazily else (item for item in range(items))
            report = aside(fan.pipeline(*stages).run, inputs)
            ends = {}
            while expected := model.settle():
                now = expected, calls.ended
                until(lambda now=now: (calls.counts(), fan.snapshot()["done"]) == now)
                for place, item in calls.running:
                    ends.setdefault((place, item), clock.monotonic() + durations[4 * item + place])
                call = min(calls.running, key=ends.get)
                clock.advance(ends[call] - clock.monotonic())
                place, item = call
                model.end(place, item not in plan[place][2])
                calls.let_go(call)
            report = report.result(PATIENCE)
        assert [seen(outcome) for outcome in report] == [alone(plan, item) for item in range(items)]
        assert report.stats.wall == max(ends.values(), default=0)
        assert [outcome.duration for outcome in report] == [
            sum(durations[4 * item + place] for place in range(len(plan)) if (place, item) in ends)
            for item in range(items)
        ]
        spans = [(place, end - durations[4 * item + place], end) for (place, item), end in ends.items()]
        assert [one.most_at_once for one in report.stages.values()] == [
            max(
                (sum(stage == place and begin <= start < end for stage, begin, end in spans) for _, start, _ in spans),
                default=0,
            )
            for place in range(len(plan))
        ]
        assert [one.started for one in report.stages.values()] == [
            sum(where == place for where, _ in ends) for place in range(len(plan))
        ]

    case()


def seen(outcome):
    """What an outcome says, as the reference does."""
    if outcome.ok:
        return "succeeded", outcome.value, [attempt.stage for attempt in outcome.history]
    return outcome.status, outcome.stage, [attempt.stage for attempt in outcome.history]


def alone(plan, item):
    """The reference: one item, one stage after another."""
    for place, (_, _, bad) in enumerate(plan):
        if item in bad:
            return "failed", str(place), [str(number) for number in range(place + 1)]
    return "succeeded", item + len(plan), [str(number) for number in range(len(plan))]
