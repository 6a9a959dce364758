"""`threadfan exec`: a shell command for each line."""

import os
import signal
import sys
import time

import pytest

from support.command_line import lines_of, said

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no POSIX shell")

EVIL = ["a b", "$(touch evil)", "`touch evil`", "'; touch evil; '", '"; touch evil; "', "*", "-n", "\\", "a{}b", "ä"]


@pytest.mark.parametrize(
    "template",
    ["printf '%s' {}", 'printf "%s" "{}"', "printf %s {}", 'X={}; printf "%s" "$X"', "printf '%s' \"{}\""],
)
def test_an_input_is_one_word(here, tmp_path, template):
    """Whatever is in a line, it is one word of the command, and never a command."""
    (tmp_path / "in.txt").write_text("\n".join(EVIL), encoding="utf-8")
    assert here("exec", template, "in.txt", "-o", "out.jsonl", "-k").returncode == 0
    assert [row["result"] for row in lines_of("out.jsonl")] == EVIL
    assert not (tmp_path / "evil").exists()


def test_standard_output(here, tmp_path):
    """What commands write is written whole, and what they say to the standard error is passed on."""
    (tmp_path / "in.txt").write_text("1\n2\n", encoding="utf-8")
    process = here("exec", "seq {}; echo said {} >&2", "in.txt", "-k")
    assert process.stdout == "1\n1\n2\n"
    assert sorted(process.stderr.splitlines()[:2]) == ["said 1", "said 2"]


def test_columns(here, tmp_path):
    """Of a row, `{column}` is a column; braces of the shell's are left alone."""
    (tmp_path / "in.csv").write_text("name,n\nx y,3\n", encoding="utf-8")
    assert here("exec", 'echo {n} {name} {1..2} "${HOME:+home}"', "in.csv", "-o", "out.csv").returncode == 0
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == "name,n,result\nx y,3,3 x y {1..2} home\n"


@pytest.mark.parametrize(
    ("template", "line"),
    [
        ("echo", "'echo' has no {} for the input; right is such as 'wc -c {}', or {column}"),
        ("echo '{}'", "has {} in single quotes; right is to leave the quotes out"),
        ("echo {m}", "'echo {m}' has {m}, which is no column; right are {name} {n}"),
        ("echo {}", "'echo {}' has {}, which is no column; right are {name} {n}"),
    ],
)
def test_wrong_commands(here, tmp_path, template, line):
    """A command without a place for the input is refused."""
    (tmp_path / "in.csv").write_text("name,n\nx y,3\n", encoding="utf-8")
    assert line in said(here("exec", template, "in.csv", "-o", "out.csv"), 2)


def test_a_command_that_fails(here, tmp_path):
    """Its code and what it has said are the failure, and `--retry` tries it again."""
    (tmp_path / "in.txt").write_text("a\n", encoding="utf-8")
    script = "echo x >> tries; echo sorry >&2; test {} = b || exit 3"
    line = said(here("exec", script, "in.txt", "-o", "out.txt", "--retry", 2), 1)
    assert line.startswith("1 failed: CommandFailedError: exit status 3: sorry; ")
    assert (tmp_path / "tries").read_text(encoding="utf-8") == "x\n" * 3


def _gone(path):
    """Waits until the process whose number a file holds is gone."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            os.kill(int(path.read_text(encoding="utf-8") or "0") or 2**22, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)
    return False


def test_its_time_is_up(here, tmp_path):
    """A command whose time is up is ended, and what it has started."""
    (tmp_path / "in.txt").write_text("a\n", encoding="utf-8")
    line = said(here("exec", "sleep 600 & echo $! > pid; wait; : {}", "in.txt", "-o", "out.txt", "--timeout", 1), 1)
    assert line.startswith("1 failed: timed_out, ")
    assert _gone(tmp_path / "pid")


def test_ctrl_c(command, tmp_path):
    """Ctrl-C ends commands that run."""
    (tmp_path / "in.txt").write_text("a\n", encoding="utf-8")
    pid = tmp_path / "pid"
    with command.start("exec", f"echo $$ > {pid}; exec sleep 600; : {{}}", tmp_path / "in.txt") as process:
        end = time.monotonic() + 60
        while not pid.exists() or not pid.read_text(encoding="utf-8"):
            assert time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert _gone(pid)


def test_a_journal(here, tmp_path):
    """A journal knows commands by their text."""
    (tmp_path / "in.txt").write_text("a\n", encoding="utf-8")
    flags = ["in.txt", "-o", "out.txt", "--journal", "run.db"]
    assert said(here("exec", "echo {}", *flags), 0).startswith("1 succeeded, ")
    assert said(here("exec", "echo {}", *flags), 0).startswith("1 succeeded (1 of them before)")
    assert said(here("exec", "echo 2 {}", *flags), 0).startswith("1 succeeded, ")
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "2 a\n"
