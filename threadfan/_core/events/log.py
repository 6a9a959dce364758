"""Events through structlog: who failed, who is late, what a batch came to; never arguments or results.

The user's own structlog configuration decides where events go.  While structlog is not configured they go to the
standard library's logger ``threadfan``, if logging is configured; else nothing is said.  While neither is even imported
nothing is paid.
"""

from __future__ import annotations

import sys
from contextvars import Context, ContextVar

from ..base.outcome import FAILED, PAYLOAD, STATUS, SUCCEEDED
from . import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ..base.outcome import Raw
    from .tracing import Tracing

_variables: dict[str, ContextVar[object]] = {}
_observers: dict[type | None, Observer] = {}  # by class of logger; None while structlog is not configured


def in_use() -> bool:
    """Whether somebody may hear of events."""
    return structlog_in_use() or plain.listening(plain.WARNING)


def structlog_in_use() -> bool:
    """Whether the program has imported structlog (to the end: another thread may be importing it now)."""
    return hasattr(sys.modules.get("structlog.contextvars"), "bound_contextvars")


def bound() -> Mapping[str, object]:
    """What structlog's context variables are here (structlog must be in use)."""
    found: dict[str, object] = sys.modules["structlog.contextvars"].get_contextvars()
    return found


def context_variable(key: str) -> ContextVar[object]:
    """The very variable that ``structlog.contextvars.bind_contextvars(key=…)`` sets (structlog must be in use)."""
    variable = _variables.get(key)
    if variable is None:
        scratch = Context()
        scratch.run(sys.modules["structlog.contextvars"].bind_contextvars, **{key: None})
        (variable,) = scratch  # the one variable that this has set
        _variables[key] = variable
    return variable


def logger() -> Any:
    """The bound logger for events, or None while nobody listens."""
    structlog: Any = sys.modules.get("structlog")
    is_configured = getattr(structlog, "is_configured", None)
    if is_configured is None or not is_configured():
        return plain.LOGGER if plain.listening(plain.WARNING) else None
    return structlog.get_logger("threadfan")


class Quiet(str):
    """The name of what somebody else tells the failures of: here they are no warnings."""

    __slots__ = ()


def as_quiet(whole: str, name: str) -> str:
    """A name of a part: as quiet as the whole."""
    return Quiet(name) if isinstance(whole, Quiet) else name


class Observer:
    """What a thread needs to know of structlog while it stays at a queue; asked for once, so that calls pay little.

    Attributes:
        set_fan: binds the fan's name for the lines that a call logs itself.
        set_index: binds the call's place in its batch.
        finished: whether someone listens at debug level, at which finished calls are told.
    """

    __slots__ = ("finished", "set_fan", "set_index")

    tracing: Tracing | None = None
    """Who is told of spans."""

    def __init__(self, *, finished: bool) -> None:
        self.set_fan: Callable[[object], object] = context_variable("fan").set
        self.set_index: Callable[[object], object] = context_variable("index").set
        self.finished = finished


class PlainObserver(Observer):
    """The same where the standard library's logger hears of calls; there is nothing to bind."""

    __slots__ = ()

    def __init__(self, *, finished: bool) -> None:
        self.set_fan = self.set_index = _bind_nothing
        self.finished = finished


class TracedObserver(Observer):
    """The same where attempts are spans.

    Args:
        other: what else hears of calls.
    """

    __slots__ = ("tracing",)

    def __init__(self, tracing: Tracing, other: Observer | None) -> None:
        other = other or _PLAIN[False]
        self.set_fan, self.set_index, self.finished, self.tracing = (
            other.set_fan,
            other.set_index,
            other.finished,
            tracing,
        )


def _bind_nothing(_value: object) -> None:
    """The standard library's logging binds nothing to a thread's lines."""


_PLAIN = PlainObserver(finished=False), PlainObserver(finished=True)


def tracing() -> Tracing | None:
    """Who is told of spans and metrics, if the program has set a provider of OpenTelemetry's."""
    modules = sys.modules
    # As the API keeps them; what it offers in public looks at the environment besides.
    tracers = getattr(modules.get("opentelemetry.trace"), "_TRACER_PROVIDER", None)
    meters = getattr(modules.get("opentelemetry.metrics._internal"), "_METER_PROVIDER", None)
    if tracers is None and meters is None:
        return None
    from .tracing import of_providers

    return of_providers(tracers, meters)


def observer(*, traced: bool = True) -> Observer | None:
    """An observer, or None while nobody can hear of calls.

    Args:
        traced: whether spans are looked for.
    """
    modules = sys.modules
    if traced and "opentelemetry.trace" in modules:
        found_tracing = tracing()
        if found_tracing is not None:
            return TracedObserver(found_tracing, observer(traced=False))
    if not hasattr(modules.get("structlog.contextvars"), "bound_contextvars"):  # as `structlog_in_use`
        return _PLAIN[plain.listening(plain.DEBUG)] if plain.listening(plain.WARNING) else None
    structlog: Any = modules["structlog"]
    try:
        kind = structlog.get_config()["wrapper_class"] if structlog.is_configured() else None
        if kind is None and plain.listening(plain.DEBUG):
            return Observer(finished=True)
        found = _observers.get(kind)
        if found is None:
            found = _observers[kind] = Observer(finished=kind is not None and _tells_finished(structlog))
        return found
    except BaseException as error:  # of the user's configuration, on which no call may depend
        _failed(error)
        return None


def _tells_finished(structlog: Any) -> bool:
    """Structlog's filtering loggers know it by their class; others are taken to listen."""
    asks = getattr(structlog.get_logger().bind(), "is_enabled_for", None)
    return asks is None or bool(asks(plain.DEBUG))


def call_ended(fan: str, function: str, raw: Raw, more: Mapping[str, object] | None = None) -> None:
    """``call_finished`` at debug level, ``call_failed``, ``call_timed_out`` or ``call_cancelled`` as warnings.

    Of a function whose failures somebody else tells of, all of them at debug level.

    Args:
        more: figures of a call under policies.
    """
    status, figures = raw[STATUS], {**_figures(raw), **(more or {})}
    if status is SUCCEEDED:
        _emit("debug", "call_finished", fan, function, **figures)
    else:
        level = "debug" if isinstance(function, Quiet) else "warning"
        _emit(level, f"call_{status}", fan, function, **figures, error_type=type(raw[PAYLOAD]).__name__)


def call_retried(fan: str, function: str, raw: Raw, attempt: int, wait: float) -> None:
    """``call_retried``: an attempt has failed, and another follows after a wait."""
    figures = {**_figures(raw), "attempt": attempt, "wait": milliseconds(wait)}
    _emit("info", "call_retried", fan, function, **figures, error_type=type(raw[PAYLOAD]).__name__)


def call_fell_back(fan: str, function: str, raw: Raw, attempts: int, fallback: str) -> None:
    """``call_fell_back``: a call has failed for good, and another function is called in its place."""
    figures = {**_figures(raw), "attempt": attempts, "fallback": fallback}
    _emit("info", "call_fell_back", fan, function, **figures, error_type=type(raw[PAYLOAD]).__name__)


def breaker_changed(fan: str, function: str, breaker: str | None, news: str, error: BaseException | None) -> None:
    """``breaker_opened``, as a warning, or ``breaker_closed``."""
    figures: dict[str, object] = {"breaker": breaker}
    if error is not None:
        figures["error_type"] = type(error).__name__
    _emit("warning" if news == "opened" else "info", f"breaker_{news}", fan, function, **figures)


def told_to_wait(fan: str, function: str, seconds: float, longest: float) -> None:
    """``long_wait``, and a line of the standard library's logging: an answer asks for a wait that somebody should see.

    Args:
        longest: after which it is asked again, whatever the answer asks for.
    """
    if logger() is not plain.LOGGER:  # which has the line below
        _emit("warning", "long_wait", fan, function, wait=milliseconds(seconds))
    again = f"; it is asked again after {longest:g} s" if seconds > longest else ""
    _warn("an answer to %s asks to wait for %g s%s", function, seconds, again)


def _warn(text: str, *args: object) -> None:
    import logging

    logging.getLogger("threadfan").warning(text, *args)


def call_abandoned(fan: str, function: str, index: object, worker: str, seconds: float) -> None:
    """A thread is stuck in a call that is over, and has been replaced."""
    _emit("warning", "call_abandoned", fan, function, index=index, worker=worker, duration=milliseconds(seconds))


def tool_failed(fan: str, function: str, error_type: str, more: Mapping[str, object]) -> bool:
    """``tool_failed``: a tool of an agent has failed as nobody expects it to; say whether there was anyone to tell.

    Args:
        more: where it stood; and the arguments and the error's message, if the user asks for them.
    """
    if logger() in (None, plain.LOGGER):  # the standard library's log has more of it
        return False
    _emit("warning", "tool_failed", fan, function, error_type=error_type, **more)
    return True


def batch_ended(fan: str, function: str, counts: dict[str, int], wall: float, more: Mapping[str, object]) -> None:
    """One event per batch: how many calls there were of each status, and the wall time.

    Args:
        more: figures of a batch under policies, and of the tokens it used.
    """
    level = "warning" if counts.get(FAILED) and not isinstance(function, Quiet) else "info"
    _emit(level, "batch_finished", fan, function, **counts, duration=milliseconds(wall), **more)


def _emit(level: str, event: str, fan: str, function: str, **figures: object) -> None:
    try:
        target = logger()
        if target is not None:
            getattr(target, level)(event, fan=fan, function=function, **figures)
    except BaseException as error:  # a processor of the user's; the call's outcome matters more than the word about it
        _failed(error)


def _failed(error: BaseException) -> None:
    from logging import getLogger

    from ..base.logs import ERROR, say

    say(getLogger("threadfan"), ERROR, "a log handler or structlog processor failed", error=error)


def _figures(raw: Raw) -> dict[str, object]:
    index, _, since, _, _, start, end, worker = raw
    began = end if start is None else start
    return {
        "index": index,
        "attempt": 0 if start is None else 1,
        "duration": milliseconds(end - began),
        "waited_slot": milliseconds(began - since),
        "worker": worker,
    }


def milliseconds(seconds: float) -> float:
    """As figures stand in events."""
    return round(seconds * 1000, 3)
