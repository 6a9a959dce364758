"""Real work that blocks: one call after another, and in threads."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import harness, peers, pools
from benchmarks.harness import OURS, STANDARD, Figure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Plan
    from threadfan.testing import MessagesServer

    Kind = tuple[str, Callable[[int], object]]

WORKERS = 10
ONE_BY_ONE = "one after another"
BLOCK = 0.05  # seconds that a call of every kind but files blocks


def measure(plan: Plan) -> Iterator[Figure]:
    """Speed-ups, with the seconds that they come from."""
    count, rounds = plan.size(40, 3), plan.size(min(plan.rounds, 3), 1)
    with ExitStack() as stack:
        run, mapping = stack.enter_context(_pools())
        for kind, call in _kinds(stack):
            samples = harness.race(_ways(run, mapping, call, range(count)), rounds)
            inverse = harness.ratios(samples, ONE_BY_ONE)
            taken = harness.medians(samples)
            yield Figure(
                f"{kind}: speed-up of {count} calls on {WORKERS} workers",
                "x",
                {name: 1 / inverse[name] for name in (STANDARD, OURS)},
                least=True,
                note=f"{kind}: " + ", ".join(f"{name} {seconds:.3f} s" for name, seconds in taken.items()),
            )


def _ways(
    run: pools.Mapping, mapping: pools.Mapping, call: Callable[[int], object], items: range
) -> dict[str, Callable[[], float]]:
    return {
        ONE_BY_ONE: lambda: harness.seconds(lambda: [call(item) for item in items]),
        STANDARD: lambda: harness.seconds(lambda: mapping(call, items)),
        OURS: lambda: harness.seconds(lambda: run(call, items)),
    }


@contextmanager
def _pools() -> Iterator[tuple[pools.Mapping, pools.Mapping]]:
    with pools.fan_run(WORKERS) as run, pools.standard(WORKERS) as mapping:
        yield run, mapping


def _kinds(stack: ExitStack) -> Iterator[Kind]:
    """The kinds of work that this installation allows."""
    yield "sleep", lambda _: time.sleep(BLOCK)
    yield "subprocess", _subprocess
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    yield "files", lambda number: _file(directory / str(number))
    if not peers.has("starlette", "uvicorn"):
        return
    from threadfan.testing import MessagesServer

    server = stack.enter_context(MessagesServer(latency=BLOCK))
    if peers.has("requests"):
        yield "requests", _requests(f"{server.url}/slow?seconds={BLOCK}")
    if peers.has("anthropic"):
        yield "anthropic", _anthropic(server)


def _subprocess(_: int) -> None:
    sleep = shutil.which("sleep")
    command = [sleep, str(BLOCK)] if sleep else [sys.executable, "-c", f"import time; time.sleep({BLOCK})"]
    subprocess.run(command, check=True)


def _file(path: Path) -> bytes:
    with path.open("wb") as file:
        file.write(b"." * 64_000)
        file.flush()
        os.fsync(file.fileno())
    return path.read_bytes()


def _requests(url: str) -> Callable[[int], object]:
    import requests

    return lambda _: requests.get(url, timeout=10).json()


def _anthropic(server: MessagesServer) -> Callable[[int], object]:
    client = server.client()

    def ask(number: int) -> object:
        question: Any = {"role": "user", "content": f"question {number}"}
        return client.messages.create(model="test-model", max_tokens=100, messages=[question])

    return ask
