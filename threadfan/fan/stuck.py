"""The warning of threads that are still stuck, when a fan is closed, in calls that are over."""

from __future__ import annotations

import sys
import warnings

from ..base.errors import shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from ..executor.hub import Hub

NAMED = 5
"""How many threads a warning names.  Arbitrary: their calls mostly hang in the same place."""


def warn(hub: Hub) -> None:
    """Warn once of all that are stuck: the function, how long, and where the user's own code stands."""
    with hub.lock:
        stuck = [(drain.worker, drain.lost) for drain in hub.lost if drain.lost is not None]
    stuck = [(worker, lost) for worker, lost in stuck if worker.thread.is_alive()]
    if not stuck:
        return
    now = hub.clock.monotonic()
    frames = sys._current_frames()  # only now: to ask for them aborts some subinterpreters of CPython 3.13.0
    said = []
    for worker, (_, start, function, _) in sorted(stuck, key=lambda one: one[1][1])[:NAMED]:
        place = _place(frames.get(worker.ident))
        seconds = f"{now - start:.1f} s after it was called"
        said.append((worker.name, f"{shortened(function)}, {seconds}{'' if place is None else f', at {place}'}"))
    del frames
    text = f"the thread {said[0][0]} is still stuck in {said[0][1]}"
    if len(stuck) > 1:
        others = [f"{name} in {what}" for name, what in said[1:]]
        rest = [f"and {len(stuck) - NAMED} more"] if len(stuck) > NAMED else []
        text = "; ".join([f"{len(stuck)} threads are stuck in calls that are over: {text}", *others, *rest])
    warnings.warn(f"{hub.name}: {text}", RuntimeWarning, stacklevel=_levels_up())


def _place(frame: FrameType | None) -> str | None:
    """Where the user's own code stands; failing that, the code that it has called; None if that is all in C."""
    fallback = None
    while frame is not None:
        top = str(frame.f_globals.get("__name__")).partition(".")[0]
        place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        if top not in _PLUMBING:
            if top not in sys.stdlib_module_names and not _installed(frame.f_code.co_filename):
                return place
            fallback = fallback or place
        frame = frame.f_back
    return fallback


# What every call of every fan runs in, or waits in.
_PLUMBING = {(__package__ or "").partition(".")[0], "threading", "queue", "concurrent"}


def _installed(filename: str) -> bool:
    return "site-packages" in filename or "dist-packages" in filename


def _levels_up() -> int:
    """How far above the caller the user's own line is."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__package__") == __package__:
        level, frame = level + 1, frame.f_back
    return level
