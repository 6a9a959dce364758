"""What ends the command line early, and with which exit status."""

from __future__ import annotations

INTERRUPTED = 130


class CommandError(Exception):
    """What the user is told instead of a result.

    Args:
        message: the line.
        status: the exit status.
    """

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status
