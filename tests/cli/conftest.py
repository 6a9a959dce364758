"""The command in a process of its own, and a server for it to ask."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support import server_packages
from threadfan.testing import MessagesServer

if not server_packages.INSTALLED:
    collect_ignore_glob = ["test_*"]

ROOT = Path(__file__).parents[2]
# As `python -m threadfan` does, but Ctrl-C works although whoever started the tests may have it ignored.
INTERRUPTIBLE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from threadfan.cli import main
sys.exit(main())
"""
WITHOUT = """
import sys
sys.modules[sys.argv.pop(1)] = None
from threadfan.cli import main
sys.exit(main())
"""


@pytest.fixture(scope="session")
def _running():
    for package in ("anthropic", "rich", "starlette", "typer", "uvicorn"):
        pytest.importorskip(package)
    with MessagesServer() as server:
        yield server


@pytest.fixture
def server(_running):
    """A server whose counts and options are fresh."""
    _running.reset()
    return _running


class Command:
    """The command line of a child process, in an environment without keys, proxies and terminals."""

    def __init__(self):
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ANTHROPIC_", "COLUMNS", "FORCE_COLOR", "TTY_")) and "proxy" not in name.lower()
        }
        self._environment = {**kept, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "COLUMNS": "80"}

    def __call__(self, *arguments, python=("-m", "threadfan"), **environment):
        """Runs it to its end; keyword arguments are environment variables."""
        with self.start(*arguments, python=python, **environment) as process:
            out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def start(self, *arguments, python=("-c", INTERRUPTIBLE), **environment):
        """Starts it."""
        return subprocess.Popen(
            [sys.executable, *python, *map(str, arguments)],
            env={**self._environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def without(self, package, *arguments):
        """Runs it as if a package were not installed."""
        return self(package, *arguments, python=("-c", WITHOUT))


@pytest.fixture
def command():
    """The command line."""
    return Command()


@pytest.fixture
def demo(command, server):
    """`threadfan demo` against the test's server, so that the server's counts and options are at hand."""

    def run(*arguments, **environment):
        return command("demo", "--base-url", server.url, *arguments, **environment)

    return run
