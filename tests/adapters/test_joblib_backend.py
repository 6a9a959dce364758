"""joblib's jobs as calls of a fan."""

import threading

import pytest

from support.controlled import PATIENCE, run_program, until
from threadfan import TaskTimeout, current_scope, sleep

joblib = pytest.importorskip("joblib")

from threadfan.adapters.joblib import FanBackend, register  # noqa: E402 -- it needs joblib

pytestmark = pytest.mark.filterwarnings("ignore:.*is still stuck in:RuntimeWarning")


@pytest.fixture(autouse=True)
def _registered():
    register()


def jobs(fn, items):
    """One for each item."""
    return [joblib.delayed(fn)(item) for item in items]


@pytest.mark.parametrize("number", [1, 3, -1])
def test_results_are_in_order(number):
    """However many run at once, and from whatever iterable."""
    found = joblib.Parallel(n_jobs=number, backend="threadfan")(job for job in jobs(abs, range(-50, 50)))
    assert found == list(map(abs, range(-50, 50)))


def test_jobs_run_in_the_fans_threads():
    """So many at once as there are to be."""
    together = threading.Barrier(4)

    def meet(_):
        together.wait(PATIENCE)
        return threading.current_thread().name

    names = joblib.Parallel(n_jobs=4, backend="threadfan")(jobs(meet, range(8)))
    assert all(name.startswith("joblib") for name in names)


@pytest.mark.parametrize("how", ["generator", "generator_unordered"])
def test_results_as_they_come(how):
    """Generators of joblib's work, too."""
    found = joblib.Parallel(n_jobs=2, backend="threadfan", return_as=how)(jobs(abs, range(-9, 9)))
    assert sorted(found) == sorted(map(abs, range(-9, 9)))


def test_an_error_is_raised_and_ends_the_rest():
    """What runs is cancelled; then the same `Parallel` works again."""
    told, failing = threading.Event(), [True]

    def work(number):
        if not failing:
            return number
        if number == 0:
            until(lambda: begun)
            raise LookupError
        begun.append(number)
        stop = threading.Event()
        current_scope().on_cancel(stop.set)
        assert stop.wait(PATIENCE)
        told.set()
        return None

    begun = []
    with joblib.Parallel(n_jobs=2, backend="threadfan") as parallel:
        with pytest.raises(LookupError):
            parallel(jobs(work, range(2)))
        assert told.wait(PATIENCE)
        failing.clear()
        assert parallel(jobs(work, range(4))) == [0, 1, 2, 3]


def test_jobs_have_timeouts_and_retries():
    """By the options of the backend."""
    failing = [ConnectionError()]

    def once(number):
        if failing:
            raise failing.pop()
        return number

    with joblib.parallel_config(backend="threadfan", n_jobs=2, retry=1, timeout=PATIENCE):
        assert joblib.Parallel()(jobs(once, [1, 2])) == [1, 2]
    with joblib.parallel_config(backend="threadfan", n_jobs=2, timeout=0.05), pytest.raises(TaskTimeout):
        joblib.Parallel()(jobs(sleep, [PATIENCE]))


def test_jobs_may_have_jobs_of_their_own():
    """Nested, as joblib lets them be."""

    def outer(number):
        return sum(joblib.Parallel(n_jobs=2)(jobs(abs, [-number] * 3)))

    assert joblib.Parallel(n_jobs=2, backend="threadfan")(jobs(outer, range(4))) == [0, 3, 6, 9]


def test_a_ctrl_c_ends_it_at_once():
    """Though a job hangs in something that heeds nothing."""
    script = """
import os, signal, threading, time
from joblib import Parallel, delayed
from threadfan.adapters.joblib import register
register()
begun = threading.Event()
def hang():
    begun.set()
    time.sleep(600)
def strike():
    begun.wait()
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=strike).start()
try:
    Parallel(n_jobs=2, backend="threadfan")([delayed(hang)(), delayed(int)()])
except KeyboardInterrupt:
    print("struck")
"""
    assert run_program(script, "-W", "ignore")[0] == "struck\n"


def test_what_makes_no_sense_is_refused():
    """As joblib's backends do."""
    with pytest.raises(ValueError, match="has no meaning"):
        joblib.Parallel(n_jobs=0, backend="threadfan")(jobs(abs, [1]))
    with pytest.raises(RuntimeError, match="was not configured"):
        FanBackend().submit(int)
