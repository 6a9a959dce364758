"""Exceptions of signals, struck at the very places where the interpreter looks for signals.

It does so when a function written in Python begins and when one written in C has returned (and at the end of a turn of
a loop).  A profile function is called at these very places and may raise, so each of them can be struck in turn, and
not only those that chance finds.
"""

import os
import sys

import pytest

only_where_it_may_be_struck = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="in CPython 3.11 a profile function that raises may make the interpreter spin"
)


class Struck(BaseException):
    """What the handler of a signal raises."""


class Strike:
    """A block in which ``Struck`` is raised at one of the places where the interpreter looks for signals.

    Args:
        place: how many of them are let pass.
        counts: given a frame and an event of the profiler's, whether that place is one of them.
    """

    def __init__(self, place, counts):
        self.left = place
        self.where = None
        self._counts = counts

    def __enter__(self):
        sys.setprofile(self._look)

    def __exit__(self, *_):
        sys.setprofile(None)

    def _look(self, frame, event, _):
        if event not in ("call", "c_return") or not self._counts(frame, event):
            return
        self.left -= 1
        if self.left < 0 and self.where is None:
            code = frame.f_code
            self.where = f"{os.path.basename(code.co_filename)}:{frame.f_lineno} {event} in {code.co_name}"
            raise Struck
