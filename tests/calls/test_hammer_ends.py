"""What closes a fan in a bounded time, and what falls back, at any moment of many calls: none is lost.

``THREADFAN_HAMMER=10`` in the environment makes it ten times as many rounds.
"""

import os
import random
import threading
import time
from concurrent.futures import CancelledError, wait

import pytest

from support.controlled import PATIENCE, aside
from threadfan import Fan, FanClosed, TaskCancelled, current_scope, report_of

ROUNDS = int(10 * float(os.environ.get("THREADFAN_HAMMER", "1")))

pytestmark = pytest.mark.filterwarnings("ignore:.*still stuck in:RuntimeWarning")  # on a loaded machine


def polite(item):
    """Go on until nobody wants it, or for a moment."""
    scope, end = current_scope(), time.monotonic() + (item % 7) / 1000
    while time.monotonic() < end or item % 11 == 0:
        scope.check()
        time.sleep(0)
    if item % 5 == 0:
        raise ConnectionError(item)
    return item


def spare(item):
    """Take the place of what has failed."""
    if item % 3 == 0:
        raise ValueError(item)
    return -item


@pytest.mark.usefixtures("eager_switching")
def test_closing_at_any_moment():
    """Each future and each batch has an end soon after the time is up, and no thread is left."""
    chance = random.Random(7)
    for _ in range(ROUNDS):
        fan = Fan(4, retry={ConnectionError: 2}, fallback=spare)
        futures = [fan.submit(polite, item) for item in range(24)]
        batch = aside(fan.run, polite, range(40))
        graph = fan.graph()
        graph.add(lambda: 11, name="item")
        graph.add(polite, name="last")
        run = aside(graph.run)
        time.sleep(chance.random() / 100)
        aside(fan.shutdown, timeout=chance.random() / 100).result(PATIENCE)
        assert wait(futures, PATIENCE).not_done == set()
        for number, future in enumerate(futures):
            if future.cancelled() or isinstance(future.exception(), TaskCancelled):
                continue
            assert ended(number, future)
        for whole in (batch, run):
            error = whole.exception(PATIENCE)
            if isinstance(error, RuntimeError) and not isinstance(error, FanClosed):
                continue  # it came too late
            report = report_of(error) if error is not None else whole.result()
            assert None not in list(report)


def ended(number, future):
    """Whether a call that was not cancelled has ended as it had to."""
    if number % 5:
        return future.result() == number
    if isinstance(future.exception(), ConnectionError):  # it has failed when the time was just up
        return True
    return isinstance(future.exception(), ValueError) if number % 3 == 0 else future.result() == -number


@pytest.mark.usefixtures("eager_switching")
def test_futures_that_fall_back_and_are_cancelled():
    """Whoever cancels meanwhile has it cancelled, and all others have the fallback's value."""
    for _ in range(ROUNDS):
        with Fan(4, retry=1, timeout=5, fallback=(spare, abs)) as fan:
            futures = [fan.submit(fail, item) for item in range(60)]
            gone = threading.Thread(target=cancel, args=(futures[::4],))
            gone.start()
            report = fan.run(fail, range(60))
            gone.join()
            for number, future in enumerate(futures):
                try:
                    assert future.result(PATIENCE) == (number if number % 3 == 0 else -number)
                except (CancelledError, TaskCancelled, LookupError, ValueError):  # it was told while it ran
                    assert number % 4 == 0
            assert [outcome.value for outcome in report] == [item if item % 3 == 0 else -item for item in range(60)]


def fail(item):
    """Fail."""
    raise LookupError(item)


def cancel(futures):
    """All of them."""
    for future in futures:
        future.cancel()
