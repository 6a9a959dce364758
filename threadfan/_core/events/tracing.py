"""Spans and metrics of OpenTelemetry, for programs that have configured it; never arguments, results or messages.

Imported when a tracer or meter provider was set, see ``log.tracing``.  Spans of libraries that a call uses, such as an
SDK's of its requests, are inside that of the call, for it is current while the call runs.

A batch is a span, and so is each attempt of a call, inside that of its batch, or else inside whatever was current where
the call was handed in.  An attempt that follows another, or runs beside it, has a link to that.

Names are those of the semantic conventions where these have one (``code.function.name``, ``error.type``,
``thread.name``, ``gen_ai.usage.input_tokens``); what is this library's own begins with ``threadfan.``.
"""

from __future__ import annotations

import sys
import threading
import weakref
from contextvars import Context, ContextVar
from functools import wraps
from logging import getLogger

from opentelemetry import context as contexts
from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from ..base.locks import Lock
from ..base.logs import ERROR as LOUD
from ..base.logs import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import ParamSpec, Protocol

    from opentelemetry.metrics import CallbackOptions, Observation
    from opentelemetry.trace import Span, SpanContext

    from ..base.usage import Usage

    Figures = dict[str, str | int | float]
    P = ParamSpec("P")

    class Watched(Protocol):
        """A fan, by its scheduler."""

        name: str

        def snapshot(self) -> dict[str, int]:
            """Its live figures."""


FAN, INDEX, ATTEMPT, HEDGE, OUTCOME = (
    "threadfan.fan", "threadfan.index", "threadfan.attempt", "threadfan.hedge", "threadfan.outcome",
)  # fmt: skip
FUNCTION, ERROR = "code.function.name", "error.type"
LIVE = {
    "queued": "calls that have not started",
    "running": "calls that run",
    "waiting": "those of the queued that back off, or wait for a limit or for calls of their own",
}


def harmless(act: Callable[P, None]) -> Callable[P, None]:
    """``act``, whose errors are said and go no further: processors of spans are the user's, and may cost no call."""

    @wraps(act)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            act(*args, **kwargs)
        except Exception as error:
            say(getLogger("threadfan"), LOUD, "a processor of spans or metrics failed", error=error)

    return guarded


class BatchTrace:
    """The span of a batch, and what its attempts are linked to."""

    __slots__ = ("seen", "span")

    def __init__(self, span: Span) -> None:
        self.span = span
        self.seen: dict[object, list[SpanContext]] = {}  # the attempts of each call that may have another


_batch: ContextVar[BatchTrace | None] = ContextVar("threadfan_batch", default=None)


class Tracing:
    """Where spans go, and the instruments; one for the providers that the program has set."""

    def __init__(self) -> None:
        version: str = sys.modules[__name__.partition(".")[0]].__version__
        self._tracer = trace.get_tracer("threadfan", version)
        meter = metrics.get_meter("threadfan", version)
        self._durations = meter.create_histogram(
            "threadfan.call.duration", "s", "from the start of an attempt to its end"
        )
        self._waits = meter.create_histogram("threadfan.call.wait", "s", "before an attempt, by what was waited for")
        self._retries = meter.create_counter("threadfan.call.retries", "{attempt}", "attempts after the first")
        self._tokens = meter.create_counter("threadfan.call.tokens", "{token}", "that calls have used, by type")
        self._fans: weakref.WeakSet[Watched] = weakref.WeakSet()  # changed and gone through with the lock held
        self._lock = Lock()
        self.seen: weakref.WeakKeyDictionary[object, list[SpanContext]] = weakref.WeakKeyDictionary()
        """The attempts of each call that may have another, and is in no batch."""
        own = weakref.ref(self)  # or the meter would keep it
        for figure, what in LIVE.items():
            meter.create_observable_up_down_counter(
                f"threadfan.calls.{figure}", [_observer(own, figure)], "{call}", what
            )

    # -- batches -----------------------------------------------------------------------------------------------------

    @harmless
    def batch_begins(self, context: Context, fan: Watched, function: str) -> None:
        """A batch begins, whose calls run in copies of a context."""
        self.watch(fan)
        span = context.run(self._tracer.start_span, f"batch {function}", attributes={FAN: fan.name, FUNCTION: function})
        context.run(_batch.set, BatchTrace(span))

    @harmless
    def batch_ends(self, context: Context, counts: Mapping[str, int], facts: Mapping[str, float]) -> None:
        """It has ended."""
        found = context.get(_batch)
        if found is None or not found.span.is_recording():
            return
        found.span.set_attributes({f"threadfan.calls.{status}": number for status, number in counts.items()})
        found.span.set_attributes({f"threadfan.{name}": value for name, value in facts.items()})
        found.span.end()

    def watch(self, fan: Watched) -> None:
        """Have a fan's figures among the metrics."""
        if fan not in self._fans:
            with self._lock:
                self._fans.add(fan)

    def fans(self) -> list[Watched]:
        """Those that are watched."""
        with self._lock:
            return list(self._fans)

    def seen_in(self, context: Context | None, index: object) -> tuple[dict[object, list[SpanContext]], object]:
        """Where the attempts of a call of a batch are kept, and by what."""
        found = None if context is None else context.get(_batch)
        return ({} if found is None else found.seen), index

    # -- attempts ----------------------------------------------------------------------------------------------------

    def attempt_begins(
        self,
        fan: Watched,
        function: str,
        figures: Figures,
        waits: Mapping[str, float],
        batch: Context | None,
    ) -> AttemptSpan:
        """An attempt begins in this thread, and its span is current in this context.

        Args:
            figures: attributes of the span.
            waits: seconds, by what was waited for.
            batch: the context of its batch, if it is in one.
        """
        self.watch(fan)
        names: Figures = {FAN: fan.name, FUNCTION: function}
        for kind, seconds in waits.items():
            self._waits.record(seconds, {**names, "threadfan.wait": kind})
        if figures.get(ATTEMPT, 1) != 1 or HEDGE in figures:
            self._retries.add(1, {**names, HEDGE: HEDGE in figures})
        around = None if batch is None else batch.get(_batch)
        thread = threading.current_thread()
        span = self._tracer.start_span(
            function,
            None if around is None else trace.set_span_in_context(around.span),
            SpanKind.INTERNAL,
            {**names, **figures, "thread.name": thread.name, "thread.id": thread.ident or 0},
        )
        return AttemptSpan(self, span, names)

    def attempt_ended(
        self, names: Figures, outcome: str, seconds: float, error: str | None, usage: Usage | None
    ) -> None:
        """The figures of an attempt."""
        more = {} if error is None else {ERROR: error}
        self._durations.record(seconds, {**names, OUTCOME: outcome, **more})
        if usage is not None:
            self._tokens.add(usage.total_tokens - usage.output_tokens, {**names, "gen_ai.token.type": "input"})
            self._tokens.add(usage.output_tokens, {**names, "gen_ai.token.type": "output"})


class AttemptSpan:
    """The span of one attempt, which ends once: with the attempt, or when somebody else ends that."""

    __slots__ = ("_names", "_open", "_span", "_token", "_tracing")

    def __init__(self, tracing: Tracing, span: Span, names: Figures) -> None:
        self._tracing, self._span, self._names = tracing, span, names
        self._open = [True]  # until it is popped, which one thread can
        self._token = contexts.attach(trace.set_span_in_context(span))

    def join(self, attempts: list[SpanContext]) -> None:
        """Be one of the attempts of a call, linked to the last of the others: of two that come at once one sees it."""
        own = self._span.get_span_context()
        attempts.append(own)
        others = [attempt for attempt in attempts if attempt is not own]
        if others:
            self._span.add_link(others[-1])

    def is_last(self, attempts: list[SpanContext]) -> bool:
        """Whether no other attempt of the call has begun after it."""
        return attempts[-1:] == [self._span.get_span_context()]

    def end(self, outcome: str, seconds: float, error: str | None = None, usage: Usage | None = None) -> None:
        """The attempt has ended.

        Args:
            outcome: its status.
            error: the name of the class of what it has raised.
            usage: the tokens that it has used, if that is known.
        """
        try:
            self._open.pop()
        except IndexError:
            return
        self._tracing.attempt_ended(self._names, outcome, seconds, error, usage)
        self._span.set_attribute(OUTCOME, outcome)
        if error is not None:
            self._span.set_attribute(ERROR, error)
        if outcome in ("failed", "timed_out"):
            self._span.set_status(Status(StatusCode.ERROR, error))
        if usage is not None:
            self._span.set_attribute("gen_ai.usage.input_tokens", usage.total_tokens - usage.output_tokens)
            self._span.set_attribute("gen_ai.usage.output_tokens", usage.output_tokens)
        self._span.end()

    def leave(self) -> None:
        """It is current no more, in the context in which it began."""
        contexts.detach(self._token)


def _observer(tracing: weakref.ref[Tracing], figure: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_: CallbackOptions) -> Iterable[Observation]:
        found: dict[str, int] = {}
        known = tracing()
        for fan in () if known is None else known.fans():
            found[fan.name] = found.get(fan.name, 0) + fan.snapshot()[figure]
        return [metrics.Observation(number, {FAN: name}) for name, number in found.items()]

    return observe


_made: list[tuple[object, object, Tracing]] = []  # at most one: of the providers that are set


def of_providers(tracers: object, meters: object) -> Tracing:
    """The one for these providers, which the program has set."""
    if not _made or _made[0][0] is not tracers or _made[0][1] is not meters:
        _made[:] = [(tracers, meters, Tracing())]
    return _made[0][2]
