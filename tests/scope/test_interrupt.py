"""``interrupt=True``: loops that never look at their scope end with it, and nobody else is struck."""

import threading

import pytest

from support.controlled import PATIENCE, elapse, until
from threadfan import CallCancelled, Fan, TaskCancelled, TaskTimeout, current_scope, task
from threadfan._core.scope.interrupt import Interrupt
from threadfan._core.scope.scope import Scope, scope_var
from threadfan.testing import ManualClock

pytestmark = pytest.mark.filterwarnings("ignore:.*stuck:RuntimeWarning")


def spinner(ended, started=None):
    """A loop without end in pure Python, which notes what ended it."""

    def spin(_=None):
        try:
            if started is not None:
                started.set()
            while True:
                pass
        except BaseException as error:
            ended.append(type(error))
            raise

    return spin


WAYS = {
    "submit": lambda view, spin: view.submit(spin).exception(PATIENCE),
    "run": lambda view, spin: view.run(spin, [1])[0].error,
    "stream": lambda view, spin: next(view.stream(spin, [1])).error,
    "gather": lambda view, spin: view.gather(spin)[0].error,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_loop_ends_at_its_timeout(way):
    """The thread is free again, although the call never asked."""
    ended, started = [], threading.Event()
    with ManualClock() as clock, Fan(1, timeout=8) as fan:
        elapse(clock, 8, started)
        assert isinstance(WAYS[way](fan.with_options(interrupt=True), spinner(ended, started)), TaskTimeout)
        until(lambda: ended and fan.snapshot()["abandoned"] == 0)
        assert fan.submit(abs, -1).result(PATIENCE) == 1
    assert ended == [CallCancelled]


def test_a_single_task_may_ask_for_it():
    """``task(…).with_options`` has it too, and the function's name is kept."""
    ended, started = [], threading.Event()
    with ManualClock() as clock, Fan(1) as fan:
        elapse(clock, 8, started)
        report = fan.gather(task(spinner(ended, started)).with_options(timeout=8, interrupt=True))
        until(lambda: ended)
    assert "spin did not return" in str(report[0].error)


def test_a_cancelled_future_ends():
    """``Future.cancel`` on the running loop is False, and ends it all the same."""
    ended, started = [], threading.Event()
    spin = spinner(ended)
    with Fan(1) as fan:
        future = fan.with_options(interrupt=True).submit(lambda: started.set() or spin())
        assert started.wait(PATIENCE)
        assert not future.cancel()
        assert isinstance(future.exception(PATIENCE), TaskCancelled)
    assert ended == [CallCancelled]


def test_without_it_a_loop_goes_on():
    """It is opt-in: others are not struck."""
    stop = []
    with Fan(1, timeout=0.05) as fan:

        def spin():
            while not stop:
                pass
            return current_scope().cancelled

        future = fan.submit(spin)
        assert isinstance(future.exception(PATIENCE), TaskTimeout)
        stop.append(True)
        until(lambda: fan.snapshot()["abandoned"] == 0)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_it_never_strikes_after_the_call():
    """However a cancel falls into the end of a block, nothing is raised behind it."""
    for number in range(3000):
        scope = Scope()
        token = scope_var.set(scope)
        go = threading.Barrier(2)

        def cancel(scope=scope, go=go, number=number):
            go.wait(PATIENCE)
            for _ in range(number % 40):
                pass
            scope.cancel()

        canceller = threading.Thread(target=cancel)
        canceller.start()
        go.wait(PATIENCE)
        try:
            with Interrupt():
                for _ in range(20):
                    pass
        except CallCancelled:
            pass
        scope_var.reset(token)
        # From here on nothing may come: this code stands for the calls after it.
        canceller.join()
        for _ in range(20):
            pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # one may strike in a finalizer
def test_calls_that_follow_in_the_same_thread_are_never_struck():
    """Loops that end by themselves just as they time out leave their thread clean for the next call."""
    with Fan(2, timeout=0.002, max_abandoned=10**6) as fan:
        view, plain = fan.with_options(interrupt=True), fan.with_options(timeout=None)

        def nearly(item):
            for _ in range(item % 50 * 1000):
                pass
            return item

        for round_number in range(20):
            outcomes = view.run(nearly, range(100))
            assert {outcome.status for outcome in outcomes} <= {"succeeded", "timed_out"}
            assert plain.run(abs, range(100)).unwrap() == list(range(100)), round_number
        until(lambda: fan.snapshot()["abandoned"] == 0)


@pytest.mark.parametrize("value", [1, None, "yes"])
def test_wrong_values_are_named(value):
    """The message says what would be right."""
    with Fan(1) as fan, pytest.raises(TypeError, match="interrupt must be True or False, not"):
        fan.with_options(interrupt=value)
