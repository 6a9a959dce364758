"""How a command of typer's is called, so that what is wrong can be said in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from .errors import INTERRUPTED, USAGE, CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence


def invoke(app: typer.Typer, arguments: Sequence[str], name: str) -> object:
    """What the command returns that the arguments name.

    Args:
        name: by which the help calls it.

    Raises:
        CommandError: it did not come to a good end, or a flag is wrong.
    """
    try:
        # Not standalone: typer would frame its errors over many lines.
        command = typer.main.get_command(app)
        result: object = command.main(list(arguments) or ["--help"], prog_name=name, standalone_mode=False)
    except Exception as error:
        message = getattr(error, "format_message", None)  # click's errors, from wherever this version of typer has them
        if message is None:
            raise
        text = message()
        raise CommandError(f"{text[:1].lower()}{text[1:]}", USAGE) from error
    if result == INTERRUPTED:  # typer has swallowed Ctrl-C
        raise KeyboardInterrupt
    return result
