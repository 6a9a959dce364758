"""Scenarios of batches: inputs and helpers that come and go, readers, pauses."""

import time

from threadfan import FanClosed, TaskCancelled, TaskTimeout, task

from .scenario import Counted, scenario, settled_fan, together


def _slowly(*items):
    """Inputs that come one by one."""
    yield from items


@scenario
def two_runs():
    """Workers leave one batch for the other as its inputs come to their end."""
    counted = Counted()
    with settled_fan(2) as fan:
        found = together(lambda: fan.run(counted, [1, 2, 3]).unwrap(), lambda: fan.run(counted, _slowly(4, 5)).unwrap())
    assert found == [[1, 2, 3], [4, 5]]
    assert counted.calls == dict.fromkeys(range(1, 6), 1)


@scenario
def run_of_inputs_that_come():
    """Threads leave a batch and come again as its inputs come."""
    counted = Counted()
    with settled_fan(2) as fan:
        started = fan.start(counted, _slowly(1, 2, 3))
        found = together(started.result, lambda: sorted(outcome.unwrap() for outcome in started))
    assert found[0].unwrap() == found[1] == [1, 2, 3]
    assert counted.calls == {1: 1, 2: 1, 3: 1}


@scenario
def stream_reader_against_last_outcome():
    """A reader that is about to sleep sees the outcome that comes."""
    counted = Counted()
    with settled_fan(2) as fan:
        found = together(
            lambda: sorted(outcome.unwrap() for outcome in fan.stream(counted, [1, 2, 3])),
            lambda: [outcome.unwrap() for outcome in fan.stream(counted, _slowly(4, 5), ordered=True, window=1)],
        )
    assert found == [[1, 2, 3], [4, 5]]
    assert counted.calls == dict.fromkeys(range(1, 6), 1)


@scenario
def stream_in_a_call():
    """Its reader lends the one slot, and has it back for each outcome."""
    with settled_fan(1) as fan:

        def outer():
            return [outcome.unwrap() for outcome in fan.stream(abs, [-1, -2], ordered=True)]

        assert fan.submit(outer).result() == [1, 2]


@scenario
def runs_in_calls():
    """Calls that run batches of the same fan lend their slots."""
    with settled_fan(1) as fan:

        def outer(item):
            return fan.run(abs, [-item, -item - 1]).unwrap()

        assert fan.run(outer, [1, 5]).unwrap() == [[1, 2], [5, 6]]


@scenario
def stream_of_texts():
    """Pieces go from calls to a reader while there is room."""
    with settled_fan(2) as fan:

        def words(item):
            yield f"{item}a"
            yield f"{item}b"

        found = sorted(fan.stream_text(words, [1, 2], buffer=1))
    assert found == [(0, "1a"), (0, "1b"), (1, "2a"), (1, "2b")]


@scenario
def stream_that_is_left():
    """Nobody reads a stream to its end while the fan is closed."""
    counted = Counted()
    with settled_fan(2, late=True) as fan:

        def read():
            return next(iter(fan.stream(counted, range(6), window=2))).value

        def run():
            return fan.run(abs, [-1, -2]).unwrap()

        _, found = together(read, run)
    assert found == [1, 2]
    assert all(count == 1 for count in counted.calls.values())


@scenario
def pause_against_claims():
    """No call starts during a pause; all inputs are called once in the end."""
    counted = Counted()
    with settled_fan(2) as fan:
        started = fan.start(counted, [1, 2, 3])

        def steer():
            started.pause()
            before = counted.calls.total()
            running = fan.snapshot()["running"]
            after = counted.calls.total()
            assert after - before <= running + 2
            started.resume()

        found, _ = together(started.result, steer)
    assert found.unwrap() == [1, 2, 3]
    assert counted.calls == {1: 1, 2: 1, 3: 1}


@scenario
def one_call_is_cancelled():
    """It has one outcome: that it was cancelled, if it was and was not faster; the others have theirs."""
    counted = Counted()
    with settled_fan(1, late=True) as fan:
        started = fan.start(counted, [1, 2, 3])
        report, cancelled = together(started.result, lambda: started.cancel(1))
    first, second, third = (outcome.status for outcome in report)
    assert first == third == "succeeded"
    assert second == "succeeded" or (cancelled and second == "cancelled"), (second, cancelled)
    assert counted.calls[1] == counted.calls[3] == 1
    assert counted.calls[2] <= 1


@scenario
def run_is_cancelled():
    """Every input has one outcome, and no more is called than have values, but for what runs just then."""
    counted = Counted()
    with settled_fan(2, late=True) as fan:
        started = fan.start(counted, [1, 2, 3])

        def result():
            while not started.wait():
                pass
            return started.report()

        report, _ = together(result, started.cancel)
    assert [outcome.index for outcome in report] == [0, 1, 2]
    assert all(count == 1 for count in counted.calls.values())
    for outcome in report:
        assert outcome.status in ("succeeded", "cancelled")
        assert outcome.status == "cancelled" or counted.calls[outcome.value] == 1


@scenario
def fail_fast():
    """The first failure ends a batch; each input has one outcome, and nothing is left."""

    def one(item):
        if item == 1:
            raise ValueError(item)
        return item

    with settled_fan(2, late=True) as fan:

        def failing():
            try:
                fan.run(one, [0, 1, 2, 3], fail_fast=True)
            except ValueError as error:
                return error.report
            raise AssertionError

        report, other = together(failing, lambda: fan.run(abs, [-1, -2]).unwrap())
    assert other == [1, 2]
    assert len(report) == 4


@scenario(flies=True)
def batch_with_timeouts():
    """Calls that last as long as they may have one end each."""
    with settled_fan(2, timeout=1, late=True) as fan:
        report = fan.run(time.sleep, [1, 1, 0.5])
    for outcome in report:
        assert outcome.ok or isinstance(outcome.error, TaskTimeout), outcome


@scenario
def run_against_shutdown():
    """A batch whose fan is closed from elsewhere runs to its end, or says that it was not begun."""
    counted = Counted()
    with settled_fan(2) as fan:

        def run():
            try:
                return fan.run(counted, [1, 2]).unwrap()
            except RuntimeError as error:
                assert "after shutdown" in str(error)  # noqa: PT017
                return None

        found, _ = together(run, fan.shutdown)
    assert found in (None, [1, 2])
    assert counted.calls in ({}, {1: 1, 2: 1})


@scenario
def run_against_cancelled_futures():
    """A batch whose fan is closed with all that waits raises, or is over."""
    counted = Counted()
    with settled_fan(1, late=True) as fan:

        def run():
            try:
                return fan.run(counted, [1, 2, 3]).unwrap()
            except (RuntimeError, FanClosed, TaskCancelled):
                return None

        found, _ = together(run, lambda: fan.shutdown(cancel_futures=True))
    assert found in (None, [1, 2, 3])
    assert all(count == 1 for count in counted.calls.values())


@scenario
def keyed_inputs():
    """One call of a key at a time; each input is called once."""
    running, counted = [], Counted()

    def one(item):
        key = item % 2
        assert key not in running
        running.append(key)
        counted(item)
        running.remove(key)
        return item

    with settled_fan(2) as fan:
        found = fan.run(one, range(4), by=lambda item: item % 2, max_concurrent=1).unwrap()
    assert found == list(range(4))
    assert counted.calls == dict.fromkeys(range(4), 1)


@scenario
def gathered():
    """Tasks of several functions, some of which gather in turn."""
    with settled_fan(1) as fan:

        def outer():
            return fan.gather(task(abs, -1), task(abs, -2)).unwrap()

        found = fan.gather(outer, task(abs, -3)).unwrap()
    assert found == [[1, 2], 3]


@scenario
def graph_of_tasks():
    """Each task starts when those before it have ended, and once."""
    counted = Counted()
    with settled_fan(2) as fan:
        graph = fan.graph()

        @graph.task
        def first():
            return counted(1)

        @graph.task
        def second():
            return counted(2)

        @graph.task
        def third(first, second):
            return counted(first + second)

        found = graph.run()
    assert found["third"].value == 3
    assert counted.calls == {1: 1, 2: 1, 3: 1}


@scenario
def items_through_stages():
    """Each item goes through both stages once."""
    first, second = Counted(), Counted()
    with settled_fan(2) as fan:
        found = fan.pipeline(first, second).run([1, 2, 3]).unwrap()
    assert found == [1, 2, 3]
    assert first.calls == second.calls == {1: 1, 2: 1, 3: 1}
