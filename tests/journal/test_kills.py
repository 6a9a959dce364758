"""A process that is killed at any moment loses nothing that it has said to be done, and a second run goes on there.

``THREADFAN_KILLS=200`` kills as often; by default a handful, at moments that the seed gives that is printed.
``THREADFAN_SHARED=5000`` is how many items two processes share; by default fewer.
"""

import os
import random
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from support.calls_counted import ROOT, CountingServer, drain, ended, kill, start
from support.controlled import until
from threadfan import Report

KILLS = int(os.environ.get("THREADFAN_KILLS", "5"))
SEED = int(os.environ.get("THREADFAN_SEED", str(random.randrange(10**6))))
SHARED = int(os.environ.get("THREADFAN_SHARED", "1000"))
WORKERS = 8
DELAY = 0.006 if KILLS > 50 else 0.0  # of an answer: else all is done before it was ended so often

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")


def stored(path):
    """The places that the journal has results for, in order, as a program without this library sees them."""
    with closing(sqlite3.connect(path)) as database:
        return [place for (place,) in database.execute("SELECT place FROM results ORDER BY place")]


@pytest.mark.timeout(60 + 5 * KILLS)
@pytest.mark.parametrize("way", ["run", "stream"])
@pytest.mark.parametrize(("end", "cost"), [(kill, WORKERS), (drain, 0)])
def test_ended_at_random_moments(tmp_path, way, end, cost):
    """Every item succeeds exactly once in the journal.

    A kill costs no more calls than there are workers; what is told to end costs none.
    """
    path, items, moments = tmp_path / "run.db", 2000, random.Random(SEED)
    kills, out = 0, None
    with CountingServer(DELAY) as server:
        while out is None:
            child = start(path, server, items, WORKERS, way)
            ahead = server.calls.total() + moments.randrange(max(1, items // KILLS))
            if kills < KILLS and ahead < items and server.wait_for(ahead):
                time.sleep(moments.random() * 0.002)  # a hammer: the moment is what varies
                end(child)
                kills += 1
            else:
                out = ended(child)
        print(f"THREADFAN_SEED={SEED}: ended {kills} times, {server.calls.total()} calls")
        assert stored(path) == list(range(items))
        assert set(server.calls) == set(range(items))
        assert server.calls.total() <= items + kills * cost
    assert out.split() == [str(items * (items - 1)), str(items)]
    assert kills


FAILING = """
import sys, threading
from threadfan import Fan

def some(item):
    if item == 0:
        raise LookupError("not there")
    threading.Event().wait()

with Fan(2) as fan:
    WAY
"""


@pytest.mark.parametrize("way", ["fan.run(some, [0, 1], journal=PATH)", "list(fan.stream(some, [0, 1], journal=PATH))"])
def test_what_had_failed_before_a_kill(tmp_path, way):
    """It is in the journal, for a page that is made of it."""
    path = tmp_path / "run.db"
    program = FAILING.replace("WAY", way).replace("PATH", repr(str(path)))
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", program], env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE
    )

    def failed():
        with closing(sqlite3.connect(path)) as database:
            return database.execute("SELECT * FROM sqlite_master WHERE name = 'failures'").fetchall() and (
                database.execute("SELECT * FROM failures").fetchall()
            )

    until(path.exists)
    until(failed)
    kill(child)
    report = Report.load(path)
    assert [(outcome.index, outcome.status, str(outcome.error)) for outcome in report] == [(0, "failed", "not there")]
    assert report[0].duration is not None


@pytest.mark.parametrize("way", ["run", "stream"])
def test_two_processes_share_the_work(tmp_path, way):
    """With one journal they call no item twice, and both have all results."""
    path, items = tmp_path / "run.db", SHARED
    with CountingServer() as server:
        children = [start(path, server, items, WORKERS, way) for _ in range(2)]
        outs = [ended(child).split() for child in children]
        assert set(server.calls) == set(range(items))
        assert server.calls.most_common(1)[0][1] == 1
    assert outs == [[str(items * (items - 1)), str(items)]] * 2
    assert not (tmp_path / "run.db-claims").exists()


@pytest.mark.parametrize("way", ["run", "stream"])
def test_one_of_two_processes_is_killed(tmp_path, way):
    """The other goes on with what that one had under way, and has all results."""
    path, items = tmp_path / "run.db", SHARED
    with CountingServer() as server:
        children = [start(path, server, items, WORKERS, way) for _ in range(2)]
        assert server.wait_for(SHARED // 3)
        kill(children[0])
        out = ended(children[1]).split()
        assert stored(path) == list(range(items))
        assert server.calls.total() <= items + WORKERS
    assert out == [str(items * (items - 1)), str(items)]
