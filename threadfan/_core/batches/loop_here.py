"""The warning that whoever waits for a batch stops an event loop."""

from __future__ import annotations

import sys
from weakref import WeakSet

from ..base.static import caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..pool.scheduler import Scheduler

NOTEBOOKS = ("ipykernel", "marimo")
"""What runs cells in the thread of its own loop, where waiting is what the user wants."""

_told: WeakSet[Scheduler] = WeakSet()
_PACKAGE = __name__.partition(".")[0]


def check(scheduler: Scheduler) -> None:
    """Before this thread waits for a batch: warn, once for each fan, if it does so in a coroutine of its event loop.

    Code that is no coroutine may well wait beside one: Playwright's synchronous interface, for one, lets its loop rest
    meanwhile.
    """
    asyncio = sys.modules.get("asyncio")  # a program that has not imported it runs no loop
    running = getattr(asyncio, "_get_running_loop", None)  # another thread may be importing it just now
    if asyncio is None or running is None:
        return
    loop = running()
    if loop is not None and asyncio.current_task(loop) is not None:
        _warn(scheduler)


def _warn(scheduler: Scheduler) -> None:
    if scheduler in _told or any(name in sys.modules for name in NOTEBOOKS):
        return
    import warnings

    text = (
        "waits for a batch in the thread of an event loop, which stands still meanwhile; in a coroutine right is: "
        "await fan.arun(fn, inputs), as other methods have a twin with an `a` before the name"
    )
    warnings.warn(f"{scheduler.name}: {text}", RuntimeWarning, stacklevel=_levels_up())
    _told.add(scheduler)  # only now: where warnings are errors, each such wait is one


def _levels_up() -> int:
    """How far above the caller the user's own line is."""
    level, frame = 1, caller()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        level, frame = level + 1, frame.f_back
    return level
