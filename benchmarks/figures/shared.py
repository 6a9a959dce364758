"""A limit that four processes share, beside one that has it alone: how much is used, what is refused, who gets it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmarks import limiters, peers
from benchmarks.figures.limits import kinds
from benchmarks.harness import OURS, Figure, Goal
from benchmarks.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Plan
    from threadfan.testing import Limits, MessagesServer

PROCESSES = 4
CALL = 0.05  # seconds
SPAN = 12.0  # seconds
RUN_IN = 0.5  # seconds; the span begins with the first request that reaches the server
ROUNDS = 3
ALONE = "one process, not shared"
USED, REFUSED, SPREAD = Goal(95.0, least=True), Goal(1.0), Goal(10.0)


def measure(plan: Plan) -> Iterator[Figure]:
    """Three figures for each kind of server and each place: limit used, requests refused, spread of the processes."""
    if not peers.has("requests", "starlette", "uvicorn"):
        return
    from threadfan.testing import MessagesServer

    span = plan.size(int(SPAN), 1)
    with MessagesServer() as server, TemporaryDirectory() as folder, ExitStack() as stack:
        places = _places(folder, stack, plan)
        for kind, limits, burst in kinds()[: plan.size(3, 1)]:
            trials: dict[str, list[tuple[float, float, float]]] = {name: [] for name in (*places, ALONE)}
            for turn in range(plan.size(min(plan.rounds, ROUNDS), 1)):
                for place, url in places.items():
                    name = f"{url}{turn}{kind.replace(' ', '')}.db" if place == "SQLite" else f"{url}/{turn}"
                    trials[place].append(_trial(server, limits, burst, span, name, PROCESSES))
                trials[ALONE].append(_trial(server, limits, burst, span, "-", 1))
            for place in places:
                yield from _figures(f"{kind}, {place}: ", trials[place], trials[ALONE])


def _places(folder: str, stack: ExitStack, plan: Plan) -> dict[str, str]:
    """Where a limit is kept, as far as this machine has it: the beginning of each address."""
    places = {"SQLite": f"sqlite:///{folder}/"}
    if shutil.which("redis-server") and not plan.quick:
        try:
            import redis  # noqa: F401
        except ImportError:
            return places
        places["Redis"] = stack.enter_context(_redis(folder))
    return places


@contextmanager
def _redis(folder: str) -> Iterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.01)
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.terminate()


def _trial(
    server: MessagesServer, limits: Limits, burst: int, span: float, place: str, number: int
) -> tuple[float, float, float]:
    """What one run has come to, in percent: of what is allowed, of all requests, and of the least share."""
    server.reset()
    server.configure(limits=limits)
    figures = (limiters.PER_MINUTE, burst, span + RUN_IN, CALL)
    command = [sys.executable, "-m", "benchmarks.children.sharing", server.url, place, *map(str, figures)]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env={**os.environ, "PYTHONPATH": path},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for _ in range(number)
        ]
        for process in processes:
            _read(process)
        begun = time.monotonic()
        for process in processes:
            stdin: Any = process.stdin
            stdin.write(f"{begun}\n")
            stdin.flush()
        shares: list[int] = [json.loads(_read(process)) for process in processes]
    permits = server.permits()
    counted = [accepted for moment, accepted in permits if moment - permits[0][0] < span]
    accepted = sum(counted)
    return (
        100 * accepted / int(limits.allowed(span)),
        100 * (1 - accepted / len(counted)),
        100 * (max(1, *shares) / max(1, min(shares)) - 1),
    )


def _read(process: subprocess.Popen[str]) -> str:
    stdout: Any = process.stdout
    line: str = stdout.readline()
    if not line:
        raise RuntimeError(f"a process that shares a limit ended with status {process.wait()}")
    return line


def _figures(
    where: str, shared: list[tuple[float, float, float]], alone: list[tuple[float, float, float]]
) -> Iterator[Figure]:
    used, refused, spread = ([trial[place] for trial in shared] for place in range(3))
    used_alone, refused_alone, _ = ([trial[place] for trial in alone] for place in range(3))
    told = ", ".join(f"{one:.1f} % / {two:.1f} % / {three:.0f} %" for one, two, three in shared)
    by_itself = ", ".join(f"{one:.1f} % / {two:.1f} %" for one, two, _ in alone)
    share = median(one / other for one, other in zip(used, used_alone, strict=True))
    yield Figure(
        f"{where}accepted, of what is allowed",
        "%",
        {OURS: median(used), ALONE: median(used_alone)},
        goal=USED,
        least=True,
        note=f"{where}{told} (of the limit / 429 / spread); {ALONE}: {by_itself}; {share:.2f} of it",
    )
    yield Figure(f"{where}requests refused", "%", {OURS: median(refused), ALONE: median(refused_alone)}, goal=REFUSED)
    yield Figure(f"{where}most to least of the processes", "%", {OURS: median(spread)}, goal=SPREAD)
