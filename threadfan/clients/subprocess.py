"""``subprocess.run`` that ends the process, and all that it has started, when the scope of the call ends.

A drop-in for ``subprocess.run``, ``call``, ``check_call`` and ``check_output``: the same arguments and results.  What
is different:

- When the scope of the call ends, the process group gets SIGTERM.  It gets SIGKILL once the process has ended and its
  pipes are closed, or after ``grace`` seconds.  Then ``ProcessCancelled``, a ``CallCancelled``, is raised.  The same is
  done at any other exception on the way, Ctrl-C for one; and at the interpreter's exit for calls that are over.
- When the user's own ``timeout`` is over, the whole group gets SIGKILL, not only the process.
- The process heads a session of its own, so that there is a group to end; not if its standard input is a terminal,
  since a program that talks to the user would be stopped there, nor if ``start_new_session`` or ``process_group`` say
  otherwise.  Then only the process itself is ended.

However ``run`` ends, the process is reaped and its pipes are closed, even if somebody who has left the group holds the
other ends.  A program of another user, which no signal of ours may reach, is left alone.

On Windows there are no such groups: the process is killed at once, and what it has started goes on.
"""

from __future__ import annotations

import sys
from subprocess import DEVNULL, PIPE, STDOUT, CalledProcessError, CompletedProcess, SubprocessError, TimeoutExpired
from typing import Any, Literal, TypeAlias, overload

from .._core.base.checks import pause
from .._core.base.clock import FOREVER
from .._core.base.errors import CallCancelled
from .._core.scope.alarms import set_alarm
from .._core.scope.scope import current_scope
from .passing import pass_through

TYPE_CHECKING = False
if TYPE_CHECKING:
    # isort: off
    from subprocess import (
        Popen as Popen,
        getoutput as getoutput,
        getstatusoutput as getstatusoutput,
        list2cmdline as list2cmdline,
    )

    # isort: on
    from typing_extensions import Buffer

if sys.platform == "win32":
    from .process_io_windows import ProcessIO
else:
    from .process_io import ProcessIO

__all__ = [
    "DEVNULL",
    "PIPE",
    "STDOUT",
    "CalledProcessError",
    "CompletedProcess",
    "ProcessCancelled",
    "SubprocessError",
    "TimeoutExpired",
    "call",
    "check_call",
    "check_output",
    "run",
]

PopenOption: TypeAlias = Any
"""Whatever ``subprocess.Popen`` takes by this name."""

GRACE = 0.5
"""Seconds between SIGTERM and SIGKILL.  Arbitrary: time to remove a temporary file, and a program that heeds neither
SIGTERM nor Ctrl-C still ends within a second."""


class ProcessCancelled(CallCancelled):
    """The call was cancelled or its time was up while a process ran, which has been ended.

    ``cmd``, ``stdout`` (also called ``output``) and ``stderr`` are as in ``TimeoutExpired``, but text in text mode:
    what was captured so far, None if it was not to be captured.
    """

    cmd: object = None
    output: str | bytes | None = None
    stdout: str | bytes | None = None
    stderr: str | bytes | None = None


@overload
def run(
    *popenargs: object, text: Literal[True], grace: float = ..., **kwargs: PopenOption
) -> CompletedProcess[str]: ...


@overload
def run(*popenargs: object, encoding: str, grace: float = ..., **kwargs: PopenOption) -> CompletedProcess[str]: ...


@overload
def run(*popenargs: object, grace: float = ..., **kwargs: PopenOption) -> CompletedProcess[Any]: ...


def run(
    *popenargs: object,
    input: str | Buffer | None = None,  # noqa: A002 - the standard library's name
    capture_output: bool = False,
    timeout: float | None = None,
    check: bool = False,
    grace: float = GRACE,
    **kwargs: PopenOption,
) -> CompletedProcess[Any]:
    """``subprocess.run``, ended with the scope of the call.

    Args:
        popenargs: with ``kwargs``, the arguments of ``subprocess.Popen``.
        input: what is written to its standard input.
        capture_output: keep what it writes to its standard output and error.
        timeout: seconds that it may take.
        check: raise if it ends with another code than 0.
        grace: seconds that it is given to end by itself when the scope ends; 0 kills it at once.

    Raises:
        ProcessCancelled: the scope ended meanwhile; CallCancelled if it had ended before.
        TimeoutExpired: ``timeout`` was over first.
        CalledProcessError: its code was not 0, and ``check`` was set.
    """
    if input is not None:
        if kwargs.get("stdin") is not None:
            raise ValueError("stdin and input arguments may not both be used.")
        kwargs["stdin"] = PIPE
    if capture_output:
        if kwargs.get("stdout") is not None or kwargs.get("stderr") is not None:
            raise ValueError("stdout and stderr arguments may not be used with capture_output.")
        kwargs["stdout"] = kwargs["stderr"] = PIPE
    if grace is not GRACE:
        grace = pause("the grace of run", grace)
    scope = current_scope()
    scope.check()
    clock = scope.clock
    due = FOREVER if timeout is None else clock.monotonic() + timeout
    io = ProcessIO(scope, input, popenargs, kwargs)
    take_back = []
    try:
        io.start()
        process = io.process
        take_back.append(scope.on_cancel(io.waker.wake))
        if timeout is not None:
            take_back.append(set_alarm(clock, due, io.waker.wake, quick=True))
        ended = io.communicate(lambda: scope.cancelled or clock.monotonic() >= due)
        scope.check()
        if not ended:
            io.end(grace=0)
            output, errors = (io.bytes_of(stream) or None for stream in (process.stdout, process.stderr))
            raise TimeoutExpired(process.args, timeout or 0.0, output=output, stderr=errors)
    except CallCancelled as error:
        io.end(grace)
        cancelled = ProcessCancelled(*error.args)
        cancelled.cmd = process.args
        cancelled.stdout = cancelled.output = io.output_of(process.stdout)
        cancelled.stderr = io.output_of(process.stderr)
        raise cancelled from None
    except BaseException:
        io.end(grace)
        raise
    finally:
        for each in take_back:
            each()
        io.close()
    stdout = None if process.stdout is None else io.output_of(process.stdout)
    stderr = None if process.stderr is None else io.output_of(process.stderr)
    if check and process.returncode:
        raise CalledProcessError(process.returncode, process.args, output=stdout, stderr=stderr)
    return CompletedProcess(process.args, process.returncode, stdout, stderr)


def call(*popenargs: object, **kwargs: PopenOption) -> int:
    """``subprocess.call``, ended with the scope of the call: run a program and give its code."""
    return run(*popenargs, **kwargs).returncode


def check_call(*popenargs: object, **kwargs: PopenOption) -> int:
    """``subprocess.check_call``, ended with the scope of the call: the same, and CalledProcessError if it is not 0."""
    return run(*popenargs, check=True, **kwargs).returncode


def check_output(*popenargs: object, **kwargs: PopenOption) -> Any:
    """``subprocess.check_output``, ended with the scope of the call: give what the program writes."""
    if "input" in kwargs and kwargs["input"] is None:  # as in the standard library: an empty one
        kwargs["input"] = b"" if not any(map(kwargs.get, ("text", "encoding", "errors", "universal_newlines"))) else ""
    return run(*popenargs, stdout=PIPE, check=True, **kwargs).stdout


if not TYPE_CHECKING:
    __getattr__, __dir__ = pass_through(__name__, "subprocess")
