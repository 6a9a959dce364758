"""A signal's exception, wherever it strikes in the main thread: no slot is lost, nothing hangs, no report is lost.

See ``support.striking`` for how.
"""

import gc
import threading
import time
from concurrent.futures import _base as futures
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import threadfan
from support.collector import without_collector
from support.controlled import PATIENCE
from support.striking import Strike, Struck, only_where_it_may_be_struck
from threadfan import Fan, RateLimit, task

pytestmark = [only_where_it_may_be_struck, pytest.mark.usefixtures("passing_over")]

OURS = str(Path(threadfan.__file__).parent)
THEIRS = (threading.__file__, futures.__file__)  # what of the standard library stands below a future


def of_ours(frame, _event):
    """Whether a place is one of the package, or of what it stands on."""
    if not frame.f_code.co_filename.startswith((OURS, *THEIRS)):
        return False
    return frame.f_code.co_name != "<genexpr>"  # one that is given up half-way swallows what is raised in it


@pytest.fixture(autouse=True)
def _no_collector():
    with without_collector(freeze=True):
        yield


def collect_now_and_then(place):
    """Have the cycles of earlier rounds collected, whose finalizers would swallow a strike; nothing else does.

    Not in each round: without a GIL the collector goes through all that there is, for half a second.
    """
    if place % 50 == 0:
        gc.collect()


def generated(number):
    """Inputs that are not at hand."""
    yield from range(number)


BATCHES = {
    "run": lambda fan, fn: fan.run(fn, range(3)),
    "run of a generator": lambda fan, fn: fan.run(fn, generated(3)),
    "run with a journal": lambda fan, fn: _with_journal(fan.run, fn, range(2)),
    "gather": lambda fan, fn: fan.gather(task(fn, 1), task(fn, 2)),
    "graph": lambda fan, fn: _graph(fan, fn).run(),
    "pipeline": lambda fan, fn: fan.pipeline(fn, str).run(range(2)),
    "pipeline of a generator": lambda fan, fn: fan.pipeline(fn, str).run(generated(2)),
}
OTHERS = {
    "submit": lambda fan, fn: fan.submit(fn, 1),
    "submit and result": lambda fan, fn: fan.submit(fn, 1).result(PATIENCE),
    "submit and a result that is not there yet": lambda fan, fn: fan.submit(_late, fn).result(PATIENCE),
    "submit and an exception that is not there yet": lambda fan, fn: fan.submit(_late, fn).exception(PATIENCE),
    "map": lambda fan, fn: list(fan.map(fn, range(2))),
    "map with a buffer": lambda fan, fn: list(fan.map(fn, generated(3), buffersize=2)),
    "stream": lambda fan, fn: list(fan.stream(fn, range(2))),
    "stream of a generator": lambda fan, fn: list(fan.stream(fn, generated(2), ordered=True)),
    "stream that is closed": lambda fan, fn: _first_of(fan.stream(fn, range(2), window=1)),
    "stream that keeps outcomes": lambda fan, fn: _reported(fan.stream(fn, range(2), keep=True)),
    "start": lambda fan, fn: fan.start(fn, range(2)),
    "start and result": lambda fan, fn: fan.start(fn, range(2)).result(PATIENCE),
    "start of a generator": lambda fan, fn: list(fan.start(fn, generated(2))),
    "start as a block": lambda fan, fn: _in_a_block(fan.start(fn, range(2))),
}
SHUTDOWNS = {
    "shutdown": lambda fan, fn: (fan.submit(fn, 1), fan.shutdown()),
    "shutdown that cancels": lambda fan, fn: (fan.submit(fn, 1), fan.shutdown(cancel_futures=True)),
}
OPTIONS = {
    "plain": dict,
    "policies": lambda: {"retry": 1, "timeout": PATIENCE, "rate": RateLimit(requests_per_minute=6e6, burst=1000)},
}


def _with_journal(way, fn, items):
    with TemporaryDirectory() as folder:
        return way(fn, items, journal=f"{folder}/run.db", version=1)


def _graph(fan, fn):
    graph = fan.graph(name="g")
    graph.add(lambda: fn(1), name="one")
    graph.add(lambda one: fn(one + 1), name="two")
    return graph


def _late(fn):
    time.sleep(0.01)
    return fn(1)


def _reported(stream):
    for _ in stream:
        stream.report()


def _in_a_block(run):
    with run:
        pass


def _first_of(stream):
    next(stream)
    stream.close()


def struck_everywhere(options, act, check):
    """Do ``act(fan, fn)`` once for each place, struck there, and ``check`` what came of it."""

    def fn(item):
        made.append(item)
        return 2 * item

    made = []
    for place in count():
        made.clear()
        collect_now_and_then(place)
        fan = Fan(2, **options())
        strike, error = Strike(place, of_ours), None
        try:
            with strike:
                act(fan, fn)
        except Struck as struck:
            error = struck
        except BaseException as other:
            raise AssertionError(f"struck at {strike.where}, it raised {other!r}") from other
        if strike.where is None:
            fan.shutdown()
            return place
        check(fan, strike.where, error, len(made))
    raise AssertionError


def all_slots_are_there(fan, where):
    """Two calls that wait for each other run, and the fan closes."""
    meeting = threading.Barrier(2)
    futures = [fan.submit(meeting.wait, PATIENCE) for _ in range(2)]
    for future in futures:
        assert future.exception(PATIENCE) is None, f"after a strike at {where}, {fan.snapshot()}"
    it_closes(fan, where)


def it_closes(fan, where):
    """It does not hang."""
    closer = threading.Thread(target=fan.shutdown, daemon=True)
    closer.start()
    closer.join(PATIENCE)
    assert not closer.is_alive(), f"it hangs at its close after a strike at {where}, {fan.snapshot()}"


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("act", [*BATCHES.values(), *OTHERS.values()], ids=[*BATCHES, *OTHERS])
def test_no_slot_is_lost_and_nothing_hangs(act, options):
    """Wherever it strikes, what raises is the signal's own exception, and the fan works on and closes."""

    def check(fan, where, error, made):
        all_slots_are_there(fan, where)

    assert struck_everywhere(options, act, check) > 10


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("act", SHUTDOWNS.values(), ids=SHUTDOWNS)
def test_a_shutdown_can_be_done_again(act, options):
    """What a first one has not done a second one does."""

    def check(fan, where, error, made):
        it_closes(fan, where)

    assert struck_everywhere(options, act, check) > 10


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("act", BATCHES.values(), ids=BATCHES)
def test_no_report_is_lost(act, options):
    """If any call was made, the exception has the report, with exactly one outcome for each item that was taken."""

    def check(fan, where, error, made):
        fan.shutdown()
        if made and error is not None:
            report = error.report
            assert all(outcome is not None for outcome in report), where
            assert sum(outcome.ok for outcome in report) <= made, where

    struck_everywhere(options, act, check)


WITH_RUNS = {
    "pause and resume": lambda run: (run.pause(), run.resume()),
    "cancel of one": lambda run: run.cancel(2),
    "cancel": lambda run: run.cancel(),
    "look": lambda run: (run.progress(), run.running(), run.report()),
    "iterate": list,
    "wait": lambda run: (run.wait(0.001), run.result(PATIENCE)),
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("act", WITH_RUNS.values(), ids=WITH_RUNS)
def test_a_run_loses_nothing(act, options):
    """Wherever it strikes what is done with a run, each input has one outcome, of which each reader hears once."""
    for place in count():
        collect_now_and_then(place)
        fan = Fan(2, **options())
        run = fan.start(lambda item: time.sleep(0.001) or item, range(4))
        strike = Strike(place, of_ours)
        try:
            with strike:
                act(run)
        except Struck:
            pass
        run.resume()
        report, outcomes = run.result(PATIENCE), list(run)
        assert [outcome.index for outcome in report] == list(range(4)), strike.where
        assert sorted(outcome.index for outcome in outcomes) == list(range(4)), strike.where
        assert all(outcome.ok or outcome.status == "cancelled" for outcome in report), strike.where
        all_slots_are_there(fan, strike.where)
        if strike.where is None:
            assert place > 2  # the run may be over before it is done anything with
            return
