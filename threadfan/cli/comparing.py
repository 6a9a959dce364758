"""A program run twice: each call where it is handed in, and then with threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from .tally import say

if TYPE_CHECKING:
    from .program import Program


_PLACE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_BEGIN = (
    "import sys; sys.flags.safe_path or sys.path.__setitem__(0, {place!r}); from threadfan.cli import main; "
    "sys.exit(main())"
)
"""What ``-m threadfan`` does, but with this package, and nothing of the current folder that bears a module's name."""


def compare(program: Program, threaded: list[str]) -> int:
    """Run it both ways, each in a process of its own, and say how long each took.

    What the interpreter itself takes to start is in neither.

    Args:
        threaded: flags of the run with threads.

    Returns:
        The exit status of the first that has not come to a good end, else 0.
    """
    seconds: list[float] = []
    executors = 0
    with TemporaryDirectory(prefix="threadfan-") as folder:
        for way, extra in (("sequential", ["--sequential", "--no-summary"]), ("threaded", threaded)):
            figures = os.path.join(folder, way)
            status = subprocess.call(_command(program, [*extra, "--figures", figures]))
            if status != 0:
                say(f"the {way} run has ended with exit status {status}; there is nothing to compare")
                return status if status > 0 else 128 - status
            with open(figures, encoding="utf-8") as file:
                found = json.load(file)
            seconds.append(found["seconds"])
            executors += found["executors"]
    say(told(*seconds, executors=executors))
    return 0


def told(sequential: float, threaded: float, *, executors: int) -> str:
    """The comparison in a line."""
    if not executors:
        return (
            f"{sequential:.2f} s, and then {threaded:.2f} s: no ThreadPoolExecutor was made, so there is no difference"
        )
    times = f"sequential {sequential:.2f} s, threaded {threaded:.2f} s"
    return f"{times}: {sequential / threaded:.1f} times as fast" if threaded > 0 else times


def _command(program: Program, flags: list[str]) -> list[str]:
    own = getattr(subprocess, "_args_from_interpreter_flags", list)  # by which multiprocessing starts processes, too
    module = ["-m"] if program.is_module else []
    python = [sys.executable, *own(), "-c", _BEGIN.format(place=_PLACE), "script"]
    return [*python, *flags, *module, "--", program.target, *program.arguments]
