"""What becomes of single calls of which nothing is known from the start, see ``first_call_queue``.

Guarantee: who makes the state of a call that runs writes it before he looks whether it still has its claim, and its
thread looks for the state after it has popped that: one of the two sees the other.
"""

from __future__ import annotations

from ..base.outcome import END, START
from ..base.variables import renewed
from . import answers
from .call_queue import CallQueue
from .lookout import Lookout
from .policies import AttemptState
from .policy_queues import PolicyCallQueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextvars import Context

    from ..base.outcome import Raw
    from ..base.usage import Usage
    from ..pool.scheduler import Scheduler
    from ..pool.work_queue import Actions, ConcurrencyLimit, Session
    from .call_queue import Call
    from .lane_backlog import LaneBacklog
    from .policies import Policies
    from .request_permits import RequestPermits


class FirstCalls(PolicyCallQueue):
    """Single calls that have a state only when something has happened to them.

    Args:
        policies: see ``Policies.first_is_plain``.
    """

    backlog: LaneBacklog

    def __init__(self, scheduler: Scheduler, cap: ConcurrencyLimit, depth: int, policies: Policies) -> None:
        super().__init__(scheduler, cap, depth, policies.waitlists)
        self.policies = policies
        self.lane = self.backlog.lane_of(policies)
        self.lookout = None if policies.hedge is None else Lookout(self, policies.hedge)

    # -- their states -------------------------------------------------------------------------------------------------

    def state_of(self, call: Call, start: float) -> AttemptState:
        """The state of a call whose first attempt has started then; made by the first who asks for it.

        In a dict's ``setdefault``, which gives all of them the same one.
        """
        if call.state is not None:
            return call.state
        state = AttemptState(None, call.since)
        waited = start - call.since
        state.discards, state.permit, held = call.taken
        if state.permit is not None:
            state.limited = min(held - call.mark, waited)
        state.queued = waited - state.limited
        made: AttemptState = vars(call).setdefault("state", state)
        return made

    def become(self, call: Call, raw: Raw) -> None:
        """Have a state made of a call whose first attempt has ended, by whoever has popped its claim."""
        start = raw[START]
        self.state_of(call, raw[END] if start is None else start)
        if self.lookout is not None:
            self.lookout.dues.pop(call, None)

    def settle(self, key: Call, raw: Raw, after: Actions) -> bool:
        """An attempt was ended from outside."""
        self.become(key, raw)
        return super().settle(key, raw, after)

    def begins(self, key: Call, start: float) -> Context:
        """See ``WorkQueue``."""
        if self.lookout is not None and key.state is None:
            self.lookout.watch(key, start)
        return renewed(key.context)

    def left(self) -> None:
        """A session has left it, or the fan is closed and nothing is left to do."""
        super().left()
        if self.lookout is not None and not self.active and (self.scheduler.dismissed or not self.lasting):
            self.lookout.rest()

    def take_next(self, session: Session) -> None:
        """Take a call for it.  Without the lock."""
        with self.scheduler.lock:  # whoever counts calls sees it here or there
            session.first = self.take_one()

    def take_one(self) -> Call | tuple[()] | None:
        """A call with its permits, if it needs any, or ``STAY``.  With the lock held."""
        raise NotImplementedError

    # -- a second attempt beside a first: see ``Lookout`` --------------------------------------------------------------

    def knows(self, key: Call) -> bool:
        """Whether it has a state."""
        return key.state is not None

    def made_call(self, session: Session, key: Call) -> Call | None:
        """The call, which has a state now at the latest; None if it has ended.  With the lock held."""
        claim = session.claim.get(key)
        if claim is None:
            return None
        self.state_of(key, claim[2])
        return key

    def single(self, session: Session, key: Call, call: Call, known: bool) -> None:
        """It is not attempted a second time.  With the lock held."""
        if key not in session.claim:  # else its thread sees to it
            call.hedging = None  # leave no cycle

    # -- what is asked about a call ----------------------------------------------------------------------------------

    def timeout_of(self, key: Call) -> float | None:
        """The call's own; what it waited for a limit while it ran does not count."""
        return answers.timeout_of(self, key) if key.state is not None else key.timeout

    def waited_of(self, key: Call) -> float:
        """What is allowed for that."""
        return answers.waited_of(self, key) if key.state is not None else 0.0

    def permits_of(self, session: Session, key: Call) -> RequestPermits | None:
        """For its own thread, which asks for its scope.  With the lock held."""
        if self.made_call(session, key) is None:
            return None
        return answers.permits_of(self, session, key)

    def figures_of(self, key: Call) -> dict[str, float | str | None] | None:
        """See ``answers``."""
        return answers.figures_of(self, key) if key.state is not None else answers.figures(None, key.usage)

    def add_usage(self, key: Call, usage: Usage) -> None:
        """Only the call's own thread notes any, which has asked for its scope before."""
        if key.state is not None:
            super().add_usage(key, usage)
        else:
            CallQueue.add_usage(self, key, usage)
