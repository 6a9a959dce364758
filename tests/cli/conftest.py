"""The command in a process of its own, and a server for it to ask."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from support import server_packages
from threadfan.cli import main
from threadfan.cli.errors import Debugging
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

    def __init__(self, temporary):
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ANTHROPIC_", "COLUMNS", "FORCE_COLOR", "TTY_")) and "proxy" not in name.lower()
        }
        self._environment = {**kept, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "COLUMNS": "80"}
        self._environment["TMPDIR"] = str(temporary)  # where the demo leaves its page
        # Tests write a module anew within the second, of which compiled files know nothing.
        self._environment["PYTHONDONTWRITEBYTECODE"] = "1"

    def __call__(self, *arguments, python=("-m", "threadfan"), stdin=None, **environment):
        """Runs it to its end; keyword arguments are environment variables."""
        with self.start(*arguments, python=python, stdin=stdin, **environment) as process:
            out, err = process.communicate(stdin, timeout=240)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def start(self, *arguments, python=("-c", INTERRUPTIBLE), stdin=None, **environment):
        """Starts it."""
        return subprocess.Popen(
            [sys.executable, *python, *map(str, arguments)],
            env={**self._environment, **environment},
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def without(self, package, *arguments):
        """Runs it as if a package were not installed."""
        return self(package, *arguments, python=("-c", WITHOUT))


@pytest.fixture
def command(tmp_path_factory):
    """The command line."""
    return Command(tmp_path_factory.mktemp("temporary"))


@pytest.fixture
def demo(command, server):
    """`threadfan demo` against the test's server, so that the server's counts and options are at hand."""

    def run(*arguments, **environment):
        return command("demo", "--base-url", server.url, *arguments, **environment)

    return run


class Here:
    """The command line in this process, for what needs none of its own."""

    def __init__(self, capfd):
        self._captured = capfd

    def __call__(self, *arguments):
        """Runs it."""
        self._captured.readouterr()
        status = main(list(map(str, arguments)))
        return subprocess.CompletedProcess(arguments, status, *self._captured.readouterr())


@pytest.fixture
def here(capfd, tmp_path, monkeypatch):
    """The command line in this process, in a folder of its own."""
    pytest.importorskip("typer")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # as above
    monkeypatch.setattr(Debugging, "wanted", False)
    monkeypatch.delitem(sys.modules, "work", raising=False)  # which an earlier test has written
    return Here(capfd)


@pytest.fixture
def work(tmp_path):
    """A function of `work.py` in the test's folder, written as source: `work("def f(row): …")`."""

    def write(source, name="work.py"):
        (tmp_path / name).write_text(dedent(source), encoding="utf-8")
        return tmp_path / name

    return write
