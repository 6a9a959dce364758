"""`stream`: outcomes one by one, with bounded appetite."""

import itertools
import threading

import pytest

from support.controlled import PATIENCE, Gate, aside, until, within_patience
from threadfan import CancelledError, Fan, FanClosed, RateLimit, current_scope
from threadfan._core.batches.window import WIDEST

pytestmark = pytest.mark.filterwarnings("ignore:.*is still stuck in:RuntimeWarning")


def test_completion_order_is_the_default():
    """A call that ends first is handed out first."""
    second_done = threading.Event()

    def tool(number):
        if number == 0:
            assert second_done.wait(PATIENCE)
        return number

    with Fan(2) as fan:
        stream = fan.stream(tool, [0, 1])
        first = next(stream)
        second_done.set()
        assert [first.index, *(outcome.index for outcome in stream)] == [1, 0]


@pytest.mark.parametrize("window", [None, 1, 2, 7])
@pytest.mark.parametrize("kind", [list, iter])
def test_input_order_on_request(kind, window):
    """With `ordered`, outcomes come as the inputs did, whatever the window."""
    with Fan(4) as fan:
        outcomes = list(fan.stream(str, kind(range(100)), ordered=True, window=window))
    assert [outcome.index for outcome in outcomes] == list(range(100))
    assert [outcome.value for outcome in outcomes] == [str(number) for number in range(100)]


@pytest.mark.parametrize("way", ["stream", "journaled", "pipeline"])
def test_a_slow_first_call_keeps_no_slow_input_waiting(way, clock, tmp_path):
    """With `ordered`, what has ended out of its turn cannot be handed out, so that inputs go on being taken."""
    all_given = threading.Event()

    def inputs():
        for number in range(10):
            until(lambda number=number: fan.snapshot()["done"] >= number - 1)  # all but the first have ended
            clock.advance(1.0)  # this input was a slow one
            yield number
        all_given.set()

    def tool(number):
        assert number or all_given.wait(PATIENCE)

    with Fan(2) as fan:
        options = {"journal": tmp_path / "journal"} if way == "journaled" else {}
        arguments = (inputs(),) if way == "pipeline" else (tool, inputs())
        one = fan.pipeline(tool) if way == "pipeline" else fan
        assert [outcome.ok for outcome in one.stream(*arguments, ordered=True, **options)] == [True] * 10


@pytest.mark.parametrize("ordered", [False, True])
def test_every_input_comes_out_once(ordered):
    """Failures are outcomes too; nothing is lost or doubled."""

    def tool(number):
        return 1 // (number % 3)

    with Fan(4) as fan:
        outcomes = list(fan.stream(tool, (number for number in range(300)), ordered=ordered, window=10))
    assert sorted(outcome.index for outcome in outcomes) == list(range(300))
    assert sum(not outcome.ok for outcome in outcomes) == 100


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("window", [1, 3, 64])
def test_the_window_bounds_an_endless_input(ordered, window):
    """Never more than `window` inputs are taken and not yet yielded, and only in the consumer's thread."""
    taken, yielded, takers, excess = 0, 0, set(), 0

    def endless():
        nonlocal taken, excess
        for number in itertools.count():
            taken += 1
            takers.add(threading.current_thread())
            excess = max(excess, taken - yielded)
            yield number

    with Fan(4) as fan:
        stream = fan.stream(str, endless(), ordered=ordered, window=window)
        assert taken == 0  # work starts at the first `next`
        for _ in range(200):
            next(stream)
            yielded += 1
        stream.close()
    # the generator counts an input before the consumer could count the outcome it was handed
    assert excess <= window + 1
    assert takers == {threading.current_thread()}


def test_arguments_are_checked_at_the_call():
    """A wrong argument is told where the stream is made, not where it is read."""
    with Fan(1) as fan:
        with pytest.raises(TypeError, match="must be an iterable"):
            fan.stream(str, 5)
        with pytest.raises(ValueError, match="window must be greater than 0, not 0"):
            fan.stream(str, [1], window=0)


def test_the_context_is_the_calls():
    """Calls see the variables as they were where the stream was made."""
    from contextvars import ContextVar

    variable = ContextVar("variable")
    variable.set("then")
    with Fan(1) as fan:
        stream = fan.stream(lambda _: variable.get(), range(2))
        variable.set("now")
        assert [outcome.value for outcome in stream] == ["then", "then"]


def test_closing_early_cancels_the_rest():
    """The running call is told, queued ones never start."""
    started, told, seen = threading.Event(), threading.Event(), []

    def tool(number):
        seen.append(number)
        if number == 1:
            current_scope().on_cancel(told.set)
            started.set()
            assert told.wait(PATIENCE)
        return number

    with Fan(1) as fan:
        stream = fan.stream(tool, range(10))
        assert next(stream).value == 0
        assert started.wait(PATIENCE)
        stream.close()
        assert told.wait(PATIENCE)
        assert list(stream) == []
    assert seen == [0, 1]


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("limited", [False, True])
def test_a_drained_stream_hands_out_what_runs(limited, ordered):
    """No further call begins, what runs comes to its end and is handed out; then it is said that this was not all."""
    options, running = ({"rate": RateLimit(1)}, 1) if limited else ({}, 2)
    both, go, called = threading.Barrier(running + 1), threading.Event(), []

    def tool(number):
        called.append(number)
        both.wait(PATIENCE)
        assert go.wait(PATIENCE)
        return number

    def drain():
        both.wait(PATIENCE)
        until(lambda: fan.snapshot()["queued"] + fan.snapshot()["waiting"] == 10 - running)  # the window is full
        stream.drain()
        stream.drain()  # harmless
        go.set()

    outcomes = []
    with Fan(2, **options) as fan:
        stream = fan.stream(tool, itertools.count(), ordered=ordered, window=10)
        drainer = threading.Thread(target=drain)
        drainer.start()
        with pytest.raises(FanClosed):
            outcomes.extend(stream)
        drainer.join(PATIENCE)
    assert sorted(called) == list(range(running))
    assert sorted(outcome.value for outcome in outcomes if outcome.ok) == list(range(running))
    assert {outcome.status for outcome in outcomes if not outcome.ok} == {"cancelled"}


@pytest.mark.parametrize("kind", ["stream", "ordered stream", "pipeline", "map"])
def test_closing_from_another_thread_wakes_whoever_waits(kind):
    """The close returns, the reader gets `FanClosed` instead of the next outcome, and what is queued is dropped.

    Of `map`, which keeps what runs, the reader gets that, and then the end of what was closed.
    """
    gate, waiting = Gate(), threading.Event()

    def read(outcomes):
        found = []
        for outcome in outcomes:
            found.append(outcome)
            waiting.set()
        return found

    with Fan(1) as fan:
        make = {
            "stream": lambda fn: fan.stream(fn, range(5)),
            "ordered stream": lambda fn: fan.stream(fn, range(5), ordered=True),
            "pipeline": lambda fn: fan.pipeline(fn).stream(range(5)),
            "map": lambda fn: fan.map(fn, range(5)),
        }[kind]
        outcomes = make(lambda item: item if item == 0 else gate(item))
        reader = aside(read, outcomes)
        assert waiting.wait(PATIENCE)
        until(lambda: gate.started == [1])
        within_patience(outcomes.close)
        if kind == "map":
            gate.open()
        with pytest.raises((FanClosed, CancelledError)):
            reader.result(PATIENCE)
        assert gate.started == [1]
        gate.open()
        within_patience(outcomes.close)  # once more does no harm


def test_leaving_the_fan_ends_an_open_stream():
    """Whoever goes on reading learns that what comes is not the whole."""
    with Fan(1) as fan:
        stream = fan.stream(str, itertools.count(), window=4)
        next(stream)
    with pytest.raises(FanClosed, match="closed before this stream had ended"):
        list(stream)


def test_an_input_that_fails_is_raised_at_the_consumer():
    """The iterable's exception comes out of the stream, and the fan goes on."""

    def inputs():
        yield 1
        raise KeyError("source")

    with Fan(1) as fan:
        with pytest.raises(KeyError, match="source"):
            list(fan.stream(str, inputs()))
        assert fan.submit(int).result() == 0


def test_a_stream_may_be_empty():
    """No inputs, no outcomes."""
    with Fan(1) as fan:
        assert list(fan.stream(str, [])) == list(fan.stream(str, iter([]))) == []


def test_lengths_must_agree():
    """Lengths that are known are compared at the call, and named."""
    with Fan(1) as fan, pytest.raises(ValueError, match="equal lengths, not 1 and 2"):
        list(fan.stream(max, [1], [1, 2]))


def test_two_streams_can_be_read_alternately():
    """One consumer may hold several streams of one fan."""
    with Fan(2) as fan:
        one, two = (fan.stream(str, range(50), ordered=True, window=5) for _ in range(2))
        assert all(a.value == b.value for a, b in zip(one, two, strict=True))


class Appetite:
    """Counts what a stream has taken and not handed out."""

    def __init__(self):
        self.taken = self.yielded = self.most = 0

    def inputs(self):
        """Without end."""
        for number in itertools.count():
            self.taken += 1
            self.most = max(self.most, self.taken - self.yielded)
            yield number

    def read(self, outcomes, number, each=int):
        """Take so many outcomes, with ``each()`` after each; the most that was held meanwhile."""
        self.most = 0
        for _ in range(number):
            next(outcomes)
            self.yielded += 1
            each()
        return self.most


@pytest.mark.parametrize("ordered", [False, True])
def test_the_default_window_grows_while_calls_are_short(clock, ordered):
    """To as many as are done in no time, up to a bound; a window that is given is exact."""
    with Fan(4) as fan:
        found = {}
        for window in (None, 64, 100):
            appetite = Appetite()
            outcomes = fan.stream(int, appetite.inputs(), ordered=ordered, window=window)
            appetite.read(outcomes, 3000)
            found[window] = appetite.read(outcomes, 3000)
            outcomes.close()
    assert found == {None: WIDEST, 64: 64, 100: 100}


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("slow", ["calls", "reader", "inputs"])
def test_the_default_window_is_small_when_anything_is_slow(clock, slow, ordered):
    """It never grows, and when it has grown no input is taken until fewer are held than at first."""
    pace = {"calls": 0.0, "reader": 0.0, "inputs": 0.0}

    def tool(number):
        clock.advance(pace["calls"])
        return number

    def slowly(numbers):
        for number in numbers:
            clock.advance(pace["inputs"])
            yield number

    def read():
        clock.advance(pace["reader"])

    with Fan(4) as fan:
        appetite = Appetite()
        outcomes = fan.stream(tool, slowly(appetite.inputs()), ordered=ordered)
        pace[slow] = 0.25
        assert appetite.read(outcomes, 500, read) <= 64
        pace[slow] = 0.0
        appetite.read(outcomes, 3000, read)
        assert appetite.read(outcomes, 3000, read) > 64
        pace[slow] = 0.25
        assert appetite.read(outcomes, 2 * WIDEST, read) <= WIDEST
        assert appetite.read(outcomes, 500, read) <= 64
        outcomes.close()


def test_a_burst_after_a_slow_call_says_nothing_of_the_others(clock):
    """What waited for a slow one goes out in no time, and no more inputs are taken for that."""

    def tool(number):
        if number % 50 == 0:
            clock.advance(10)
        return number

    with Fan(1) as fan:
        appetite = Appetite()
        outcomes = fan.stream(tool, appetite.inputs(), ordered=True)
        assert appetite.read(outcomes, 1000) <= 2 * 64
        outcomes.close()


@pytest.mark.parametrize("ordered", [False, True])
def test_a_ctrl_c_loses_no_outcome_of_a_grown_window(ordered):
    """Each input that was taken is on the exception or was handed out, once."""
    seen = []

    def inputs():
        for number in range(20_000):
            if number == 15_000:
                raise KeyboardInterrupt
            yield number

    with Fan(4) as fan:
        outcomes = fan.stream(int, inputs(), ordered=ordered)
        with pytest.raises(KeyboardInterrupt) as caught:
            seen.extend(outcome.index for outcome in outcomes)
    left = [outcome.index for outcome in caught.value.report]
    assert sorted([*seen, *left]) == list(range(15_000))
