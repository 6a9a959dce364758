"""Starting and ending the loopback server's process."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from importlib.util import find_spec

from threadfan._core.base.packages import install

_START_TIMEOUT = 30.0  # seconds; enough for a loaded machine, yet a broken start does not stop a test suite for ever
_NEEDED = ("starlette", "uvicorn")
_PASSED_ON = (
    *("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "WINDIR"),  # without which Python may not start
    *("TMPDIR", "TEMP", "TMP", "LANG", "LC_ALL", "LC_CTYPE"),
    *("PYTHONHOME", "PYTHONUTF8", "PYTHONHASHSEED", "PYTHON_GIL", "PYTHONMALLOC", "PYTHONWARNINGS"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
)
"""The variables of the environment that the process gets.  The others are none of its business: API keys, for one."""


class ServerProcess:
    """A running server.

    It lives at most as long as this process, since it ends when its standard input ends.
    A new session keeps the Ctrl+C of a terminal from reaching it, so that it still answers while a test cleans up.

    Args:
        options: The line that the server reads first.

    Raises:
        ImportError: A package that the server needs is not installed.
        RuntimeError: The process ended before it listened; the message holds what it wrote to its standard error.
    """

    def __init__(self, options: str) -> None:
        _check_packages()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 -- closed by stop(); a pipe could fill up and block
        self._process = subprocess.Popen(
            # sys.path goes over whole, and -P keeps the current folder from being put before it.
            [sys.executable, "-P", "-m", "threadfan.testing.messages_app"],
            env={**_environment(), "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )
        try:
            port = self._greet(options)
        except BaseException:
            self.stop()
            raise
        if not port:
            code = self._process.wait()
            raise RuntimeError(
                f"messages server ended with exit code {code} before it wrote its port; its standard error is:\n"
                f"{self.stop()}"
            )
        self.port: int = int(port)

    def stop(self) -> str:
        """Ends the process, whatever it is doing, and returns what it wrote to its standard error."""
        # Nothing in the process is worth saving, and a kill does not wait for hung requests.
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # what the process did not read any more
                if pipe:
                    pipe.close()
        with self._errors as errors:
            errors.seek(0)
            return errors.read().decode(errors="replace")

    def state(self) -> str:
        """Returns "running", or how the process ended."""
        code = self._process.poll()
        return "running" if code is None else f"ended with exit code {code}"

    def _greet(self, options: str) -> bytes:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None  # noqa: S101 -- both are pipes
        assert stdout is not None  # noqa: S101 -- the same
        killer = threading.Timer(_START_TIMEOUT, self._process.kill)
        killer.start()
        try:
            with suppress(BrokenPipeError):  # the reason is on its standard error
                stdin.write(f"{options}\n".encode())
                stdin.flush()
            return stdout.readline()
        finally:
            killer.cancel()
            killer.join()


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


def _check_packages() -> None:
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise ImportError(
            f"MessagesServer needs {' and '.join(_NEEDED)}, and {' and '.join(missing)} cannot be imported; "
            f"right is: {install('cli')}",
            name=missing[0],
        )
