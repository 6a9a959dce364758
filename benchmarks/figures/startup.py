"""What an import costs a program that does nothing else."""

from __future__ import annotations

from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks import harness
from benchmarks.harness import OURS, STANDARD, Figure, Goal
from benchmarks.processes import child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Plan

IMPORTS = {STANDARD: "from concurrent.futures import ThreadPoolExecutor", OURS: "from threadfan import Fan"}
TIMED = """
import time
start = time.perf_counter()
{}
end = time.perf_counter()
import json
print(json.dumps({{"seconds": end - start}}))
"""


def measure(plan: Plan) -> Iterator[Figure]:
    """Pairs of fresh processes, which find byte code as those of an installed program do: the warm-up leaves it."""
    pairs = plan.size(30, 5)
    with TemporaryDirectory() as cache:
        samples = harness.race({name: _timed(statement, cache) for name, statement in IMPORTS.items()}, pairs)
    name = f"import in a fresh process, {pairs} pairs"
    yield Figure(name, "ms", harness.medians(samples, 1e3), harness.ratios(samples), Goal(1.3))


def _timed(statement: str, cache: str) -> Callable[[], float]:
    def measure_once() -> float:
        code = TIMED.format(statement)
        report, _ = child("-c", code, PYTHONPYCACHEPREFIX=cache, PYTHONDONTWRITEBYTECODE="")
        return float(report["seconds"])

    return measure_once
