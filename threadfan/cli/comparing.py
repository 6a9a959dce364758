"""A program run twice: each call where it is handed in, and then with threads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from .errors import INTERRUPTED
from .tally import say

if TYPE_CHECKING:
    from .program import Program


_PLACE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_BEGIN = (
    "import sys; sys.flags.safe_path or sys.path.__setitem__(0, {place!r}); from threadfan.cli import main; "
    "sys.exit(main())"
)
"""What ``-m threadfan`` does, but with this package, and nothing of the current folder that bears a module's name."""

_MOMENT, _LONG = 1.0, 5.0
"""Seconds that a run may take to end: by the terminal's Ctrl-C, and by one that is sent to it.  Arbitrary."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a run says of itself, in a file.

    Args:
        seconds: how long the program took.
        executors: how many it has made.
        cut: the names of calls that ran when it was interrupted.
    """

    seconds: float
    executors: int
    cut: list[str] = field(default_factory=list)


def compare(program: Program, threaded: list[str], without: str) -> int:
    """Run it both ways, each in a process of its own, and say how long each took.

    What the interpreter itself takes to start is in neither.

    Args:
        threaded: flags of the run with threads.
        without: that some options do not hold without threads; may be empty.

    Returns:
        The exit status of the first that has not come to a good end, else 0.
    """
    found: list[Figures | None] = []
    statuses: list[int] = []
    with TemporaryDirectory(prefix="threadfan-") as folder:
        for way, extra in (("sequential", ["--sequential", "--no-summary"]), ("threaded", threaded)):
            say(f"the {way} run{f', in which {without}' if way == 'sequential' and without else ''}:")
            path = os.path.join(folder, way)
            status = _run(_command(program, [*extra, "--figures", path]))
            figures = _read(path)
            if status == -signal.SIGINT:
                say(interrupted(way, figures))
                return INTERRUPTED
            found.append(figures)
            statuses.append(status)
    say(told(found[0], found[1], *statuses))
    bad = next(filter(None, statuses), 0)
    return bad if bad >= 0 else 128 - bad


def told(sequential: Figures | None, threaded: Figures | None, status: int = 0, status_threaded: int = 0) -> str:
    """The comparison in a line.

    Args:
        status: of the run without threads.
        status_threaded: of that with them.
    """
    if status != status_threaded:
        return (
            f"the sequential run has ended with exit status {status}, the threaded run with {status_threaded}; "
            "there is nothing to compare"
        )
    both = f"; both have ended with exit status {status}" if status else ""
    if sequential is None or threaded is None:
        return f"nobody knows how long they took, for they did not end as Python programs do{both}"
    before, after = sequential.seconds, threaded.seconds
    if not sequential.executors + threaded.executors:
        none = "no ThreadPoolExecutor was made, so there is no difference"
        return f"{before:.2f} s, and then {after:.2f} s: {none}{both}"
    times = f"sequential {before:.2f} s, threaded {after:.2f} s"
    return f"{times}{f': {before / after:.1f} times as fast' if after > 0 else ''}{both}"


def interrupted(way: str, figures: Figures | None) -> str:
    """A run that was interrupted, in a line."""
    if figures is None:
        return f"interrupted in the {way} run"
    calls = figures.cut[:3] + ([f"{len(figures.cut) - 3} more"] if len(figures.cut) > 3 else [])
    ran = f", while {', '.join(calls)} ran" if calls else ""
    return f"interrupted in the {way} run, {figures.seconds:.1f} s after it began{ran}"


def _run(command: list[str]) -> int:
    """Run it to its end, by Ctrl-C too: then it has told how far it came."""
    with subprocess.Popen(command) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            for seconds in (_MOMENT, _LONG):
                with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
                    process.wait(seconds)
                    return -signal.SIGINT
                if sys.platform != "win32":
                    process.send_signal(signal.SIGINT)  # for it may have gone to this process alone
            process.kill()
            return -signal.SIGINT


def _read(path: str) -> Figures | None:
    try:
        with open(path, encoding="utf-8") as file:
            return Figures(**json.load(file))
    except (OSError, ValueError):
        return None


def _command(program: Program, flags: list[str]) -> list[str]:
    own = getattr(subprocess, "_args_from_interpreter_flags", list)  # by which multiprocessing starts processes, too
    module = ["-m"] if program.is_module else []
    python = [sys.executable, *own(), "-c", _BEGIN.format(place=_PLACE), "script"]
    return [*python, *flags, *module, "--", program.target, *program.arguments]
