"""Clients that are attached for the whole process."""

from __future__ import annotations

import subprocess
import sys
from functools import partial, wraps

from .._core.scope.around import scope_around

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Undo = Callable[[], object]
    Function = Callable[..., object]

_RUN = ("run", "call", "check_call", "check_output")


def attached(names: tuple[str, ...]) -> tuple[list[Undo], list[str]]:
    """Attach them; what takes that back, and what was not reached.

    Raises:
        ImportError: a client is not installed.
    """
    undo: list[Undo] = []
    missed: list[str] = []
    if "requests" in names:
        from ..clients import requests

        undo.append(requests.install().undo)
    if "subprocess" in names:
        from ..clients import subprocess as ours

        for name in _RUN:
            usual, other = getattr(subprocess, name), _in_calls(getattr(subprocess, name), getattr(ours, name))
            missed += _held(usual, f"subprocess.{name}")
            setattr(subprocess, name, other)
            undo.append(partial(_put_back, name, usual, other))
    return undo, missed


def _in_calls(usual: Function, ours: Function) -> Function:
    """A function that is ours in calls, and the usual one elsewhere."""

    @wraps(usual)
    def run(*args: object, **kwargs: object) -> object:
        return (usual if scope_around() is None else ours)(*args, **kwargs)

    return run


def _put_back(name: str, usual: Function, other: Function) -> None:
    if getattr(subprocess, name) is other:  # else somebody has replaced it meanwhile, and keeps what he has found
        setattr(subprocess, name, usual)


def _held(function: Function, name: str) -> list[str]:
    """Who has imported it by its name before."""
    found = []
    for module in list(sys.modules.values()):
        held = getattr(module, "__dict__", None)
        if module is not subprocess and isinstance(held, dict) and any(one is function for one in list(held.values())):
            found.append(f"{name} as {module.__name__} had imported it before")
    return found
