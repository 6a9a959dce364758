"""A thread pool for tools that block: ordered results, real timeouts, an asyncio bridge.

A *fan* is a pool of threads, ``Fan``.  A *call* is a function with its arguments that it runs, and a *slot* the right
to have one call running; a fan has ``max_workers`` slots.

What users import is this module and ``threadfan.agents`` (a model with tools as one blocking call),
``threadfan.patterns`` (votes, races, guards, fan-out), ``threadfan.clients`` (makes the calls of other libraries'
clients end at their timeout), ``threadfan.adapters`` (fans with the interfaces of other libraries' pools),
``threadfan.testing`` (a loopback Messages API, a manual clock), ``threadfan.dropin`` (makes the executors of an
unchanged program fans) and ``threadfan.cli``.  They are built on private layers in ``threadfan/_core``, each of which
imports only those below it:

    fan        what users hold: Fan, views of it, its asyncio side
    graph, pipeline
    batches    run, stream, map, gather, join, and their reports
    calls      one call and its attempts, and the queues that calls wait in
    pool       threads and slots
    limits     who waits for a limit, and limits that processes share
    policies   numbers and verdicts: retries, rate limits, hedging
    scope      how long a call may go on: scopes, deadlines, waiting
    journal    what batches keep in a file, to be gone on with
    events     what can be observed: structlog, logging, progress
    pages      reports as pages, traces and tables
    base       errors, time, outcomes, checks of arguments
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
    wait,
)
from concurrent.futures import TimeoutError as TimeoutError
from concurrent.futures.thread import BrokenThreadPool

from ._core.fan.executor import Fan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._core.base.attempt import Attempt
    from ._core.base.errors import (
        BreakerOpen,
        CallCancelled,
        FanClosed,
        JournalError,
        LimitExhausted,
        NotStored,
        TaskCancelled,
        TaskSkipped,
        TaskTimeout,
        Terminated,
        ThreadsExhausted,
        WorkerLost,
    )
    from ._core.base.outcome import Outcome
    from ._core.base.pickling.unpicklable import Unpicklable
    from ._core.base.usage import Usage
    from ._core.batches.carried import report_of
    from ._core.batches.report import Report
    from ._core.batches.running import RunningCall
    from ._core.batches.stats import Stats
    from ._core.batches.streamed import AsyncRunStream, AsyncTextStream, RunStream, TextStream
    from ._core.batches.tasks import Task, task
    from ._core.calls.as_completed import as_completed
    from ._core.calls.draining import drain_on_signals
    from ._core.events.progress import Progress
    from ._core.fan.graph import Graph
    from ._core.fan.over.entry import over
    from ._core.fan.pipeline import Pipeline
    from ._core.fan.run import Run
    from ._core.graph.report import GraphReport
    from ._core.pipeline.report import PipelineReport
    from ._core.pipeline.stages import stage
    from ._core.policies.adaptive import Adaptive
    from ._core.policies.breaker import Breaker
    from ._core.policies.budget import Budget
    from ._core.policies.hedge import Hedge
    from ._core.policies.rate_limit import RateLimit
    from ._core.scope.deadlines import fail_after, move_on_after
    from ._core.scope.scope import Scope, current_scope
    from ._core.scope.signals import signals_as_ctrl_c
    from ._core.scope.waiting import sleep
    from .clients.attaching import attach
    from .dropin.installation import install, uninstall

ThreadPoolExecutor = Fan
"""The drop-in name: in a legacy script only the module in the import changes."""

__version__ = "0.1.0"

__all__ = [
    # the pool
    "Adaptive",
    "Breaker",
    "Budget",
    "Fan",
    "Graph",
    "Hedge",
    "Pipeline",
    "RateLimit",
    "ThreadPoolExecutor",
    "over",
    "stage",
    "task",
    # what comes back
    "AsyncRunStream",
    "AsyncTextStream",
    "Attempt",
    "GraphReport",
    "Outcome",
    "PipelineReport",
    "Progress",
    "Report",
    "Run",
    "RunStream",
    "RunningCall",
    "Stats",
    "Task",
    "TextStream",
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
    "attach",
    "drain_on_signals",
    "install",
    "signals_as_ctrl_c",
    "uninstall",
    # errors
    "BreakerOpen",
    "FanClosed",
    "JournalError",
    "LimitExhausted",
    "NotStored",
    "TaskCancelled",
    "TaskSkipped",
    "TaskTimeout",
    "Terminated",
    "ThreadsExhausted",
    "WorkerLost",
    # the standard library's, for drop-in use; `as_completed` behaves as that one does
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
    "Adaptive": "policies.adaptive",
    "Breaker": "policies.breaker",
    "Budget": "policies.budget",
    "BreakerOpen": "base.errors",
    "Hedge": "policies.hedge",
    "Attempt": "base.attempt",
    "CallCancelled": "base.errors",
    "FanClosed": "base.errors",
    "JournalError": "base.errors",
    "LimitExhausted": "base.errors",
    "NotStored": "base.errors",
    "TaskCancelled": "base.errors",
    "TaskSkipped": "base.errors",
    "TaskTimeout": "base.errors",
    "Terminated": "base.errors",
    "ThreadsExhausted": "base.errors",
    "WorkerLost": "base.errors",
    "Outcome": "base.outcome",
    "Scope": "scope.scope",
    "current_scope": "scope.scope",
    "Graph": "fan.graph",
    "over": "fan.over.entry",
    "GraphReport": "graph.report",
    "Pipeline": "fan.pipeline",
    "PipelineReport": "pipeline.report",
    "Progress": "events.progress",
    "RateLimit": "policies.rate_limit",
    "Report": "batches.report",
    "Run": "fan.run",
    "RunStream": "batches.streamed",
    "AsyncRunStream": "batches.streamed",
    "TextStream": "batches.streamed",
    "AsyncTextStream": "batches.streamed",
    "RunningCall": "batches.running",
    "Stats": "batches.stats",
    "stage": "pipeline.stages",
    "Task": "batches.tasks",
    "task": "batches.tasks",
    "Unpicklable": "base.pickling.unpicklable",
    "Usage": "base.usage",
    "as_completed": "calls.as_completed",
    "attach": ".clients.attaching",
    "report_of": "batches.carried",
    "fail_after": "scope.deadlines",
    "move_on_after": "scope.deadlines",
    "drain_on_signals": "calls.draining",
    "signals_as_ctrl_c": "scope.signals",
    "sleep": "scope.waiting",
    "install": ".dropin.installation",
    "uninstall": ".dropin.installation",
}


if not TYPE_CHECKING:  # type checkers, who read the imports above, would take any name for one of the package

    def __getattr__(name):
        if name not in _ON_FIRST_USE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = globals()[name] = getattr(import_module(f".{_ON_FIRST_USE[name]}", f"{__name__}._core"), name)
        return value

    def __dir__():
        """With what was not used yet: completion asks for it, and so does Python for what a wrong name may mean."""
        return sorted({*globals(), *_ON_FIRST_USE})
