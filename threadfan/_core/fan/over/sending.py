"""What a fan's threads call in place of a user's function: it is sent away, and its answer waited for.

Guarantee: whoever waits here leaves at once when the call's scope ends, whatever the other process does; what has not
been begun there is taken back then.
"""

from __future__ import annotations

import time
from functools import update_wrapper

from ...base.attempt import Attempt
from ...base.clock import FOREVER
from ...base.errors import CallCancelled, TimeUp
from ...base.outcome import SUCCEEDED
from ...base.static import describe
from ...calls.call_queue import Call
from ...calls.this_call import this_call
from ...events import log
from ...scope.scope import current_scope
from ...scope.waiting import wait_in
from . import wire
from .carrier import Errand, Sort

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...base.generic import T
    from ...scope.scope import Scope
    from .carrier import Carrier
    from .there import Answer, Around

LINGER = 0.002
"""Seconds that a call waits for others that go with it, where several run at once.  Arbitrary: for threads to start."""
SILENCE = 30.0
"""Seconds that answers may come late, all of them, before calls with a timeout count as lost.  Arbitrary: processes
have to start, and to import what they run."""


class Sending:
    """What makes of a function one that is called elsewhere, for one fan."""

    def __init__(self, carrier: Carrier) -> None:
        self.carrier = carrier
        self._longest = 0.0  # the longest timeout; infinity if there are calls without

    def dressed(
        self, fn: Callable[..., T], timeout: float | None, idle: float | None, interrupt: bool
    ) -> Callable[..., T]:
        """``fn``, called in another process.

        Args:
            timeout: seconds for each call, from its start there.
            idle: its idle timeout.
            interrupt: whether it is interrupted there.

        Raises:
            TypeError: it cannot be sent.
        """
        carrier, name = self.carrier, describe(fn)
        sort = Sort(name, wire.function(fn, carrier.by_value), (timeout, idle, interrupt))
        self._longest = max(self._longest, FOREVER if timeout is None else timeout)

        def remote(*args: object, **kwargs: object) -> T:
            scope, begun = current_scope(), time.time()
            left = scope.remaining()
            sent = wire.arguments(name, args, kwargs, carrier.by_value)
            errand = Errand(sort, (sent, None if left == FOREVER else begun + left, _around()))
            try:
                self._wait(errand, scope)
            except BaseException:
                carrier.withdraw(errand)
                raise
            came = errand.came
            if not isinstance(came, tuple):
                raise came() if came is not None else RuntimeError("there is no answer")
            where, answer = came
            sort.took(answer[3])
            return _received(name, scope, begun, where, answer)  # type: ignore[return-value]  # it is the function's

        return update_wrapper(remote, fn)

    def _wait(self, errand: Errand, scope: Scope) -> None:
        """Send the call, and what others have left to send, until it has its answer."""
        carrier, clock = self.carrier, scope.clock
        if not carrier.hand_in(errand):
            wait_in(scope, errand.gate, clock.monotonic() + LINGER)
        if errand.parcel is None:
            carrier.send()
        begun = time.monotonic()
        timeout = errand.sort.terms[0]
        while errand.came is None:
            patience = self._longest + SILENCE
            quiet = time.monotonic() - max(begun, carrier.heard)
            if timeout is not None and quiet >= patience:
                raise TimeUp(f"{errand.sort.name} did not return within {timeout:g} s, and nothing else is heard of it")
            bounded = timeout is not None and patience < FOREVER
            wait_in(scope, errand.gate, clock.monotonic() + patience - quiet if bounded else None)
            if errand.came is None:
                carrier.send()


def _around() -> Around | None:
    """What surrounds the call that runs here, for where it is sent; None if nothing does."""
    bound: Mapping[str, object] | None = None
    headers: dict[str, str] | None = None
    if log.structlog_in_use():
        bound = _plain_only(log.bound())
    if log.tracing() is not None:
        from opentelemetry import propagate

        propagate.inject(headers := {})
    return (bound or None, headers or None) if bound or headers else None


def _plain_only(bound: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in bound.items() if isinstance(value, str | int | float | None)}


def _received(name: str, scope: Scope, begun: float, where: str, answer: Answer) -> object:
    """What the call has returned there; raises what it has raised."""
    status, data, started, seconds, usage = answer
    if usage is not None:
        scope.add_usage(usage)
    if status == "timed_out":
        raise TimeUp(str(data))
    if not isinstance(data, bytes):
        raise TypeError(f"the answer of {name} cannot be read: {type(data).__name__}")
    if status != SUCCEEDED:
        error = wire.read_error(data)
        try:
            raise error
        finally:
            del error  # the traceback holds this frame: leave no cycle
    value = wire.loads(data)
    _note(where, 0.0 if started is None else max(0.0, started - begun), seconds)
    return value


def _note(where: str, waited: float, seconds: float) -> None:
    """Have the call's outcome tell what was measured there.

    Args:
        waited: seconds until it began there.
        seconds: how long it ran.
    """
    try:
        session, key = this_call()
    except CallCancelled:
        return
    call = key if isinstance(key, Call) else getattr(session.queue, "made", {}).get(key)  # of an input that is one now
    if call is not None and call.state is not None:
        call.state.elsewhere = seconds, where
    if call is key:
        return
    claim = session.claim.get(key)
    if claim is None:
        return
    _, since, start = claim
    before = start - since + waited
    session.queue.collector.attempts[key] = [
        Attempt(SUCCEEDED, None, started=before, duration=seconds, waited_slot=before, worker=where)
    ]
