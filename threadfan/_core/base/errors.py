"""Every error of the library's own; each can be pickled, with the error that it was raised from."""

from __future__ import annotations

from concurrent.futures import CancelledError
from concurrent.futures.thread import BrokenThreadPool

from .portable import Portable
from .secrets import masked
from .static import described

LONGEST = 10_000
"""Characters of a text of which a message shows the beginning.  Arbitrary."""


class CallCancelled(Portable, BaseException):
    """Raised inside a call whose scope was cancelled or whose time is up.

    It is no ``Exception``, so that ``except Exception`` and retry loops in tools let it pass.
    """


class TaskTimeout(Portable, TimeoutError):
    """What the caller gets for a call that ran out of time."""


class TaskCancelled(Portable, CancelledError):
    """What the caller gets for a call that was cancelled, before it started or while it ran."""


class FanClosed(Portable, RuntimeError):
    """A batch was cut short because its fan was shut down with ``cancel_futures=True``."""


class LimitExhausted(Portable, RuntimeError):
    """A call was not made, for its rate limit had let nothing through for long; the last refusal is its cause."""


class ThreadsExhausted(Portable, BrokenThreadPool):
    """A call was not made, for the system had given the fan no thread for long, and no other would become free."""


class TaskSkipped(Portable, RuntimeError):
    """A task of a graph was not called: its condition did not hold, or what it depends on has no value.

    If another task's error is the reason, that is its cause.
    """


def describe(fn: object) -> str:
    """The name of ``fn`` for messages and logs; never fails, never shows arguments, and runs no code of ``fn``'s."""
    return described(fn)


def brief(value: object, limit: int = 60) -> str:
    """``repr(value)`` without secrets, shortened to ``limit`` characters; never fails: a message always gets out."""
    try:
        text = repr(value)
    except KeyboardInterrupt:
        raise
    except BaseException:  # the repr is the user's code
        text = f"<{type(value).__name__} whose repr fails>"
    return shortened(masked(text[:LONGEST]), limit)


def text_of(error: BaseException | None) -> str:
    """``str(error)`` without secrets; never fails."""
    try:
        return masked(str(error))
    except KeyboardInterrupt:
        raise
    except BaseException:  # the class is the user's code
        return f"<{type(error).__name__} whose str fails>"


def shortened(text: str, limit: int = 100) -> str:
    """``text`` on one line of at most ``limit`` characters."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
