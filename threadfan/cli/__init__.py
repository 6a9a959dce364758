"""The command line.  Whatever goes wrong is said in one line on the standard error.

``python -m threadfan SCRIPT`` is ``threadfan script SCRIPT``: the command is put in where a program is named, or an
option of it, and no command.

Exit statuses: 0, all went well; 1, a call or the whole job failed; 2, a flag or a file that it names is wrong; 130,
interrupted by Ctrl-C; 141, nobody reads the standard output any more; 143, SIGTERM.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from threadfan._core.base.packages import install
from threadfan._core.base.texts import one_line, text_of

from .errors import INTERRUPTED, UNREAD, CommandError, Debugging

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .script import Script


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: what follows the command's name; the process's own arguments by default.

    Returns:
        The exit status.
    """
    found = _end_of(with_command(sys.argv[1:] if arguments is None else arguments))
    return found if isinstance(found, int) else found.run()


COMMANDS = ("ask", "demo", "exec", "report", "run", "script", "serve")
_GENERAL = ("--help", "--version", "--install-completion", "--show-completion")


def with_command(arguments: Sequence[str]) -> list[str]:
    """The arguments, with the command ``script`` if they name a program, or an option of it, and no command."""
    found = list(arguments)
    name = _command_in(found)
    option = name.partition("=")[0]
    if name not in COMMANDS and (option not in _GENERAL if option.startswith("-") else _is_program(name)):
        found.insert(found.index(name), "script")
    return found


def _command_in(arguments: Sequence[str]) -> str:
    """The first argument that has to do with what is to be done."""
    return next((one for one in arguments if one != "--debug"), "")


def _is_program(name: str) -> bool:
    return name.endswith((".py", ".pyc", ".pyz")) or bool(os.path.dirname(name)) or os.path.exists(name)


def _end_of(arguments: Sequence[str]) -> int | Script:
    """The exit status, or what is to be run outside of all that is caught here."""
    streams = [stream for stream in (sys.stdout, sys.stderr) if hasattr(stream, "reconfigure")]
    usual = [stream.errors for stream in streams]
    # An answer may hold any character, and the encoding of a pipe or an old terminal need not have it.
    for stream in streams:
        stream.reconfigure(errors="replace")
    try:
        found = _run(arguments)
        if not isinstance(found, int):
            for stream, errors in zip(streams, usual, strict=True):
                stream.reconfigure(errors=errors)
        return found
    except KeyboardInterrupt:
        return _say("interrupted", INTERRUPTED)
    except (BrokenPipeError, SystemExit) as error:
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
            raise
        # `| head` has seen enough, which typer makes an exit of; nothing more may be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return UNREAD


def _run(arguments: Sequence[str]) -> int | Script:
    try:
        if _command_in(arguments) == "script":  # it needs less than the others, and is to begin soon
            from .script import asked_for

            rest = list(arguments)
            rest.remove("script")
            return asked_for(rest)
        from .app import run

        return run(arguments)
    except ImportError as error:
        if error.name is None or error.name.startswith("threadfan"):
            raise
        return _say(f"{error.name} cannot be imported; right is: {install('cli')}", 1)
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
    print(f"threadfan: {one_line(message)}", file=sys.stderr)
    return status
