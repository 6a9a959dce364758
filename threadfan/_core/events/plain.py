"""Events in the standard library's logging, for programs that have configured that and not structlog.

Each is a record of the logger ``threadfan``: a line of ``event key=value …``, with the same as a dict in the record's
attribute ``event``.  A program that has not configured logging hears nothing: its last resort would write every call
that fails to stderr, which nobody has asked for.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logging import Logger

DEBUG, INFO, WARNING = 10, 20, 30
_found: list[Logger] = []  # the logger, once somebody has imported logging


def listening(level: int) -> bool:
    """Whether logging is imported and configured, and hears of events of this level."""
    if not _found:
        get_logger = getattr(sys.modules.get("logging"), "getLogger", None)  # another thread may be importing it now
        if get_logger is None:
            return False
        _found.append(get_logger("threadfan"))
    logger = _found[0]
    return logger.isEnabledFor(level) and logger.hasHandlers()


class PlainLogger:
    """Takes events as structlog's loggers do."""

    __slots__ = ()

    def debug(self, event: str, **figures: object) -> None:
        """A call that has finished."""
        self._log(DEBUG, event, figures)

    def info(self, event: str, **figures: object) -> None:
        """What is no trouble."""
        self._log(INFO, event, figures)

    def warning(self, event: str, **figures: object) -> None:
        """What is."""
        self._log(WARNING, event, figures)

    @staticmethod
    def _log(level: int, event: str, figures: dict[str, object]) -> None:
        if listening(level):
            said = " ".join(f"{name}={_shown(value)}" for name, value in figures.items() if value is not None)
            _found[0].log(level, "%s %s", event, said, extra={"event": {"event": event, **figures}})


LOGGER = PlainLogger()


def _shown(value: object) -> str:
    text = str(value)
    return repr(text) if " " in text or not text or not text.isprintable() else text  # a line is one, whatever is in it
