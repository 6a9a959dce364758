"""`threadfan.adapters.multiprocessing.ThreadPool` does what the standard library's class of that name does."""

import inspect
import itertools
import multiprocessing
import threading
from multiprocessing.pool import ThreadPool as StandardPool

import pytest

from support.controlled import PATIENCE, Gate, until, within_patience
from threadfan import CancelledError, TaskTimeout, current_scope, sleep
from threadfan.adapters.multiprocessing import ThreadPool

pytestmark = pytest.mark.filterwarnings("ignore:.*is still stuck in:RuntimeWarning")


def invert(number):
    """Fails for 0."""
    return 1 / number


def everything(pool):
    """What a script does with a pool, and gets of it."""
    told, errors = [], []
    results = [
        pool.apply(pow, (2, 5)),
        pool.apply(int, ("11",), {"base": 2}),
        pool.apply_async(pow, (2, 5), callback=told.append).get(PATIENCE),
        pool.map(abs, iter([-1, 2, -3]), 2),
        pool.map(abs, []),
        pool.map_async(abs, (-1, 2), 1, told.append).get(PATIENCE),
        pool.starmap(pow, [(2, 5), (3, 2)]),
        pool.starmap_async(pow, [(2, 5), (3, 2)], callback=told.append).get(),
        list(pool.imap(abs, range(-3, 3), chunksize=2)),
        sorted(pool.imap_unordered(abs, range(-3, 3))),
        list(pool.imap(abs, [])),
    ]
    for failing in (
        pool.apply_async(invert, [0], error_callback=lambda error: errors.append(type(error))),
        pool.map_async(invert, [1, 0], error_callback=lambda error: errors.append(type(error))),
    ):
        failing.wait(PATIENCE)
        results.append((failing.ready(), failing.successful()))
        with pytest.raises(ZeroDivisionError):
            failing.get()
    with pytest.raises(ZeroDivisionError):
        pool.map(invert, [2, 0, 1])
    found = pool.imap(invert, [2, 0, 4])
    results.append(next(found))
    with pytest.raises(ZeroDivisionError):
        next(found)
    results += [found.next(timeout=PATIENCE), list(found)]
    pool.close()
    for refused in (pool.apply, pool.map_async):
        with pytest.raises(ValueError, match="Pool not running"):
            refused(abs, [1])
    pool.join()
    return results, told, errors


@pytest.mark.filterwarnings("ignore:unclosed running multiprocessing pool")
def test_it_does_what_the_standard_one_does():
    """The same calls give the same results, callbacks and errors."""
    assert everything(ThreadPool(3)) == everything(StandardPool(3))


def test_it_has_all_methods_of_the_standard_one():
    """With the same arguments, by the same names."""
    public = [name for name in dir(StandardPool) if not name.startswith("_") and name != "Process"]
    for name in [*public, "__init__", "__enter__", "__exit__"]:
        theirs = list(inspect.signature(getattr(StandardPool, name)).parameters)
        ours = list(inspect.signature(getattr(ThreadPool, name)).parameters)
        assert name == "__exit__" or ours[: len(theirs)] == theirs, name


def test_what_is_not_there_in_time():
    """`multiprocessing.TimeoutError`, and it can be asked for again; what iterates goes on where it was."""
    gate = Gate()
    with ThreadPool(2) as pool:
        waiting, found = pool.apply_async(gate, ["x"]), pool.imap(gate, ["a", "b"])
        for get in (waiting.get, found.next):
            with pytest.raises(multiprocessing.TimeoutError):
                get(timeout=0.01)
        assert not waiting.ready()
        with pytest.raises(ValueError, match="not ready"):
            waiting.successful()
        gate.open()
        assert (waiting.get(), found.next(PATIENCE), list(found)) == ("x", "a", ["b"])
        pool.close()
        pool.join()


def test_imap_begins_at_once_and_keeps_the_order():
    """Calls start before anybody asks for their results; unordered, the one that ends first comes first."""
    gate, begun = Gate(), []

    def wait(number):
        begun.append(number)
        return gate(number) if number == 0 else number

    with ThreadPool(2) as pool:
        ordered, unordered = pool.imap(wait, [0, 1, 2]), pool.imap_unordered(abs, [-5])
        until(lambda: len(begun) == 3)
        assert next(unordered) == 5
        gate.open()
        assert list(ordered) == [0, 1, 2]
        assert sorted(pool.imap_unordered(wait, [0, 1])) == [0, 1]
        pool.close()
        pool.join()


def test_an_error_of_the_inputs_comes_after_the_results():
    """As with the standard one, what was taken before is had."""

    def inputs():
        yield from [1, 2]
        raise LookupError

    with ThreadPool(2) as pool:
        found = pool.imap(abs, inputs())
        assert list(itertools.islice(found, 2)) == [1, 2]
        with pytest.raises(LookupError):
            next(found)
        pool.close()
        pool.join()


def test_a_call_may_use_its_own_pool():
    """The standard one would hang."""
    with ThreadPool(1) as pool:
        assert within_patience(pool.map, lambda numbers: sum(pool.map(abs, numbers)), [[-1], [-2, -3]]) == [1, 5]
        pool.close()
        pool.join()


def test_calls_have_timeouts(clock):
    """One that hangs is over in time, and leaves its thread to the others."""
    with ThreadPool(1, timeout=5) as pool:
        late = pool.apply_async(sleep, [100])
        until(lambda: pool.fan.snapshot()["running"])
        clock.advance(5)
        with pytest.raises(TaskTimeout):
            late.get(PATIENCE)
        assert pool.apply(abs, [-1]) == 1
        pool.close()
        pool.join()


def test_leaving_the_block_cancels_what_runs():
    """`terminate` ends what heeds its scope, what is queued never starts, and whoever waits hears of it."""
    ended = threading.Event()

    def heed(_):
        stop = threading.Event()
        current_scope().on_cancel(stop.set)
        assert stop.wait(PATIENCE)
        ended.set()

    with ThreadPool(1) as pool:
        running, queued = pool.apply_async(heed, [1]), pool.map_async(heed, [2, 3])
        until(lambda: pool.fan.snapshot()["running"])
    assert ended.wait(PATIENCE)
    for left in (running, queued):
        with pytest.raises(CancelledError):
            left.get(PATIENCE)
    pool.join()


def test_each_thread_is_initialized_and_wrong_numbers_are_refused():
    """As with the standard one."""
    local = threading.local()
    with ThreadPool(2, lambda value: setattr(local, "value", value), (5,)) as pool:
        assert pool.map(lambda _: local.value, range(4)) == [5] * 4
        with pytest.raises(ValueError, match="still running"):
            pool.join()
        pool.close()
        pool.join()
    with pytest.raises(ValueError, match="at least 1, not 0"):
        ThreadPool(0)
