"""Measurements that need a process of their own: memory, imports, what happens at exit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PATIENCE = 300  # seconds; only a process that hangs for good takes longer


def child(*arguments: str, **variables: str) -> tuple[dict[str, Any], float]:
    """Runs Python and returns what it reports, and the seconds from then until the process had ended.

    Args:
        *arguments: for the interpreter.  The child prints one JSON object as it ends, with ``time.time()`` as
            ``"end"`` if it matters when that was.
        **variables: changes to the environment.

    Raises:
        RuntimeError: The child failed.
    """
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, **variables},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    ended = time.time()
    if done.returncode:
        raise RuntimeError(f"python {' '.join(arguments)} ended with status {done.returncode}: {done.stderr.strip()}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report, ended - report.get("end", ended)
