"""Locks and conditions: released whatever signal strikes."""

import threading
from itertools import count

from support.striking import Strike, Struck, only_where_it_may_be_struck
from threadfan._core.base import locks
from threadfan._core.base.locks import Condition

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
