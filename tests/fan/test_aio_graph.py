"""Graphs that coroutines await."""

import asyncio
import threading

import pytest

from support.controlled import PATIENCE, Gate, until
from threadfan import Fan, current_scope
from threadfan.testing import ManualClock


def source(number):
    """A list."""
    return list(range(number))


def work(element):
    """One element of it."""
    return element * 10


def graph_of(fan):
    """A fan-out, a branch not taken, and what joins them."""
    graph = fan.graph(source)
    graph.add(work, each={"element": "source"}, when=lambda number: number > 0)
    graph.add(lambda work=(): sum(work), name="total")
    return graph


async def test_it_gives_what_run_gives():
    """The same report, also for many at once."""
    async with Fan(2) as fan:
        graph = graph_of(fan)
        reports = await asyncio.gather(*(graph.arun(number=number) for number in range(5)))
        assert [report.value("total") for report in reports] == [0, 0, 10, 30, 60]
        synchronous = await asyncio.to_thread(graph.run, number=3)
        assert [one.status for one in reports[3]] == [one.status for one in synchronous]
        assert reports[3].value("work") == synchronous.value("work") == [0, 10, 20]


async def test_coroutine_functions_are_tasks_too():
    """They run in the loop that awaits, beside functions that run in threads."""
    loops = []

    async def fetch(element):
        loops.append(asyncio.get_running_loop())
        await asyncio.sleep(0)
        return element + 1

    async with Fan(2) as fan:
        graph = fan.graph(source)
        graph.add(fetch, each={"element": "source"})
        graph.add(lambda fetch: (sum(fetch), threading.current_thread()), name="total")
        total, thread = (await graph.arun(number=3)).value("total")
        assert (total, set(loops)) == (6, {asyncio.get_running_loop()})
        assert thread is not threading.current_thread()


async def test_the_loop_runs_no_code_of_the_user_s():
    """Neither conditions nor what is gone through, even if nothing comes before them."""
    threads = []

    def elements():
        threads.append(threading.current_thread())
        yield 1

    async with Fan(2) as fan:
        graph = fan.graph()
        graph.add(
            lambda x: x, name="one", each={"x": "given"}, when=lambda: threads.append(threading.current_thread()) or 1
        )
        assert (await graph.arun(given=elements())).value("one") == [1]
    assert len(threads) == 2
    assert threading.current_thread() not in threads


async def test_cancelling_the_awaiter_cancels_the_run():
    """What runs is cancelled, and what follows never starts."""
    started = []
    with Gate() as gate:
        async with Fan(2) as fan:
            graph = fan.graph()

            @graph.task
            def waits():
                wake = threading.Event()
                current_scope().on_cancel(wake.set)
                gate.open()
                gate("started")
                assert wake.wait(PATIENCE)

            graph.add(lambda waits: started.append(1), name="after")
            awaited = asyncio.ensure_future(graph.arun())
            await asyncio.to_thread(gate.wait_for, 1)
            awaited.cancel()
            with pytest.raises(asyncio.CancelledError) as error:
                await awaited
            assert [one.status for one in error.value.report] == ["cancelled", "cancelled"]
            await asyncio.to_thread(until, lambda: not any(map(fan.snapshot().get, ("running", "abandoned"))))
    assert started == []


async def test_fail_fast_and_the_deadline():
    """The first failure is raised with the report; at the deadline there is one."""
    with ManualClock() as clock, Gate() as gate:
        async with Fan(2) as fan:
            graph = fan.graph()
            graph.add(lambda: 1 // 0, name="broken")
            graph.add(lambda broken: 1, name="after")
            with pytest.raises(ZeroDivisionError) as error:
                await graph.arun(fail_fast=True)
            assert [one.status for one in error.value.report] == ["failed", "cancelled"]

            hangs = fan.graph(gate)
            awaited = asyncio.ensure_future(hangs.arun(deadline=0.01))
            await asyncio.to_thread(gate.wait_for, 1)
            clock.advance(0.01)
            assert [one.status for one in await awaited] == ["cancelled"]
            gate.open()
            await asyncio.to_thread(until, lambda: not fan.snapshot()["abandoned"])


def test_it_is_for_coroutines():
    """Elsewhere the error names what is right there."""
    with Fan(1) as fan, pytest.raises(RuntimeError, match=r"no event loop runs here"):
        fan.graph(source).arun(number=1).send(None)
