"""Every way to have a function called on items."""

import asyncio
from functools import partial

from threadfan import Hedge, RateLimit, task


async def _astream(fan, fn, items):
    return {outcome.index: outcome.unwrap() async for outcome in fan.astream(fn, items)}


async def _gathered(fan, fn, items):
    return await asyncio.gather(*[fan.call(fn, item) for item in items])


def _stream(outcomes):
    found = {outcome.index: outcome.unwrap() for outcome in outcomes}
    return [found[index] for index in sorted(found)]


def _graph(fan, fn, items):
    def one(item):
        return fn(item)

    graph = fan.graph()
    graph.add(one, name="calls", each={"item": "items"})
    return graph.run(items=list(items)).value("calls")


def _graph_of_single_tasks(fan, fn, items):
    graph = fan.graph()
    for item in items:
        graph.add(partial(fn, item), name=f"task {item}")
    return graph.run().unwrap()


SINGLE = {
    "submit": lambda fan, fn, items: [future.result() for future in [fan.submit(fn, item) for item in items]],
    "map": lambda fan, fn, items: list(fan.map(fn, items)),
    "buffered map": lambda fan, fn, items: list(fan.map(fn, items, buffersize=4)),
    "run": lambda fan, fn, items: fan.run(fn, items).unwrap(),
    "run of a generator": lambda fan, fn, items: fan.run(fn, iter(items)).unwrap(),
    "run of two iterables": lambda fan, fn, items: fan.run(lambda item, _: fn(item), items, items).unwrap(),
    "stream": lambda fan, fn, items: _stream(fan.stream(fn, items)),
    "ordered stream": lambda fan, fn, items: [one.unwrap() for one in fan.stream(fn, items, ordered=True)],
    "gather": lambda fan, fn, items: fan.gather(*[task(fn, item) for item in items]).unwrap(),
    "graph": _graph,
    "graph of single tasks": _graph_of_single_tasks,
    "pipeline": lambda fan, fn, items: fan.pipeline(fn).run(items).unwrap(),
    "pipeline's stream": lambda fan, fn, items: _stream(fan.pipeline(fn).stream(items)),
    "call": lambda fan, fn, items: asyncio.run(_gathered(fan, fn, items)),
    "arun": lambda fan, fn, items: asyncio.run(fan.arun(fn, items)).unwrap(),
    "astream": lambda fan, fn, items: list(dict(sorted(asyncio.run(_astream(fan, fn, items)).items())).values()),
    "agather": lambda fan, fn, items: asyncio.run(fan.agather(*[task(fn, item) for item in items])).unwrap(),
}
POLICIES = {
    "retries": lambda _: {"retry": 1},
    "a rate": lambda _: {"rate": RateLimit(requests_per_minute=60_000, burst=100)},
    "hedging": lambda _: {"hedge": Hedge(after=1000.0)},
    "a limit": lambda fan: {"max_concurrent": fan.snapshot()["slots"]},
    "a timeout": lambda _: {"timeout": 1000.0},
}


def _under(policy, way, fan, fn, items):
    return SINGLE[way](fan.with_options(**POLICIES[policy](fan)), fn, items)


WAYS = SINGLE | {
    f"{way} under {policy}": partial(_under, policy, way)
    for policy in POLICIES
    for way in ("submit", "run", "gather", "pipeline", "call")
}
"""Name -> ``way(fan, fn, items)``, which gives what ``fn`` returned for each item, in their order."""
