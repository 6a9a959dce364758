"""``--attach``: clients that end with the call that uses them, in the whole process."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

import typer

from threadfan._core.base.places import CommandLine
from threadfan.dropin.attaching import attached
from threadfan.dropin.options import clients

from .errors import USAGE, CommandError
from .tally import say

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack

Attach = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CLIENT,…",
        help="End requests or subprocess with the call that uses it, so that its thread comes back; may be repeated.",
    ),
]


def clients_named(given: Sequence[str] | None) -> tuple[str, ...]:
    """The clients that the flags name, with commas between them or not.

    Raises:
        CommandError: there is no such client, or it is not installed.
    """
    try:
        found = clients([name for names in given or () for name in names.split(",")])
    except ValueError as error:
        raise CommandError(f"--{error}", USAGE) from error
    for name in found:
        if find_spec(name) is None:
            raise CommandError(f"--attach names {name}, which is not installed; right is: pip install {name}", USAGE)
    return found


def attach_all(names: Sequence[str], stack: ExitStack) -> None:
    """Attach them until the end of ``stack``; what was not reached is said."""
    CommandLine.attaches = True
    undo, missed = attached(tuple(names))
    for one in undo:
        stack.callback(one)
    if missed:
        say(f"--attach has not reached {', '.join(missed)}")
