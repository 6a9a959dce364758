"""A Ctrl-C that ends what runs, also in programs that wait for it when they have been interrupted.

Such a program has a pool in a ``with`` block of its own kind, or calls ``wait`` in a ``finally``: with standard threads
it goes on until its calls have ended.  So the handler says to a thread that all fans are interrupted, and then raises
``KeyboardInterrupt`` as the usual one does.  It cannot do more itself: the main thread may hold any lock.
"""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from threadfan._core.base.locks import begin_bare
from threadfan._core.pool.shutdown import alive

if TYPE_CHECKING:
    from types import FrameType


def interrupt_fans() -> None:
    """Have a Ctrl-C interrupt all fans, as long as the program has no handler of its own.

    The handler takes the place of the usual one in ``signal`` too, where asyncio looks whether it may have its own.
    """
    usual = signal.default_int_handler
    if signal.getsignal(signal.SIGINT) is not usual:
        return

    def handler(number: int, frame: FrameType | None) -> None:
        with suppress(RuntimeError):  # no thread can be had
            begin_bare(_interrupt)
        usual(number, frame)

    setattr(signal, "default_int_handler", handler)  # noqa: B010 -- the type checkers would object
    signal.signal(signal.SIGINT, handler)


def _interrupt() -> None:
    for scheduler in alive():
        scheduler.interrupt()
