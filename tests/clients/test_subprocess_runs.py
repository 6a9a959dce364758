"""Processes that end with the scope of the call that runs them."""

import ctypes
import os
import signal
import subprocess as standard
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import threadfan
from support.controlled import PATIENCE, until
from support.scoped import call
from threadfan import CallCancelled, Fan, Scope, TaskTimeout, fail_after, move_on_after
from threadfan.clients import process_io_windows, subprocess
from threadfan.clients.process_group import Group
from threadfan.testing import ManualClock

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="these programs are shell scripts")
LONG = 60  # seconds; nothing in these tests waits for it to pass


@pytest.fixture(params=["pidfd", "no pidfd", "windows"])
def every_way(request, monkeypatch):
    """The ways in which the end of a process is waited for and the wait ended, here and on other systems."""
    if request.param == "windows":
        monkeypatch.setattr(subprocess, "ProcessIO", process_io_windows.ProcessIO)
    elif request.param == "no pidfd":
        for name in ("pidfd_open", "eventfd"):
            monkeypatch.delattr(os, name, raising=False)
    return request.param


@contextmanager
def trace():
    """A descriptor for processes to inherit, and a function that reads a line which one of them writes to it.

    At the end of the block all that have it must be gone.
    """
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as lines:
        try:
            yield writer, lines.readline
        finally:
            os.close(writer)
        assert lines.read() == b""  # the end: nobody has it any more


@pytest.mark.parametrize(
    ("command", "kwargs"),
    [
        (["echo", "out"], {}),
        (["echo", "out"], {"capture_output": True}),
        (["sh", "-c", "echo out; echo err >&2; exit 3"], {"capture_output": True, "text": True}),
        (["sh", "-c", r"printf 'a\r\nb\rc'; printf 'd' >&2"], {"stdout": -1, "stderr": -2, "text": True}),
        ("cat; echo $0", {"shell": True, "input": b"in", "stdout": -1}),
        (["cat"], {"input": "grüße\n", "encoding": "latin-1", "capture_output": True}),
        (["cat"], {"input": "x" * 1_000_000, "text": True, "stdout": -1}),
        (["true"], {"input": b"x" * 1_000_000}),
        (["cat"], {"input": b"", "stdout": -1}),
        (["cat"], {"stdin": -1, "stdout": -1}),
        (["cat"], {"stdin": -3, "stdout": -1, "start_new_session": False}),
        (["printf", r"\377"], {"stdout": -1, "text": True, "errors": "replace"}),
    ],
)
def test_results_are_the_standard_librarys(every_way, command, kwargs):
    """Code and output are equal for every kind of input, output and text mode."""
    if every_way == "windows" and len(kwargs.get("input", "")) > 65536:
        pytest.skip("here, unlike on Windows, the standard library does not go on with input after a timeout")
    expected, found = standard.run(command, check=False, **kwargs), subprocess.run(command, **kwargs)
    assert vars(found) == vars(expected)


@pytest.mark.parametrize(
    ("command", "kwargs"),
    [
        (["sh", "-c", "echo out; echo err >&2; exit 3"], {"capture_output": True, "check": True}),
        (["sh", "-c", "kill -9 $$"], {"check": True}),
        (["/does/not/exist"], {}),
        (["true"], {"input": b"", "stdin": standard.DEVNULL}),
        (["true"], {"capture_output": True, "stdout": standard.DEVNULL}),
        (["cat"], {"input": "text for bytes", "capture_output": True}),
        (["true"], {"no_such_argument": 1}),
        (["printf", r"\377"], {"stdout": standard.PIPE, "text": True, "encoding": "utf-8"}),
    ],
)
def test_errors_are_the_standard_librarys(command, kwargs):
    """What `subprocess.run` refuses or raises, this one does, with the same attributes."""
    with pytest.raises(BaseException) as expected:  # noqa: PT011 - compared below
        standard.run(command, **{"check": False, **kwargs})  # noqa: PLW1510
    with pytest.raises(type(expected.value)) as found:
        subprocess.run(command, **kwargs)
    assert {**vars(found.value), "__notes__": 0} == {**vars(expected.value), "__notes__": 0}


def test_the_short_forms_are_the_standard_librarys():
    """`call`, `check_call` and `check_output` give what they always gave."""
    assert subprocess.call(["sh", "-c", "exit 3"]) == 3
    assert subprocess.check_call(["true"]) == 0
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.check_call(["false"])
    assert subprocess.check_output(["echo", "x"], text=True) == "x\n"
    assert subprocess.check_output(["cat"], input=None) == b""
    assert subprocess.check_output(["cat"], input=None, text=True) == ""


@pytest.mark.parametrize("captured", [False, True])
@pytest.mark.parametrize(
    "script",
    [
        "exec sleep 60",
        "sleep 60 & wait",  # a grandchild holds the pipes
        "sleep 60; echo late",
        "trap 'exit 0' TERM; sleep 60 & wait",
    ],
)
def test_a_cancel_ends_the_whole_group(script, captured):
    """The process and what it has started are gone when `run` raises, and the output so far is kept."""
    scope = Scope()
    with trace() as (writer, line):
        script = f"echo first; echo second >&2; echo ready >/dev/fd/{writer}; {script}"
        run = call(
            scope,
            lambda: subprocess.run(["sh", "-c", script], pass_fds=[writer], text=True, capture_output=captured),
        )
        assert line() == b"ready\n"
        scope.cancel()
        error = run.exception(PATIENCE)
    assert isinstance(error, CallCancelled)
    assert (error.stdout, error.stderr) == (("first\n", "second\n") if captured else (None, None))
    assert (error.output, error.cmd) == (error.stdout, ["sh", "-c", script])
    assert not scope._callbacks


# A shell may lose a signal that comes while it forks, so this is no shell script.
TIDY = """
import os, signal, sys
def tidy_up(*_):
    os.write({descriptor}, b"tidy\\n")
    sys.exit()
signal.signal(signal.SIGTERM, tidy_up)
os.write({writer}, b"ready\\n")
signal.pause()
"""


def test_the_process_may_tidy_up():
    """SIGTERM comes first, and what the process says then is in the output."""
    scope = Scope()
    with trace() as (writer, line):
        script = TIDY.format(descriptor=1, writer=writer)
        command = [sys.executable, "-S", "-c", script]
        run = call(scope, lambda: subprocess.run(command, pass_fds=[writer], stdout=subprocess.PIPE, grace=LONG))
        assert line() == b"ready\n"
        scope.cancel()
        assert run.exception(PATIENCE).stdout == b"tidy\n"


def test_those_that_outlive_the_process_have_the_grace_too():
    """A shell that dies of SIGTERM at once does not take the time to tidy up from what it runs."""
    scope = Scope()
    with trace() as (writer, line):
        script = TIDY.format(descriptor=writer, writer=writer)
        command = ["sh", "-c", '"$@"; true', "sh", sys.executable, "-S", "-c", script]
        run = call(scope, lambda: subprocess.run(command, pass_fds=[writer], grace=5))
        assert line() == b"ready\n"
        scope.cancel()
        assert line() == b"tidy\n"
        assert isinstance(run.exception(PATIENCE), CallCancelled)


@pytest.fixture
def _nobody_reaps():
    """Processes whose parent is gone become this one's, which reaps none: a container whose first process does not."""
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux can be asked for that")
    control = ctypes.CDLL(None).prctl
    adopt_orphans = 36
    before = children()
    assert control(adopt_orphans, 1, 0, 0, 0) == 0
    yield
    assert control(adopt_orphans, 0, 0, 0, 0) == 0
    for orphan in children() - before:
        os.waitpid(orphan, 0)


def children():
    """The processes of which this one is the parent."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == os.getpid():
                found.add(int(stat.parent.name))
    return found


@pytest.mark.usefixtures("_nobody_reaps")
def test_who_has_ended_and_is_not_reaped_is_not_waited_for():
    """A group of which only zombies are left is gone; the grace would never be over on this clock."""
    with ManualClock(), trace() as (writer, line):
        scope = Scope()
        script = f"sleep 60 & echo $$ >/dev/fd/{writer}; exec sleep 60"
        run = call(scope, lambda: subprocess.run(["sh", "-c", script], pass_fds=[writer], grace=8))
        group = int(line())
        scope.cancel()
        assert isinstance(run.exception(PATIENCE), CallCancelled)
        os.killpg(group, 0)  # there is still somebody, for whom a signal means nothing


@pytest.mark.usefixtures("_nobody_reaps")
def test_a_zombie_beside_one_who_lives_ends_no_grace():
    """Who tidies up has his time, and none of it is taken for a zombie of the same group."""
    scope = Scope()
    with trace() as (writer, line):
        script = TIDY.format(descriptor=writer, writer=writer)
        command = ["sh", "-c", 'sleep 60 & "$@"; true', "sh", sys.executable, "-S", "-c", script]
        run = call(scope, lambda: subprocess.run(command, pass_fds=[writer], grace=LONG))
        assert line() == b"ready\n"
        scope.cancel()
        assert line() == b"tidy\n"
        assert isinstance(run.exception(PATIENCE), CallCancelled)


def test_a_process_whose_first_thread_has_ended_lives():
    """It looks like a zombie, and is none while other threads go on."""
    program = """
import ctypes, os, threading
def go_on(end=ctypes.CDLL(None).pause):
    print(flush=True)
    end()
threading.Thread(target=go_on, daemon=True).start()
ctypes.CDLL(None).pthread_exit(None)
"""
    with standard.Popen([sys.executable, "-c", program], stdout=standard.PIPE, start_new_session=True) as process:
        try:
            assert process.stdout.readline() == b"\n"
            group = Group(process.pid)
            until(lambda: b") Z" in Path(f"/proc/{process.pid}/stat").read_bytes())
            assert group.may_live()
        finally:
            process.kill()
    assert not group.may_live()


def test_where_the_system_does_not_tell_a_group_may_live(monkeypatch):
    """Without ``/proc``, or with that of another namespace, nobody is taken for dead."""
    monkeypatch.setattr(os, "readlink", lambda _: "1")
    assert Group(2**22 + 1).may_live()


def test_who_ignores_the_signal_is_killed_after_the_grace():
    """The grace counts on the clock of the scope; before it is over nobody is killed."""
    with ManualClock() as clock, trace() as (writer, line):
        scope = Scope()
        script = f"trap '' TERM; echo ready >/dev/fd/{writer}; exec sleep 60"
        run = call(scope, lambda: subprocess.run(["sh", "-c", script], pass_fds=[writer], grace=8))
        assert line() == b"ready\n"
        scope.cancel()
        clock.wait_for_sleepers(until=8)
        clock.advance(7)
        assert not run.done()
        clock.advance(1)
        assert isinstance(run.exception(PATIENCE), CallCancelled)


def test_a_pipe_held_by_who_has_left_the_group_is_given_up():
    """`run` comes back even if a process that it cannot end keeps the pipe open."""
    scope = Scope()
    reader, writer = os.pipe()
    script = f"setsid sh -c 'echo $$ >/dev/fd/{writer}; exec sleep 60' & wait"
    with os.fdopen(reader, "rb") as lines:
        run = call(
            scope, lambda: subprocess.run(["sh", "-c", script], pass_fds=[writer], capture_output=True, grace=0.1)
        )
        left = int(lines.readline())
        try:
            scope.cancel()
            assert isinstance(run.exception(PATIENCE), CallCancelled)
        finally:
            os.kill(left, signal.SIGKILL)
            os.close(writer)


def test_an_ended_scope_starts_nothing(tmp_path):
    """A call that is over runs no further process."""
    scope = Scope()
    scope.cancel()
    with pytest.raises(CallCancelled):
        call(scope, subprocess.run, ["touch", str(tmp_path / "started")]).result(PATIENCE)
    assert not (tmp_path / "started").exists()


def test_the_users_own_timeout(every_way):
    """`TimeoutExpired`, with the output so far, in bytes save on Windows, as ever; the group is gone."""
    with pytest.raises(subprocess.TimeoutExpired) as found:
        subprocess.run(["sh", "-c", "echo out; exec sleep 60"], timeout=0.3, capture_output=True, text=True)
    assert (found.value.timeout, found.value.stderr) == (0.3, None)
    assert found.value.output == ("out\n" if every_way == "windows" else b"out\n")


@pytest.mark.parametrize("scripts_own", [False, True])
def test_the_smaller_timeout_counts(scripts_own):
    """Of the user's and the scope's, on the clock of the scope."""
    with ManualClock() as clock, Fan(1, timeout=10 if scripts_own else 3) as fan, trace() as (writer, line):
        future = fan.submit(
            subprocess.run, ["sh", "-c", f"echo ready >/dev/fd/{writer}; exec sleep 60"], pass_fds=[writer], timeout=5
        )
        assert line() == b"ready\n"
        clock.wait_for_sleepers(1, until=5 if scripts_own else 3)
        clock.wait_for_sleepers(2)
        clock.advance(5 if scripts_own else 3)
        with pytest.raises(subprocess.TimeoutExpired if scripts_own else TaskTimeout):
            future.result(PATIENCE)
        until(lambda: fan.snapshot()["abandoned"] == 0)


def test_every_way_ends_with_the_scope(every_way):
    """With or without `pidfd_open`, and as on Windows, a block with a deadline ends a plain `sleep`."""
    with move_on_after(0.2) as block:
        subprocess.run(["sleep", str(LONG)], capture_output=True)
    assert block.cancelled_caught
    with pytest.raises(TaskTimeout) as found, fail_after(0.3):
        subprocess.run(["sh", "-c", "echo so far; exec sleep 60"], stdout=subprocess.PIPE, text=True)
    assert found.value.__cause__.stdout == "so far\n"


def test_text_that_was_cut_is_text():
    """Half a character at the end of the output so far is left out, and what is no text is replaced."""
    scope = Scope()
    with trace() as (writer, line):
        script = rf"printf 'a\377\r\nb\303'; echo ready >/dev/fd/{writer}; exec sleep 60"
        run = call(scope, lambda: subprocess.run(["sh", "-c", script], pass_fds=[writer], stdout=-1, encoding="utf-8"))
        assert line() == b"ready\n"
        scope.cancel()
        assert run.exception(PATIENCE).stdout == "a\N{REPLACEMENT CHARACTER}\nb"


def test_a_group_of_its_own_unless_a_terminal_is_read():
    """A program that talks to the user stays in the foreground; the user's own choice counts above all."""
    try:
        main, terminal = os.openpty()
    except OSError as error:
        pytest.skip(f"this machine gives no terminals: {error}")
    show = [sys.executable, "-c", "import os; print(os.getpgid(0) == os.getpid())"]
    try:
        for kwargs, own in [
            ({"stdin": subprocess.DEVNULL}, True),
            ({"input": b""}, True),
            ({"stdin": terminal}, False),
            ({"stdin": subprocess.DEVNULL, "start_new_session": False}, False),
            ({"stdin": terminal, "process_group": 0}, True),
        ]:
            assert subprocess.check_output(show, **kwargs) == f"{own}\n".encode(), kwargs
        with move_on_after(0.2) as block:
            subprocess.run(["sleep", str(LONG)], stdin=terminal)
        assert block.cancelled_caught
    finally:
        os.close(main)
        os.close(terminal)


def test_ctrl_c_ends_the_group():
    """Ctrl-C in the main thread passes through `run`, and nothing is left."""
    with trace() as (writer, line):

        def interrupt():
            assert line() == b"ready\n"
            signal.raise_signal(signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        script = f"cat >/dev/null; echo ready >/dev/fd/{writer}; exec sleep 60"
        with pytest.raises(KeyboardInterrupt):  # more input than a pipe holds: `run` is under way when it is read
            subprocess.run(["sh", "-c", script], pass_fds=[writer], input=b"x" * 1_000_000)
        thread.join()


def test_calls_that_are_over_leave_nothing_behind_at_exit():
    """A process that heeds no SIGTERM is killed when the interpreter ends within its grace."""
    with trace() as (writer, line):
        script = f"trap '' TERM; echo ready >/dev/fd/{writer}; exec sleep 60"
        program = f"""
import sys, threading, warnings
from threadfan import Fan
from threadfan.clients import subprocess
warnings.simplefilter("ignore")
fan = Fan(1, timeout=0.5)
error = fan.submit(subprocess.run, ["sh", "-c", {script!r}], pass_fds=[{writer}], grace=60).exception()
print(type(error).__name__)
"""
        done = standard.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([os.path.dirname(os.path.dirname(threadfan.__file__))])},
            pass_fds=[writer], capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert (done.stdout, done.returncode) == ("TaskTimeout\n", 0), done.stderr
        assert line() == b"ready\n"


def test_cancels_at_any_moment():
    """However a cancel falls into start, talk and end of a process, the call ends, with its result or as cancelled."""
    ended = set()
    for number in range(60):
        scope = Scope()
        run = call(scope, lambda: subprocess.run(["cat"], input=b"x" * 100_000, stdout=subprocess.PIPE))
        for _ in range(number * 2000):
            pass
        scope.cancel()
        error = run.exception(PATIENCE)
        ended.add(type(error).__name__)
        assert isinstance(error, CallCancelled) if error else run.result().stdout == b"x" * 100_000
    assert "ProcessCancelled" in ended


def test_a_bad_grace_is_refused():
    """Before anything is started."""
    with pytest.raises(ValueError, match="the grace of run needs at least 0 seconds, not -1"):
        subprocess.run(["false"], grace=-1)
