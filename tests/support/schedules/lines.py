"""Each line of the files under test is a point of choice, as code without a lock may be interrupted at any of them.

Without a GIL so is each instruction.  With one, threads change at calls and at the turns of loops alone, and some code
relies on that two looks at one line are one to others; it is other code where there is none.
"""

import inspect
import sys
from _thread import get_ident
from contextlib import contextmanager
from importlib import import_module

import pytest

from threadfan._core.base.locks import GIL

from .schedule import Schedule

only_where_lines_are_told = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="CPython 3.11 has no sys.monitoring, and a trace function that raises may spin"
)
TOOL = 4  # of ``sys.monitoring``; any that no debugger, profiler or coverage takes

UNDER_TEST = {
    "base": "clock helpers locks threads",
    "pool": (
        "callbacks call_scope crew deadline_timer decisions expiry lending run_queue scheduler shutdown slots "
        "starts work_queue worker working"
    ),
    "calls": (
        "attempts backlog barring batch call_queue collector endings ends first_attempts first_call_loop "
        "first_call_queue first_calls future future_waiters hedging idle input_batch input_calls inputs "
        "keyed_batch keyed_inputs keyed_policies lane_backlog lanes lazy_future lookout policies policy_queue "
        "policy_queues reader registry room shared_calls short_waits steering verdicts"
    ),
    "limits": "permits rate_waitlist waitlist",
    "scope": "abort alarms scope waiting",
    "batches": (
        "conduct early_end halting mapping pieces reading run running stopper stopping stream task_group "
        "text_stream window"
    ),
    "fan": "run",
}
"""Files of ``threadfan._core``: where threads meet."""


def codes(*functions, engine):
    """The code of functions, and of all that is in the files under test if ``engine``."""
    found = set()
    for function in functions:
        _add(found, inspect.unwrap(function).__code__)
    if engine:
        for folder, name in ((folder, name) for folder, names in UNDER_TEST.items() for name in names.split()):
            module = import_module(f"threadfan._core.{folder}.{name}")
            for thing in vars(module).values():
                if getattr(thing, "__module__", None) == module.__name__:
                    for part in vars(thing).values() if inspect.isclass(thing) else [thing]:
                        _add_all(found, part)
    return found


def _add_all(found, part):
    parts = [part.fget, part.fset] if isinstance(part, property) else [getattr(part, "__func__", part)]
    for function in parts:
        if inspect.isfunction(function):
            _add(found, inspect.unwrap(function).__code__)


def _add(found, code):
    found.add(code)
    for constant in code.co_consts:
        if inspect.iscode(constant):
            _add(found, constant)


if sys.version_info >= (3, 12):
    _events = sys.monitoring.events
    _EACH = _events.LINE if GIL else _events.INSTRUCTION

    def _reached(code, place):
        schedule = Schedule.on
        if schedule is not None and schedule.ident == get_ident():
            schedule.steps += 1
            if schedule.steps >= schedule.next_look:
                schedule.look()

    @contextmanager
    def watched(found):
        """A block in which each line of this code is a point of choice."""
        sys.monitoring.use_tool_id(TOOL, "schedules")
        sys.monitoring.register_callback(TOOL, _EACH, _reached)
        try:
            for code in found:
                sys.monitoring.set_local_events(TOOL, code, _EACH)
            yield
        finally:
            for code in found:
                sys.monitoring.set_local_events(TOOL, code, 0)
            sys.monitoring.register_callback(TOOL, _EACH, None)
            sys.monitoring.free_tool_id(TOOL)
