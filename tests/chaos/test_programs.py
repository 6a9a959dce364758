"""Faults of a whole process, each in a program of its own: no descriptor left, a sudden end, other schedulers."""

import importlib.util
import os
import shutil
import subprocess
import sys

import pytest

from support.controlled import run_program

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="limits and signals of other systems are others")


def test_no_descriptor_is_left():
    """Calls that find none fail with the system's error, no other is lost, and all goes on once there are some."""
    program = """
import errno, resource, socket, threading
from threadfan import Fan, RateLimit
from threadfan.clients import subprocess
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
barrier = threading.Barrier(8)

def greedy(item):
    barrier.wait(20)
    found = []
    try:
        for _ in range(12):
            found.append(socket.socket())
        return item
    finally:
        barrier.wait(20)  # nobody lets go before all have tried
        for one in found:
            one.close()

def start(item):
    found = []
    try:
        while True:
            found.append(socket.socket())
    except OSError:
        pass
    try:
        return subprocess.run(["true"], timeout=20).returncode
    finally:
        for one in found:
            one.close()

for options in ({}, {"timeout": 60}, {"rate": RateLimit(600_000, burst=99)}):
    with Fan(8, **options) as fan:
        report = fan.run(greedy, range(8))
        kinds = {outcome.value if outcome.ok else outcome.error.errno for outcome in report}
        assert errno.EMFILE in kinds and kinds <= {*range(8), errno.EMFILE}, kinds
        assert fan.submit(start, 1).exception(30).errno == errno.EMFILE
        assert fan.run(lambda item: socket.socket().close(), range(50)).ok
        assert subprocess.run(["true"]).returncode == 0
print("well")
"""
    assert run_program(program)[0] == "well\n"


def test_a_call_that_ends_the_process(tmp_path):
    """``os._exit`` ends it at once, whatever waits; what a journal had is there, and the rest is called next time."""
    program = """
import os, sys
from threadfan import Fan
called = []
def call(item):
    if item == 5 and sys.argv[1:] == ["first"]:
        os._exit(7)
    called.append(item)
    return item
with Fan(1, timeout=60) as fan:
    report = fan.run(call, range(9), journal="journal", version="1")
print(called, report.unwrap() == list(range(9)))
"""
    ends = [
        subprocess.run(
            [sys.executable, "-P", "-c", program, time],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            timeout=120,
            cwd=tmp_path,
            check=False,
        )
        for time in ("first", "second")
    ]
    assert (ends[0].returncode, ends[0].stdout) == (7, "")
    assert (ends[1].returncode, ends[1].stdout) == (0, "[5, 6, 7, 8] True\n"), ends[1].stderr


@pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed")
def test_uvloop():
    """Batches, calls, timeouts and cancels under another event loop."""
    program = """
import asyncio, threading, uvloop
from threadfan import Fan, sleep
def call(item):
    if item == 3:
        raise ValueError
    if item == 4:
        sleep(600)
    return item
async def main():
    async with Fan(4, retry=1) as fan:
        timed = fan.with_options(timeout=0.1)
        print([outcome.status for outcome in await timed.arun(call, range(3, 5))])
        print(sorted([outcome.value async for outcome in fan.astream(call, range(3))]))
        print(await asyncio.gather(fan.call(call, 1), fan.call(call, 3), return_exceptions=True))
        begun = threading.Event()
        running = asyncio.ensure_future(fan.arun(lambda _: (begun.set(), sleep(600)), range(4)))
        await asyncio.to_thread(begun.wait, 20)
        running.cancel()
        try:
            await running
        except asyncio.CancelledError as error:
            print({outcome.status for outcome in error.report})
uvloop.run(main())
"""
    assert run_program(program)[0].splitlines() == [
        "['failed', 'timed_out']",
        "[0, 1, 2]",
        "[1, ValueError()]",
        "{'cancelled'}",
    ]


@pytest.mark.skipif(importlib.util.find_spec("gevent") is None, reason="gevent is not installed")
def test_gevent():
    """A program whose threads are greenlets: calls run, fail and time out."""
    program = """
from gevent import monkey
monkey.patch_all()
import time
from threadfan import Fan, TaskTimeout
def call(item):
    time.sleep(0.001)
    return 1 / item
with Fan(4) as fan:
    print([outcome.status for outcome in fan.run(call, range(3))])
    print(sum(outcome.ok for outcome in fan.stream(call, range(9))))
    print(type(fan.with_options(timeout=0.05).submit(time.sleep, 1).exception(20)).__name__)
"""
    assert run_program(program, "-W", "ignore")[0].splitlines() == [
        "['failed', 'succeeded', 'succeeded']",
        "8",
        "TaskTimeout",
    ]


def _lossy(command):
    """The command in a network of its own, which loses and reorders packets."""
    setup = "ip link set lo up && tc qdisc add dev lo root netem delay 3ms 2ms loss 5% reorder 25%"
    return ["unshare", "-n", "sh", "-c", f'{setup} && exec "$@"', "sh", *command]


def test_lost_and_reordered_packets():
    """Requests of an attached client come late, and each has its own answer."""
    if not all(map(shutil.which, ("unshare", "ip", "tc"))):
        pytest.skip("there is no unshare, ip or tc here")
    tried = subprocess.run(_lossy(["true"]), capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no network of its own that loses packets can be had here: {tried.stderr.strip()}")
    program = """
import requests
from threadfan import Fan, attach
from threadfan.testing import MessagesServer
session = attach(requests.Session())
session.trust_env = False
with MessagesServer() as server, Fan(8, timeout=60, retry=2) as fan:
    report = fan.run(lambda item: session.get(f"{server.url}/echo?x={item}").json(), range(100))
session.close()
print(report.unwrap() == [{"x": str(item)} for item in range(100)])
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = _lossy([sys.executable, "-P", "-c", program])
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.stdout == "True\n", done.stderr
