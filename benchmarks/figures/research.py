"""The research job: twelve companies, each researched and then analysed, through the anthropic client.

Beside the pools the same calls are made by twelve threads that do nothing else: what the client needs for each call, a
thread at a time, is lost to all.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks import harness, peers
from benchmarks.harness import OURS, STANDARD, Figure, Goal
from benchmarks.pools import TIMEOUT
from benchmarks.processes import child
from threadfan import Fan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Plan
    from threadfan._core.fan.pipeline import Pipeline

COMPANIES = [f"company {number}" for number in range(12)]
GOALS = {0.5: 97.0, 3.0: 99.0}  # by seconds a call
QUICK = {0.1: 80.0}
BARE = "threads alone"


def measure(plan: Plan) -> Iterator[Figure]:
    """The share of the ideal, which is two calls one after the other."""
    if not peers.has("anthropic", "starlette", "uvicorn"):
        return
    for seconds, bound in (QUICK if plan.quick else GOALS).items():
        workers = len(COMPANIES)
        with Server(seconds) as ask, Fan(workers, timeout=TIMEOUT) as fan, ThreadPoolExecutor(workers) as pool:
            research, analyse = partial(ask, "Research"), partial(ask, "Analyse")
            pipeline = fan.pipeline(research, analyse)
            ways: dict[str, Callable[[], object]] = {
                STANDARD: partial(_twice, pool, research, analyse),
                OURS: partial(_through, pipeline),
                BARE: partial(_alone, research, analyse),
            }
            contenders = {name: partial(_share, way, 2 * seconds) for name, way in ways.items()}
            samples = harness.race(contenders, plan.size(min(plan.rounds, 5 if seconds < 1 else 3), 1))
        yield Figure(
            f"12 companies, 24 calls of {seconds:g} s on 12 workers: ideal ÷ actual",
            "%",
            harness.medians(samples),
            goal=Goal(bound, least=True),
            least=True,
            note="the two maps of the standard library lose nothing by their barrier where all calls are equal",
        )
    yield from _added(plan)


def _added(plan: Plan) -> Iterator[Figure]:
    """What the client adds to the server's time: alone, and where several threads need it at once."""
    seconds = 0.1
    import_code = "import time; start = time.perf_counter(); import anthropic; end = time.perf_counter(); import json; "
    imported, _ = child("-c", import_code + 'print(json.dumps({"seconds": end - start}))')
    with Server(seconds) as ask:
        first = harness.seconds(partial(ask, "Research", "first")) - seconds
        found: dict[str, Callable[[], float]] = {
            "one call alone": lambda: harness.seconds(partial(ask, "Research", "one")) - seconds,
            "the last of 12 at once": lambda: harness.seconds(partial(_at_once, partial(ask, "Research"))) - seconds,
        }
        samples = harness.race(found, plan.size(10, 2))
    medians = {"the first call": first * 1e3, **harness.medians(samples, 1e3)}
    yield Figure(
        "what the anthropic client adds to the server's time, threads alone",
        "ms",
        {**medians, OURS: medians["the last of 12 at once"]},
        note=f"its import took {float(imported['seconds']):.2f} s; no TLS; {OURS} has no part in it",
    )


def _at_once(ask: Callable[[str], object]) -> None:
    threads = [threading.Thread(target=ask, args=(company,)) for company in COMPANIES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _alone(research: Any, analyse: Any) -> None:
    _at_once(lambda company: analyse(research(company)))


def _twice(pool: ThreadPoolExecutor, research: Any, analyse: Any) -> object:
    return list(pool.map(analyse, list(pool.map(research, COMPANIES))))


def _through(pipeline: Pipeline) -> object:
    return pipeline.run(COMPANIES).unwrap()


def _share(run: Callable[[], object], ideal: float) -> float:
    start = time.perf_counter()
    run()
    return 100 * ideal / (time.perf_counter() - start)


class Server:
    """A loopback server that takes so many seconds for each answer; gives what asks it."""

    def __init__(self, seconds: float) -> None:
        from threadfan.testing import MessagesServer

        self._server = MessagesServer(latency=seconds)

    def __enter__(self) -> Any:
        client = self._server.start().client()

        def ask(task: str, subject: str) -> str:
            question: Any = {"role": "user", "content": f"{task} {subject}"}
            answer: Any = client.messages.create(model="test-model", max_tokens=300, messages=[question])
            return str(answer.content[0].text)

        return ask

    def __exit__(self, *_: object) -> None:
        self._server.stop()
