"""Hedging: a second attempt of a call that takes long, beside the first one; the first answer wins.

Guarantees: a call under hedging has exactly one end, as every call; the attempt that loses is cancelled, and its scope
ends whatever it waits for; an attempt that fails while the other goes on leaves the end to that one; there are never
more second attempts than the budget allows.

Guarded by ``hub.lock``: everything.
"""

from __future__ import annotations

from ..base.clock import FOREVER
from ..base.errors import TaskCancelled
from ..base.outcome import CANCELLED, SUCCEEDED
from .alarms import set_alarm
from .calls import Call
from .rules import Progress
from .watchdog import GRACE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..base.outcome import Raw
    from ..control.hedge import Hedge
    from .drain import Drain
    from .governed import Governed
    from .source import After


class Twin(Call):
    """The second attempt of a call."""

    def __init__(self, call: Call, race: Race, now: float) -> None:
        self.fn, self.args, self.kwargs, self.context = call.fn, call.args, call.kwargs, call.context
        self.timeout, self.index, self.item, self.outer = call.timeout, call.index, call.item, call.outer
        self.rules = call.rules
        self.since = now
        self.progress = Progress(call.progress.cost, now)
        self.progress.handed_in = call.progress.handed_in
        self.progress.attempts = call.progress.attempts
        self.race = self._race = race

    def begin(self, drain: Drain) -> bool:
        """Start, unless the first attempt has ended meanwhile."""
        self.drain = drain
        return not self.unwanted

    def dropped(self) -> None:
        """It was not begun.  With the lock held."""
        self._race.drop(self)


class Race:
    """One attempt of a call, and another one if the first takes long.

    Args:
        start: when the first attempt starts.
    """

    __slots__ = ("_alive", "_drain", "_hedge", "_source", "_take_back", "_twin", "call", "over", "start")

    def __init__(self, source: Governed, drain: Drain, call: Call, hedge: Hedge, start: float) -> None:
        self._source = source
        self._drain = drain
        self._hedge = hedge
        self.call = call
        self.start = start
        self.over = False
        self._twin: Twin | None = None
        self._alive: set[Call] = {call}
        with hedge.lock:
            if not call.progress.attempts:
                hedge.began()
            delay = hedge.delay()
        self._take_back: Callable[[], None] | None = None
        if delay < FOREVER:
            self._take_back = set_alarm(source.hub.clock, start + delay, self._call, quick=True)

    def _call(self) -> None:
        """The first attempt takes long: make another."""
        source = self._source
        after: After = []
        with source.hub.lock:
            if self.over or self.call not in self._drain.claim or source.ended:
                return
            with self._hedge.lock:
                if not self._hedge.allow():
                    return
            self._twin = twin = Twin(self.call, self, source.hub.clock.monotonic())
            self._alive.add(twin)
            source.twins += 1
            source.put_first(twin, after)
        source.hub.perform(after)

    def ended(self, who: Call, raw: Raw, after: After) -> Raw | None:
        """An attempt has ended; the end of the call, or None if that is the other attempt's affair."""
        self._leave(who)
        if self.over or (raw[3] is not SUCCEEDED and self._alive):
            return None
        self._finish(after)
        if raw[3] is SUCCEEDED:
            with self._hedge.lock:
                self._hedge.ended(raw[6] - self.start)
        return raw if raw[5] is None else (*raw[:5], self.start, *raw[6:])

    def stopped(self, who: Call, raw: Raw, after: After) -> bool:
        """An attempt was ended from outside; whether that is the end of the call."""
        self._leave(who)
        if self.over or (self._alive and not (who is self.call and raw[3] is CANCELLED)):
            return False
        self._finish(after)
        return True

    def drop(self, twin: Call) -> None:
        """The second attempt was not begun."""
        if twin in self._alive:
            self._leave(twin)
            with self._hedge.lock:
                self._hedge.extra -= 1

    def _leave(self, who: Call) -> None:
        if who in self._alive:
            self._alive.discard(who)
            if who is self._twin:
                self._source.twins -= 1

    def _finish(self, after: After) -> None:
        self.over = True
        if self._take_back is not None:
            after.append(self._take_back)
        error = TaskCancelled("another attempt of this call was faster")
        for other in list(self._alive):
            other.unwanted = other is self._twin
            if other is self._twin and self._source.take_out(other):
                self.drop(other)
            elif other.drain is not None:
                self._source.hub.watchdog.end(other.drain, other, CANCELLED, error, after, grace=GRACE)
