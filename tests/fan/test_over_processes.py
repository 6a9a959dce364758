"""A fan over pools of real processes: those of the standard library, in each way they are started, and loky's."""

import multiprocessing
import os
import signal
import site
import subprocess
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from support.controlled import PATIENCE, until, within_patience
from support.elsewhere import (
    bound,
    deaf_at,
    die_once,
    double,
    place,
    refuse,
    refuse_hard,
    together,
    until_ended,
)
from threadfan import TaskTimeout, WorkerLost, over, task
from threadfan._core.fan.over import sending

WAYS = [way for way in ("fork", "spawn") if way in multiprocessing.get_all_start_methods()]


@pytest.fixture(scope="module", params=[*WAYS, "loky"])
def pool(request):
    """Two processes, which all tests here have."""
    if request.param == "loky":
        loky = pytest.importorskip("loky")
        executor = loky.ProcessPoolExecutor(2)
    else:
        executor = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(request.param))
    with executor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork in a process that has threads
            list(executor.map(time.sleep, [0.05] * 4))  # have both begin
        yield executor


def test_calls_are_made_in_other_processes(pool, tmp_path):
    """Two calls run at the same time, in two processes, neither of which is this one."""
    with over(pool, timeout=PATIENCE) as fan:
        report = within_patience(fan.run, together, [tmp_path] * 2, range(2), [2] * 2)
        assert len({os.getpid(), *report.values()}) == 3


def test_all_ways_to_call(pool):
    """Batches, streams, single calls, graphs and pipelines are those of any fan."""
    with over(pool) as fan:
        assert fan.run(double, range(5)).values() == [0, 2, 4, 6, 8]
        assert [outcome.value for outcome in fan.stream(double, range(5), ordered=True)] == [0, 2, 4, 6, 8]
        assert list(fan.map(double, range(3))) == [0, 2, 4]
        assert fan.submit(double, 4).result(PATIENCE) == 8
        assert fan.gather(task(double, 4), other=task(double, 5)).values() == [8, 10]
        assert fan.pipeline(double, double).run(range(3)).values() == [0, 4, 8]
        assert fan.graph(place, after).run()["after"].unwrap() > 0


def after(place):
    """What needs the result of another."""
    return place + 1


async def test_coroutines_wait_for_them_too(pool):
    """The asyncio side is that of any fan."""
    async with over(pool) as fan:
        assert await fan.call(double, 4) == 8
        assert (await fan.arun(double, range(3))).values() == [0, 2, 4]
        assert [outcome.value async for outcome in fan.astream(double, range(3), ordered=True)] == [0, 2, 4]


def test_errors_arrive_as_they_are(pool):
    """With class, attributes and where they were raised; one that pickle cannot read breaks no pool."""
    with over(pool) as fan:
        first = fan.run(refuse, range(2))[0].error
        assert (type(first), first.args, first.number) == (KeyError, ("no", 0), 0)
        assert "in refuse" in first.traceback_text
        hard = fan.run(refuse_hard, [5])[0].error
        assert (type(hard).__name__, str(hard), hard.code) == ("HardToMake", "refused 5", 17)
        assert fan.run(double, [1]).ok


def test_a_call_that_hangs_ends_there(pool, tmp_path):
    """At its timeout the scope of the call ends in its process, and one that heeds nothing leaves its worker free."""
    with over(pool) as fan:
        (outcome,) = within_patience(fan.with_options(timeout=0.2).run, until_ended, [tmp_path])
        assert type(outcome.error) is TaskTimeout
        until(lambda: Path(tmp_path, "ended").exists())
        view = fan.with_options(timeout=0.2)
        assert [one.status for one in within_patience(view.run, deaf_at, [0, 1], [0, 1])] == ["timed_out"] * 2
        assert within_patience(fan.run, double, range(8)).ok


def test_several_calls_run_at_once_in_a_process(pool, tmp_path, monkeypatch):
    """``threads=3`` over two processes is six calls at the same moment."""
    monkeypatch.setattr(sending, "LINGER", PATIENCE)  # none goes before its three are there
    with over(pool, threads=3, timeout=PATIENCE) as fan:
        report = within_patience(fan.run, together, [tmp_path] * 6, range(6), [6] * 6)
        assert len(set(report.values())) == 2


def test_one_that_hangs_holds_the_others_up_no_longer_than_its_timeout(pool):
    """Calls that travel with one that hangs keep their results, and their statuses."""
    with over(pool, threads=4, timeout=1.0) as fan:
        report = within_patience(fan.run, deaf_at, range(8), [2] * 8)
        assert [outcome.status for outcome in report] == ["succeeded"] * 2 + ["timed_out"] + ["succeeded"] * 5


def test_variables_of_structlog_travel_along(pool):
    """What is bound where the call is handed in is bound where it runs, with its fan and its place."""
    structlog = pytest.importorskip("structlog")
    with over(pool, name="clinic") as fan, structlog.contextvars.bound_contextvars(patient="Ada", socket=object()):
        first, second = fan.run(bound, range(2)).values()
    assert first == {"patient": "Ada", "fan": "clinic", "index": 0}
    assert second["index"] == 1


def test_a_journal_is_kept_here(pool, tmp_path):
    """What was called once is not called again."""
    with over(pool) as fan:
        assert fan.run(double, range(3), journal=tmp_path / "run.db").values() == [0, 2, 4]
        again = fan.run(double, range(4), journal=tmp_path / "run.db")
        assert [outcome.attempts for outcome in again] == [0, 0, 0, 1]


def test_a_closed_pool_is_refused():
    """One that is shut down is named at once."""
    closed = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(WAYS[0]))
    closed.shutdown()
    with pytest.raises(ValueError, match="this ProcessPoolExecutor is shut down"):
        over(closed)


# -- pools of their own -----------------------------------------------------------------------------------------------


def test_a_pool_that_breaks_is_made_anew(tmp_path):
    """A process that dies breaks the standard library's pool: the calls that were under way are tried again in another.

    No call is lost, and none that had an outcome is made again.
    """
    spawn = multiprocessing.get_context("spawn")
    with over(lambda: ProcessPoolExecutor(2, mp_context=spawn), retry=2) as fan:
        report = within_patience(fan.run, die_once, range(12), [tmp_path / "died"] * 12)
    assert report.values() == list(range(12))
    assert type(report[3].history[0].error) is WorkerLost
    assert all(outcome.attempts <= 2 for outcome in report)


def test_without_a_way_to_make_another_its_calls_fail(tmp_path):
    """A broken pool is no hang: what is left fails, and says so."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as executor, over(executor) as fan:
        report = within_patience(fan.run, die_once, range(6), [tmp_path / "died"] * 6)
    assert report.failed
    assert {type(outcome.error) for outcome in report.failed} == {WorkerLost}


PROGRAM = """
import sys, time
from concurrent.futures import ProcessPoolExecutor
from support.elsewhere import touch_and_hang
from threadfan import over

if __name__ == "__main__":
    with over(lambda: ProcessPoolExecutor(2), 4) as fan:
        try:
            fan.run(touch_and_hang, [sys.argv[1] + str(number) for number in range(4)])
        except KeyboardInterrupt:
            print("interrupted", flush=True)
"""


def test_a_ctrl_c_ends_it(tmp_path):
    """While calls hang in other processes, one Ctrl-C ends the batch, what is queued there, and the program."""
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "call")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        until(lambda: len(list(tmp_path.iterdir())) == 2)
        program.send_signal(signal.SIGINT)
        out, _ = program.communicate(timeout=PATIENCE)
    finally:
        program.kill()
        program.wait()
    assert out == "interrupted\n"
    assert len(list(tmp_path.iterdir())) == 2  # the others were not begun


@pytest.mark.skipif(sys.version_info < (3, 14), reason="there are no pools of interpreters before 3.14")
def test_interpreters(tmp_path):
    """Calls are made by a pool of interpreters, and end there in time."""
    from concurrent.futures import InterpreterPoolExecutor

    tests = str(Path(__file__).parents[1])
    with (
        InterpreterPoolExecutor(2, initializer=site.addsitedir, initargs=(tests,)) as executor,
        over(executor, timeout=PATIENCE) as fan,
    ):
        assert within_patience(fan.run, double, range(5)).values() == [0, 2, 4, 6, 8]
        assert within_patience(fan.run, refuse, [1])[0].error.args == ("no", 1)
        view = fan.with_options(timeout=0.2)
        assert within_patience(view.run, until_ended, [tmp_path])[0].status == "timed_out"
