"""SIGTERM drains, where a program asks for it: what runs is finished, nothing more is begun, and the program ends."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import threadfan

ROOT = Path(__file__).parents[2]
PATIENCE = 20  # seconds
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent SIGTERM there")

HEAD = """
import asyncio, os, signal, sys, threading, time
import threadfan, threadfan.patterns
from threadfan import Fan


began, both = [], threading.Barrier(2)

def term():
    os.kill(os.getpid(), signal.SIGTERM)

def refused():
    "Return when the fan begins nothing more."
    while not fan._broken:
        time.sleep(0)
    fan.snapshot()  # it has the lock when that is so

def tool(item):
    began.append(item)
    if both.wait() == 0:
        term()
    refused()
    return item
"""


def ended(script, status=128 + signal.SIGTERM):
    """What a program prints that ends with this status; its calls run until no more are begun."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", HEAD + script], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    return done.stdout.splitlines()


def test_a_program_ends_when_what_runs_has_ended():
    """With the status of a shell's, and nothing on stderr; the report says what stopped it."""
    out = ended("""
threadfan.drain_on_signals()
with Fan(2) as fan:
    try:
        fan.run(tool, range(6))
    except SystemExit as error:
        print([outcome.status for outcome in error.report])
        print(error.report.stopped, type(error) is threadfan.Terminated, sorted(began))
        raise
""")
    assert out == [
        "['succeeded', 'succeeded', 'cancelled', 'cancelled', 'cancelled', 'cancelled']",
        "SIGTERM had told the program to end True [0, 1]",
    ]


ITEMS = "[0, 1, 2, 3]"
TASKS = "*(threadfan.task(tool, item) for item in [0, 1, 2, 3])"
EVERY_WAY = {
    "run": f"fan.run(tool, {ITEMS})",
    "run under a retry and a rate": f"fan.with_options(retry=2, rate=threadfan.RateLimit(9e9)).run(tool, {ITEMS})",
    "run of a generator": f"fan.run(tool, iter({ITEMS}))",
    "run with a journal": f"fan.run(tool, {ITEMS}, journal=journal())",
    "gather": f"fan.gather({TASKS})",
    "join": f"fan.join(threadfan.patterns.Collect(), {TASKS})",
    "map": f"list(fan.map(tool, {ITEMS}))",
    "stream": f"list(fan.stream(tool, {ITEMS}))",
    "ordered stream of few at once": f"list(fan.stream(tool, iter({ITEMS}), ordered=True, window=2))",
    "stream with a journal": f"list(fan.stream(tool, {ITEMS}, journal=journal()))",
    "pipeline": f"fan.pipeline(tool, print).run({ITEMS})",
    "graph": "graph().run()",
    "arun": f"asyncio.run(fan.arun(tool, {ITEMS}))",
    "agather": f"asyncio.run(fan.agather({TASKS}))",
    "astream": f"asyncio.run(read(fan.astream(tool, {ITEMS})))",
    "astream with a journal": f"asyncio.run(read(fan.astream(tool, {ITEMS}, journal=journal())))",
    "pipeline, async": f"asyncio.run(fan.pipeline(tool, print).arun({ITEMS}))",
}


def test_whatever_is_waited_for():
    """What ran has returned, and nothing was begun after it."""
    script = """
import tempfile
folder = tempfile.TemporaryDirectory()
def journal():
    return f"{folder.name}/{len(os.listdir(folder.name))}.db"
def graph():
    made = fan.graph()
    for item in [0, 1, 2, 3]:
        made.add(lambda item=item: tool(item), name=f"task{item}")
    return made
async def read(stream):
    async for outcome in stream:
        pass
for way in WAYS:
    began.clear()
    fan = Fan(2)
    with threadfan.drain_on_signals():
        try:
            way()
            print("not ended")
        except threadfan.Terminated as error:
            print(sorted(began), error.code, error.report.stopped)
    fan.shutdown()
print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)
"""
    out = ended(script.replace("WAYS", f"[{', '.join(f'lambda: {way}' for way in EVERY_WAY.values())}]"), 0)
    found = dict(zip([*EVERY_WAY, "default"], out, strict=True))
    assert found.pop("default") == "True"
    assert found == dict.fromkeys(EVERY_WAY, "[0, 1] 143 SIGTERM had told the program to end")


def test_what_running_calls_wait_for_is_begun():
    """A call that runs is finished with all that it has made, however it has made that."""
    out = ended("""
threadfan.drain_on_signals()

def one(item):
    return item + 1

def outer(item):
    began.append(item)
    term()
    refused()
    inner = fan.run(one, [10, 20]).unwrap()
    futures = [fan.submit(one, item) for item in (30, 40)]
    streamed = sorted(outcome.value for outcome in fan.stream(one, iter([50, 60])))
    return [*inner, *(future.result() for future in futures), *streamed]

with Fan(2) as fan:
    try:
        fan.with_options(max_concurrent=1).run(outer, [0, 1])
    except threadfan.Terminated as error:
        print(error.report.values(None), began)
        raise
""")
    assert out == ["[[11, 21, 31, 41, 51, 61], None] [0]"]


def test_a_main_thread_that_waits_for_none():
    """It is struck when nothing runs any more; what it hands in meanwhile is refused, what it had handed in dropped."""
    out = ended("""
threadfan.drain_on_signals()
fan, handed_in, go = Fan(2), threading.Event(), threading.Event()

def until_told(item):
    handed_in.wait()
    tool(item)
    go.wait()
    return item

futures = [fan.submit(until_told, item) for item in range(4)]
handed_in.set()
refused()
try:
    fan.submit(tool, 4)
except threadfan.Terminated as error:
    print("refused:", error)
go.set()
try:
    time.sleep(100)
finally:
    print(futures[1].result(), [future.cancelled() for future in futures], sorted(began))
""")
    assert out == ["refused: SIGTERM had told the program to end", "1 [False, False, True, True] [0, 1]"]


def test_a_strike_that_is_lost():
    """One that comes just before the main thread waits in the system ends no wait, so there is another."""
    ended("""
from threadfan._core.calls import draining

strike = draining._strike
draining._strike = lambda *args: setattr(draining, "_strike", strike)  # the first is lost
with Fan(2) as fan, threadfan.drain_on_signals():
    fan.submit(term).result()
    os.read(os.pipe()[0], 1)
""")


def test_a_program_without_calls():
    """It ends at once."""
    assert ended("threadfan.drain_on_signals()\nfan = Fan(2)\nterm()\ntime.sleep(100)") == []


def test_a_second_signal_cancels():
    """What runs, as a Ctrl-C does; the status is the same."""
    out = ended("""
threadfan.drain_on_signals(signal.SIGTERM, signal.SIGINT)

def hang(item):
    term()
    refused()
    term()
    threadfan.sleep(100)

with Fan(1) as fan:
    try:
        fan.run(hang, [0, 1])
    except threadfan.Terminated as error:
        print([outcome.status for outcome in error.report], error)
        raise
""")
    assert out == ["['cancelled', 'cancelled'] SIGTERM had told the program to end, and once more"]


def test_only_in_the_main_thread():
    """Only there can Python handle signals."""
    found = []

    def install():
        with pytest.raises(RuntimeError, match=r"drain_on_signals\(\) must be called in the main thread") as caught:
            threadfan.drain_on_signals()
        found.append(caught.value)

    thread = threading.Thread(target=install)
    thread.start()
    thread.join()
    assert found
