"""Locks and conditions: released whatever signal strikes."""

import sys
import threading
from itertools import count

import pytest

from threadfan.base import locks
from threadfan.base.locks import Condition

FILES = {locks.__file__, threading.__file__}


class Struck(BaseException):
    """What the handler of a signal raises."""


class Strike:
    """A block in which ``Struck`` is raised at one of the places where the interpreter looks for signals."""

    def __init__(self, place):
        self.left = place
        self.where = None

    def __enter__(self):
        sys.setprofile(self._look)

    def __exit__(self, *_):
        sys.setprofile(None)

    def _look(self, frame, event, _):
        if event in ("call", "c_return") and frame.f_code.co_filename in FILES:
            self.left -= 1
            if self.left < 0 and self.where is None:
                self.where = f"{frame.f_code.co_filename}:{frame.f_lineno} {event}"
                raise Struck


def wait_in_vain(condition):
    """Wait for what does not come."""
    with condition:
        assert not condition.wait(0)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="a profile function that raises may make CPython 3.11 spin")
def test_a_condition_is_left_as_it_was_wherever_a_signal_strikes():
    """What is raised is the signal's own exception, and the lock is free afterwards."""
    for place in count():
        condition, strike = Condition(), Strike(place)
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
