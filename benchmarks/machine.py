"""Where figures were measured: without it they mean nothing."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import threadfan


def describe() -> dict[str, str | int | float]:
    """The machine, the interpreter, and how busy others keep the machine."""
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0,
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}{'' if gil else ' without the GIL'}",
        "threadfan": threadfan.__version__,
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else -1.0,
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
