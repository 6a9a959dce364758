"""How a command of typer's is called, so that what is wrong can be said in one line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import typer

from threadfan._core.base.texts import brief

from .errors import INTERRUPTED, USAGE, CommandError
from .options import SECONDS

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
        text = _of_number(error, arguments) or _of_missing(error, message())
        raise CommandError(f"{text[:1].lower()}{text[1:]}", USAGE) from error
    if result == INTERRUPTED:  # typer has swallowed Ctrl-C
        raise KeyboardInterrupt
    return result


def _of_number(error: Exception, arguments: Sequence[str]) -> str | None:
    """What is wrong with the value of a flag that is to be a number; None if it is something else.

    typer says which flag it is, but, by its version, not the value.
    """
    param = getattr(error, "param", None)
    flags: Sequence[str] = getattr(param, "opts", ())
    kind = re.search(r"valid (number|float|int)", str(getattr(error, "message", "")))
    whole = kind is not None and kind[1] == "int"
    given = [
        value
        for one, following in zip(arguments, [*arguments[1:], ""], strict=True)
        for flag in flags
        if (value := _value(one, following, flag)) is not None and not _is_number(value, whole=whole)
    ]
    if kind is None or not given:
        return None
    digits = re.match(r"\d+" if whole else r"\d+(\.\d+)?", given[0])
    right = (
        "a whole number" if whole else f"a number{' of seconds' if getattr(param, 'metavar', None) == SECONDS else ''}"
    )
    return f"{flags[0]} is {brief(given[0])}; right is {right}, such as {digits[0] if digits else 5}"


def _of_missing(error: Exception, message: str) -> str:
    """With what the help says of a flag or an argument that is missing, which typer only names."""
    text = getattr(getattr(error, "param", None), "help", None)
    if type(error).__name__ != "MissingParameter" or not text:
        return message
    what = message.removesuffix(".").removesuffix(" (env var: 'None')")  # which some releases of click and typer say
    return f"{what}: {text[:1].lower()}{text[1:].removesuffix('.')}"


def _is_number(text: str, *, whole: bool) -> bool:
    try:
        int(text) if whole else float(text)
    except ValueError:
        return False
    return True


def _value(argument: str, following: str, flag: str) -> str | None:
    """What an argument gives to this flag, or the one that follows it."""
    if argument == flag:
        return following
    if flag.startswith("--"):
        return argument.removeprefix(f"{flag}=") if argument.startswith(f"{flag}=") else None
    return argument[2:].removeprefix("=") if argument.startswith(flag) else None
