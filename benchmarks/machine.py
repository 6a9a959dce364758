"""Where figures were measured: without it they mean nothing."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import threadfan

GIL = bool(getattr(sys, "_is_gil_enabled", lambda: True)())


def describe() -> dict[str, str | int | float]:
    """The machine, the interpreter, and how busy others keep the machine."""
    cpu, build = _cpu(), "" if GIL else " without the GIL"
    implementation, version = platform.python_implementation(), platform.python_version()
    return {
        "cpu": cpu,
        "cores": cores(),
        "kind": f"{cpu}, {cores()} cores, {platform.system()}",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{implementation} {version}{build}",
        "interpreter": f"{implementation} {'.'.join(version.split('.')[:2])}{build}",
        "threadfan": threadfan.__version__,
        "load": load(),
    }


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0


def load() -> float:
    """How many programs have wanted to run in the last minute, on average; -1 if that is not known."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else -1.0


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
