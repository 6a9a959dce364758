"""Locks and conditions: released whatever signal strikes."""

import threading
from itertools import count

import pytest

from support.controlled import PATIENCE, aside
from support.striking import Strike, Struck, only_where_it_may_be_struck
from threadfan._core.base import locks
from threadfan._core.base.locks import Briefly, Condition, Lock

FILES = {locks.__file__, threading.__file__}


def wait_in_vain(condition):
    """Wait for what does not come."""
    with condition:
        assert not condition.wait(0)


@only_where_it_may_be_struck
def test_a_condition_is_left_as_it_was_wherever_a_signal_strikes():
    """What is raised is the signal's own exception, and the lock is free afterwards."""
    for place in count():
        condition, strike = Condition(), Strike(place, lambda frame, _: frame.f_code.co_filename in FILES)
        try:
            with strike:
                wait_in_vain(condition)
        except Struck:
            pass
        except BaseException as other:
            raise AssertionError(f"struck at {strike.where}, it raised {other!r}") from other
        assert not condition._lock._is_owned(), strike.where
        if strike.where is None:
            break
    assert place > 10


def test_a_lock_that_is_taken_briefly_excludes_others(eager_switching):
    """Of threads that count one after another none misses another's step, and who waits comes in at the end."""
    lock, counted = Lock(), [0]
    briefly = Briefly(lock)

    def count_up():
        for _ in range(2_000):
            with briefly:
                counted[0] = counted[0] + 1
        return counted[0]

    with lock:
        threads = [aside(count_up) for _ in range(4)]
        before = counted[0]
        assert counted[0] == before == 0
    assert max(thread.result(PATIENCE) for thread in threads) == 8_000
    with pytest.raises(ValueError, match="inside"), briefly:
        raise ValueError("inside")
    assert aside(lock.acquire, False).result(PATIENCE), "it was left taken"


@only_where_it_may_be_struck
def test_a_lock_that_is_taken_briefly_is_left_free_wherever_a_signal_strikes():
    """What is raised is the signal's own exception, whether the lock was free or had to be waited for."""
    for place in count():
        lock, strike = Lock(), Strike(place, lambda frame, _: frame.f_code.co_filename == locks.__file__)
        entered = False
        try:
            with strike, Briefly(lock):
                entered = True
        except Struck:
            pass
        assert not lock._is_owned(), strike.where
        if strike.where is None:
            assert entered
            break
    assert place > 1
