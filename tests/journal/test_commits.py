"""Rows that many threads store at once are written by few of them, and by none before it says so."""

import threading

import pytest

from support.controlled import PATIENCE, aside, until
from threadfan import JournalError
from threadfan._core.base.locks import GIL
from threadfan._core.journal import commits
from threadfan._core.journal.commits import Commits


class Writer:
    """Writes when it is let, and keeps what was written together."""

    def __init__(self):
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.written = []
        self.error = None

    def __call__(self, rows):
        """Write them, or raise."""
        self.begun.release()
        assert self.go.acquire(timeout=PATIENCE)
        if self.error is not None:
            raise self.error
        self.written.append(rows)

    def await_begin(self):
        """Wait until it is to write."""
        assert self.begun.acquire(timeout=PATIENCE)


@pytest.fixture
def writer():
    """What is written to."""
    return Writer()


@pytest.fixture
def store(writer):
    """Stores one row in a thread of its own; its future."""
    made = Commits(writer)

    def one(row, *, haste=False):
        before, meanwhile = len(made._waiting), made._writing
        future = aside(made.store, [row], haste=haste)
        if meanwhile:
            until(lambda: len(made._waiting) > before)
        return future

    return one


@pytest.fixture
def sleeping(monkeypatch):
    """Threads in haste sleep until they are let."""
    asleep, wake = threading.Semaphore(0), threading.Event()

    def sleep(seconds):
        asleep.release()
        assert wake.wait(PATIENCE)

    monkeypatch.setattr(commits, "sleep", sleep)
    yield asleep, wake
    wake.set()


def test_those_who_come_meanwhile_are_written_together(writer, store):
    """By the first of them."""
    first = store("a")
    writer.await_begin()
    others = [store("b"), store("c")]
    writer.go.release()
    first.result(PATIENCE)
    writer.await_begin()
    assert not any(other.done() for other in others)
    writer.go.release()
    for other in others:
        other.result(PATIENCE)
    assert writer.written == [["a"], ["b", "c"]]


needs_gil = pytest.mark.skipif(not GIL, reason="without a GIL nobody sleeps")


@needs_gil
def test_who_sleeps_is_written_by_whoever_writes_next(writer, store, sleeping):
    """And is done when it wakes up; a failure is its own too."""
    asleep, wake = sleeping
    for error in (None, JournalError("no")):
        first = store("a")
        writer.await_begin()
        second = store("b", haste=True)
        assert asleep.acquire(timeout=PATIENCE)
        writer.go.release()
        first.result(PATIENCE)
        writer.error = error
        third = store("c")
        writer.await_begin()
        assert not second.done()
        writer.go.release()
        wake.set()
        assert isinstance(second.exception(PATIENCE), JournalError if error else type(None))
        assert third.exception(PATIENCE) is error
        wake.clear()
    assert writer.written == [["a"], ["b", "c"], ["a"]]


@needs_gil
def test_who_wakes_up_writes_if_nobody_has(writer, store, sleeping):
    """Its own row, and those of others that sleep."""
    asleep, wake = sleeping
    first = store("a")
    writer.await_begin()
    others = [store("b", haste=True), store("c", haste=True)]
    for _ in others:
        assert asleep.acquire(timeout=PATIENCE)
    writer.go.release()
    first.result(PATIENCE)
    wake.set()
    writer.await_begin()
    writer.go.release()
    for other in others:
        other.result(PATIENCE)
    assert writer.written == [["a"], ["b", "c"]]


@needs_gil
def test_who_wakes_up_while_somebody_writes_waits_as_any(writer, store, sleeping):
    """And is the next to write."""
    asleep, wake = sleeping
    first = store("a")
    writer.await_begin()
    second = store("b", haste=True)
    assert asleep.acquire(timeout=PATIENCE)
    wake.set()
    third = store("c")
    writer.go.release()
    first.result(PATIENCE)
    writer.await_begin()
    writer.go.release()
    second.result(PATIENCE)
    third.result(PATIENCE)
    assert writer.written == [["a"], ["b", "c"]]


@needs_gil
def test_where_calls_have_long_taken_no_time_those_who_sleep_do_so_longer(monkeypatch):
    """As long as no other call has come."""
    asleep, nested = [], []

    def write(rows):
        if not nested:  # a second one comes while this is written, and is written when it wakes up
            nested.append(aside(made.store, ["b"], haste=True))
            until(lambda: asleep)

    made = Commits(write)
    monkeypatch.setattr(commits, "sleep", asleep.append)
    for number, expected in ((0, commits._PAUSE), (commits._MANY, commits._LONG_PAUSE), (1, commits._PAUSE)):
        nested[:] = [None]
        made.store(["a"])
        for _ in range(number):
            made.store(["a"], haste=True)
        nested.clear()
        made.store(["a"], haste=True)
        nested[0].result(PATIENCE)
        assert asleep == [expected]
        asleep.clear()
