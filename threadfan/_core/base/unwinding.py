"""Which exception a finalizer runs for.

A ``for`` loop that an exception leaves drops its iterator without telling it why: the iterator is finalized as after a
``break``.  But by then the exception is there, and says itself which frame it is just leaving.
"""

from __future__ import annotations

import gc
import sys
from itertools import islice
from opcode import opmap

from .static import traceback_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

_LOOK_BACK = 50_000
"""Objects of a generation; arbitrary: more than is made between an exception and this look, which takes some 2 ms for
so many."""
_YOUNG = (0, 1) if sys.version_info < (3, 14) else (0,)
"""Generations of the collector; the second has what a collection between the exception and the look has moved there.
From CPython 3.14 on that is all that is old."""
_AGAIN = {opmap["RERAISE"], opmap["RAISE_VARARGS"]}
"""Instructions that may raise an exception again, which keeps the place where it was raised first."""


def exception_leaving(frame: FrameType | None) -> BaseException | None:
    """The exception that leaves ``frame`` at this moment; None if it is left in another way, or goes on.

    To be called by what is finalized because the frame is left.  The interpreter shows the exception to nobody
    meanwhile; it is found among the youngest objects by its traceback, which begins with the frame, at the instruction
    at which the frame has stopped.  Before CPython 3.12 an exception gets its traceback when it is caught: then None.
    """
    if frame is None or sys.version_info < (3, 12):
        return None
    place = frame.f_lasti
    again = frame.f_code.co_code[place] in _AGAIN
    for generation in _YOUNG:
        # The list comes first, and then what goes through it: an iterator that is in its own list is a cycle.
        for found in islice(reversed(gc.get_objects(generation)), _LOOK_BACK):
            if issubclass(type(found), BaseException):
                trace = traceback_of(found)
                if trace is not None and trace.tb_frame is frame and (again or trace.tb_lasti == place):
                    return found
    return None
