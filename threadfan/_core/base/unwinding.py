"""Which exception a finalizer runs for.

A ``for`` loop that an exception leaves drops its iterator without telling it why: the iterator is finalized as after a
``break``.  But by then the exception is there, and says itself which frame it is just leaving.
"""

from __future__ import annotations

import gc
import operator
import sys
from collections import deque
from functools import partial
from itertools import chain, compress, islice, repeat
from opcode import opmap

from .static import traceback_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

SHOWN = sys.version_info >= (3, 14) or (sys.version_info >= (3, 12) and getattr(sys, "_is_gil_enabled", lambda: True)())
"""Whether the exception can be found.  Before CPython 3.12 one gets its traceback when it is caught.  Without a GIL, to
look before 3.14 could make other threads fail, see ``_young_exceptions``."""
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
    at which the frame has stopped.  None where that cannot be done, see ``SHOWN``.
    """
    if frame is None or not SHOWN:
        return None
    place = frame.f_lasti
    again = frame.f_code.co_code[place] in _AGAIN
    for found in _young_exceptions():
        trace = traceback_of(found)
        if trace is not None and trace.tb_frame is frame and (again or trace.tb_lasti == place):
            return found
    return None


def _young_exceptions() -> list[BaseException]:
    """Those among the youngest objects, the last one of a generation first.

    Guarantee, where there is a GIL: no other thread runs while any other object is held.  Among the youngest is the
    tuple that another thread is just filling from an iterator, and until CPython 3.14 that thread gets a
    ``SystemError`` if anybody else holds the tuple.  So all of it is one call of C, and nothing in it runs Python.
    """
    objects: list[Any] = []
    found: list[BaseException] = []
    newest_first = map(islice, map(reversed, map(gc.get_objects, _YOUNG)), repeat(_LOOK_BACK))
    chosen = compress(objects, map(issubclass, map(type, objects), repeat(BaseException)))
    steps: tuple[Callable[[], object], ...] = (
        partial(objects.extend, chain.from_iterable(newest_first)),
        partial(found.extend, chosen),
        objects.clear,  # which is in itself: else it would be a cycle
    )
    try:
        deque(map(operator.call, steps), maxlen=0)
    finally:
        objects.clear()
    return found
