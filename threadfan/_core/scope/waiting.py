"""Waiting that ends with the scope of the call that waits."""

from __future__ import annotations

from functools import partial
from queue import SimpleQueue

from ..base.checks import pause
from .scope import Scope, current_scope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..base.clock import Gate


def sleep(seconds: float) -> None:
    """``time.sleep`` that ends when the call is cancelled or its time is up.

    Raises:
        CallCancelled: the call was cancelled or its time is up, before the sleep or during it.
        ValueError: ``seconds`` is negative or not a number.
    """
    scope = current_scope()
    wait_in(scope, SimpleQueue(), scope.clock.monotonic() + pause("threadfan.sleep", seconds))


def wait_in(scope: Scope, gate: Gate, moment: float | None) -> bool:
    """Wait at a gate, at most until the scope's clock says ``moment``; say whether it was opened.

    Raises:
        CallCancelled: ``scope`` ended first.
    """
    scope.check()
    forget = scope.on_cancel(partial(gate.put, None))
    try:
        opened = scope.clock.wait_until(gate, moment)
    finally:
        forget()
    scope.check()
    return opened
