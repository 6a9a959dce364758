"""A ``tenacity.Retrying`` as a policy: its stop, wait, retry, hooks and callbacks decide, through its own protocol.

What differs from calling it: it does not sleep, so its ``sleep=`` is not used; its times are those of the fan's clock;
its waits are never shorter than an answer's Retry-After, and its hooks see the wait that results.  Errors that are no
``Exception`` end the call and are not shown to it.  Each call works on a copy, and carries its statistics from thread
to thread, where tenacity keeps them per thread: calls that share a policy never mix their counts.
"""

from __future__ import annotations

import tenacity
from tenacity import DoSleep, RetryCallState

from .retry_state import Policy, RetryState, not_before
from .retryable import history
from .returned import ErrorAnswer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Never

    from tenacity import Retrying

    from .reading import Reading
    from .retry_state import Draw, Payload, Verdict


class Tenacious(Policy):
    """What a ``tenacity.Retrying`` says.

    Raises:
        TypeError: it cannot be copied.
    """

    __slots__ = ("retrying",)

    plain = silent = False

    def __init__(self, retrying: Retrying, draw: Draw) -> None:
        super().__init__(draw)
        try:
            self.retrying = retrying.copy()  # later changes of the user's are no business of calls under way
        except Exception as error:
            name = type(retrying).__name__
            raise TypeError(
                f"retry needs a policy that can be copied, but copy() of this {name} raises {error!r}; right is a "
                f"tenacity.Retrying, or a class of your own that takes the same arguments"
            ) from error

    def new_state(
        self, now: float, fn: Callable[..., object] | None, args: tuple[object, ...], kwargs: Mapping[str, object]
    ) -> RetryState:
        """What decides about one call; it holds ``fn`` and its arguments for the user's hooks."""
        return _TenaciousState(self, now, fn, args, kwargs)

    def text(self) -> str:
        """Its kind, and the kinds of what it is made of."""
        parts = [f"{part}={_kind(getattr(self.retrying, part))}" for part in ("stop", "wait", "retry")]
        return f"{type(self.retrying).__name__}({', '.join(parts)})"


def _kind(thing: object) -> str:
    name = getattr(thing, "__name__", None)
    return name if isinstance(name, str) else type(thing).__name__


class _Wait:
    """A wait of the user's that is never shorter than what the latest answer asks for."""

    __slots__ = ("_draw", "_wait", "asked")

    def __init__(self, wait: Callable[[RetryCallState], float], draw: Draw) -> None:
        self._wait = wait
        self._draw = draw
        self.asked: float | None = None

    def __call__(self, state: RetryCallState) -> float:
        wait = self._wait(state)
        return wait if self.asked is None else max(wait, not_before(self.asked, self._draw))


class Future(tenacity.Future):
    """An attempt that has failed: the base class takes an exception whose ``bool()`` is False for none."""

    def result(self, timeout: float | None = None) -> Never:
        """Raises it."""
        error = self.exception(timeout)
        try:
            raise error  # type: ignore[misc]
        finally:
            del self, error  # the traceback holds this frame: leave no cycle


class _TenaciousState(RetryState):
    __slots__ = ("_enabled", "_error", "_retrying", "_state", "_statistics", "_wait")

    def __init__(
        self,
        policy: Tenacious,
        now: float,
        fn: Callable[..., object] | None,
        args: tuple[object, ...],
        kwargs: Mapping[str, object],
    ) -> None:
        super().__init__()
        self._error: BaseException | None = None  # of the latest attempt
        self._wait = _Wait(policy.retrying.wait, policy.draw)
        self._retrying = policy.retrying.copy(wait=self._wait)
        self._enabled = getattr(self._retrying, "enabled", True)
        self._state = RetryCallState(self._retrying, fn, args, dict(kwargs))
        self._state.start_time = now
        self._retrying.begin()
        self._statistics = dict(self._retrying.statistics, start_time=now)

    def begin(self, now: float) -> Verdict | None:
        if self._enabled:
            try:
                self._ask()
            except BaseException as error:
                return None, False, self._blamed(error)
        return super().begin(now)

    def judge(self, now: float, ok: bool, payload: Payload, said: Reading | None) -> Verdict:
        if not self._enabled:
            return None, ok, payload
        self._note(now, ok, payload, None if said is None else said.asked)
        trace = None if ok else payload.__traceback__
        try:
            answer = self._ask()
        except BaseException as error:  # the call's own, a RetryError, or a bug in a hook
            if error is payload:  # that tenacity has raised it again is no part of where it came from
                error.__traceback__ = trace
            return None, False, self._blamed(error)
        if not isinstance(answer, DoSleep):
            return None, True, answer
        self._state.prepare_for_next_attempt()
        return max(0.0, float(answer)), ok, payload

    def _note(self, now: float, ok: bool, payload: Payload, asked: float | None) -> None:
        state = self._state
        if type(payload) is ErrorAnswer:  # the user's policy sees what the call returned
            state.set_result(payload.response)
            self._error, self._wait.asked = payload, asked
        elif ok:
            state.set_result(payload)
            self._error = self._wait.asked = None
        else:
            state.set_exception((type(payload), payload, payload.__traceback__))
            state.outcome = Future(state.attempt_number)
            state.outcome.set_exception(payload)
            self._error, self._wait.asked = payload, asked
        state.outcome_timestamp = now

    def _ask(self) -> object:
        """What is next by tenacity's own rules, with the call's statistics in whichever thread this is."""
        retrying = self._retrying
        retrying.statistics.clear()
        retrying.statistics.update(self._statistics)
        try:
            return retrying.iter(retry_state=self._state)
        finally:
            self._statistics = dict(retrying.statistics)
            retrying.iter_state.reset()  # it holds methods of the object that holds it

    def _blamed(self, error: BaseException) -> BaseException:
        """``error``, which ends the call; if it has nothing to do with the call's own, that becomes its context."""
        own = self._error
        if own is not None:
            links = list(history(error))
            if not any(link is own for link in links) and not any(link is error for link in history(own)):
                links[-1].__context__ = own
        return error
