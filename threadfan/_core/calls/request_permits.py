"""The requests that a call under rules makes through attached clients: a limit counts requests, not calls.

The permit that the call was started with is for its first request; each further one waits for a permit of its own,
through the scope.  That wait holds the call's slot, but does not count against its timeout.  An answer that says "too
many" reaches the limit at once, and the client's own retries are kept out of what the fan tries again by itself.

Used by the call's own thread; threads that the call starts may share it, as each request has a ticket of its own.
"""

from __future__ import annotations

import time
from contextlib import contextmanager

from ..base.clock import FOREVER
from ..limits.permits import Permits, Ticket
from ..policies.cost import Cost
from ..policies.responses import refuses, retry_after, silence
from ..scope.waiting import sleep
from .policies import Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping
    from typing import Any

    from ..base.clock import Clock
    from ..limits.waitlist import Line
    from ..policies.cost import Permit
    from ..pool.scheduler import Hub
    from ..pool.session import Drain
    from ..pool.work_queue import After
    from .policies import Rules


class Meter(Permits):
    """Of one call."""

    __slots__ = ("_call", "_drain", "_first", "_hub", "_permit_at_start", "_progress", "_rules")

    def __init__(self, drain: Drain, call: Any) -> None:
        self._hub: Hub = drain.hub
        self._drain: Drain | None = drain
        self._call = call
        self._rules: Rules = call.rules
        self._progress: Progress = call.progress
        self._permit_at_start = self._progress.permit
        self._first = [True]  # until it is popped, which one thread can: that permit is unused

    def forget(self) -> None:
        """The call has ended; requests that its threads still make are under the limit, each with a permit of its own.

        Forgotten is what leads to its outcome, for users' variables may lead here: see ``CallScope``.
        """
        self._drain = self._call = self._permit_at_start = None
        self._first = []
        self._progress = Progress(None, self._hub.clock.monotonic())

    @property
    def call(self) -> Meter:
        """Itself: that of the call around."""
        return self

    @property
    def rules(self) -> Rules:
        """What the call is under."""
        return self._rules

    @property
    def clock(self) -> Clock:
        """Of the fan that runs the call."""
        return self._hub.clock

    def begin(self) -> Ticket:
        """A request is about to be made; waits for a permit if the limit asks for it.

        Raises:
            CallCancelled: the scope has ended meanwhile.
        """
        line = self._rules.line
        if line is None:
            return Ticket(None)
        self._progress.told = True
        ticket = Ticket(self._further(line))
        try:
            self.wait_to_leave(line, self._hub.clock)
        except BaseException:
            self.end(ticket, None, None)
            raise
        return ticket

    def sent(self) -> None:
        """Some of the request has been written: the distance to the next one counts from here."""
        if self._rules.line is not None:
            self._rules.line.left(self._hub.clock)

    def end(self, ticket: Ticket, status: int | None, headers: MutableMapping[str, str] | None) -> None:
        """The request was answered; ``status`` is None if it was not."""
        line = self._rules.line
        refused = refuses(status, headers)
        if headers is not None and self._is_tried_again(status, refused):
            asked, call, drain = retry_after(headers, time.time(), FOREVER), self._call, self._drain
            if asked is not None and call is not None and drain is not None:  # else the call has ended
                source: Any = drain.source
                source.told_to_wait(call, asked)
            silence(headers)
        if line is None:
            return
        permit, clock = ticket.permit, self._hub.clock
        if permit is None and refused:
            permit = self._first_permit()
        if permit is None:
            self._progress.headers = headers or self._progress.headers  # the attempt's end tells the limit
        elif refused:
            line.note(permit, clock, "overloaded", retry_after=retry_after(headers, time.time()), headers=headers)
        else:
            line.note(permit, clock, "failed" if status is None else "succeeded", headers=headers)

    def _is_tried_again(self, status: int | None, refused: bool) -> bool:
        """Whether an answer is the fan's to react to; a hedge alone tries nothing again."""
        rules = self._rules
        limited = rules.line is not None or rules.pace is not None
        return (refused and limited) or (rules.policy is not None and (status or 0) >= 400)

    def _first_permit(self) -> Any:
        """The permit of the attempt, once; None if it has ended meanwhile and another one may be under way."""
        permit = self._permit_at_start
        if permit is None or self._progress.permit is not permit:
            return None
        self._progress.permit = None
        return permit

    def _further(self, line: Line) -> Any:
        """None for the first request, and a permit of its own for each other.

        After a first request that was refused, the next one takes its place: the attempt's end tells its tokens.
        """
        try:
            self._first.pop()
        except IndexError:
            # Its tokens are counted with the call's: all that it uses corrects what was reserved for it.
            permit = self.draw(line, self._hub.clock, Cost())
            return None if self._adopted(permit) else permit
        return None

    # -- an agent that runs in the call, and makes its requests by itself --------------------------------------------

    def keep(self) -> None:
        """The call is not to be attempted again, whatever comes of it, nor twice at once: an agent runs in it."""
        self._progress.once = True

    def hand_over(self) -> Permit | None:
        """The permit of the attempt, if no request has used it; whoever gets it tells its end."""
        try:
            self._first.pop()
        except IndexError:
            return None
        with self._hub.lock:  # or whoever ends the call meanwhile might tell it too
            return self._first_permit() if self._running() else None

    def restart(self, seconds: float, **note: Any) -> None:
        """Wait so long until a request that was refused is made again; the fan's `Adaptive` hears of it and paces that.

        Raises:
            CallCancelled: the scope has ended meanwhile.
        """
        pace, progress, hub = self._rules.pace, self._progress, self._hub
        start = None
        if pace is not None:
            with hub.lock:
                if self._running():
                    start, progress.start = progress.start, None
        if pace is None or start is None:
            sleep(seconds)
            return
        after: After = []
        pace.note(start, hub.clock, "overloaded", **note)
        with hub.lock:
            hub.adapt(after)
        hub.perform(after)
        sleep(seconds)
        start = self.draw(pace, hub.clock, None)
        with hub.lock:
            if self._running():
                start, progress.start = None, start
        if start is not None:
            pace.give_back(start, hub.clock)

    def _running(self) -> bool:
        """Whether nobody has ended the call.  With the hub's lock held."""
        drain = self._drain
        return drain is not None and self._call in drain.claim

    def _adopted(self, permit: Permit) -> bool:
        progress = self._progress
        with self._hub.lock:
            if progress.permit is not None or not self._running():
                return False
            progress.permit = self._permit_at_start = permit
        return True

    @contextmanager
    def uncounted(self) -> Iterator[None]:
        """What is waited inside does not count against the call's timeout."""
        progress, drain, call, clock = self._progress, self._drain, self._call, self._hub.clock.monotonic
        if drain is None:  # the call has ended
            yield
            return
        begun = clock()
        progress.allowance = FOREVER
        drain.extend(call)
        try:
            yield
        finally:
            progress.waited_inside += clock() - begun
            progress.allowance = progress.waited_inside
            drain.extend(call)
