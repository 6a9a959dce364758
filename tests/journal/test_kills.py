"""A process that is killed at any moment loses nothing that it has said to be done, and a second run goes on there.

``THREADFAN_KILLS=200`` kills as often; by default a handful, at moments that a seed gives.
"""

import os
import random
import sqlite3
import sys
import time
from contextlib import closing

import pytest

from support.calls_counted import CountingServer, ended, kill, start

KILLS = int(os.environ.get("THREADFAN_KILLS", "5"))
SEED = int(os.environ.get("THREADFAN_SEED", "13"))
WORKERS = 8

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")


def stored(path):
    """The places that the journal has results for, in order, as a program without this library sees them."""
    with closing(sqlite3.connect(path)) as database:
        return [place for (place,) in database.execute("SELECT place FROM results ORDER BY place")]


@pytest.mark.timeout(60 + 5 * KILLS)
def test_killed_at_random_moments(tmp_path):
    """Every item succeeds exactly once in the journal, and a kill costs no more calls than there are workers."""
    path, items, moments = tmp_path / "run.db", 2000, random.Random(SEED)
    kills, out = 0, None
    with CountingServer() as server:
        while out is None:
            child = start(path, server, items, WORKERS)
            ahead = server.calls.total() + moments.randrange(max(1, 2 * items // KILLS))
            if kills < KILLS and ahead < items and server.wait_for(ahead):
                time.sleep(moments.random() * 0.002)  # a hammer: the moment is what varies
                kill(child)
                kills += 1
            else:
                out = ended(child)
        assert stored(path) == list(range(items))
        assert set(server.calls) == set(range(items))
        assert server.calls.total() <= items + kills * WORKERS
    assert out.split() == [str(items * (items - 1)), str(items)]
    assert kills


def test_two_processes_share_the_work(tmp_path):
    """With one journal they call no item twice, and both have all results."""
    path, items = tmp_path / "run.db", 5000
    with CountingServer() as server:
        children = [start(path, server, items, WORKERS) for _ in range(2)]
        outs = [ended(child).split() for child in children]
        assert set(server.calls) == set(range(items))
        assert server.calls.most_common(1)[0][1] == 1
    assert outs == [[str(items * (items - 1)), str(items)]] * 2
    assert not (tmp_path / "run.db-claims").exists()


def test_one_of_two_processes_is_killed(tmp_path):
    """The other goes on with what that one had under way, and has all results."""
    path, items = tmp_path / "run.db", 5000
    with CountingServer() as server:
        children = [start(path, server, items, WORKERS) for _ in range(2)]
        assert server.wait_for(1000)
        kill(children[0])
        out = ended(children[1]).split()
        assert stored(path) == list(range(items))
        assert server.calls.total() <= items + WORKERS
    assert out == [str(items * (items - 1)), str(items)]
