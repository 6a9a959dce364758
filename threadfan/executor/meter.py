"""The requests that a call under rules makes through attached clients: a limit counts requests, not calls.

The permit that the call was started with is for its first request; each further one waits for a permit of its own,
through the scope.  That wait holds the call's slot, but does not count against its timeout.  An answer that says "too
many" reaches the limit at once, and the client's own retries are kept out of what the fan tries again by itself.

Used by the call's own thread; threads that the call starts may share it, as each request has a ticket of its own.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from queue import SimpleQueue

from ..base.clock import FOREVER
from ..control.answers import refuses, retry_after, silence
from ..control.cost import Cost
from ..control.scope import current_scope
from .rules import Progress
from .waiting import sleep, wait_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping
    from typing import Any

    from ..control.cost import Permit
    from .drain import Drain
    from .hub import Hub
    from .line import Line
    from .rules import Rules


class Ticket:
    """One request.  ``permit`` is None if the one that the call was started with is used."""

    __slots__ = ("permit",)

    def __init__(self, permit: Permit | None) -> None:
        self.permit = permit


class Meter:
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
    def limited(self) -> bool:
        """Whether requests wait for permits here, so that one that was refused may be made again at once."""
        return self._rules.line is not None

    def begin(self) -> Ticket:
        """A request is about to be made; waits for a permit if the limit asks for it.

        Raises:
            CallCancelled: the scope has ended meanwhile.
        """
        line = self._rules.line
        if line is None:
            return Ticket(None)
        ticket = Ticket(self._further(line))
        try:
            self._wait_to_leave(line)
        except BaseException:
            self.end(ticket, None, None)
            raise
        return ticket

    def _wait_to_leave(self, line: Line) -> None:
        clock = self._hub.clock
        wait = line.departs(clock)
        while wait > 0 or (wait := line.leaves(clock)) > 0:
            with self._uncounted():
                sleep(wait)
            wait = 0.0

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
            permit = self._permit(line)
            return None if self._adopted(permit) else permit
        return None

    def _adopted(self, permit: Permit) -> bool:
        progress, drain = self._progress, self._drain
        with self._hub.lock:
            if progress.permit is not None or drain is None or self._call not in drain.claim:
                return False
            progress.permit = self._permit_at_start = permit
        return True

    def _permit(self, line: Line) -> Any:
        # Its tokens are counted with the call's: all that it uses corrects what was reserved for it.
        waiter, clock = _Waiter(), self._hub.clock
        permit = None if line.shared else line.take(waiter, Cost(), clock)
        if permit is not None:
            return permit
        try:
            with self._uncounted():
                if line.shared:  # to ask others may take a while too
                    permit = self._ask(line, waiter)
                while permit is None:
                    wait_in(current_scope(), waiter.gate, None)
                    permit = self._ask(line, waiter)
        finally:
            if permit is None:
                line.leave(waiter, clock)
        return permit

    def _ask(self, line: Line, waiter: _Waiter) -> Any:
        clock = self._hub.clock
        while (permit := line.take(waiter, Cost(), clock)) is not None:
            if line.confirm(permit, clock):
                break
        return permit

    @contextmanager
    def _uncounted(self) -> Iterator[None]:
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


class _Waiter:
    """A call that stands in line, holding its slot."""

    def __init__(self) -> None:
        self.gate: SimpleQueue[None] = SimpleQueue()

    def can_start(self) -> bool:
        return True

    def invite(self) -> None:
        self.gate.put(None)
