"""Prints how often the threads of a pool wake up while it has nothing to do: ``footprint CONTENDER SECONDS``."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Executor

TASKS = Path("/proc/self/task")
CALLS, WORKERS = 100, 8


def wakeups() -> int | None:
    """How often threads of this process but this one have gone on after a wait; None if the system does not say."""
    if not TASKS.exists():
        return None
    own = str(os.getpid())  # the main thread's
    switches = 0
    for task in TASKS.iterdir():
        if task.name != own:
            switches += sum(map(int, re.findall(r"ctxt_switches:\s+(\d+)", (task / "status").read_text())))
    return switches


def main(contender: str, seconds: float) -> dict[str, float | None]:
    """Of a pool that has made some calls, with everything on, and then rests."""
    if contender == "threadfan":
        from threadfan import Fan, RateLimit

        pool: Executor = Fan(WORKERS, timeout=0.5, retry=2, rate=RateLimit(600_000, burst=1))
    else:
        from concurrent.futures import ThreadPoolExecutor

        pool = ThreadPoolExecutor(WORKERS)
    for future in [pool.submit(int) for _ in range(CALLS)]:
        future.result()
    time.sleep(1.0)  # the timeouts are over, and threads that linger have gone
    before, begun = wakeups(), time.process_time()
    time.sleep(seconds)
    after, used = wakeups(), time.process_time() - begun
    pool.shutdown()
    return {"wakeups": None if after is None or before is None else after - before, "processor": used}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], float(sys.argv[2]))))
