"""The requests of an agent: each under a limit, and made again by itself.

An agent is many requests and many calls of tools, which may not be done twice.  So what a fan does for a call is done
here for each request, in the thread that makes it: it waits for a permit, tells the limit how it ended, and after a
transient error it is made again, as ``attempts`` does it for calls.  The call around, if there is one, is never made
again.

Guarantees: each permit ends in exactly one way, and at the latest when the scope around ends; who waits here ends with
that scope.  An attached client finds the request in its scope and tells it what is written and answered.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from random import random

from ..base.errors import BreakerOpen
from ..limits.adaptive_limit import PATIENCE
from ..limits.permits import CountedRequest, Permits
from ..limits.request_end import FAILED, RequestEnd
from ..policies.cost import Cost
from ..policies.responses import is_overload, refuses
from ..policies.retry_after import headers_of, retry_after, retry_after_of, silence
from ..policies.retry_state import backoff, not_before
from ..scope.scope import current_scope, scope_var
from ..scope.waiting import sleep
from .breakers import Asking, would_shut_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping
    from contextlib import AbstractContextManager
    from typing import Self

    from ..base.clock import Clock
    from ..base.generic import T
    from ..base.usage import Usage
    from ..limits.rate_waitlist import RateWaitlist
    from ..limits.request_end import How
    from ..policies.cost import Permit
    from ..policies.retry_state import RetryState, Verdict
    from .policies import Policies
    from .request_permits import RequestPermits


class Requests(Permits):
    """Of one run of an agent, in the thread that runs it.

    Under the limit and the retries of the call that the run is made in; where that has none, under its own fan's.

    Args:
        own: the policies of the agent's fan, or None.
        clock: the fan's.
    """

    __slots__ = ("breaker", "call", "clock", "policies", "waitlist")

    def __init__(self, own: Policies | None, clock: Clock) -> None:
        permits = current_scope().permits
        self.call: RequestPermits | None = None if permits is None else permits.call
        self.policies: Policies | None = own if self.call is None else self.call.policies
        self.waitlist = None if self.policies is None else self.policies.waitlist
        self.clock = clock if self.call is None or self.waitlist is None else self.call.clock
        if self.waitlist is None and own is not None:
            self.waitlist = own.waitlist
        # A call under a breaker tells it of itself, as one attempt.
        self.breaker = None if own is None or (self.call is not None and self.call.policies.breaker) else own.breaker
        if self.call is not None:
            self.call.keep()

    def make(self, ask: Callable[[], T], usage_of: Callable[[T], Usage | None], repeatable: Callable[[], bool]) -> T:
        """An answer, however many requests it takes.

        Args:
            ask: makes one request.
            usage_of: the tokens of an answer, if they are known.
            repeatable: whether a request that has just failed may be made again.

        Raises:
            BreakerOpen: the fan's breaker lets no request start.
            BaseException: what ``ask`` raises, or the code of the user's in the policy of retries.
        """
        retry = None if self.policies is None else self.policies.retry
        retry_state = None if retry is None else retry.new_state(self.clock.monotonic(), ask, (), {})
        refusals = 0
        while True:
            if retry_state is not None:
                _heed(retry_state.begin(self.clock.monotonic()))
            try:
                with self._under_breaker(), Request(self) as request:
                    answer = ask()
                    request.answered(usage_of(answer))
                return answer
            except BreakerOpen:
                raise
            except Exception as error:
                refused = is_overload(error)
                refusals = refusals + 1 if refused else 0
                wait = self._wait(retry_state, error, refusals) if repeatable() else None
                if wait is None or wait > current_scope().remaining() or self._shut_out(wait):
                    raise
                refusal = _refusal(error) if refused else None
            self._pause(wait, refusal)

    def _under_breaker(self) -> AbstractContextManager[object]:
        """The block of one request."""
        if self.breaker is None:
            return nullcontext()
        limited = self.waitlist is not None or (self.policies is not None and self.policies.pace is not None)
        return Asking(self.breaker, self.clock, limited=limited)

    def _shut_out(self, wait: float) -> bool:
        return self.breaker is not None and would_shut_out(self.breaker, self.clock.monotonic() + wait)

    def permit(self, waitlist: RateWaitlist) -> Permit:
        """For a request: that of the call around if it is unused, else one of its own."""
        call = self.call
        permit = call.hand_over() if call is not None and call.policies.waitlist is waitlist else None
        # What the user's function says of a call's arguments it cannot say of a request.
        return permit or self.draw(waitlist, self.clock, Cost() if waitlist.limit.estimates else None)

    def uncounted(self) -> AbstractContextManager[None]:
        """What is waited inside counts against no timeout of the call around."""
        return nullcontext() if self.call is None else self.call.uncounted()

    def is_ours(self, status: int | None, refused: bool) -> bool:
        """Whether an answer is reacted to here, and not by the client that got it."""
        policies = self.policies
        limited = self.waitlist is not None or (policies is not None and policies.pace is not None)
        return (refused and limited) or (policies is not None and policies.retry is not None and (status or 0) >= 400)

    def _wait(self, retry_state: RetryState | None, error: Exception, refusals: int) -> float | None:
        """Seconds until a request that has failed is made again; None if it is not."""
        counted = True
        if refusals and self.waitlist is not None:
            counted = self.waitlist.hopeless()
        elif refusals and self.policies is not None and self.policies.pace is not None:
            counted = refusals >= PATIENCE
            if not counted:
                asked = not_before(retry_after_of(error, time.time()), random)
                return max(asked, backoff(refusals, random))
        if retry_state is None:
            return None if counted else 0.0
        wait, ok, payload = retry_state.decide(self.clock.monotonic(), False, error, counted=counted, wall=time.time())
        if wait is None and not ok and payload is not error:
            raise payload from error
        return wait

    def _pause(self, seconds: float, refusal: RequestEnd | None) -> None:
        if refusal is not None and self.call is not None:
            self.call.restart(seconds, refusal)
        elif seconds > 0:
            sleep(seconds)


class Request:
    """One request; a ``with`` block around it, in which the scope tells attached clients of it."""

    __slots__ = ("_before", "_first", "_forget", "_headers", "_open", "_owner", "_scope", "_token")

    def __init__(self, owner: Requests) -> None:
        self._owner = owner
        self._open: list[Permit] = []  # until its end was told: whoever pops it tells
        self._first = [True]  # until the client has begun the request that the permit is for
        self._headers: MutableMapping[str, str] | None = None  # of its answer

    @property
    def call(self) -> RequestPermits | None:
        """The call around."""
        return self._owner.call

    def __enter__(self) -> Self:
        scope = self._scope = current_scope()
        scope.check()
        if self._owner.waitlist is not None:
            self._open.append(self._owner.permit(self._owner.waitlist))
        self._forget = scope.on_cancel(self._lost)
        self._token = scope_var.set(scope)  # outside of any call there is none to be found
        self._before, scope.permits = scope.permits, self
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._scope.permits = self._before
        scope_var.reset(self._token)
        self._forget()
        if error is not None and is_overload(error):
            self._tell(_refusal(error))
        else:
            self._tell(FAILED)

    def answered(self, usage: Usage | None) -> None:
        """It was."""
        if self._first and self._owner.waitlist is not None:
            self._owner.waitlist.unattached()
        self._tell(RequestEnd("succeeded", usage=usage, headers=self._headers))

    def _lost(self) -> None:
        """Nobody waits for it any more, and its thread may hang."""
        self._tell(FAILED)

    def _tell(self, end: RequestEnd) -> None:
        waitlist = self._owner.waitlist
        try:
            permit = self._open.pop()
        except IndexError:
            return
        if waitlist is not None:
            waitlist.note(permit, self._owner.clock, end)

    def forget(self) -> None:
        """The call around has ended, see ``RequestPermits.forget``."""
        if self.call is not None:
            self.call.forget()

    # -- what an attached client tells, see ``RequestPermits`` ---------------------------------------------------------

    def begin(self) -> CountedRequest:
        """It is about to make a request; each after the first waits for a permit of its own.

        Raises:
            CallCancelled: the scope has ended meanwhile.
        """
        owner, waitlist = self._owner, self._owner.waitlist
        if waitlist is None:
            return CountedRequest(None)
        counted = CountedRequest(self._further(waitlist))
        try:
            owner.wait_to_leave(waitlist, owner.clock)
        except BaseException:
            self.end(counted, None, None)
            raise
        return counted

    def _further(self, waitlist: RateWaitlist) -> Permit | None:
        try:
            self._first.pop()
        except IndexError:
            permit = self._owner.draw(waitlist, self._owner.clock, Cost())
            if self._open:
                return permit
            self._open.append(permit)  # the first was refused, and this one takes its place
        return None

    def sent(self) -> None:
        """Some of a request has been written."""
        if self._owner.waitlist is not None:
            self._owner.waitlist.left(self._owner.clock)

    def end(self, counted: CountedRequest, status: int | None, headers: MutableMapping[str, str] | None) -> None:
        """A request was answered; ``status`` is None if it was not."""
        owner, refused = self._owner, refuses(status, headers)
        if headers is not None and owner.is_ours(status, refused):
            silence(headers)
        how: How = "overloaded" if refused else "failed" if status is None else "succeeded"
        end = RequestEnd(how, retry_after=retry_after(headers, time.time()) if refused else None, headers=headers)
        if counted.permit is not None and owner.waitlist is not None:
            owner.waitlist.note(counted.permit, owner.clock, end)
        elif refused:
            self._tell(end)
        else:
            self._headers = headers or self._headers


def _refusal(error: BaseException) -> RequestEnd:
    """What a limit is told of an error that says that too much is asked."""
    return RequestEnd("overloaded", retry_after=retry_after_of(error, time.time()), headers=headers_of(error))


def _heed(verdict: Verdict | None) -> None:
    """Raise what a hook of the user's has made of the request before it was made."""
    if verdict is not None and isinstance(verdict[2], BaseException):
        raise verdict[2]
