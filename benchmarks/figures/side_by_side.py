"""Peers side by side, each as its documentation shows it: overhead, memory, efficiency, calls that hang, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.harness import OURS, STANDARD, Figure
from benchmarks.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Plan

MODULES = {
    OURS: "threadfan",
    STANDARD: "concurrent.futures",
    "tanda": "tanda",
    "joblib": "joblib",
    "tqdm": "tqdm",
    "mpire": "mpire",
    "pebble": "pebble",
    "more-executors": "more_executors",
    "anyio": "anyio",
    "LangChain": "langchain_core",
    "DSPy": "dspy",
    "Dask": "distributed",
}
"""Peers, and what has to be installed for each."""
PATIENCE = 120  # seconds that one measurement may take
NOT_ENDED = 20.0  # seconds after which a process that has had its Ctrl-C is killed
OVERHEAD, MEMORY, EFFICIENCY, HANG = "overhead of a call", "memory", "efficiency", "a hang: makespan"
RIGHT, EXIT, INTERRUPT = "a hang: right outcomes", "a hang: exit after it", "Ctrl-C: until the end"


def installed() -> list[str]:
    """Those that can be measured."""
    return [name for name, module in MODULES.items() if find_spec(module) is not None]


def missing() -> list[str]:
    """Those that cannot."""
    found = installed()
    return [name for name in MODULES if name not in found]


def measure(plan: Plan) -> Iterator[Figure]:
    """Each measurement in a process of its own, in an order that changes from round to round."""
    names = [STANDARD, OURS] if plan.quick else installed()
    small, large = plan.size(5_000, 50), plan.size(100_000, 500)
    rounds = min(plan.rounds, 3)
    note = f"not installed, and left out: {', '.join(missing()) or 'none'}"

    def figure(
        name: str, unit: str, found: dict[str, list[dict[str, float]]], key: str = "value", **more: Any
    ) -> Figure:
        values = {one: [report[key] for report in reports if key in report] for one, reports in found.items()}
        return Figure(name, unit, {one: median(some) for one, some in values.items() if some}, note=note, **more)

    found = _found("overhead", names, small, rounds)
    yield figure(f"{OVERHEAD}: {small:,} that do nothing, 8 workers, the pool included", "µs", found)
    yield figure(f"{MEMORY}: growth while {large:,} results are taken", "MB", _found("memory", names, large, 1))
    naps = plan.size(1_000, 20)
    found = _found("efficiency", names, naps, rounds)
    yield figure(f"{EFFICIENCY}: {naps:,} x 50 ms on 100 workers, cold: ideal ÷ actual", "%", found, least=True)
    found = _found("hang", names, 1, rounds)
    yield figure(f"{HANG}, pool closed (4 of 20 calls on 4 workers hang 5 s, timeout 0.5 s)", "s", found)
    yield figure(f"{RIGHT} of 20", "", found, "right", least=True)
    yield figure(f"{EXIT}", "s", found, "exit")
    found = {name: [{"value": _interrupted(name)} for _ in range(rounds)] for name in names}
    yield figure(f"{INTERRUPT} of the process, 4 workers in calls of 5 s, 4 more wait", "s", found)


def _found(measure: str, names: list[str], count: int, rounds: int) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names[turn:] + names[:turn]:
            found[name].append(_report(measure, name, count))
    return found


def _start(measure: str, name: str, count: int) -> subprocess.Popen[str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.children.peer", measure, name, str(count)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _report(measure: str, name: str, count: int) -> dict[str, float]:
    """What it says; nothing if it fails, or takes too long."""
    with _start(measure, name, count) as process:
        try:
            out, _ = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            return {}
    ended = time.time()
    if process.returncode:
        return {}
    report: dict[str, float] = json.loads(out.splitlines()[-1])
    if "end" in report:
        report["exit"] = ended - report.pop("end")
    return report


def _interrupted(name: str) -> float:
    """Seconds from Ctrl-C until the process has ended; 20 for one that had to be killed."""
    with _start("interrupt", name, 1) as process:
        if process.stdout is not None:
            process.stdout.readline()
        time.sleep(1.0)  # until the calls run
        begun = time.perf_counter()
        process.send_signal(signal.SIGINT)
        try:
            process.wait(NOT_ENDED)
        except subprocess.TimeoutExpired:
            process.kill()
            return NOT_ENDED
        return time.perf_counter() - begun
