"""Attempts of calls as spans, where the program has configured OpenTelemetry; imported only then.

What is called in the place of the user's function begins the span in the call's own context, so that it is current in
the function and in whatever that calls.  It ends with the function, or in the moment when somebody else ends the call.
"""

from __future__ import annotations

from functools import partial
from typing import cast

from ..base.errors import CallCancelled
from ..base.outcome import CANCELLED, FAILED, SUCCEEDED, TIMED_OUT
from ..base.static import describe, is_a
from ..base.usage import usage_of
from ..events.tracing import harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping
    from contextvars import Context
    from typing import Any, Protocol

    from opentelemetry.trace import SpanContext

    from ..base.usage import Usage
    from ..events.tracing import AttemptSpan, Figures, Tracing, Watched
    from ..pool.terms import Key
    from ..pool.work_queue import Session
    from ..scope.scope import Scope

    class Call(Protocol):
        """What is called."""

        fn: Callable[..., object]
        args: tuple[object, ...]
        kwargs: dict[str, object]


def traced_input(tracing: Tracing, session: Session, one: Callable[[object], object]) -> Callable[[object], object]:
    """``one`` for the inputs that a session takes."""

    def traced(item: object) -> object:
        return _attempted(tracing, session, partial(one, item), "")

    return traced


def traced_call(tracing: Tracing, session: Session, call: Call) -> object:
    """Make a call; its value."""
    try:
        make = partial(call.fn, *call.args, **call.kwargs)  # first: whoever ends the call meanwhile has it forget these
        return _attempted(tracing, session, make, describe(make))
    finally:
        make = None  # type: ignore[assignment]
        del call, session  # leave no cycle: see ``call_queue``


def _attempted(tracing: Tracing, session: Session, make: Callable[[], object], function: str) -> object:
    attempts: list[_Attempt] = []
    _begin(attempts, tracing, session, function)
    if not attempts:
        return make()
    (attempt,) = attempts
    try:
        value = make()
    except BaseException as error:
        attempt.failed(error)
        raise
    else:
        attempt.succeeded(value)
        return value
    finally:
        attempt.leave()
        del session, make, attempts, attempt  # leave no cycle: see ``call_queue``


@harmless
def _begin(attempts: list[_Attempt], tracing: Tracing, session: Session, function: str) -> None:
    """Begin the span of the call that runs; of none if somebody else has ended it, so that it has its outcome."""
    found = next(iter(session.claim.items()), None)
    if found is not None:
        key, (_, since, start) = found
        scope = session.scope()  # first: under policies the call has a state then
        attempts.append(_Attempt(tracing, session, scope, key, since, start, function))


@harmless
def _ended_outside(span: AttemptSpan, scope: Scope, start: float) -> None:
    now = scope.clock.monotonic()
    if now >= scope.deadline:
        span.end(TIMED_OUT, now - start, "TaskTimeout")
    else:
        span.end(CANCELLED, now - start, "TaskCancelled")


class _Attempt:
    """One attempt: which it is of its call, how long that has waited, and what it has used."""

    __slots__ = ("_call", "_forget", "_index", "_queue", "_scope", "_seen", "_span", "_start")

    def __init__(
        self, tracing: Tracing, session: Session, scope: Scope, key: Key, since: float, start: float, function: str
    ) -> None:
        queue: Any = session.queue
        self._queue = queue
        self._call: Key = None if isinstance(key, int) else key  # an input that is no call yet has none
        self._index: int | None = queue.index_of(key)
        figures: Figures = {} if self._index is None else {"threadfan.index": self._index}
        root = self._call
        if root is not None and root.policies is not None:
            figures["threadfan.attempt"] = len(root.state.attempts) + 1
            hedging = root.hedging
            if hedging is not None and hedging.call is not root:
                figures["threadfan.hedge"] = True
                root = hedging.call
        context: Context | None = getattr(getattr(key, "task_group", queue), "context", None)
        waits, fan = self._waits(key, since, start), cast("Watched", session.scheduler)
        name = queue.function_of(key)
        if self._call is not None and self._call.fn is None:  # it has been ended meanwhile, and has forgotten it
            name = function
        self._span = tracing.attempt_begins(fan, name, figures, waits, context)
        self._scope, self._start = scope, start
        self._forget = scope.on_cancel(partial(_ended_outside, self._span, scope, start))
        self._seen: tuple[MutableMapping[object, list[SpanContext]], object] | None = None
        if self._may_be_more():
            self._seen = tracing.seen_in(context, self._index) if hasattr(queue, "collector") else (tracing.seen, root)
            seen, place = self._seen
            self._span.join(seen.setdefault(place, []))

    def _may_be_more(self) -> bool:
        """Whether there may be another attempt of the call."""
        policies = getattr(self._queue, "policies", None) if self._call is None else self._call.policies
        return policies is not None and (policies.retry is not None or policies.hedge is not None or policies.limited)

    def _waits(self, key: Key, since: float, start: float) -> dict[str, float]:
        """Seconds, by what was waited for."""
        call = getattr(self._queue, "made", {}).get(key) if self._call is None else self._call
        if call is None or call.policies is None:
            return {"slot": start - since}
        waits = {"slot": call.state.queued, "limit": call.state.limited, "backoff": call.state.backoff}
        return {what: seconds for what, seconds in waits.items() if seconds > 0 or what == "slot"}  # as each has

    @harmless
    def failed(self, error: BaseException) -> None:
        """It has raised this."""
        if is_a(error, CallCancelled):
            _ended_outside(self._span, self._scope, self._start)
        else:
            self._span.end(FAILED, self._seconds(), type(error).__qualname__, self._used(None))

    @harmless
    def succeeded(self, value: object) -> None:
        """It has returned this; no other will be linked to it, unless its time was up and another has begun."""
        if self._seen is not None:
            seen, place = self._seen
            if self._span.is_last(seen.get(place, [])):
                seen.pop(place, None)
        self._span.end(SUCCEEDED, self._seconds(), None, self._used(value))

    @harmless
    def leave(self) -> None:
        """It is over."""
        self._forget()
        self._span.leave()

    def _seconds(self) -> float:
        return self._scope.clock.monotonic() - self._start

    def _used(self, value: object) -> Usage | None:
        """The tokens that clients have told of, or that the value does."""
        call = self._call
        noted: Usage | None
        if call is not None and call.policies is not None:
            noted = call.state.usage
        elif hasattr(self._queue, "collector"):
            noted = self._queue.collector.usages.get(self._index)
        else:
            noted = call.usage
        return noted or usage_of(value)
