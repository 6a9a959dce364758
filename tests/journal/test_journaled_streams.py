"""``stream`` with a journal hands out at once what that has, and what it hands out is in the journal."""

import asyncio
import itertools
import math
import sqlite3
import threading
from collections import Counter
from contextlib import closing
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.controlled import PATIENCE, Gate, aside, elapse, run_program, until, until_cancelled
from threadfan import Fan, JournalError, RateLimit, sleep
from threadfan._core.batches import journaled_stream

CALLS = []
FAILING = set()


@pytest.fixture(autouse=True)
def _nothing_yet():
    CALLS.clear()
    FAILING.clear()


def double(item):
    """Noted, and fails for what is in FAILING."""
    CALLS.append(item)
    if item in FAILING:
        raise ValueError(f"{item} cannot be doubled")
    return item * 2


def seen(outcomes):
    """Of each: its place, its value and its attempts."""
    return [(outcome.index, outcome.value, outcome.attempts) for outcome in outcomes]


def rows(path, table):
    """The places that a table has, as another program sees them."""
    with closing(sqlite3.connect(path)) as database:
        return {place for (place,) in database.execute(f"SELECT place FROM {table}")}  # noqa: S608 -- ours


def test_what_is_there_is_handed_out_before_any_call_has_ended(path):
    """In whatever order, if none was asked for."""
    gate = Gate()
    with gate, Fan(2) as fan:
        gate.open()
        fan.run(gate, [1, 3, 5], journal=path, version=1)
    gate = Gate()
    with gate, Fan(2) as fan:
        outcomes = fan.stream(gate, range(6), journal=path, version=1)
        assert seen(itertools.islice(outcomes, 3)) == [(1, 1, 0), (3, 3, 0), (5, 5, 0)]
        gate.open()
        assert sorted(seen(outcomes)) == [(0, 0, 1), (2, 2, 1), (4, 4, 1)]
    assert sorted(gate.started) == [0, 2, 4]


def test_in_order_each_is_at_its_place(path):
    """And has the item that was given now."""
    with Fan(4) as fan:
        fan.run(double, [1, 3, 5], journal=path)
        outcomes = list(fan.stream(double, range(7), journal=path, ordered=True))
    assert seen(outcomes) == [(0, 0, 1), (1, 2, 0), (2, 4, 1), (3, 6, 0), (4, 8, 1), (5, 10, 0), (6, 12, 1)]
    assert [outcome.item for outcome in outcomes] == list(range(7))
    assert sorted(CALLS) == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("lazily", [False, True])
@pytest.mark.parametrize("window", [None, 1, 3, 2000])
@pytest.mark.parametrize("ordered", [False, True])
def test_all_of_it(path, lazily, window, ordered):
    """However many are taken at once: each input has one outcome, and only what is not there is called."""
    with Fan(4) as fan:
        fan.run(double, range(0, 1500, 3), journal=path)
        CALLS.clear()
        inputs = iter(range(1500)) if lazily else range(1500)
        found = seen(fan.stream(double, inputs, journal=path, ordered=ordered, window=window))
        again = seen(fan.stream(double, range(1500), journal=path, ordered=ordered, window=window))
    if not ordered:
        found.sort()
        again.sort()
    assert found == [(item, 2 * item, int(item % 3 > 0)) for item in range(1500)]
    assert again == [(item, 2 * item, 0) for item in range(1500)]
    assert sorted(CALLS) == [item for item in range(1500) if item % 3]


def test_an_outcome_is_in_the_journal_when_it_is_handed_out(path, clock):
    """A value, a failure, and a call whose time was up."""
    last = threading.Event()

    def some(item):
        if item == "late":
            until_cancelled()
        if item == "last":
            last.set()
            until_cancelled()
        if item == "bad":
            raise ValueError(item)
        return item

    with Fan(2, timeout=8) as fan:
        elapse(clock, 8, last)
        for outcome in fan.stream(some, ["late", *"abc", "bad", *"def", "last"], journal=path, window=2):
            assert outcome.index in rows(path, "results" if outcome.ok else "failures")
    assert rows(path, "failures") == {0, 4, 8}


def test_it_goes_on_where_a_run_was_and_a_run_where_it_was(path):
    """They know inputs by the same, and number equal ones alike."""
    with Fan(2) as fan:
        fan.run(double, [1, 1, 2], journal=path)
        CALLS.clear()
        first = seen(fan.stream(double, iter([1, 2, 1, 1, 2, 3]), journal=path, ordered=True))
        assert sorted(CALLS) == [1, 2, 3]
        report = fan.run(double, [3, 2, 2, 1, 1, 1], journal=path)
    assert first == [(0, 2, 0), (1, 4, 0), (2, 2, 0), (3, 2, 1), (4, 4, 1), (5, 6, 1)]
    assert [outcome.attempts for outcome in report] == [0] * 6


def test_equal_inputs_are_called_once_if_unique(path):
    """Those that come while the first runs, and those that come when it is over; its error goes to all of them too."""
    FAILING.add(7)
    with Fan(2) as fan:
        items = [7, 5, 5, 7, 5, 7]
        for window in (1, 6):
            CALLS.clear()
            options = {"journal": path, "unique": True, "window": window, "version": window}
            first = list(fan.stream(double, items, ordered=True, **options))
            assert sorted(CALLS) == [5, 7]
            assert [outcome.value if outcome.ok else str(outcome.error) for outcome in first] == [
                10 if item == 5 else "7 cannot be doubled" for item in items
            ]
            assert sorted(outcome.attempts for outcome in first) == [0, 0, 0, 0, 1, 1]
            assert [outcome.index for outcome in first] == list(range(6))
        FAILING.clear()
        again = list(fan.stream(double, items, **options))
    assert sorted(outcome.value for outcome in again) == [10, 10, 10, 14, 14, 14]
    assert sorted(CALLS) == [5, 7, 7]


@pytest.mark.parametrize("window", [1, 8])
def test_equal_inputs_of_which_another_run_has_one(path, window):
    """Its result is that of one of them alone, whether they are taken before or after it is stored."""
    gate = Gate()
    with gate, Fan(1) as fan, Fan(3) as other:
        first = aside(fan.run, gate, ["a"], journal=path, version=1)
        gate.wait_for(1)
        second = other.stream(gate, ["a"] * 3, journal=path, version=1, window=window)
        rest = aside(list, second)
        until(lambda: other.snapshot()["waiting"] == 1)
        gate.open()
        assert first.result(20).unwrap() == ["a"]
        assert [outcome.value for outcome in rest.result(20)] == ["a"] * 3
    assert gate.started == ["a"] * 3


def test_calls_that_take_no_time_are_left_to_themselves(path, monkeypatch):
    """Whoever reads sleeps for a moment before he has himself woken by the next, if there are many of them."""
    rested = threading.Event()
    monkeypatch.setattr(journaled_stream, "QUICK", math.inf)
    monkeypatch.setattr(journaled_stream, "sleep", lambda seconds: rested.set())

    def await_rest(item):
        assert item == 0 or rested.wait(PATIENCE)
        return item

    with Fan(1) as fan:
        items = range(journaled_stream.ENOUGH + 2)
        assert [outcome.value for outcome in fan.stream(await_rest, items, journal=path)] == [*items]
        rested.clear()
        assert [outcome.value for outcome in fan.stream(await_rest, [0], journal=path, version=2)] == [0]
    assert not rested.is_set()


def test_who_reads_in_a_call_lends_its_slot_at_once(path, monkeypatch):
    """For while it slept those could not run that it waits for."""
    slept = []
    monkeypatch.setattr(journaled_stream, "QUICK", math.inf)
    monkeypatch.setattr(journaled_stream, "sleep", slept.append)

    def read():
        return [outcome.value for outcome in fan.stream(double, range(200), journal=path)]

    with Fan(1) as fan:
        assert sorted(fan.submit(read).result(PATIENCE)) == [2 * item for item in range(200)]
    assert slept == []


def test_several_iterables_keys_and_versions(path):
    """As with ``run``."""
    with Fan(2) as fan:
        assert seen(fan.stream(pow, [2, 3], iter([5, 2]), journal=path, ordered=True)) == [(0, 32, 1), (1, 9, 1)]
        assert seen(fan.stream(pow, [(3, 2)], star=True, journal=path)) == [(0, 9, 0)]
        assert seen(fan.stream(len, ["a"], journal=path, key=str.upper)) == [(0, 1, 1)]
        assert seen(fan.stream(len, ["A"], journal=path, key=str.upper)) == [(0, 1, 0)]
        assert seen(fan.stream(len, ["A"], journal=path, key=str.upper, version=2)) == [(0, 1, 1)]


@pytest.mark.parametrize(
    "options", [{"retry": 2}, {"rate": RateLimit(60_000)}, {"timeout": 30}, {"retry": 1, "rate": 9e4}]
)
def test_under_policies(path, options):
    """What is there needs no permit and no attempt; what is not has those it needs."""
    if "rate" in options:
        options = {**options, "rate": RateLimit(60_000)}
    failures = [ConnectionError("once")]

    def fragile(item):
        CALLS.append(item)
        if failures and "retry" in options:
            raise failures.pop()
        return item

    with Fan(2, **options) as fan:
        first = seen(fan.stream(fragile, range(9), journal=path, ordered=True))
        second = seen(fan.stream(fragile, range(12), journal=path, ordered=True))
    assert [value for _, value, _ in first] == list(range(9))
    assert second == [(item, item, int(item > 8)) for item in range(12)]
    assert len(CALLS) == 12 + ("retry" in options)
    assert not rows(path, "failures")


ENDLESS = """
import gc, itertools, logging, tracemalloc
from threadfan import Fan

logging.disable(logging.CRITICAL)

def double(item):
    if item % 7 == 0:
        raise ValueError(item)
    return item * 2

with Fan(4) as fan:
    fan.run(double, range(1, 9000, 3), journal=PATH)
    outcomes = fan.stream(double, itertools.count(), journal=PATH, window=64, unique=UNIQUE)
    tracemalloc.start()
    sizes = []
    for _ in range(8):
        assert sum(1 for _ in itertools.islice(outcomes, 1000)) == 1000
        gc.collect()
        sizes.append(tracemalloc.get_traced_memory()[0])
    outcomes.close()
print(min(sizes[5:]) - min(sizes[2:5]))  # at first threads come to have what they keep
"""


@pytest.mark.parametrize("unique", [False, True])
def test_endless_inputs_cost_no_memory(path, unique):
    """Nothing is kept of what was handed out, whether it was called, had failed or was there."""
    out, _ = run_program(ENDLESS.replace("PATH", repr(path)).replace("UNIQUE", repr(unique)))
    assert int(out) < 40_000


def test_a_stream_that_is_left_keeps_what_was_done(path, tmp_path):
    """Its file is closed, and the next one goes on there."""
    with Fan(1) as fan:
        for outcome in fan.stream(double, itertools.count(), journal=path, ordered=True):
            if outcome.index == 20:
                break
        until(lambda: not (tmp_path / "run.db-claims").exists())
        assert rows(path, "results") >= set(range(21))
    # Without a GIL SQLite's own file goes when the threads have that have used it.
    until(lambda: [file.name for file in tmp_path.iterdir()] == ["run.db"])
    CALLS.clear()
    with Fan(1) as fan:
        assert [outcome.attempts for outcome in fan.stream(double, range(21), journal=path)] == [0] * 21
    assert not CALLS


def test_what_ends_it_early_carries_what_was_not_handed_out(path):
    """With the function that the user has given, to be called again."""

    def inputs():
        yield from (1, 2)
        until(lambda: len(CALLS) == 2)
        raise OSError("the disk is gone")

    FAILING.add(2)
    with Fan(1) as fan:
        fan.run(double, [3], journal=path)
        CALLS.clear()
        with pytest.raises(OSError, match="gone") as caught:
            list(fan.stream(double, itertools.chain([3], inputs()), journal=path, ordered=True, window=9))
        report = caught.value.report
        FAILING.clear()
        assert report.retry(fan).values()[-1] == 4


def test_a_journal_that_cannot_be_opened(path, tmp_path):
    """It is said when the first outcome is asked for, and nothing is called."""
    with Fan(1) as fan:
        outcomes = fan.stream(double, [1], journal=tmp_path / "none" / "run.db")
        with pytest.raises(JournalError, match="its folder is not there"):
            next(outcomes)
        outcomes = fan.stream(double, [1, open], journal=path, ordered=True, window=1)
        assert next(outcomes).value == 2
        with pytest.raises(TypeError, match=r"what is in them, and input 1, .*: give key="):
            next(outcomes)
        with pytest.raises(TypeError, match=r"there is none: give journal='run.db' too"):
            fan.stream(double, [1], version=2)
    assert CALLS == [1]


FULL = """
import itertools
import math
from threadfan import Fan, JournalError, NotStored
from threadfan._core.journal import database

connect, called, seen = database.sqlite3.connect, [], []

def small(*args, **kwargs):
    connection = connect(*args, **kwargs)
    connection.execute("PRAGMA max_page_count=40")
    return connection

def big(item):
    called.append(item)
    return str(item) * 4000

database.sqlite3.connect = small
with Fan(2) as fan:
    try:
        for outcome in fan.stream(big, INPUTS, journal=PATH):
            seen.append(outcome)
    except JournalError as error:
        print("the disk is full: make room" in str(error))
lost = [outcome for outcome in seen if isinstance(outcome.error, NotStored)]
done = [outcome for outcome in seen if outcome.ok]
print(len(lost) in (1, 2), len(done) > 3, len(called) == len(done) + len(lost) < 60)
"""


@pytest.mark.parametrize("inputs", ["itertools.count()", "[*range(10**5)]"])
def test_a_full_disk_ends_it(path, inputs):
    """No more inputs are taken, endless ones too; what could not be stored was handed out with its value."""
    out, _ = run_program(FULL.replace("PATH", repr(path)).replace("INPUTS", inputs))
    assert out.splitlines() == ["True", "True True True"]


def test_progress_counts_calls(path):
    """Not what needs none."""
    told = []
    with Fan(2) as fan:
        fan.run(double, range(50), journal=path)
        for _ in fan.stream(double, range(60), journal=path, progress=told.append):
            pass
    assert (told[-1].done, told[-1].total) == (10, 10)


@given(
    before=st.lists(st.integers(0, 5), max_size=6),
    items=st.lists(st.integers(0, 5), max_size=12),
    failing=st.sets(st.integers(0, 5), max_size=2),
    window=st.sampled_from([None, 1, 2, 5]),
    ordered=st.booleans(),
    unique=st.booleans(),
    lazily=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_a_stream_has_what_a_run_has(before, items, failing, window, ordered, unique, lazily):
    """Whatever the file has, and whichever inputs are equal or fail: the same outcomes, and as many calls."""

    def some(item):
        CALLS.append(item)
        if item in failing:
            raise ValueError(item)
        return item * 2

    def outcome_of(outcome):
        return outcome.index, outcome.item, outcome.value if outcome.ok else str(outcome.error), outcome.attempts

    with TemporaryDirectory() as folder, Fan(2) as fan:
        for name in ("run.db", "stream.db"):
            fan.run(double, before, journal=f"{folder}/{name}")
        CALLS.clear()
        some.__qualname__ = double.__qualname__
        report = fan.run(some, items, journal=f"{folder}/run.db", unique=unique)
        called = Counter(CALLS)
        CALLS.clear()
        inputs = iter(items) if lazily else items
        options = {"ordered": ordered, "window": window, "unique": unique, "journal": f"{folder}/stream.db"}
        outcomes = list(fan.stream(some, inputs, **options))
        assert Counter(CALLS) == called
        if ordered:
            assert [outcome.index for outcome in outcomes] == list(range(len(items)))
        if not unique:  # else a copy of an outcome that was made meanwhile may be taken from the file
            assert sorted(map(outcome_of, outcomes)) == list(map(outcome_of, report))
        assert sorted(outcome_of(one)[:3] for one in outcomes) == [outcome_of(one)[:3] for one in report]


async def test_from_a_coroutine(path):
    """``astream`` takes coroutine functions and asynchronous iterables, and the same journal."""

    async def numbers():
        for number in range(5):
            yield number

    async def halve(item):
        CALLS.append(item)
        return item / 2

    async with Fan(2) as fan:
        first = [outcome async for outcome in fan.astream(halve, numbers(), journal=path)]
        second = [outcome async for outcome in fan.astream(halve, range(6), journal=path, ordered=True)]
        with pytest.raises(JournalError, match="what should be its folder is a file"):
            async for _ in fan.astream(halve, numbers(), journal=path + "/none/run.db"):
                pass
    assert sorted(CALLS) == [0, 1, 2, 3, 4, 5]
    assert sorted(outcome.value for outcome in first) == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert seen(second) == [(0, 0.0, 0), (1, 0.5, 0), (2, 1.0, 0), (3, 1.5, 0), (4, 2.0, 0), (5, 2.5, 1)]


@pytest.mark.parametrize("ordered", [False, True])
async def test_who_reads_is_woken_by_what_is_there(path, ordered):
    """Inputs may come only when the outcome of the one before was handed out, and none of them be called."""
    seen = asyncio.Event()

    async def numbers():
        for number in range(5):
            yield number
            await asyncio.wait_for(seen.wait(), 20)
            seen.clear()

    async with Fan(2) as fan:
        await fan.arun(double, range(0, 5, 2), journal=path)
        found = []
        async for outcome in fan.astream(double, numbers(), journal=path, ordered=ordered):
            found.append((outcome.index, outcome.value, outcome.attempts))
            seen.set()
    assert found == [(0, 0, 0), (1, 2, 1), (2, 4, 0), (3, 6, 1), (4, 8, 0)]


def test_a_failure_is_in_the_journal_before_the_next_call(path):
    """Of a run too: it is not only written at its end."""

    def look(item):
        if item == 0:
            raise ValueError("no")
        return sorted(rows(path, "failures"))

    with Fan(1) as fan:
        assert fan.run(look, [0, 1], journal=path).values(None) == [None, [0]]


def test_a_call_whose_time_was_up_is_in_the_journal_while_the_run_goes_on(path):
    """Who ends it cannot write it, and has that done."""

    def look(item):
        if item == 0:
            until_cancelled()
        else:
            until(lambda: rows(path, "failures") == {0})
        return item

    with Fan(1, timeout=2) as fan:
        assert fan.run(look, [0, 1], journal=path)[0].status == "timed_out"


def test_what_is_tried_again_has_not_failed_yet(path):
    """Only the last attempt's error is kept."""

    def fragile(_):
        CALLS.append(rows(path, "failures"))
        raise ConnectionError(len(CALLS))

    with Fan(1, retry={ConnectionError: 2}) as fan:
        report = fan.run(fragile, [0], journal=path)
    assert [set(), set(), set()] == CALLS
    assert str(report[0].error) == "3"
    assert rows(path, "failures") == {0}


def test_the_time_of_a_failure_is_kept(path):
    """When the call has begun and ended, for who draws a page of the journal."""
    with Fan(1) as fan:
        report = fan.run(sleep, [-1], journal=path)
    with closing(sqlite3.connect(path)) as database:
        ((started, ended),) = database.execute("SELECT started, ended FROM failures")
    assert started == pytest.approx(report[0].started)
    assert ended == pytest.approx(report[0].ended)
