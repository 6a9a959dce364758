"""The pages on the command line are true: their commands, run over their files, print what they show."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [(ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("command-line", "drop-in")]
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECTIONS = {
    part.partition("\n")[0]: BLOCK.findall(part)
    for page in PAGES
    for part in re.split(r"^## ", page, flags=re.MULTILINE)[1:]
}
WITH_COMMANDS = [title for title, blocks in SECTIONS.items() if any(kind == "sh" for kind, _ in blocks)]
BASH = shutil.which("bash") or "bash"
NEWCOMER = "From a table to a page"


@pytest.fixture
def shell(server, tmp_path):
    """Runs a script in a folder of its own, where `threadfan` is the command and the API a server on this machine."""
    programs = tmp_path / "bin"
    programs.mkdir()
    installed = Path(sys.executable).with_name("threadfan")
    for name, command in (("python", ""), ("threadfan", "" if installed.exists() else "-m threadfan")):
        script = installed if name == "threadfan" and installed.exists() else sys.executable
        (programs / name).write_text(f'#!/bin/sh\nexec "{script}" {command} "$@"\n', encoding="utf-8")
        (programs / name).chmod(0o755)
    folder = tmp_path / "folder"
    folder.mkdir()
    environment = {
        **os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "COLUMNS": "80",
        "ANTHROPIC_BASE_URL": server.url, "ANTHROPIC_API_KEY": "a-key", "NO_PROXY": "127.0.0.1",
    }  # fmt: skip

    def run(script):
        done = subprocess.run(
            [BASH, "-u", "-c", script], check=False, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", timeout=280,
        )  # fmt: skip
        return done.stdout

    run.folder = folder
    return run


def _plain(text):
    """Without what differs from one run to the next."""
    text = re.sub(r"\b[\d,]+\.\d+ (s|at once|times)\b", r"0.1 \1", text)
    text = re.sub(r"slowest: .*;", "slowest: these;", text)
    text = re.sub(r"^.*% of the time.*\n", "", text, flags=re.MULTILINE)  # what would help is the machine's affair
    return re.sub(r"[\d,]+ tokens in, [\d,]+ out(, \$[\d.,]+\d)?", "1 tokens in, 1 out", text)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no POSIX shell")
@pytest.mark.parametrize("title", WITH_COMMANDS)
def test_a_section_prints_what_it_shows(shell, server, title):
    """The files of a section are written, and its commands run one block after another."""
    if title == NEWCOMER:
        pytest.importorskip("plotly")
    printed, shown, requests = "", "", []
    for kind, content in SECTIONS[title]:
        if kind == "sh":
            before = server.stats().requests
            printed += shell(content)
            requests.append(server.stats().requests - before)
        elif kind == "text":
            shown += content
        else:
            (shell.folder / kind.partition(" ")[2]).write_text(content, encoding="utf-8")
    assert _plain(printed) == _plain(shown)
    if title == NEWCOMER:  # three rows take three requests either way, a fourth takes one, and each way has its page
        assert requests == [3, 3, 1 + 1]
        for name in ("python", "run"):
            assert (shell.folder / f"{name}.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_newcomers_path_is_short():
    """The program has at most eight lines, and the command is one line, the same each time."""
    blocks = SECTIONS[NEWCOMER]
    (program,) = [content for kind, content in blocks if kind.startswith("python ")]
    assert len([line for line in program.splitlines() if line.strip()]) <= 8
    commands = [
        line for kind, content in blocks if kind == "sh" for line in content.splitlines() if "threadfan" in line
    ]
    assert len(commands) == 2
    assert len(set(commands)) == 1
