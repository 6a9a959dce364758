"""The mode that watches the engine (see ``support.checked``) finds nothing wrong, and finds what is planted."""

import pytest

from support.checked.held_locks import demanding
from support.controlled import run_program

WATCHED = """
from support import checked
checked.install()
from support.controlled import Gate, until
from threadfan import Fan
from threadfan._core.pool.work_queue import here

{}
for fault in checked.faults():
    print(fault.splitlines()[0])
"""


def found(program):
    """The first lines of what is wrong in a program."""
    return run_program(WATCHED.format(program))[0].splitlines()


def test_calls_of_all_kinds_find_their_locks_held_and_move_as_they_may():
    """Batches, single and nested calls, timeouts, retries, limits, hedging, graphs and pipelines."""
    assert found("from support.nested_locks import use_all\nuse_all()") == []


def test_what_demands_a_lock():
    """A name, a sentence of the docstring, or the heading above, unless that or the docstring says otherwise."""
    source = '''
class Some:
    def plain(self):
        """Do what was decided under the lock."""

    def told(self):
        """Do it.  With the scheduler's lock held."""

    def named_locked(self):
        pass

    # -- some: with the lock held, but for ``free`` -------------------

    def below(self):
        pass

    def free(self):
        pass

    def exempt(self):
        """Do it.  Without the lock."""

    # -- others ------------------------------------------------------

    def after(self):
        pass


def alone(some):
    """Call with the lock held."""
'''
    assert list(demanding(source)) == ["Some.told", "Some.named_locked", "Some.below", "alone"]


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("fan._scheduler.quiet()", "Scheduler.quiet"),
        ("fan._scheduler.run_queue.has_work()", "RunQueue.has_work"),
        ("fan._scheduler.crew.hand_out([])", "Crew.hand_out"),
    ],
)
def test_a_lock_that_is_missing_is_found(call, name):
    """With the lock held nothing is wrong; without it the function is named, whether or not its object knows which."""
    assert found(f"with Fan(1) as fan:\n    {call}")[0].startswith(f"{name} was called without ")
    assert found(f"with Fan(1) as fan, fan._scheduler.lock:\n    {call}") == []


IN_A_SESSION = """fan.submit(gate, 1); gate.wait_for(1)
    claim = next(iter(fan._scheduler.at_work)).claim
    later = fan.submit(int); later.queue.entries.clear()
    claim[later] = 0, 0, 0; claim.pop(later)"""

PLANTED = {
    "is put into its queue a second time": (
        "fan.submit(gate, 1); later = fan.submit(gate, 2); later.queue.entries.append(later)",
        "a call that was waiting for a slot is waiting for a slot",
    ),
    "is run without having been taken": (
        IN_A_SESSION,
        "a call that was waiting for a slot is running",
    ),
    "waits again although it is over": (
        "over = fan.submit(int); over.result(); queue = over.queue; queue.entries.append(over); queue.entries.clear()",
        "a call that was over is waiting for a slot",
    ),
    "ends twice": (
        "over = fan.submit(int); over.result(); until(lambda: over.fn is None); over.forget()",
        "a call that was over is over",
    ),
    "ends twice in a batch": (
        "from threadfan._core.calls.collector import Collector; some = Collector(2).results; some[1] = 1; some[1] = 2",
        "a call of a batch has two ends: 1 and 2",
    ),
}


@pytest.mark.parametrize(("program", "expected"), PLANTED.values(), ids=PLANTED)
def test_an_impossible_move_is_found(program, expected):
    """A call that is somewhere it cannot come to from where it was."""
    first, *_ = found(f"with Fan(1) as fan, Gate() as gate:\n    {program}\n    gate.open()")
    assert first.startswith(expected)
