"""Who waits for a limit that several processes share.

Everything that holds for a limit holds in each process; besides, all processes count each request in one place.  That
is done as late as can be, for what passes between the counting and the writing differs from request to request, and a
strict server refuses two that come too close together.  A client that is attached tells when it is about to write: then
the request waits its turn, in its slot.  ``AHEAD`` of each process do so, which leaves none of what is allowed unused;
others are not begun.  A call of which no client tells is counted when it starts, by the thread that has a slot for it;
if its turn is yet to come, the permit is void, the thread takes up something else, and the wait is one more that the
limit answers with.  So are the first calls, until it is known what they are.

Guarantees: the requests of all processes together keep to the limit as those of one would, and all processes that have
some waiting get the same; see ``turns``.  The store is asked with no lock held but that of the process's turn, and not
by the thread of the alarms.  A request that was counted and then not made, because the call was cancelled or the
process killed just then, stays counted; a process that has ended, however it did, takes up nothing more.  Who comes
first within a process goes first, but for those that are told to wait at the same moment.

A pause reaches the other processes: they wait as long as its server asked for, and go slower afterwards by as much as
the one that was refused, so that they learn as quickly as one process does.  Probing afterwards is each one's own
affair, as is the pace of tokens.

How a store that hangs or is lost is coped with is said in ``store_link``.
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from functools import partial

from ..base.clock import FOREVER
from ..scope.alarms import set_alarm
from .rate_waitlist import RateWaitlist
from .store_link import StoreLink, reach
from .stores import store_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..base.clock import Clock
    from ..base.generic import T
    from ..policies.cost import Cost, Permit
    from ..policies.rate_limit import RateLimit
    from .request_end import RequestEnd
    from .waitlist import Waiter

LOOK = 0.05  # seconds between looks whether a store that stalls has answered; arbitrary: a tenth of ``STALL``
AHEAD = 2
"""Requests of this process that wait until they may be written, before no further one is begun."""
NEW, NEW_MARGIN, BURST = 3, 0.1, 2.0
"""The first requests of a process are on new connections, and so reach their server later than those that follow them.
Without a burst the one after each of them is kept further away, by this part of the distance.  With four processes that
start at once, on two cores: of 16 runs 5 began with a refusal, which costs 10 requests or more."""
LATELY = 0.0005
"""Seconds after which a request is said to have been written late.  Arbitrary: a few times what writing takes, and a
quarter of what is kept between two requests beyond what is allowed, at 600 a minute."""
UNNAMED = "rate"


class SharedWaitlist(RateWaitlist):
    """A waitlist whose permits other processes have a say in.

    Raises:
        ImportError, OSError, ValueError: what is needed is not installed, or the store cannot be reached.
    """

    shared = True

    def __init__(self, limit: RateLimit, place: str) -> None:
        super().__init__(limit)
        self._store = store_at(place, limit.name or UNNAMED)
        reach(self._store)
        self._link = StoreLink(limit)
        self._attached: bool | None = None  # whether clients tell when they are about to write, as far as is known
        # When calls have started whose requests are counted, and what was lacking then.
        self._paid: deque[tuple[float, float]] = deque(maxlen=AHEAD)
        self._departing: dict[object, None] = {}  # requests that are about to be written, and wait
        self._new = NEW  # so many more requests may be on connections that are new
        self._full_at = FOREVER  # when the bucket would have been full if the request that left last had not
        self._known: int | None = None  # pauses that this process has learned from, its own among them
        self._told = 0  # pauses that the other processes know of

    def _forked(self) -> None:
        """In the child of a fork: questions are the parent's."""
        super()._forked()
        self._link.forget_questions()
        self._departing = {}
        self._paid.clear()

    def take(self, waiter: Waiter, cost: Cost | None, clock: Clock, within: float = -1.0) -> Permit | None:
        """See ``Waitlist``; none as long as a question waits for its answer so long that one more would do so too."""
        if self._link.asked:
            with self._lock:
                now = clock.monotonic()
                if self._link.is_stalled(now):
                    self.limit.hold(now + LOOK)
        return super().take(waiter, cost, clock, within)

    def note(self, permit: Permit, clock: Clock, end: RequestEnd) -> None:
        """What became of the request; that a pause has begun is passed on."""
        super().note(permit, clock, end)
        if end.how != "overloaded":
            return
        with self._lock:
            now = clock.monotonic()
            begun, self._told = self.limit.overloads - self._told, self.limit.overloads
            seconds = self.limit.paused_for(now)
            bucket = None if self.limit.pause.brief else self.limit.bucket
            if begun and bucket is not None and self._known is not None:
                self._known += 1  # it will be counted there
        if begun and seconds > 0:
            pause = partial(self._store.pause, seconds, bucket)
            set_alarm(clock, now, partial(self._link.tell, pause, clock))  # in a thread of its own

    def ask(self, clock: Clock) -> float:
        """Count the request where all count theirs, or say when it may be tried again.

        An attached client counts it when it is about to write.  Until then it may start, unless enough wait there.
        """
        if self._attached:
            bucket = self.limit.bucket
            return 0.0 if bucket is None or len(self._departing) < AHEAD else bucket[0] / 2
        wait = self._take(clock) or 0.0
        if wait <= 0.0:
            self._paid.append((clock.monotonic(), self._store.lacking))
        return wait

    def stalls(self) -> None:
        """Say so, once."""
        self._link.stalls()

    # -- requests as they leave --------------------------------------------------------------------------------------

    def unattached(self) -> None:
        """A call has ended well and told of no request: from now on each counts as one when it starts."""
        self._attached = False

    @contextmanager
    def departing(self) -> Iterator[None]:
        """While a request that has its permit waits until it may leave."""
        key = object()
        self._departing[key] = None
        try:
            yield
        finally:
            self._departing.pop(key, None)

    def departs(self, clock: Clock) -> float:
        """See ``RateWaitlist``; ``leaves`` waits for this process's own requests too."""
        if self._attached is None:
            self._attached = True
        wait = super().departs(clock)
        return wait if self._link.lost else 0.0

    def leaves(self, clock: Clock) -> float:
        """Seconds until the requests before, whoever's they are, are far enough away; 0.0 counts this one as gone."""
        asked = clock.monotonic()
        if self._is_paid(asked):
            return 0.0
        if self._link.is_stalled(asked):
            return LOOK
        wait = self._take(clock)
        if wait is None:
            return super().leaves(clock)
        if wait <= 0.0:
            self._full_at = asked + self._store.lacking
        return wait

    def left(self, clock: Clock) -> None:
        """A request was written only now, and all are to know if that is later than was said."""
        super().left(clock)
        now = clock.monotonic()
        late = now - self._full_at
        if late > LATELY and not self._link.is_stalled(now):
            self._full_at = now
            self._answer(lambda spacing, capacity: self._store.left(spacing, capacity, late), clock)

    def _is_paid(self, now: float) -> bool:
        """Whether this request was counted when its call started, a moment ago."""
        try:
            counted, lacking = self._paid.popleft()
        except IndexError:
            return False
        bucket = self.limit.bucket
        if bucket is None or now - counted >= bucket[0]:
            return False  # others have had their turn meanwhile
        self._full_at = counted + lacking
        return True

    # -- what the store is asked -------------------------------------------------------------------------------------

    def _take(self, clock: Clock) -> float | None:
        """Seconds until it should be asked again; 0.0 counts a request as leaving now, None is said by nobody."""
        wait = self._answer(self._take_new if self._new > 0 else self._store.take, clock)
        if self._store.pauses != self._known:
            self._learn(self._store.pauses, clock)
        return wait

    def _take_new(self, spacing: float, capacity: float) -> float:
        """Of a request on a connection that may be new."""
        wait = self._store.take(spacing * (1.0 + NEW_MARGIN) if capacity < BURST else spacing, capacity)
        if wait <= 0.0:
            self._new -= 1
        return wait

    def _learn(self, pauses: int, clock: Clock) -> None:
        """Go as slowly as those who were refused elsewhere."""
        with self._lock:
            known, self._known = self._known, pauses
            if known is not None and pauses > known:
                self.limit.buckets.refused_elsewhere(clock.monotonic(), paced=not self.limit.pause.paused)

    def _answer(self, question: Callable[[float, float], T], clock: Clock) -> T | None:
        """What the store says to a question about the limit as it is; None if it is lost."""
        with self._lock:
            bucket = self.limit.bucket
        return None if bucket is None else self._link.ask(partial(question, *bucket), clock)
