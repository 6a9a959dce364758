"""A thread pool for tools that block: ordered results, real timeouts, an asyncio bridge.

The floors, each importing only those below it:

    agents     a model with tools as one blocking call
    patterns   votes, races, guards, fan-out; what becomes of several answers
    fan        what users hold: Fan, views of it, its asyncio side
    flow       batches: run, stream, map, gather, join, graphs, pipelines, reports
    executor   slots, threads and sources
    events     what can be observed: structlog
    control    decisions: the scope of a call, retries, rate limits, hedging
    base       errors, time, outcomes

The upper two are imported as ``threadfan.agents`` and ``threadfan.patterns``.  ``threadfan.clients`` (one file for each
outside client, whose calls it ends in time), ``threadfan.testing`` (a loopback Messages API, a manual clock) and
``threadfan.cli`` stand beside them.
"""

from __future__ import annotations

from concurrent.futures import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    InvalidStateError,
    as_completed,
    wait,
)
from concurrent.futures import TimeoutError as TimeoutError
from concurrent.futures.thread import BrokenThreadPool

from .base.errors import (
    CallCancelled,
    FanClosed,
    LimitExhausted,
    TaskCancelled,
    TaskSkipped,
    TaskTimeout,
    ThreadsExhausted,
)
from .base.outcome import Outcome
from .control.scope import Scope, current_scope
from .fan.executor import Fan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base.attempt import Attempt
    from .base.unpicklable import Unpicklable
    from .base.usage import Usage
    from .control.adaptive import Adaptive
    from .control.hedge import Hedge
    from .control.rate import RateLimit
    from .executor.deadlines import fail_after, move_on_after
    from .executor.signals import signals
    from .executor.waiting import sleep
    from .fan.graph import Graph
    from .fan.pipeline import Pipeline
    from .flow.carried import report_of
    from .flow.graph.report import GraphReport
    from .flow.pipeline_report import PipelineReport
    from .flow.report import Report
    from .flow.stages import stage
    from .flow.stats import Stats
    from .flow.tasks import Task, task

ThreadPoolExecutor = Fan
"""The drop-in name: in a legacy script only the module in the import changes."""

__version__ = "0.1.0"

__all__ = [
    # the pool
    "Adaptive",
    "Fan",
    "Graph",
    "Hedge",
    "Pipeline",
    "RateLimit",
    "ThreadPoolExecutor",
    "stage",
    "task",
    # what comes back
    "Attempt",
    "GraphReport",
    "Outcome",
    "PipelineReport",
    "Report",
    "Stats",
    "Task",
    "Unpicklable",
    "Usage",
    "report_of",
    # inside a call
    "CallCancelled",
    "Scope",
    "current_scope",
    "fail_after",
    "move_on_after",
    "sleep",
    # around a program
    "signals",
    # errors
    "FanClosed",
    "LimitExhausted",
    "TaskCancelled",
    "TaskSkipped",
    "TaskTimeout",
    "ThreadsExhausted",
    # the standard library's, for drop-in use
    "ALL_COMPLETED",
    "FIRST_COMPLETED",
    "FIRST_EXCEPTION",
    "BrokenExecutor",
    "BrokenThreadPool",
    "CancelledError",
    "Executor",
    "Future",
    "InvalidStateError",
    "TimeoutError",
    "as_completed",
    "wait",
]

_ON_FIRST_USE = {
    "Adaptive": "control.adaptive",
    "Hedge": "control.hedge",
    "Attempt": "base.attempt",
    "Graph": "fan.graph",
    "GraphReport": "flow.graph.report",
    "Pipeline": "fan.pipeline",
    "PipelineReport": "flow.pipeline_report",
    "RateLimit": "control.rate",
    "Report": "flow.report",
    "Stats": "flow.stats",
    "stage": "flow.stages",
    "Task": "flow.tasks",
    "task": "flow.tasks",
    "Unpicklable": "base.unpicklable",
    "Usage": "base.usage",
    "report_of": "flow.carried",
    "fail_after": "executor.deadlines",
    "move_on_after": "executor.deadlines",
    "signals": "executor.signals",
    "sleep": "executor.waiting",
}


if not TYPE_CHECKING:  # type checkers, who read the imports above, would take any name for one of the package

    def __getattr__(name):
        if name not in _ON_FIRST_USE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = globals()[name] = getattr(import_module(f".{_ON_FIRST_USE[name]}", __name__), name)
        return value
