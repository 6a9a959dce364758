"""A mode of the tests in which the engine is watched: ``THREADFAN_CHECKED=1 pytest …``.

Whoever calls a function that demands a lock has to hold it (``held_locks``), and no call moves from a state to one that
cannot follow (``call_states``).  What is wrong fails the test in which it happened; it is noted and not raised, since
much of the engine catches what is raised there.  ``tests/test_checked.py`` has calls of all kinds run under it always.
"""

import sys
import traceback

_faults = []


def fault(what):
    """Note that something is wrong, and who has done it."""
    stack = "".join(traceback.format_stack(sys._getframe(2), limit=8))
    _faults.append(f"{what}\n{stack}")


def faults():
    """What was wrong since this was asked last."""
    found = _faults[:]
    del _faults[: len(found)]
    return found


def install():
    """Watch the engine from now on, in this process."""
    from . import call_states, held_locks

    held_locks.install()
    call_states.install()
