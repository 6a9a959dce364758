"""Where a thread stands, in the user's own words: the file and line of his code."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType


def standing() -> dict[int, FrameType]:
    """Where each thread stands, by its ident; to ask for that aborts some subinterpreters of CPython 3.13.0."""
    return sys._current_frames()


def place_of(frame: FrameType | None) -> str | None:
    """Where the user's own code stands; failing that, the code that it has called; None if that is all in C."""
    fallback = None
    while frame is not None:
        top = str(frame.f_globals.get("__name__")).partition(".")[0]
        place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        if top not in _PLUMBING:
            if top not in sys.stdlib_module_names and not _installed(frame.f_code.co_filename):
                return place
            fallback = fallback or place
        frame = frame.f_back
    return fallback


class CommandLine:
    """What this process was started by."""

    attaches: bool = False  # a command that has --attach, which is the remedy then


def remedies_of(frames: Iterable[FrameType | None]) -> str:
    """What would end the calls that stand there, by the libraries that they wait in; empty if none is known."""
    found = {one: None for frame in frames if (one := _remedy_of(frame)) is not None}
    return f"; to end what such calls wait in: {' and '.join(found)}" if found else ""


def _remedy_of(frame: FrameType | None) -> str | None:
    found = None
    while frame is not None:
        top = str(frame.f_globals.get("__name__")).partition(".")[0]
        if top == _PACKAGE:
            return found
        if top not in sys.stdlib_module_names and not _installed(frame.f_code.co_filename):
            return found
        option = _OPTIONS.get(top) if CommandLine.attaches else None
        found = option or _REMEDIES.get(top, found)  # that of the library which the user calls, not of those below it
        frame = frame.f_back
    return found


_PACKAGE = (__package__ or "").partition(".")[0]
_ATTACH = f"{_PACKAGE}.attach(client)"
_REMEDIES = {
    "threading": f"{_PACKAGE}.clients.threading",
    "queue": f"{_PACKAGE}.clients.threading",
    "subprocess": f"{_PACKAGE}.clients.subprocess",
    "requests": f"{_PACKAGE}.clients.requests.install()",
    **dict.fromkeys(
        ("httpx", "urllib3", "grpc", "botocore", "boto3", "redis", "pymongo", "psycopg", "anthropic", "openai"), _ATTACH
    ),
}
_OPTIONS = {client: f"--attach {client}" for client in ("requests", "subprocess")}

# What every call of every fan runs in, or waits in.
_PLUMBING = {_PACKAGE, "threading", "queue", "concurrent"}


def _installed(filename: str) -> bool:
    return "site-packages" in filename or "dist-packages" in filename
