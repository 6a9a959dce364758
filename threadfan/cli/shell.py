"""``threadfan exec``: a shell command for each input.

An input is an argument of the shell that runs the command, and no part of its text: whatever is in it, it is one word
of the command, and never a command.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from threadfan._core.base.texts import harmless, shortened
from threadfan.clients.subprocess import DEVNULL, run

from .errors import USAGE, CommandError
from .rows import text_of_value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .rows import Item

_PLACE = re.compile(r"\{([^{}\s]*)\}")
_TOKEN = re.compile(r"\\.|\$\(\(?|['\"`()]|(?<!\$)" + _PLACE.pattern, re.DOTALL)


class CommandFailedError(Exception):
    """A command has ended with another code than 0."""


def command_for(template: str, columns: Sequence[str] | None) -> Callable[[Item], str]:
    """A function that runs the command for an input, and gives what that writes.

    Args:
        template: with ``{}`` for an input, or ``{column}`` for a column of a row.
        columns: of the rows, if they are known.

    Raises:
        CommandError: it has no place for the input, or one within single quotes.
    """
    if sys.platform == "win32":
        raise CommandError("exec needs a POSIX shell, which Windows has not; right is run with a function", USAGE)
    script, names = _script(template)
    if not names:
        raise CommandError(
            f"{template!r} has no {{}} for the input; right is such as 'wc -c {{}}', or {{column}}", USAGE
        )
    for name in names:
        if columns is not None and (name not in columns if name else len(columns) != 1):
            known = " ".join(f"{{{column}}}" for column in columns)
            raise CommandError(f"{template!r} has {{{name}}}, which is no column; right are {known}", USAGE)

    def shell(item: Item) -> str:
        done = run(
            ["/bin/sh", "-c", script, "sh", *(_argument(item, name) for name in names)],
            stdin=DEVNULL, capture_output=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
        if done.returncode:
            said = shortened(done.stderr or done.stdout, 200)
            raise CommandFailedError(f"exit status {done.returncode}{said and f': {said}'}")
        if done.stderr:
            sys.stderr.write(harmless(done.stderr) if sys.stderr.isatty() else done.stderr)
        return done.stdout.removesuffix("\n")

    return shell


def _script(template: str) -> tuple[str, list[str]]:
    """The command with arguments of the shell in the places, and what each stands for."""
    names: list[str] = []
    quoted = ""
    outside: list[str] = []  # within $( ), which is a command of its own: how it is quoted around that

    def replaced(found: re.Match[str]) -> str:
        nonlocal quoted
        sign = found[0]
        if sign[0] == "\\" and quoted != "'":
            return sign
        if sign[0] == "\\":  # within single quotes it is a sign as any other
            if sign[1] == "'":
                quoted = ""
            return sign
        if sign in ("'", '"'):
            quoted = sign if not quoted else "" if quoted == sign else quoted
            return sign
        if found[1] is None:  # no place
            quoted = _nested(sign, quoted, outside)
            return sign
        name = found[1]
        if name and not re.fullmatch(r"[^\W\d][\w.-]*( [\w.-]+)*", name):
            return sign  # such as {1,2} or {1..9}, which are the shell's
        if quoted == "`":
            raise CommandError(f"{template!r} has {sign} in back quotes in double ones; right is $( ) for them", USAGE)
        if quoted == "'":
            raise CommandError(f"{template!r} has {sign} in single quotes; right is to leave the quotes out", USAGE)
        if name not in names:
            names.append(name)
        place = f"${{{names.index(name) + 1}}}"
        return place if quoted else f'"{place}"'

    return _TOKEN.sub(replaced, template), names


def _nested(sign: str, quoted: str, outside: list[str]) -> str:
    """How what follows a bracket or a back quote is quoted."""
    if sign == "`" and quoted in ('"', "`"):
        return "`" if quoted == '"' else '"'
    if quoted in ("'", "`") or (quoted and sign != "$("):  # "$((" computes, and splits nothing
        return quoted
    if sign == ")":
        return outside.pop() if outside else ""
    if sign != "`":
        outside.extend((quoted, "") if sign == "$((" else (quoted,))
    return ""


def _argument(item: Item, name: str) -> str:
    if isinstance(item, dict):
        if name:
            if name not in item:
                raise KeyError(f"the row has no column {name!r}; it has {', '.join(map(str, item))}")
            item = item[name]
        elif len(item) == 1:
            item = next(iter(item.values()))
    elif name:
        raise KeyError(f"the input has no columns, so no {name!r}; right is {{}}")
    return text_of_value(item)


def retried(times: int | None) -> dict[tuple[type[Exception], ...], int] | None:
    """Any failure of a command is tried again so often."""
    return {(CommandFailedError, OSError): times} if times else None
