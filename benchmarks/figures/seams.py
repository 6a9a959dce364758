"""What attaching a client costs: the processor's time for a call that the server answers at once."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from shutil import which
from typing import TYPE_CHECKING, Any

from benchmarks import harness, peers
from benchmarks.harness import OURS, STANDARD, Figure, Goal
from benchmarks.pools import TIMEOUT, exhaust
from threadfan import Fan, RateLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import anthropic

    from benchmarks.harness import Plan, Samples
    from threadfan.testing import MessagesServer

    Call = Callable[[object], object]
    Block = Callable[[Call, range], object]

RATE = RateLimit(60_000_000)
"""A limit that nobody has to wait for: what remains is that it counts."""

DIRECT, OUTSIDE, BARE, RETRY, LIMIT = "direct", "Fan.outside", "Fan.bare", "Fan.retry", "Fan.limit"
ATTACHED = "Fan.attached"
ROWS = (
    (BARE, STANDARD, "bare in a fan", Goal(1.0)),
    (ATTACHED, STANDARD, "attached in a fan", Goal(1.04)),
    (ATTACHED, BARE, "attached in a fan, to bare in one", None),
    (RETRY, STANDARD, "attached, with a retry", None),
    (LIMIT, STANDARD, "attached, with a retry and a rate limit", Goal(1.08)),
    (OUTSIDE, DIRECT, "attached, outside of any call, to bare without a pool", Goal(1.01)),
)
PROCESSES = Goal(1.25)
QUESTION: Any = {"model": "test-model", "max_tokens": 100, "messages": [{"role": "user", "content": "How are you?"}]}


def measure(plan: Plan) -> Iterator[Figure]:
    """For each client its calls in every way; then model calls a second, beside those of asyncio."""
    with ExitStack() as stack:
        kinds = list(_kinds(stack))
        gc.collect()
        gc.freeze()  # else each collection would go through all that the clients have imported
        stack.callback(gc.unfreeze)
        for name, bare, attached in kinds:
            samples = _cpu(plan, bare, attached)
            scores = harness.medians(samples, 1e6)
            for way, base, what, usual in ROWS:
                goal = usual if not name.startswith("subprocess") or usual is None else PROCESSES
                yield Figure(
                    f"{name}: {what}",
                    "µs",
                    {STANDARD: scores[base], OURS: scores[way]},
                    {STANDARD: 1.0, OURS: harness.ratios(samples, base)[way]},
                    goal,
                    note=f"{name}, calls a second of processor time: "
                    + ", ".join(f"{way} {1e6 / score:,.0f}" for way, score in scores.items()),
                )
        if peers.has("anthropic", "starlette", "uvicorn"):
            yield from _throughput(plan, stack)


def _cpu(plan: Plan, bare: Call, attached: Call) -> Samples:
    """Seconds of this process's processor time for a call; the server has a process of its own.

    One call at a time: on a pool of one worker, which goes through a list.
    """
    items = range(plan.size(100, 3))
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(1))
        fan = stack.enter_context(Fan(1, timeout=TIMEOUT))
        retrying = stack.enter_context(Fan(1, timeout=TIMEOUT, retry=3))
        limited = stack.enter_context(Fan(1, timeout=TIMEOUT, retry=3, rate=RATE))
        contenders = {
            DIRECT: _timed(_directly, bare, items),
            STANDARD: _timed(lambda call, items: exhaust(pool.map(call, items)), bare, items),
            OUTSIDE: _timed(_directly, attached, items),
            BARE: _timed(fan.run, bare, items),
            ATTACHED: _timed(fan.run, attached, items),
            RETRY: _timed(retrying.run, attached, items),
            LIMIT: _timed(limited.run, attached, items),
        }
        return harness.race(contenders, plan.rounds * plan.size(4, 1))


def _timed(run: Block, call: Call, items: range) -> Callable[[], float]:
    def measure_once() -> float:
        gc.collect()
        start = time.process_time()
        run(call, items)
        return (time.process_time() - start) / len(items)

    return measure_once


def _directly(call: Call, items: range) -> None:
    for item in items:
        call(item)


# -- the clients -------------------------------------------------------------------------------------------------------


def _kinds(stack: ExitStack) -> Iterator[tuple[str, Call, Call]]:
    """What this installation allows: each with a bare client and an attached one."""
    if peers.has("starlette", "uvicorn"):
        from threadfan.testing import MessagesServer

        server = stack.enter_context(MessagesServer())
        if peers.has("anthropic"):
            yield "anthropic", *_anthropic(server)
        if find_spec("openai"):
            yield "openai", *_openai(server, stack)
        if peers.has("requests"):
            yield "requests", *_requests(server, stack)
        if find_spec("httpx"):
            yield "httpx", *_httpx(server, stack)
    from threadfan.clients import subprocess as attached

    command = [which("true") or "true"]
    for name, captured in ("subprocess", False), ("subprocess, captured", True):
        options: Any = {"check": True, "capture_output": captured}
        yield (
            name,
            partial(_ignoring, partial(subprocess.run, command, **options)),
            partial(_ignoring, partial(attached.run, command, **options)),
        )


def _ignoring(run: Callable[[], object], _: object) -> object:
    return run()


def _anthropic(server: MessagesServer) -> tuple[Call, Call]:
    from threadfan.clients.anthropic import attach

    bare, attached = server.client(), attach(server.client())
    return lambda _: bare.messages.create(**QUESTION), lambda _: attached.messages.create(**QUESTION)


def _openai(server: MessagesServer, stack: ExitStack) -> tuple[Call, Call]:
    openai: Any = import_module("openai")

    from threadfan.clients.httpx import attach

    options: Any = {"base_url": f"{server.url}/v1", "api_key": "test", "max_retries": 0}
    clients = [openai.DefaultHttpxClient(trust_env=False), attach(openai.DefaultHttpxClient(trust_env=False))]
    bare, attached = (stack.enter_context(openai.OpenAI(http_client=http, **options)) for http in clients)
    return lambda _: bare.chat.completions.create(**QUESTION), lambda _: attached.chat.completions.create(**QUESTION)


def _requests(server: MessagesServer, stack: ExitStack) -> tuple[Call, Call]:
    import requests

    from threadfan.clients.requests import attach

    bare, attached = stack.enter_context(requests.Session()), attach(stack.enter_context(requests.Session()))
    bare.trust_env = attached.trust_env = False
    url = f"{server.url}/echo?x=1"
    return lambda _: bare.get(url, timeout=10).json(), lambda _: attached.get(url, timeout=10).json()


def _httpx(server: MessagesServer, stack: ExitStack) -> tuple[Call, Call]:
    import httpx

    from threadfan.clients.httpx import attach

    bare = stack.enter_context(httpx.Client(trust_env=False, timeout=10))
    attached = attach(stack.enter_context(httpx.Client(trust_env=False, timeout=10)))
    url = f"{server.url}/echo?x=1"
    return lambda _: bare.get(url).json(), lambda _: attached.get(url).json()


# -- beside asyncio ----------------------------------------------------------------------------------------------------


def _throughput(plan: Plan, stack: ExitStack) -> Iterator[Figure]:
    """Model calls a second of wall time, with as many at once as there are workers."""
    from threadfan.testing import MessagesServer

    server = stack.enter_context(MessagesServer())
    bare, attached = _anthropic(server)
    runner, client = stack.enter_context(asyncio.Runner()), _async_client(server)
    stack.callback(lambda: runner.run(client.close()))
    count = plan.size(1_000, 30)
    for workers in plan.some(10, 50):
        with (
            ThreadPoolExecutor(workers) as pool,
            Fan(workers, timeout=TIMEOUT) as fan,
            Fan(workers, timeout=TIMEOUT, retry=3, rate=RATE) as limited,
        ):
            works: dict[str, Callable[[], object]] = {
                STANDARD: lambda: exhaust(pool.map(bare, range(count))),
                "asyncio": partial(_gathered, runner, client, workers, count),
                OURS: partial(fan.run, attached, range(count)),
                LIMIT: partial(limited.run, attached, range(count)),
            }
            samples = harness.race({name: partial(_rate, work, count) for name, work in works.items()}, plan.rounds)
        found = harness.medians(samples)
        yield Figure(
            f"anthropic, {workers} at once, {count:,} calls",
            "a second",
            {name: rate for name, rate in found.items() if not name.startswith("Fan.")},
            least=True,
            note=f"{workers} at once, with a retry and a rate limit: {found[LIMIT]:,.0f} a second",
        )


def _rate(work: Callable[[], object], count: int) -> float:
    return count / harness.seconds(work)


def _async_client(server: MessagesServer) -> anthropic.AsyncAnthropic:
    import anthropic

    http = anthropic.DefaultAsyncHttpxClient(mounts={"all://127.0.0.1": None})
    return anthropic.AsyncAnthropic(base_url=server.url, api_key="test", max_retries=0, http_client=http)


def _gathered(runner: asyncio.Runner, client: anthropic.AsyncAnthropic, workers: int, count: int) -> None:
    left = iter(range(count))

    async def worker() -> None:
        for _ in left:
            await client.messages.create(**QUESTION)

    async def work() -> None:
        await asyncio.gather(*(worker() for _ in range(workers)))

    runner.run(work())
