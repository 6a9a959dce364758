"""`threadfan demo` when something goes wrong: one line on the standard error, and an exit status."""

import json
import signal
import socket
import subprocess
import sys

import pytest

from threadfan._core.base.packages import install
from threadfan.cli import main

PRESS = pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent Ctrl-C there")


def _said(process, status):
    """The one line on the standard error, without the command's name."""
    assert process.returncode == status, process.stderr
    (line,) = process.stderr.splitlines()
    assert line.startswith("threadfan: ")
    return line.removeprefix("threadfan: ")


@pytest.fixture
def here(capsys):
    """The command line in this process, for errors that are found before anything is started."""
    pytest.importorskip("typer")

    def run(*arguments):
        status = main(arguments)
        return subprocess.CompletedProcess(arguments, status, *capsys.readouterr())

    return run


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--workers", "0"], "--workers is 0; right are 1 to 1000"),
        (["--workers", "1001"], "--workers is 1001; right are 1 to 1000"),
        (["--timeout", "0"], "--timeout is 0; right is more than 0 seconds, at most 86400"),
        (["--timeout", "inf"], "--timeout is inf; right is more than 0 seconds, at most 86400"),
        (["--latency", "-1"], "--latency is -1; right are 0 to 86400 seconds"),
        (["--latency", "2s"], "--latency is '2s'; right is a number of seconds, such as 2"),
        (["--latency", "nan"], "--latency is nan; right are 0 to 86400 seconds"),
        (["--companies", " ,"], "--companies names none; right are names separated by commas: 'Airbus, Toyota'"),
        (["--base-url", "here"], "--base-url is 'here'; right is a URL such as http://127.0.0.1:8000"),
        (["--base-url", "http://h:1e9"], "--base-url is 'http://h:1e9'; right is a URL such as http://127.0.0.1:8000"),
        (
            ["--base-url", "http://me:a/pw@h"],
            "--base-url is 'http://***@h'; right is a URL such as http://127.0.0.1:8000",
        ),
        (
            ["--base-url", "http://h", "--latency", "1"],
            "--latency is the loopback server's; right is to leave it out with --live or --base-url",
        ),
    ],
)
def test_wrong_values(here, arguments, line):
    """A value out of range is named together with what would be right."""
    assert _said(here("demo", *arguments), 2) == line


@pytest.mark.parametrize("arguments", [["--workers", "many"], ["--worker", "3"], ["more"], ["--timeout"]])
def test_wrong_usage(here, arguments):
    """What the command cannot parse is one line too."""
    assert arguments[0] in _said(here("demo", *arguments), 2)


def test_unknown_command(here):
    """So is a command that does not exist."""
    assert "'dmeo'" in _said(here("dmeo"), 2)


def test_no_key(command, server):
    """`--live` without a key says how to set it."""
    assert _said(command("demo", "--live"), 2).endswith("right is: export ANTHROPIC_API_KEY=sk-ant-…")


@pytest.mark.parametrize("key", ["a key", "a-key\n", "schlüssel"])
def test_broken_key(command, server, key):
    """A key that no header can carry is refused, and not shown."""
    line = _said(command("demo", "--live", ANTHROPIC_API_KEY=key), 2)
    assert "ANTHROPIC_API_KEY" in line
    assert key.strip() not in line


def test_bad_key(demo, server):
    """A key that the server refuses ends the job at its first call."""
    line = _said(demo("--live", ANTHROPIC_API_KEY="invalid"), 1)
    assert line == (
        f"{server.url} cannot be asked: 401, invalid x-api-key; right is --live with a valid key in ANTHROPIC_API_KEY"
    )
    assert server.stats().requests == 1


def test_dead_server(command, server):
    """A port that nobody listens on ends the job at its first call."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        line = _said(command("demo", "--base-url", url), 1)
    assert line.startswith(f"{url} cannot be asked: no connection")


@pytest.mark.parametrize("url", ["http://me:hidden@{}", "http://hidden@{}", "http://{}?api_key=hidden"])
def test_secrets_in_a_url(command, server, url):
    """A password or a key in the URL of a server is shown neither before nor after it was asked."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        process = command("demo", "--base-url", url.format(place))
    line = _said(process, 1)
    assert place in line
    assert "***" in line
    assert "hidden" not in f"{process.stdout}{line}"


def test_another_kind_of_server(command, server):
    """A server without the Messages API ends the job at its first call."""
    line = _said(command("demo", "--base-url", f"{server.url}/nowhere"), 1)
    assert line.startswith(f"{server.url}/nowhere cannot be asked: 404")


@pytest.mark.parametrize("package", ["anthropic", "rich", "starlette", "typer", "uvicorn"])
def test_missing_package(command, server, package):
    """A package that is not installed is named with the command that installs it."""
    line = _said(command.without(package, "demo", "--no-sequential", "--companies", "Acme"), 1)
    assert line == f"{package} cannot be imported; right is: {install('cli')}"


def test_failed_company(demo, server):
    """A company that fails at either stage has a failed row, no figure compares, and the exit status is 1."""
    server.configure(replies={"Research Initech": "[fault:500]"})  # which its analysis then quotes
    names = "Acme,[fault:429]Globex,Initech,Umbrella"
    process = demo("--companies", names)
    assert _said(process, 1).startswith("2 of 4 companies failed, first [fault:429]Globex at research: 429, ")
    assert process.stdout.count("failed at research: 429") == 3  # a line in each part, and a row
    assert process.stdout.count("failed at analyse: 500") == 3
    assert process.stdout.count("failed one after another at ") == 2
    assert "speed-up" not in process.stdout
    assert "ideal" not in process.stdout


def test_failed_company_in_json(demo):
    """The JSON of a job with failures is whole, says so, and comes with the line and the exit status."""
    process = demo("--json", "--companies", "Acme,[fault:reset]Globex", "--no-sequential")
    assert _said(process, 1).startswith("1 of 2 companies failed: [fault:reset]Globex at research: no connection")
    result = json.loads(process.stdout)
    assert [result[name] for name in ("ok", "speed_up", "ideal_seconds", "reached")] == [False, None, None, None]
    acme, globex = result["fan"]["answers"]
    assert acme["error"] is None
    assert globex["text"] is None


def test_timeout(demo):
    """A call that hangs fails when its time is up, in both parts."""
    process = demo("--timeout", "1", "--companies", "[fault:hang]")
    assert _said(process, 1) == (
        "1 of 1 companies failed: [fault:hang] at research: no answer within 1 s; right may be a longer --timeout"
    )


@PRESS
@pytest.mark.parametrize(("arguments", "open_calls"), [([], 1), (["--no-sequential"], 3)])
def test_interrupt(command, server, arguments, open_calls):
    """Ctrl-C while calls hang ends either part with one line and status 130."""
    names = "[fault:hang]1,[fault:hang]2,[fault:hang]3"
    with command.start("demo", "--base-url", server.url, "--companies", names, *arguments) as process:
        server.wait_for(requests=1 + (3 + open_calls if open_calls > 1 else 1), open=open_calls, timeout=60)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=25)  # less than the calls' own timeout
    assert (process.returncode, err) == (130, "threadfan: interrupted\n")


def test_closed_pipe(command, server):
    """A reader that has seen enough ends the job without a traceback."""
    with command.start("demo", "--latency", "0.05", PYTHONUNBUFFERED="1") as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141
