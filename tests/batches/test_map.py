"""`map`: as everyone knows it, with the `buffersize` of Python 3.14 on every version."""

import itertools
import threading

import pytest

from support.controlled import PATIENCE
from threadfan import Fan, current_scope


def test_results_come_in_input_order():
    """The order is the inputs', and the shortest iterable ends it."""
    with Fan(4) as fan:
        assert list(fan.map(pow, range(100), itertools.repeat(2))) == [number**2 for number in range(100)]


def test_results_can_be_read_after_the_with():
    """Without `buffersize` all inputs are taken at the call, and leaving the fan waits for them."""
    inputs = iter(range(10))
    with Fan(2) as fan:
        results = fan.map(str, inputs)
        assert list(inputs) == []
    assert list(results) == [str(number) for number in range(10)]


def test_the_first_failure_is_raised_at_its_place():
    """Results before it come out, its own exception is raised, the iterator ends."""
    error = LookupError("second")

    def tool(number):
        if number == 1:
            raise error
        return number

    with Fan(1) as fan:
        results = fan.map(tool, range(3))
        assert next(results) == 0
        with pytest.raises(LookupError) as caught:
            next(results)
        assert caught.value is error
        assert list(results) == []


def test_waiting_too_long_raises():
    """`timeout` bounds the wait for results, counted from the call; the calls go on."""
    go = threading.Event()
    with Fan(1) as fan:
        results = fan.map(lambda _: go.wait(PATIENCE), [0], timeout=0.01)
        with pytest.raises(TimeoutError):
            next(results)
        go.set()


def test_closing_cancels_queued_calls_only():
    """The running call finishes, the others never start."""
    started, go, ended = threading.Event(), threading.Event(), []

    def tool(number):
        if number:
            started.set()
            assert go.wait(PATIENCE)
        ended.append(number)

    with Fan(1) as fan:
        results = fan.map(tool, range(5))
        next(results)
        assert started.wait(PATIENCE)
        results.close()
        go.set()
    assert ended == [0, 1]


@pytest.mark.parametrize("buffersize", [1, 2, 7])
def test_buffersize_bounds_what_is_taken(buffersize):
    """Never more than `buffersize` inputs are taken and not yet yielded, and that many are taken at the call."""
    taken = 0

    def endless():
        nonlocal taken
        for number in itertools.count():
            taken += 1
            yield number

    with Fan(2) as fan:
        results = fan.map(str, endless(), buffersize=buffersize)
        assert 1 <= taken <= buffersize
        for count in range(1, 50):
            assert next(results) == str(count - 1)
            # the one just handed out may be replaced
            assert taken - count <= buffersize
        results.close()


def test_buffersize_keeps_order_and_ends():
    """With a buffer the results are the same."""
    with Fan(3) as fan:
        assert list(fan.map(pow, range(50), range(50), buffersize=4)) == [number**number for number in range(50)]


@pytest.mark.parametrize(
    ("wrong", "error", "told"),
    [
        ({"buffersize": 0}, ValueError, "buffersize must be None or > 0"),
        ({"buffersize": -1}, ValueError, "buffersize must be None or > 0"),
        ({"buffersize": "2"}, TypeError, "buffersize must be an integer or None"),
    ],
)
def test_a_wrong_buffersize_is_refused(wrong, error, told):
    """The errors are Python 3.14's."""
    with Fan(1) as fan, pytest.raises(error, match=told):
        fan.map(str, [1], **wrong)


@pytest.mark.parametrize("chunksize", [1, 5, 0])
def test_chunksize_has_no_effect(chunksize):
    """As in the standard pool of threads, any value will do: scripts compute it, and get 0 for short inputs."""
    with Fan(1) as fan:
        assert list(fan.map(str, [1, 2, 3], chunksize=chunksize)) == ["1", "2", "3"]


@pytest.mark.parametrize("buffersize", [None, 1, 2])
def test_starmap_unpacks_its_inputs(buffersize):
    """Each input has the arguments of one call, as for `itertools.starmap`; of any kind, and however they come."""
    pairs = [(2, 5), [3, 2], iter((10, 3))]
    with Fan(2) as fan:
        assert list(fan.starmap(pow, pairs, buffersize=buffersize)) == [32, 9, 1000]
        assert list(fan.starmap(pow, ((each, 2) for each in range(4)), buffersize=buffersize)) == [0, 1, 4, 9]
        assert list(fan.starmap(pow, [], buffersize=buffersize)) == []
        with pytest.raises(ZeroDivisionError):
            list(fan.starmap(divmod, [(1, 1), (1, 0)], buffersize=buffersize))
        later = fan.starmap(pow, [(2, 3)])
    assert list(later) == [8]


def test_starmap_goes_by_what_is_submitted():
    """Who wraps `submit` sees its calls, as with `map`."""

    class Counted(Fan):
        def submit(self, fn, /, *args, **kwargs):
            seen.append(args)
            return super().submit(fn, *args, **kwargs)

    seen = []
    with Counted(1) as fan:
        assert list(fan.starmap(pow, [(2, 5), (3, 2)])) == [32, 9]
    assert seen == [((2, 5),), ((3, 2),)]


def test_no_iterables_no_calls():
    """`map(fn)` is empty, as in the standard library."""
    with Fan(1) as fan:
        assert list(fan.map(str)) == list(fan.map(str, [])) == []


def test_an_input_that_fails_is_raised():
    """The iterable's own exception comes out, at the call or at its place."""

    def inputs():
        yield 1
        raise KeyError("source")

    with Fan(1) as fan:
        with pytest.raises(KeyError, match="source"):
            fan.map(str, inputs())
        with pytest.raises(KeyError, match="source"):
            list(fan.map(str, inputs(), buffersize=1))


@pytest.mark.parametrize("buffersize", [None, 3])
def test_a_call_that_raises_a_keyboard_interrupt_fails_alone(buffersize):
    """It is raised at its place, and is not taken for a Ctrl-C, which would cancel what runs beside it."""
    go, running, done = threading.Event(), threading.Event(), []

    def call(item):
        if item == 0:
            assert running.wait(PATIENCE)
            raise KeyboardInterrupt
        running.set()
        assert go.wait(PATIENCE)
        done.append(current_scope().cancelled)

    with Fan(2) as fan:
        values = fan.map(call, [0, 1], buffersize=buffersize)
        with pytest.raises(KeyboardInterrupt) as caught:
            next(values)
        assert not hasattr(caught.value, "report")
        go.set()
    assert done == [False]
