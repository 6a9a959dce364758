"""What runs in the other process: calls that came together, on a fan which that process has for all of them.

So a call that hangs is given up at its timeout there, its worker goes on with the next, and whatever heeds its scope,
attached clients too, ends then.  Executors find ``make_calls`` by its name; nothing else of this is sent.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import ExitStack, contextmanager
from functools import partial

from ...base.errors import TaskTimeout
from ...base.outcome import SUCCEEDED
from ...base.static import describe
from ...scope.deadlines import fail_after
from ..executor import Fan
from . import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeAlias

    from ...base.attempt import Status
    from ...base.outcome import Outcome
    from ...base.usage import Usage

    Terms: TypeAlias = tuple[float | None, float | None, bool]
    """Of each call: its timeout, its idle timeout, and whether it is interrupted."""

    Around: TypeAlias = tuple[Mapping[str, object] | None, Mapping[str, str] | None]
    """What surrounds a call: what structlog binds, and the headers that name the span."""

    Sent: TypeAlias = tuple[bytes, float | None, Around | None]
    """A call: its arguments, the moment by ``time.time()`` at which it is to end, and what surrounds it."""

    Answer: TypeAlias = tuple[Status, bytes | str, float | None, float, Usage | None]
    """What became of a call: the value, error or text, when it began by ``time.time()``, how long it ran, tokens."""

MOST = 4096
"""Calls at once in one process, whatever executor it is a worker of.  Arbitrary: how many there are others say."""

_fan: Fan | None = None


def make_calls(
    function: bytes, terms: Terms, calls: list[Sent], threads: int, by_value: bool
) -> tuple[str, list[Answer]]:
    """Make calls of one function; never fails.

    Args:
        terms: under which each is made.
        threads: how many of them run at once.
        by_value: see ``wire``.

    Returns:
        Which process this is, and an answer for each call.
    """
    try:
        fn = wire.loads(function)
        if not callable(fn):
            raise TypeError(f"no function has come here, but {describe(type(fn))}")
    except Exception as error:
        answer: Answer = "failed", wire.error(error), None, 0.0, None
        return _here(), [answer] * len(calls)
    timeout, idle, interrupt = terms
    view = _own_fan().with_options(
        timeout=timeout, idle_timeout=idle, interrupt=interrupt, max_concurrent=min(threads, MOST)
    )
    return _here(), [_answer(outcome) for outcome in view.run(_performer(fn, by_value), calls)]


def _own_fan() -> Fan:
    global _fan
    if _fan is None:
        _fan = Fan(MOST, "worker")
    return _fan


def close() -> None:
    """End the threads of this process that were begun for calls: for one that goes on without them."""
    global _fan
    fan, _fan = _fan, None
    if fan is not None:
        fan.shutdown()


def _here() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _performer(fn: Callable[..., object], by_value: bool) -> Callable[[Sent], bytes]:
    """What makes each call; it has the function's name, by which messages call it."""
    name = describe(fn)

    def perform(call: Sent) -> bytes:
        sent, until, around = call
        args, kwargs = wire.read_arguments(sent)
        if until is None and around is None:
            return wire.value(name, fn(*args, **kwargs), by_value)
        with ExitStack() as blocks:
            if until is not None:
                blocks.enter_context(fail_after(max(0.0, until - time.time())))
            if around is not None:
                blocks.enter_context(_surrounded(*around))
            return wire.value(name, fn(*args, **kwargs), by_value)

    perform.__name__, perform.__qualname__ = name.rpartition(".")[2], name
    return perform


@contextmanager
def _surrounded(bound: Mapping[str, object] | None, headers: Mapping[str, str] | None) -> Iterator[None]:
    """A block in which structlog and OpenTelemetry see what they do where the call comes from."""
    with ExitStack() as blocks:
        if bound is not None:
            from structlog.contextvars import bound_contextvars

            blocks.enter_context(bound_contextvars(**bound))
        if headers is not None:
            from opentelemetry import context, propagate

            token = context.attach(propagate.extract(headers))
            blocks.callback(partial(context.detach, token))
        yield


def _answer(outcome: Outcome[bytes]) -> Answer:
    begun = outcome.started
    if outcome.status is SUCCEEDED:
        return "succeeded", outcome.value or b"", begun, outcome.duration, outcome.usage
    error = outcome.error
    if error is None:
        error = RuntimeError("it has ended without a value and without an error")
    if outcome.status == "timed_out" and isinstance(error, TaskTimeout):
        return "timed_out", str(error), begun, outcome.duration, outcome.usage
    return "failed", wire.error(error), begun, outcome.duration, outcome.usage
