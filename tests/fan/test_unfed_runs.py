"""Leaving the block of a fan, or of a run, that waits for inputs that do not come."""

import asyncio
import logging
from queue import SimpleQueue

import pytest

from support.controlled import PATIENCE, Gate, aside, until
from threadfan import Fan
from threadfan._core.fan import unfed


def said(caplog):
    """The warnings that this is about; a loaded machine may give cause for others."""
    return [text for name, _, text in caplog.record_tuples if name == "threadfan" and "waits for inputs" in text]


def look(clock):
    """Let who closes the fan look once more, when it sleeps until then."""
    due = clock.monotonic() + unfed.PATIENCE
    clock.wait_for_sleepers(until=due)
    clock.advance(unfed.PATIENCE)


def visit(page):
    """A call that is done at once."""
    return page


def closing(todo, bug, visit=visit):
    """Start a run in a fan, and leave that."""
    with Fan(2, name="crawl") as fan:
        run = fan.start(visit, iter(todo.get, None))
        next(iter(run))
        if bug:
            raise KeyError("a bug")
    return run.result()


def test_inputs_that_come_slowly_are_no_reason(caplog, clock):
    """Each time somebody looks, one more has come."""
    todo, visited = SimpleQueue(), []
    todo.put("first")
    with caplog.at_level(logging.WARNING, "threadfan"):
        waiting = aside(closing, todo, False, visited.append)
        for number in range(4):
            due = clock.monotonic() + unfed.PATIENCE
            clock.wait_for_sleepers(until=due)
            todo.put(number)
            until(lambda number=number: number in visited)
            clock.advance(unfed.PATIENCE)
        clock.wait_for_sleepers(until=clock.monotonic() + unfed.PATIENCE)
        todo.put(None)
        assert len(waiting.result(PATIENCE).values()) == 5
    assert visited == ["first", *range(4)]
    assert not said(caplog)


@pytest.mark.parametrize("bug", [False, True])
def test_it_is_said_which_run_waits(caplog, clock, bug):
    """Once, while it waits; whatever comes then is called all the same."""
    todo = SimpleQueue()
    todo.put("first")
    with caplog.at_level(logging.WARNING, "threadfan"):
        waiting = aside(closing, todo, bug)
        look(clock)
        until(lambda: said(caplog) or clock.advance(unfed.PATIENCE))  # at the first look its call may not have left yet
        todo.put("second")
        todo.put(None)
        if bug:
            assert isinstance(waiting.exception(PATIENCE), KeyError)
        else:
            assert waiting.result(PATIENCE).values() == ["first", "second"]
    (text,) = said(caplog)
    assert text == (
        "crawl is closed, and waits for inputs of the run of visit, which do not come: right is `with fan.start(…) "
        "as run:`, which ends the run when an exception leaves the block, or run.cancel()"
    )


def test_nothing_is_said_while_its_calls_run(caplog, clock):
    """Inputs may come slowly, and what they are made of may take long."""
    gate, todo = Gate(), SimpleQueue()
    todo.put("first")
    with caplog.at_level(logging.WARNING, "threadfan"):

        def closed():
            with Fan(2) as fan:
                fan.start(gate, iter(todo.get, None))
                until(lambda: gate.started)

        waiting = aside(closed)
        look(clock)
        look(clock)
        clock.wait_for_sleepers(until=clock.monotonic() + unfed.PATIENCE)  # it has looked, and sleeps again
        assert not said(caplog)
        todo.put(None)
        gate.open()
        waiting.result(PATIENCE)


def test_a_block_of_the_run_ends_it(caplog, clock):
    """It is not waited for inputs that may never come."""
    todo = SimpleQueue()

    def crawl():
        with Fan(2) as fan, fan.start(visit, iter(todo.get, None)):
            raise KeyError("a bug")

    assert isinstance(aside(crawl).exception(PATIENCE), KeyError)
    todo.put(None)  # its thread still waits for it
    assert not said(caplog)


def left(todo):
    """Leave the block of a run at its first outcome."""
    with Fan(2) as fan, fan.start(visit, iter(todo.get, None)) as run:
        for _ in run:
            break
    return run.result()


async def left_in_a_coroutine(todo):
    """The same."""
    async with Fan(2) as fan, fan.start(visit, iter(todo.get, None)) as run:
        async for _ in run:
            break
    return await run


@pytest.mark.parametrize("leave", [left, lambda todo: asyncio.run(left_in_a_coroutine(todo))])
def test_a_block_that_is_left_by_break_says_what_it_waits_for(caplog, monkeypatch, leave):
    """Once, while it waits; whatever comes then is called all the same."""
    monkeypatch.setattr(unfed, "PATIENCE", 0.02)
    todo = SimpleQueue()
    todo.put("first")
    with caplog.at_level(logging.WARNING, "threadfan"):
        waiting = aside(leave, todo)
        until(lambda: said(caplog))
        todo.put("second")
        todo.put(None)
        assert waiting.result(PATIENCE).values() == ["first", "second"]
    (text,) = said(caplog)
    assert text == (
        "the block of the run of visit is at its end, and waits for inputs, of which none has come for 0.02 s: "
        "to stop early, call run.cancel() before `break`"
    )


def test_a_cancel_before_the_break_ends_the_run(caplog):
    """As the warning says."""
    todo = SimpleQueue()
    todo.put("first")

    def stop_early():
        with Fan(2) as fan, fan.start(visit, iter(todo.get, None)) as run:
            for _ in run:
                run.cancel()
                break
        return run.result()

    assert aside(stop_early).result(PATIENCE).stopped == "the run was cancelled"
    todo.put(None)  # its thread still waits for it
    assert not said(caplog)
