"""What ends the command line early, and with which exit status."""

from __future__ import annotations

INTERRUPTED = 130
TERMINATED = 143  # as a shell has it for a process that SIGTERM has ended
USAGE = 2
UNREAD = 141  # as a shell has it for a process that writes to a pipe which nobody reads any more


class CommandError(Exception):
    """What the user is told instead of a result.

    Args:
        message: the line.
        status: the exit status.
    """

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


class Debugging:
    """Whether the user wants to see tracebacks; ``--debug`` says so, wherever it stands."""

    wanted = False
