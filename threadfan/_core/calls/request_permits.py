"""The requests that a call under policies makes through attached clients: a limit counts requests, not calls.

The permit that the call was started with is for its first request; each further one waits for a permit of its own,
through the scope.  That wait holds the call's slot, but does not count against its timeout.  An answer that says "too
many" reaches the limit at once, and the client's own retries are kept out of what the fan tries again by itself.

Used by the call's own thread; threads that the call starts may share it, for each request is told of by itself.
"""

from __future__ import annotations

import time
from contextlib import contextmanager

from ..base.clock import FOREVER
from ..limits.permits import CountedRequest, Permits
from ..limits.request_end import RequestEnd
from ..policies.cost import Cost
from ..policies.responses import refuses
from ..policies.retry_after import retry_after, silence
from ..scope.scope import current_scope
from ..scope.waiting import sleep
from .policies import AttemptState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

    from ..base.clock import Clock
    from ..limits.rate_waitlist import RateWaitlist
    from ..policies.cost import Permit
    from ..pool.scheduler import Scheduler
    from ..pool.terms import Key
    from ..pool.work_queue import Actions, Session
    from .long_waits import LongWaits
    from .policies import Policies


class RequestPermits(Permits):
    """Of one call.

    Args:
        key: by which the session has the call's claim.
        state: how far the call has come.
        policies: what it is under.
        long_waits: told of answers that ask for one.
    """

    __slots__ = ("_first", "_key", "_long_waits", "_permit_at_start", "_policies", "_scheduler", "_session", "_state")

    def __init__(
        self,
        scheduler: Scheduler,
        session: Session,
        key: Key,
        state: AttemptState,
        policies: Policies,
        long_waits: LongWaits,
    ) -> None:
        self._scheduler = scheduler
        self._session: Session | None = session
        self._key: Key = key
        self._policies = policies
        self._long_waits = long_waits
        self._state = state
        self._permit_at_start = state.permit
        self._first = [True]  # until it is popped, which one thread can: that permit is unused

    def forget(self) -> None:
        """The call has ended; requests that its threads still make are under the limit, each with a permit of its own.

        Forgotten is what leads to its outcome, for users' variables may lead here: see ``CallScope``.
        """
        self._session = self._key = self._permit_at_start = None
        self._first = []
        self._state = AttemptState(None, self._scheduler.clock.monotonic())

    @property
    def call(self) -> RequestPermits:
        """Itself: that of the call around."""
        return self

    @property
    def policies(self) -> Policies:
        """What the call is under."""
        return self._policies

    @property
    def clock(self) -> Clock:
        """Of the fan that runs the call."""
        return self._scheduler.clock

    def begin(self) -> CountedRequest:
        """A request is about to be made; waits for a permit if the limit asks for it.

        Raises:
            CallCancelled: the scope has ended meanwhile.
        """
        waitlist = self._policies.waitlist
        if waitlist is None:
            return CountedRequest(None)
        self._state.told = True
        counted = CountedRequest(self._further(waitlist))
        try:
            self.wait_to_leave(waitlist, self._scheduler.clock)
        except BaseException:
            self.end(counted, None, None)
            raise
        return counted

    def sent(self) -> None:
        """Some of the request has been written: the distance to the next one counts from here."""
        if self._policies.waitlist is not None:
            self._policies.waitlist.left(self._scheduler.clock)

    def end(self, counted: CountedRequest, status: int | None, headers: MutableMapping[str, str] | None) -> None:
        """The request was answered; ``status`` is None if it was not."""
        waitlist = self._policies.waitlist
        refused = refuses(status, headers)
        if headers is not None and self._is_tried_again(status, refused):
            asked, key, session = retry_after(headers, time.time(), FOREVER), self._key, self._session
            if asked is not None and session is not None:  # else the call has ended
                self._long_waits.told(session.queue.function_of(key), asked)
            silence(headers)
        if waitlist is None:
            return
        permit, clock = counted.permit, self._scheduler.clock
        if permit is None and refused:
            permit = self._first_permit()
        if permit is None:
            self._state.headers = headers or self._state.headers  # the attempt's end tells the limit
        elif refused:
            asked = retry_after(headers, time.time())
            waitlist.note(permit, clock, RequestEnd("overloaded", retry_after=asked, headers=headers))
        else:
            waitlist.note(permit, clock, RequestEnd("failed" if status is None else "succeeded", headers=headers))

    def _is_tried_again(self, status: int | None, refused: bool) -> bool:
        """Whether an answer is the fan's to react to; a hedge alone tries nothing again."""
        policies = self._policies
        return (refused and policies.limited) or (policies.retry is not None and (status or 0) >= 400)

    def _first_permit(self) -> Permit | None:
        """The permit of the attempt, once; None if it has ended meanwhile and another one may be under way."""
        permit = self._permit_at_start
        if permit is None or self._state.permit is not permit:
            return None
        self._state.permit = None
        return permit

    def _further(self, waitlist: RateWaitlist) -> Permit | None:
        """None for the first request, and a permit of its own for each other.

        After a first request that was refused, the next one takes its place: the attempt's end tells its tokens.
        """
        try:
            self._first.pop()
        except IndexError:
            # Its tokens are counted with the call's: all that it uses corrects what was reserved for it.
            permit = self.draw(waitlist, self._scheduler.clock, Cost())
            return None if self._adopted(permit) else permit
        return None

    # -- an agent that runs in the call, and makes its requests by itself --------------------------------------------

    def keep(self) -> None:
        """The call is not to be attempted again, whatever comes of it, nor twice at once: an agent runs in it."""
        self._state.once = True

    def speak(self) -> None:
        """Some of what it makes was handed out and cannot be taken back: no attempt follows, and no fallback."""
        self._state.once = self._state.spoken = True

    def hand_over(self) -> Permit | None:
        """The permit of the attempt, if no request has used it; whoever gets it tells its end."""
        try:
            self._first.pop()
        except IndexError:
            return None
        with self._scheduler.lock:  # or whoever ends the call meanwhile might tell it too
            return self._first_permit() if self._running() else None

    def restart(self, seconds: float, refusal: RequestEnd) -> None:
        """Wait so long until a request that was refused is made again; the fan's `Adaptive` hears of it and paces that.

        Raises:
            CallCancelled: the scope has ended meanwhile.
        """
        pace, state, scheduler = self._policies.pace, self._state, self._scheduler
        start = None
        if pace is not None:
            with scheduler.lock:
                if self._running():
                    start, state.start = state.start, None
        if pace is None or start is None:
            sleep(seconds)
            return
        after: Actions = []
        pace.note(start, scheduler.clock, refusal)
        with scheduler.lock:
            scheduler.adapt(after)
        scheduler.perform(after)
        sleep(seconds)
        start = self.draw(pace, scheduler.clock, None)
        with scheduler.lock:
            if self._running():
                start, state.start = None, start
        if start is not None:
            pace.give_back(start, scheduler.clock)

    def _running(self) -> bool:
        """Whether nobody has ended the call.  With the scheduler's lock held."""
        session = self._session
        return session is not None and self._key in session.claim

    def _adopted(self, permit: Permit) -> bool:
        state = self._state
        with self._scheduler.lock:
            if state.permit is not None or not self._running():
                return False
            state.permit = self._permit_at_start = permit
        return True

    @contextmanager
    def uncounted(self) -> Iterator[None]:
        """What is waited inside does not count against the call's timeout."""
        state, session, key, clock = self._state, self._session, self._key, self._scheduler.clock.monotonic
        if session is None:  # the call has ended
            yield
            return
        begun, pulse = clock(), current_scope().pulse
        state.allowance = FOREVER
        if pulse is not None:
            pulse[0] = FOREVER
        session.extend(key)
        try:
            yield
        finally:
            if pulse is not None:
                pulse[0] = clock()
            state.waited_inside += clock() - begun
            state.allowance = state.waited_inside
            session.extend(key)
