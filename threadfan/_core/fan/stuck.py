"""The warning, when a fan is closed, of what is still stuck: threads in calls that are over, and callbacks."""

from __future__ import annotations

import warnings

from ..base.places import place_of, remedies_of, standing
from ..base.static import caller
from ..base.texts import shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    from ..pool.scheduler import Scheduler

NAMED = 5
"""How many threads a warning names.  Arbitrary: their calls mostly hang in the same place."""


def warn(scheduler: Scheduler) -> None:
    """Warn once of all that are stuck: the function, how long, and where the user's own code stands."""
    with scheduler.lock:
        lost = [(session.worker, session.lost) for session in scheduler.lost if session.lost is not None]
    lost = [(worker, call) for worker, call in lost if worker.thread.is_alive()]
    callbacks = scheduler.callbacks.stuck()
    if not lost and not callbacks:
        return
    frames = standing()
    texts = []
    if lost:
        texts.append(_of_threads(lost, scheduler.clock.monotonic(), frames))
    for what, seconds, thread in callbacks[:NAMED]:
        texts.append(f"{what} has not returned {seconds:.1f} s after it was called{_at(frames.get(thread.ident or 0))}")
    del frames
    warnings.warn(f"{scheduler.name}: {'; '.join(texts)}", RuntimeWarning, stacklevel=_levels_up())


def _of_threads(lost: list[Any], now: float, frames: dict[int, FrameType]) -> str:
    said = []
    remedies = remedies_of(frames.get(worker.ident) for worker, _ in lost)
    for worker, (_, start, function, _) in sorted(lost, key=lambda one: one[1][1])[:NAMED]:
        place = _at(frames.get(worker.ident))
        said.append((worker.name, f"{shortened(function)}, {now - start:.1f} s after it was called{place}"))
    text = f"the thread {said[0][0]} is still stuck in {said[0][1]}"
    if len(lost) == 1:
        return f"{text}{remedies}"
    others = [f"{name} in {what}" for name, what in said[1:]]
    rest = [f"and {len(lost) - NAMED} more"] if len(lost) > NAMED else []
    return "; ".join([f"{len(lost)} threads are stuck in calls that are over: {text}", *others, *rest]) + remedies


def _at(frame: FrameType | None) -> str:
    place = place_of(frame)
    return "" if place is None else f", at {place}"


def _levels_up() -> int:
    """How far above the caller the user's own line is."""
    level, frame = 1, caller()
    while frame.f_back is not None and frame.f_globals.get("__package__") == __package__:
        level, frame = level + 1, frame.f_back
    return level
