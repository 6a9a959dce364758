"""Whoever waits for a batch in the thread of an event loop stops that, and is told so, once for each fan."""

import asyncio
import sys
import types
import warnings
from pathlib import Path

import pytest

from support.controlled import PATIENCE
from threadfan import Fan
from threadfan.patterns import race

WAYS = {
    "run": lambda fan: fan.run(abs, [1]),
    "run_of_a_generator": lambda fan: fan.run(abs, iter([1])),
    "gather": lambda fan: fan.gather(int),
    "join": lambda fan: race(fan, int),
    "map": lambda fan: list(fan.map(abs, [1])),
    "map_with_a_buffer": lambda fan: list(fan.map(abs, [1], buffersize=2)),
    "stream": lambda fan: list(fan.stream(abs, [1])),
    "stream_text": lambda fan: list(fan.stream_text(str, [1])),
    "outcomes_of_a_run": lambda fan: list(fan.start(abs, [1])),
    "graph": lambda fan: fan.graph().run(),
    "pipeline": lambda fan: fan.pipeline(abs).run([1]),
    "stream_of_a_pipeline": lambda fan: list(fan.pipeline(abs).stream([1])),
}


@pytest.mark.parametrize("wait", WAYS.values(), ids=WAYS)
async def test_it_is_told_by_every_way(wait):
    """At the user's own line, and where warnings are errors nothing is left of the batch."""
    async with Fan(2, name="mine") as fan:
        with pytest.raises(RuntimeWarning, match=r"mine: waits for a batch .* await fan\.arun"):
            wait(fan)
    async with Fan(2) as fan:
        with pytest.warns(RuntimeWarning, match="waits for a batch") as told:
            wait(fan)
        assert [Path(one.filename).name for one in told] == [Path(__file__).name]


async def test_it_is_told_once_for_each_fan():
    """And for its views together."""
    async with Fan(2) as fan:
        with pytest.warns(RuntimeWarning, match="waits for a batch"):
            fan.run(abs, [1])
        assert fan.run(abs, [1]).ok
        assert fan.with_options(timeout=PATIENCE).run(abs, [1]).ok


async def test_whoever_stops_no_loop_is_not_told():
    """Coroutines, threads of the loop's, calls of the fan, and who looks at a run without waiting for it."""
    async with Fan(2) as fan:
        assert (await fan.arun(abs, [1])).ok
        assert (await asyncio.to_thread(fan.run, abs, [1])).ok
        assert (await fan.call(fan.run, abs, [1])).ok
        run = fan.start(abs, [1])
        run.wait(0)
        assert (await run).ok
        assert run.result().ok


async def test_it_is_not_told_in_a_notebook(monkeypatch):
    """Whose cells run in the thread of its loop."""
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    async with Fan(2) as fan:
        assert fan.run(abs, [1]).ok


def test_it_is_not_told_without_a_loop():
    """Though asyncio was imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Fan(2) as fan:
            assert fan.run(abs, [1]).ok
