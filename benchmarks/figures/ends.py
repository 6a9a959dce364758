"""Calls that hang and time out: how long after the timeout their threads are free again."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from queue import SimpleQueue
from shutil import which
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks import peers, stalling
from benchmarks.harness import OURS, Figure, Goal
from threadfan import CallCancelled, Fan, current_scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Plan
    from threadfan.testing import MessagesServer

    Call = Callable[[], object]
    Kind = tuple[str, Call]

CALLS = 20  # each on a thread of its own, so all of them end at the same moment
TIMEOUT = 0.2  # seconds
PATIENCE = 60.0  # seconds; a thread that is not back by then is none that ends
GOAL = 50.0  # milliseconds


def measure(plan: Plan) -> Iterator[Figure]:
    """The median, which has a goal, and the worst, for every client and every way to hang."""
    calls = plan.size(CALLS, 4)
    with ExitStack() as stack:
        for name, call in _kinds(stack):
            rounds = [_late(call, calls) for _ in range(-1, plan.rounds)][1:]  # the first is a warm-up
            late = [1e3 * seconds for found in rounds for seconds in found]
            what, note = f"{calls} calls hang in {name}: thread free", f"milliseconds after a timeout of {TIMEOUT:g} s"
            yield Figure(f"{what}, median", "ms", {OURS: median(late)}, goal=Goal(GOAL), note=note)
            yield Figure(f"{what}, worst of {len(late)}", "ms", {OURS: max(late)})


def _late(call: Call, calls: int) -> list[float]:
    """Seconds from each call's timeout until its thread has left the client.

    Raises:
        RuntimeError: A call ended in another way.
    """
    ends: SimpleQueue[tuple[float, BaseException | None]] = SimpleQueue()

    def watched(_: int) -> None:
        scope, error = current_scope(), None
        try:
            call()
        except BaseException as caught:
            error = caught
            raise
        finally:
            ends.put((scope.clock.monotonic() - scope.deadline, error))

    with Fan(calls, timeout=TIMEOUT) as fan:
        report = fan.run(watched, range(calls))
        found = [ends.get(timeout=PATIENCE) for _ in report]
    wrong = [error for _, error in found if not isinstance(error, CallCancelled)]
    if wrong or report.stats.timed_out < calls:
        raise RuntimeError(f"{report!r}: calls ended with {wrong!r} and not with CallCancelled")
    return [seconds for seconds, _ in found]


def _kinds(stack: ExitStack) -> Iterator[Kind]:
    """What calls can hang in, as far as this installation allows."""
    if peers.has("requests"):
        yield from _stalls(stack)
    if peers.has("starlette", "uvicorn"):
        from threadfan.testing import MessagesServer

        server = stack.enter_context(MessagesServer())
        if peers.has("requests"):
            session = _session(stack)
            yield "requests, no answer", lambda: session.get(f"{server.url}/hang")
            yield "requests, a byte a second", lambda: session.get(f"{server.url}/drip?bytes=1000")
        yield from _httpx(stack, f"{server.url}/hang")
        if peers.has("anthropic"):
            yield from _anthropic(server)
    if which("sleep"):
        from threadfan.clients import subprocess

        yield "the subprocess `sleep 60`", lambda: subprocess.run(["sleep", "60"])


def _stalls(stack: ExitStack) -> Iterator[Kind]:
    port = stack.enter_context(stalling.stalling())
    session = _session(stack)
    yield "requests, a body that stops", lambda: session.get(f"http://127.0.0.1:{port}/")
    if stalling.OPENSSL:
        made, key = stack.enter_context(stalling.certificate())
        secured = stack.enter_context(stalling.stalling(made, key))
        trusting = _session(stack)
        trusting.verify = str(made)
        yield "requests, a body that stops, TLS", lambda: trusting.get(f"https://localhost:{secured}/")


def _session(stack: ExitStack) -> Any:
    from threadfan.clients.requests import Session

    session = stack.enter_context(Session())
    session.trust_env = False  # the environment may name a proxy
    return session


def _httpx(stack: ExitStack, url: str) -> Iterator[Kind]:
    from threadfan.clients.httpx import attach

    for library in filter(find_spec, ("httpx", "httpx2")):
        client: Any = attach(import_module(library).Client(trust_env=False, timeout=None))
        stack.enter_context(client)
        yield f"{library}, no answer", partial(client.get, url)


def _anthropic(server: MessagesServer) -> Iterator[Kind]:
    from threadfan.clients.anthropic import attach

    client = attach(server.client())

    def request(fault: str) -> Any:
        question = {"role": "user", "content": f"What is a fan? [fault:{fault}]"}
        return {"model": "test-model", "max_tokens": 100, "messages": [question]}

    def stream(fault: str) -> object:
        with client.messages.stream(**request(fault)) as events:
            return events.get_final_message()

    yield "anthropic, no answer", lambda: client.messages.create(**request("hang"))
    yield "anthropic, a stream that does not begin", lambda: stream("hang")
    yield "anthropic, a stream with an event a second", lambda: stream("drip")
