"""`threadfan serve`: a server to ask without a key."""

import re
import signal
import sys

import pytest

from support.command_line import said


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent Ctrl-C there")
def test_it_is_asked(command, tmp_path):
    """The line that it prints is all that `ask` needs, and Ctrl-C ends it."""
    for package in ("anthropic", "starlette", "typer", "uvicorn"):
        pytest.importorskip(package)
    (tmp_path / "in.txt").write_text("hello\n", encoding="utf-8")
    with command.start("serve") as process:
        line = process.stdout.readline()
        found = re.fullmatch(r"export ANTHROPIC_BASE_URL=(http://127.0.0.1:\d+) ANTHROPIC_API_KEY=(\w+)\n", line)
        environment = {"ANTHROPIC_BASE_URL": found[1], "ANTHROPIC_API_KEY": found[2], "NO_PROXY": "127.0.0.1"}
        asked = command("ask", tmp_path / "in.txt", "--model", "claude-haiku-4-5", **environment)
        assert said(asked, 0).startswith("1 succeeded, 0 failed")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert process.stderr.read().startswith("threadfan: a server that makes up its answers, until Ctrl-C")


def test_help(command):
    """Brackets of the help are shown, and not taken for markup."""
    pytest.importorskip("typer")
    assert "[fault:429]" in command("serve", "--help", COLUMNS="120").stdout


def test_a_latency_that_cannot_be(here):
    """It is refused with what would be right."""
    assert said(here("serve", "--latency", "-1"), 2) == "--latency is -1; right are seconds, 0 or more"
