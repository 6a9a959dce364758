"""Where a thread stands, in the user's own words: the file and line of his code."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType


def standing() -> dict[int, FrameType]:
    """Where each thread stands, by its ident; to ask for that aborts some subinterpreters of CPython 3.13.0."""
    return sys._current_frames()


def place_of(frame: FrameType | None) -> str | None:
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
