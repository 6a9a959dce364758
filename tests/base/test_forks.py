"""What begins anew in the child of a fork, and what a fork waits for."""

import os

import pytest

from support.controlled import run_program

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def run(program):
    """What a program prints; a hang of its child is an end by SIGALRM."""
    return run_program(program, "-W", "ignore", timeout=60)[0]


FORK = """
import os, signal, sys, threading

def child_ends(act):
    child = os.fork()
    if not child:
        signal.alarm(10)
        act()
        sys.stdout.flush()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


@pytest.mark.parametrize(
    ("module", "part"),
    [
        ("threadfan._core.pipeline.pipeline_run", "threadfan._core.pipeline.pipeline_run"),
        ("threadfan._core.pipeline.pipeline_run", "threadfan._core.batches.task_group"),
        ("threadfan._core.fan.aio.calls", "asyncio.events"),
        ("threadfan._core.calls.policy_queues", "threadfan._core.calls.attempts"),
        ("threadfan._core.limits.stores", "threadfan._core.limits.turns"),
        ("threadfan._core.base.transactions", "sqlite3"),
        ("threadfan.clients.subprocess", "threadfan.clients.self_pipe"),
    ],
)
def test_a_fork_waits_for_an_import_of_another_thread(module, part):
    """Wherever in its first import that thread is, the child can import the module."""
    program = f"""{FORK}
import importlib
import threadfan
begun, go = threading.Event(), threading.Event()

class Slow:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == {part!r}:
            begun.set()
            go.wait(10)

sys.meta_path.insert(0, Slow)
threading.Thread(target=importlib.import_module, args=({module!r},)).start()
assert begun.wait(10)
os.register_at_fork(before=go.set)  # done before that of the package, which was registered earlier
print(child_ends(lambda: importlib.import_module({module!r})))
"""
    pytest.importorskip(part)
    assert run(program) == "0\n"


def test_a_fork_in_an_import_waits_for_nothing():
    """A thread that forks while it imports a module itself goes on, and so does the child."""
    program = f"""{FORK}
import importlib
import threadfan

class Forking:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "threadfan._core.batches.task_group":
            sys.meta_path.remove(Forking)
            print(child_ends(lambda: None), flush=True)

sys.meta_path.insert(0, Forking)
importlib.import_module("threadfan._core.pipeline.pipeline_run")
"""
    assert run(program) == "0\n"


def test_a_fork_during_which_another_thread_imports():
    """What was not there before the fork is not taken back after it."""
    program = f"""{FORK}
import threadfan
os.register_at_fork(before=lambda: __import__("threadfan._core.base.transactions"))
print(child_ends(lambda: None))
"""
    assert run_program(program, "-W", "ignore", timeout=60) == ("0\n", "")


def test_what_is_renewed():
    """What still lives, in the child alone; one that fails does not stop the others."""
    program = f"""{FORK}
import logging
logging.disable()
from threadfan._core.base import forks

class Thing:
    def __init__(self, name):
        self.name = name
        forks.renew(self, Thing._forked)
    def _forked(self):
        told.append(self.name)
        raise RuntimeError

told, kept, dropped = [], [Thing("a"), Thing("b")], Thing("c")
forks.in_child(lambda: told.append(forks.generation))
del dropped
print(child_ends(lambda: print(told[0], sorted(told[1:]))), told, forks.generation)
"""
    assert run(program) == "1 ['a', 'b']\n0 [] 0\n"
