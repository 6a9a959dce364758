"""What ends a stream or a `map` early carries what had ended and was not handed out; `report_of` finds it."""

import threading
from functools import partial
from itertools import count

import pytest

from support.controlled import PATIENCE, until
from support.striking import Strike, Struck, only_where_it_may_be_struck
from threadfan import CallCancelled, Fan, FanClosed, Report, fail_after, report_of, sleep
from threadfan._core.base.unwinding import SHOWN
from threadfan.testing import Probe

pytestmark = pytest.mark.filterwarnings("ignore:.*still stuck:RuntimeWarning")


def seen(error):
    """Item and status of each outcome that an error carries."""
    return [(outcome.item, outcome.status) for outcome in error.report]


class Inputs:
    """Three inputs, and an exception once all calls but the first have ended."""

    def __init__(self, fan):
        self.fan = fan
        self.given = 0
        self.go = threading.Event()

    def __iter__(self):
        return self

    def __next__(self):
        if self.given == 3:
            until(lambda: self.fan.snapshot()["done"] == 2 and Probe(self.fan).at_work == 1)  # all is stored
            raise KeyError("source")
        self.given += 1
        return self.given - 1

    def tool(self, item):
        """The first call goes on."""
        if item == 0:
            assert self.go.wait(PATIENCE)
        return item


@pytest.mark.parametrize("way", ["stream", "pipeline"])
def test_an_input_that_fails_loses_nothing_of_an_ordered_stream(way):
    """What waited for its turn is on the exception, and what ran was cancelled."""
    with Fan(3) as fan:
        inputs = Inputs(fan)
        one = fan if way == "stream" else fan.pipeline(inputs.tool)
        arguments = (inputs.tool, inputs) if way == "stream" else (inputs,)
        with pytest.raises(KeyError, match="source") as caught:
            next(one.stream(*arguments, ordered=True))
        inputs.go.set()
    assert seen(caught.value) == [(0, "cancelled"), (1, "succeeded"), (2, "succeeded")]


def test_an_input_that_fails_loses_nothing_of_a_map(clock):
    """The same, but what runs goes on, as in the standard library, and has no outcome yet."""
    with Fan(3) as fan:
        inputs = Inputs(fan)
        with pytest.raises(KeyError, match="source") as caught:
            fan.map(inputs.tool, inputs, buffersize=4)
        inputs.go.set()
    assert seen(caught.value) == [(1, "succeeded"), (2, "succeeded")]
    assert fan.snapshot()["done"] == 3


def test_a_map_that_waits_too_long_keeps_what_is_done():
    """What had ended beyond the result that was waited for is on the ``TimeoutError``."""
    go = threading.Event()
    with Fan(2) as fan:
        values = fan.map(lambda item: item or go.wait(PATIENCE), [0, 1, 2], timeout=0)
        until(lambda: fan.snapshot()["done"] == 2 and Probe(fan).at_work == 1)  # all is stored
        with pytest.raises(TimeoutError) as caught:
            next(values)
        go.set()
    assert seen(caught.value) == [(1, "succeeded"), (2, "succeeded")]


def test_the_exception_of_a_call_is_its_own():
    """At its place a `map` raises what the call has raised, as the standard library does, with nothing added."""
    with Fan(1) as fan, pytest.raises(ZeroDivisionError) as caught:
        list(fan.map(lambda item: 1 // item, [1, 0, 1]))
    assert not hasattr(caught.value, "report")


@pytest.mark.parametrize("way", ["map", "stream"])
def test_a_fan_that_is_closed_with_its_queue_dropped(way):
    """`shutdown(cancel_futures=True)` leaves what was done, and all that never started, on the ``FanClosed``."""
    go = threading.Event()
    with Fan(1) as fan:
        handed_out = getattr(fan, way)(lambda item: item if item < 2 else go.wait(PATIENCE), [0, 1, 2, 3])
        next(handed_out)
        until(lambda: fan.snapshot()["done"] == 2)
        fan.shutdown(wait=False, cancel_futures=True)
        go.set()
        with pytest.raises(FanClosed) as caught:
            list(handed_out)
    statuses = dict(seen(caught.value))
    assert statuses.pop(3) == "cancelled"
    assert way == "map" or 1 not in statuses or statuses[1] == "succeeded"


def test_a_block_that_has_no_more_time_keeps_what_is_done(clock):
    """``fail_after`` passes on the report of a stream that it ends."""
    with Fan(2) as fan:

        def tool(item):
            if item == 0:
                clock.advance(5)
                sleep(60)
            return item

        with pytest.raises(TimeoutError) as caught, fail_after(1):
            list(fan.stream(tool, [1, 0], window=2, ordered=True))
        assert isinstance(report_of(caught.value), Report)
        assert isinstance(caught.value.__cause__, CallCancelled)


def test_a_report_is_found_behind_other_exceptions():
    """By its cause, its context, in a group, or nowhere; going round in circles does not matter."""
    report, inner = Report([]), KeyError()
    inner.report = report
    assert report_of(inner) is report
    handling = KeyboardInterrupt()
    handling.__context__ = inner
    assert report_of(handling) is report
    caused = ValueError()
    caused.__cause__ = BaseExceptionGroup("several", [TypeError(), inner])
    assert report_of(caused) is report
    one, other = ValueError(), TypeError()
    one.__context__, other.__cause__, one.report = other, one, "of another library"
    assert report_of(one) is None


@pytest.mark.parametrize("own", [None, Report([])], ids=["with none of its own", "with one of its own"])
def test_a_ctrl_c_carries_the_report_behind_it_out_of_the_fans_block(own):
    """As the one that `asyncio.run` raises in place of what a batch has raised."""
    error, behind = KeyboardInterrupt(), ValueError()
    error.report, behind.report, error.__context__ = own, Report([]), behind
    with pytest.raises(KeyboardInterrupt) as caught, Fan(1):
        raise error
    assert caught.value.report is (behind.report if own is None else own)


needs_tracebacks = pytest.mark.skipif(
    not SHOWN, reason="this interpreter shows nobody the exception that leaves a loop"
)
LOOPS = {
    "stream": lambda fan, fn, items: fan.stream(fn, items),
    "ordered stream": lambda fan, fn, items: fan.stream(fn, items, ordered=True),
    "pipeline": lambda fan, fn, items: fan.pipeline(fn).stream(items, ordered=True),
    "map": lambda fan, fn, items: fan.map(fn, items),
    "map with a buffer": lambda fan, fn, items: fan.map(fn, items, buffersize=3),
}


@needs_tracebacks
@pytest.mark.parametrize("way", LOOPS.values(), ids=LOOPS)
def test_a_ctrl_c_in_the_body_of_a_loop_loses_nothing(way):
    """What had ended and was not handed out is on it; what was handed out is not."""
    with Fan(1) as fan:

        def consume():
            for _ in way(fan, abs, range(3)):
                until(lambda: fan.snapshot()["done"] == 3 and not Probe(fan).at_work)  # all is stored
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt) as caught:
            consume()
    assert seen(caught.value) == [(1, "succeeded"), (2, "succeeded")]


@needs_tracebacks
def test_what_runs_when_the_body_is_struck_is_cancelled():
    """A Ctrl-C ends a call that heeds its scope, and its outcome is on it too."""
    with Fan(2) as fan:

        def tool(item):
            return sleep(PATIENCE) if item else item

        def consume():
            for _ in fan.stream(tool, [0, 1]):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt) as caught:
            consume()
    assert seen(caught.value) == [(1, "cancelled")]


@needs_tracebacks
def test_a_report_that_the_error_has_is_not_replaced():
    """It is of the batch that it has ended."""
    with Fan(1) as fan:

        def consume():
            for _ in fan.stream(abs, range(3)):
                error = KeyboardInterrupt()
                error.report = "another"
                raise error

        with pytest.raises(KeyboardInterrupt) as caught:
            consume()
    assert caught.value.report == "another"


def test_an_error_of_the_body_keeps_no_outcome():
    """It mostly is the error of one, which the loop's variable keeps: all would be in a cycle."""
    with Fan(1) as fan:

        def consume():
            for outcome in fan.stream(int, ["x", "1", "2"], ordered=True):
                outcome.unwrap()

        with pytest.raises(ValueError, match="invalid literal") as caught:
            consume()
    assert not hasattr(caught.value, "report")


@pytest.mark.parametrize("leave", ["break", "close"])
def test_what_leaves_a_loop_as_usual_carries_nothing(leave):
    """Not even an exception that was caught before in the same function."""
    with Fan(1) as fan:
        try:
            raise KeyError
        except KeyError as error:
            caught = error
        outcomes = fan.stream(abs, range(3))
        if leave == "close":
            next(outcomes)
            outcomes.close()
        else:
            for _ in partial(fan.stream, abs, range(3))():
                break
    assert not hasattr(caught, "report")


@only_where_it_may_be_struck
@pytest.mark.parametrize("ordered", [False, True])
def test_a_signal_that_strikes_while_outcomes_are_taken_loses_none(ordered):
    """Wherever it does, each input that was taken was handed out or is on the exception."""

    def of_a_harvest(frame, _event):
        return "harvest" in (frame.f_code.co_name, frame.f_back.f_code.co_name)

    for place in count():
        strike, handed_out, left = Strike(place, of_a_harvest), [], []
        with Fan(2) as fan:
            try:
                with strike:
                    handed_out.extend(outcome.index for outcome in fan.stream(int, range(5), ordered=ordered))
            except Struck as struck:
                left = [outcome.index for outcome in struck.report]
        assert sorted(handed_out + left) == [0, 1, 2, 3, 4], strike.where
        if strike.where is None:
            break
    assert place > 1
