"""Calls that wait for calls of their own fan, on few slots."""

import concurrent.futures
import threading
from contextlib import contextmanager

import pytest

import threadfan
from support.controlled import within_patience
from threadfan import Fan, task

SLOTS, OUTER, INNER, LEVELS = 4, 300, 3, 3


class Census:
    """How many calls run, and how many threads there are, at the worst moment."""

    def __init__(self, fan):
        self._fan = fan
        self._lock = threading.Lock()
        self._running = self.most_running = self.most_threads = 0

    @contextmanager
    def running(self, step=1):
        """Count the calling thread in; out at the end."""
        self._count(step)
        try:
            yield
        finally:
            self._count(-step)

    def waiting(self):
        """Count it out while it waits."""
        return self.running(step=-1)

    def _count(self, step):
        with self._lock:
            self._running += step
            self.most_running = max(self.most_running, self._running)
            self.most_threads = max(self.most_threads, len(self._fan._threads))


def by_run(fan, fn, items):
    """Wait in ``run``."""
    return fan.run(fn, items).unwrap()


def by_map(fan, fn, items):
    """Wait in ``map``'s iterator."""
    return list(fan.map(fn, items))


def by_map_with_buffer(fan, fn, items):
    """Wait in ``map``'s iterator, with inputs still to be taken."""
    return list(fan.map(fn, items, buffersize=1))


def by_stream(fan, fn, items):
    """Wait in ``stream``'s iterator."""
    return [outcome.unwrap() for outcome in fan.stream(fn, items, ordered=True, window=2)]


def by_gather(fan, fn, items):
    """Wait in ``gather``."""
    return fan.gather(*(task(fn, item) for item in items)).unwrap()


def by_result(fan, fn, items):
    """Wait in ``result``."""
    return [future.result() for future in [fan.submit(fn, item) for item in items]]


def by_exception(fan, fn, items):
    """Wait in ``exception``."""
    futures = [fan.submit(fn, item) for item in items]
    assert [future.exception() for future in futures] == [None] * len(futures)
    return [future.result() for future in futures]


def by_wait(fan, fn, items):
    """Wait in ``threadfan.wait``."""
    futures = [fan.submit(fn, item) for item in items]
    done, not_done = threadfan.wait(futures)
    assert len(done) == len(futures)
    assert not not_done
    return [future.result() for future in futures]


def by_as_completed(fan, fn, items):
    """Wait in ``threadfan.as_completed``."""
    futures = {fan.submit(fn, item): place for place, item in enumerate(items)}
    values = {futures[future]: future.result() for future in threadfan.as_completed(futures)}
    return [values[place] for place in range(len(values))]


def by_standard_functions(fan, fn, items):
    """Wait in the standard library's own two functions, one after the other."""
    futures = [fan.submit(fn, item) for item in items]
    concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_COMPLETED)
    assert set(concurrent.futures.as_completed(futures)) == set(futures)
    return [future.result() for future in futures]


WAYS = [
    by_run, by_map, by_map_with_buffer, by_stream, by_gather, by_result, by_exception, by_wait, by_as_completed,
    by_standard_functions,
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_three_levels_on_four_slots(way, record_property):
    """300 calls that wait for 3 that wait for 3 each: no deadlock, four run at once, threads within slots x depth."""

    def body():
        with Fan(SLOTS) as fan:
            census = Census(fan)

            def call(level, item):
                with census.running():
                    if level == LEVELS - 1:
                        return item
                    inner = [item + place for place in range(INNER)]
                    with census.waiting():
                        return sum(way(fan, lambda item: call(level + 1, item), inner))

            return fan.run(lambda item: call(0, item), range(OUTER)).unwrap(), census

    values, census = within_patience(body)
    assert values == [9 * item + 18 for item in range(OUTER)]
    assert census.most_running <= SLOTS
    assert census.most_threads <= SLOTS * LEVELS
    record_property("threads", census.most_threads)


def test_all_ways_at_once():
    """Calls that wait each in another way, of which the inner ones wait in yet another, share the slots."""

    def body():
        with Fan(SLOTS) as fan:

            def call(level, number):
                if level == LEVELS:
                    return 1
                way = WAYS[(number + level) % len(WAYS)]
                return sum(way(fan, lambda inner: call(level + 1, inner), range(number, number + 2)))

            return fan.run(lambda number: call(0, number), range(100)).unwrap()

    assert within_patience(body) == [8] * 100


def test_ten_levels_on_one_slot():
    """A call may wait for a call that waits for a call, to any depth, with a single slot."""

    def body():
        with Fan(1) as fan:

            def call(level):
                return level if level == 10 else fan.submit(call, level + 1).result()

            return call(0)

    assert within_patience(body) == 10


def test_futures_of_two_fans_are_waited_for_together():
    """A call lends its slot in ``wait`` also when futures of another fan are among those it waits for."""

    def body():
        with Fan(1) as fan, Fan(1) as other:

            def call():
                futures = [other.submit(abs, -1), fan.submit(abs, -2), other.submit(abs, -3)]
                return len(threadfan.wait(futures).done)

            return fan.submit(call).result()

    for _ in range(10):  # the set's order decides which future is looked at first
        assert within_patience(body) == 3


def test_a_view_with_a_limit_may_be_used_inside_its_own_calls():
    """A call that waits does not count against the `max_concurrent` of the view it was handed to."""

    def body():
        with Fan(4) as fan:
            view = fan.with_options(max_concurrent=1)
            return view.run(lambda item: view.run(abs, [item]).unwrap(), [-1, -2]).unwrap()

    assert within_patience(body) == [[1], [2]]
