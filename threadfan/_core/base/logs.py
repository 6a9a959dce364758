"""Saying something in the log where no failure of the log may count.

An error of the user's may fail to be shown, and so may a handler of theirs.  Then less is said, down to nothing: what
a thread is there for matters more than the word about it.
"""

from __future__ import annotations

import threading
from logging import CRITICAL, ERROR, WARNING

from .static import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logging import Logger

__all__ = ["CRITICAL", "ERROR", "WARNING", "say"]


def say(logger: Logger, level: int, message: str, *args: object, error: BaseException | None = None) -> None:
    """Log a message and the traceback of ``error``; or that it cannot be shown; or nothing.

    Only a Ctrl-C that falls into it gets out.
    """
    try:
        logger.log(level, message, *args, exc_info=error)
    except BaseException as failure:
        if _is_interrupt(failure):
            raise
        try:
            logger.log(level, "%s (%s, which cannot be shown)", _filled(message, args), describe(type(error)))
        except BaseException as again:
            if _is_interrupt(again):
                raise


def _filled(message: str, args: tuple[object, ...]) -> str:
    try:
        return message % args
    except Exception:
        return message


def _is_interrupt(error: BaseException) -> bool:
    return type(error) is KeyboardInterrupt and threading.current_thread() is threading.main_thread()
