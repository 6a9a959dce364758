"""A fan over a cluster of Dask's, with several worker processes on this machine: see ``support.on_dask``."""

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What was found there; in a process of its own, which Dask's threads and connections end with."""
    done = subprocess.run(
        [sys.executable, "-m", "support.on_dask", str(tmp_path_factory.mktemp("dask"))],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_calls_are_made_in_several_processes(found):
    """Three calls run at the same time in three processes, and twice as many may be under way."""
    assert found["processes"] == [3, 6]


def test_batches_are_those_of_any_fan(found):
    """Values in order, lambdas, errors of their class; equal calls are each made, though Dask would make one."""
    assert found["batches"] == [True, [1, 2, 3, 4, 5], 3, "KeyError", 3, [0, 4, 8]]


def test_a_call_that_hangs_ends_there(found):
    """At its timeout, in its process; its worker then makes other calls."""
    assert found["hanging"] == [["timed_out"] * 3, "timed_out", True, True]


def test_a_worker_that_is_killed_costs_no_call(found):
    """Every call has its outcome, and none that had ended is made again."""
    found = found["killing"]
    assert found["ended"] >= 40
    assert (found["missing"], found["wrong"], found["again"], found["never"]) == (0, [], [], [])
