"""Closing a fan of which a run waits for inputs that do not come."""

import logging
from queue import SimpleQueue

import pytest

from support.controlled import aside, until
from threadfan import Fan
from threadfan._core.fan import unfed


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Say it at once."""
    monkeypatch.setattr(unfed, "PATIENCE", 0.05)


def visit(page):
    """A call that is done at once."""
    return page


def closing(todo, bug):
    """Start a run in a fan, and leave that."""
    with Fan(2, name="crawl") as fan:
        run = fan.start(visit, iter(todo.get, None))
        next(iter(run))
        if bug:
            raise KeyError("a bug")
    return run.result()


@pytest.mark.parametrize("bug", [False, True])
def test_it_is_said_which_run_waits(caplog, bug):
    """Once, while it waits; whatever comes then is called all the same."""
    todo = SimpleQueue()
    todo.put("first")
    with caplog.at_level(logging.WARNING, "threadfan"):
        waiting = aside(closing, todo, bug)
        until(lambda: caplog.records)
        todo.put("second")
        todo.put(None)
        if bug:
            assert isinstance(waiting.exception(5), KeyError)
        else:
            assert waiting.result(5).values() == ["first", "second"]
    (record,) = [record for record in caplog.records if "waits for inputs" in record.getMessage()]
    assert record.getMessage() == (
        "crawl is closed, and waits for inputs of the run of visit, which do not come: right is `with fan.start(…) "
        "as run:`, which ends the run when an exception leaves the block, or run.cancel()"
    )


def test_nothing_is_said_while_its_calls_run(caplog):
    """Inputs may come slowly, and what they are made of may take long."""
    go_on = SimpleQueue()
    todo = SimpleQueue()
    todo.put("first")
    with caplog.at_level(logging.WARNING, "threadfan"):

        def closed():
            with Fan(2) as fan:
                fan.start(lambda _: go_on.get(), iter(todo.get, None))

        waiting = aside(closed)
        with pytest.raises(TimeoutError):
            waiting.result(0.4)
        assert not caplog.records
        todo.put(None)
        go_on.put(1)
        waiting.result(5)


def test_a_block_of_the_run_ends_it(caplog):
    """It is not waited for inputs that may never come."""
    todo = SimpleQueue()

    def crawl():
        with Fan(2) as fan, fan.start(visit, iter(todo.get, None)):
            raise KeyError("a bug")

    assert isinstance(aside(crawl).exception(5), KeyError)
    todo.put(None)  # its thread still waits for it
    assert not caplog.records
