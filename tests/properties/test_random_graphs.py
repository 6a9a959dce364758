"""Graphs by chance, beside the reference: what they come to, and when each call starts."""

import operator
import threading

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from support.controlled import PATIENCE, aside, until
from support.graph_reference import MOST, Reference, graphs
from threadfan import Fan, Report, sleep
from threadfan._core.calls.call_queue import CallQueue
from threadfan._core.graph.graph_run import GraphRun
from threadfan.testing import ManualClock, Probe


class Played:
    """A graph made from its specification, and a note of when each call began and ended."""

    def __init__(self, fan, clock, specs):
        self.clock, self.spans, self.lock = clock, {}, threading.Lock()
        self.graph = fan.graph()
        for spec in specs:
            self._add(spec)

    def _add(self, spec):
        options = {"each": {"element": spec.each}} if spec.each else {}
        parameters = [*spec.values, *(f"how_{name}" for name in spec.outcomes), *(["element"] if spec.each else [])]
        default = "=None" if spec.optional else ""
        source = f"lambda {', '.join(name + default for name in parameters)}: call({', '.join(parameters)})"

        def call(*given):
            known = dict(zip(parameters, given, strict=True))
            known |= {name: _statuses(value) for name, value in known.items() if name.startswith("how_")}
            return self._call(spec, known)

        if spec.holds is not None:
            asked = spec.asks + default if spec.asks else ""
            options["when"] = eval(f"lambda {asked}: holds", {"holds": spec.holds})  # noqa: S307
        if spec.folds:
            options |= {"reduce": operator.add, "initial": []}
        self.graph.add(
            eval(source, {"call": call}),  # noqa: S307
            name=spec.name,
            depends_on=spec.order,
            outcomes={f"how_{name}": name for name in spec.outcomes},
            depth=spec.depth,
            **options,
        )

    def _call(self, spec, known):
        start = self.clock.monotonic()
        seconds, error, value = spec.answer(known)
        if seconds:
            sleep(seconds)
        with self.lock:
            self.spans.setdefault((spec.name, repr(known)), []).append((start, self.clock.monotonic()))
        if error:
            raise error
        return value

    def play(self, fan, slots):
        """Run it to its end, moving time on whenever all that runs sleeps."""
        report = aside(self.graph.run)
        while not report.done():
            until(lambda: report.done() or _all_asleep(fan, self.clock, slots))
            if not report.done():
                self.clock.advance(min(_deadlines(self.clock)) - self.clock.monotonic())
        return report.result(PATIENCE)


def _moments(report, name, which):
    """The first start (5) of a task's calls, or the last end (6)."""
    found = report[name]
    moments = [one._raw[which] for one in (found if isinstance(found, Report) else [found])]
    moments = [moment for moment in moments if moment is not None]
    return (min if which == 5 else max)(moments, default=0.0 if which == 6 else float("inf"))


def _statuses(outcome):
    return [_statuses(one) for one in outcome] if isinstance(outcome, list) else outcome.status


def _deadlines(clock):
    return [sleeper.deadline for sleeper in list(clock._sleepers) if sleeper.deadline != float("inf")]


def _all_asleep(fan, clock, slots):
    """Whether every step of the run sleeps, or waits for a slot that none will leave before time moves."""
    asleep = len(_deadlines(clock))
    probe = Probe(fan)
    with probe.still():
        runs = [queue for queue in probe.queues if isinstance(queue, GraphRun)]
        queued = sum(len(queue.entries) for queue in probe.queues if isinstance(queue, CallQueue))
        active = sum(run.active for run in runs)
    return bool(runs) and 0 < asleep == active - queued and (not queued or asleep == slots)


@given(specs=graphs(), slots=st.sampled_from([1, 2, 3, 4, 64]))
@settings(max_examples=150)
def test_a_graph_ends_as_each_of_its_steps_alone_would(specs, slots):
    """The same statuses, values and places; no call before what it depends on, and none later if there are slots."""
    reference = Reference(specs)
    expected = reference.leaves()
    assume(len(expected) <= MOST)
    with ManualClock() as clock, Fan(slots) as fan:
        played = Played(fan, clock, specs)
        report = played.play(fan, slots)
    assert [(one.name, one.status) for one in report] == [(leaf.name, leaf.status) for leaf in expected]
    assert [one.index for one in report] == list(range(len(expected)))
    for outcome, leaf in zip(report, expected, strict=True):
        if leaf.start is not None:
            assert (outcome.value if outcome.ok else repr(outcome.error)) == leaf.value
        elif leaf.origin[0] != leaf.name:
            assert f" {leaf.origin[0]}, " in str(outcome.error)
    for spec in specs:
        for name in {*spec.values, *spec.order, *spec.outcomes}:
            assert _moments(report, spec.name, 5) >= _moments(report, name, 6)
        tree = reference.trees[spec.name]
        if tree.fault() is None:
            assert report.value(spec.name) == tree.result()
    spans = [span for found in played.spans.values() for span in found]
    if slots == 64:
        assert sorted(spans) == sorted((leaf.start, leaf.end) for leaf in expected if leaf.start is not None)
    assert len(spans) == sum(leaf.start is not None for leaf in expected)
