"""Ending pure Python code that never looks at its scope: ``interrupt=True``.

CPython can have an exception raised in another thread at its next bytecode (``PyThreadState_SetAsyncExc``).  That is as
dangerous as it sounds: it may strike inside a ``finally``, in the middle of an import or between the two halves of an
invariant, it does not reach code that waits in C, and in a finalizer it is lost.  So it is done only where it is asked
for, for code that is known to stand it.

Guarantee: the exception is never raised after the call has ended.  It is sent only while the call holds its ``Abort``;
whoever ends the call releases that, after which nothing is sent, and takes back what was sent and not raised yet.
"""

from __future__ import annotations

import threading
from functools import update_wrapper

from ..base.errors import CallCancelled
from .abort import Abort
from .scope import current_scope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")


class Interrupt:
    """A block into which ``CallCancelled`` is raised when the scope around it ends."""

    __slots__ = ("_abort", "_ident", "_sent")

    def __enter__(self) -> None:
        self._ident = threading.get_ident()
        self._sent = False
        scope = current_scope()
        scope.check()
        self._abort = Abort(scope, self._send)

    def _send(self) -> None:
        self._sent = True
        _set_exception(self._ident, CallCancelled)

    def __exit__(self, *exc_info: object) -> None:
        try:
            self._abort.release()
            if self._sent:
                _set_exception(self._ident, None)
        except CallCancelled:  # raised here, and so no more
            self._abort.release()


def interruptible(fn: Callable[P, R]) -> Callable[P, R]:
    """``fn``, ended at its next bytecode when its scope ends."""

    def interrupted(*args: P.args, **kwargs: P.kwargs) -> R:
        with Interrupt():
            return fn(*args, **kwargs)

    return update_wrapper(interrupted, fn)


def _set_exception(ident: int, kind: type[BaseException] | None) -> None:
    from ctypes import c_ulong, py_object, pythonapi

    pythonapi.PyThreadState_SetAsyncExc(c_ulong(ident), None if kind is None else py_object(kind))
