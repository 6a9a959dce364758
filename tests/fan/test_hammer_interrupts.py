"""Hammer: real signals, whose handlers raise, at random moments of the main thread.

``THREADFAN_HAMMER=10`` in the environment makes it ten times as many interrupts.
"""

import os

import pytest

from support.controlled import run_program

INTERRUPTS = int(200 * float(os.environ.get("THREADFAN_HAMMER", "1")))

PROGRAM = """
import random, signal, sys, threading, time
from concurrent.futures import wait
from threadfan import Fan, RateLimit, task

class Alarm({base}):
    pass

armed = [False]
def handler(*_):
    if armed[0]:
        armed[0] = False
        raise Alarm
signal.signal(signal.SIGALRM, handler)
draw = random.Random({seed})
made = [0]
def tool(item):
    made[0] += 1
    return item

WAYS = {{
    "submit": lambda fan: [future.result() for future in [fan.submit(tool, k) for k in range(20)]],
    "run": lambda fan: fan.run(tool, range(20)),
    "run_of_a_generator": lambda fan: fan.run(tool, (k for k in range(20))),
    "gather": lambda fan: fan.gather(*[task(tool, k) for k in range(20)]),
    "map": lambda fan: list(fan.map(tool, range(20))),
    "stream": lambda fan: list(fan.stream(tool, (k for k in range(20)), ordered=True)),
    "pipeline": lambda fan: fan.pipeline(tool, tool).run(range(10)),
}}
OPTIONS = {options}
use = WAYS[{way!r}]
fan = Fan(4, **OPTIONS)
begun = time.perf_counter()
for _ in range(10):
    use(fan)
usual = (time.perf_counter() - begun) / 10
struck = 0
while struck < {number}:
    if draw.random() < 0.2:
        fan.shutdown()
        fan = Fan(4, **OPTIONS)
    made[0], error = 0, None
    try:
        try:
            armed[0] = True
            signal.setitimer(signal.ITIMER_REAL, max(1e-5, draw.random() * usual))
            use(fan)
        finally:
            armed[0] = False
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Alarm as alarm:
        struck, error = struck + 1, alarm
    report = getattr(error, "report", None)
    if report is not None and any(outcome is None for outcome in report):
        sys.exit("an outcome is missing")
    meeting = threading.Barrier(4)
    futures = [fan.submit(meeting.wait, 20) for _ in range(4)]
    if wait(futures, timeout=20).not_done or any(future.exception() for future in futures):
        sys.exit(f"slots are lost: {{fan.snapshot()}}")
closer = threading.Thread(target=fan.shutdown, daemon=True)
closer.start()
closer.join(20)
print("hangs at its close" if closer.is_alive() else "all slots are there")
"""
OPTIONS = {"plain": "{}", "policies": "dict(retry=1, timeout=20, rate=RateLimit(requests_per_minute=6e6, burst=1000))"}
WAYS = ["submit", "run", "run_of_a_generator", "gather", "map", "stream", "pipeline"]


@pytest.mark.parametrize("base", ["KeyboardInterrupt", "Exception"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("way", WAYS)
def test_no_interrupt_loses_a_slot(way, options, base):
    """Whatever a handler raises and wherever it strikes: the fan serves four calls at once afterwards, and closes."""
    number = max(3, INTERRUPTS // (2 * len(WAYS)))
    program = PROGRAM.format(way=way, options=options, base=base, number=number, seed=len(way))
    out, _ = run_program(program, timeout=100)
    assert out.endswith("all slots are there\n")
