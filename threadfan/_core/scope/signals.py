"""SIGTERM as a Ctrl-C, for programs that ask for it."""

from __future__ import annotations

import signal
import threading

from ..base.given import whole
from ..base.texts import brief

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any, Self

    Handler = Callable[[int, FrameType | None], Any]


class Handlers:
    """Signal handlers that were installed; ``restore`` or leaving a ``with`` block puts the former ones back."""

    def __init__(self, numbers: tuple[int, ...], handler: Handler = signal.default_int_handler) -> None:
        self._former = {number: signal.signal(number, handler) for number in numbers}

    def restore(self) -> None:
        """Put the former handlers back; harmless when done twice."""
        while self._former:
            signal.signal(*self._former.popitem())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.restore()


def signals_as_ctrl_c(*numbers: int) -> Handlers:
    """Let signals (``SIGTERM`` if none is named) raise ``KeyboardInterrupt`` in the main thread, as Ctrl-C does.

    So a program that is told to end drops queued calls, cancels running ones, and keeps what was done.  Call it in the
    main thread.  It takes effect for good, or for a ``with`` block.

    Raises:
        RuntimeError: this is not the main thread.
    """
    return Handlers(checked("signals_as_ctrl_c", numbers))


def checked(where: str, numbers: tuple[int, ...]) -> tuple[int, ...]:
    """The signals that a function was given, ``SIGTERM`` if none."""
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(
            f"threadfan.{where}() must be called in the main thread, not in "
            f"{threading.current_thread().name}: only there can Python handle signals"
        )
    for number in numbers:
        if whole(number) is None:
            raise TypeError(f"{where} needs numbers of signals, such as signal.SIGTERM, not {brief(number)}")
    return numbers or (signal.SIGTERM,)
