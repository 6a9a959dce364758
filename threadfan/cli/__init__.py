"""The command line.  Whatever goes wrong is said in one line on the standard error.

Exit statuses: 0, all went well; 1, a call or the whole job failed; 2, a flag or a file that it names is wrong; 130,
interrupted by Ctrl-C; 143, by SIGTERM.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from threadfan._core.base.packages import install
from threadfan._core.base.texts import text_of

from .errors import INTERRUPTED, CommandError, Debugging

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: what follows the command's name; the process's own arguments by default.

    Returns:
        The exit status.
    """
    # An answer may hold any character, and the encoding of a pipe or an old terminal need not have it.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        return _say("interrupted", INTERRUPTED)
    except BrokenPipeError:  # `| head` has seen enough; nothing more may be written, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1


def _run(arguments: Sequence[str]) -> int:
    try:
        from .app import run

        return run(arguments)
    except ImportError as error:
        if error.name is None or error.name.startswith("threadfan"):
            raise
        return _say(f"{error.name} cannot be imported; right is: {install('cli', error.name)}", 1)
    except CommandError as error:
        _show_traceback()
        return _say(str(error), error.status)
    except Exception as error:
        _show_traceback()
        return _say(f"{type(error).__name__}: {text_of(error)}; --debug shows where", 1)


def _show_traceback() -> None:
    if Debugging.wanted:
        import traceback

        traceback.print_exc()


def _say(message: str, status: int) -> int:
    print(f"threadfan: {' '.join(message.split())}", file=sys.stderr)
    return status
