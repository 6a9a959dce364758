"""What becomes of the inputs of an ``InputBatch``, which are no calls from the start.

Most calls succeed at once, and then nothing needs to be known of them but their outcome.  So an input becomes a call of
its own, with a state, only when something happens to it: its first attempt fails or is ended from outside, a limit does
not let it start, it is attempted a second time, or its function asks for its scope.

Of an input that runs ``made``, ``permits`` and the dues of the ``Lookout`` may know something by its index.  They need
no lock: whoever has popped its claim takes it out of them.
"""

from __future__ import annotations

from ..base.attempt import Attempt
from ..base.outcome import END, INDEX, ITEM, SINCE, START, SUCCEEDED, WORKER
from . import answers
from .attempts import Attempts
from .batch import Batch
from .call_queue import Call
from .collector import Collector
from .inputs import Inputs
from .lookout import Lookout
from .policy_queues import PolicyBatch
from .request_permits import RequestPermits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context
    from typing import Any

    from ..base.generic import OneInput
    from ..base.outcome import Raw
    from ..base.usage import Usage
    from ..policies.cost import Permit
    from ..pool.scheduler import Scheduler
    from ..pool.terms import Key
    from ..pool.work_queue import Actions, ConcurrencyLimit, Session
    from ..scope.scope import Scope
    from .inputs import Entry
    from .policies import Policies
    from .task_batch import TaskCall


def _waited_of(queue: InputCalls, key: Key) -> float:
    """See ``Terms``; a call may still be known by the index of its input."""
    call = key if isinstance(key, Call) else queue.made.get(key)
    return 0.0 if call is None else answers.waited_of(queue, call)


class InputCalls(PolicyBatch):
    """A batch of one function under policies that have nothing to say before a first attempt but "wait".

    Args:
        items: all inputs, if they are known; else they are fed.
        numbers: the index of each, if it is not its place.
        policies: see ``Policies.first_is_plain``.
        timeout: seconds for each attempt, or None.
        make: the call of an input, by its place and when it was taken.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        cap: ConcurrencyLimit,
        depth: int,
        fn: OneInput,
        *,
        items: list[Any] | None,
        numbers: list[int] | None = None,
        policies: Policies,
        timeout: float | None,
        make: Callable[[object, int, float], TaskCall],
        name: str,
        context: Context,
        outer: Scope | None = None,
    ) -> None:
        super().__init__(
            scheduler, cap, depth, fn, waitlists=policies.waitlists, make=make, name=name, context=context, outer=outer
        )
        self.policies = policies
        self.timeout = timeout
        self.new_call = make
        self.made: dict[int, TaskCall] = {}  # what inputs that run have become before their end
        self.permits: dict[int, tuple[Permit, float]] = {}  # with what limits had held back in all by then
        self.marks: dict[int, float] = {}  # of inputs that were fed: the same, as they came
        self.backlog.stays = False  # its own loop does
        self.lane = self.backlog.lane_of(policies)
        self.lookout = None if policies.hedge is None else Lookout(self, policies.hedge)
        if self.lookout is not None:
            self.listeners.append(self.lookout.rest)
        self.inputs = Inputs(items, self.since, numbers)
        self.entries = self.inputs.entries
        if items is not None:
            self.collector = Collector(len(items))
            self.collector.judged = True
            self.accepted = len(items)
            self.closed = True

    # -- inputs that wait for a limit: with the lock held -------------------------------------------------------------

    def waits(self, entry: Entry) -> TaskCall:
        """The call of an input that the limit does not let start."""
        index, item, since = entry
        call = self.new_call(item, index, since)
        call.state.mark = self.marks.pop(index, 0.0)
        return call

    def put_back(self, entry: Entry) -> None:
        """An input was taken, with its permit, and is not to start yet."""
        permit, _ = self.permits.pop(entry[0], (None, 0.0))
        if permit is not None and self.policies.waitlist is not None:
            self.policies.waitlist.give_back(permit, self.scheduler.clock)
        super().put_back(entry)

    def put_in_line(self, after: Actions) -> None:
        """Who has waited for a permit in place of the next input has got none."""
        entry = None if self.ended else self.inputs.take()
        if entry is not None:
            self.backlog.entries.append(self.waits(entry))
        lane = self.lane
        if not lane.calls:
            lane.leave(self.scheduler.clock)
        if lane.host is None:  # it has just left, or was invited while there was nobody in it, and so has left too
            self.backlog.let_go(lane)
            self.backlog.offer(after)

    # -- first attempts that have ended ------------------------------------------------------------------------------

    def is_more(self, index: int) -> bool:
        """Whether more is to be done than to keep the value of an input that has become a call; else that goes."""
        call = self.made.get(index)
        if call is None:  # it was to have a second attempt, and just now is not, see ``single``
            return False
        if self.policies.limited or call.hedging is not None:
            return True
        self.made.pop(index, None)  # it has only asked for its scope
        return False

    def follow(self, session: Session, raw: Raw) -> None:
        """A first attempt has ended by itself, and its end is not simply that of the call.  Without the lock."""
        session.judging = True
        try:
            Attempts(self, session).follow_first(self.become(raw), raw)
        finally:
            del self, session, raw  # leave no cycle: see ``call_queue``

    def settle(self, key: Key, raw: Raw, after: Actions) -> bool:
        """An attempt was ended from outside."""
        return super().settle(key if isinstance(key, Call) else self.become(raw), raw, after)

    def become(self, raw: Raw) -> TaskCall:
        """The call of an input whose first attempt has ended, which knows of that attempt what there is to know.

        By whoever has popped its claim.
        """
        index, start = raw[INDEX], raw[START]
        if self.lookout is not None:
            self.lookout.dues.pop(index, None)
        call = self.made.pop(index, None) or self.new_call(raw[ITEM], index, raw[SINCE])
        self._attach(call, raw[END] if start is None else start)
        return call

    def _attach(self, call: TaskCall, start: float) -> None:
        """Let the call have the permit of its attempt, and say how long it had waited."""
        state, index = call.state, call.index
        permit, held = self.permits.pop(index, (None, 0.0))  # type: ignore[arg-type]  # those of a batch have one
        waited = start - call.since
        if permit is not None:
            state.permit = permit
            state.limited = min(held - self.marks.pop(index, 0.0), waited)  # type: ignore[arg-type]
        state.queued = waited - state.limited
        state.discards = self.backlog.discards

    def made_call(self, session: Session, index: int) -> TaskCall | None:
        """What an input that runs has become, now at the latest; None if it has ended.  With the lock held."""
        claim = session.claim.get(index)
        if claim is None:
            return None
        return self.made.setdefault(index, self.made.get(index) or self.new_call(claim[0], index, claim[1]))

    def knows(self, index: int) -> bool:
        """Whether an input that runs has become a call.  With the lock held."""
        return index in self.made

    def single(self, _session: Session, index: int, call: TaskCall, known: bool) -> None:
        """It is not attempted a second time.  With the lock held."""
        if not known and self.made.pop(index, None) is not None:
            call.hedging = None  # leave no cycle

    def note_held(self, raw: Raw, held: float) -> None:
        """A first attempt has succeeded that limits, which had held back so long in all, may have kept waiting."""
        index, start, waited = raw[INDEX], raw[START], raw[START] - raw[SINCE]  # type: ignore[operator]
        limited = min(held - self.marks.pop(index, 0.0), waited)
        elsewhere = self.collector.attempts.get(index)  # what was measured there, if it was made elsewhere
        if limited > 0:
            self.collector.attempts[index] = [
                Attempt(
                    SUCCEEDED,
                    None,
                    started=waited,
                    duration=elsewhere[0].duration if elsewhere else raw[END] - start,  # type: ignore[operator]
                    waited_slot=waited - limited,
                    waited_limit=limited,
                    worker=elsewhere[0].worker if elsewhere else raw[WORKER],
                )
            ]

    # -- what is asked about a call, or an input ---------------------------------------------------------------------

    def timeout_of(self, key: Key) -> float | None:
        """What it waited for a limit while it ran does not count."""
        if isinstance(key, Call):
            return answers.timeout_of(self, key)
        call, timeout = self.made.get(key), self.timeout
        return timeout if call is None or timeout is None else timeout + call.state.allowance

    waited_of = _waited_of

    def permits_of(self, session: Session, key: Key) -> RequestPermits | None:
        """For its own thread, which asks for its scope."""
        if isinstance(key, Call):
            return answers.permits_of(self, session, key)
        call = self.made_call(session, key)
        if call is None:
            return None
        self._attach(call, session.claim[key][2])
        return RequestPermits(self.scheduler, session, key, call.state, self.policies, self.long_waits)

    def figures_of(self, key: Key) -> dict[str, float | str | None] | None:
        """See ``answers``; of an input whose first attempt was the only one."""
        if isinstance(key, Call):
            return answers.figures_of(self, key)
        return answers.figures(self.collector.attempts.get(key), self.collector.usages.get(key))

    def function_of(self, key: Key) -> str:
        """The name of the batch's function."""
        return self.name

    def index_of(self, key: Key) -> Any:
        """Its place among the inputs."""
        return key.index if isinstance(key, Call) else key

    def item_of(self, entry: Any) -> Any:
        """What the outcome of an input that was not pulled calls its item."""
        return entry

    def add_usage(self, key: Key, usage: Usage) -> None:
        """Only the call's own thread notes any."""
        call = key if isinstance(key, Call) else self.made.get(key)
        if call is not None:
            answers.note_usage(call, usage)
        Batch.add_usage(self, key, usage)
