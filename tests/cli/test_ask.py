"""`threadfan ask`: a prompt to the Messages API for each row, asked of a server on this machine."""

import csv
import json
import re
import socket
from urllib.parse import urlsplit

import pytest

from support.command_line import lines_of, said
from support.loopback import Loopback, splice

MODEL = ["--model", "claude-haiku-4-5"]


class Overheard(Loopback):
    """In front of a server: passes on what it is sent, and keeps the body of the first request of each connection."""

    def __init__(self, url):
        super().__init__()
        self._behind = urlsplit(url)
        self.bodies = []

    def _serve(self, sock):
        with (
            socket.create_connection((self._behind.hostname, self._behind.port)) as behind,
            sock.makefile("rb") as stream,
        ):
            head = b"".join(iter(stream.readline, b"\r\n"))
            body = stream.read(int(re.search(rb"(?i)content-length: (\d+)", head)[1]))
            self.bodies.append(json.loads(body))
            behind.sendall(head + b"\r\n" + body)
            splice(sock, behind)


@pytest.fixture
def ask(here, server, monkeypatch):
    """`threadfan ask` of the test's server."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a-key")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def ask(*arguments):
        return here("ask", *arguments, *MODEL, "--base-url", server.url)

    return ask


def test_lines(ask, server, tmp_path):
    """A line is a prompt; its answer is written beside it, with the tokens that it took."""
    server.configure(replies={"first": "one", "second": "two"})
    (tmp_path / "in.txt").write_text("the first\nthe second\n", encoding="utf-8")
    process = ask("in.txt", "-o", "out.jsonl", "-k")
    rows = lines_of("out.jsonl")
    assert [(row["input"], row["answer"]) for row in rows] == [("the first", "one"), ("the second", "two")]
    assert [row["stop_reason"] for row in rows] == ["end_turn"] * 2
    tokens = [sum(row[name] for row in rows) for name in ("input_tokens", "output_tokens")]
    assert said(process, 0).partition(", $")[0].endswith(f"; {tokens[0]} tokens in, {tokens[1]} out")
    process = ask("in.txt", "-k")
    assert process.stdout == "one\ntwo\n"


def test_a_template(ask, server, tmp_path):
    """`{column}` of the template is the row's; `@FILE` reads it from a file, and so the system prompt."""
    server.configure(replies={"Translate cat into French": "chat"})
    (tmp_path / "in.csv").write_text("word,language\ncat,French\n", encoding="utf-8")
    (tmp_path / "template").write_text("Translate {word} into {language}.", encoding="utf-8")
    assert ask("in.csv", "-o", "out.csv", "--template", "@template", "--system", "Be brief.").returncode == 0
    with open("out.csv", encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["word"], row["answer"]) == ("cat", "chat")
    assert list(row) == ["word", "language", "answer", "stop_reason", "input_tokens", "output_tokens"]


def test_what_is_sent(here, server, tmp_path, monkeypatch):
    """Each option of a question arrives in the request, whatever the SDK's version has parameters for."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "in.txt").write_text("hello\n", encoding="utf-8")
    flags = ["--system", "Be brief.", "--max-tokens", 20, "--temperature", 0.5]
    with Overheard(server.url) as overheard:
        process = here("ask", "in.txt", *MODEL, *flags, "--retry", 0, "--base-url", f"http://{overheard.address}")
    assert said(process, 0).startswith("1 succeeded")
    assert overheard.bodies == [
        {
            "model": MODEL[1],
            "messages": [{"role": "user", "content": "hello"}],
            "system": "Be brief.",
            "max_tokens": 20,
            "temperature": 0.5,
        }
    ]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "there is no column 'prompt'; right is --template with {word} {language}"),
        (["--template", "{words}"], "--template has {words}, which is no column; right are {word} {language}"),
        (["--template", "@nowhere"], "--template names nowhere, which cannot be read: "),
        (["--max-tokens", "0"], "--max-tokens is 0; right is a number greater than 0"),
    ],
)
def test_wrong_questions(ask, server, tmp_path, arguments, line):
    """A question that the rows cannot be asked is refused before anything is sent."""
    (tmp_path / "in.csv").write_text("word,language\ncat,French\n", encoding="utf-8")
    assert line in said(ask("in.csv", "-o", "out.csv", *arguments), 2)
    assert server.stats().requests == 0


@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        ('Fill in {{"word": "{word}"}}', 'Fill in {"word": "cat"}'),
        ("{{word}} {word}}}", "{word} cat}"),
        ('{{ "a": {word}', '{ "a": cat'),
    ],
)
def test_braces(ask, server, tmp_path, template, prompt):
    """A brace that is meant so is written twice, as JSON in a prompt needs."""
    server.configure(replies={prompt: "as it should be"})
    (tmp_path / "in.csv").write_text("word\ncat\n", encoding="utf-8")
    assert ask("in.csv", "-o", "out.jsonl", "--template", template).returncode == 0
    assert lines_of("out.jsonl")[0]["answer"] == "as it should be"


def test_braces_that_are_no_place(ask, server, tmp_path):
    """What looks like a column and is none is refused before anything is sent, of lines too."""
    (tmp_path / "in.csv").write_text("word\ncat\n", encoding="utf-8")
    (tmp_path / "in.txt").write_text("cat\n", encoding="utf-8")
    flags = ["-o", "out.jsonl", "--template", 'Answer as {"a": 1}: {}']
    right = "a brace that is no place is written twice, {{ or }}"
    line = said(ask("in.csv", *flags), 2)
    assert line == f'--template has {{"a": 1}}, which is no column; right are {{word}}, and {right}'
    assert said(ask("in.txt", *flags), 2) == (
        f'--template has {{"a": 1}}, and a line has no columns; right is {{}}, and {right}'
    )
    assert server.stats().requests == 0


@pytest.mark.parametrize(
    ("template", "where"),
    [
        ("Say {a", "{, in '{a'"),
        ("Of {word}: a} {word}", "}, in 'Of {word}: a}'"),
        ('{ "a": {word}', "{, in '{ \"a\": {word}'"),
    ],
)
def test_single_braces(ask, server, tmp_path, template, where):
    """A brace that has no other is refused before anything is sent, with where it stands."""
    for name, right in (("in.csv", "{column}"), ("in.txt", "{}")):
        (tmp_path / name).write_text("word\ncat\n", encoding="utf-8")
        line = said(ask(name, "--template", template), 2)
        assert line == (
            f"--template has a single {where}; right is {right}, and a brace that is no place is written twice, "
            "{{ or }}"
        )
    assert server.stats().requests == 0


def test_columns_that_are_there(ask, tmp_path):
    """The answers of an answer stand beside it."""
    (tmp_path / "in.csv").write_text("answer,answer_2,stop_reason\nold,older,why\n", encoding="utf-8")
    assert ask("in.csv", "-o", "out.csv", "--template", "{answer}").returncode == 0
    with open("out.csv", encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert list(row.values())[:3] == ["old", "older", "why"]
    assert list(row)[3:] == ["answer_3", "stop_reason_2", "input_tokens", "output_tokens"]
    assert row["stop_reason_2"] == "end_turn"


def test_a_server_that_is_not_there(here, tmp_path, monkeypatch):
    """It is named, wherever the URL came from."""
    (tmp_path / "in.txt").write_text("a\nb\n", encoding="utf-8")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("ANTHROPIC_API_KEY", "a-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
        line = said(here("ask", "in.txt", *MODEL, "--retry", 0, "-o", "out.txt"), 1)
    assert line.startswith(f"2 failed: APIConnectionError: Connection error. (2 times); the server is {url}; they are")


def test_going_on(ask, server, tmp_path):
    """With a journal answers are paid for once, but for another question."""
    (tmp_path / "in.txt").write_text("a\nb\n[fault:500]\n", encoding="utf-8")
    flags = ["in.txt", "-o", "out.jsonl", "--journal", "run.db", "--retry", 0]
    assert said(ask(*flags), 1).startswith("1 failed: InternalServerError")
    assert server.stats().requests == 3
    server.reset()
    assert "(2 of them before)" in ask(*flags).stderr
    assert server.stats().requests == 1
    process = ask(*flags, "--dry-run", "--price", "1,5")
    assert process.stdout == '"[fault:500]"\n'
    assert "about $0.000" in process.stderr
    only_others = "threadfan: run.db has results, but none of this model, template, system prompt, "
    assert only_others not in process.stderr
    told = ask(*flags, "--dry-run", "--system", "Be brief.").stderr
    assert "0 are done" in told
    assert only_others in told
    assert only_others in ask(*flags, "--system", "Be brief.").stderr
    assert only_others not in ask(*flags, "--system", "Be brief.").stderr


def test_a_wrong_key(ask, server, tmp_path):
    """A key that is refused ends the run at once, and so does a model that is not there."""
    server.configure(reject_keys=["a-key"])
    (tmp_path / "in.txt").write_text("hello\n" * 50, encoding="utf-8")
    line = said(ask("in.txt", "-o", "out.jsonl", "-w", 1), 1)
    assert line.startswith(
        "stopped early, the server refuses the key; right is a valid one in ANTHROPIC_API_KEY: 0 calls"
    )
    assert server.stats().requests == 1


def test_a_budget(ask, server, tmp_path):
    """It says what was spent, and when that is enough no further call begins."""
    server.configure(replies={"hello": "x" * 400})  # a hundred tokens
    (tmp_path / "in.txt").write_text("hello\n" * 50, encoding="utf-8")
    process = ask("in.txt", "-o", "out.jsonl", "--price", "0,10000", "--budget", "1.5", "-w", 1)
    assert "stopped early, the budget of 1.5 USD was used up: " in said(process, 1)
    found = len(lines_of("out.jsonl"))
    assert 2 <= found < 50
    assert f", ${found}.00" in process.stderr
    assert server.stats().requests <= found + 1  # one may run when it is told


def test_transient_errors_are_tried_again(ask, server, tmp_path):
    """By default, and without being told."""
    (tmp_path / "in.txt").write_text("[fault:529 x2] hello\n", encoding="utf-8")
    assert ask("in.txt", "-o", "out.jsonl").returncode == 0
    assert server.stats().requests == 3


def test_its_time_is_up(ask, server, tmp_path):
    """A request whose time is up ends, and its socket with it."""
    (tmp_path / "in.txt").write_text("[fault:hang]\n", encoding="utf-8")
    line = said(ask("in.txt", "-o", "out.jsonl", "--timeout", "0.5", "--retry", 0), 1)
    assert line.startswith("1 failed: timed_out")
    server.wait_for(disconnects=1)


def test_no_key(here, tmp_path, monkeypatch):
    """Without a key it says how to set it, and how to do without, and that is as any wrong setting."""
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    (tmp_path / "in.txt").write_text("a\n", encoding="utf-8")
    assert said(here("ask", "in.txt", *MODEL), 2) == (
        "ask needs an API key, or threadfan serve to try it; right is: export ANTHROPIC_API_KEY=sk-ant-…"
    )


def test_no_model(here, tmp_path):
    """What is missing is said with what the help says of it."""
    (tmp_path / "in.txt").write_text("a\n", encoding="utf-8")
    line = said(here("ask", "in.txt"), 2)
    assert line == "missing option '--model': the model to ask, such as claude-haiku-4-5"
    assert said(here("ask", *MODEL), 2).startswith("missing argument 'INPUT': a file of JSON lines, CSV, ")


@pytest.mark.parametrize("url", ["http://me:hidden@{}", "http://hidden@{}", "http://{}/?api_key=hidden"])
def test_secrets_in_a_url(command, tmp_path, url):
    """A password or a key in the URL is shown nowhere, also not in the files."""
    (tmp_path / "in.txt").write_text("a\n", encoding="utf-8")
    out = tmp_path / "out.jsonl"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        place = url.format(f"127.0.0.1:{taken.getsockname()[1]}")
        flags = ["-o", out, "--retry", 0, "--journal", tmp_path / "run.db", "--base-url", place]
        process = command("ask", tmp_path / "in.txt", *MODEL, *flags)
    assert said(process, 1).startswith("1 failed: APIConnectionError")
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"hidden" not in written + process.stderr.encode() + process.stdout.encode()
    line = said(command("ask", tmp_path / "in.txt", *MODEL, "--base-url", "ftp://me:hidden@h"), 2)
    assert line == "--base-url is 'ftp://***@h'; right is a URL such as http://127.0.0.1:8000"
